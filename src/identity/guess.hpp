#pragma once
// Counters of password guesses, within write jobs. What they do stands in guess.cpp.

#include <optional>

#include "base/clock.hpp"
#include "store/tx.hpp"

namespace vestibule::identity {

struct GuessLimits {
  int free = 5;
  Duration first_back_off = std::chrono::seconds(30);
  Duration most_back_off = std::chrono::hours(1);
  int free_name = 20;
  Duration name_interval = std::chrono::seconds(5);
  int free_source = 30;
};

/// Charges one guess to all counters it concerns, or password_locked: the job then fails, and
/// nothing is charged as nothing is looked at. Gives whether (name, *) was charged.
Result<bool> charge_guess(store::Tx& tx, const GuessLimits& limits, const Digest& name, const Digest& source,
                          WallTime now);
/// Takes the charge back. `succeeded`: the password was right; the source is known good from now on.
Result<void> refund_guess(store::Tx& tx, const Digest& name, const Digest& source, bool charged_name,
                          std::optional<WallTime> succeeded);
Result<void> forget_guesses(store::Tx& tx, WallTime now);

}  // namespace vestibule::identity
