// token, token-helper, git-credential, exec.

#include <fmt/format.h>

#include "app/cli/child.hpp"
#include "app/cli/commands_token.hpp"
#include "app/cli/doors.hpp"
#include "app/cli/git_credential.hpp"
#include "app/cli/handing_on.hpp"
#include "app/cli/logins.hpp"
#include "app/cli/terminal.hpp"
#include "base/clock.hpp"

namespace vestibule::app::cli {
namespace {

std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

// The program, with what it needs to know and without what is the person's own. Gives its exit status.
int run_child(Context& ctx, const ExecOptions& o, Changes changes, const Secret& token) {
  changes.set.emplace_back("VESTIBULE_TOKEN", std::string(token.reveal_text()));
  // The person's own session is not the program's: as far as the environment goes, it finds none.
  changes.set.emplace_back("VESTIBULE_STATE", "/dev/null/vestibule");
  for (const char* name : {"VESTIBULE_SOCKET", "VESTIBULE_CONFIG"}) changes.unset.emplace_back(name);
  std::vector<std::string> environment = environment_with(changes);
  for (auto& v : changes.set) wipe(v.second);
  hold_signals();
  const Result<int> child = start_child(o.command, std::move(environment));
  return child ? wait_for(*child) : ctx.failed(child.error());
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

/// Of the host that git asks for: the first whose access point is there, the one of the path before others.
Result<std::optional<Login>> login_at(const GitRequest& request) {
  Result<std::filesystem::path> directory = state_directory();
  if (!directory) return std::move(directory).error();
  Result<std::vector<Login>> all = Logins(*directory).list();
  if (!all) return std::move(all).error();
  std::optional<Login> out;
  for (Login& l : *all) {
    if (!meant_for(request, l.resource)) continue;
    const std::string path = l.resource.substr(std::min(l.resource.size(), l.resource.find('/', l.resource.find("://") + 3)));
    const bool closer = !path.empty() && (("/" + request.path) + "/").starts_with(path + "/");
    if (!out || closer) out = std::move(l);
  }
  return out;
}

// What is known of a login's access point does not say what speaks behind it: the person has named it.
Variables variables_at(const Login& login, const std::string& only, std::string_view token) {
  Variables out;
  for (const Family family : kFamilies) {
    if (!only.empty() && only != name(family)) continue;
    for (auto& v : variables_for(family, json::Value(), login.resource, token)) out.push_back(std::move(v));
  }
  return out;
}

Error no_ttl() { return fail(Reason::invalid_argument, "--ttl is for tokens of a session: how long those of a login live, the gateway says"); }

int token_of_login(Context& ctx, const Login& login, const TokenOptions& o) {
  if (o.ttl_s > 0) return ctx.failed(no_ttl());
  Result<Tokens> tokens = renewed(login);
  if (!tokens) return ctx.failed(tokens.error());
  // A token opens nothing while the factor has lapsed; that is better known now than from a client.
  if (tokens->proof_ends <= unix_now()) return ctx.failed(explained(login, fail(Reason::mfa_lapsed)));
  const std::string_view handle = tokens->access.reveal_text();
  if (!o.env.empty() || o.format == "env") {
    for (const auto& [key, value] : variables_at(login, o.env, handle)) out("export " + key + "=" + shell_quoted(value) + "\n");
  } else if (ctx.json() || o.format == "json") {
    json::Value v;
    v.set("token", std::string(handle));
    v.set("ends", rfc3339(WallTime(std::chrono::seconds(tokens->access_ends))));
    out(v.dump() + "\n");
  } else {
    out(std::string(handle) + "\n");
  }
  return status(Exit::ok);
}

std::string spaced(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& word : list) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

int exec_with_login(Context& ctx, const Login& login, const ExecOptions& o) {
  if (o.ttl_s > 0) return ctx.failed(no_ttl());
  hold_signals();  // the client has a thread of its own from the first call on
  Result<Tokens> made = renewed_as(login, {o.agent, spaced(o.operations), spaced(o.models)});
  release_signals();
  if (!made) return ctx.failed(made.error());
  if (made->proof_ends <= unix_now()) {
    const Result<void> ended = revoke(login, made->access);
    static_cast<void>(ended);
    return ctx.failed(explained(login, fail(Reason::mfa_lapsed)));
  }
  Changes changes;
  for (auto& v : variables_at(login, {}, made->access.reveal_text())) changes.set.push_back(std::move(v));
  for (const Family family : kFamilies) {
    for (auto& n : contradicting(family)) changes.unset.push_back(std::move(n));
  }
  const int code = run_child(ctx, o, std::move(changes), made->access);
  if (const Result<void> gone = revoke(login, made->access); !gone) {
    warn("the token of " + printable(o.agent) + " could not be revoked; it ends " + time_text(rfc3339(WallTime(std::chrono::seconds(made->access_ends)))) + ": " + gone.error().detail);
  }
  return code;
}

}  // namespace

int token(Context& ctx, const TokenOptions& o) {
  Result<Reply> me = ctx.call_once(http::Method::get, "/me", As::session, {});
  if (!me) {
    Result<std::optional<Login>> login = login_instead(me.error(), o.access_point);
    if (!login) return ctx.failed(login.error());
    return *login ? token_of_login(ctx, **login, o) : ctx.failed(me.error());
  }
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
  if (!meant_for(*request, *url)) {
    // A login of that very gateway; silence is git's word for "I do not know": it asks the next helper, or the
    // person.
    Result<std::optional<Login>> login = login_at(*request);
    if (!login) return ctx.failed(login.error());
    if (!*login) return status(Exit::ok);
    Result<Tokens> tokens = renewed(**login);
    if (!tokens) return ctx.failed(tokens.error());
    out(git_answer(*request, tokens->access.reveal_text(), tokens->access_ends));
    return status(Exit::ok);
  }
  Result<HandedOn> made = cached_token(ctx, {}, {});
  if (!made) return ctx.failed(made.error());
  out(git_answer(*request, made->token.reveal_text(), made->ends));
  return status(Exit::ok);
}

int exec(Context& ctx, const ExecOptions& o) {
  hold_signals();  // the client has a thread of its own from the first call on
  Result<Reply> me = ctx.call_once(http::Method::get, "/me", As::session, {});
  release_signals();
  if (!me) {
    if (o.access_points.size() > 1) return ctx.failed(me.error());
    Result<std::optional<Login>> login = login_instead(me.error(), o.access_points.empty() ? std::string() : o.access_points.front());
    if (!login) return ctx.failed(login.error());
    return *login ? exec_with_login(ctx, **login, o) : ctx.failed(me.error());
  }
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
  const int code = run_child(ctx, o, std::move(changes), made->token);
  const Result<Reply> gone = ctx.call_once(http::Method::post, "/delegations/" + made->id + "/revoke", As::session, {});
  if (!gone && gone.error().code != Reason::not_found && !wants_sign_in(gone.error().code)) {
    warn("the token of " + printable(o.agent) + " could not be revoked; it ends " + time_text(made->ends_text) + ": " +
         gone.error().detail);
  }
  return code;
}

}  // namespace vestibule::app::cli
