// What a client's message asks for.
#include <algorithm>
#include <array>

#include "dialect/mcp_parts.hpp"
#include "json/reader.hpp"
#include "json/writer.hpp"

namespace vestibule::dialect::mcp {
namespace {

using json::Token;

struct Method {
  std::string_view name;
  std::string_view operation;
  RouteClass route_class;
  unsigned eras;  // bit: Era
};

constexpr unsigned O = 1U;
constexpr unsigned N = 2U;
constexpr unsigned B = O | N;
constexpr auto R = RouteClass::read;
constexpr auto I = RouteClass::inference;
constexpr auto S = RouteClass::sensitive;
constexpr std::array kMethods{
#define METHOD(name, operation, cls, eras) Method{name, operation, cls, eras},
#include "dialect/mcp_methods.def"
#undef METHOD
};

constexpr std::array<std::string_view, 4> kOldRevisions{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"};
constexpr std::string_view kStateless = "2026-07-28";

// Whether some argument says what the header says, itself or a member of it: which one it repeats only the tool's
// schema knows.
bool repeats(std::string_view arguments, std::string_view value) {
  json::Reader reader(arguments);
  for (Token t = reader.next(); t != Token::end && t != Token::error; t = reader.next()) {
    if ((t == Token::string || t == Token::number) && reader.text() == value) return true;
    if (t == Token::boolean_true && value == "true") return true;
    if (t == Token::boolean_false && value == "false") return true;
    if (t == Token::array_begin && !reader.skip()) return false;
  }
  return false;
}

// "{}" for nothing; an object and nothing else, as every tool takes its arguments by name.
Result<std::string> arguments_of(const Body& r) {
  std::string out = r.arguments.empty() ? "{}" : r.arguments;
  if (out.front() != '{') return fail(Reason::body_shape, "params.arguments: must be an object");
  if (!r.continues) return out;
  json::Reader members(out);
  bool any = false;
  if (members.next() != Token::object_begin) return members.error();
  while (members.next() == Token::key) {
    if (members.text() == kInput) return fail(Reason::body_shape, "params.arguments: \"vestibule/input\" is the gateway's own word");
    any = true;
    if (!members.skip()) return members.error();
  }
  out.pop_back();
  json::Writer input;
  input.begin_object();
  if (!r.answers.empty()) input.key("inputResponses").raw(r.answers);
  if (!r.state.empty()) input.key("requestState").raw(r.state);
  input.end_object();
  out.append(any ? ",\"" : "\"").append(kInput).append("\":").append(input.text()).append("}");
  return out;
}

// What people and rules read as one name, and every server too. (Prompts may have blanks in theirs.)
bool plain_name(std::string_view name, bool tool) noexcept {
  return std::none_of(name.begin(), name.end(), [=](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || (tool && c == ' '); });
}

// The state as the server gave it, in the place of what the client was given.
Result<void> take_state(Body& r, const Message& m, const StateReader& states) {
  json::Reader reader(r.state);
  if (reader.next() != Token::string) return fail(Reason::body_shape, "params.requestState: must be a string");
  const std::optional<std::string> state = states(m, reader.text());
  if (!state) return fail(Reason::invalid_argument, "params.requestState: not one that you were given for this call");
  const std::size_t end = r.state_at + r.state.size();
  r.state.clear();
  json::append_string(r.state, *state);
  const auto later = std::find_if(r.patches.begin(), r.patches.end(), [&](const Patch& p) { return p.begin > r.state_at; });
  r.patches.insert(later, {r.state_at, end, r.state});
  return {};
}

constexpr std::array<std::string_view, 6> kNotifications{"notifications/initialized",   "notifications/cancelled",           "notifications/progress",
                                                         "notifications/roots/list_changed", "notifications/elicitation/complete", "notifications/tasks/status"};

Result<void> agree(const Head& said, const Body& body, const Message& m) {
  const auto wrong = [](std::string_view what) { return fail(Reason::mcp_header_mismatch, std::string(what)); };
  const bool stateless = m.era == Era::stateless;
  const bool named = m.calls_tool() || body.method == "prompts/get";
  const bool located = body.method == "resources/read" || (m.operation == "tasks" && body.has_task_id);
  if (said.method && (!body.has_method || *said.method != body.method)) return wrong("Mcp-Method");
  if (said.name && (!(named || located) || *said.name != m.name)) return wrong("Mcp-Name");
  if (!body.meta_version.empty() && body.meta_version != said.version.value_or("")) return wrong("MCP-Protocol-Version");
  if (!said.parameters.empty() && !m.calls_tool()) return wrong("Mcp-Param");
  for (const std::string& value : said.parameters) {
    if (!repeats(m.arguments, value)) return wrong("Mcp-Param");
  }
  if (!stateless || m.is == Message::Is::response) return {};
  if (!said.method) return wrong("Mcp-Method is missing");
  if (!said.name && (named || located)) return wrong("Mcp-Name is missing");
  return {};
}

}  // namespace

bool operation_known(std::string_view operation) noexcept {
  return operation == kCarrier || std::any_of(kMethods.begin(), kMethods.end(), [=](const Method& m) { return m.operation == operation; });
}

Result<Message> read(const http::Headers& headers, std::string_view body, const ClientRequests& allowed, const StateReader& states) {
  const Result<Head> said = read_head(headers);
  if (!said) return said.error();
  Message m;
  if (said->version == kStateless) {
    m.era = Era::stateless;
  } else if (said->version && std::find(kOldRevisions.begin(), kOldRevisions.end(), *said->version) == kOldRevisions.end()) {
    const bool printable = said->version->size() <= 32 && std::all_of(said->version->begin(), said->version->end(), [](char c) { return c > ' ' && c < 0x7f; });
    return fail(Reason::mcp_version_unsupported, std::string(printable ? *said->version : "unreadable"));
  }

  Result<Body> whole = read_body(body, allowed);
  if (!whole) return std::move(whole).error();
  Body& r = *whole;
  if (r.jsonrpc != "2.0") return fail(Reason::body_shape, "jsonrpc: must be \"2.0\"");
  if (r.has_method == (r.has_result || r.has_error) || (r.has_result && r.has_error) || (!r.has_method && r.has_params)) {
    return fail(Reason::body_shape, "message: a request, a notification or an answer");
  }
  m.operation = kSession;
  if (!r.has_method) {
    if (r.id.empty()) return fail(Reason::body_shape, "id: an answer needs one");
    if (m.era == Era::stateless) return fail(Reason::mcp_method_unknown, "there is nothing to answer in this revision");
    m.is = Message::Is::response;
  } else if (r.id.empty()) {
    if (!r.method.starts_with("notifications/")) return fail(Reason::body_shape, "id: a request needs one");
    if (std::find(kNotifications.begin(), kNotifications.end(), r.method) == kNotifications.end()) return fail(Reason::mcp_method_unknown);
    m.is = Message::Is::notification;
  } else {
    const auto known = std::find_if(kMethods.begin(), kMethods.end(), [&](const Method& x) { return x.name == r.method; });
    if (known == kMethods.end() || (known->eras & (1U << static_cast<unsigned>(m.era))) == 0) return fail(Reason::mcp_method_unknown);
    m.operation = known->operation;
    m.route_class = known->route_class;
    m.initialize = r.method == "initialize";
    m.id = r.id;
  }
  const bool complete = !r.meta_version.empty() && r.has_capabilities;
  if (m.era == Era::stateless && m.is == Message::Is::request && !complete) {
    return fail(Reason::invalid_argument, "params._meta: protocolVersion and clientCapabilities are needed");
  }
  m.resources = r.resources;
  m.listens = r.method == "subscriptions/listen";
  m.opens_urls = r.opens_urls;
  m.task = r.task;
  m.continues = r.continues;
  m.url_answer = std::move(r.url_answer);
  if (m.calls_tool() || r.method == "prompts/get") {
    if (!r.has_name || r.name.empty()) return fail(Reason::body_shape, "params.name: a tool or prompt must be named");
    m.name = std::move(r.name);
    if (!plain_name(m.name, m.calls_tool())) return fail(Reason::body_shape, "params.name: blanks and control characters");
  } else if (r.method.starts_with("resources/") && r.has_uri) {
    m.name = std::move(r.uri);
  } else if (m.operation == "tasks" && r.has_task_id) {
    m.name = std::move(r.task_id);
  }
  m.parameters = r.arguments;
  if (!r.state.empty() && states) {
    Result<void> state = take_state(r, m, states);
    if (!state) return std::move(state).error();
  }
  if (m.calls_tool()) {
    if (r.other) return fail(Reason::body_shape, "params: a member that a call of a tool does not have");
    Result<std::string> arguments = arguments_of(r);
    if (!arguments) return std::move(arguments).error();
    m.arguments = std::move(*arguments);
  }
  Result<void> agreed = agree(*said, r, m);
  if (!agreed) return std::move(agreed).error();
  std::size_t from = 0;
  for (const Patch& p : r.patches) {  // in the order of the body
    m.body.append(body.substr(from, p.begin - from)).append(p.text);
    from = p.end;
  }
  if (from > 0) m.body.append(body.substr(from));
  return m;
}

std::string as_signed(std::string_view message) {
  json::Reader reader(message);
  // Down to an object by its key; what read() has taken has each key once.
  const auto into = [&reader](std::string_view wanted) {
    while (reader.next() == Token::key) {
      if (reader.text() == wanted) return reader.next() == Token::object_begin;
      if (!reader.skip()) return false;
    }
    return false;
  };
  if (reader.next() != Token::object_begin || !into("params") || !into("_meta")) return {};
  const std::size_t from = reader.begin_offset();
  std::string kept = "{";
  bool less = false;
  while (reader.next() == Token::key) {
    const bool known = reader.text() == "progressToken" || reader.text().starts_with("io.modelcontextprotocol/");
    const std::size_t at = reader.begin_offset();
    if (!reader.skip()) return {};
    less |= !known;
    if (!known) continue;
    if (kept.size() > 1) kept += ',';
    kept += message.substr(at, reader.end_offset() - at);
  }
  if (!less) return {};
  return std::string(message.substr(0, from)).append(kept).append("}").append(message.substr(reader.end_offset()));
}

std::string id_of(std::string_view body) {
  json::Reader reader(body);
  std::string id;
  if (reader.next() != Token::object_begin) return {};
  while (reader.next() == Token::key) {
    const bool here = reader.text() == "id";
    if (!here) {
      if (!reader.skip()) return {};
      continue;
    }
    const Token t = reader.next();
    if (t != Token::string && !(t == Token::number && reader.int64())) return {};
    id = reader.raw();
  }
  return reader.next() == Token::end ? id : std::string();
}

std::string error_answer(std::string_view id, int code, std::string_view message, std::string_view data) {
  json::Writer w;
  w.begin_object().member("jsonrpc", "2.0").key("id").raw(id.empty() ? std::string_view("null") : id);
  w.key("error").begin_object().member("code", code).member("message", message);
  if (!data.empty()) w.key("data").raw(data);
  w.end_object().end_object();
  return w.take();
}

int code_of(Reason reason) noexcept {
  switch (reason) {
    case Reason::body_not_json: return -32700;
    case Reason::body_shape: return -32600;
    case Reason::mcp_method_unknown: return -32601;
    case Reason::invalid_argument: return -32602;
    case Reason::mcp_header_mismatch: return -32020;
    case Reason::mcp_version_unsupported: return -32022;
    default: return kRefused;
  }
}

}  // namespace vestibule::dialect::mcp
