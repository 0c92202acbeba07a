#pragma once
// Counters for the status page. A counter has one slot a core, on a cache line of its own, so that
// counting is no shared write; reading adds the slots up.

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule {

inline constexpr unsigned kMaxCores = 64;
/// Who has which slot: 0 whatever is neither core nor below, 1 to kMostCores the cores, then the
/// store's writer and the blocking pool (which must not read tables).
inline constexpr unsigned kMostCores = kMaxCores - 3;
inline constexpr unsigned kWriterSlot = kMaxCores - 2;
inline constexpr unsigned kPoolSlot = kMaxCores - 1;
static_assert(kMostCores < kWriterSlot);
/// Index of the calling core's slot; set once by each core thread, 0 elsewhere (shared by the rest).
[[nodiscard]] unsigned core_slot() noexcept;
void set_core_slot(unsigned slot) noexcept;

class Counter {
 public:
  /// Registers itself for write_prometheus(); name and help live as long as the process.
  Counter(std::string_view name, std::string_view help, std::string_view labels = {});
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;
  ~Counter();
  void add(std::int64_t n = 1) noexcept {
    slots_[core_slot()].n.fetch_add(n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t total() const noexcept;
  [[nodiscard]] std::string_view name() const noexcept { return name_; }

 private:
  friend std::string write_prometheus();
  struct alignas(64) Slot { std::atomic<std::int64_t> n{0}; };
  std::array<Slot, kMaxCores> slots_;
  std::string_view name_, help_;
  std::string labels_;
};

/// All counters in the Prometheus text format, version 0.0.4.
[[nodiscard]] std::string write_prometheus();

}  // namespace vestibule
