#pragma once
// Rows of accounts. Private to the room.

#include <vector>

#include "base/secret.hpp"
#include "crypto/handle.hpp"
#include "identity/user.hpp"
#include "store/tx.hpp"

namespace vestibule::identity {

inline constexpr std::string_view kTopic = "account";
inline constexpr std::string_view kColumns =
    "SELECT id, name, display, password IS NOT NULL, disabled, version, created, created_by, roles_changed, "
    "factors_reset, reset_by, password_changed, EXISTS (SELECT 1 FROM service WHERE service.account = account.id), "
    "(SELECT person FROM service_part WHERE service_part.service = account.id AND part = 1 AND accepted > 0) FROM account";

/// A row of kColumns.
[[nodiscard]] User user_from(const store::Row& row);
void add_label(User& u, std::int64_t kind, std::string_view label);
Result<std::vector<User>> read_all(store::Tx& tx);
Result<std::size_t> count_administrators(store::Tx& tx);
/// With the disabled ones; of their labels only this role.
Result<std::vector<User>> read_administrators(store::Tx& tx);
/// A new code; older ones of the user are void. `issuer` nil: the operator of the host.
Result<Secret> put_enrolment_code(store::Tx& tx, const crypto::HandleMint& mint, Rng& rng, UserId user, UserId issuer,
                                  WallTime expires);

/// An administrator with a password who ceases to be one, or whose factors are about to go: for a while
/// still somebody who could have looked at a reset.
Result<void> note_former_administrator(store::Tx& tx, UserId user, WallTime now);

}  // namespace vestibule::identity
