#pragma once
// The tables of this room, and what becomes of their rows when the world was turned back.

#include <span>

#include "base/clock.hpp"
#include "store/database.hpp"

namespace vestibule::factors {

/// Migrations of this room.
[[nodiscard]] std::span<const store::Migration> migrations();

/// Restore hook: pending enrolments, challenges and recovery codes are void (which of them had been
/// used since the backup, nobody knows); TOTP steps up to now count as used.
Result<void> void_after_restore(store::Tx& tx, WallTime now);
/// The clock ran ahead and is right at `now`: enrolments under way and challenges lapse, no code up to
/// now counts, steps and waits that lie after now end. Failures stay counted.
Result<void> accept_clock(store::Tx& tx, WallTime now);

}  // namespace vestibule::factors
