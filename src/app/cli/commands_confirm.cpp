// confirm: lets a tool call out that waits for a person, or declines it.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "app/cli/commands_confirm.hpp"
#include "app/cli/terminal.hpp"
#include "crypto/hash.hpp"

namespace vestibule::app::cli {
namespace {

int list_calls(Context& ctx) {
  Result<Reply> reply = ctx.get("/confirmations");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"ID", "TOOL", "ACCESS POINT", "SINCE", "EXPIRES"});
  if (const json::Value* list = reply->json.find("confirmations")) {
    for (const json::Value& c : list->items()) {
      table.add({text_of(c, "id"), text_of(c, "tool"), text_of(c, "access_point"), time_text(text_of(c, "created")), time_text(text_of(c, "expires"))});
    }
  }
  if (table.empty()) {
    out("No tool call waits for you.\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

// What of the action is told in other words, or is its own frame; whatever else is in there is told as it stands.
constexpr std::array<std::string_view, 16> kTold{"format", "id",     "access_point", "tool",   "also",  "arguments",           "arguments_sha256", "user",
                                                 "account", "via", "source",       "client", "model", "conversation_sha256", "policy",           "expires"};

// The whole of it, before a factor is asked for: the authenticator shows nothing. Out of the very text that is
// signed, and of the arguments that it has the digest of.
Result<std::string> described_call(const json::Value& c) {
  const std::string signed_text = text_of(c, "action");
  const std::string arguments = text_of(c, "arguments");
  Result<json::Value> action = json::parse(signed_text);
  if (!action) return std::move(action).error();
  if (hex(crypto::sha256(as_bytes(signed_text))) != text_of(c, "digest") || hex(crypto::sha256(as_bytes(arguments))) != text_of(*action, "arguments_sha256")) {
    return fail(Reason::internal, "the gateway shows another call than the one that it wants confirmed: confirm nothing, and tell an administrator");
  }
  std::string text = "A tool call waits for you:\n";
  const auto row = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("  {:<13} {}\n", name, printable(value));
  };
  row("tool", text_of(*action, "tool"));
  row("access point", text_of(*action, "access_point"));
  row("arguments", arguments);
  if (const json::Value* also = action->find("also")) row("also, once", text_of(*also, "tool") + " at " + text_of(*also, "access_point"));
  row("asked by", text_of(*action, "user"));
  row("with", text_of(*action, "via"));
  row("from", text_of(*action, "source"));
  row("client", text_of(*action, "client"));
  row("model", text_of(*action, "model"));
  std::int64_t expires = 0;
  const std::string until = text_of(*action, "expires");
  std::from_chars(until.data(), until.data() + until.size(), expires);
  row("expires", time_text(rfc3339(WallTime(Duration(expires)))));
  for (const auto& [key, value] : action->members()) {
    if (std::ranges::find(kTold, key) == kTold.end()) row(key, value.dump());
  }
  if (const json::Value* ran = c.find("ran_before_s"); ran != nullptr && !ran->is_null()) {
    row("attention", "the same call ran " + duration_text(number_of(c, "ran_before_s")) + " ago");
  }
  if (!flag_of(c, "may_sign")) row("attention", text_of(c, "why_not"));
  return text;
}

}  // namespace

int confirm(Context& ctx, const ConfirmOptions& options) {
  if (options.id.empty()) return list_calls(ctx);
  const std::string path = "/confirmations/" + percent_encode(options.id);
  if (options.decline) {
    Result<Reply> done = ctx.post(path + "/decline", As::session);
    if (!done) return ctx.failed(done.error());
    out("Declined. The call is not let out.\n");
    return status(Exit::ok);
  }
  Result<Reply> found = ctx.get(path);
  if (!found) return ctx.failed(found.error());
  if (!ctx.json()) {
    Result<std::string> text = described_call(found->json);
    if (!text) return ctx.failed(text.error());
    err(*text);
  }
  const json::Value* need = found->json.find("need");
  if (need != nullptr && flag_of(*need, "bound")) {
    return ctx.failed(fail(Reason::mfa_required, "it takes a passkey or a security key, which signs the call itself: open the portal's page \"Tool calls\""));
  }
  Body body;
  body.set("ids", std::vector<std::string>{options.id});
  body.set_if("justification", options.why);
  Result<Reply> done = ctx.post("/confirmations/confirm", As::bound, std::move(body));
  if (!done) return ctx.failed(done.error());
  out("Confirmed. The call is let out, once.\n");
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
