// Token families: what a person lets a client have is a session of its own, worth what was proved when it
// was opened and never more.
#include <algorithm>

#include "session/flow.hpp"
#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
namespace {

constexpr std::size_t kMaxFamilies = 32;  // a user; beside the sessions in which he sits himself

}  // namespace

Result<SessionEntry> Sessions::standing_session_in(store::Tx& tx, SessionId id, Instant now) {
  auto session = records_.read_session(tx, id);
  if (!session) return std::move(session).error();
  if (!*session) return fail(Reason::session_ended);
  if (auto live = memory_.live(id)) (*session)->live = std::move(live);
  const Reason times = check_times(**session, now);
  if (times != Reason::ok) return fail(times);
  if (denied(id, (*session)->user, (*session)->parent, HandleKey{})) return fail(Reason::session_ended);
  if (users_.standing((*session)->user) != identity::Users::Standing::good) return fail(Reason::user_disabled);
  return std::move(**session);
}

Result<domain::Evidence> Sessions::evidence_in(store::Tx& tx, SessionId id, Instant now) {
  auto session = standing_session_in(tx, id, now);
  if (!session) return std::move(session).error();
  return session->evidence;
}

Result<SessionId> Sessions::open_family_in(store::Tx& tx, const FamilyWish& wish, const Actor& by, Instant now) {
  auto parent = standing_session_in(tx, wish.parent, now);
  if (!parent) return std::move(parent).error();
  if (parent->user != wish.user || !parent->parent.is_nil()) return fail(Reason::session_ended);
  if (parent->flags.pending) return fail(Reason::mfa_required, "sign-in is not finished");
  // The one used longest ago gives way: a client that asks again and again fills nothing.
  std::vector<SessionId> others;
  auto listed = tx.query(
      "SELECT session.id FROM session JOIN session_family ON session_family.session = session.id "
      "WHERE session.account = $1 ORDER BY session.last_seen DESC",
      {wish.user}, [&](const store::Row& row) {
        others.push_back(row.id<SessionId>(0));
        return true;
      });
  if (!listed) return std::move(listed).error();
  for (std::size_t i = kMaxFamilies - 1; i < others.size(); ++i) {
    auto ended = records_.end_in(tx, others[i], Reason::session_revoked);
    if (!ended) return std::move(ended).error();
  }
  const SessionId id = SessionId::make(rng_);
  // By both clocks: what is left of the parent, not what its end says after the clock was set back.
  const Duration used = std::max(now.wall - parent->created,
                                 parent->created_boot == domain::Proof::no_boot ? Duration::zero() : now.boot - parent->created_boot);
  const WallTime ends = std::min(parent->ends, now.wall + (parent->ends - parent->created - used));
  const std::string client = wish.client.substr(0, 128);
  auto put = tx.run(
      "INSERT INTO session (id, account, source, client, created, created_boot, boot_id, ends, last_seen, seen_boot, "
      "seen_boot_id, enrol_grant, factor_management, pending) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $5, $6, $7, 0, 0, 0)",
      {id, wish.user, by.source.text(), client, now.wall, now.boot.time_since_epoch().count(), options_.boot_id, ends});
  if (!put) return std::move(put).error();
  auto proofs = tx.run(
      "INSERT INTO session_proof (session, factor, kind, traits, wall, boot, boot_id) "
      "SELECT $1, factor, kind, traits, wall, boot, boot_id FROM session_proof WHERE session = $2",
      {id, wish.parent});
  if (!proofs) return std::move(proofs).error();
  const std::string_view point = wish.access_point;
  auto bound = wish.key ? tx.run("INSERT INTO session_family (session, parent, access_point, key) VALUES ($1, $2, $3, $4)",
                                 {id, wish.parent, point, *wish.key})
                        : tx.run("INSERT INTO session_family (session, parent, access_point, key) VALUES ($1, $2, $3, NULL)",
                                 {id, wish.parent, point});
  if (!bound) return std::move(bound).error();
  auto marked = records_.raise_mark_in(tx, now);
  if (!marked) return std::move(marked).error();
  tx.changed(kSessionTopic, id.bytes);
  tx.changed(kListTopic, wish.user.bytes);
  Actor self = by;
  self.user = wish.user;
  users_.read(wish.user, [&](const identity::User& u) { self.name = u.name; });
  self.session = id;
  self.evidence = parent->evidence;
  records_.record(tx, audit::Kind::sign_in, "client.allow", Reason::ok, self, client, point, now);
  return id;
}

