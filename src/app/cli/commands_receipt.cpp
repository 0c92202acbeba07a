// receipt verify (offline), receipt get.

#include <fmt/format.h>

#include "app/cli/commands_receipt.hpp"
#include "app/cli/terminal.hpp"
#include "app/cli/verifier_key.hpp"
#include "app/files.hpp"
#include "approval/receipt.hpp"

namespace vestibule::app::cli {
namespace {

// Editors and shells put line breaks at the end.
std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

// As it is handed in, or as it travels in its header.
Result<std::string> receipt_from(std::string given) {
  given = trimmed(std::move(given));
  if (given.starts_with('{')) return given;
  const std::optional<Bytes> raw = unbase64url(given);
  if (!raw) return fail(Reason::invalid_argument, "neither a receipt nor one in base64url");
  return std::string(as_text(*raw));
}

std::string who(const approval::Confirmer& c) {
  std::string text = fmt::format("confirmed  {} by {} with {} ({})\n", time_text(rfc3339(c.at)), printable(c.user), printable(c.kind), printable(c.factor));
  if (c.bound) {
    text += fmt::format("           signed by {} key {} at {}, {}\n", c.device_bound ? "device-bound" : "synced", printable(c.credential),
                        printable(c.origin), c.user_verified ? "user verified" : "user not verified");
  } else {
    text += "           NOT BOUND: a code signs nothing, so this is the gateway's word\n";
  }
  return text + fmt::format("           record {} of {}\n", c.record, printable(c.log));
}

std::string words(const approval::ReceiptSummary& s) {
  std::string text = fmt::format("call       {} at {}\narguments  {}\nasked by   {}{}{}\nid         {}\n", printable(s.tool), printable(s.access_point),
                                 printable(s.arguments), printable(s.user), s.via.empty() ? "" : ", ", printable(s.via), printable(s.id));
  for (const approval::Confirmer& c : s.confirmed) text += who(c);
  if (s.dispatched) {
    text += fmt::format("let out    {} (record {})\n", time_text(rfc3339(s.dispatched->at)), s.dispatched->record);
  } else {
    text += "let out    no record of it is in this receipt\n";
  }
  return text;
}

json::Value json_of(const approval::ReceiptSummary& s) {
  json::Value confirmed{json::Array{}};
  for (const approval::Confirmer& c : s.confirmed) {
    json::Value v;
    v.set("user", c.user).set("account", c.account).set("at", rfc3339(c.at)).set("kind", c.kind).set("factor", c.factor);
    v.set("record", static_cast<std::int64_t>(c.record)).set("log", c.log).set("bound", c.bound);
    if (c.bound) {
      v.set("credential", c.credential).set("relying_party", c.relying_party).set("origin", c.origin);
      v.set("user_verified", c.user_verified).set("device_bound", c.device_bound);
    }
    confirmed.push(std::move(v));
  }
  json::Value v;
  v.set("id", s.id).set("access_point", s.access_point).set("tool", s.tool).set("arguments", json::parse(s.arguments).value_or(json::Value()));
  v.set("user", s.user).set("via", s.via).set("source", s.source).set("client", s.client).set("model", s.model);
  v.set("expires", rfc3339(s.expires)).set("confirmed", std::move(confirmed));
  if (s.dispatched) {
    json::Value d;
    d.set("at", rfc3339(s.dispatched->at)).set("record", static_cast<std::int64_t>(s.dispatched->record));
    v.set("dispatched", std::move(d));
  }
  return v;
}

}  // namespace

int receipt_verify(Context& ctx, const ReceiptVerifyOptions& o) {
  approval::ReceiptExpectations expected;
  for (const std::string& text : o.log_keys) {
    Result<VerifierKey> key = parse_verifier_key(text);
    if (!key) return ctx.failed(key.error());
    expected.logs.push_back({std::move(key->name), std::move(key->key)});
  }
  if (!o.tool.empty()) expected.tool = o.tool;
  if (!o.relying_party.empty()) expected.relying_party = o.relying_party;
  expected.origins = o.origins;
  expected.unbound = o.unbound;
  expected.dispatched = o.dispatched;
  if (!o.arguments.empty()) {
    Result<std::string> arguments = read_given(o.arguments, 2 * approval::kMaxReceipt);
    if (!arguments) return ctx.failed(arguments.error());
    expected.arguments = std::move(*arguments);
  }
  Result<std::string> given = read_given(o.file, 2 * approval::kMaxReceipt);
  if (!given) return ctx.failed(given.error());
  Result<std::string> receipt = receipt_from(std::move(*given));
  if (!receipt) return ctx.failed(receipt.error());
  const Result<approval::ReceiptSummary> summary = approval::check_receipt(*receipt, expected);
  if (!summary) return ctx.failed(fail(summary.error().code, "the receipt does not hold: " + summary.error().detail));
  out(ctx.json() ? json_of(*summary).dump() + "\n" : words(*summary) + "The receipt holds.\n");
  return status(Exit::ok);
}

int receipt_get(Context& ctx, const std::string& id) {
  Result<Reply> reply = ctx.get("/confirmations/" + percent_encode(id) + "/receipt");
  if (!reply) return ctx.failed(reply.error());
  // Exactly as it came: it has one spelling.
  out(trimmed(reply->body) + "\n");
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
