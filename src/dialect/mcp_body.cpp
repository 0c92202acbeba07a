// What the body of a message says, in one pass over its bytes.
#include <array>

#include "dialect/mcp_parts.hpp"
#include "json/fold_guard.hpp"
#include "json/reader.hpp"

namespace vestibule::dialect::mcp {
namespace {

using json::Token;

enum ParamKey : int { kName, kUri, kArguments, kMeta, kTask, kCapabilities, kInputResponses, kTaskId, kRequestState, kSubscriptions };
constexpr std::array<std::string_view, 10> kParamKeys{"name", "uri", "arguments", "_meta", "task", "capabilities", "inputResponses", "taskId", "requestState", "notifications"};
enum MetaKey : int { kVersion, kClientCapabilities };
constexpr std::array<std::string_view, 2> kMetaKeys{"io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities"};
constexpr std::array<std::string_view, 4> kCapabilityKeys{"sampling", "elicitation", "roots", "url"};
const json::FoldGuard kParamGuard{kParamKeys};
const json::FoldGuard kMetaGuard{kMetaKeys};
const json::FoldGuard kCapabilityGuard{kCapabilityKeys};

class MessageReader {
 public:
  MessageReader(std::string_view text, const ClientRequests& allowed) : allowed_(allowed), text_(text), reader_(text) {}

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

  Body body;

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
      case kJsonrpc: return text("jsonrpc", body.jsonrpc);
      case kMethod: body.has_method = true; return text("method", body.method);
      case kId: {
        const Token t = reader_.next();
        if (t == Token::error) return reader_.error();
        if (t != Token::string && !(t == Token::number && reader_.int64())) return shape("id", "must be a string or an integer");
        body.id = reader_.raw();
        return {};
      }
      case kParams: body.has_params = true; return params();
      case kResult: body.has_result = true; return skip();
      case kError: body.has_error = true; return skip();
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
        case kName: body.has_name = true; read = text("params.name", body.name); break;
        case kUri: body.has_uri = true; read = text("params.uri", body.uri); break;
        case kTaskId: body.has_task_id = true; read = text("params.taskId", body.task_id); break;
        case kArguments:
          read = skip();
          if (read) body.arguments = reader_.raw();
          break;
        case kMeta: read = meta(); break;
        case kTask:
          body.task = true;
          read = skip();
          break;
        case kCapabilities: read = capabilities(); break;
        case kInputResponses: read = input_responses(); break;
        case kRequestState:
          body.continues = true;
          read = skip();
          if (read) {
            body.state = reader_.raw();
            body.state_at = reader_.begin_offset();
          }
          break;
        case kSubscriptions: read = subscriptions(); break;
        case json::FoldGuard::kNone:
          body.other = true;
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
      body.has_capabilities |= *known == kClientCapabilities;
      Result<void> read = *known == kVersion ? text("params._meta", body.meta_version) : *known == kClientCapabilities ? capabilities() : skip();
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
      kept += text_.substr(at, reader_.end_offset() - at);
    }
    if (less) body.patches.push_back({from, reader_.end_offset(), kept + "}"});
    return {};
  }

  // Without the answer that is the gateway's.
  Result<void> input_responses() {
    const Token begin = reader_.next();
    if (begin == Token::error) return reader_.error();
    if (begin != Token::object_begin) return shape("params.inputResponses", "must be an object");
    const std::size_t from = reader_.begin_offset();
    std::string kept = "{";
    bool ours = false, theirs = false;
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
      theirs = true;
      if (kept.size() > 1) kept += ',';
      kept += text_.substr(at, reader_.end_offset() - at);
    }
    body.continues |= theirs;
    if (theirs) body.answers = kept + "}";
    if (ours) body.patches.push_back({from, reader_.end_offset(), kept + "}"});
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
      body.resources |= json::folds_to(reader_.text(), "resourceSubscriptions") || reader_.text() == "resourceSubscriptions";
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
      Result<void> read = action ? text("action", body.url_answer) : skip();
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
      body.opens_urls |= reader_.text() == "url";
      Result<void> read = skip();
      if (!read) return read;
    }
  }

  const ClientRequests& allowed_;
  std::string_view text_;
  json::Reader reader_;
};

}  // namespace

Result<Body> read_body(std::string_view text, const ClientRequests& allowed) {
  MessageReader reader(text, allowed);
  Result<void> read = reader.run();
  if (!read) return std::move(read).error();
  return std::move(reader.body);
}

}  // namespace vestibule::dialect::mcp
