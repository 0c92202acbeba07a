#pragma once
// Why a session has ended, for whoever held one of its handles: he is told for a while, and nobody else is.

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "store/database.hpp"

namespace vestibule::session {

inline constexpr Duration kTellWhy = std::chrono::hours(24 * 7);

/// Before the session's rows go: for itself and each of its handles. A sign-in that was never finished leaves
/// nothing behind, however often it is begun.
Result<void> note_end_in(store::Tx& tx, SessionId id, Reason why, WallTime now);
/// One handle's.
Result<void> note_end_in(store::Tx& tx, const Digest& handle, Reason why, WallTime now);
Result<void> sweep_ends_in(store::Tx& tx, WallTime now);

}  // namespace vestibule::session
