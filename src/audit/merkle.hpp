#pragma once
// The Merkle tree of RFC 6962 section 2, SHA-256. Pure; objects belong to one thread.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"

namespace vestibule::audit {

/// SHA-256(0x00 | leaf).
[[nodiscard]] Digest leaf_hash(ByteView leaf) noexcept;
/// SHA-256(0x01 | left | right).
[[nodiscard]] Digest node_hash(const Digest& left, const Digest& right) noexcept;

/// What appending needs of a tree: the roots of its perfect subtrees, one for each bit of its size
/// (the largest is the leftmost). Appending costs one node hash on average.
class Frontier {
 public:
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  void append(const Digest& leaf) noexcept;
  /// The root; SHA-256 of nothing for the empty tree.
  [[nodiscard]] Digest root() const noexcept;
  /// The subtree roots one after the other, the leftmost first.
  [[nodiscard]] Bytes bytes() const;
  /// Nothing if the number of hashes does not fit the size.
  [[nodiscard]] static std::optional<Frontier> from(std::uint64_t size, ByteView bytes);

 private:
  std::uint64_t size_ = 0;
  std::array<Digest, 64> roots_;  // [i] counts if bit i of size_ is set
};

/// The leaves [begin, end) of one subtree of an inclusion path.
struct Subtree {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
/// The subtrees whose roots are the inclusion path of leaf `index` in the tree of `size` leaves
/// (RFC 6962 section 2.1.1), from the leaf upwards. index < size.
[[nodiscard]] std::vector<Subtree> path_subtrees(std::uint64_t index, std::uint64_t size);

/// The root that a leaf's hash and its path lead to (RFC 9162 section 2.1.3.2); nothing if the path
/// has the wrong length or index >= size.
[[nodiscard]] std::optional<Digest> root_from_path(const Digest& leaf, std::uint64_t index,
                                                   std::uint64_t size,
                                                   std::span<const Digest> path) noexcept;

}  // namespace vestibule::audit
