#pragma once
// Hours of the week in a named time zone. A wall-clock reading: where clocks are put back, the hour
// that happens twice is inside both times; where they are put forward, the hour left out never is.

#include <cctz/time_zone.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace vestibule::policy {

inline constexpr int kWeek = 7 * 24 * 60;  ///< minutes, from Monday 00:00

/// A zone of the system's zone database. Loading reads files; minute() reads memory only.
class Zone {
 public:
  static Result<Zone> load(std::string_view name);
  /// Minute of the local week.
  [[nodiscard]] int minute(WallTime t) const noexcept;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  cctz::time_zone zone_;
  std::string name_;
};

/// "Thu 14:05"
[[nodiscard]] std::string week_text(int minute);

class Hours {
 public:
  /// Adds "Mon-Fri 08:00-18:00", "Sat,Sun 10:00-14:00", "22:00-06:00" (every day) or
  /// "Fri 22:00-06:00" (until Saturday morning). The end is not inside; 24:00 ends a day.
  Result<void> add(std::string_view text);
  /// Merges spans; the whole week is the same as no hours at all.
  void normalise();
  [[nodiscard]] bool always() const noexcept { return always_; }
  [[nodiscard]] bool contains(int minute_of_week) const noexcept;
  [[nodiscard]] bool covers(const Hours& other) const noexcept;
  /// Spans of single days, days of equal spans together: "Mon-Fri 08:00-18:00".
  [[nodiscard]] std::vector<std::string> entries() const;

 private:
  std::vector<std::pair<int, int>> spans_;  // [from, to) in minutes of the week
  bool always_ = true;                      // until something is added
};

}  // namespace vestibule::policy
