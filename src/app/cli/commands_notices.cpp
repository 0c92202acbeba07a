// notices: what happened to one's own account.

#include <fmt/format.h>

#include "app/cli/account.hpp"
#include "app/cli/commands_notices.hpp"
#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {

std::string unseen_notices(const json::Value& reply) {
  std::string text;
  const json::Value* list = reply.find("notices");
  if (list == nullptr) return text;
  for (const json::Value& n : list->items()) {
    if (flag_of(n, "seen")) continue;
    text += fmt::format("  {}  {}\n", time_text(text_of(n, "at")), printable(text_of(n, "text")));
  }
  if (!text.empty()) text = "Since you last looked (`vestibule notices` marks it as read):\n" + text;
  return text;
}

int notices(Context& ctx) {
  Result<Reply> reply = ctx.get("/notices");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"WHEN", "", "WHAT"});
  std::vector<std::string> unseen;
  if (const json::Value* list = reply->json.find("notices")) {
    for (const json::Value& n : list->items()) {
      const bool seen = flag_of(n, "seen");
      if (!seen) unseen.push_back(text_of(n, "id"));
      table.add({time_text(text_of(n, "at")), seen ? "" : "new", text_of(n, "text")});
    }
  }
  if (table.empty()) {
    out("Nothing has happened to your account.\n");
    return status(Exit::ok);
  }
  print(table);
  if (unseen.empty()) return status(Exit::ok);
  Body body;
  body.set("ids", unseen);
  const Result<Reply> marked = ctx.post("/notices/seen", As::session, std::move(body));
  return marked ? status(Exit::ok) : ctx.failed(marked.error());
}

}  // namespace vestibule::app::cli
