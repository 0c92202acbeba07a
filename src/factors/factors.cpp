#include "factors/factors.hpp"

#include <algorithm>

#include "factors/kinds.hpp"

namespace vestibule::factors {
namespace {

constexpr std::size_t kRecoveryCodes = 10;
constexpr std::size_t kMaxFactorLabel = 64;
constexpr std::int64_t kEnrolmentTries = 10;
constexpr int kMostFailures = 100;  // SP 800-63B-4 section 3.2.2

Error moved(auto& result) { return std::move(result).error(); }

Enrolled enrolled_from(const store::Row& row) {
  Enrolled e;
  e.id = row.id<FactorId>(0);
  e.user = row.id<UserId>(1);
  e.parameters = row.integer(2);
  e.last_step = row.integer(3);
  e.drift = row.integer(4);
  const ByteView sealed = row.null(5) ? ByteView{} : row.blob(5);
  e.sealed.assign(sealed.begin(), sealed.end());
  return e;
}

bool knows(const domain::Evidence& evidence, UserId user) {
  return std::any_of(evidence.begin(), evidence.end(), [&](const domain::Proof& p) {
    return p.traits.knowledge && p.factor == identity::password_factor(user);
  });
}

bool good_label(std::string_view label) { return label.size() <= kMaxFactorLabel && is_utf8(label); }

}  // namespace

Factors::Factors(store::Database& database, const crypto::KeyRing& keys, identity::Users& users, audit::Log& log,
                 const Clock& clock, Rng& rng, Options options)
    : database_(database), keys_(keys), users_(users), log_(log), clock_(clock), rng_(rng), options_(std::move(options)) {
  options_.disable_after = std::clamp(options_.disable_after, 1, kMostFailures);
  options_.failures_per_back_off = std::max(options_.failures_per_back_off, 1);
  kinds_.push_back(std::make_unique<TotpKind>(keys, rng, options_.issuer, options_.totp));
  auto recovery = std::make_unique<RecoveryKind>(keys.derive("recovery-codes/v1"));
  recovery_ = recovery.get();
  kinds_.push_back(std::move(recovery));
}

Factors::~Factors() = default;

Result<std::unique_ptr<Factors>> Factors::open(store::Database& database, const crypto::KeyRing& keys,
                                               identity::Users& users, audit::Log& log, const Clock& clock, Rng& rng,
                                               Options options) {
  if (options.totp.digits != 6 && options.totp.digits != 8) {
    return fail(Reason::config_invalid, "codes have 6 or 8 digits");
  }
  std::unique_ptr<Factors> factors(new Factors(database, keys, users, log, clock, rng, std::move(options)));
  users.on_remove([](store::Tx& tx, UserId user) { return delete_rows(tx, user); });
  return factors;
}

Kind* Factors::kind_of(FactorKind wanted) const noexcept {
  for (const auto& k : kinds_) {
    if (k->describe().kind == wanted) return k.get();
  }
  return nullptr;
}

std::vector<KindInfo> Factors::kinds() const {
  std::vector<KindInfo> out;
  for (const auto& k : kinds_) out.push_back(k->describe());
  return out;
}

void Factors::record(store::Tx& tx, audit::Kind kind, std::string_view operation, Reason reason, const Actor& by,
                     std::string_view object, std::string_view note, Instant now) const {
  audit::Record r = identity::change_record(operation, by, object, note, now);
  r.kind = kind;
  r.outcome = reason == Reason::ok ? domain::Outcome::allow : domain::Outcome::deny;
  r.reason = reason;
  log_.append(tx, r);
}

// --- proving

WallTime Factors::lock_from(std::int64_t failures, WallTime now) const noexcept {
  WallTime until{};
  if (failures % options_.failures_per_back_off == 0) {
    Duration wait = options_.first_back_off;
    for (std::int64_t i = failures / options_.failures_per_back_off; i > 1 && wait < options_.most_back_off; --i) {
      wait *= 2;
    }
    until = now + std::min(wait, options_.most_back_off);
  }
  if (options_.lock_after > 0 && failures % options_.lock_after == 0) {
    until = std::max(until, now + options_.lock_for);
  }
  return until;
}

Result<Charged> Factors::charge_in(store::Tx& tx, Attempt attempt, Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  const UserId user = attempt.by.user;
  if (!knows(attempt.by.evidence, user)) return fail(Reason::mfa_required, "the first factor comes first");
  if (kind_of(attempt.kind) == nullptr) return fail(Reason::factor_missing, "no such kind");
  std::vector<FactorId> candidates;
  auto found = tx.query("SELECT id FROM factor WHERE account = $1 AND kind = $2 AND confirmed = 1 ORDER BY created",
                        {user, attempt.kind}, [&](const store::Row& row) {
                          const FactorId id = row.id<FactorId>(0);
                          if (attempt.factor.is_nil() || attempt.factor == id) candidates.push_back(id);
                          return true;
                        });
  if (!found) return moved(found);
  if (candidates.empty()) return fail(Reason::factor_missing);
  Charged charged(std::move(attempt));
  charged.locks_ = true;
  for (const FactorId id : candidates) {
    std::int64_t failures = 0;
    auto counted = tx.one(
        "UPDATE factor SET failures = failures + 1 WHERE id = $1 AND disabled = 0 AND locked_until <= $2 "
        "RETURNING failures",
        {id, now.wall}, [&](const store::Row& row) { failures = row.integer(0); });
    if (!counted) return moved(counted);
    if (!*counted) continue;  // locked
    charged.factors_.push_back(id);
    const bool last = failures >= options_.disable_after;
    const WallTime until = lock_from(failures, now.wall);
    if (!last && until == WallTime{}) {
      charged.locks_ = false;
      continue;
    }
    auto locked = tx.run("UPDATE factor SET locked_until = $2, disabled = $3 WHERE id = $1", {id, until, last ? 1 : 0});
    if (!locked) return moved(locked);
  }
  if (charged.factors_.empty()) return fail(Reason::factor_locked);
  return charged;
}

net::Task<Result<Charged>> Factors::charge(Attempt attempt) {
  auto job = [this, a = std::move(attempt)](store::Tx& tx) mutable {
    return charge_in(tx, std::move(a), clock_.now());
  };
  auto charged = co_await database_.write(std::move(job));
  co_return charged;
}

Result<domain::Proof> Factors::prove_in(store::Tx& tx, Charged charged, Instant now) {
  const Attempt& a = charged.attempt_;
  Kind* const kind = kind_of(a.kind);
  if (kind == nullptr) return fail(Reason::factor_missing);
  Reason reason = Reason::code_wrong;
  Bytes challenge;
  bool answered = true;
  if (kind->describe().challenge) {
    auto taken = tx.one(
        "DELETE FROM factor_challenge WHERE id = $1 AND account = $2 AND kind = $3 AND purpose = $4 AND expires >= $5 "
        "RETURNING payload",
        {a.challenge, a.by.user, a.kind, crypto::sha256(as_bytes(a.purpose)), now.wall}, [&](const store::Row& row) {
          const ByteView payload = row.blob(0);
          challenge.assign(payload.begin(), payload.end());
        });
    if (!taken) return moved(taken);
    answered = *taken;
  }
  FactorId matched{};
  for (const FactorId id : charged.factors_) {
    if (!answered || !matched.is_nil()) break;
    Enrolled e;
    auto found = tx.one(
        "SELECT id, account, parameters, last_step, drift, sealed FROM factor WHERE id = $1 AND account = $2 AND "
        "confirmed = 1",
        {id, a.by.user}, [&](const store::Row& row) { e = enrolled_from(row); });
    if (!found) return moved(found);
    if (!*found) continue;  // removed meanwhile
    auto verified = kind->verify(tx, e, challenge, a.answer.reveal_text(), now);
    if (verified) {
      matched = id;
    } else if (verified.error().code == Reason::code_used) {
      reason = Reason::code_used;
    } else if (verified.error().code != Reason::code_wrong) {
      return moved(verified);
    }
  }
  const std::string note = charged.locks_ && matched.is_nil() ? "for " + a.purpose + "; the factor is locked now"
                                                              : "for " + a.purpose;
  if (matched.is_nil()) {
    record(tx, audit::Kind::sign_in, "factor.prove", reason, a.by, domain::name(a.kind), note, now);
    return fail(reason);
  }
  for (const FactorId id : charged.factors_) {
    // The one that answered is as new; the others were charged for this attempt only.
    auto refunded = tx.run(id == matched ? "UPDATE factor SET failures = 0, locked_until = 0, disabled = 0 WHERE id = $1"
                                         : "UPDATE factor SET failures = failures - 1, locked_until = 0, disabled = 0 "
                                           "WHERE id = $1 AND failures > 0",
                           {id});
    if (!refunded) return moved(refunded);
  }
  const domain::Proof proof{a.kind, kind->describe().traits, matched, now.wall, now.boot};
  Actor by = a.by;
  by.evidence.add(proof);
  record(tx, audit::Kind::sign_in, "factor.prove", Reason::ok, by, matched.text(), note, now);
  return proof;
}

net::Task<Result<Factors::Challenge>> Factors::begin(UserId user, FactorKind kind, std::string purpose) {
  auto job = [this, user, kind, p = std::move(purpose)](store::Tx& tx) -> Result<Challenge> {
    Kind* const k = kind_of(kind);
    if (k == nullptr) return fail(Reason::factor_missing);
    const Instant now = clock_.now();
    const Digest binding = crypto::sha256(as_bytes(p));
    auto payload = k->begin(user, binding, now);
    if (!payload) return moved(payload);
    Challenge c{ChallengeId::make(rng_), std::move(*payload), now.wall + options_.challenge_ttl};
    auto put = tx.run(
        "INSERT INTO factor_challenge (id, account, kind, purpose, payload, expires) VALUES ($1, $2, $3, $4, $5, $6)",
        {c.id, user, kind, binding, c.payload, c.expires});
    if (!put) return moved(put);
    return c;
  };
  auto made = co_await database_.write(std::move(job));
  co_return made;
}

// --- enrolment

Result<std::int64_t> Factors::count_strong(store::Tx& tx, UserId user) const {
  std::int64_t n = 0;
  auto counted = tx.query("SELECT kind FROM factor WHERE account = $1 AND confirmed = 1", {user},
                          [&](const store::Row& row) {
                            const Kind* const k = kind_of(static_cast<FactorKind>(row.integer(0)));
                            if (k != nullptr && k->describe().strong) ++n;
                            return true;
                          });
  if (!counted) return moved(counted);
  return n;
}

Result<PendingEnrolment> Factors::begin_enrolment_in(store::Tx& tx, UserId user, FactorKind kind,
                                                     std::string_view label, Authority authority, const Actor& by,
                                                     Instant now) {
  Kind* const k = kind_of(kind);
  if (k == nullptr || !k->describe().enrollable) return fail(Reason::invalid_argument, "this kind is not enrolled");
  if (!good_label(label)) return fail(Reason::invalid_argument, "label: at most 64 bytes of UTF-8");
  auto strong = count_strong(tx, user);
  if (!strong) return moved(strong);
  if (authority == Authority::enrol_grant && *strong != 0) return fail(Reason::factor_exists);
  if (*strong >= static_cast<std::int64_t>(options_.max_factors)) {
    return fail(Reason::invalid_argument, "remove a factor first: the number is limited");
  }
  std::string account;
  if (!users_.read(user, [&](const identity::User& u) { account = u.name.view(); })) return fail(Reason::user_unknown);
  auto gone = tx.run("DELETE FROM factor WHERE account = $1 AND confirmed = 0", {user});
  if (!gone) return moved(gone);
  const FactorId id = FactorId::make(rng_);
  auto offer = k->enrol(id, account);
  if (!offer) return moved(offer);
  PendingEnrolment out{id, kind, std::move(offer->secret), std::move(offer->uri), decode_totp(offer->parameters),
                       now.wall + options_.enrolment_ttl};
  auto put = tx.run(
      "INSERT INTO factor (id, account, kind, label, sealed, parameters, created, confirmed, authority, expires) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)",
      {id, user, kind, label, offer->sealed, offer->parameters, now.wall, authority, out.expires});
  if (!put) return moved(put);
  record(tx, audit::Kind::change, "factor.begin", Reason::ok, by, id.text(), domain::name(kind), now);
  return out;
}

Result<Authority> Factors::charge_enrolment_in(store::Tx& tx, UserId user, FactorId pending, Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  Authority authority{};
  auto counted = tx.one(
      "UPDATE factor SET failures = failures + 1 WHERE id = $1 AND account = $2 AND confirmed = 0 AND expires >= $3 "
      "AND failures < $4 RETURNING authority",
      {pending, user, now.wall, kEnrolmentTries},
      [&](const store::Row& row) { authority = static_cast<Authority>(row.integer(0)); });
  if (!counted) return moved(counted);
  if (!*counted) return fail(Reason::not_found, "no such enrolment, or it has expired");
  return authority;
}

Result<Confirmed> Factors::confirm_in(store::Tx& tx, UserId user, FactorId pending, std::string_view answer,
                                      const Actor& by, Instant now) {
  Enrolled e;
  FactorKind kind{};
  Confirmed out;
  Authority& authority = out.authority;
  auto found = tx.one(
      "SELECT id, account, parameters, last_step, drift, sealed, kind, label, authority FROM factor WHERE id = $1 AND "
      "account = $2 AND confirmed = 0 AND expires >= $3",
      {pending, user, now.wall}, [&](const store::Row& row) {
        e = enrolled_from(row);
        kind = static_cast<FactorKind>(row.integer(6));
        out.factor.label = row.text(7);
        authority = static_cast<Authority>(row.integer(8));
      });
  if (!found) return moved(found);
  if (!*found) return fail(Reason::not_found, "no such enrolment, or it has expired");
  Kind* const k = kind_of(kind);
  if (k == nullptr) return fail(Reason::internal, "a factor of unknown kind");
  auto strong = count_strong(tx, user);
  if (!strong) return moved(strong);
  if (authority == Authority::enrol_grant && *strong != 0) return fail(Reason::factor_exists);
  auto proved = k->prove(tx, e, answer, now);
  if (!proved) {
    record(tx, audit::Kind::sign_in, "factor.confirm", proved.error().code, by, pending.text(), domain::name(kind), now);
    return moved(proved);
  }
  auto counts = tx.run("UPDATE factor SET confirmed = 1, failures = 0, created = $2 WHERE id = $1 AND confirmed = 0",
                       {pending, now.wall});
  if (!counts) return moved(counts);
  if (*counts != 1) return fail(Reason::conflict);
  out.factor.id = pending;
  out.factor.kind = kind;
  out.factor.created = now.wall;
  out.factor.last_used = now.wall;
  out.proof = domain::Proof{kind, k->describe().traits, pending, now.wall, now.boot};
  Actor self = by;
  self.evidence.add(out.proof);
  record(tx, audit::Kind::change, "factor.add", Reason::ok, self, pending.text(), domain::name(kind), now);
  auto has_codes = tx.one("SELECT 1 FROM factor WHERE account = $1 AND kind = $2", {user, FactorKind::recovery_code},
                          [](const store::Row&) {});
  if (!has_codes) return moved(has_codes);
  if (!*has_codes || authority == Authority::recovery) {
    auto codes = make_recovery_codes(tx, user, now);
    if (!codes) return moved(codes);
    out.recovery_codes = std::move(*codes);
    record(tx, audit::Kind::change, "factor.recovery_codes", Reason::ok, self, {}, {}, now);
  }
  return out;
}

Result<void> Factors::check_proof(store::Tx& tx, UserId user, const domain::Proof& proof) const {
  const Kind* const k = kind_of(proof.kind);
  bool theirs = false;
  auto found = tx.one("SELECT account FROM factor WHERE id = $1 AND confirmed = 1", {proof.factor},
                      [&](const store::Row& row) { theirs = row.id<UserId>(0) == user; });
  if (!found) return moved(found);
  if (k == nullptr || !k->describe().strong || !theirs) return fail(Reason::mfa_required);
  return {};
}

Result<void> Factors::remove_in(store::Tx& tx, UserId user, FactorId factor, const domain::Proof& proof,
                                const Actor& by, Instant now) {
  auto proved = check_proof(tx, user, proof);
  if (!proved) return proved;
  FactorKind kind{};
  auto found = tx.one("SELECT kind FROM factor WHERE id = $1 AND account = $2 AND confirmed = 1", {factor, user},
                      [&](const store::Row& row) { kind = static_cast<FactorKind>(row.integer(0)); });
  if (!found) return moved(found);
  if (!*found) return fail(Reason::factor_missing);
  const Kind* const k = kind_of(kind);
  auto strong = count_strong(tx, user);
  if (!strong) return moved(strong);
  if (k != nullptr && k->describe().strong && *strong <= 1) return fail(Reason::factor_last);
  for (const std::string_view sql : {"DELETE FROM recovery_code WHERE factor = $1", "DELETE FROM factor WHERE id = $1"}) {
    auto gone = tx.run(sql, {factor});
    if (!gone) return moved(gone);
  }
  Actor self = by;
  self.evidence.add(proof);
  record(tx, audit::Kind::change, "factor.remove", Reason::ok, self, factor.text(), domain::name(kind), now);
  return {};
}

Result<std::vector<Secret>> Factors::new_recovery_codes_in(store::Tx& tx, UserId user, const domain::Proof& proof,
                                                           const Actor& by, Instant now) {
  auto proved = check_proof(tx, user, proof);
  if (!proved) return moved(proved);
  auto codes = make_recovery_codes(tx, user, now);
  if (!codes) return moved(codes);
  Actor self = by;
  self.evidence.add(proof);
  record(tx, audit::Kind::change, "factor.recovery_codes", Reason::ok, self, {}, {}, now);
  return codes;
}

Result<std::vector<Secret>> Factors::make_recovery_codes(store::Tx& tx, UserId user, Instant now) {
  for (const std::string_view sql :
       {"DELETE FROM recovery_code WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM factor WHERE account = $1 AND kind = 3"}) {
    auto gone = tx.run(sql, {user});
    if (!gone) return moved(gone);
  }
  const FactorId id = FactorId::make(rng_);
  auto put = tx.run("INSERT INTO factor (id, account, kind, label, created, confirmed) VALUES ($1, $2, $3, '', $4, 1)",
                    {id, user, FactorKind::recovery_code, now.wall});
  if (!put) return moved(put);
  std::vector<Secret> codes;
  for (std::size_t i = 0; i < kRecoveryCodes; ++i) {
    RecoveryBits bits = rng_.take<10>();
    auto kept = tx.run("INSERT INTO recovery_code (hash, factor) VALUES ($1, $2)", {recovery_->hash(id, bits), id});
    if (!kept) return moved(kept);
    std::string text = format_recovery_code(bits);
    codes.emplace_back(std::string_view(text));
    wipe(text);
    wipe(bits.data(), bits.size());
  }
  return codes;
}

Result<void> Factors::delete_rows(store::Tx& tx, UserId user) {
  for (const std::string_view sql :
       {"DELETE FROM recovery_code WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM factor WHERE account = $1", "DELETE FROM factor_challenge WHERE account = $1"}) {
    auto gone = tx.run(sql, {user});
    if (!gone) return moved(gone);
  }
  return {};
}

Result<void> Factors::remove_all_in(store::Tx& tx, UserId user, const Actor& by, Instant now) {
  auto gone = delete_rows(tx, user);
  if (!gone) return gone;
  record(tx, audit::Kind::change, "factor.reset", Reason::ok, by, user.text(), {}, now);
  return {};
}

// --- looking up, maintenance

Result<std::vector<FactorInfo>> Factors::list_in(store::Tx& tx, UserId user) const {
  std::vector<FactorInfo> out;
  auto rows = tx.query(
      "SELECT id, kind, label, created, last_used, failures, locked_until, disabled, "
      "(SELECT COUNT(*) FROM recovery_code WHERE recovery_code.factor = factor.id) "
      "FROM factor WHERE account = $1 AND confirmed = 1 ORDER BY kind, created, id",
      {user}, [&](const store::Row& row) {
        FactorInfo f;
        f.id = row.id<FactorId>(0);
        f.kind = static_cast<FactorKind>(row.integer(1));
        f.label = row.text(2);
        f.created = row.time(3);
        f.last_used = row.time(4);
        f.failures = static_cast<int>(row.integer(5));
        f.locked_until = row.time(6);
        f.disabled = row.integer(7) != 0;
        f.codes_left = static_cast<int>(row.integer(8));
        out.push_back(std::move(f));
        return true;
      });
  if (!rows) return moved(rows);
  return out;
}

net::Task<Result<std::vector<FactorInfo>>> Factors::list(UserId user) const {
  auto job = [this, user](store::Tx& tx) { return list_in(tx, user); };
  auto out = co_await database_.read(std::move(job));
  co_return out;
}

net::Task<Result<void>> Factors::maintain() {
  auto job = [this](store::Tx& tx) -> Result<void> {
    for (const std::string_view sql :
         {"DELETE FROM factor WHERE confirmed = 0 AND expires < $1", "DELETE FROM factor_challenge WHERE expires < $1"}) {
      auto gone = tx.run(sql, {clock_.wall()});
      if (!gone) return moved(gone);
    }
    return {};
  };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}

net::Task<Result<std::int64_t>> Factors::reseal() {
  auto job = [this](store::Tx& tx) -> Result<std::int64_t> {
    std::vector<std::pair<FactorId, Bytes>> stale;
    auto rows = tx.query("SELECT id, sealed FROM factor WHERE sealed IS NOT NULL", {}, [&](const store::Row& row) {
      const ByteView blob = row.blob(1);
      if (!keys_.is_current(blob)) stale.emplace_back(row.id<FactorId>(0), Bytes(blob.begin(), blob.end()));
      return true;
    });
    if (!rows) return moved(rows);
    for (const auto& [id, blob] : stale) {
      auto fresh = keys_.reseal(blob, {"factor", "secret", as_text(id.bytes)});
      if (!fresh) return moved(fresh);
      auto put = tx.run("UPDATE factor SET sealed = $2 WHERE id = $1", {id, *fresh});
      if (!put) return moved(put);
    }
    return static_cast<std::int64_t>(stale.size());
  };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}

Result<std::int64_t> Factors::sealed_by(store::Tx& tx, std::uint32_t key) const {
  std::int64_t n = 0;
  auto rows = tx.query("SELECT sealed FROM factor WHERE sealed IS NOT NULL", {}, [&](const store::Row& row) {
    if (crypto::KeyRing::sealed_by(row.blob(0)).value_or(key) == key) ++n;
    return true;
  });
  if (!rows) return moved(rows);
  return n;
}

}  // namespace vestibule::factors
