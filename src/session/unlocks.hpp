#pragma once
// Unlocks: evidence bound to one credential and one source. How an API key that sleeps is woken, and how
// a call that is held gets on: its owner proves a factor for that very act, and what comes with this
// credential from this source counts as proved until the proof is too old, at the latest until the
// unlock's end. A thief elsewhere gains nothing by it.

#include <functional>
#include <string>

#include "session/source_key.hpp"
#include "session/session.hpp"
#include "store/tx.hpp"

namespace vestibule::session {

inline constexpr Duration kLongestUnlock = std::chrono::hours(12);
inline constexpr std::size_t kMaxUnlocks = 16;  ///< a credential; the one that ends first gives way

struct UnlockWish {
  HandleKey credential{};
  SourceKey source{};
  std::string access_point{};  ///< empty: every one
  Duration lasts{};
  std::string purpose{};       ///< what the factor is bound to: the operation, a space, its object
  /// More that stands or falls with it, in the same job, when the unlock is written. May be empty.
  std::function<Result<void>(store::Tx& tx)> also{};
};

/// Whose a credential is, and what it is called.
struct Owned {
  UserId user{};
  std::string via;  ///< "key nightly"; empty: a token without a name
};

/// Ends them in the store; memory follows by the feed. Of an account: those that it made, and those of its keys.
Result<void> lock_account_in(store::Tx& tx, UserId account);
Result<void> lock_credential_in(store::Tx& tx, const HandleKey& credential);
/// At this source alone.
Result<void> lock_in(store::Tx& tx, const HandleKey& credential, const SourceKey& source);
/// Those that a proof of this factor made.
Result<void> lock_by_factor_in(store::Tx& tx, FactorId factor);
/// Those whose time is over.
Result<void> sweep_unlocks_in(store::Tx& tx, WallTime now);

}  // namespace vestibule::session
