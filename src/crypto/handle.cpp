#include "crypto/handle.hpp"

#include <algorithm>

namespace vestibule::crypto {
namespace {

constexpr std::size_t kRandom = 32;
constexpr std::size_t kChecksum = 8;
constexpr std::size_t kRaw = kRandom + kChecksum;
constexpr std::size_t kPrefix = 3;
static_assert(kHandleLength == kPrefix + (kRaw * 8 + 5) / 6);

constexpr std::array<std::uint8_t, 256> reverse_alphabet() {
  std::array<std::uint8_t, 256> table{};
  for (auto& v : table) v = 0xFF;
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  return table;
}
constexpr auto kValue = reverse_alphabet();

// base/bytes.hpp's decoder allocates; this one, for the path of every request, knows the size.
bool decode(std::string_view text, HandlePrefix prefix,
            std::array<std::uint8_t, kRaw>& raw) noexcept {
  if (text.size() != kHandleLength || text.substr(0, kPrefix) != prefix.text()) return false;
  std::uint32_t acc = 0;
  unsigned have = 0;
  std::size_t at = 0;
  std::uint8_t bad = 0;
  for (const char c : text.substr(kPrefix)) {
    const std::uint8_t v = kValue[static_cast<unsigned char>(c)];
    bad |= v;
    acc = (acc << 6U) | (v & 0x3FU);
    have += 6;
    if (have >= 8) {
      have -= 8;
      raw[at++] = static_cast<std::uint8_t>(acc >> have);
      acc &= (1U << have) - 1U;
    }
  }
  // 54 characters are 324 bits: the last four must be zero, or one value had 16 spellings.
  return (bad & 0xC0U) == 0 && acc == 0;
}

}  // namespace

bool well_formed(std::string_view text, HandlePrefix prefix) noexcept {
  std::array<std::uint8_t, kRaw> raw;
  return decode(text, prefix, raw);
}

Handle HandleMint::make(HandlePrefix prefix, Rng& rng) const {
  std::array<std::uint8_t, kRaw> raw;
  const std::span<std::uint8_t, kRaw> all(raw);
  rng.fill(all.first<kRandom>());
  const Digest mac = key_.mac({as_bytes(prefix.text()), all.first<kRandom>()});
  std::copy_n(mac.begin(), kChecksum, raw.begin() + kRandom);
  std::string text(prefix.text());
  std::string encoded = base64url(raw);
  text.reserve(kHandleLength);
  text += encoded;
  wipe(encoded);
  wipe(raw.data(), raw.size());
  Handle out{Secret(text), sha256(as_bytes(text))};
  wipe(text);
  return out;
}

std::optional<Digest> HandleMint::check(std::string_view text,
                                        HandlePrefix prefix) const noexcept {
  std::array<std::uint8_t, kRaw> raw;
  if (!decode(text, prefix, raw)) return std::nullopt;
  const ByteView all(raw);
  const Digest mac = key_.mac({as_bytes(prefix.text()), all.first(kRandom)});
  if (!equal_constant_time(ByteView(mac).first(kChecksum), all.last(kChecksum)))
    return std::nullopt;
  return sha256(as_bytes(text));
}

}  // namespace vestibule::crypto
