#pragma once
// Resets: somebody who has lost his factors gets a new start from an administrator (an enrolment code).
// Where there are other administrators, one asks and another approves, so that none of them can make
// himself somebody else's new password and factors alone.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "identity/users.hpp"

namespace vestibule::identity {

struct ResetTag { static constexpr std::string_view prefix = "rst_"; };
using ResetId = Id<ResetTag>;

/// Which strong factors an account has. Another room knows.
enum class Holds : std::uint8_t { none, disabled, working };

struct ResetOptions {
  std::chrono::hours request_ttl{24};
  /// Promise 5: so long an account approves nothing after it was made, got other roles or groups, or was
  /// reset; and so long one who was an administrator counts as one who could have looked at it.
  Duration wait = std::chrono::hours(72);
  std::function<Result<Holds>(store::Tx&, UserId)> holds;
};

struct Reset {
  ResetId id{};
  UserId user{}, requested_by{};
  std::string user_name, requester_name;
  WallTime at{}, expires{};
};

/// Owned by app, made after Users and before Database::start(). Thread-safe; functions ending in _in
/// belong into a write job of whoever proved a factor for that very act.
class Resets {
 public:
  Resets(store::Database& database, Users& users, audit::Log& log, const Clock& clock, Rng& rng, ResetOptions options);

  /// The code, or the request that waits for another administrator.
  struct Begun {
    std::optional<Secret> code;
    ResetId request{};
    WallTime expires{};        ///< of the request
    std::size_t approvers = 0; ///< who could approve it now; none: only time, or the host, helps
  };
  /// A code at once for whoever has no strong factor yet, and where nobody else is, or lately was, an
  /// administrator. Otherwise a request, of which the person hears. conflict: one is open already.
  Result<Begun> begin_in(store::Tx& tx, UserId user, const Actor& by);
  /// Uses the request up. not_found, not_eligible (the detail says why), conflict, user_disabled.
  Result<Secret> approve_in(store::Tx& tx, ResetId id, const Actor& by);
  /// By whoever it concerns, who asked for it, or an administrator: the caller looks. not_found.
  Result<void> decline_in(store::Tx& tx, ResetId id, const Actor& by);
  net::Task<Result<void>> decline(ResetId id, Actor by);

  /// Those that are open, the oldest first.
  Result<std::vector<Reset>> list_in(store::Tx& tx) const;
  net::Task<Result<std::vector<Reset>>> list() const;

 private:
  /// Empty if `approver` may approve what `requester` asked for `user`; otherwise why not.
  Result<std::string> why_not(store::Tx& tx, const User& approver, UserId requester, const User& asker, UserId user) const;
  Result<bool> needs_two(store::Tx& tx, UserId user, UserId requester) const;
  Result<std::size_t> count_approvers(store::Tx& tx, UserId requester, UserId user) const;
  Result<std::optional<Reset>> take_in(store::Tx& tx, ResetId id);
  Result<void> forget_account(store::Tx& tx, UserId user);
  void record(store::Tx& tx, std::string_view operation, const Actor& by, std::string_view object, std::string_view note) const;

  store::Database& database_;
  Users& users_;
  audit::Log& log_;
  const Clock& clock_;
  Rng& rng_;
  ResetOptions options_;
};

}  // namespace vestibule::identity