Result<IssuedToken> Sessions::issue_family_token_in(store::Tx& tx, SessionId family, Duration ttl, Actor by, Instant now) {
  auto session = standing_session_in(tx, family, now);
  if (!session) return std::move(session).error();
  if (session->parent.is_nil()) return fail(Reason::session_ended);
  auto room = records_.make_room_in(tx, "session = $1 AND via NOT LIKE 'agent %'", {family});
  if (!room) return std::move(room).error();
  crypto::Handle handle = mint_.make(crypto::kAccessToken, rng_);
  const WallTime ends = std::min(now.wall + std::min(ttl, options_.token_ttl), session->ends);
  auto put = tx.run(
      "INSERT INTO session_handle (hash, session, audience, created, created_boot, boot_id, ends, via) "
      "SELECT $1, $2, $3, $4, $5, $6, $7, 'client ' || client FROM session WHERE id = $2",
      {handle.hash, family, Audience::access, now.wall, now.boot.time_since_epoch().count(), options_.boot_id, ends});
  if (!put) return std::move(put).error();
  tx.changed(kHandleTopic, handle.hash);
  by.user = session->user;
  users_.read(session->user, [&](const identity::User& u) { by.name = u.name; });
  by.session = family;
  by.evidence = session->evidence;
  const std::string object = "handle " + hex(ByteView(handle.hash).first(8));
  records_.record(tx, audit::Kind::sign_in, "token.issue", Reason::ok, by, object, {}, now);
  return IssuedToken{std::move(handle.text), ends};
}

Result<Delegated> Sessions::delegate_family_in(store::Tx& tx, SessionId family, const DelegationWish& wish, const Actor& by, Instant now) {
  if (!good_agent_name(wish.agent)) {
    return fail(Reason::invalid_argument, "agent: 1 to 48 letters, digits, dots, dashes and underscores");
  }
  auto session = standing_session_in(tx, family, now);
  if (!session) return std::move(session).error();
  if (session->parent.is_nil()) return fail(Reason::session_ended);
  std::int64_t living = 0;
  auto counted = tx.one("SELECT COUNT(*) FROM session_handle WHERE session = $1 AND via LIKE 'agent %' AND ends > $2", {family, now.wall},
                        [&](const store::Row& row) { living = row.integer(0); });
  if (!counted) return std::move(counted).error();
  // Not the oldest gives way: it is at work.
  if (living >= static_cast<std::int64_t>(options_.max_tokens)) return fail(Reason::conflict, "too many agents of this login are at work: revoke one");
  const std::string via = "agent " + wish.agent;
  crypto::Handle handle = mint_.make(crypto::kChildToken, rng_);
  const WallTime ends = std::min(now.wall + std::min(wish.ttl, options_.token_ttl), session->ends);
  auto put = tx.run(
      "INSERT INTO session_handle (hash, session, audience, created, created_boot, boot_id, ends, via, scope) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
      {handle.hash, family, Audience::access, now.wall, now.boot.time_since_epoch().count(), options_.boot_id, ends,
       std::string_view(via), std::string_view(wish.scope.text())});
  if (!put) return std::move(put).error();
  tx.changed(kHandleTopic, handle.hash);
  tx.changed(kListTopic, session->user.bytes);
  Actor self = by;
  self.user = session->user;
  users_.read(session->user, [&](const identity::User& u) { self.name = u.name; });
  self.session = family;
  self.evidence = session->evidence;
  const std::string note = "handle " + hex(ByteView(handle.hash).first(8)) + ", " + wish.scope.text();
  records_.record(tx, audit::Kind::sign_in, "delegation.make", Reason::ok, self, via, note, now);
  return Delegated{handle.hash, std::move(handle.text), ends};
}

Result<void> Sessions::end_family_in(store::Tx& tx, SessionId family, const Actor& by, std::string_view note,
                                     Reason why, Instant now) const {
  return records_.revoke_in(tx, Revocation::of(family), by, note, why, now);
}

net::Task<Sessions::Revoked> Sessions::sign_out(SessionId session, Actor by) {
  Revocation what = Revocation::alone(session);
  Revoked done = co_await revoke(what, std::move(by));
  co_return done;
}

}  // namespace vestibule::session
