#pragma once
// How producers wake the writer: a system call only when it sleeps, and never a lost wake-up.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace vestibule::store {

/// Sleeper and producers each write (their state, or their entry), then read the other's with
/// sequential consistency: at least one of them sees the other. The sleeper therefore looks for work
/// once more between announce() and sleep(). Producers may be any threads, the sleeper is one.
class Wakeup {
 public:
  enum class Mode : std::uint32_t {
    awake,
    dozing,  ///< looks by itself within the linger time: only urgent work wakes it
    asleep,  ///< any work wakes it
  };
  Wakeup();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  /// Producer, after its work is visible. Costs a load while the writer is awake.
  void notify(bool urgent) noexcept {
    const Mode m = mode_.load(std::memory_order_seq_cst);
    if (m == Mode::asleep || (urgent && m == Mode::dozing)) kick();
  }
  /// Sleeper.
  void announce(Mode mode) noexcept { mode_.store(mode, std::memory_order_seq_cst); }
  /// Sleeper: sleeps in the announced mode until kicked or `limit` (negative: for ever) and is awake
  /// afterwards. True if kicked.
  bool sleep(std::chrono::microseconds limit) noexcept;

 private:
  void kick() noexcept;
  int fd_;
  alignas(64) std::atomic<Mode> mode_{Mode::awake};
};

}  // namespace vestibule::store
