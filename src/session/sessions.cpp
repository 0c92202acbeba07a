// The hot path: the verdicts on what memory holds of sessions and handles.
#include "session/sessions.hpp"

#include <algorithm>
#include <array>

#include "base/log.hpp"

namespace vestibule::session {
namespace {

constexpr Duration kNoteActivity = std::chrono::minutes(1);

BootTime boot_of(std::int64_t stored) { return BootTime(Duration(stored)); }

// "service NAME, key NAME", without a string of its own.
domain::Via service_via(std::string_view service, std::string_view key) noexcept {
  std::array<char, domain::Via::capacity> text;
  std::size_t n = 0;
  for (const std::string_view part : {std::string_view("service "), service, std::string_view(", "), key}) {
    n += part.copy(text.data() + n, text.size() - n);
  }
  return domain::Via(std::string_view(text.data(), n));
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
      records_(users, log, clock, options_),
      memory_(records_, options_),
      denied_(options_.denials) {}

Sessions::~Sessions() = default;

Result<std::unique_ptr<Sessions>> Sessions::open(store::Database& database, const crypto::HandleMint& mint,
                                                 identity::Users& users, factors::Factors& factors, audit::Log& log,
                                                 const Clock& clock, Rng& rng, Options options) {
  if (options.boot_id.empty()) return fail(Reason::config_invalid, "no boot id: boot times would mean nothing");
  std::unique_ptr<Sessions> s(new Sessions(database, mint, users, factors, log, clock, rng, std::move(options)));
  auto loaded = database.read_blocking([&](store::Tx& tx) { return s->memory_.open(tx); });
  if (!loaded) return std::move(loaded).error();
  s->denied_.take_up();
  database.listen([p = s.get()](store::Tx& tx, std::span<const store::Change> changes) { p->memory_.on_changes(tx, changes); });
  const auto end_all = [p = s.get()](store::Tx& tx, UserId user) -> Result<void> {
    auto ended = p->records_.end_all_in(tx, user, SessionId{}, false, Reason::session_revoked);
    if (!ended) return std::move(ended).error();
    return {};
  };
  users.on_remove(end_all);
  users.on_remove(remove_keys_in);
  users.on_remove([](store::Tx& tx, UserId user) -> Result<void> {
    auto gone = tx.run("DELETE FROM factor_preference WHERE account = $1", {user});
    if (!gone) return std::move(gone).error();
    return {};
  });
  users.on_disable(end_all);
  users.on_handover(lock_account_in);
  factors.on_disable(Records::drop_proofs_in);
  return s;
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

bool Sessions::denied(SessionId session, UserId user, SessionId parent, const HandleKey& handle) const noexcept {
  return denied_.covers(session, user, handle) || (!parent.is_nil() && denied_.covers_family_of(parent));
}

std::optional<HandleKey> Sessions::check_token(std::string_view token, Audience audience,
                                               Reason& reason) const noexcept {
  const crypto::HandlePrefix mine = audience == Audience::control ? crypto::kControlSession : crypto::kAccessToken;
  std::optional<HandleKey> key = mint_.check(token, mine);
  if (!key && audience == Audience::access) key = mint_.check(token, crypto::kApiKey);
  if (!key && audience == Audience::access) key = mint_.check(token, crypto::kChildToken);
  if (key) return key;
  reason = Reason::credential_malformed;
  for (const crypto::HandlePrefix other : {crypto::kControlSession, crypto::kAccessToken, crypto::kChildToken,
                                           crypto::kEnrolmentCode, crypto::kApiKey, crypto::kRefreshToken}) {
    if (!(other == mine) && mint_.check(token, other)) reason = Reason::credential_audience;
  }
  return std::nullopt;
}

/// What identification copies out of the entries: a copy of an entry itself would write what cores share.
struct Sessions::Basis {
  SessionId session;
  UserId user;
  Audience audience{};
  WallTime ends{};
  Reason verdict = Reason::ok;
  bool over = false;
  domain::Via via;
  Flags flags;
  domain::Evidence evidence, unlocked;
  UserId sponsor;  ///< of a service, when what is unlocked was read
  Bound bound;
  SessionId parent;
  std::optional<HandleKey> key;  ///< that a service's token was got with

  void take(const HandleEntry& h, const Presented& at, Instant now) noexcept {
    session = h.session;
    user = h.owner;
    audience = h.audience;
    ends = h.ends;
    over = h.over(now);
    flags.key = h.is_key();
    if (!h.grant) return;
    via = h.grant->via;
    flags.scoped = !h.grant->scope.anything();
    bound = h.grant->bound;
    key = h.grant->parent;
    // Where a key or certificate is shown with each request, it is that which an unlock is for, wherever it comes from.
    Presented from = at;
    if (bound.holder) from.key = SourceKey::of_key(bound.holder->digest);
    add_unlocked(unlocked, h.grant->unlocks, from, now);
    sponsor = h.grant->sponsor;
  }
  void take(const SessionEntry& s, Reason times) noexcept {
    const Flags own = flags;
    verdict = times;
    user = s.user;
    parent = s.parent;
    ends = std::min(ends, s.ends);
    evidence = s.evidence;
    flags = s.flags;
    flags.key = own.key;
    flags.scoped = own.scoped;
  }
};

Result<Identified> Sessions::judge(const Basis& basis, const HandleKey& key, Audience audience, Instant now) const noexcept {
  if (basis.audience != audience) return fail(Reason::credential_audience);
  if (denied(basis.session, basis.user, basis.parent, key)) return fail(Reason::credential_unknown);
  const HandleKey credential = basis.key.value_or(key);
  if (denied_.covers({}, {}, credential)) return fail(Reason::credential_unknown);
  // The session's own end is the better word where both are over.
  if (basis.verdict != Reason::ok) return fail(basis.verdict);
  if (basis.over) return fail(Reason::credential_unknown);
  Identified out;
  switch (users_.fill(basis.user, out.subject)) {
    case identity::Users::Standing::good: break;
    case identity::Users::Standing::disabled: return fail(Reason::user_disabled);
    case identity::Users::Standing::unknown: return fail(Reason::credential_unknown);
    case identity::Users::Standing::asleep: return fail(Reason::service_asleep);
  }
  out.subject.session = basis.session;
  out.subject.via = basis.via;
  if (is_service(out.subject)) {
    if (denied_.covers({}, out.subject.sponsor.user, {})) return fail(Reason::service_asleep);
    out.subject.via = service_via(out.subject.name.view(), basis.via.view());
  }
  out.evidence = basis.evidence;
  // Who has opened something for a service is not its owner: while a revocation waits for the store, it may be his.
  // Nor does anything of a former sponsor's time count, however late this memory learns that it has ended.
  const bool counts = !is_service(out.subject) || (!denied_.any() && basis.sponsor == out.subject.sponsor.user);
  if (counts) add_younger(out.evidence, basis.unlocked, now);
  out.session_ends = basis.ends;
  out.handle = key;
  out.credential = credential;
  out.flags = basis.flags;
  lapse(out.flags, out.evidence, now);
  out.bound = basis.bound;
  return out;
}

// A recovery code opens the management of factors for a time of its own, however long the session lives.
void Sessions::lapse(Flags& flags, const domain::Evidence& evidence, Instant now) const noexcept {
  const auto fresh = [&](const domain::Proof& p) { return p.kind == FactorKind::recovery_code && domain::age(p, now) <= options_.granted; };
  if (flags.factor_management && std::ranges::none_of(evidence, fresh)) flags.factor_management = false;
}

Result<Identified> Sessions::identify(std::string_view token, Audience audience, const Presented& at,
                                      Instant now) const noexcept {
  Reason reason = Reason::ok;
  const std::optional<HandleKey> key = check_token(token, audience, reason);
  if (!key) return fail(reason);
  Basis basis;
  if (!memory_.handles().read(*key, [&](const HandleEntry& h) { basis.take(h, at, now); })) return fail(Reason::credential_unknown);
  bool note = basis.flags.key;
  if (!basis.flags.key) {
    const bool there = memory_.sessions().read(basis.session, [&](const SessionEntry& s) {
      basis.take(s, check_times(s, now));
      note = elapsed(WallTime(Duration(s.live->wall.load(std::memory_order_relaxed))),
                     boot_of(s.live->boot.load(std::memory_order_relaxed)), now) > kNoteActivity;
    });
    if (!there) return fail(Reason::credential_unknown);
  }
  Result<Identified> out = judge(basis, *key, audience, now);
  if (!out || !note) return out;
  if (basis.flags.key) {
    memory_.handles().read(*key, [&](const HandleEntry& h) { memory_.note_use(h, at.source, now); });
  } else {
    memory_.sessions().read(basis.session, [&](const SessionEntry& s) { memory_.note_seen(s, now); });
  }
  return out;
}

bool Sessions::permits(const HandleKey& handle, const domain::Act& act, const domain::Source& source, Instant now,
                       policy::Known known) const noexcept {
  std::optional<WallTime> hour;
  if (clock_.trusted()) hour = now.wall;
  bool may = false;
  memory_.handles().read(handle, [&](const HandleEntry& h) { may = !h.grant || h.grant->scope.permits(act, source, hour, known); });
  return may;
}

bool Sessions::standing(SessionId session, UserId user, const HandleKey& key, Instant now) const noexcept {
  bool good = false;
  HandleKey credential = key;
  memory_.handles().read(key, [&](const HandleEntry& h) {
    good = h.session == session && (!h.is_key() || h.owner == user) && !h.over(now);
    if (h.grant && h.grant->parent) credential = *h.grant->parent;
  });
  if (!good || denied_.covers(session, user, key)) return false;
  if (session.is_nil() && denied_.any()) {
    domain::Subject who;
    static_cast<void>(users_.fill(user, who));  // its standing is looked at below
    if (denied_.covers({}, who.sponsor.user, credential)) return false;
  }
  if (!session.is_nil()) {
    good = false;
    SessionId parent;
    memory_.sessions().read(session, [&](const SessionEntry& s) {
      good = s.user == user && check_times(s, now) == Reason::ok;
      parent = s.parent;
    });
    good = good && !denied(session, user, parent, key);  // reads other tables
  }
  return good && users_.standing(user) == identity::Users::Standing::good;
}

bool Sessions::sponsor(const domain::Subject& service, domain::Subject& out) const noexcept {
  UserId present;
  users_.read(service.user, [&](const identity::User& u) { present = u.sponsor; });
  // Whoever it was when it asked answers for nothing any more.
  if (present != service.sponsor.user) return false;
  return users_.fill(service.sponsor.user, out) == identity::Users::Standing::good && !is_service(out);
}

std::optional<domain::Evidence> Sessions::evidence(SessionId session, Instant now) const noexcept {
  std::optional<domain::Evidence> out;
  UserId user;
  SessionId parent;
  memory_.sessions().read(session, [&](const SessionEntry& s) {
    user = s.user;
    parent = s.parent;
    if (check_times(s, now) == Reason::ok) out = s.evidence;
  });
  if (!out || denied(session, user, parent, HandleKey{}) || users_.standing(user) != identity::Users::Standing::good) {
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
  auto job = [this, what, by](store::Tx& tx) { return records_.revoke_in(tx, what, by, {}, Reason::session_revoked, clock_.now()); };
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
