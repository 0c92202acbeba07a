#include "factors/cbor.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace vestibule::factors {
namespace {

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxPairs = 32;
constexpr std::uint8_t kFalse = 20;
constexpr std::uint8_t kTrue = 21;
constexpr std::uint8_t kNull = 22;

}  // namespace

std::optional<std::int64_t> CborReader::Item::integer() const noexcept {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  const auto n = static_cast<std::int64_t>(value);
  if (type == Type::unsigned_integer) return n;
  if (type == Type::negative_integer) return -1 - n;
  return std::nullopt;
}

std::optional<CborReader::Item> CborReader::next() noexcept {
  if (at_end()) return std::nullopt;
  const std::uint8_t head = input_[at_++];
  const unsigned major = head >> 5U;
  const unsigned info = head & 31U;
  if (major == 7) {
    if (info == kFalse || info == kTrue) return Item{Type::boolean, info == kTrue ? 1U : 0U, {}};
    if (info == kNull) return Item{Type::null, 0, {}};
    return std::nullopt;
  }
  if (major == 6 || info > 27) return std::nullopt;
  std::uint64_t value = info;
  if (info >= 24) {
    const std::size_t size = std::size_t{1} << (info - 24U);
    if (input_.size() - at_ < size) return std::nullopt;
    value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8U | input_[at_++];
    const std::uint64_t least = size == 1 ? 24U : std::uint64_t{1} << (4 * size);  // else a shorter form fits
    if (value < least) return std::nullopt;
  }
  Item item{static_cast<Type>(major), value, {}};
  if (item.type == Type::bytes || item.type == Type::text) {
    if (value > input_.size() - at_) return std::nullopt;
    item.content = input_.subspan(at_, static_cast<std::size_t>(value));
    at_ += static_cast<std::size_t>(value);
    if (item.type == Type::text && !is_utf8(item.text())) return std::nullopt;
  }
  // Each element takes a byte at least: a count beyond the input is a lie.
  const std::uint64_t least_bytes = item.type == Type::map ? 2 : 1;
  if ((item.type == Type::array || item.type == Type::map) && value > (input_.size() - at_) / least_bytes) {
    return std::nullopt;
  }
  return item;
}

std::optional<CborReader::Item> CborReader::expect(Type type) noexcept {
  auto item = next();
  if (!item || item->type != type) return std::nullopt;
  return item;
}

bool CborReader::skip(int depth) noexcept {
  if (depth > kMaxDepth) return false;
  const auto item = next();
  if (!item) return false;
  if (item->type == Type::array) {
    for (std::uint64_t i = 0; i < item->value; ++i) {
      if (!skip(depth + 1)) return false;
    }
  } else if (item->type == Type::map) {
    if (item->value > kMaxPairs) return false;
    std::array<ByteView, kMaxPairs> keys;
    for (std::size_t i = 0; i < item->value; ++i) {
      const std::size_t begin = at_;
      if (!skip(depth + 1)) return false;
      const ByteView key = input_.subspan(begin, at_ - begin);
      for (std::size_t k = 0; k < i; ++k) {
        if (std::ranges::equal(keys[k], key)) return false;
      }
      keys[i] = key;
      if (!skip(depth + 1)) return false;
    }
  }
  return true;
}

std::optional<ByteView> CborReader::whole() noexcept {
  const std::size_t begin = at_;
  if (!skip(0)) return std::nullopt;
  return input_.subspan(begin, at_ - begin);
}

void append_cbor_head(Bytes& out, CborReader::Type type, std::uint64_t value) {
  const auto major = static_cast<unsigned>(type) << 5U;
  if (value < 24) {
    out.push_back(static_cast<std::uint8_t>(major | value));
    return;
  }
  const unsigned power = value <= 0xff ? 0 : value <= 0xffff ? 1 : value <= 0xffffffff ? 2 : 3;
  out.push_back(static_cast<std::uint8_t>(major | (24U + power)));
  for (int shift = (8 << power) - 8; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void append_cbor(Bytes& out, std::string_view text) {
  append_cbor_head(out, CborReader::Type::text, text.size());
  out.insert(out.end(), text.begin(), text.end());
}

void append_cbor(Bytes& out, ByteView bytes) {
  append_cbor_head(out, CborReader::Type::bytes, bytes.size());
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace vestibule::factors
