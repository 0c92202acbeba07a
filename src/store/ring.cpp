#include "store/ring.hpp"

#include <bit>
#include <cstring>

namespace vestibule::store {
namespace {

// An entry is a length, the bytes, and filling up to a multiple of 8: a length never wraps.
constexpr std::uint32_t kPadding = 0xFFFFFFFF;
constexpr std::size_t kHeader = sizeof(std::uint32_t);

constexpr std::size_t slot_size(std::size_t length) { return (kHeader + length + 7) & ~std::size_t{7}; }

}  // namespace

Ring::Ring(std::size_t bytes)
    : size_(std::bit_ceil(std::max<std::size_t>(bytes, 4096))),
      data_(std::make_unique_for_overwrite<std::uint8_t[]>(size_)) {}

Ring::Push Ring::push(ByteView entry, bool urgent) noexcept {
  if (entry.size() > size_ / 2 - 8) return Push::too_large;
  const std::size_t need = slot_size(entry.size());
  std::uint64_t head = head_.load(std::memory_order_relaxed);
  const std::size_t to_end = size_ - (head & (size_ - 1));
  const std::size_t padding = need > to_end ? to_end : 0;
  if (head + padding + need - known_tail_ > size_) {
    known_tail_ = tail_.load(std::memory_order_acquire);
    if (head + padding + need - known_tail_ > size_) return Push::full;
  }
  if (padding > 0) {
    std::memcpy(&data_[head & (size_ - 1)], &kPadding, kHeader);
    head += padding;
  }
  const auto length = static_cast<std::uint32_t>(entry.size());
  std::uint8_t* to = &data_[head & (size_ - 1)];
  std::memcpy(to, &length, kHeader);
  if (length > 0) std::memcpy(to + kHeader, entry.data(), length);
  head += need;
  if (urgent) urgent_.store(head, std::memory_order_relaxed);
  head_.store(head, std::memory_order_seq_cst);
  return Push::ok;
}

void Ring::collect(std::uint64_t to, std::vector<ByteView>& out) const {
  for (std::uint64_t at = tail(); at < to;) {
    const std::uint8_t* from = &data_[at & (size_ - 1)];
    std::uint32_t length = 0;
    std::memcpy(&length, from, kHeader);
    if (length == kPadding) {
      at += size_ - (at & (size_ - 1));
      continue;
    }
    out.emplace_back(from + kHeader, length);
    at += slot_size(length);
  }
}

}  // namespace vestibule::store
