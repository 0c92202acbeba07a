#pragma once
// One denial as it stands in the file of denials: a page of its own that is written in place.
//
//   8   magic "vdenial1"; the last character is the version
//   4   number of the slot, big-endian
//   8   sequence, big-endian: grows with every denial that is kept
//   1   length of the kind
//   2   length of what, big-endian
//   n   kind, what; then zeros
//   32  HMAC-SHA-256 of all before it, in the last bytes of the page
//
// A page whose first sector is zero is empty. Emptying writes that sector alone, which no power loss
// tears; a page whose writing was torn is either still empty or cannot be read.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "crypto/hash.hpp"

namespace vestibule::store {

inline constexpr std::size_t kSlotSize = 4096;
inline constexpr std::size_t kSectorSize = 512;
inline constexpr std::size_t kMaxDenial = kSlotSize - 8 - 4 - 8 - 1 - 2 - 32;  ///< kind and what together

struct Slot {
  enum class State : std::uint8_t { empty, kept, unreadable, newer } state = State::empty;
  std::uint64_t sequence = 0;
  std::string kind;
  Bytes what;
};

/// The page of a denial. kind: at most 255 bytes; both: at most kMaxDenial.
[[nodiscard]] std::array<std::uint8_t, kSlotSize> write_slot(const crypto::HmacKey& key, std::uint32_t number,
                                                             std::uint64_t sequence, std::string_view kind,
                                                             ByteView what);
/// Reads any bytes. `unreadable`: torn, altered, copied from another slot, or of another key. `newer`:
/// of a version that this program does not know.
[[nodiscard]] Slot read_slot(const crypto::HmacKey& key, std::uint32_t number, ByteView page);

}  // namespace vestibule::store
