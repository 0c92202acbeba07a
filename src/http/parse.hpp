#pragma once
// Strict incremental parsers of HTTP/1.x heads (RFC 9112), and what a head says about its body.
//
// The first promise rests on these: whatever the gateway understands, the upstream must not be able
// to understand otherwise. So ambiguity is refused, never repaired, and a refusal is final: the
// connection is closed after the reply. Not thread-safe; one a connection, owned by it.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "http/head.hpp"

namespace vestibule::http {

enum class ParseState : std::uint8_t { need_more, done, bad };

struct ParseError {
  Reason reason = Reason::ok;
  const char* why = "";  ///< static text for the log
};

/// Refuses (RFC 9112 unless stated): anything but `METHOD SP origin-form SP HTTP/1.0|1.1 CRLF`;
/// methods that are not upper case, CONNECT and TRACE; empty lines ahead; bare CR or LF, NUL and
/// every other control character but HTAB in a value; bytes from 0x80; folded lines; white space
/// around a name; names that are no tokens, or that are a known name but for '_' or '.' in place of
/// '-' (CGI-like servers take them for the same); Host missing, repeated or malformed (1.0 too);
/// repeated Content-Type, Expect or Origin; malformed Connection and Upgrade lists, and Connection
/// naming a field that the gateway has judged by; every framing that request_framing() refuses.
/// Errors: request_malformed, uri_too_long, head_too_large, expectation_failed.
class RequestParser {
 public:
  explicit RequestParser(const Limits& limits = {}) noexcept;

  /// `received`: everything received since the head began, longer each time (the buffer may have
  /// moved). Bytes are looked at once. After done or bad the answer stays until reset().
  ParseState feed(std::string_view received) noexcept;
  /// Bytes of the head, after done; the body begins there.
  [[nodiscard]] std::size_t consumed() const noexcept { return line_; }
  /// After done. Valid while the bytes given to the last feed() stay where they are.
  [[nodiscard]] RequestHead& head() noexcept { return head_; }
  [[nodiscard]] const RequestHead& head() const noexcept { return head_; }
  [[nodiscard]] ParseError error() const noexcept { return error_; }
  void reset() noexcept;

 private:
  ParseState bad(Reason reason, const char* why) noexcept;
  bool start_line(const char* base, std::string_view line) noexcept;
  bool finish() noexcept;

  Limits limits_;
  RequestHead head_;
  std::size_t line_ = 0;      // where the current line begins
  std::size_t searched_ = 0;  // no LF between line_ and here
  ParseState state_ = ParseState::need_more;
  bool started_ = false;  // the start line has been read
  ParseError error_;
};

/// The same for replies of an upstream; bytes from 0x80 may stand in values and reason. Interim
/// (1xx) heads are yielded like others: reset() and feed() the rest. Every error, limits included,
/// is upstream_malformed.
class ResponseParser {
 public:
  explicit ResponseParser(const Limits& limits = {}) noexcept;

  ParseState feed(std::string_view received) noexcept;
  [[nodiscard]] std::size_t consumed() const noexcept { return line_; }
  [[nodiscard]] ResponseHead& head() noexcept { return head_; }
  [[nodiscard]] const ResponseHead& head() const noexcept { return head_; }
  [[nodiscard]] ParseError error() const noexcept { return error_; }
  /// `request`: the method that is being answered (a reply to HEAD has no body).
  void reset(Method request = Method::other) noexcept;

 private:
  ParseState bad(const char* why) noexcept;
  bool start_line(std::string_view line) noexcept;
  bool finish() noexcept;

  Limits limits_;
  ResponseHead head_;
  std::size_t line_ = 0;
  std::size_t searched_ = 0;
  Method request_ = Method::other;
  ParseState state_ = ParseState::need_more;
  bool started_ = false;
  ParseError error_;
};

/// RFC 9112 section 6.3, stricter: one Content-Length of plain digits without leading zeros, below
/// 2^63; or one Transfer-Encoding that is exactly `chunked`, on HTTP/1.1; never both; no content on
/// GET, HEAD and OPTIONS (upstreams disagree on whether to read it). request_malformed.
[[nodiscard]] Result<Framing> request_framing(const RequestHead& head);

/// Likewise; replies to HEAD and 1xx, 204, 304 have no body; 1xx and 204 may not announce one.
/// upstream_malformed.
[[nodiscard]] Result<Framing> response_framing(const ResponseHead& head, Method request);

/// RFC 9112 section 9.3: whether another message may follow on the connection.
[[nodiscard]] bool keep_alive(const RequestHead& head) noexcept;
/// False also where the body ends with the connection.
[[nodiscard]] bool keep_alive(const ResponseHead& head) noexcept;

/// The client waits for 100 (Continue); false on HTTP/1.0 (RFC 9110 section 10.1.1).
[[nodiscard]] bool expects_continue(const RequestHead& head) noexcept;

/// Takes the next element off a comma-separated list of tokens (RFC 9110 section 5.6.1), empty
/// elements refused. False at the end, or with `list` not empty if malformed.
[[nodiscard]] bool next_token(std::string_view& list, std::string_view& token) noexcept;

/// Calls f(std::string_view token) for everything that Connection names: besides the options close
/// and keep-alive, fields that must not be forwarded (RFC 9110 section 7.6.1).
template <class F>
void connection_tokens(const Headers& headers, F&& f) {
  if (!headers.has(Known::connection)) return;
  for (const HeaderField& field : headers) {
    if (field.known != Known::connection) continue;
    std::string_view list = field.value;
    std::string_view token;
    while (next_token(list, token)) f(token);
  }
}
/// True if Connection names this field or option (case-insensitive).
[[nodiscard]] bool connection_names(const Headers& headers, std::string_view name) noexcept;

}  // namespace vestibule::http
