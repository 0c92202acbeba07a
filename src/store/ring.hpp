#pragma once
// A byte ring between one core (producer) and the writer thread (consumer). Positions only grow, so
// that a position names an entry for ever and full and empty cannot be confused.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.hpp"

namespace vestibule::store {

/// Entries are contiguous: one that would wrap is preceded by padding up to the ring's end. Memory
/// is touched only as far as it is used.
class Ring {
 public:
  /// Rounded up to a power of two, 4 KiB at least.
  explicit Ring(std::size_t bytes);

  enum class Push { ok, full, too_large };
  /// Producer: copies the entry in. An entry may take half the ring at most: a larger one might
  /// never fit. `urgent` entries are told apart by urgent_to().
  Push push(ByteView entry, bool urgent) noexcept;
  /// Producer: the position after the newest entry.
  [[nodiscard]] std::uint64_t end() const noexcept { return head_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool over_half() const noexcept {
    return end() - tail_.load(std::memory_order_acquire) > size_ / 2;
  }

  /// Consumer: the position up to which entries are complete. Sequentially consistent with push(),
  /// because the writer decides to sleep on it.
  [[nodiscard]] std::uint64_t head() const noexcept { return head_.load(std::memory_order_seq_cst); }
  /// Consumer: position after the newest urgent entry; read head() first.
  [[nodiscard]] std::uint64_t urgent_to() const noexcept {
    return urgent_.load(std::memory_order_relaxed);
  }
  /// Consumer: appends views of the entries in [tail, to) to `out`; they live until release(to).
  void collect(std::uint64_t to, std::vector<ByteView>& out) const;
  void release(std::uint64_t to) noexcept { tail_.store(to, std::memory_order_release); }
  [[nodiscard]] std::uint64_t tail() const noexcept { return tail_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_;
  std::unique_ptr<std::uint8_t[]> data_;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  std::atomic<std::uint64_t> urgent_{0};
  std::uint64_t known_tail_ = 0;  // the producer's copy: read tail_ only when this says full
  alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace vestibule::store
