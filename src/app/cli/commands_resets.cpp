// user reset, resets, approve, decline; coverage.

#include <fmt/format.h>

#include "app/cli/account.hpp"
#include "app/cli/commands_resets.hpp"
#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {

void show_enrolment_code(const json::Value& reply) {
  out("Give this enrolment code to its owner, by a way that nobody else reads. It works once, until " +
      time_text(text_of(reply, "expires")) + ":\n\n    " + printable(text_of(reply, "enrolment_code")) +
      "\n\nThe owner then runs: vestibule enrol\n");
}

int user_reset(Context& ctx, const std::string& name) {
  Result<Reply> reply = ctx.post("/users/" + percent_encode(name) + "/enrolment-code", As::bound);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  if (reply->status != 202) {
    out("Once the code is used, the old password, factors and sessions of " + printable(name) + " are void.\n");
    show_enrolment_code(reply->json);
    return status(Exit::ok);
  }
  const std::string id = printable(text_of(reply->json, "request"));
  out(fmt::format("A reset takes two administrators. Until {} another one may run:\n\n    vestibule user approve {}\n\n{} hears "
                  "of it, and may decline.\n",
                  time_text(text_of(reply->json, "expires")), id, printable(name)));
  if (number_of(reply->json, "approvers") == 0) {
    warn("At present nobody may approve it: it takes an administrator with a factor who is neither you nor " +
         printable(name) + ", whose account none of you made or reset, and which is not new. Otherwise the operator of the "
         "host helps: vestibule recover " + printable(name));
  }
  return status(Exit::ok);
}

int user_resets(Context& ctx) {
  Result<Reply> reply = ctx.get("/resets");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"ID", "USER", "ASKED FOR BY", "SINCE", "EXPIRES"});
  if (const json::Value* list = reply->json.find("resets")) {
    for (const json::Value& r : list->items()) {
      table.add({text_of(r, "id"), text_of(r, "user"), text_of(r, "requested_by"), time_text(text_of(r, "at")),
                 time_text(text_of(r, "expires"))});
    }
  }
  if (table.empty()) {
    out("No reset waits for approval.\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

int user_approve(Context& ctx, const std::string& id) {
  Result<Reply> reply = ctx.post("/resets/" + percent_encode(id) + "/approve", As::bound);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("Approved. Once the code is used, the old password, factors and sessions are void.\n");
    show_enrolment_code(reply->json);
  }
  return status(Exit::ok);
}

int user_decline(Context& ctx, const std::string& id) {
  Result<Reply> reply = ctx.post("/resets/" + percent_encode(id) + "/decline", As::session);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("The request is declined.\n");
  }
  return status(Exit::ok);
}

int coverage(Context& ctx) {
  Result<Reply> reply = ctx.get("/coverage");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"ROLE", "NEEDS", "BY", "COVERED", "MISSING"});
  if (const json::Value* list = reply->json.find("rules")) {
    for (const json::Value& r : list->items()) {
      table.add({text_of(r, "role"), text_of(r, "needs"), text_of(r, "by"),
                 fmt::format("{} of {}", number_of(r, "covered"), number_of(r, "users")), list_of(r, "missing")});
    }
  }
  if (table.empty()) {
    out("The policy sets no deadline: see [[factor_deadline]] in docs/policy.md.\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
