#include "approval/code.hpp"

#include <cstdint>

namespace vestibule::approval {
namespace {

// Crockford's: neither I, L, O nor U.
constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static_assert(kDigits.size() == 32);

// What people type for it.
char folded(char c) noexcept {
  if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  switch (c) {
    case 'O': return '0';
    case 'I':
    case 'L': return '1';
    default: return c;
  }
}

}  // namespace

std::string code_from(std::uint64_t bits) {
  std::string out(kCodeLength, '0');
  for (std::size_t i = kCodeLength; i-- > 0; bits >>= 5U) out[i] = kDigits[bits & 31U];
  return out;
}

std::optional<std::string> parse_code(std::string_view typed) {
  constexpr std::size_t kLongest = 32;  // however many blanks
  if (typed.size() > kLongest) return std::nullopt;
  std::string out;
  for (const char c : typed) {
    if (c == ' ' || c == '-') continue;
    const char digit = folded(c);
    if (kDigits.find(digit) == std::string_view::npos || out.size() == kCodeLength) return std::nullopt;
    out.push_back(digit);
  }
  if (out.size() != kCodeLength) return std::nullopt;
  return out;
}

std::string shown(std::string_view code) {
  std::string out(code.substr(0, kCodeLength / 2));
  return out.append("-").append(code.substr(kCodeLength / 2));
}

}  // namespace vestibule::approval
