#pragma once
// How much somebody may use in how much time. Values: what fills and empties lives in the room quota.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.hpp"
#include "domain/inline_text.hpp"

namespace vestibule::domain {

/// Whose bucket it is: each user's, each credential's of a user (the key, client or agent by which he
/// asks; what he asks for by himself is one), or one of all who use the access point.
enum class Per : std::uint8_t { user, credential, access_point };
[[nodiscard]] constexpr std::string_view name(Per per) noexcept {
  switch (per) {
    case Per::user: return "user";
    case Per::credential: return "credential";
    case Per::access_point: return "access_point";
  }
  return "user";
}

/// A bucket of `count` that fills up evenly within the window. count 0: no limit.
struct Rate {
  std::uint64_t count = 0;
  Duration window{};
  InlineText<24> text;  ///< "60/1m"

  [[nodiscard]] bool given() const noexcept { return count > 0; }
  /// In how many nanoseconds one comes back: rounded up, so that never more comes than is written.
  [[nodiscard]] std::int64_t interval() const noexcept {
    const auto n = static_cast<std::int64_t>(count);
    return (window.count() * 1000 + n - 1) / n;
  }
  /// Never lets more through than the other does.
  [[nodiscard]] bool within(const Rate& o) const noexcept {
    return !o.given() || (given() && count <= o.count && interval() >= o.interval());
  }
};

/// One quota without the matchers that say whom and what it concerns.
struct Quota {
  std::uint64_t id = 0;     ///< the same for the same name and limits: its buckets outlive a new policy
  InlineText<40> name;
  InlineText<48> label;     ///< "quota:NAME", as a decision names it
  Per per = Per::user;
  Rate requests, tokens;
  std::uint32_t streams = 0;  ///< acts under way at a time, streamed or not; 0: no limit

  [[nodiscard]] bool within(const Quota& o) const noexcept {
    return per == o.per && requests.within(o.requests) && tokens.within(o.tokens) &&
           (o.streams == 0 || (streams > 0 && streams <= o.streams));
  }
};

}  // namespace vestibule::domain
