#pragma once
// Promise 5, where two people are asked for: who counts as a second one. For jobs of any room.

#include <string>

#include "base/clock.hpp"
#include "identity/user.hpp"
#include "store/tx.hpp"

namespace vestibule::identity {

/// One made the other, or gave it its present factors: for all that anybody knows they are one person.
[[nodiscard]] bool related(const User& a, const User& b) noexcept;
/// The account was made, reset or given other roles or groups within `wait`.
[[nodiscard]] bool too_new(const User& approver, Duration wait, WallTime now) noexcept;

/// The account with its roles and groups, as the store has it. Nothing: there is none.
Result<std::optional<User>> account_in(store::Tx& tx, UserId id);

/// The same through others: one's maker's maker. (Two whom one administrator has made are not: often he makes all.)
Result<bool> descends_in(store::Tx& tx, const User& from, UserId maker);

/// Why `approver` is nobody who may look at what was asked in the name of `account`; empty: he may, as far as
/// accounts tell. Neither that account, nor, where it is a service's, who answers for it; none that is
/// disabled, without a password, a service, too new, or related to one of them.
Result<std::string> why_no_second(store::Tx& tx, const User& approver, UserId account, Duration wait, WallTime now);

}  // namespace vestibule::identity
