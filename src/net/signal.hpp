#pragma once
// A wake-up between tasks of one core: a hint, never a permission; the waiter looks again.

#include <chrono>

#include "net/core.hpp"

namespace vestibule::net {

/// Lives on one core; not thread-safe (another core posts to this one first).
class Signal {
 public:
  explicit Signal(Core& core) : core_(core) {}
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() { notify_all(); }

  static constexpr std::chrono::milliseconds kForEver = std::chrono::milliseconds::max();
  /// Returns true if notified, false if `limit` (coarse) passed first: what is left of a time may be nothing.
  Task<bool> wait(std::chrono::milliseconds limit = kForEver);
  void notify_all() noexcept;

 private:
  struct Waiter;
  Core& core_;
  Waiter* first_ = nullptr;
};

/// Sleeps about this long (coarse wheel: at least, and up to two ticks more).
Task<> sleep_for(Core& core, std::chrono::milliseconds time);

}  // namespace vestibule::net
