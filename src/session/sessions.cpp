// Memory and the hot path: what is known of sessions and handles, and the verdicts.
#include "session/sessions.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "session/rows.hpp"

namespace vestibule::session {
namespace {

constexpr Duration kNoteActivity = std::chrono::minutes(1);

BootTime boot_of(std::int64_t stored) { return BootTime(Duration(stored)); }

/// The greater of both clocks' elapsed times, never negative (promise 3).
Duration elapsed(WallTime wall, BootTime boot, Instant now) {
  Duration out = std::max(now.wall - wall, Duration::zero());
  if (boot != domain::Proof::no_boot) out = std::max(out, now.boot - boot);
  return out;
}

}  // namespace

Sessions::Sessions(store::Database& database, const crypto::HandleMint& mint, identity::Users& users,
                   factors::Factors& factors, audit::Log& log, const Clock& clock, Rng& rng, Options options)
    : database_(database),
      mint_(mint),
      users_(users),
      factors_(factors),
      log_(log),
      clock_(clock),
      rng_(rng),
      options_(std::move(options)),
      denied_(options_.denials) {}

Sessions::~Sessions() = default;

Result<std::unique_ptr<Sessions>> Sessions::open(store::Database& database, const crypto::HandleMint& mint,
                                                 identity::Users& users, factors::Factors& factors, audit::Log& log,
                                                 const Clock& clock, Rng& rng, Options options) {
  if (options.boot_id.empty()) return fail(Reason::config_invalid, "no boot id: boot times would mean nothing");
  std::unique_ptr<Sessions> s(new Sessions(database, mint, users, factors, log, clock, rng, std::move(options)));
  auto loaded = database.read_blocking([&](store::Tx& tx) { return s->load(tx); });
  if (!loaded) return std::move(loaded).error();
  s->denied_.take_up();
  database.listen([p = s.get()](store::Tx& tx, std::span<const store::Change> changes) { p->on_changes(tx, changes); });
  const auto end_all = [p = s.get()](store::Tx& tx, UserId user) -> Result<void> {
    auto ended = p->end_all_in(tx, user, SessionId{}, false);
    if (!ended) return std::move(ended).error();
    return {};
  };
  users.on_remove(end_all);
  users.on_remove([](store::Tx& tx, UserId user) -> Result<void> {
    auto gone = tx.run("DELETE FROM factor_preference WHERE account = $1", {user});
    if (!gone) return std::move(gone).error();
    return {};
  });
  users.on_disable(end_all);
  factors.on_disable(drop_proofs_in);
  return s;
}

// --- memory: the feed's thread (or start-up)

Result<void> Sessions::load(store::Tx& tx) {
  std::vector<SessionId> ids;
  auto sessions = tx.query("SELECT id FROM session", {}, [&](const store::Row& row) {
    ids.push_back(row.id<SessionId>(0));
    return true;
  });
  if (!sessions) return sessions;
  std::vector<SessionId> gone;
  for (const auto& [id, kept] : kept_) {
    if (std::ranges::find(ids, id) == ids.end()) gone.push_back(id);
  }
  for (const SessionId id : gone) drop_session(id);
  for (const SessionId id : ids) {
    auto entry = read_session(tx, id);
    if (!entry) return std::move(entry).error();
    if (*entry) put_session(id, std::move(**entry));
  }
  std::vector<HandleKey> keys;
  auto handles = tx.query("SELECT hash FROM session_handle", {}, [&](const store::Row& row) {
    if (const auto key = digest_of(row.blob(0))) keys.push_back(*key);
    return true;
  });
  if (!handles) return handles;
  for (const HandleKey& key : keys) {
    auto entry = read_handle(tx, key);
    if (!entry) return std::move(entry).error();
    if (*entry) put_handle(key, **entry);
  }
  if (options_.raise_mark) {
    auto mark = tx.one("SELECT wall FROM clock_mark WHERE id = 1", {},
                       [&](const store::Row& row) { options_.raise_mark(row.time(0)); });
    if (!mark) return std::move(mark).error();
  }
  return {};
}

void Sessions::on_changes(store::Tx& tx, std::span<const store::Change> changes) {
  for (const store::Change& c : changes) {
    if (c.topic == kSessionTopic) {
      const auto id = SessionId::from(c.key);
      if (!id) {
        auto loaded = load(tx);
        if (!loaded) log::error("sessions could not be read again", {{"detail", loaded.error().detail}});
        continue;
      }
      auto entry = read_session(tx, *id);
      if (entry && *entry) {
        put_session(*id, std::move(**entry));
      } else {
        drop_session(*id);  // gone; and one that cannot be read is denied
      }
    } else if (c.topic == kHandleTopic) {
      const auto key = digest_of(c.key);
      if (!key) continue;
      auto entry = read_handle(tx, *key);
      if (entry && *entry) {
        put_handle(*key, **entry);
      } else {
        drop_handle(*key);
      }
    }
  }
}

void Sessions::put_session(SessionId id, SessionEntry entry) {
  Kept& kept = kept_[id];
  if (!kept.live) {
    kept.live = entry.live;
  } else {
    entry.live = kept.live;  // activity noted here is newer than the row
  }
  sessions_.put(id, std::move(entry));
  count_.store(kept_.size(), std::memory_order_relaxed);
}

void Sessions::put_handle(const HandleKey& key, const HandleEntry& entry) {
  const auto at = kept_.find(entry.session);
  if (at == kept_.end()) return;  // its session is gone
  if (std::ranges::find(at->second.handles, key) == at->second.handles.end()) at->second.handles.push_back(key);
  handles_.put(key, entry);
}

void Sessions::drop_session(SessionId id) {
  const auto at = kept_.find(id);
  if (at == kept_.end()) return;
  for (const HandleKey& key : at->second.handles) handles_.erase(key);
  sessions_.erase(id);
  kept_.erase(at);
  count_.store(kept_.size(), std::memory_order_relaxed);
}

void Sessions::drop_handle(const HandleKey& key) {
  SessionId session;
  handles_.read(key, [&](const HandleEntry& h) { session = h.session; });
  handles_.erase(key);
  const auto at = kept_.find(session);
  if (at != kept_.end()) std::erase(at->second.handles, key);
}

// --- verdicts

Reason Sessions::check_times(const SessionEntry& s, Instant now) const noexcept {
  Live& live = *s.live;
  const Reason over = live.over.load(std::memory_order_relaxed);
  if (over != Reason::ok) return over;
  Reason reason = Reason::ok;
  if (now.wall > s.ends || elapsed(s.created, s.created_boot, now) > s.ends - s.created) {
    reason = Reason::session_ended;
  } else if (elapsed(WallTime(Duration(live.wall.load(std::memory_order_relaxed))),
                     boot_of(live.boot.load(std::memory_order_relaxed)), now) > options_.idle) {
    reason = Reason::session_idle;
  }
  // Once over, over for good: a clock set back brings nothing to life. (Not so for a session that is
  // waiting for its second factor: a step-up under way may still move its end.)
  if (reason == Reason::session_idle || (reason == Reason::session_ended && !s.flags.pending)) {
    live.over.store(reason, std::memory_order_relaxed);
  }
  return reason;
}

bool Sessions::handle_over(const HandleEntry& h, Instant now) const noexcept {
  return now.wall > h.ends || elapsed(h.created, h.created_boot, now) > h.ends - h.created;
}

std::optional<HandleKey> Sessions::check_token(std::string_view token, Audience audience,
                                               Reason& reason) const noexcept {
  const crypto::HandlePrefix mine = audience == Audience::control ? crypto::kControlSession : crypto::kAccessToken;
  std::optional<HandleKey> key = mint_.check(token, mine);
  if (key) return key;
  reason = Reason::credential_malformed;
  for (const crypto::HandlePrefix other : {crypto::kControlSession, crypto::kAccessToken, crypto::kChildToken,
                                           crypto::kEnrolmentCode, crypto::kApiKey}) {
    if (!(other == mine) && mint_.check(token, other)) reason = Reason::credential_audience;
  }
  return std::nullopt;
}

Result<Identified> Sessions::identify(std::string_view token, Audience audience, Instant now) const noexcept {
  Reason reason = Reason::ok;
  const std::optional<HandleKey> key = check_token(token, audience, reason);
  if (!key) return fail(reason);
  HandleEntry handle;
  if (!handles_.read(*key, [&](const HandleEntry& h) { handle = h; })) return fail(Reason::credential_unknown);
  if (handle.audience != audience) return fail(Reason::credential_audience);
  Identified out;
  UserId user;
  bool note = false;
  const bool there = sessions_.read(handle.session, [&](const SessionEntry& s) {
    reason = check_times(s, now);
    user = s.user;
    out.evidence = s.evidence;
    out.flags = s.flags;
    out.session_ends = std::min(s.ends, handle.ends);
    note = elapsed(WallTime(Duration(s.live->wall.load(std::memory_order_relaxed))),
                   boot_of(s.live->boot.load(std::memory_order_relaxed)), now) > kNoteActivity;
  });
  if (!there || denied_.covers(handle.session, user, *key)) return fail(Reason::credential_unknown);
  // The session's own end is the better word where both are over.
  if (reason != Reason::ok) return fail(reason);
  if (handle_over(handle, now)) return fail(Reason::credential_unknown);
  switch (users_.fill(user, out.subject)) {
    case identity::Users::Standing::good: break;
    case identity::Users::Standing::disabled: return fail(Reason::user_disabled);
    case identity::Users::Standing::unknown: return fail(Reason::credential_unknown);
  }
  out.subject.session = handle.session;
  out.handle = *key;
  if (note) {
    sessions_.read(handle.session, [&](const SessionEntry& s) {
      s.live->wall.store(now.wall.time_since_epoch().count(), std::memory_order_relaxed);
      s.live->boot.store(now.boot.time_since_epoch().count(), std::memory_order_relaxed);
      s.live->dirty.store(true, std::memory_order_release);
    });
  }
  return out;
}

net::Task<Result<Identified>> Sessions::identify_slow(Secret token, Audience audience, Instant now) const {
  Result<Identified> hot = identify(token.reveal_text(), audience, now);
  if (hot || hot.error().code != Reason::credential_unknown) co_return hot;
  Reason reason = Reason::ok;
  const std::optional<HandleKey> key = check_token(token.reveal_text(), audience, reason);
  if (!key) co_return fail(reason);
  struct Found {
    HandleEntry handle;
    SessionEntry session;
  };
  auto job = [this, k = *key](store::Tx& tx) -> Result<Found> {
    auto handle = read_handle(tx, k);
    if (!handle) return std::move(handle).error();
    if (!*handle) return fail(Reason::credential_unknown);
    auto session = read_session(tx, (*handle)->session);
    if (!session) return std::move(session).error();
    if (!*session) return fail(Reason::credential_unknown);
    return Found{**handle, std::move(**session)};
  };
  Result<Found> found = co_await database_.read(std::move(job));
  if (!found) co_return std::move(found).error();
  const HandleEntry& handle = found->handle;
  if (handle.audience != audience) co_return fail(Reason::credential_audience);
  if (denied_.covers(handle.session, found->session.user, *key)) co_return fail(Reason::credential_unknown);
  reason = check_times(found->session, now);
  if (reason != Reason::ok) co_return fail(reason);
  if (handle_over(handle, now)) co_return fail(Reason::credential_unknown);
  Identified out;
  switch (users_.fill(found->session.user, out.subject)) {
    case identity::Users::Standing::good: break;
    case identity::Users::Standing::disabled: co_return fail(Reason::user_disabled);
    case identity::Users::Standing::unknown: co_return fail(Reason::credential_unknown);
  }
  out.subject.session = handle.session;
  out.evidence = found->session.evidence;
  out.session_ends = std::min(found->session.ends, handle.ends);
  out.handle = *key;
  out.flags = found->session.flags;
  co_return out;
}

bool Sessions::standing(SessionId session, UserId user, const HandleKey& key, Instant now) const noexcept {
  bool good = false;
  handles_.read(key, [&](const HandleEntry& h) { good = h.session == session && !handle_over(h, now); });
  if (!good || denied_.covers(session, user, key)) return false;
  good = false;
  sessions_.read(session,
                 [&](const SessionEntry& s) { good = s.user == user && check_times(s, now) == Reason::ok; });
  return good && users_.standing(user) == identity::Users::Standing::good;
}

std::optional<domain::Evidence> Sessions::evidence(SessionId session, Instant now) const noexcept {
  std::optional<domain::Evidence> out;
  UserId user;
  sessions_.read(session, [&](const SessionEntry& s) {
    user = s.user;
    if (check_times(s, now) == Reason::ok) out = s.evidence;
  });
  if (!out || denied_.covers(session, user, HandleKey{}) || users_.standing(user) != identity::Users::Standing::good) {
    return std::nullopt;
  }
  return out;
}

// --- revocation

void Sessions::on_deny(std::function<void(const Revocation&)> listener) {
  deny_listeners_.push_back(std::move(listener));
}

void Sessions::deny(const Revocation& what) { deny_by(what, Actor{}); }

void Sessions::deny_by(const Revocation& what, const Actor& by) {
  denied_.add(what, by);
  for (const auto& listener : deny_listeners_) listener(what);
}

net::Task<Sessions::Revoked> Sessions::revoke(Revocation what, Actor by) {
  deny_by(what, by);
  auto job = [this, what, by](store::Tx& tx) { return revoke_in(tx, what, by, {}, clock_.now()); };
  Result<void> done = co_await database_.write(std::move(job));
  if (!done) {
    log::error("a revocation is not stored yet: the store cannot be written", {{"detail", done.error().detail}});
    co_await denied_.keep(what, std::move(by));
    co_return Revoked{false};
  }
  denied_.lift(what);
  co_return Revoked{true};
}

}  // namespace vestibule::session
