// Rows: what write jobs do to them.
#include <algorithm>

#include "identity/tending.hpp"
#include "session/endings.hpp"
#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {

void Sessions::record(store::Tx& tx, audit::Kind kind, std::string_view operation, Reason reason, const Actor& by,
                      std::string_view object, std::string_view note, Instant now) const {
  audit::Record r = identity::change_record(operation, by, object, note, now);
  r.kind = kind;
  r.outcome = reason == Reason::ok ? domain::Outcome::allow : domain::Outcome::deny;
  r.reason = reason;
  r.level = domain::level(by.evidence, now, clock_.trusted(), options_.overall);
  log_.append(tx, r);
}

Result<SessionEntry> Sessions::standing_in(store::Tx& tx, const Identified& who, Instant now) const {
  auto handle = read_handle(tx, who.handle);
  if (!handle) return std::move(handle).error();
  const SessionId id = who.subject.session;
  if (!*handle || (*handle)->session != id || (*handle)->over(now)) return fail(Reason::credential_unknown);
  // Sessions, factors and passwords are changed by portal and CLI, never with an access-point token.
  if ((*handle)->audience != Audience::control) return fail(Reason::credential_audience);
  auto session = read_session(tx, id);
  if (!session) return std::move(session).error();
  if (!*session || (*session)->user != who.subject.user) return fail(Reason::session_ended);
  const auto at = kept_.find(id);
  if (at != kept_.end()) (*session)->live = at->second.live;
  const Reason times = check_times(**session, now);
  if (times != Reason::ok) return fail(times);
  if (denied_.covers(id, who.subject.user, who.handle)) return fail(Reason::session_ended);
  if (users_.standing(who.subject.user) != identity::Users::Standing::good) return fail(Reason::user_disabled);
  return std::move(**session);
}

Result<void> Sessions::put_proof(store::Tx& tx, SessionId id, const domain::Proof& p) const {
  auto put = tx.run(
      "INSERT INTO session_proof (session, factor, kind, traits, wall, boot, boot_id) VALUES ($1, $2, $3, $4, $5, $6, "
      "$7) ON CONFLICT (session, factor, kind) DO UPDATE SET traits = $4, wall = $5, boot = $6, boot_id = $7",
      {id, p.factor, p.kind, encode(p.traits), p.wall, p.boot.time_since_epoch().count(), options_.boot_id});
  if (!put) return std::move(put).error();
  return {};
}

