#pragma once
// Recovery by the operator of the host: the way in for a lone administrator who has lost his factors, and
// for whom nobody may approve. For a database that no server has open.

#include <string>
#include <vector>

#include "base/secret.hpp"
#include "crypto/handle.hpp"
#include "identity/user.hpp"
#include "store/tx.hpp"

namespace vestibule::identity {

/// So long every administrator is told at each sign-in that it was done.
inline constexpr std::chrono::hours kRecoveryShown{24 * 30};
/// The code of a recovery is short-lived: whoever asks for it stands before the machine.
inline constexpr std::chrono::hours kRecoveryCode{1};

struct HostRecovery {
  std::string name;  ///< of the account
  WallTime at{};
};

/// An enrolment code for the user, issued by nobody, that all administrators and the user hear of.
/// Older codes and open requests for a reset are void. user_unknown, user_disabled.
Result<Secret> recover_in(store::Tx& tx, const crypto::HandleMint& mint, Rng& rng, std::string_view name, WallTime now);
/// Those that are still to be shown, the oldest first.
Result<std::vector<HostRecovery>> host_recoveries_in(store::Tx& tx, WallTime now);

/// The enabled administrators besides the one of this name.
Result<std::vector<User>> other_administrators_in(store::Tx& tx, std::string_view but);

}  // namespace vestibule::identity
