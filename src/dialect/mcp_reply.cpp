// Which of a server's messages may reach a client.
#include <algorithm>
#include <array>

#include "dialect/mcp.hpp"
#include "dialect/mcp_parts.hpp"
#include "http/url.hpp"
#include "json/fold_guard.hpp"
#include "json/reader.hpp"
#include "json/writer.hpp"

namespace vestibule::dialect::mcp {
namespace {

using json::Token;

enum ResultKey : int { kTools, kResultType, kInputRequests, kCacheScope, kResultState };
constexpr std::array<std::string_view, 5> kResultKeys{"tools", "resultType", "inputRequests", "cacheScope", "requestState"};
enum RequestKey : int { kRequestMethod, kRequestParams };
constexpr std::array<std::string_view, 2> kRequestKeys{"method", "params"};
enum ElicitKey : int { kMode, kUrl, kElicitations, kCode, kData, kElicitName, kAsked };
constexpr std::array<std::string_view, 7> kElicitKeys{"mode", "url", "elicitations", "code", "data", "name", "inputRequests"};
const json::FoldGuard kResultGuard{kResultKeys};
const json::FoldGuard kRequestGuard{kRequestKeys};
constexpr std::array<std::string_view, 1> kOwnKeys{kConfirm};
const json::FoldGuard kOwnGuard{kOwnKeys};
const json::FoldGuard kElicitGuard{kElicitKeys};

constexpr std::size_t kMostTools = 4'000;

struct Range {
  std::size_t begin = 0, end = 0;
  [[nodiscard]] bool any() const noexcept { return end > 0; }
};

struct Tool {
  Range place;
  std::string name;
};

// One message of a server's, read as far as it matters.
class Answer {
 public:
  Answer(std::string_view text, const Judging& judging) : text_(text), judging_(judging), reader_(text) {}

  Result<void> run() {
    if (reader_.next() != Token::object_begin) {
      return reader_.token() == Token::error ? broken() : unreadable("not one message");
    }
    Result<void> read = members(kMessageGuard, [this](int key) { return member(key); });
    if (!read) return read;
    if (reader_.next() != Token::end) return broken();
    if (has_method == (has_result || has_error) || (has_result && has_error)) return unreadable("neither a request nor an answer");
    return {};
  }

  std::string id, method;
  bool has_method = false, has_result = false, has_error = false;
  bool imitates = false;                   // a URL that seems to lead to the gateway, or that cannot be told
  bool waits = false;                      // an answer that only says "ask again"
  bool asks = false;                       // an answer that asks for the client's input instead
  std::vector<std::string> asked;          // methods of these requests
  bool elicits = false;                    // an error that sends the person to a URL
  std::string state;                       // what the client is to bring again
  Range tools, cache_scope, state_place;
  std::vector<Tool> listed;
  bool shared = false;

 private:
  static Error unreadable(std::string_view why) { return fail(Reason::reply_unreadable, std::string(why)); }
  [[nodiscard]] Error broken() const { return unreadable(reader_.error().detail); }
  Result<void> skip() { return reader_.skip() ? Result<void>() : Result<void>(broken()); }
  // An object has begun: f(known key) reads each value.
  template <class F>
  Result<void> members(const json::FoldGuard& guard, F f) {
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) return {};
      if (t == Token::error) return broken();
      const int known = guard.check(reader_.text());
      if (known == json::FoldGuard::kFolded) return unreadable("a key that differs from a known one by its letters' case only");
      Result<void> read = f(known);
      if (!read) return read;
    }
  }
  Result<void> text(std::string& into) {
    const Token t = reader_.next();
    if (t == Token::error) return broken();
    if (t != Token::string) return unreadable("text expected");
    into = reader_.text();
    return {};
  }
  // f() if the next value is an object; whatever else it is, is skipped.
  template <class F>
  Result<void> if_object(F f) {
    const Token t = reader_.next();
    if (t == Token::error) return broken();
    if (t == Token::object_begin) return f();
    if (t == Token::array_begin) return skip();
    return {};
  }

  Result<void> member(int key) {
    switch (key) {
      case kId: {
        const Token t = reader_.next();
        if (t == Token::error) return broken();
        if (t == Token::object_begin || t == Token::array_begin) return unreadable("an id that is none");
        id = reader_.raw();
        return {};
      }
      case kMethod: has_method = true; return text(method);
      case kParams: return if_object([this] { return members(kElicitGuard, [this](int k) { return elicit_member(k); }); });
      case kResult: has_result = true; return if_object([this] { return members(kResultGuard, [this](int k) { return result_member(k); }); });
      case kError: has_error = true; return if_object([this] { return members(kElicitGuard, [this](int k) { return error_member(k); }); });
      default: return skip();
    }
  }

  // Of the params of elicitation/create; of other methods' the same names mean nothing that would do harm.
  Result<void> elicit_member(int key) {
    if (key == kAsked) return input_requests();  // of a task, told in a notification
    if (key != kUrl) return skip();
    const Token t = reader_.next();
    if (t == Token::error) return broken();
    if (t == Token::object_begin || t == Token::array_begin) return skip();
    if (t == Token::string) imitates |= !foreign(reader_.text());
    return {};
  }

