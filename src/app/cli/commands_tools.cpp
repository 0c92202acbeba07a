// tool: what MCP servers say of their tools, and the look at those that have changed.

#include <fmt/format.h>

#include <algorithm>

#include "app/cli/commands_tools.hpp"
#include "app/cli/terminal.hpp"
#include "app/cli/text.hpp"
#include "crypto/hash.hpp"
#include "json/value.hpp"

namespace vestibule::app::cli {
namespace {

Result<Reply> look(Context& ctx, const std::string& place) {
  const std::size_t slash = place.find('/');
  if (slash == 0 || slash == std::string::npos || slash + 1 == place.size()) return fail(Reason::invalid_argument, "tool: ACCESS_POINT/TOOL, as `vestibule tool list` names it");
  return ctx.get("/tools?access_point=" + percent_encode(place.substr(0, slash)) + "&tool=" + percent_encode(place.substr(slash + 1)));
}

const json::Value* first(const json::Value& reply) {
  const json::Value* tools = reply.find("tools");
  return tools == nullptr || tools->items().empty() ? nullptr : &tools->items().front();
}

std::string shown(const json::Value& value) {
  const Result<std::string> text = value.as_string();
  return printable(text ? *text : value.dump(), Lines::many);
}

// A value over several lines, each behind the sign.
std::string behind(std::string_view sign, const json::Value* value) {
  if (value == nullptr) return fmt::format("    {} (nothing)\n", sign);
  std::string out;
  const std::string whole = shown(*value);
  for (std::string_view rest = whole;;) {
    const std::size_t end = rest.find('\n');
    out += fmt::format("    {} {}\n", sign, rest.substr(0, end));
    if (end == std::string_view::npos) return out;
    rest.remove_prefix(end + 1);
  }
}

// What differs first, then the rest: nothing is left out.
Result<std::string> compared(const std::string& was_text, const std::string& is_text) {
  Result<json::Value> was = json::parse(was_text.empty() ? "{}" : was_text);
  if (!was) return std::move(was).error();
  Result<json::Value> is = json::parse(is_text);
  if (!is) return std::move(is).error();
  std::string changed, same;
  for (const json::Member& m : is->members()) {
    const json::Value* before = was->find(m.key);
    if (before != nullptr && *before == m.value) {
      same += "  " + printable(m.key) + "\n" + behind(" ", &m.value);
    } else {
      changed += "  " + printable(m.key) + "\n" + behind("-", before) + behind("+", &m.value);
    }
  }
  for (const json::Member& m : was->members()) {
    if (is->find(m.key) == nullptr) changed += "  " + printable(m.key) + "\n" + behind("-", &m.value) + behind("+", nullptr);
  }
  if (changed.empty()) changed = "  nothing: its server says again what it said before. It has said something else in between.\n";
  return "Changed:\n" + changed + (same.empty() ? "" : "As before:\n" + same);
}

// Of a tool that sleeps: the text that the fingerprint is of, or nothing is shown.
Result<std::string> described_tool(const json::Value& t) {
  const std::string place = text_of(t, "access_point") + "/" + text_of(t, "tool");
  const std::string by = text_of(t, "by");
  std::string head = fmt::format("Tool {}\n  first seen or accepted  {}{}\n", printable(place), time_text(text_of(t, "since")), by.empty() ? ", at first sight" : ", by " + printable(by));
  if (text_of(t, "state") != "asleep") {
    Result<json::Value> is = json::parse(text_of(t, "accepted_text"));
    if (!is) return head + "  its definition was not kept\n";
    for (const json::Member& m : is->members()) head += "  " + printable(m.key) + "\n" + behind(" ", &m.value);
    return head;
  }
  const std::string text = text_of(t, "shown_text");
  if (text.empty()) return head + fmt::format("  asleep since            {}\n  Its definition is longer than 64 KiB now: nobody can be asked to read it, so it stays asleep.\n", time_text(text_of(t, "changed")));
  if (hex(crypto::sha256(as_bytes(text))) != text_of(t, "shown")) return fail(Reason::internal, "the definition is not that of its fingerprint");
  Result<std::string> both = compared(text_of(t, "accepted_text"), text);
  if (!both) return std::move(both).error();
  return head + fmt::format("  asleep since            {}\n  fingerprint now         {}\n", time_text(text_of(t, "changed")), printable(text_of(t, "shown"))) + *both;
}

}  // namespace

int tool_list(Context& ctx, const ToolOptions& o) {
  Result<Reply> reply = ctx.get("/tools" + (o.place.empty() ? "" : "?access_point=" + percent_encode(o.place)));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"TOOL", "STATE", "SINCE", "ACCEPTED BY"});
  if (const json::Value* tools = reply->json.find("tools")) {
    for (const json::Value& t : tools->items()) {
      const bool asleep = text_of(t, "state") == "asleep";
      if (o.asleep && !asleep) continue;
      const std::string by = text_of(t, "by");
      table.add({text_of(t, "access_point") + "/" + text_of(t, "tool"), text_of(t, "state"), time_text(text_of(t, asleep ? "changed" : "since")), by.empty() ? "(first sight)" : by});
    }
  }
  if (table.empty()) {
    out(o.asleep ? "No tool is asleep.\n" : "No tool was seen yet: they are when a client lists them.\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

int tool_show(Context& ctx, const ToolOptions& o) {
  Result<Reply> reply = look(ctx, o.place);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  const json::Value* tool = first(reply->json);
  if (tool == nullptr) return ctx.failed(fail(Reason::not_found));
  Result<std::string> text = described_tool(*tool);
  if (!text) return ctx.failed(text.error());
  out(*text);
  if (text_of(*tool, "state") == "asleep") out("It sleeps until it is accepted: vestibule tool accept " + printable(o.place) + "\n");
  return status(Exit::ok);
}

int tool_accept(Context& ctx, const ToolOptions& o) {
  Result<Reply> reply = look(ctx, o.place);
  if (!reply) return ctx.failed(reply.error());
  const json::Value* tool = first(reply->json);
  if (tool == nullptr) return ctx.failed(fail(Reason::not_found));
  if (text_of(*tool, "state") != "asleep") return ctx.failed(fail(Reason::conflict, "it is awake: there is nothing to accept"));
  // Whoever signs sees what it is first; what is signed is what was shown.
  Result<std::string> text = described_tool(*tool);
  if (!text) return ctx.failed(text.error());
  if (!ctx.json()) err(*text);
  Body body;
  body.set("access_point", text_of(*tool, "access_point"));
  body.set("tool", text_of(*tool, "tool"));
  body.set("digest", text_of(*tool, "shown"));
  Result<Reply> done = ctx.post("/tools/accept", As::bound, std::move(body));
  if (!done) return ctx.failed(done.error());
  if (ctx.json()) {
    ctx.print_json(*done);
  } else {
    out("Accepted: " + printable(o.place) + " can be called again, as the policy says.\n");
  }
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
