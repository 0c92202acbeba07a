#pragma once
// Writes JSON into a string. Commas and escapes are its business, the order of calls is the
// caller's: it keeps no stack and does not check that begins have their ends.

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace vestibule::json {

/// Appends text as a JSON string with the least escaping (RFC 8785 section 3.2.2.2). Bytes that are
/// not UTF-8 become U+FFFD, one for each.
void append_string(std::string& out, std::string_view text);
/// Appends a number as ECMAScript prints it (RFC 8785 section 3.2.2.3): the shortest digits that
/// read back as the same double. NaN and infinities, which JSON lacks, become null.
void append_number(std::string& out, double number);

/// One thread. `Writer w; w.begin_object().member("id", 7).key("tags").begin_array()...`
class Writer {
 public:
  Writer() = default;
  /// Appends to (and so can reuse the memory of) a string.
  explicit Writer(std::string out) noexcept : out_(std::move(out)) {}

  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& key(std::string_view name) {
    separate();
    append_string(out_, name);
    out_.push_back(':');
    comma_ = false;
    return *this;
  }

  Writer& value(std::string_view text) {
    separate();
    append_string(out_, text);
    return *this;
  }
  Writer& value(const char* text) { return value(std::string_view(text)); }
  Writer& value(double number) {
    separate();
    append_number(out_, number);
    return *this;
  }
  template <std::integral T>
  Writer& value(T v) {
    separate();
    if constexpr (std::same_as<T, bool>) {
      out_ += v ? "true" : "false";
    } else {
      out_ += std::to_string(v);
    }
    return *this;
  }
  Writer& null() { return raw("null"); }
  /// A value that is JSON already: the caller vouches for it.
  Writer& raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
  }
  template <class T>
  Writer& member(std::string_view name, const T& v) {
    return key(name).value(v);
  }

  [[nodiscard]] const std::string& text() const noexcept { return out_; }
  /// Hands the text out and starts anew.
  [[nodiscard]] std::string take() noexcept {
    comma_ = false;
    return std::exchange(out_, {});
  }

 private:
  void separate() {
    if (comma_) out_.push_back(',');
    comma_ = true;
  }
  Writer& open(char bracket) {
    separate();
    out_.push_back(bracket);
    comma_ = false;
    return *this;
  }
  Writer& close(char bracket) {
    out_.push_back(bracket);
    comma_ = true;
    return *this;
  }

  std::string out_;
  bool comma_ = false;
};

}  // namespace vestibule::json
