// What a client's message asks for.
#include <algorithm>
#include <array>
#include <optional>

#include "base/bytes.hpp"
#include "dialect/mcp.hpp"
#include "json/fold_guard.hpp"
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

enum MessageKey : int { kJsonrpc, kId, kMethod, kParams, kResult, kError };
constexpr std::array<std::string_view, 6> kMessageKeys{"jsonrpc", "id", "method", "params", "result", "error"};
enum ParamKey : int { kName, kUri, kArguments, kMeta, kTask, kCapabilities, kInputResponses, kTaskId, kRequestState, kSubscriptions };
constexpr std::array<std::string_view, 10> kParamKeys{"name", "uri", "arguments", "_meta", "task", "capabilities", "inputResponses", "taskId", "requestState", "notifications"};
enum MetaKey : int { kVersion, kClientCapabilities };
constexpr std::array<std::string_view, 2> kMetaKeys{"io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities"};
constexpr std::array<std::string_view, 4> kCapabilityKeys{"sampling", "elicitation", "roots", "url"};
const json::FoldGuard kMessageGuard{kMessageKeys};
const json::FoldGuard kParamGuard{kParamKeys};
const json::FoldGuard kMetaGuard{kMetaKeys};
const json::FoldGuard kCapabilityGuard{kCapabilityKeys};

// A piece of the body that is sent otherwise.
struct Patch {
  std::size_t begin, end;
  std::string text;
};

// --- headers

