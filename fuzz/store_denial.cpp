// Pages of the file of denials: nothing reads back but what was written with this key for this slot,
// and that reads back whole.

#include "require.hpp"
#include "store/denial_slot.hpp"

using namespace vestibule;
using namespace vestibule::store;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const crypto::HmacKey key(ByteView(Bytes(32, 0x11)));
  static const crypto::HmacKey other(ByteView(Bytes(32, 0x22)));
  const ByteView all(data, size);
  const Slot found = read_slot(key, 3, all);
  require(found.state != Slot::State::kept || found.kind.size() + found.what.size() <= kMaxDenial);
  if (found.state == Slot::State::kept) {
    require(read_slot(key, 4, all).state == Slot::State::unreadable);
    require(read_slot(other, 3, all).state == Slot::State::unreadable);
    const auto again = write_slot(key, 3, found.sequence, found.kind, found.what);
    require(std::equal(again.begin(), again.end(), all.begin(), all.end()));
  }

  // The input as a denial, and one bit of its page changed.
  const ByteView kind = all.first(std::min<std::size_t>(size, 32));
  const ByteView what = all.subspan(kind.size(), std::min(size - kind.size(), kMaxDenial - 32));
  auto page = write_slot(key, 3, size, as_text(kind), what);
  const Slot slot = read_slot(key, 3, page);
  require(slot.state == Slot::State::kept && slot.sequence == size && slot.kind == as_text(kind));
  require(std::equal(slot.what.begin(), slot.what.end(), what.begin(), what.end()));
  page[(size * 31) % page.size()] ^= static_cast<std::uint8_t>(1U << (size % 8));
  require(read_slot(key, 3, page).state != Slot::State::kept);
  return 0;
}