  Result<void> error_member(int key) {
    if (key == kCode) {
      const Token t = reader_.next();
      if (t == Token::error) return broken();
      if (t == Token::object_begin || t == Token::array_begin) return skip();
      elicits |= reader_.raw() == "-32042";
      return {};
    }
    if (key != kData) return skip();
    return if_object([this] {
      return members(kElicitGuard, [this](int k) {
        if (k != kElicitations) return skip();
        elicits = true;
        return each([this] { return members(kElicitGuard, [this](int e) { return elicit_member(e); }); });
      });
    });
  }

  // Of an array: f() for each object in it.
  template <class F>
  Result<void> each(F f) {
    Token t = reader_.next();
    if (t == Token::error) return broken();
    if (t == Token::object_begin) return skip();
    if (t != Token::array_begin) return {};
    for (;;) {
      t = reader_.next();
      if (t == Token::array_end) return {};
      if (t == Token::error) return broken();
      Result<void> read = t == Token::object_begin ? f() : t == Token::array_begin ? skip() : Result<void>();
      if (!read) return read;
    }
  }

  Result<void> result_member(int key) {
    switch (key) {
      case kTools: return list();
      case kResultType: {
        std::string type;
        Result<void> read = text(type);
        asks |= type == "input_required";
        return read;
      }
      case kInputRequests:
        return input_requests();
      case kResultState: {
        waits = true;
        Result<void> read = text(state);
        state_place = {reader_.begin_offset(), reader_.end_offset()};
        return read;
      }
      case kCacheScope: {
        std::string scope;
        Result<void> read = text(scope);
        cache_scope = {reader_.begin_offset(), reader_.end_offset()};
        shared = scope != "private";
        return read;
      }
      default: return skip();
    }
  }

  Result<void> input_requests() {
    asks = true;
    return if_object([this] {
      return members(kOwnGuard, [this](int own) {
        imitates |= own == 0;  // the gateway's own question
        return input_request();
      });
    });
  }

  Result<void> input_request() {
    const Token t = reader_.next();
    if (t == Token::error) return broken();
    if (t != Token::object_begin) return unreadable("an input request that is none");
    return members(kRequestGuard, [this](int key) {
      if (key == kRequestMethod) return text(asked.emplace_back());
      if (key == kRequestParams) return if_object([this] { return members(kElicitGuard, [this](int k) { return elicit_member(k); }); });
      return skip();
    });
  }

  Result<void> list() {
    const Token begin = reader_.next();
    if (begin == Token::error) return broken();
    if (begin == Token::object_begin) return skip();
    if (begin != Token::array_begin) return {};
    const std::size_t from = reader_.begin_offset();
    std::size_t n = 0;
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::array_end) break;
      if (t == Token::error) return broken();
      if (t != Token::object_begin) return unreadable("a tool that is none");
      if (++n > kMostTools) return unreadable("too many tools");
      const std::size_t at = reader_.begin_offset();
      std::string name;
      Result<void> read = members(kElicitGuard, [&](int key) { return key == kElicitName ? text(name) : skip(); });
      if (!read) return read;
      listed.push_back({{at, reader_.end_offset()}, std::move(name)});
    }
    tools = {from, reader_.end_offset()};
    return {};
  }

  [[nodiscard]] bool foreign(std::string_view url) const {
    const Result<http::Url> read = http::parse_url(url.substr(0, url.find('#')));
    if (!read) return false;
    const std::string place = place_of(*read);
    return std::none_of(judging_.own_hosts.begin(), judging_.own_hosts.end(), [&](const std::string& own) { return own == place; });
  }

  std::string_view text_;
  const Judging& judging_;
  json::Reader reader_;
};

bool allows(const ClientRequests& allowed, std::string_view method) noexcept {
  if (method == "ping") return true;
  if (method == "sampling/createMessage") return allowed.sampling;
  if (method == "elicitation/create") return allowed.elicitation;
  if (method == "roots/list") return allowed.roots;
  return false;
}

struct Piece {
  Range range;
  std::string text;
};

// The list with the tools that are shown; and nobody else may be given what was made for this caller.
void list_shown(std::string_view text, const Answer& a, const std::vector<Range>& shown, std::vector<Piece>& pieces) {
  std::string list = "[";
  for (const Range& r : shown) {
    if (list.size() > 1) list += ',';
    list += text.substr(r.begin, r.end - r.begin);
  }
  pieces.push_back({a.tools, list + "]"});
  if (a.cache_scope.any() && a.shared) pieces.push_back({a.cache_scope, "\"private\""});
}

std::string with(std::string_view text, std::vector<Piece> pieces) {
  std::sort(pieces.begin(), pieces.end(), [](const Piece& x, const Piece& y) { return x.range.begin < y.range.begin; });
  std::string out;
  std::size_t from = 0;
  for (const Piece& p : pieces) {
    out.append(text.substr(from, p.range.begin - from)).append(p.text);
    from = p.range.end;
  }
  return out.append(text.substr(from));
}

}  // namespace

