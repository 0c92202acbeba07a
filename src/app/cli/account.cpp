#include "app/cli/account.hpp"

#include <fmt/format.h>

#include "app/cli/push.hpp"
#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {

Result<void> keep_session(Context& ctx, const Reply& reply) {
  Result<std::string> socket = ctx.socket();
  if (!socket) return std::move(socket).error();
  std::string handle = text_of(reply.json, "handle");
  if (handle.empty()) return fail(Reason::internal, "the gateway gave no session");
  SavedSession s{Secret(std::string_view(handle)), text_of(reply.json, "name"), std::move(*socket), {}};
  wipe(handle);
  if (Result<std::string> url = ctx.url()) s.url = std::move(*url);
  return ctx.keep(std::move(s));
}

Result<SignedIn> sign_in(Context& ctx, std::string name, Secret password) {
  Body body;
  body.set("name", name).set("password", password);
  Result<Reply> reply = ctx.call_once(http::Method::post, "/sign-in", As::nobody, body);
  if (!reply) return std::move(reply).error();
  if (Result<void> r = keep_session(ctx, *reply); !r) return std::move(r).error();
  const json::Value* second = reply->json.find("second");
  if (second != nullptr) static_cast<void>(ctx.kind_of_codes(second));
  return SignedIn{second != nullptr && !second->items().empty(), only_push(second)};
}

Result<void> sign_in_on_terminal(Context& ctx) {
  Result<Secret> name = ask("Name:", Echo::on, "run `vestibule login` first");
  if (!name) return std::move(name).error();
  Result<Secret> password = ask("Password:", Echo::off, "run `vestibule login` first");
  if (!password) return std::move(password).error();
  Result<SignedIn> in = sign_in(ctx, std::string(name->reveal_text()), std::move(*password));
  if (!in) return std::move(in).error();
  if (!in->has_second) return fail(Reason::mfa_required, "No second factor is enrolled. Run `vestibule factor add`.");
  Result<Reply> proved = in->only_push ? prove_by_push(ctx) : ctx.prove("Code:");
  if (!proved) return std::move(proved).error();
  return {};
}

void describe(const json::Value& me) {
  std::string text = fmt::format("Signed in as {} until {}.\n", printable(text_of(me, "name")), time_text(text_of(me, "ends")));
  if (const json::Value* evidence = me.find("evidence")) {
    for (const json::Value& e : evidence->items()) {
      text += fmt::format("  {} proved {} ago\n", printable(text_of(e, "factor")), duration_text(number_of(e, "age_s")));
    }
  }
  if (const json::Value* points = me.find("access_points")) {
    for (const json::Value& p : points->items()) {
      const std::string outcome = text_of(p, "outcome");
      std::string what;
      if (outcome == "allow") {
        const std::int64_t left = number_of(p, "expires_in_s");
        what = left > 0 ? "open for " + duration_text(left) : "open";
      } else {
        const std::optional<Reason> reason = reason_from(text_of(p, "reason"));
        what = "closed: " + (reason ? std::string(info(*reason).text) : printable(text_of(p, "reason")));
      }
      text += fmt::format("  {}  {}\n", printable(text_of(p, "name")), what);
    }
  }
  if (const json::Value* deadlines = me.find("deadlines")) {
    for (const json::Value& d : deadlines->items()) {
      if (flag_of(d, "met")) continue;
      text += fmt::format("  Your role needs a factor of kind {} by {}: enrol one at the portal. After that day nothing else is open.\n",
                          printable(text_of(d, "needs")), printable(text_of(d, "by")));
    }
  }
  if (const json::Value* alerts = me.find("alerts")) {
    for (const json::Value& a : alerts->items()) {
      const std::string id = text_of(a, "id");
      text += "  ! " + printable(text_of(a, "text")) + (id.empty() ? "" : " (vestibule user decline " + printable(id) + ")") + "\n";
    }
  }
  out(text);
}

Result<Secret> new_password(bool from_stdin) {
  if (from_stdin) {
    std::optional<Secret> line = read_line();
    if (!line || line->empty()) return fail(Reason::invalid_argument, "standard input has no line with the password");
    return std::move(*line);
  }
  for (;;) {
    Result<Secret> first = ask("New password (at least 12 characters; a few random words are good):", Echo::off,
                               "give it as a line of standard input with --password-stdin");
    if (!first) return first;
    Result<Secret> second = ask("The same again:", Echo::off, "give it as a line of standard input with --password-stdin");
    if (!second) return second;
    if (first->equals(second->reveal())) return first;
    warn("The two differ. Once more.");
  }
}

}  // namespace vestibule::app::cli
