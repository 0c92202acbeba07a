#pragma once
// A strict pull reader: it walks one JSON text (RFC 8259) token by token and builds nothing.
//
// Stricter than the RFC where two parsers could disagree: UTF-8 only and valid, no byte order mark,
// no duplicate keys (compared decoded), no unpaired surrogate in an escape, no number that
// overflows a double, nothing behind the value but white space; depth, tokens, keys and numbers are
// bounded.
//
// NOTHING READ MAY BE ACTED ON BEFORE next() HAS RETURNED Token::end: a defect may stand in the
// last byte, and a duplicate key in an object of more than 16 keys is found at the object's end.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace vestibule::json {

struct Limits {
  std::size_t bytes = std::size_t{64} << 20U;  ///< of the whole text; above 2 GiB counts as 2 GiB
  unsigned depth = 64;                         ///< open containers; above 128 counts as 128
  std::size_t tokens = 1'000'000;              ///< 16 bytes of memory for each key held open
  std::size_t key_bytes = 1024;                ///< of a key as it stands between its quotes
  std::size_t number_bytes = 128;
};

enum class Token : std::uint8_t {
  object_begin,
  object_end,
  array_begin,
  array_end,
  key,
  string,
  number,
  boolean_true,
  boolean_false,
  null,
  end,    ///< the whole text was valid
  error,  ///< see error(); stays
};

/// The text must outlive the reader. One thread. Allocates only for escaped strings that are asked
/// for, escaped keys, and more than 64 keys open at once. About 2.5 KB: keep it on the stack.
class Reader {
 public:
  explicit Reader(std::string_view text, const Limits& limits = {}) noexcept;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// The next token. After a key comes its value; the colon and commas are not tokens.
  Token next();
  /// After a key: reads its value whole. After a begin: reads to the matching end. After any other
  /// token: nothing to do. Then raw() is the whole value. Validates just as next() does; false on
  /// error.
  bool skip();

  /// The token that next() returned last.
  [[nodiscard]] Token token() const noexcept { return token_; }
  /// A key or string decoded, a number as it stands, else empty. Without escapes it
  /// is a view into the text; with escapes it is valid until the next call of next() or skip().
  [[nodiscard]] std::string_view text();
  /// True if the current key or string contains an escape (raw() differs from text()).
  [[nodiscard]] bool escaped() const noexcept { return escaped_; }

  /// The current token's place in the text, quotes included. At object_end and array_end, and after
  /// skip(), it is the whole value.
  [[nodiscard]] std::size_t begin_offset() const noexcept { return begin_; }
  [[nodiscard]] std::size_t end_offset() const noexcept { return end_; }
  [[nodiscard]] std::string_view raw() const noexcept {
    return input_.substr(begin_, end_ - begin_);
  }
  /// Bytes [begin, end) of the text, for values whose offsets were kept.
  [[nodiscard]] std::string_view slice(std::size_t begin, std::size_t end) const noexcept {
    return begin <= end && end <= input_.size() ? input_.substr(begin, end - begin)
                                                : std::string_view{};
  }

  /// The current number; nothing if it has a fraction or exponent or does not fit.
  [[nodiscard]] std::optional<std::int64_t> int64() const noexcept;
  /// The current number, rounded to the nearest double (0 on underflow).
  [[nodiscard]] std::optional<double> number() const noexcept;

  /// Open containers, the one just begun included.
  [[nodiscard]] unsigned depth() const noexcept { return depth_; }
  /// True once an \u0000 was met in a key or string. RFC 8259 allows it; C programs cut there.
  [[nodiscard]] bool saw_nul() const noexcept { return saw_nul_; }
  /// Reason body_not_json; the detail names the offset and the rule, never the content.
  [[nodiscard]] Error error() const;

 private:
  enum class State : std::uint8_t { value, first_item, first_key, after_value, done };
  struct Frame {
    std::uint32_t begin;      // offset of the bracket
    std::uint32_t first_key;  // index in keys_
    bool object;
  };
  // A key of an open object: bytes it begins with, place and length.
  struct KeyRef {
    std::uint64_t prefix;
    std::uint32_t at;  // offset in input_, or in decoded_keys_ with kDecoded set
    std::uint32_t size;
  };
  static constexpr unsigned kMaxDepth = 128;
  static constexpr std::uint32_t kDecoded = 0x80000000U;

  Token fail(const char* at, const char* message) noexcept;
  Token read_value();
  Token read_key();
  Token read_string();
  Token read_number();
  Token read_literal(std::string_view word, Token token);
  Token open(bool object);
  Token close(bool object);
  bool scan_string();
  bool add_key();
  void grow_keys();
  [[nodiscard]] std::string_view key_text(const KeyRef& key) const noexcept;
  [[nodiscard]] bool same_key(const KeyRef& a, const KeyRef& b) const noexcept;
  [[nodiscard]] const KeyRef* find_duplicate(KeyRef* first, KeyRef* last) const;
  void skip_space() noexcept;

  std::string_view input_;
  const char* p_;
  const char* limit_;
  Limits limits_;
  std::size_t tokens_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  unsigned depth_ = 0;
  State state_ = State::value;
  Token token_ = Token::end;
  bool escaped_ = false;
  bool decoded_ = false;  // scratch_ holds the current string
  bool saw_nul_ = false;
  const char* message_ = nullptr;
  std::size_t error_offset_ = 0;
  std::string scratch_;
  std::string decoded_keys_;
  KeyRef* keys_ = nullptr;
  std::uint32_t key_count_ = 0;
  std::uint32_t key_capacity_ = 0;
  std::unique_ptr<KeyRef[]> more_keys_;
  // Not initialized, for speed: depth_ and key_count_ say how much of them is set.
  std::array<Frame, kMaxDepth> frames_;
  std::array<KeyRef, 64> few_keys_;
};

}  // namespace vestibule::json
