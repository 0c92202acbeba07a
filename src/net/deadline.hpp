#pragma once
// One coarse timer a core. A timer an operation costs a quarter of a relay's CPU (measured); a
// deadline here costs a list insertion, and fires up to one tick late, never early.

#include <array>
#include <chrono>
#include <cstdint>

#include <boost/asio/steady_timer.hpp>

#include "net/task.hpp"

namespace vestibule::net {

class DeadlineWheel;

/// Something that wants to be told when its time is up. Intrusive: no allocation. Disarms itself
/// on destruction. Used on one core only.
class Deadline {
 public:
  Deadline() = default;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  virtual ~Deadline() { disarm(); }
  void disarm() noexcept;
  [[nodiscard]] bool armed() const noexcept { return wheel_ != nullptr; }

 protected:
  /// Called once on the wheel's core, disarmed already. May destroy or re-arm this.
  virtual void expired() noexcept = 0;

 private:
  friend class DeadlineWheel;
  DeadlineWheel* wheel_ = nullptr;
  Deadline* prev_ = nullptr;
  Deadline* next_ = nullptr;
  std::uint64_t tick_ = 0;  // when it is due
  std::size_t slot_ = 0;    // where it sits; may be an earlier slot than tick_ says
};

/// Hashed wheel of 512 slots and ticks of 100 ms (a full turn is 51 s; longer waits go round).
/// The timer sleeps while nothing is armed.
class DeadlineWheel {
 public:
  static constexpr std::chrono::milliseconds kTick{100};
  explicit DeadlineWheel(asio::io_context& context);
  ~DeadlineWheel();
  DeadlineWheel(const DeadlineWheel&) = delete;
  DeadlineWheel& operator=(const DeadlineWheel&) = delete;

  /// Arms or re-arms. Moving a deadline later is the usual case and touches no list until its old
  /// slot comes round.
  void arm(Deadline& deadline, std::chrono::milliseconds after) noexcept;
  /// Steady time of the last tick: cheap, up to one tick old.
  [[nodiscard]] std::chrono::steady_clock::time_point coarse_now() const noexcept;
  void stop() noexcept;

 private:
  friend class Deadline;
  static constexpr std::size_t kSlots = 512;
  struct List { Deadline* first = nullptr; };
  void link(Deadline& d) noexcept;
  void unlink(Deadline& d) noexcept;
  void schedule();
  void on_tick();

  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, Executor>
      timer_;
  std::array<List, kSlots> slots_{};
  std::uint64_t now_ = 0;  // ticks since start_
  std::chrono::steady_clock::time_point start_;
  std::size_t count_ = 0;
  bool running_ = false;
  bool stopped_ = false;
};

}  // namespace vestibule::net
