#include "audit/refusals.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace vestibule::audit {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedV4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

domain::Source subscriber(domain::Source s) noexcept {
  if (s.local || std::equal(kMappedV4.begin(), kMappedV4.end(), s.address.begin())) return s;
  // ::1 and its like have no /64 worth the name
  if (std::all_of(s.address.begin(), s.address.begin() + 8, [](std::uint8_t b) { return b == 0; }))
    return s;
  std::fill(s.address.begin() + 8, s.address.end(), std::uint8_t{0});
  return s;
}

bool same(const RefusalTable::Row& a, const RefusalTable::Row& b) noexcept {
  return a.source == b.source && a.minute == b.minute && a.reason == b.reason &&
         a.access_point == b.access_point;
}

void mix(std::uint64_t& h, std::uint64_t v) noexcept {
  h ^= v;
  h *= 0x9E3779B97F4A7C15ULL;
  h ^= h >> 29U;
}

void count_one(RefusalTable::Row& row) noexcept {
  if (row.count < std::numeric_limits<std::uint32_t>::max()) ++row.count;
}

}  // namespace

std::size_t RefusalTable::slot_of(const Row& row) const noexcept {
  std::uint64_t words[2];
  std::memcpy(words, row.source.address.data(), sizeof words);
  std::uint64_t h = seed_;
  mix(h, words[0]);
  mix(h, words[1]);
  mix(h, static_cast<std::uint64_t>(row.minute) << 16U |
             static_cast<std::uint64_t>(row.reason) << 8U | (row.source.local ? 1U : 0U));
  for (const char c : row.access_point.view()) mix(h, static_cast<unsigned char>(c));
  return static_cast<std::size_t>(h >> 32U) % kSlots;
}

void RefusalTable::add(const domain::Source& source, std::int64_t minute, Reason reason,
                       std::string_view access_point) noexcept {
  Row row;
  row.source = subscriber(source);
  row.minute = minute;
  row.reason = reason;
  row.access_point = domain::InlineText<96>(access_point);
  row.count = 1;
  std::size_t slot = slot_of(row);
  // At most half of the slots are taken, so a free one ends every chain.
  for (; slots_[slot] != 0; slot = (slot + 1) % kSlots) {
    if (same(rows_[slots_[slot] - 1U], row)) return count_one(rows_[slots_[slot] - 1U]);
  }
  if (size_ < kRows) {
    rows_[size_] = row;
    slots_[slot] = static_cast<std::uint16_t>(++size_);
    return;
  }
  if (shared_.count == 0) {
    shared_ = Row{};
    shared_.shared = true;
    shared_.minute = minute;
    shared_.reason = reason;
  }
  count_one(shared_);
}

void RefusalTable::reindex(std::size_t size) noexcept {
  size_ = size;
  slots_.fill(0);
  for (std::size_t i = 0; i < size_; ++i) {
    std::size_t slot = slot_of(rows_[i]);
    while (slots_[slot] != 0) slot = (slot + 1) % kSlots;
    slots_[slot] = static_cast<std::uint16_t>(i + 1);
  }
}

}  // namespace vestibule::audit
