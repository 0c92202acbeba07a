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

/// The store keeps the roots of perfect subtrees of 2^8, 2^16, ... leaves, so that a proof need not hash all.
inline constexpr unsigned kSubtreeBits = 8;

/// What appending needs of a tree: the roots of its perfect subtrees, one for each bit of its size
/// (the largest is the leftmost). Appending costs one node hash on average.
class Frontier {
 public:
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  void append(const Digest& leaf) noexcept {
    append(leaf, [](unsigned, std::uint64_t, const Digest&) {});
  }
  /// The same. Tells `whole(level, index, root)` of each subtree of 2^level leaves, the index'th of its size, that
  /// this leaf completes, where level is a multiple of kSubtreeBits.
  template <class F>
  void append(const Digest& leaf, F&& whole) {
    Digest h = leaf;
    unsigned i = 0;
    for (; (size_ >> i & 1U) != 0; ++i) {
      h = node_hash(roots_[i], h);
      if ((i + 1) % kSubtreeBits == 0) whole(i + 1, size_ >> (i + 1), h);
    }
    roots_[i] = h;
    ++size_;
  }
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
