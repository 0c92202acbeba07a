#pragma once
// Limits of sessions, and what they are given.

#include <functional>
#include <string>

#include "base/clock.hpp"
#include "store/denials.hpp"

namespace vestibule::session {

struct Options {
  std::string boot_id;                          ///< content of /proc/sys/kernel/random/boot_id
  Duration idle = std::chrono::hours(1);
  Duration overall = std::chrono::hours(24);
  Duration overall_level3 = std::chrono::hours(12);
  Duration pending = std::chrono::minutes(10);  ///< a sign-in without its second factor
  Duration granted = std::chrono::minutes(30);  ///< the same, with an enrolment to finish
  Duration token_ttl = std::chrono::hours(24);  ///< at most; a token never outlives its session
  std::size_t max_sessions = 64;                ///< a user; the one idle longest gives way
  std::size_t max_tokens = 64;                  ///< a session
  std::int64_t at_start = 5'000;                ///< sessions, or credentials, that a start waits for; more come in behind it
  std::function<void(WallTime)> raise_mark;     ///< SystemClock::raise_mark; may be empty
  store::Denials* denials = nullptr;            ///< keeps revocations that the store refuses; none: memory alone
};

}  // namespace vestibule::session
