// mandate sign, list, revoke.

#include <fmt/format.h>

#include "app/cli/commands_mandates.hpp"
#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {
namespace {

Body body_of(const MandateOptions& o) {
  Body body;
  body.set("name", o.name).set("key", o.key).set_if("service", o.service);
  body.set("access_points", o.access_points).set("operations", o.operations).set("networks", o.networks);
  if (!o.models.empty()) body.set("models", o.models);
  body.set("calls", o.calls);
  if (o.tokens > 0) body.set("tokens", o.tokens);
  if (o.max_body > 0) body.set("max_body", o.max_body);
  body.set("starts", o.starts).set("ends", o.ends);
  return body;
}

}  // namespace

int mandate_sign(Context& ctx, MandateOptions o) {
  const WallTime now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  if (o.ends.empty() && !o.starts.empty()) return ctx.failed(fail(Reason::invalid_argument, "--from needs --until"));
  if (o.starts.empty()) o.starts = rfc3339(now);
  if (o.ends.empty()) o.ends = rfc3339(now + std::chrono::seconds(o.for_s));
  Result<Reply> draft = ctx.post("/mandates/draft", As::session, body_of(o));
  if (!draft) return ctx.failed(draft.error());
  // Whoever signs has read it: it goes to the terminal even where the answer is JSON.
  warn("What you are about to sign:\n\n" + printable(text_of(draft->json, "text"), Lines::many));
  Result<Reply> reply = ctx.post("/mandates", As::bound, body_of(o));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  const std::string id = printable(text_of(reply->json, "id"));
  out(fmt::format("Signed. It is revoked by:\n\n    vestibule mandate revoke {}\n", id));
  return status(Exit::ok);
}

int mandate_list(Context& ctx, const ListOptions& o) {
  Result<Reply> reply = ctx.get(o.all ? "/mandates?all=true" : "/mandates");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"ID", "NAME", "OF", "FOR", "STATE", "CALLS LEFT", "UNTIL"});
  if (const json::Value* list = reply->json.find("mandates")) {
    for (const json::Value& m : list->items()) {
      table.add({text_of(m, "id"), text_of(m, "name"), text_of(m, "owner"), text_of(m, "credential"), text_of(m, "state"),
                 fmt::format("{} of {}", number_of(m, "calls_left"), number_of(m, "calls")), time_text(text_of(m, "ends"))});
    }
  }
  if (table.empty()) {
    out("There are no mandates. `vestibule mandate sign --help` tells how one is made.\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

int mandate_revoke(Context& ctx, const std::string& id) {
  Result<Reply> reply = ctx.post("/mandates/" + percent_encode(id) + "/revoke", As::session);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("The mandate is revoked; what ran under it was cut.\n");
  }
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
