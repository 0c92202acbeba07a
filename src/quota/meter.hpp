#pragma once
// One limited thing of one bucket: a single number that all cores may move without a lock.

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "domain/quota.hpp"

namespace vestibule::quota {

/// Boot time in nanoseconds: a clock that is set back gives nothing.
using Nanoseconds = std::int64_t;
[[nodiscard]] inline Nanoseconds since_boot(BootTime now) noexcept { return now.time_since_epoch().count() * 1000; }

/// A rate as a meter reads it, and how much a core takes at once.
struct Terms {
  Nanoseconds interval = 0;  ///< 0: no limit
  Nanoseconds capacity = 0;
  std::uint64_t count = 0;
  std::uint64_t lease = 1;

  Terms() = default;
  Terms(const domain::Rate& rate, unsigned cores) noexcept {
    if (!rate.given()) return;
    interval = rate.interval();
    count = rate.count;
    capacity = interval * static_cast<Nanoseconds>(count);
    lease = lease_of(count, cores);
  }
  [[nodiscard]] bool given() const noexcept { return interval > 0; }
  /// All cores together hold a 64th at most of what there is: below 128 a core they hold nothing, and
  /// the limit is exact.
  [[nodiscard]] static std::uint64_t lease_of(std::uint64_t count, unsigned cores) noexcept {
    return std::max<std::uint64_t>(1, count / (std::uint64_t{64} * cores));
  }
};

/// The moment at which the bucket will be full again (GCRA): what is missing is kept as time, so that it
/// fills by itself. Any thread; the order of its changes to other memory means nothing.
class Meter {
 public:
  /// Takes as many as there are, `most` at most; 0 if there is none.
  [[nodiscard]] std::uint64_t take(const Terms& t, std::uint64_t most, Nanoseconds now) noexcept {
    Nanoseconds at = full_at_.load(std::memory_order_relaxed);
    for (;;) {
      const Nanoseconds from = std::max(at, now);
      const Nanoseconds left = t.capacity - (from - now);
      if (left < t.interval) return 0;
      const std::uint64_t n = std::min(most, static_cast<std::uint64_t>(left / t.interval));
      const Nanoseconds to = from + static_cast<Nanoseconds>(n) * t.interval;
      if (full_at_.compare_exchange_weak(at, to, std::memory_order_relaxed)) return n;
    }
  }
  /// Takes what was used already, into debt if need be.
  void charge(const Terms& t, std::uint64_t n, Nanoseconds now) noexcept {
    const Nanoseconds much = n < static_cast<std::uint64_t>(kMostDebt / t.interval)
                                 ? static_cast<Nanoseconds>(n) * t.interval
                                 : kMostDebt;
    Nanoseconds at = full_at_.load(std::memory_order_relaxed);
    Nanoseconds to = 0;
    do {
      const Nanoseconds from = std::max(at, now);
      to = std::max(from, std::min(from + much, now + kMostDebt));
    } while (!full_at_.compare_exchange_weak(at, to, std::memory_order_relaxed));
  }
  /// Gives back what was taken and not used: at most what take() or charge() took.
  void give_back(const Terms& t, std::uint64_t n) noexcept {
    full_at_.fetch_sub(static_cast<Nanoseconds>(n) * t.interval, std::memory_order_relaxed);
  }
  /// Until take() gives something.
  [[nodiscard]] Nanoseconds wait(const Terms& t, Nanoseconds now) const noexcept {
    return std::max<Nanoseconds>(0, full_at_.load(std::memory_order_relaxed) - now + t.interval - t.capacity);
  }
  [[nodiscard]] bool full(Nanoseconds now) const noexcept { return full_at_.load(std::memory_order_relaxed) <= now; }

 private:
  static constexpr Nanoseconds kMostDebt = Nanoseconds{30} * 24 * 3600 * 1'000'000'000;
  std::atomic<Nanoseconds> full_at_{0};
};

}  // namespace vestibule::quota
