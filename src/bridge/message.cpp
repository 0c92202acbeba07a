#include "bridge/message.hpp"

#include <algorithm>
#include <vector>

#include "json/fold_guard.hpp"
#include "json/reader.hpp"

namespace vestibule::bridge {
namespace {

using json::Token;

enum Top : int { kJsonrpc, kId, kMethod, kParams, kResult, kError };
constexpr std::string_view kTopKeys[] = {"jsonrpc", "id", "method", "params", "result", "error"};
enum Param : int { kMeta, kRequestId, kProgressToken };
constexpr std::string_view kParamKeys[] = {"_meta", "requestId", "progressToken"};
enum Meta : int { kMetaProgress, kMetaSubscription };
constexpr std::string_view kMetaKeys[] = {"progressToken", "io.modelcontextprotocol/subscriptionId"};
constexpr std::string_view kErrorKeys[] = {"code"};

const json::FoldGuard& top_guard() {
  static const json::FoldGuard g(kTopKeys);
  return g;
}
const json::FoldGuard& param_guard() {
  static const json::FoldGuard g(kParamKeys);
  return g;
}
const json::FoldGuard& meta_guard() {
  static const json::FoldGuard g(kMetaKeys);
  return g;
}
const json::FoldGuard& error_guard() {
  static const json::FoldGuard g(kErrorKeys);
  return g;
}

/// Walks the levels that matter. A defect of shape is kept, and the text read on: it may be no JSON.
class Walk {
 public:
  explicit Walk(std::string_view text) : reader_(text, {.bytes = kMaxMessage}) {}

  Result<Message> message() {
    if (reader_.next() == Token::object_begin) {
      members(top_guard(), &Walk::top);
    } else if (reader_.token() != Token::error) {
      bad("a message is one JSON object");
    }
    while (reader_.token() != Token::end && reader_.token() != Token::error) reader_.next();
    if (reader_.token() == Token::error) return reader_.error();
    settle();
    if (shape_ != nullptr) return fail(Reason::body_shape, shape_);
    return std::move(out_);
  }

 private:
  using Member = void (Walk::*)(int key);

  void bad(const char* what) {
    if (shape_ == nullptr) shape_ = what;
  }

  // After an object's begin: its members, each with its value, to its end.
  void members(const json::FoldGuard& guard, Member member) {
    while (reader_.next() == Token::key) {
      const int key = guard.check(reader_.text());
      if (key == json::FoldGuard::kFolded) bad("a key that differs from a known one in its letters' case only");
      if (reader_.next() == Token::error) return;
      if (key >= 0) (this->*member)(key);
      if (!reader_.skip()) return;
    }
  }

  void top(int key) {
    switch (static_cast<Top>(key)) {
      case kJsonrpc: version_ = reader_.token() == Token::string && reader_.text() == "2.0"; break;
      case kId: out_.id = identifier("the id is neither a string nor an integer"); break;
      case kMethod:
        if (reader_.token() != Token::string) return bad("the method is no string");
        out_.method = reader_.text();
        method_ = true;
        break;
      case kParams:
        if (reader_.token() != Token::object_begin) return bad("params is no object");
        members(param_guard(), &Walk::param);
        break;
      case kResult: result_ = true; break;
      case kError:
        error_ = true;
        if (reader_.token() != Token::object_begin) return bad("error is no object");
        members(error_guard(), &Walk::error);
        break;
    }
  }

  void param(int key) {
    switch (static_cast<Param>(key)) {
      case kMeta:
        if (reader_.token() == Token::object_begin) members(meta_guard(), &Walk::meta);
        break;
      case kRequestId: request_ = identifier(nullptr); break;
      case kProgressToken: token_ = identifier(nullptr); break;
    }
  }

  void meta(int key) {
    switch (static_cast<Meta>(key)) {
      case kMetaProgress: out_.progress = identifier("the progress token is neither a string nor an integer"); break;
      case kMetaSubscription: out_.subscription = identifier(nullptr); break;
    }
  }

  void error(int) { out_.code = reader_.int64().value_or(0); }

  // `otherwise`: what is wrong with any other value; null: it is none of our business.
  Place identifier(const char* otherwise) {
    const bool fits = reader_.end_offset() - reader_.begin_offset() <= kMaxId;
    const bool text = reader_.token() == Token::string;
    const bool whole = reader_.token() == Token::number && reader_.int64().has_value();
    if ((text || whole) && fits) return {reader_.begin_offset(), reader_.end_offset()};
    if (otherwise != nullptr) bad(otherwise);
    return {};
  }

  void settle() {
    if (!version_) bad("jsonrpc is not \"2.0\"");
    const bool answer = result_ || error_;
    if (method_ == answer || (result_ && error_)) bad("neither a request nor a response");
    if (method_) {
      out_.kind = out_.id.empty() ? Message::Kind::notification : Message::Kind::request;
    } else {
      out_.kind = Message::Kind::response;
      if (out_.id.empty()) bad("a response without an id");
      out_.failed = error_;
    }
    if (out_.kind != Message::Kind::request) out_.progress = {};
    if (out_.kind != Message::Kind::notification) return;
    if (out_.method == "notifications/progress") out_.progress = token_;
    if (out_.method == "notifications/cancelled") out_.cancels = request_;
  }

  json::Reader reader_;
  Message out_;
  Place request_;
  Place token_;
  const char* shape_ = nullptr;
  bool version_ = false;
  bool method_ = false;
  bool result_ = false;
  bool error_ = false;
};

}  // namespace

Result<Message> read_message(std::string_view text) { return Walk(text).message(); }

bool is_id(std::string_view raw) {
  json::Reader r(raw, {.bytes = kMaxId});
  const Token first = r.next();
  const bool fits = first == Token::string || (first == Token::number && r.int64().has_value());
  return fits && r.raw().size() == raw.size() && r.next() == Token::end;
}

std::string changed(std::string_view text, std::initializer_list<Change> changes) {
  std::vector<Change> in_order;
  std::size_t size = text.size();
  for (const Change& c : changes) {
    if (c.place.empty()) continue;
    in_order.push_back(c);
    size += c.text.size();
  }
  std::sort(in_order.begin(), in_order.end(), [](const Change& a, const Change& b) { return a.place.begin < b.place.begin; });
  std::string out;
  out.reserve(size);
  std::size_t at = 0;
  for (const Change& c : in_order) {
    out.append(text.substr(at, c.place.begin - at)).append(c.text);
    at = c.place.end;
  }
  out.append(text.substr(at));
  return out;
}

std::string one_line(std::string json) {
  for (char& c : json) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  struct Ender {
    std::string_view raw, escape;
  };
  for (const Ender& e : {Ender{"\xC2\x85", "\\u0085"}, Ender{"\xE2\x80\xA8", "\\u2028"}, Ender{"\xE2\x80\xA9", "\\u2029"}}) {
    if (json.find(e.raw) == std::string::npos) continue;
    std::string out;
    std::size_t at = 0;
    for (std::size_t next = 0; (next = json.find(e.raw, at)) != std::string::npos; at = next + e.raw.size()) {
      out.append(json, at, next - at).append(e.escape);
    }
    out.append(json, at);
    json = std::move(out);
  }
  return json;
}

}  // namespace vestibule::bridge