std::string place_of(const http::Url& url) {
  std::string_view host = url.host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const bool here = host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host == "0.0.0.0" || host == "::" || host == "::1" ||
                    host.starts_with("::ffff:7f") || host.starts_with("::ffff:127.") || host == "::ffff:0:0" || host == "::ffff:0.0.0.0";
  return here ? "localhost:" + std::to_string(url.port) : std::string(host);
}

Result<Reply::Fate> Reply::judge(std::string_view message, std::string& instead) {
  Answer a(message, judging_);
  Result<void> read = a.run();
  if (!read) return std::move(read).error();
  const bool asked_well = std::all_of(a.asked.begin(), a.asked.end(), [&](const std::string& m) { return allows(judging_.allowed, m); });
  if (judging_.errors_alone && !a.has_error) return fail(Reason::reply_unreadable, "no error, where the status says that it is one");
  if (a.has_method) {
    if (a.id.empty()) {
      const bool known = a.method.starts_with("notifications/");
      if (!known) return fail(Reason::reply_unreadable, "a notification that is none");
      return a.imitates || !asked_well ? Fate::drop : Fate::pass;
    }
    const bool open = judging_.era == Era::sessions && allows(judging_.allowed, a.method) && !a.imitates;
    return open ? Fate::pass : Fate::drop;
  }
  const bool denied = a.imitates || (a.asks && ((a.asked.empty() && !a.waits) || !asked_well)) || (a.elicits && !judging_.allowed.elicitation);
  if (denied) {
    instead = error_answer(a.id, kRefused, "The tool server asks for something of this client that is not open through the gateway.");
    return Fate::replace;
  }
  std::vector<Piece> pieces;
  if (a.state_place.any() && judging_.binds) {
    std::string bound;
    json::append_string(bound, judging_.binds(a.state));
    pieces.push_back({a.state_place, std::move(bound)});
  }
  // Not before the whole message was read: a judge may learn from it.
  const std::size_t all = a.listed.size();
  // And at all of it before any tool is shown: it may name one twice.
  std::vector<Range> shown;
  if (judging_.looks) std::erase_if(a.listed, [&](const Tool& t) { return !judging_.looks(message.substr(t.place.begin, t.place.end - t.place.begin)); });
  for (const Tool& t : a.listed) {
    if (!t.name.empty() && judging_.shows && judging_.shows(t.name)) shown.push_back(t.place);
  }
  if (a.tools.any() && (shown.size() < all || a.shared)) list_shown(message, a, shown, pieces);
  if (pieces.empty()) return Fate::pass;
  instead = with(message, std::move(pieces));
  return Fate::replace;
}

void Reply::event(const http::SseEvent& e, std::string& out, Result<void>& status) {
  if (!status) return;
  if (!e.strict) {
    status = fail(Reason::reply_unreadable, "an event that not everybody reads alike");
    return;
  }
  // Priming events have an id and no data; comments neither.
  if (!e.has_data || e.data.empty()) {
    out.append(e.raw);
    return;
  }
  // Other names are of other transports.
  if (!e.name.empty() && e.name != "message") return;
  std::string instead;
  const Result<Fate> fate = judge(e.data, instead);
  if (!fate) {
    status = fate.error();
    return;
  }
  if (*fate == Fate::pass) out.append(e.raw);
  if (*fate != Fate::replace) return;
  // Its id, by which a broken stream is resumed, stays.
  std::string_view raw = e.raw;
  while (!raw.empty()) {
    const std::size_t n = std::min(raw.find_first_of("\r\n"), raw.size());
    if (raw.substr(0, n).starts_with("id:")) out.append(raw.substr(0, n)).append("\n");
    raw.remove_prefix(std::min(n + 1, raw.size()));
  }
  out.append("event: message\ndata: ").append(instead).append("\n\n");
}

Result<void> Reply::feed(std::string_view bytes, std::string& out) {
  if (form_ == ReplyForm::json) {
    if (whole_.size() + bytes.size() > kMostMessage) return fail(Reason::reply_too_large);
    whole_.append(bytes);
    return {};
  }
  Result<void> status;
  const bool fits = events_.feed(bytes, [&](const http::SseEvent& e) { event(e, out, status); });
  if (status && !fits) return fail(Reason::reply_too_large);
  return status;
}

Result<void> Reply::finish(std::string& out) {
  if (form_ != ReplyForm::json) {
    Result<void> status;
    events_.finish([&](const http::SseEvent& e) { event(e, out, status); });
    return status;  // what is left is no event, and nobody reads it
  }
  if (whole_.empty()) return {};
  std::string instead;
  const Result<Fate> fate = judge(whole_, instead);
  if (!fate) return fate.error();
  if (*fate == Fate::drop) return fail(Reason::reply_unreadable, "a request where an answer belongs");
  out.append(*fate == Fate::pass ? whole_ : instead);
  return {};
}

}  // namespace vestibule::dialect::mcp
