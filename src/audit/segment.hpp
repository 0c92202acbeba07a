#pragma once
// A segment: the records of one batch as the store keeps them, two blobs of the same count.
//
//   leaves  = (length, 4 bytes big endian | leaf)...
//   private = (length, 4 bytes big endian | piece)...
//   piece   = nothing: the record never had a private part
//           | the byte 0x45: it was erased
//           | salt (16 bytes) | private part
//
// Inserting is a copy, reading a linear scan. Pure.

#include <cstdint>

#include "base/bytes.hpp"

namespace vestibule::audit {

inline constexpr std::uint8_t kErased = 0x45;

void append_piece(Bytes& blob, ByteView piece);

[[nodiscard]] inline bool is_erased(ByteView piece) noexcept {
  return piece.size() == 1 && piece[0] == kErased;
}

/// Walks one of the two blobs.
class Pieces {
 public:
  explicit Pieces(ByteView blob) noexcept : rest_(blob) {}
  /// False at the end and at a frame that does not fit.
  bool next(ByteView& piece) noexcept {
    if (rest_.size() < 4) return false;
    const std::size_t size = std::size_t{rest_[0]} << 24U | std::size_t{rest_[1]} << 16U |
                             std::size_t{rest_[2]} << 8U | rest_[3];
    if (rest_.size() - 4 < size) return false;
    piece = rest_.subspan(4, size);
    rest_ = rest_.subspan(4 + size);
    return true;
  }
  /// Nothing is left over.
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

 private:
  ByteView rest_;
};

}  // namespace vestibule::audit
