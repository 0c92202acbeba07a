// token, token-helper, git-credential, exec.

#include <fmt/format.h>

#include "app/cli/child.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/doors.hpp"
#include "app/cli/git_credential.hpp"
#include "app/cli/handing_on.hpp"
#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {
namespace {

std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

// Of the families that are asked for, those that have an access point here.
Result<Variables> variables_of(Context& ctx, const json::Value& me, const std::string& access_point, const std::string& only,
                               std::string_view token) {
  Result<std::string> url = ctx.url();
  if (!url) return std::move(url).error();
  if (!access_point.empty() && !has_point(me, access_point)) {
    return fail(Reason::not_found, "there is no access point " + access_point);
  }
  Variables out;
  for (const Family family : kFamilies) {
    if (!only.empty() && only != name(family)) continue;
    const json::Value* point = point_for(me, access_point, family);
    if (point == nullptr) continue;
    for (auto& v : variables_for(family, *point, *url, token)) out.push_back(std::move(v));
  }
  if (out.empty() && !only.empty()) {
    return fail(Reason::not_found, access_point.empty() ? "no access point speaks " + only + ": name one with --access-point"
                                                        : "access point " + access_point + " does not speak " + only);
  }
  return out;
}

}  // namespace

int token(Context& ctx, const TokenOptions& o) {
  Result<Reply> me = ctx.call_once(http::Method::get, "/me", As::session, {});
  if (!me) return ctx.failed(me.error());
  if (const Result<void> r = awake(ctx, me->json, o.access_point); !r) return ctx.failed(r.error());
  TokenWish wish;
  wish.ttl_s = o.ttl_s;
  Result<HandedOn> made = hand_on(ctx, wish);
  if (!made) return ctx.failed(made.error());
  const std::string_view handle = made->token.reveal_text();
  if (!o.env.empty() || o.format == "env") {
    Result<Variables> variables = variables_of(ctx, me->json, o.access_point, o.env, handle);
    if (!variables) return ctx.failed(variables.error());
    for (const auto& [key, value] : *variables) out("export " + key + "=" + shell_quoted(value) + "\n");
    return status(Exit::ok);
  }
  if (ctx.json() || o.format == "json") {
    json::Value v;
    v.set("token", std::string(handle));
    v.set("ends", made->ends_text);
    out(v.dump() + "\n");
  } else {
    out(std::string(handle) + "\n");
  }
  return status(Exit::ok);
}

int token_helper(Context& ctx, const HelperOptions& o) {
  Result<HandedOn> made = cached_token(ctx, o.agent, o.access_point);
  if (!made) return ctx.failed(made.error());
  out(std::string(made->token.reveal_text()) + "\n");
  return status(Exit::ok);
}

int git_credential(Context& ctx, const std::string& operation) {
  Result<Secret> input = read_all(kMaxGitRequest);
  if (!input) return ctx.failed(input.error());
  const Result<GitRequest> request = parse_git_request(input->reveal_text());
  if (!request) return ctx.failed(request.error());
  // Nothing of git's is kept, so there is nothing to erase; a token that was refused is made anew when it ends.
  if (operation != "get") return status(Exit::ok);
  const Result<std::string> url = ctx.url();
  if (!url) return ctx.failed(url.error());
  // Silence is git's word for "I do not know": it asks the next helper, or the person.
  if (!meant_for(*request, *url)) return status(Exit::ok);
  Result<HandedOn> made = cached_token(ctx, {}, {});
  if (!made) return ctx.failed(made.error());
  out(git_answer(*request, made->token.reveal_text(), made->ends));
  return status(Exit::ok);
}

int exec(Context& ctx, const ExecOptions& o) {
  hold_signals();  // the client has a thread of its own from the first call on
  Result<Reply> me = ctx.call_once(http::Method::get, "/me", As::session, {});
  release_signals();
  if (!me) return ctx.failed(me.error());
  for (const std::string& name : o.access_points) {
    if (!has_point(me->json, name)) return ctx.failed(fail(Reason::not_found, "there is no access point " + name));
  }
  const std::string first = o.access_points.empty() ? std::string() : o.access_points.front();
  if (const Result<void> r = awake(ctx, me->json, first); !r) return ctx.failed(r.error());
  Result<HandedOn> made = hand_on(ctx, {o.agent, o.access_points, o.operations, o.models, o.ttl_s});
  if (!made) return ctx.failed(made.error());

  Changes changes;
  Result<std::string> url = ctx.url();
  if (!url) return ctx.failed(url.error());
  for (const Family family : kFamilies) {
    // Of several access points each family gets the first that speaks its language.
    const json::Value* point = nullptr;
    for (std::size_t i = 0; point == nullptr && i < std::max<std::size_t>(1, o.access_points.size()); ++i) {
      point = point_for(me->json, o.access_points.empty() ? std::string() : o.access_points[i], family);
    }
    if (point == nullptr) continue;
    for (auto& v : variables_for(family, *point, *url, made->token.reveal_text())) changes.set.push_back(std::move(v));
    for (auto& n : contradicting(family)) changes.unset.push_back(std::move(n));
  }
  changes.set.emplace_back("VESTIBULE_TOKEN", std::string(made->token.reveal_text()));
  // The person's own session is not the program's: as far as the environment goes, it finds none.
  changes.set.emplace_back("VESTIBULE_STATE", "/dev/null/vestibule");
  for (const char* name : {"VESTIBULE_SOCKET", "VESTIBULE_CONFIG"}) changes.unset.emplace_back(name);
  std::vector<std::string> environment = environment_with(changes);
  for (auto& v : changes.set) wipe(v.second);

  hold_signals();
  const Result<int> child = start_child(o.command, std::move(environment));
  const int code = child ? wait_for(*child) : ctx.failed(child.error());
  const Result<Reply> gone = ctx.call_once(http::Method::post, "/delegations/" + made->id + "/revoke", As::session, {});
  if (!gone && gone.error().code != Reason::not_found && !wants_sign_in(gone.error().code)) {
    warn("the token of " + printable(o.agent) + " could not be revoked; it ends " + time_text(made->ends_text) + ": " +
         gone.error().detail);
  }
  return code;
}

}  // namespace vestibule::app::cli
