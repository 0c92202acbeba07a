// approve: lets a call go on that waits for its owner.

#include <fmt/format.h>

#include "app/cli/commands_approve.hpp"
#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {
namespace {

int list_waiting(Context& ctx) {
  Result<Reply> reply = ctx.get("/approvals");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"CODE", "OPERATION", "ACCESS POINT", "BY", "FROM", "SINCE"});
  if (const json::Value* list = reply->json.find("approvals")) {
    for (const json::Value& r : list->items()) {
      table.add({text_of(r, "code"), text_of(r, "operation"), text_of(r, "access_point"), text_of(r, "credential"), text_of(r, "source"),
                 time_text(text_of(r, "created"))});
    }
  }
  if (table.empty()) {
    out("No call waits for you.\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

// The whole of it, before a factor is asked for: the authenticator shows nothing.
std::string described(const json::Value& r) {
  std::string text = "A call waits for you:\n";
  const auto row = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("  {:<13} {}\n", name, printable(value));
  };
  row("operation", text_of(r, "operation"));
  row("access point", text_of(r, "access_point"));
  row("by", text_of(r, "credential"));
  row("from", text_of(r, "source") + (flag_of(r, "known_source") ? "" : "  (you have approved nothing from there before)"));
  row("client", text_of(r, "client"));
  row("since", time_text(text_of(r, "created")));
  row("open for", duration_text(number_of(r, "lasts_s")) + " at most, for this credential from there");
  return text;
}

}  // namespace

int approve(Context& ctx, const std::string& code) {
  if (code.empty()) return list_waiting(ctx);
  Body body;
  body.set("code", code);
  Result<Reply> found = ctx.post("/approvals/find", As::session, std::move(body));
  if (!found) return ctx.failed(found.error());
  if (!ctx.json()) err(described(found->json));
  Result<Reply> done = ctx.post("/approvals/" + percent_encode(text_of(found->json, "id")) + "/approve", As::bound);
  if (!done) return ctx.failed(done.error());
  if (ctx.json()) {
    ctx.print_json(*done);
  } else {
    out("Approved, until " + time_text(text_of(done->json, "ends")) + " at the latest. A call that waits goes on; one that has given up is repeated.\n");
  }
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
