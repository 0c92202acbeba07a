#pragma once
// A bound on how many do something at once.

#include <atomic>
#include <optional>
#include <utility>

namespace vestibule {

/// So many seats, taken and given back in whatever thread; who finds none goes away. Outlives its seats.
class Seats {
 public:
  explicit Seats(int n) noexcept : free_(n) {}
  Seats(const Seats&) = delete;
  Seats& operator=(const Seats&) = delete;

  class Seat {
   public:
    explicit Seat(Seats& owner) noexcept : owner_(&owner) {}
    Seat(Seat&& o) noexcept : owner_(std::exchange(o.owner_, nullptr)) {}
    Seat& operator=(Seat&&) = delete;
    ~Seat() {
      if (owner_ != nullptr) owner_->free_.fetch_add(1, std::memory_order_relaxed);
    }

   private:
    Seats* owner_;
  };

  [[nodiscard]] std::optional<Seat> take() noexcept {
    int n = free_.load(std::memory_order_relaxed);
    while (n > 0) {
      if (free_.compare_exchange_weak(n, n - 1, std::memory_order_relaxed)) return std::optional<Seat>(std::in_place, *this);
    }
    return std::nullopt;
  }

 private:
  std::atomic<int> free_;
};

}  // namespace vestibule
