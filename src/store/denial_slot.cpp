#include "store/denial_slot.hpp"

#include <algorithm>
#include <cstring>

namespace vestibule::store {
namespace {

constexpr std::string_view kMagic = "vdenial";
constexpr char kVersion = '1';
constexpr std::size_t kHead = 8 + 4 + 8 + 1 + 2;
constexpr std::size_t kMacAt = kSlotSize - std::tuple_size_v<Digest>;

void put(std::uint8_t* at, std::uint64_t v, unsigned size) {
  for (unsigned i = 0; i < size; ++i) at[i] = static_cast<std::uint8_t>(v >> ((size - 1 - i) * 8));
}

std::uint64_t take(ByteView from, std::size_t at, std::size_t size) {
  std::uint64_t v = 0;
  for (const std::uint8_t byte : from.subspan(at, size)) v = v << 8U | byte;
  return v;
}

}  // namespace

std::array<std::uint8_t, kSlotSize> write_slot(const crypto::HmacKey& key, std::uint32_t number,
                                               std::uint64_t sequence, std::string_view kind, ByteView what) {
  std::array<std::uint8_t, kSlotSize> page{};
  std::memcpy(page.data(), kMagic.data(), kMagic.size());
  page[kMagic.size()] = static_cast<std::uint8_t>(kVersion);
  put(page.data() + 8, number, 4);
  put(page.data() + 12, sequence, 8);
  put(page.data() + 20, kind.size(), 1);
  put(page.data() + 21, what.size(), 2);
  std::copy(kind.begin(), kind.end(), page.begin() + kHead);
  std::copy(what.begin(), what.end(), page.begin() + static_cast<std::ptrdiff_t>(kHead + kind.size()));
  const Digest mac = key.mac(ByteView(page).first(kMacAt));
  std::copy(mac.begin(), mac.end(), page.begin() + kMacAt);
  return page;
}

Slot read_slot(const crypto::HmacKey& key, std::uint32_t number, ByteView page) {
  Slot slot;
  const ByteView first = page.first(std::min(page.size(), kSectorSize));
  if (std::all_of(first.begin(), first.end(), [](std::uint8_t b) { return b == 0; })) return slot;
  slot.state = Slot::State::unreadable;
  if (page.size() != kSlotSize || as_text(page.first(kMagic.size())) != kMagic) return slot;
  const char version = static_cast<char>(page[kMagic.size()]);
  if (version > kVersion && version <= '9') {
    slot.state = Slot::State::newer;
    return slot;
  }
  if (!key.verify(page.first(kMacAt), page.subspan(kMacAt)) || version != kVersion || take(page, 8, 4) != number) {
    return slot;
  }
  const auto kind = static_cast<std::size_t>(take(page, 20, 1));
  const auto what = static_cast<std::size_t>(take(page, 21, 2));
  if (kHead + kind + what > kMacAt) return slot;
  slot.state = Slot::State::kept;
  slot.sequence = take(page, 12, 8);
  slot.kind = as_text(page.subspan(kHead, kind));
  const ByteView bytes = page.subspan(kHead + kind, what);
  slot.what.assign(bytes.begin(), bytes.end());
  return slot;
}

}  // namespace vestibule::store
