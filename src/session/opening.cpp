// A session in a write job: whether it stands, and how one is opened.
#include <algorithm>

#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {

Result<SessionEntry> Sessions::standing_in(store::Tx& tx, const Identified& who, Instant now) const {
  auto handle = records_.read_handle(tx, who.handle);
  if (!handle) return std::move(handle).error();
  const SessionId id = who.subject.session;
  if (!*handle || (*handle)->session != id || (*handle)->over(now)) return fail(Reason::credential_unknown);
  // Sessions, factors and passwords are changed by portal and CLI, never with an access-point token.
  if ((*handle)->audience != Audience::control) return fail(Reason::credential_audience);
  auto session = records_.read_session(tx, id);
  if (!session) return std::move(session).error();
  if (!*session || (*session)->user != who.subject.user) return fail(Reason::session_ended);
  if (auto live = memory_.live(id)) (*session)->live = std::move(live);
  const Reason times = check_times(**session, now);
  if (times != Reason::ok) return fail(times);
  if (denied_.covers(id, who.subject.user, who.handle)) return fail(Reason::session_ended);
  if (users_.standing(who.subject.user) != identity::Users::Standing::good) return fail(Reason::user_disabled);
  lapse((*session)->flags, (*session)->evidence, now);
  return std::move(**session);
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
    auto ended = records_.end_in(tx, others[i], Reason::session_revoked);
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
  auto proved = records_.put_proof(tx, out.session, proof);
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
    auto remembered = Records::prefer_in(tx, user, proof.kind);
    if (!remembered) return std::move(remembered).error();
  }
  auto preferred = Records::preferred_in(tx, user);
  if (!preferred) return std::move(preferred).error();
  out.preferred = *preferred;
  auto marked = records_.raise_mark_in(tx, now);
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
  records_.record(tx, audit::Kind::sign_in, "signin.start", Reason::ok, by, {}, note, now);
  return out;
}

}  // namespace vestibule::session
