#include "http/parse.hpp"

#include <algorithm>
#include <cstring>

#include "http/chars.hpp"
#include "http/field.hpp"
#include "http/host.hpp"

namespace vestibule::http {
namespace {

constexpr std::size_t kMaxMethod = 24;
/// What a request line holds besides its target: method, version, spaces.
constexpr std::size_t kRequestLineExtra = kMaxMethod + 10;

Limits clamp(Limits limits) noexcept {
  limits.max_head = std::min<std::size_t>(limits.max_head, 65535);
  limits.max_fields = std::min(limits.max_fields, Headers::kCapacity);
  return limits;
}

constexpr std::uint64_t bits(std::initializer_list<Known> set) {
  std::uint64_t mask = 0;
  for (const Known k : set) mask |= std::uint64_t{1} << static_cast<unsigned>(k);
  return mask;
}
bool in(std::uint64_t mask, Known k) noexcept {
  return (mask >> static_cast<unsigned>(k) & 1U) != 0;
}

// A second one of these would leave two readings.
constexpr std::uint64_t kRequestOnce =
    bits({Known::host, Known::content_length, Known::transfer_encoding, Known::content_type,
          Known::content_encoding, Known::expect, Known::origin});
constexpr std::uint64_t kResponseOnce =
    bits({Known::content_length, Known::transfer_encoding, Known::content_type});
// The gateway judges by these: they must not vanish on the way because Connection names them.
constexpr std::uint64_t kRequestKept =
    bits({Known::host, Known::content_length, Known::transfer_encoding, Known::content_type,
          Known::content_encoding, Known::authorization, Known::x_api_key, Known::api_key,
          Known::cookie, Known::origin, Known::expect});
constexpr std::uint64_t kResponseKept =
    bits({Known::content_length, Known::content_type, Known::content_encoding});

enum class Line { more, good, bare_lf, too_long };

// The line that begins at `begin`, without its CRLF. `limit`: where its LF must have come by.
Line next_line(std::string_view received, std::size_t begin, std::size_t& searched,
               std::size_t limit, std::string_view& line) noexcept {
  const std::size_t stop = std::min(received.size(), limit);
  const char* const base = received.data();
  const void* lf = stop > searched ? std::memchr(base + searched, '\n', stop - searched) : nullptr;
  if (lf == nullptr) {
    searched = std::max(searched, stop);
    return received.size() >= limit ? Line::too_long : Line::more;
  }
  const auto at = static_cast<std::size_t>(static_cast<const char*>(lf) - base);
  if (at == begin || base[at - 1] != '\r') return Line::bare_lf;
  line = received.substr(begin, at - 1 - begin);
  searched = at + 1;
  return Line::good;
}

// Why a Connection-like list is refused, or nullptr.
const char* check_connection(const Headers& headers, std::uint64_t kept) noexcept {
  constexpr std::uint64_t lists = bits({Known::connection, Known::proxy_connection});
  if (!headers.has(Known::connection) && !headers.has(Known::proxy_connection)) return nullptr;
  for (const HeaderField& field : headers) {
    if (!in(lists, field.known)) continue;
    std::string_view list = field.value;
    std::string_view token;
    if (list.empty()) return "empty Connection";
    while (next_token(list, token)) {
      const Known known = known_field(token);
      if (known != Known::other && in(kept, known))
        return "Connection names a field of the message";
    }
    if (!list.empty()) return "malformed Connection";
  }
  return nullptr;
}

const char* check_upgrade(const Headers& headers) noexcept {
  if (!headers.has(Known::upgrade)) return nullptr;
  for (const HeaderField& field : headers) {
    if (field.known != Known::upgrade) continue;
    std::string_view list = field.value;
    std::string_view token;
    while (next_token(list, token)) {
    }
    if (!list.empty() || field.value.empty()) return "malformed Upgrade";
  }
  return nullptr;
}

// Content-Length and Transfer-Encoding alone; `none` if there is neither.
const char* scan_framing(const Headers& headers, bool http10, Framing& out) noexcept {
  out = {};
  const bool coded = headers.has(Known::transfer_encoding);
  const bool sized = headers.has(Known::content_length);
  if (coded) {
    if (sized) return "both Transfer-Encoding and Content-Length";
    if (http10) return "Transfer-Encoding on HTTP/1.0";
    if (headers.count(Known::transfer_encoding) != 1) return "more than one Transfer-Encoding";
    if (!chars::equals_folded(*headers.find(Known::transfer_encoding), "chunked")) {
      return "Transfer-Encoding other than chunked";
    }
    out.kind = BodyKind::chunked;
    return nullptr;
  }
  if (!sized) return nullptr;
  if (headers.count(Known::content_length) != 1) return "more than one Content-Length";
  const std::string_view text = *headers.find(Known::content_length);
  if (text.empty() || text.size() > 19 || (text.size() > 1 && text[0] == '0')) {
    return "malformed Content-Length";
  }
  std::uint64_t length = 0;
  for (const char c : text) {
    if (!chars::is_digit(c)) return "malformed Content-Length";
    length = length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (length > std::uint64_t{INT64_MAX}) return "Content-Length out of range";
  if (length > 0) out = {BodyKind::length, length};
  return nullptr;
}

const char* scan_request_framing(const RequestHead& head, Framing& out) noexcept {
  if (const char* why = scan_framing(head.headers, head.http10, out)) return why;
  if (out.kind == BodyKind::none) return nullptr;
  switch (head.method) {
    case Method::get:
    case Method::head:
    case Method::options:
      return "content on a method that has none";
    case Method::post:
    case Method::put:
    case Method::patch:
    case Method::delete_:
    case Method::other:
      break;
  }
  return nullptr;
}

const char* scan_response_framing(const ResponseHead& head, Method request, Framing& out) noexcept {
  if (const char* why = scan_framing(head.headers, head.http10, out)) return why;
  if (head.status < 200 || head.status == 204) {
    const bool announced = out.kind != BodyKind::none;
    out = {};
    return announced ? "body announced on 1xx or 204" : nullptr;
  }
  if (head.status == 304 || request == Method::head) {
    out = {};
    return nullptr;
  }
  if (out.kind == BodyKind::none && !head.headers.has(Known::content_length)) {
    out.kind = BodyKind::until_close;
  }
  return nullptr;
}

bool stays_open(const Headers& headers, bool http10) noexcept {
  bool open = !http10;
  bool close = false;
  connection_tokens(headers, [&](std::string_view token) {
    close = close || chars::equals_folded(token, "close");
    open = open || chars::equals_folded(token, "keep-alive");
  });
  return open && !close;
}

}  // namespace

RequestParser::RequestParser(const Limits& limits) noexcept : limits_(clamp(limits)) {}

void RequestParser::reset() noexcept {
  head_.headers.clear();
  line_ = searched_ = 0;
  state_ = ParseState::need_more;
  started_ = false;
  error_ = {};
}

ParseState RequestParser::bad(Reason reason, const char* why) noexcept {
  error_ = {reason, why};
  return state_ = ParseState::bad;
}

ParseState RequestParser::feed(std::string_view received) noexcept {
  if (state_ != ParseState::need_more || received.empty()) return state_;
  const char* const base = received.data();
  if (!started_ && !(base[0] >= 'A' && base[0] <= 'Z')) {
    return bad(Reason::request_malformed, "the request does not begin with a method");
  }
  // Views that an earlier feed has left behind follow the buffer.
  if (started_) head_.rebase(base);
  for (;;) {
    const std::size_t longest =
        started_ ? limits_.max_field_line + 2 : limits_.max_target + kRequestLineExtra + 2;
    const std::size_t limit = std::min(line_ + longest, limits_.max_head);
    std::string_view line;
    switch (next_line(received, line_, searched_, limit, line)) {
      case Line::more:
        return state_;
      case Line::bare_lf:
        return bad(Reason::request_malformed, "bare LF");
      case Line::too_long:
        return bad(
            started_ || limit == limits_.max_head ? Reason::head_too_large : Reason::uri_too_long,
            "a line or the head exceeds the limit");
      case Line::good:
        break;
    }
    line_ = searched_;
    if (!started_) {
      if (!start_line(base, line)) return state_;
      started_ = true;
      continue;
    }
    if (line.empty()) {
      if (finish()) state_ = ParseState::done;
      return state_;
    }
    HeaderField field;
    if (const char* why = parse_field(line, chars::ObsText::refuse, field)) {
      return bad(Reason::request_malformed, why);
    }
    if (field.known != Known::other && in(kRequestOnce, field.known) &&
        head_.headers.has(field.known)) {
      return bad(Reason::request_malformed, "a field that may come once came twice");
    }
    if (head_.headers.size() == limits_.max_fields || !head_.headers.add(base, field)) {
      return bad(Reason::head_too_large, "too many fields");
    }
  }
}

bool RequestParser::start_line(const char* base, std::string_view line) noexcept {
  const auto refuse = [this](const char* why) {
    bad(Reason::request_malformed, why);
    return false;
  };
  std::size_t i = 0;
  while (i < line.size() && (chars::of(line[i]) & chars::kMethod) != 0) ++i;
  if (i > kMaxMethod || i == line.size() || line[i] != ' ') return refuse("malformed method");
  head_.method_text = line.substr(0, i);
  head_.method = method_from(head_.method_text);
  if (head_.method == Method::other &&
      (head_.method_text == "CONNECT" || head_.method_text == "TRACE")) {
    return refuse("CONNECT and TRACE are not served");
  }
  line.remove_prefix(i + 1);
  constexpr std::string_view tail = " HTTP/1.";
  if (line.size() < tail.size() + 2) return refuse("malformed request line");
  const std::size_t end = line.size() - tail.size() - 1;
  const char minor = line.back();
  if (std::memcmp(line.data() + end, tail.data(), tail.size()) != 0 ||
      (minor != '1' && minor != '0')) {
    return refuse("malformed request line or version other than HTTP/1.1 and HTTP/1.0");
  }
  head_.http10 = minor == '0';
  head_.target = line.substr(0, end);
  if (head_.target.size() > limits_.max_target) {
    bad(Reason::uri_too_long, "the target exceeds the limit");
    return false;
  }
  if (const char* why = scan_target(head_.target, head_.parts)) return refuse(why);
  head_.host = {};
  head_.headers.clear();
  head_.headers.rebase(base);
  return true;
}

bool RequestParser::finish() noexcept {
  const Headers& h = head_.headers;
  const auto host = h.find(Known::host);
  const char* why = nullptr;
  if (!host) {
    why = "Host is missing";
  } else if (head_.host = *host; !is_valid_host(head_.host)) {
    why = "malformed Host";
  } else if (why = scan_request_framing(head_, head_.framing); why == nullptr) {
    why = check_connection(h, kRequestKept);
    if (why == nullptr) why = check_upgrade(h);
  }
  if (why != nullptr) {
    bad(Reason::request_malformed, why);
    return false;
  }
  if (h.has(Known::expect) && !chars::equals_folded(*h.find(Known::expect), "100-continue")) {
    bad(Reason::expectation_failed, "Expect other than 100-continue");
    return false;
  }
  return true;
}

ResponseParser::ResponseParser(const Limits& limits) noexcept : limits_(clamp(limits)) {}

void ResponseParser::reset(Method request) noexcept {
  head_.headers.clear();
  line_ = searched_ = 0;
  request_ = request;
  state_ = ParseState::need_more;
  started_ = false;
  error_ = {};
}

ParseState ResponseParser::bad(const char* why) noexcept {
  error_ = {Reason::upstream_malformed, why};
  return state_ = ParseState::bad;
}

ParseState ResponseParser::feed(std::string_view received) noexcept {
  if (state_ != ParseState::need_more || received.empty()) return state_;
  const char* const base = received.data();
  if (base[0] != 'H') return bad("the reply does not begin with a status line");
  if (started_) head_.rebase(base);
  for (;;) {
    const std::size_t limit = std::min(line_ + limits_.max_field_line + 2, limits_.max_head);
    std::string_view line;
    switch (next_line(received, line_, searched_, limit, line)) {
      case Line::more:
        return state_;
      case Line::bare_lf:
        return bad("bare LF");
      case Line::too_long:
        return bad("a line or the head exceeds the limit");
      case Line::good:
        break;
    }
    line_ = searched_;
    if (!started_) {
      if (!start_line(line)) return state_;
      head_.headers.clear();
      head_.headers.rebase(base);
      started_ = true;
      continue;
    }
    if (line.empty()) {
      if (finish()) state_ = ParseState::done;
      return state_;
    }
    HeaderField field;
    if (const char* why = parse_field(line, chars::ObsText::allow, field)) return bad(why);
    if (field.known != Known::other && in(kResponseOnce, field.known) &&
        head_.headers.has(field.known)) {
      return bad("a field that may come once came twice");
    }
    if (head_.headers.size() == limits_.max_fields || !head_.headers.add(base, field)) {
      return bad("too many fields");
    }
  }
}

bool ResponseParser::start_line(std::string_view line) noexcept {
  // HTTP/1.x SP 3DIGIT SP reason (RFC 9112 section 4)
  constexpr std::string_view version = "HTTP/1.";
  if (line.size() < 13 || std::memcmp(line.data(), version.data(), version.size()) != 0 ||
      (line[7] != '1' && line[7] != '0') || line[8] != ' ' || line[12] != ' ') {
    bad("malformed status line");
    return false;
  }
  int status = 0;
  for (std::size_t i = 9; i < 12; ++i) {
    if (!chars::is_digit(line[i])) {
      bad("malformed status");
      return false;
    }
    status = status * 10 + (line[i] - '0');
  }
  head_.http10 = line[7] == '0';
  head_.status = status;
  head_.reason = line.substr(13);
  if (status < 100 || status > 599 ||
      !chars::is_field_text(head_.reason.data(), head_.reason.size(), chars::ObsText::allow)) {
    bad("malformed status or reason");
    return false;
  }
  return true;
}

bool ResponseParser::finish() noexcept {
  const char* why = scan_response_framing(head_, request_, head_.framing);
  if (why == nullptr) why = check_connection(head_.headers, kResponseKept);
  if (why == nullptr) why = check_upgrade(head_.headers);
  if (why == nullptr) return true;
  bad(why);
  return false;
}

Result<Framing> request_framing(const RequestHead& head) {
  Framing out;
  if (const char* why = scan_request_framing(head, out)) {
    return fail(Reason::request_malformed, why);
  }
  return out;
}

Result<Framing> response_framing(const ResponseHead& head, Method request) {
  Framing out;
  if (const char* why = scan_response_framing(head, request, out)) {
    return fail(Reason::upstream_malformed, why);
  }
  return out;
}

bool keep_alive(const RequestHead& head) noexcept { return stays_open(head.headers, head.http10); }

bool keep_alive(const ResponseHead& head) noexcept {
  return head.framing.kind != BodyKind::until_close && stays_open(head.headers, head.http10);
}

bool expects_continue(const RequestHead& head) noexcept {
  return !head.http10 && head.headers.has(Known::expect);
}

bool next_token(std::string_view& list, std::string_view& token) noexcept {
  std::size_t i = 0;
  const std::size_t n = list.size();
  while (i < n && chars::is_space(list[i])) ++i;
  const std::size_t begin = i;
  while (i < n && (chars::of(list[i]) & chars::kToken) != 0) ++i;
  if (i == begin) return false;
  token = list.substr(begin, i - begin);
  while (i < n && chars::is_space(list[i])) ++i;
  if (i < n) {
    // Only a comma may follow, and behind it another element.
    if (list[i] != ',' || i + 1 == n) return false;
    ++i;
  }
  list.remove_prefix(i);
  return true;
}

bool connection_names(const Headers& headers, std::string_view name) noexcept {
  bool found = false;
  connection_tokens(headers, [&](std::string_view token) {
    if (token.size() != name.size()) return;
    std::size_t i = 0;
    while (i < name.size() && chars::lower(token[i]) == chars::lower(name[i])) ++i;
    found = found || i == name.size();
  });
  return found;
}

}  // namespace vestibule::http
