#include "audit/segment.hpp"

#include <cstring>

namespace vestibule::audit {

void append_piece(Bytes& blob, ByteView piece) {
  const std::size_t at = blob.size();
  blob.resize(at + 4 + piece.size());
  const auto size = static_cast<std::uint32_t>(piece.size());
  blob[at] = static_cast<std::uint8_t>(size >> 24U);
  blob[at + 1] = static_cast<std::uint8_t>(size >> 16U);
  blob[at + 2] = static_cast<std::uint8_t>(size >> 8U);
  blob[at + 3] = static_cast<std::uint8_t>(size);
  if (!piece.empty()) std::memcpy(blob.data() + at + 4, piece.data(), piece.size());
}

}  // namespace vestibule::audit
