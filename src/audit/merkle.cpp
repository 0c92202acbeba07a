#include "audit/merkle.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "crypto/hash.hpp"

namespace vestibule::audit {

Digest leaf_hash(ByteView leaf) noexcept {
  static constexpr std::uint8_t kPrefix = 0;
  return crypto::sha256({ByteView(&kPrefix, 1), leaf});
}

Digest node_hash(const Digest& left, const Digest& right) noexcept {
  std::array<std::uint8_t, 65> block;
  block[0] = 1;
  std::memcpy(block.data() + 1, left.data(), 32);
  std::memcpy(block.data() + 33, right.data(), 32);
  return crypto::sha256(block);
}

Digest Frontier::root() const noexcept {
  if (size_ == 0) return crypto::sha256(ByteView{});
  auto i = static_cast<std::size_t>(std::countr_zero(size_));
  Digest h = roots_[i];
  for (++i; i < 64; ++i) {
    if ((size_ >> i & 1U) != 0) h = node_hash(roots_[i], h);
  }
  return h;
}

Bytes Frontier::bytes() const {
  Bytes out;
  out.reserve(static_cast<std::size_t>(std::popcount(size_)) * 32);
  for (std::size_t i = 64; i-- > 0;) {
    if ((size_ >> i & 1U) != 0) out.insert(out.end(), roots_[i].begin(), roots_[i].end());
  }
  return out;
}

std::optional<Frontier> Frontier::from(std::uint64_t size, ByteView bytes) {
  if (bytes.size() != static_cast<std::size_t>(std::popcount(size)) * 32) return std::nullopt;
  std::optional<Frontier> f(std::in_place);
  f->size_ = size;
  const std::uint8_t* p = bytes.data();
  for (std::size_t i = 64; i-- > 0;) {
    if ((size >> i & 1U) == 0) continue;
    std::memcpy(f->roots_[i].data(), p, 32);
    p += 32;
  }
  return f;
}

std::vector<Subtree> path_subtrees(std::uint64_t index, std::uint64_t size) {
  std::vector<Subtree> down;
  Subtree at{0, size};
  while (at.end - at.begin > 1) {
    // k: the largest power of two smaller than the number of leaves
    const std::uint64_t middle = at.begin + std::bit_floor(at.end - at.begin - 1);
    if (index < middle) {
      down.push_back({middle, at.end});
      at.end = middle;
    } else {
      down.push_back({at.begin, middle});
      at.begin = middle;
    }
  }
  std::reverse(down.begin(), down.end());
  return down;
}

std::optional<Digest> root_from_path(const Digest& leaf, std::uint64_t index, std::uint64_t size,
                                     std::span<const Digest> path) noexcept {
  if (index >= size) return std::nullopt;
  std::uint64_t fn = index;
  std::uint64_t sn = size - 1;
  Digest r = leaf;
  for (const Digest& p : path) {
    if (sn == 0) return std::nullopt;
    if ((fn & 1U) != 0 || fn == sn) {
      r = node_hash(p, r);
      while ((fn & 1U) == 0 && fn != 0) {
        fn >>= 1U;
        sn >>= 1U;
      }
    } else {
      r = node_hash(r, p);
    }
    fn >>= 1U;
    sn >>= 1U;
  }
  if (sn != 0) return std::nullopt;
  return r;
}

}  // namespace vestibule::audit
