// Rows: what write jobs do to them.
#include "session/records.hpp"

#include <algorithm>

#include "audit/log.hpp"
#include "factors/factors.hpp"
#include "identity/tending.hpp"
#include "identity/users.hpp"
#include "session/endings.hpp"
#include "session/rows.hpp"

namespace vestibule::session {

Records::Records(identity::Users& users, audit::Log& log, const Clock& clock, const Options& options)
    : users_(users), log_(log), clock_(clock), options_(options) {}

void Records::record(store::Tx& tx, audit::Kind kind, std::string_view operation, Reason reason, const Actor& by,
                     std::string_view object, std::string_view note, Instant now) const {
  audit::Record r = identity::change_record(operation, by, object, note, now);
  r.kind = kind;
  r.outcome = reason == Reason::ok ? domain::Outcome::allow : domain::Outcome::deny;
  r.reason = reason;
  r.level = domain::level(by.evidence, now, clock_.trusted(), options_.overall);
  log_.append(tx, r);
}

Result<void> Records::put_proof(store::Tx& tx, SessionId id, const domain::Proof& p) const {
  auto put = tx.run(
      "INSERT INTO session_proof (session, factor, kind, traits, wall, boot, boot_id) VALUES ($1, $2, $3, $4, $5, $6, "
      "$7) ON CONFLICT (session, factor, kind) DO UPDATE SET traits = $4, wall = $5, boot = $6, boot_id = $7",
      {id, p.factor, p.kind, encode(p.traits), p.wall, p.boot.time_since_epoch().count(), options_.boot_id});
  if (!put) return std::move(put).error();
  return {};
}

Result<void> Records::drop_proofs_in(store::Tx& tx, FactorId factor) {
  std::vector<SessionId> touched;
  auto gone = tx.query("DELETE FROM session_proof WHERE factor = $1 RETURNING session", {factor},
                       [&](const store::Row& row) {
                         touched.push_back(row.id<SessionId>(0));
                         return true;
                       });
  if (!gone) return gone;
  for (const SessionId id : touched) tx.changed(kSessionTopic, id.bytes);
  return lock_by_factor_in(tx, factor);
}

Result<domain::Evidence> Records::add_proof_in(store::Tx& tx, SessionId id, SessionEntry session,
                                               const domain::Proof& proof, Instant now) const {
  auto put = put_proof(tx, id, proof);
  if (!put) return std::move(put).error();
  session.evidence.add(proof);
  const bool strong = proof.traits.possession && domain::KindSet::ordinary().has(proof.kind);
  // Nothing but the first second factor moves a session's end, and never beyond the overall limit,
  // which counts from the sign-in.
  WallTime ends = session.ends;
  if (session.flags.pending) {
    ends = strong ? session.created + options_.overall : std::max(ends, session.created + options_.granted);
  }
  if (domain::level(session.evidence, now, true, options_.overall) >= 3) {
    ends = std::min(ends, session.created + options_.overall_level3);
  }
  auto updated = tx.run("UPDATE session SET ends = $2, pending = $3 WHERE id = $1",
                        {id, ends, session.flags.pending && !strong ? 1 : 0});
  if (!updated) return std::move(updated).error();
  if (*updated != 1) return fail(Reason::session_ended);
  auto marked = raise_mark_in(tx, now);
  if (!marked) return std::move(marked).error();
  tx.changed(kSessionTopic, id.bytes);
  tx.changed(kListTopic, session.user.bytes);
  return session.evidence;
}

Result<void> Records::end_in(store::Tx& tx, SessionId id, Reason why) const {
  auto noted = note_end_in(tx, id, why, clock_.wall());
  if (!noted) return noted;
  for (const std::string_view sql :
       {"DELETE FROM credential_unlock WHERE credential IN (SELECT hash FROM session_handle WHERE session = $1 AND account IS NULL)",
        "DELETE FROM session_handle WHERE session = $1 AND account IS NULL",
        "DELETE FROM session_proof WHERE session = $1", "DELETE FROM session_family WHERE session = $1"}) {
    auto gone = tx.run(sql, {id});
    if (!gone) return std::move(gone).error();
  }
  UserId user;
  auto gone = tx.one("DELETE FROM session WHERE id = $1 RETURNING account", {id},
                     [&](const store::Row& row) { user = row.id<UserId>(0); });
  if (!gone) return std::move(gone).error();
  auto ended = factors::Factors::end_session_in(tx, user, id);
  if (!ended) return ended;
  tx.changed(kSessionTopic, id.bytes);
  if (*gone) tx.changed(kListTopic, user.bytes);
  return {};
}

Result<std::int64_t> Records::end_all_in(store::Tx& tx, UserId user, SessionId but, bool pending_only,
                                          Reason why) const {
  std::vector<SessionId> ids;
  auto listed = tx.query("SELECT id, pending FROM session WHERE account = $1", {user}, [&](const store::Row& row) {
    const SessionId id = row.id<SessionId>(0);
    if (id != but && (!pending_only || row.integer(1) != 0)) ids.push_back(id);
    return true;
  });
  if (!listed) return std::move(listed).error();
  for (const SessionId id : ids) {
    auto ended = end_in(tx, id, why);
    if (!ended) return std::move(ended).error();
  }
  if (!pending_only) {
    auto locked = lock_account_in(tx, user);
    if (!locked) return std::move(locked).error();
  }
  return static_cast<std::int64_t>(ids.size());
}

Result<void> Records::revoke_in(store::Tx& tx, const Revocation& what, const Actor& by, std::string_view note,
                                Reason why, Instant now) const {
  std::string object;
  switch (what.scope) {
    case Revocation::Scope::session: {
      std::vector<SessionId> families;
      auto listed = tx.query("SELECT session FROM session_family WHERE parent = $1", {what.session},
                             [&](const store::Row& row) {
                               families.push_back(row.id<SessionId>(0));
                               return true;
                             });
      if (!listed) return listed;
      families.push_back(what.session);
      for (const SessionId id : families) {
        auto ended = end_in(tx, id, why);
        if (!ended) return ended;
      }
      object = what.session.text();
      break;
    }
    case Revocation::Scope::alone: {
      auto ended = end_in(tx, what.session, why);
      if (!ended) return ended;
      object = what.session.text();
      break;
    }
    case Revocation::Scope::user: {
      auto ended = end_all_in(tx, what.user, SessionId{}, false, why);
      if (!ended) return std::move(ended).error();
      object = what.user.text();
      break;
    }
    case Revocation::Scope::handle: {
      object = "handle " + hex(ByteView(what.handle).first(8));
      UserId owner;
      auto noted = note_end_in(tx, what.handle, why, now.wall);
      if (!noted) return noted;
      auto gone = tx.one("DELETE FROM session_handle WHERE hash = $1 RETURNING via, account", {what.handle},
                         [&](const store::Row& row) {
                           if (!row.text(0).empty()) object = row.text(0);
                           if (!row.null(1)) owner = row.id<UserId>(1);
                         });
      if (!gone) return std::move(gone).error();
      if (!owner.is_nil()) object = named(owner, by.user, std::move(object));
      auto heard = owner.is_nil() ? Result<void>{} : identity::changed_for_in(tx, kKeysTopic, owner);
      if (!heard) return heard;
      auto tokens = tx.query("DELETE FROM session_handle WHERE parent = $1 RETURNING hash", {what.handle}, [&](const store::Row& row) {
        tx.changed(kHandleTopic, row.blob(0));
        return true;
      });
      if (!tokens) return tokens;
      auto forgotten = tx.run("DELETE FROM api_key WHERE hash = $1", {what.handle});
      if (!forgotten) return std::move(forgotten).error();
      auto locked = lock_credential_in(tx, what.handle);
      if (!locked) return std::move(locked).error();
      tx.changed(kHandleTopic, what.handle);
      break;
    }
  }
  record(tx, audit::Kind::change, "session.revoke", Reason::ok, by, object, note, now);
  return {};
}

Result<void> Records::make_room_in(store::Tx& tx, std::string_view which, std::initializer_list<store::Param> params) const {
  std::vector<HandleKey> old;
  auto listed = tx.query("SELECT hash FROM session_handle WHERE " + std::string(which) + " ORDER BY created DESC", params,
                         [&](const store::Row& row) {
                           if (const auto key = digest_of(row.blob(0))) old.push_back(*key);
                           return true;
                         });
  if (!listed) return listed;
  for (std::size_t i = options_.max_tokens > 0 ? options_.max_tokens - 1 : 0; i < old.size(); ++i) {
    auto gone = tx.run("DELETE FROM session_handle WHERE hash = $1", {old[i]});
    if (!gone) return std::move(gone).error();
    auto locked = lock_credential_in(tx, old[i]);
    if (!locked) return locked;
    tx.changed(kHandleTopic, old[i]);
  }
  return {};
}

std::string Records::named(UserId owner, UserId by, std::string credential) const {
  if (owner == by) return credential;
  users_.read(owner, [&](const identity::User& u) {
    if (u.service) credential.insert(0, "service " + std::string(u.name.view()) + ", ");
  });
  return credential;
}

Result<void> Records::raise_mark_in(store::Tx& tx, Instant now) const {
  auto raised = tx.run(
      "INSERT INTO clock_mark (id, wall) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET wall = $1 "
      "WHERE clock_mark.wall < $1",
      {now.wall});
  if (!raised) return std::move(raised).error();
  if (*raised == 1 && options_.raise_mark) options_.raise_mark(now.wall);
  return {};
}

}  // namespace vestibule::session
