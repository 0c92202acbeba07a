#pragma once
// An emergency stop that several people lift: who has agreed so far.

#include <string>
#include <vector>

#include "gate/stops.hpp"
#include "identity/actor.hpp"

namespace vestibule::gate {

/// How long an agreement counts. One that is older than the stop itself never does.
inline constexpr Duration kAgreed = std::chrono::hours(1);

struct Agreement {
  StopScope scope{};
  std::string target;
  WallTime since{};  ///< of the stop
  std::string by;
  WallTime at{};
};
/// Those that count now, the oldest first.
Result<std::vector<Agreement>> agreements_in(store::Tx& tx, WallTime now);

/// In the job in which `by`, an administrator, gave a proof for it. Gives how many more are needed of `people`; 0: it
/// may be lifted now. conflict: he has agreed already, or the stop was set anew; not_eligible: his account is too new,
/// or he is no second person beside those who have (promise 5; the detail says why). Words of those who could not
/// give them now go.
Result<int> agree_in(store::Tx& tx, const Stop& stop, const identity::Actor& by, int people, Duration wait, WallTime now);
/// Of a stop that is set, or lifted.
Result<void> forget_agreements_in(store::Tx& tx, StopScope scope, std::string_view target);

}  // namespace vestibule::gate
