#include "base/bytes.hpp"

namespace vestibule {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

constexpr std::array<std::int8_t, 256> reverse(std::string_view alphabet, bool fold) {
  std::array<std::int8_t, 256> table{};
  for (auto& v : table) v = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    const auto c = static_cast<unsigned char>(alphabet[i]);
    table[c] = static_cast<std::int8_t>(i);
    if (fold && c >= 'A' && c <= 'Z') table[c + 32U] = static_cast<std::int8_t>(i);
  }
  return table;
}
constexpr auto kUnhex = reverse(kHex, false);
constexpr auto kUnbase64 = reverse(kBase64, false);
constexpr auto kUnbase64Url = reverse(kBase64Url, false);
constexpr auto kUnbase32 = reverse(kBase32, true);

// Groups of `Bits` bits, most significant first, without padding.
template <unsigned Bits>
std::string encode(ByteView bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() * 8 + Bits - 1) / Bits);
  std::uint32_t acc = 0;
  unsigned have = 0;
  for (const std::uint8_t b : bytes) {
    acc = (acc << 8U) | b;
    have += 8;
    while (have >= Bits) {
      have -= Bits;
      out.push_back(alphabet[(acc >> have) & ((1U << Bits) - 1U)]);
    }
    acc &= (1U << have) - 1U;
  }
  if (have > 0) out.push_back(alphabet[(acc << (Bits - have)) & ((1U << Bits) - 1U)]);
  return out;
}

template <unsigned Bits>
std::optional<Bytes> decode(std::string_view text, const std::array<std::int8_t, 256>& table) {
  Bytes out;
  out.reserve(text.size() * Bits / 8);
  std::uint32_t acc = 0;
  unsigned have = 0;
  for (const char c : text) {
    const std::int8_t v = table[static_cast<unsigned char>(c)];
    if (v < 0) return std::nullopt;
    acc = (acc << Bits) | static_cast<std::uint32_t>(v);
    have += Bits;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<std::uint8_t>(acc >> have));
    }
    acc &= (1U << have) - 1U;
  }
  // A whole unused group, or left-over bits that are not zero, would be a second spelling.
  if (have >= Bits || acc != 0) return std::nullopt;
  return out;
}

// The eight digits of 40 bits, the first in the lowest byte: parted in halves three times, and each of the
// eight made a letter or a figure at once.
std::uint64_t base32_digits(std::uint64_t bits) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  std::uint64_t x = bits >> 20U | (bits & 0xFFFFFU) << 32U;
  x = (x >> 10U & 0x000003FF000003FFU) | (x & 0x000003FF000003FFU) << 16U;
  x = (x >> 5U & 0x001F001F001F001FU) | (x & 0x001F001F001F001FU) << 8U;
  const std::uint64_t digit = (x + ones * (0x80 - 26)) >> 7U & ones;  // 1 where it is no letter
  return x + ones * 'a' - digit * ('a' - '2' + 26);
}

}  // namespace

std::string hex(ByteView bytes) { return encode<4>(bytes, kHex); }
std::optional<Bytes> unhex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  return decode<4>(text, kUnhex);
}

std::string base64(ByteView bytes) {
  std::string out = encode<6>(bytes, kBase64);
  while (out.size() % 4 != 0) out.push_back('=');
  return out;
}
std::optional<Bytes> unbase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  return decode<6>(text, kUnbase64);
}

std::string base64url(ByteView bytes) { return encode<6>(bytes, kBase64Url); }
std::optional<Bytes> unbase64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  return decode<6>(text, kUnbase64Url);
}

std::string base32(ByteView bytes) { return encode<5>(bytes, kBase32); }

std::array<char, 26> base32_lower(const std::array<std::uint8_t, 16>& bytes) noexcept {
  std::array<char, 26> out;
  char* to = out.data();
  const auto put = [&to](std::uint64_t digits, unsigned n) {
    for (; n > 0; --n, digits >>= 8U) *to++ = static_cast<char>(digits & 0xFFU);
  };
  for (std::size_t i = 0; i < 15; i += 5) {
    std::uint64_t five = 0;
    for (std::size_t k = 0; k < 5; ++k) five = five << 8U | bytes[i + k];
    put(base32_digits(five), 8);
  }
  put(base32_digits(std::uint64_t{bytes[15]} << 32U), 2);  // 128 bits are 25 groups and three bits
  return out;
}

std::optional<Bytes> unbase32(std::string_view text) { return decode<5>(text, kUnbase32); }

bool is_utf8(std::string_view text) noexcept {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = p + text.size();
  while (p < end) {
    if (*p < 0x80) {
      ++p;
      continue;
    }
    unsigned need = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (*p >= 0xC2 && *p <= 0xDF) {
      need = 1;
    } else if (*p >= 0xE0 && *p <= 0xEF) {
      need = 2;
      if (*p == 0xE0) low = 0xA0;
      if (*p == 0xED) high = 0x9F;
    } else if (*p >= 0xF0 && *p <= 0xF4) {
      need = 3;
      if (*p == 0xF0) low = 0x90;
      if (*p == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (static_cast<std::size_t>(end - p) < need + 1) return false;
    if (p[1] < low || p[1] > high) return false;
    for (unsigned i = 2; i <= need; ++i) {
      if (p[i] < 0x80 || p[i] > 0xBF) return false;
    }
    p += need + 1;
  }
  return true;
}

bool equal_constant_time(ByteView a, ByteView b) noexcept {
  if (a.size() != b.size()) return false;
  volatile std::uint8_t diff = 0;
  for (std::size_t i = 0; i < a.size(); ++i) diff = diff | (a[i] ^ b[i]);
  return diff == 0;
}

}  // namespace vestibule
