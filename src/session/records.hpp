#pragma once
// This room's rows, as jobs read and change them, and what the audit log is told of it. Nothing here looks at
// memory. Private to the room.

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/log.hpp"
#include "identity/users.hpp"
#include "session/entries.hpp"
#include "session/keys.hpp"
#include "session/options.hpp"
#include "session/revocation.hpp"
#include "store/database.hpp"

namespace vestibule::session {

/// Immutable, so thread-safe; what it is given outlives it.
class Records {
 public:
  Records(identity::Users& users, audit::Log& log, const Clock& clock, const Options& options);

  // --- what they say (reading.cpp, and where each is explained)
  Result<std::optional<SessionEntry>> read_session(store::Tx& tx, SessionId id) const;
  Result<std::optional<HandleEntry>> read_handle(store::Tx& tx, const HandleKey& key) const;
  /// Of a row, less its unlocks; nothing for one that says nothing.
  Result<std::optional<HandleEntry>> handle_of(const store::Row& row) const;
  Result<std::vector<Unlock>> read_unlocks(store::Tx& tx, const HandleKey& key) const;
  Result<std::vector<KeyInfo>> read_keys(store::Tx& tx, UserId user, KeyId id) const;
  Result<KeyInfo> tended_key_in(store::Tx& tx, UserId person, KeyId id) const;
  Result<std::vector<std::string>> agents_in(store::Tx& tx, SessionId session) const;
  static Result<std::optional<FactorKind>> preferred_in(store::Tx& tx, UserId user);

  // --- what is done to them
  Result<void> put_proof(store::Tx& tx, SessionId id, const domain::Proof& proof) const;
  Result<domain::Evidence> add_proof_in(store::Tx& tx, SessionId id, SessionEntry session, const domain::Proof& proof,
                                        Instant now) const;
  /// What this factor proved is worth nothing any more, in any session.
  static Result<void> drop_proofs_in(store::Tx& tx, FactorId factor);
  static Result<void> prefer_in(store::Tx& tx, UserId user, FactorKind kind);
  Result<void> end_in(store::Tx& tx, SessionId id, Reason why) const;
  Result<std::int64_t> end_all_in(store::Tx& tx, UserId user, SessionId but, bool pending_only, Reason why) const;
  Result<void> revoke_in(store::Tx& tx, const Revocation& what, const Actor& by, std::string_view note, Reason why,
                         Instant now) const;
  /// For one more of those handles that `which`, a condition of SQL, says: the oldest above max_tokens go.
  Result<void> make_room_in(store::Tx& tx, std::string_view which, std::initializer_list<store::Param> params) const;
  Result<void> raise_mark_in(store::Tx& tx, Instant now) const;

  // --- the audit log
  /// A credential as records name it: a service's says whose it is. In write jobs.
  [[nodiscard]] std::string named(UserId owner, UserId by, std::string credential) const;
  void record(store::Tx& tx, audit::Kind kind, std::string_view operation, Reason reason, const Actor& by,
              std::string_view object, std::string_view note, Instant now) const;

 private:
  identity::Users& users_;
  audit::Log& log_;
  const Clock& clock_;
  const Options& options_;
};

}  // namespace vestibule::session
