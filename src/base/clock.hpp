#pragma once
// Time and randomness come only through these two, so that tests can hold both still.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.hpp"

namespace vestibule {

using Duration = std::chrono::microseconds;
/// UTC, microseconds since 1970.
using WallTime = std::chrono::sys_time<Duration>;
/// Time since boot, sleep included (CLOCK_BOOTTIME): cannot be set back, starts anew at each boot.
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock, duration>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

/// Both clocks read at one moment. Promise 3: an age is the greater of the two elapsed times.
struct Instant {
  WallTime wall;
  BootTime boot;
  bool trusted = true;  ///< Clock::trusted() at that moment
};

/// Thread-safe. Lives as long as the process (app owns it).
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime wall() const noexcept = 0;
  [[nodiscard]] virtual BootTime boot() const noexcept = 0;
  /// False while the wall clock is behind its durable high-water mark: proofs count as lapsed.
  [[nodiscard]] virtual bool trusted() const noexcept = 0;
  [[nodiscard]] virtual Instant now() const noexcept { return {wall(), boot(), trusted()}; }
};

/// The machine's clocks. The high-water mark is raised by whoever persists it (app).
class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const noexcept override;
  [[nodiscard]] BootTime boot() const noexcept override;
  /// A small step back (NTP slew) is tolerated: 5 s.
  [[nodiscard]] bool trusted() const noexcept override;
  /// Each clock is read once.
  [[nodiscard]] Instant now() const noexcept override;
  /// Raises the mark; never lowers it.
  void raise_mark(WallTime mark) noexcept;
  [[nodiscard]] WallTime mark() const noexcept { return WallTime(Duration(mark_.load(std::memory_order_relaxed))); }

 private:
  std::atomic<std::int64_t> mark_{0};
};

/// UTC as of the kernel's last tick, at most 10 ms ago, for a tenth of the price: for what is told in seconds.
[[nodiscard]] WallTime coarse_wall() noexcept;

/// A clock that tests move.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start = WallTime(std::chrono::seconds(1'800'000'000)))
      : wall_(start.time_since_epoch().count()) {}
  [[nodiscard]] WallTime wall() const noexcept override { return WallTime(Duration(wall_.load())); }
  [[nodiscard]] BootTime boot() const noexcept override { return BootTime(Duration(boot_.load())); }
  [[nodiscard]] bool trusted() const noexcept override { return trusted_.load(); }
  void advance(Duration by) { wall_ += by.count(); boot_ += by.count(); }
  void set_wall(WallTime t) { wall_ = t.time_since_epoch().count(); }
  void set_trusted(bool value) { trusted_ = value; }

 private:
  std::atomic<std::int64_t> wall_;
  std::atomic<std::int64_t> boot_{1'000'000'000};
  std::atomic<bool> trusted_{true};
};

/// Thread-safe source of randomness.
class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(std::span<std::uint8_t> out) = 0;
  template <std::size_t N>
  [[nodiscard]] std::array<std::uint8_t, N> take() {
    std::array<std::uint8_t, N> out;
    fill(out);
    return out;
  }
};

/// getrandom(2). Aborts the process if the kernel has none: there is no safe way on.
class SystemRng final : public Rng {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

/// Repeatable; for tests only.
class CountingRng final : public Rng {
 public:
  explicit CountingRng(std::uint64_t seed = 1) : state_(seed) {}
  void fill(std::span<std::uint8_t> out) override;

 private:
  std::atomic<std::uint64_t> state_;
};

/// "2026-11-23T03:02:36Z" (RFC 3339, seconds).
[[nodiscard]] std::string rfc3339(WallTime time);

}  // namespace vestibule
