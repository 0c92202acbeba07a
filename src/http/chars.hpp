#pragma once
// Character classes of RFC 9110, 9112 and 3986 as one lookup table. Private to the room.

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace vestibule::http::chars {

enum Class : std::uint8_t {
  kToken = 1,        ///< tchar, RFC 9110 section 5.6.2
  kPath = 2,         ///< pchar without '%' and ';', RFC 3986 section 3.3
  kQuery = 4,        ///< kPath, '/', '?' and the brackets that clients leave bare
  kMethod = 8,       ///< upper-case letters, digits, '-' and '_'
  kAlias = 16,       ///< '_' and '.': taken for '-' by some servers
  kUnreserved = 32,  ///< RFC 3986 section 2.3
};

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> t{};
  const auto add = [&t](std::string_view set, unsigned what) {
    for (const char c : set) {
      auto& slot = t[static_cast<unsigned char>(c)];
      slot = static_cast<std::uint8_t>(slot | what);
    }
  };
  constexpr std::string_view upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr std::string_view lower = "abcdefghijklmnopqrstuvwxyz";
  constexpr std::string_view digit = "0123456789";
  for (const std::string_view set : {upper, lower, digit}) {
    add(set, kToken | kPath | kQuery | kUnreserved);
  }
  add("!#$%&'*+-.^_`|~", kToken);
  add("-._~", kPath | kQuery | kUnreserved);
  add("!$&'()*+,=:@", kPath | kQuery);
  add("/?[]", kQuery);
  add(upper, kMethod);
  add(digit, kMethod);
  add("-_", kMethod);
  add("_.", kAlias);
  return t;
}
inline constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

constexpr std::array<std::int8_t, 256> make_hex() {
  std::array<std::int8_t, 256> t{};
  for (auto& v : t) v = -1;
  for (int i = 0; i < 10; ++i) t[static_cast<unsigned>('0' + i)] = static_cast<std::int8_t>(i);
  for (int i = 0; i < 6; ++i) {
    t[static_cast<unsigned>('a' + i)] = static_cast<std::int8_t>(10 + i);
    t[static_cast<unsigned>('A' + i)] = static_cast<std::int8_t>(10 + i);
  }
  return t;
}
inline constexpr std::array<std::int8_t, 256> kHex = make_hex();

[[nodiscard]] inline constexpr std::uint8_t of(char c) noexcept {
  return kClasses[static_cast<unsigned char>(c)];
}
[[nodiscard]] inline constexpr int hex_value(char c) noexcept {
  return kHex[static_cast<unsigned char>(c)];
}
[[nodiscard]] inline constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}
[[nodiscard]] inline constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
[[nodiscard]] inline constexpr bool is_alpha(char c) noexcept {
  return lower(c) >= 'a' && lower(c) <= 'z';
}
[[nodiscard]] inline constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t'; }

[[nodiscard]] inline bool is_token(std::string_view s) noexcept {
  for (const char c : s) {
    if ((of(c) & kToken) == 0) return false;
  }
  return !s.empty();
}

enum class ObsText : std::uint8_t { refuse, allow };

/// Sixteen bytes at a time, in the vectors that both compilers know.
using Block = std::uint8_t __attribute__((vector_size(16)));

/// Nothing but zeros if all sixteen may stand in a field's text.
[[nodiscard]] inline Block misfits(const char* p, ObsText obs) noexcept {
  Block x;
  std::memcpy(&x, p, sizeof x);
  const Block control = static_cast<Block>((x < 0x20) & (x != '\t'));
  const Block del = static_cast<Block>(x == 0x7F);
  const Block top = obs == ObsText::refuse ? x & 0x80 : Block{};
  return control | del | top;
}

/// True if the text holds nothing but HTAB, SP and VCHAR (and bytes from 0x80 where allowed): what
/// may stand in a field value or a reason phrase.
[[nodiscard]] inline bool is_field_text(const char* p, std::size_t n, ObsText obs) noexcept {
  Block bad{};
  if (n >= sizeof bad) {
    for (std::size_t i = 0; i + sizeof bad <= n; i += sizeof bad) bad |= misfits(p + i, obs);
    bad |= misfits(p + n - sizeof bad, obs);  // the rest, and some bytes again
  } else {
    std::array<char, sizeof bad> few;
    few.fill(' ');
    if (n >= 8) {
      std::memcpy(few.data(), p, 8);
      std::memcpy(few.data() + 8, p + n - 8, 8);
    } else {
      for (std::size_t i = 0; i < n; ++i) few[i] = p[i];
    }
    bad = misfits(few.data(), obs);
  }
  std::array<std::uint64_t, 2> words;
  std::memcpy(words.data(), &bad, sizeof bad);
  return (words[0] | words[1]) == 0;
}

/// Without the blanks around it (RFC 9110 section 5.6.3, OWS).
[[nodiscard]] inline std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

[[nodiscard]] inline bool equals_folded(std::string_view a, std::string_view lower_b) noexcept {
  if (a.size() != lower_b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower_b[i]) return false;
  }
  return true;
}

}  // namespace vestibule::http::chars
