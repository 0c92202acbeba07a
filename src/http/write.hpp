#pragma once
// Writes heads. Nothing that could split a message gets through (CR, LF, NUL, other controls).

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "http/head.hpp"

namespace vestibule::http {

/// A field's name: of a literal the compiler sees that it is a token, of anything else the writer does.
class FieldName {
 public:
  template <std::size_t N>
  consteval FieldName(const char (&literal)[N]) : text_(literal, N - 1), token_(true) {  // NOLINT(google-explicit-constructor)
    for (const char c : text_) {
      const bool alphanumeric = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
      if (!alphanumeric && c != '-') throw "a field name of letters, digits and hyphens";
    }
    if (text_.empty()) throw "a field has a name";
  }
  FieldName(std::string_view text) noexcept;                                  // NOLINT(google-explicit-constructor)
  FieldName(const std::string& text) noexcept : FieldName(std::string_view(text)) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  [[nodiscard]] bool is_token() const noexcept { return token_; }

 private:
  std::string_view text_;
  bool token_;
};

/// Appends one head to a buffer that outlives it. After a refused part the head cannot be finished
/// and the buffer is as it was: a caller that ignores one bad field cannot send half a head.
class HeadWriter {
 public:
  explicit HeadWriter(std::string& out) noexcept : out_(out), begin_(out.size()) {}
  HeadWriter(HeadWriter&&) noexcept = default;  ///< the other one writes no more
  HeadWriter(const HeadWriter&) = delete;
  HeadWriter& operator=(const HeadWriter&) = delete;

  /// `HTTP/1.1 code reason`; the standard phrase if the reason is empty. Code 100 to 599.
  HeadWriter& status(int code, std::string_view reason = {});
  /// `method target HTTP/1.1`; the target is what parse_target() accepts.
  HeadWriter& request(std::string_view method, std::string_view target);
  /// The name is a token; the value has no control characters but HTAB.
  HeadWriter& field(FieldName name, std::string_view value);
  HeadWriter& field(FieldName name, std::uint64_t value);
  /// A field that this room's parser has taken from another head: it was looked at there.
  HeadWriter& copy(const HeaderField& parsed);
  /// Exactly one of: Content-Length, Transfer-Encoding: chunked, nothing.
  HeadWriter& framing(const Framing& framing);
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// The empty line. False if anything was refused or there is no start line: nothing is appended.
  [[nodiscard]] bool finish();

 private:
  HeadWriter& refuse();
  void append(std::string_view name, std::string_view value);

  std::string& out_;
  std::size_t begin_;
  bool ok_ = true;
  bool started_ = false;
};

/// The standard phrase of RFC 9110 section 15 and RFC 6585; empty for others.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

/// IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7). Years 1 to 9999.
[[nodiscard]] std::array<char, 29> http_date(WallTime time) noexcept;

/// Date field values, formatted once a second. Not thread-safe: one a core.
class DateCache {
 public:
  /// The view holds until the next call.
  [[nodiscard]] std::string_view at(WallTime time) noexcept;

 private:
  std::int64_t second_ = -1;
  std::array<char, 29> text_{};
};

}  // namespace vestibule::http