Result<void> Sessions::drop_proofs_in(store::Tx& tx, FactorId factor) {
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

Result<SignedIn> Sessions::open_in(store::Tx& tx, UserId user, const domain::Proof& proof, Opening opening, Actor by,
                                   Instant now) {
  // The oldest give way, half-finished ones first: somebody who keeps signing in must not fill the table,
  // and with the password alone must not push out who has a second factor.
  std::vector<SessionId> others;
  auto listed = tx.query("SELECT id FROM session WHERE account = $1 ORDER BY pending, last_seen DESC", {user},
                         [&](const store::Row& row) {
                           others.push_back(row.id<SessionId>(0));
                           return true;
                         });
  if (!listed) return std::move(listed).error();
  for (std::size_t i = options_.max_sessions > 0 ? options_.max_sessions - 1 : 0; i < others.size(); ++i) {
    auto ended = end_in(tx, others[i], Reason::session_revoked);
    if (!ended) return std::move(ended).error();
  }
  SignedIn out;
  out.session = SessionId::make(rng_);
  out.user = user;
  out.pending = opening != Opening::whole;
  by.evidence.add(proof);
  switch (opening) {
    case Opening::first_factor: out.ends = now.wall + options_.pending; break;
    case Opening::granted: out.ends = now.wall + options_.granted; break;
    case Opening::whole:
      out.ends = now.wall + options_.overall;
      if (domain::level(by.evidence, now, true, options_.overall) >= 3) {
        out.ends = now.wall + std::min(options_.overall, options_.overall_level3);
      }
      break;
  }
  const std::int64_t boot = now.boot.time_since_epoch().count();
  const std::string client = by.client.substr(0, 128);
  auto put = tx.run(
      "INSERT INTO session (id, account, source, client, created, created_boot, boot_id, ends, last_seen, seen_boot, "
      "seen_boot_id, enrol_grant, factor_management, pending) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $5, $6, $7, $9, 0, $10)",
      {out.session, user, by.source.text(), client, now.wall, boot, options_.boot_id, out.ends,
       opening == Opening::granted ? 1 : 0, out.pending ? 1 : 0});
  if (!put) return std::move(put).error();
  auto proved = put_proof(tx, out.session, proof);
  if (!proved) return std::move(proved).error();
  crypto::Handle handle = mint_.make(crypto::kControlSession, rng_);
  auto named = tx.run(
      "INSERT INTO session_handle (hash, session, audience, created, created_boot, boot_id, ends) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      {handle.hash, out.session, Audience::control, now.wall, boot, options_.boot_id, now.wall + options_.overall});
  if (!named) return std::move(named).error();
  out.handle = std::move(handle.text);
  auto listed_factors = factors_.list_in(tx, user);
  if (!listed_factors) return std::move(listed_factors).error();
  for (const factors::KindInfo& k : factors_.kinds()) {
    const auto same = [&](const factors::FactorInfo& f) { return f.kind == k.kind && !f.disabled; };
    if (k.strong && std::ranges::any_of(*listed_factors, same)) out.second.push_back(k.kind);
  }
  if (opening == Opening::whole) {
    auto remembered = prefer_in(tx, user, proof.kind);
    if (!remembered) return std::move(remembered).error();
  }
  auto preferred = preferred_in(tx, user);
  if (!preferred) return std::move(preferred).error();
  out.preferred = *preferred;
  auto marked = raise_mark_in(tx, now);
  if (!marked) return std::move(marked).error();
  tx.changed(kSessionTopic, out.session.bytes);
  tx.changed(kListTopic, user.bytes);
  tx.changed(kHandleTopic, handle.hash);
  by.user = user;
  by.session = out.session;
  std::string_view note;
  switch (opening) {
    case Opening::first_factor: break;
    case Opening::granted: note = "may enrol the first factor"; break;
    case Opening::whole: note = "by a passkey alone"; break;
  }
  record(tx, audit::Kind::sign_in, "signin.start", Reason::ok, by, {}, note, now);
  return out;
}

Result<domain::Evidence> Sessions::add_proof_in(store::Tx& tx, SessionId id, SessionEntry session,
                                                const domain::Proof& proof, Instant now) {
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

Result<void> Sessions::end_in(store::Tx& tx, SessionId id, Reason why) const {
  auto noted = note_end_in(tx, id, why, clock_.wall());
  if (!noted) return noted;
  for (const std::string_view sql :
       {"DELETE FROM session_handle WHERE session = $1 AND account IS NULL",
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

Result<std::int64_t> Sessions::end_all_in(store::Tx& tx, UserId user, SessionId but, bool pending_only,
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

Result<void> Sessions::revoke_in(store::Tx& tx, const Revocation& what, const Actor& by, std::string_view note,
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

Result<void> Sessions::make_room_in(store::Tx& tx, std::string_view which, std::initializer_list<store::Param> params) const {
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
    tx.changed(kHandleTopic, old[i]);
  }
  return {};
}

std::string Sessions::named(UserId owner, UserId by, std::string credential) const {
  if (owner == by) return credential;
  users_.read(owner, [&](const identity::User& u) {
    if (u.service) credential.insert(0, "service " + std::string(u.name.view()) + ", ");
  });
  return credential;
}

Result<void> Sessions::raise_mark_in(store::Tx& tx, Instant now) const {
  auto raised = tx.run(
      "INSERT INTO clock_mark (id, wall) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET wall = $1 "
      "WHERE clock_mark.wall < $1",
      {now.wall});
  if (!raised) return std::move(raised).error();
  if (*raised == 1 && options_.raise_mark) options_.raise_mark(now.wall);
  return {};
}

}  // namespace vestibule::session
