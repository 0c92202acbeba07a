#pragma once
// The tables of this room, and what becomes of their rows when the world was turned back.

#include <span>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "store/database.hpp"

namespace vestibule::session {

/// Migrations of this room.
[[nodiscard]] std::span<const store::Migration> migrations();

/// Restore hook, for a copy of the database that no server has open: ends sessions and tokens, and
/// calls those of identity and factors. The clock's mark stays: it only rises.
Result<void> void_after_restore(store::Tx& tx, WallTime now);

/// The highest time that this installation has stored; the epoch if none.
Result<WallTime> clock_mark(store::Tx& tx);
/// The operator takes `now` for right although the mark lies after it: the one way in which it is
/// lowered. Nothing proved so far counts any more: sessions, tokens and codes end, and the rooms below
/// do their part. For a database that no server has open.
Result<void> accept_clock(store::Tx& tx, WallTime now);

}  // namespace vestibule::session
