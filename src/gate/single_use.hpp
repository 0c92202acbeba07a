#pragma once
// Remembers for a while what may be used once: ids of signed statements that say by themselves when they end.

#include <cstring>
#include <mutex>
#include <unordered_set>

#include "base/bytes.hpp"
#include "base/clock.hpp"

namespace vestibule::gate {

/// Thread-safe. Two generations: an entry is kept for one to two times `keep`. Bounded: when a generation is
/// full nothing new is taken, since forgetting would let the old be used again.
class SingleUse {
 public:
  enum class Seen : std::uint8_t { first, before, full };
  SingleUse(Duration keep, std::size_t most) : keep_(keep), most_(most) {}

  [[nodiscard]] Seen use(const Digest& id, WallTime now) {
    const std::lock_guard lock(mutex_);
    // A clock that was set back keeps what it has.
    if (now - began_ > keep_) {
      old_ = now - began_ > 2 * keep_ ? Set{} : std::move(young_);
      young_ = Set{};
      began_ = now;
    }
    if (old_.contains(id) || young_.contains(id)) return Seen::before;
    if (young_.size() >= most_) return Seen::full;
    young_.insert(id);
    return Seen::first;
  }

 private:
  struct Hash {
    std::size_t operator()(const Digest& d) const noexcept {
      std::size_t h = 0;
      std::memcpy(&h, d.data(), sizeof h);
      return h;
    }
  };
  using Set = std::unordered_set<Digest, Hash>;
  const Duration keep_;
  const std::size_t most_;
  std::mutex mutex_;
  WallTime began_{};
  Set young_, old_;
};

}  // namespace vestibule::gate
