#pragma once
// So many of something by one source or person in a while. Bounded: whoever comes when it is full waits.

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"

namespace vestibule::oauth {

/// Thread-safe. Windows begin with the first attempt of each.
class Throttle {
 public:
  Throttle(int most, Duration window) : most_(most), window_(window) {}

  /// Charges one attempt; false: too many.
  [[nodiscard]] bool charge(std::string_view who, WallTime now) {
    constexpr std::size_t kMost = 8192;
    const std::lock_guard lock(mutex_);
    if (counts_.size() >= kMost) std::erase_if(counts_, [&](const auto& c) { return now - c.second.began > window_; });
    const auto at = counts_.find(std::string(who));
    if (at == counts_.end()) {
      if (counts_.size() >= kMost) return false;
      counts_.emplace(who, Count{now, 1});
      return true;
    }
    Count& c = at->second;
    if (now - c.began > window_) c = Count{now, 0};
    if (c.n >= most_) return false;
    ++c.n;
    return true;
  }
  /// Gives one back.
  void refund(std::string_view who) {
    const std::lock_guard lock(mutex_);
    const auto at = counts_.find(std::string(who));
    if (at != counts_.end() && at->second.n > 0) --at->second.n;
  }

 private:
  struct Count {
    WallTime began{};
    int n = 0;
  };
  const int most_;
  const Duration window_;
  std::mutex mutex_;
  std::unordered_map<std::string, Count> counts_;
};

}  // namespace vestibule::oauth
