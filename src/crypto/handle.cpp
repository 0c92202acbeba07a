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
  const char* p = text.data() + kPrefix;
  unsigned bad = 0;
  const auto take = [&p, &bad] {
    const unsigned v = kValue[static_cast<unsigned char>(*p++)];
    bad |= v;
    return v;
  };
  const auto put = [&raw](std::size_t at, unsigned byte) { raw[at] = static_cast<std::uint8_t>(byte); };
  std::size_t at = 0;
  for (; at + 3 <= kRaw; at += 3) {  // four characters are three bytes
    unsigned four = take() << 18U;
    four |= take() << 12U;
    four |= take() << 6U;
    four |= take();
    put(at, four >> 16U);
    put(at + 1, four >> 8U);
    put(at + 2, four);
  }
  static_assert(kRaw % 3 == 1);
  const unsigned first = take();
  const unsigned last = take();
  put(at, first << 2U | last >> 4U);
  // 54 characters are 324 bits: the last four must be zero, or one value had 16 spellings.
  return (bad & 0xC0U) == 0 && (last & 0xFU) == 0;
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
