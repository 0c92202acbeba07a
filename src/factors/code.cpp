#include "factors/code.hpp"

#include <algorithm>
#include <string>

namespace vestibule::factors {

std::optional<Code> canonical_code(std::string_view text, int digits) noexcept {
  if (digits < 6 || digits > 8 || text.size() != static_cast<std::size_t>(digits)) return std::nullopt;
  Code code{0, digits};
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    code.value = code.value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return code;
}

std::optional<RecoveryBits> canonical_recovery_code(std::string_view text) noexcept {
  constexpr std::size_t kLength = 19;  // 4-4-4-4
  if (text.size() != kLength) return std::nullopt;
  RecoveryBits bits{};
  std::size_t at = 0;  // of the next bit
  for (std::size_t i = 0; i < kLength; ++i) {
    const char c = text[i];
    if (i % 5 == 4) {
      if (c != '-') return std::nullopt;
      continue;
    }
    unsigned v = 0;
    if (c >= 'a' && c <= 'z') {
      v = static_cast<unsigned>(c - 'a');
    } else if (c >= 'A' && c <= 'Z') {
      v = static_cast<unsigned>(c - 'A');
    } else if (c >= '2' && c <= '7') {
      v = static_cast<unsigned>(c - '2') + 26;
    } else {
      return std::nullopt;
    }
    for (unsigned bit = 5; bit-- > 0; ++at) {
      if ((v >> bit & 1U) != 0) bits[at / 8] = static_cast<std::uint8_t>(bits[at / 8] | 0x80U >> (at % 8));
    }
  }
  return bits;
}

std::string format_recovery_code(const RecoveryBits& bits) {
  const std::string plain = base32(bits);
  std::string out;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (i != 0 && i % 4 == 0) out.push_back('-');
    const char c = plain[i];
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  return out;
}

}  // namespace vestibule::factors