char folded(char c) noexcept { return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The name in its folded form begins with this; CGI-like servers read '_' as '-'.
bool begins_folded(std::string_view name, std::string_view with) noexcept {
  return name.size() >= with.size() && std::equal(with.begin(), with.end(), name.begin(), [](char a, char b) { return a == folded(b); });
}

// "=?base64?...?=" stands for bytes that a field cannot hold; everything else for itself.
std::optional<std::string> decoded(std::string_view value) {
  constexpr std::string_view kBegin = "=?base64?";
  constexpr std::string_view kEnd = "?=";
  if (!value.starts_with(kBegin) || !value.ends_with(kEnd) || value.size() < kBegin.size() + kEnd.size()) return std::string(value);
  const auto bytes = unbase64(value.substr(kBegin.size(), value.size() - kBegin.size() - kEnd.size()));
  if (!bytes) return std::nullopt;
  return std::string(bytes->begin(), bytes->end());
}

struct Said {  // by the headers
  std::optional<std::string_view> version;
  std::optional<std::string> method, name;
  std::vector<std::string> parameters;
};

Result<Said> said_by(const http::Headers& headers) {
  const auto wrong = [](std::string_view name, std::string_view why) {
    return fail(Reason::mcp_header_mismatch, std::string(name).append(": ").append(why));
  };
  Said out;
  for (const http::HeaderField& f : headers) {
    if (!begins_folded(f.name, "mcp-")) continue;
    if (f.name.find('_') != std::string_view::npos) return wrong(f.name, "spelt with '_'");
    const bool name = begins_folded(f.name, "mcp-name") && f.name.size() == 8;
    const bool method = begins_folded(f.name, "mcp-method") && f.name.size() == 10;
    if (f.known == http::Known::mcp_protocol_version) {
      if (out.version) return wrong(f.name, "sent twice");
      out.version = f.value;
    } else if (name || method || begins_folded(f.name, "mcp-param-")) {
      std::optional<std::string> value = decoded(f.value);
      if (!value) return wrong(f.name, "not base64");
      if (!name && !method) {
        out.parameters.push_back(std::move(*value));
        continue;
      }
      std::optional<std::string>& place = name ? out.name : out.method;
      if (place) return wrong(f.name, "sent twice");
      place = std::move(*value);
    }
  }
  return out;
}

// --- body

class MessageReader {
 public:
  MessageReader(std::string_view body, const ClientRequests& allowed) : allowed_(allowed), body_(body), reader_(body) {}

  Result<void> run() {
    if (reader_.next() != Token::object_begin) {
      if (reader_.token() == Token::error) return reader_.error();
      return fail(Reason::body_shape, "one message, as an object; no arrays of them");
    }
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) break;
      if (t == Token::error) return reader_.error();
      Result<void> read = member();
      if (!read) return read;
    }
    if (reader_.next() != Token::end) return reader_.error();
    return {};
  }

  std::string jsonrpc, method, name, uri, id, meta_version, arguments, url_answer, task_id, state, answers;
  bool has_method = false, has_result = false, has_error = false, has_params = false;
  bool has_name = false, has_uri = false, has_task_id = false, has_capabilities = false, task = false, continues = false, other = false, resources = false, opens_urls = false;
  std::vector<Patch> patches;

 private:
  Result<void> shape(std::string_view field, std::string_view why) const {
    return fail(Reason::body_shape, std::string(field).append(": ").append(why));
  }
  Result<int> key(const json::FoldGuard& guard) {
    const std::string_view text = reader_.text();
    if (text.find('\0') != std::string_view::npos) return fail(Reason::body_not_json, "a key with a zero byte");
    const int known = guard.check(text);
    if (known == json::FoldGuard::kFolded) return fail(Reason::body_not_json, "a key that differs from a known one by its letters' case only");
    return known;
  }
  Result<void> skip() {
    if (!reader_.skip()) return reader_.error();
    return {};
  }
  Result<void> text(std::string_view field, std::string& into) {
    const Token t = reader_.next();
    if (t == Token::error) return reader_.error();
    if (t != Token::string) return shape(field, "must be a string");
    into = reader_.text();
    return {};
  }

  Result<void> member() {
    const Result<int> known = key(kMessageGuard);
    if (!known) return known.error();
    switch (*known) {
      case kJsonrpc: return text("jsonrpc", jsonrpc);
      case kMethod: has_method = true; return text("method", method);
      case kId: {
        const Token t = reader_.next();
        if (t == Token::error) return reader_.error();
        if (t != Token::string && !(t == Token::number && reader_.int64())) return shape("id", "must be a string or an integer");
        id = reader_.raw();
        return {};
      }
      case kParams: has_params = true; return params();
      case kResult: has_result = true; return skip();
      case kError: has_error = true; return skip();
      default: return shape("message", "a member that JSON-RPC does not have");
    }
  }

  Result<void> params() {
    const Token begin = reader_.next();
    if (begin == Token::error) return reader_.error();
    if (begin != Token::object_begin) return shape("params", "must be an object");
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) return {};
      if (t == Token::error) return reader_.error();
      const Result<int> known = key(kParamGuard);
      if (!known) return known.error();
      Result<void> read;
      switch (*known) {
        case kName: has_name = true; read = text("params.name", name); break;
        case kUri: has_uri = true; read = text("params.uri", uri); break;
        case kTaskId: has_task_id = true; read = text("params.taskId", task_id); break;
        case kArguments:
          read = skip();
          if (read) arguments = reader_.raw();
          break;
        case kMeta: read = meta(); break;
        case kTask:
          task = true;
          read = skip();
          break;
        case kCapabilities: read = capabilities(); break;
        case kInputResponses: read = input_responses(); break;
        case kRequestState:
          continues = true;
          read = skip();
          if (read) state = reader_.raw();
          break;
        case kSubscriptions: read = subscriptions(); break;
        case json::FoldGuard::kNone:
          other = true;
          read = skip();
          break;
        default: read = skip(); break;
      }
      if (!read) return read;
    }
  }

  Result<void> meta() {
    const Token begin = reader_.next();
    if (begin == Token::error) return reader_.error();
    if (begin != Token::object_begin) return shape("params._meta", "must be an object");
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) return {};
      if (t == Token::error) return reader_.error();
      const Result<int> known = key(kMetaGuard);
      if (!known) return known.error();
      has_capabilities |= *known == kClientCapabilities;
      Result<void> read = *known == kVersion ? text("params._meta", meta_version) : *known == kClientCapabilities ? capabilities() : skip();
      if (!read) return read;
    }
  }

  // What the client can do, less what its server shall not ask for.
  Result<void> capabilities() {
    const Token begin = reader_.next();
    if (begin == Token::error) return reader_.error();
    if (begin != Token::object_begin) return shape("capabilities", "must be an object");
    const std::size_t from = reader_.begin_offset();
    std::string kept = "{";
    bool less = false;
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) break;
      if (t == Token::error) return reader_.error();
      const Result<int> known = key(kCapabilityGuard);
      if (!known) return known.error();
      const std::size_t at = reader_.begin_offset();
      const bool denied = (*known == 0 && !allowed_.sampling) || (*known == 1 && !allowed_.elicitation) || (*known == 2 && !allowed_.roots);
      Result<void> read = *known == 1 ? elicitation() : skip();
      if (!read) return read;
      less |= denied;
      if (denied) continue;
      if (kept.size() > 1) kept += ',';
      kept += body_.substr(at, reader_.end_offset() - at);
    }
    if (less) patches.push_back({from, reader_.end_offset(), kept + "}"});
    return {};
  }

  // Without the answer that is the gateway's.
  Result<void> input_responses() {
    const Token begin = reader_.next();
    if (begin == Token::error) return reader_.error();
    if (begin != Token::object_begin) return shape("params.inputResponses", "must be an object");
    const std::size_t from = reader_.begin_offset();
    std::string kept = "{";
    bool ours = false;
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) break;
      if (t == Token::error) return reader_.error();
      const std::size_t at = reader_.begin_offset();
      if (reader_.text() == kConfirm) {
        ours = true;
        Result<void> read = answer();
        if (!read) return read;
        continue;
      }
      Result<void> read = skip();
      if (!read) return read;
      continues = true;
      if (kept.size() > 1) kept += ',';
      kept += body_.substr(at, reader_.end_offset() - at);
    }
    if (continues) answers = kept + "}";
    if (ours) patches.push_back({from, reader_.end_offset(), kept + "}"});
    return {};
  }

  Result<void> subscriptions() {
    const Token begin = reader_.next();
    if (begin == Token::error) return reader_.error();
    if (begin != Token::object_begin) return shape("params.notifications", "must be an object");
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) return {};
      if (t == Token::error) return reader_.error();
      resources |= json::folds_to(reader_.text(), "resourceSubscriptions") || reader_.text() == "resourceSubscriptions";
      Result<void> read = skip();
      if (!read) return read;
    }
  }

  Result<void> answer() {
    if (reader_.next() != Token::object_begin) return reader_.token() == Token::error ? reader_.error() : fail(Reason::body_shape, "params.inputResponses: not an answer");
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) return {};
      if (t == Token::error) return reader_.error();
      const bool action = reader_.text() == "action";
      Result<void> read = action ? text("action", url_answer) : skip();
      if (!read) return read;
    }
  }

  Result<void> elicitation() {
    const Token begin = reader_.next();
    if (begin == Token::error) return reader_.error();
    if (begin != Token::object_begin) return shape("capabilities.elicitation", "must be an object");
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) return {};
      if (t == Token::error) return reader_.error();
      opens_urls |= reader_.text() == "url";
      Result<void> read = skip();
      if (!read) return read;
    }
  }

  const ClientRequests& allowed_;
  std::string_view body_;
  json::Reader reader_;
};

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
Result<std::string> arguments_of(const MessageReader& r) {
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

constexpr std::array<std::string_view, 6> kNotifications{"notifications/initialized",   "notifications/cancelled",           "notifications/progress",
                                                         "notifications/roots/list_changed", "notifications/elicitation/complete", "notifications/tasks/status"};

Result<void> agree(const Said& said, const MessageReader& body, const Message& m) {
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

Result<Message> read(const http::Headers& headers, std::string_view body, const ClientRequests& allowed) {
  const Result<Said> said = said_by(headers);
  if (!said) return said.error();
  Message m;
  if (said->version == kStateless) {
    m.era = Era::stateless;
  } else if (said->version && std::find(kOldRevisions.begin(), kOldRevisions.end(), *said->version) == kOldRevisions.end()) {
    const bool printable = said->version->size() <= 32 && std::all_of(said->version->begin(), said->version->end(), [](char c) { return c > ' ' && c < 0x7f; });
    return fail(Reason::mcp_version_unsupported, std::string(printable ? *said->version : "unreadable"));
  }

  MessageReader r(body, allowed);
  Result<void> whole = r.run();
  if (!whole) return std::move(whole).error();
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
