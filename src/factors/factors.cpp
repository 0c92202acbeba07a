#include "factors/factors.hpp"

#include <algorithm>

#include "factors/binding.hpp"
#include "factors/external_kind.hpp"
#include "factors/hotp_kind.hpp"
#include "factors/kinds.hpp"
#include "factors/push_kind.hpp"
#include "factors/webauthn_kind.hpp"

namespace vestibule::factors {
namespace {

using identity::NoticeKind;

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

// A factor as its owner knows it.
std::string described(FactorKind kind, std::string_view label) {
  std::string out(domain::name(kind));
  if (!label.empty()) out.append(" \"").append(label).append("\"");
  return out;
}

bool good_label(std::string_view label) { return label.size() <= kMaxFactorLabel && is_utf8(label); }

}  // namespace

Factors::Factors(store::Database& database, const crypto::KeyRing& keys, identity::Users& users, audit::Log& log,
                 const Clock& clock, Rng& rng, Options options, std::unique_ptr<RelyingParty> party)
    : database_(database),
      keys_(keys),
      users_(users),
      log_(log),
      clock_(clock),
      rng_(rng),
      options_(std::move(options)),
      prompts_(database, keys, users, log, clock, rng, options_.push),
      passkey_key_(keys.derive("passkey-question/v1")),
      passkey_looks_(std::max(options_.passkey_looks, 1)) {
  options_.challenge_ttl = std::clamp(options_.challenge_ttl, std::chrono::minutes(1), kLongestChallenge);
  options_.max_challenges = std::max(options_.max_challenges, std::size_t{1});
  options_.disable_after = std::clamp(options_.disable_after, 1, kMostFailures);
  options_.failures_per_back_off = std::max(options_.failures_per_back_off, 1);
  kinds_.push_back(std::make_unique<TotpKind>(keys, rng, options_.issuer, options_.totp));
  auto recovery = std::make_unique<RecoveryKind>(keys.derive("recovery-codes/v1"));
  recovery_ = recovery.get();
  kinds_.push_back(std::move(recovery));
  auto webauthn = std::make_unique<WebAuthnKind>(keys, rng, options_.issuer, std::move(party), options_.challenge_ttl);
  webauthn_ = webauthn.get();
  kinds_.push_back(std::move(webauthn));
  auto tokens = std::make_unique<HotpKind>(keys, std::clamp(options_.hotp_look_ahead, 1, 50),
                                           std::clamp(options_.hotp_resynchronise, 1, 1000));
  hotp_ = tokens.get();
  kinds_.push_back(std::move(tokens));
  kinds_.push_back(std::make_unique<PushKind>(keys, rng, prompts_));
  auto external = std::make_unique<ExternalKind>(options_.plugins);
  external_ = external.get();
  kinds_.push_back(std::move(external));
}

Factors::~Factors() = default;

// The password, or a passkey that verified its user: two kinds of factor by itself.
bool Factors::has_first_factor(const domain::Evidence& evidence, UserId user) {
  return std::any_of(evidence.begin(), evidence.end(), [&](const domain::Proof& p) {
    return (p.traits.knowledge && p.factor == identity::password_factor(user)) ||
           (p.kind == FactorKind::webauthn && p.traits.possession && p.traits.user_verified);
  });
}

bool commits(Reason reason) noexcept {
  return reason == Reason::code_wrong || reason == Reason::code_used || reason == Reason::factor_cloned ||
         reason == Reason::authenticator_refused || reason == Reason::authenticator_known;
}

Result<std::unique_ptr<Factors>> Factors::open(store::Database& database, const crypto::KeyRing& keys,
                                               identity::Users& users, audit::Log& log, const Clock& clock, Rng& rng,
                                               Options options) {
  if (options.totp.digits != 6 && options.totp.digits != 8) {
    return fail(Reason::config_invalid, "codes have 6 or 8 digits");
  }
  auto party = RelyingParty::make(options.webauthn);
  if (!party) return moved(party);
  std::unique_ptr<Factors> factors(
      new Factors(database, keys, users, log, clock, rng, std::move(options), std::move(*party)));
  users.on_remove([](store::Tx& tx, UserId user) { return delete_rows(tx, user); });
  auto loaded = database.read_blocking([&](store::Tx& tx) { return factors->load_working(tx, UserId{}); });
  if (!loaded) return moved(loaded);
  database.listen([f = factors.get()](store::Tx& tx, std::span<const store::Change> changes) { f->on_changes(tx, changes); });
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
  if (kind == audit::Kind::change && operation != "factor.begin") tx.changed(kFactorTopic, by.user.bytes);
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

Result<std::vector<FactorId>> Factors::charge_factors(store::Tx& tx, const Attempt& attempt, FactorId only, Instant now,
                                                      bool& locks) {
  std::vector<FactorId> candidates;
  auto found = tx.query("SELECT id FROM factor WHERE account = $1 AND kind = $2 AND confirmed = 1 ORDER BY created",
                        {attempt.by.user, attempt.kind}, [&](const store::Row& row) {
                          const FactorId id = row.id<FactorId>(0);
                          if (only.is_nil() || only == id) candidates.push_back(id);
                          return true;
                        });
  if (!found) return moved(found);
  if (candidates.empty()) return fail(Reason::factor_missing);
  const Kind* const kind = kind_of(attempt.kind);
  const bool guessable = kind == nullptr || !kind->describe().signs();
  locks = true;
  std::vector<FactorId> charged;
  for (const FactorId id : candidates) {
    std::int64_t failures = 0;
    auto counted = tx.one(
        "UPDATE factor SET failures = failures + 1 WHERE id = $1 AND disabled = 0 AND locked_until <= $2 "
        "RETURNING failures",
        {id, now.wall}, [&](const store::Row& row) { failures = row.integer(0); });
    if (!counted) return moved(counted);
    if (!*counted) continue;  // locked
    charged.push_back(id);
    // A signature cannot be guessed: misses slow its asker down, and never take the key from its owner.
    const bool last = guessable && failures >= options_.disable_after;
    const WallTime until = lock_from(failures, now.wall);
    if (!last && until == WallTime{}) {
      locks = false;
      continue;
    }
    auto locked = tx.run("UPDATE factor SET locked_until = $2, disabled = $3 WHERE id = $1", {id, until, last ? 1 : 0});
    if (!locked) return moved(locked);
    if (last) tx.changed(kFactorTopic, attempt.by.user.bytes);
  }
  if (charged.empty()) return fail(Reason::factor_locked);
  return charged;
}

Result<Charged> Factors::charge_in(store::Tx& tx, Attempt attempt, Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  if (!has_first_factor(attempt.by.evidence, attempt.by.user)) return fail(Reason::mfa_required, "the first factor comes first");
  if (kind_of(attempt.kind) == nullptr) return fail(Reason::factor_missing, "no such kind");
  Charged charged(std::move(attempt));
  Attempt& a = charged.attempt_;
  if (a.kind == FactorKind::external) {
    // Paid for before the plug-in was asked.
    auto good = check_consulted(a.consulted, a.by, a.purpose, now);
    if (!good) return moved(good);
    charged.factors_ = a.consulted->charged_;
    charged.locks_ = a.consulted->locks_;
    return charged;
  }
  auto factors = charge_factors(tx, a, a.factor, now, charged.locks_);
  if (!factors) return moved(factors);
  charged.factors_ = std::move(*factors);
  return charged;
}

Result<domain::Proof> Factors::prove_in(store::Tx& tx, Charged charged, Instant now) {
  const Attempt& a = charged.attempt_;
  Kind* const kind = kind_of(a.kind);
  if (kind == nullptr) return fail(Reason::factor_missing);
  Reason reason = Reason::code_wrong;
  std::string flaw;
  Bytes payload;
  Asked asked;
  bool answered = true;
  if (kind->describe().challenge && !a.consulted) {
    WallTime expires{};
    auto taken = tx.one(
        "DELETE FROM factor_challenge WHERE id = $1 AND account = $2 AND session = $3 AND kind = $4 AND purpose = $5 "
        "AND expires >= $6 RETURNING payload, expires",
        {a.challenge, a.by.user, a.by.session, a.kind, crypto::sha256(as_bytes(a.purpose)), now.wall},
        [&](const store::Row& row) {
          const ByteView kept = row.blob(0);
          payload.assign(kept.begin(), kept.end());
          expires = row.time(1);
        });
    if (!taken) return moved(taken);
    answered = *taken;
    if (!answered) flaw = name(Flaw::challenge);
    asked = {payload, digest(Binding{a.by.user, a.by.session, a.purpose, expires})};
  }
  FactorId matched{};
  FactorId copied{};
  Proved proved;
  for (const FactorId id : charged.factors_) {
    if (!answered || !matched.is_nil()) break;
    Enrolled e;
    auto found = tx.one(
        "SELECT id, account, parameters, last_step, drift, sealed FROM factor WHERE id = $1 AND account = $2 AND "
        "confirmed = 1",
        {id, a.by.user}, [&](const store::Row& row) { e = enrolled_from(row); });
    if (!found) return moved(found);
    if (!*found) continue;  // removed meanwhile
    auto verified = a.consulted ? said_in(tx, *a.consulted, id, now) : kind->verify(tx, e, asked, a.answer.reveal_text(), now);
    if (verified) {
      matched = id;
      proved = std::move(*verified);
      continue;
    }
    Error& error = verified.error();
    if (!commits(error.code)) return std::move(error);
    if (error.code != Reason::code_wrong) reason = error.code;
    if (error.code == Reason::factor_cloned) copied = id;
    // What is wrong with the key that was meant says more than that it is none of the others.
    if (flaw.empty() || error.detail != name(Flaw::credential)) flaw = std::move(error.detail);
  }
  std::string note = "for " + a.purpose.substr(0, a.recorded);
  const std::string& more = matched.is_nil() ? flaw : proved.note;
  if (!more.empty()) note.append("; ").append(more);
  if (charged.locks_ && matched.is_nil()) note.append("; the factor is locked now");
  if (matched.is_nil()) {
    const std::string object = copied.is_nil() ? std::string(domain::name(a.kind)) : copied.text();
    record(tx, audit::Kind::sign_in, "factor.prove", reason, a.by, object, note, now);
    auto told = tell_of_misses(tx, charged, now);
    if (!told) return moved(told);
    if (!copied.is_nil()) {
      auto handled = cloned_in(tx, copied, a.by, now);
      if (!handled) return moved(handled);
    }
    // Where nothing was charged nothing was guessed at.
    if (!charged.factors_.empty()) {
      auto counted = tell(tx, a.by, Event::wrong, now);
      if (!counted) return moved(counted);
    }
    return fail(reason, std::move(flaw));
  }
  for (const FactorId id : charged.factors_) {
    // The one that answered is as new; the others were charged for this attempt only.
    auto refunded = tx.run(id == matched ? "UPDATE factor SET failures = 0, locked_until = 0, disabled = 0 WHERE id = $1"
                                         : "UPDATE factor SET failures = failures - 1, locked_until = 0, disabled = 0 "
                                           "WHERE id = $1 AND failures > 0",
                           {id});
    if (!refunded) return moved(refunded);
  }
  // One of them may have been disabled for this attempt.
  if (charged.locks_ || charged.factors_.size() > 1) tx.changed(kFactorTopic, a.by.user.bytes);
  const domain::Proof proof{a.kind, proved.traits, matched, now.wall, now.boot};
  Actor by = a.by;
  by.evidence.add(proof);
  record(tx, audit::Kind::sign_in, "factor.prove", Reason::ok, by, matched.text(), note, now);
  if (a.kind == FactorKind::recovery_code) {
    auto told = tell_of_recovery(tx, by, matched, now);
    if (!told) return moved(told);
    return proof;  // no factor: from where it was given says nothing
  }
  auto told = tell(tx, by, kind->describe().challenge ? Event::answered : Event::proved, now);
  if (!told) return moved(told);
  return proof;
}

Result<void> Factors::cloned_in(store::Tx& tx, FactorId factor, const Actor& by, Instant now) {
  if (options_.webauthn.sign_count != SignCountPolicy::disable) return {};
  auto off = tx.run("UPDATE factor SET disabled = 1 WHERE id = $1", {factor});
  if (!off) return moved(off);
  tx.changed(kFactorTopic, by.user.bytes);
  // What the copy may have begun ends with it.
  auto begun = tx.run("DELETE FROM factor WHERE confirmed = 0 AND account IN (SELECT account FROM factor WHERE id = $1)", {factor});
  if (!begun) return moved(begun);
  record(tx, audit::Kind::change, "factor.disable", Reason::factor_cloned, by, factor.text(), name(Flaw::sign_count), now);
  auto told = users_.notify_in(tx, by.user, NoticeKind::factor_disabled,
                               "A security key was disabled: its counter did not grow, so somebody may hold a copy of it.",
                               now.wall);
  if (!told) return told;
  return disable_ ? disable_(tx, factor) : Result<void>{};
}

Result<Factors::Challenge> Factors::begin_in(store::Tx& tx, FactorKind kind, std::string_view purpose, const Actor& by,
                                             Instant now, FactorId factor) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  if (!has_first_factor(by.evidence, by.user)) return fail(Reason::mfa_required, "the first factor comes first");
  Kind* const k = kind_of(kind);
  if (k == nullptr || !k->describe().challenge) return fail(Reason::invalid_argument, "kind: not one that answers questions");
  std::vector<ChallengeId> open;
  // Those of plug-ins have a limit of their own, which no other question lifts.
  auto listed = tx.query("SELECT id FROM factor_challenge WHERE account = $1 AND session = $2 AND kind <> $3 ORDER BY expires DESC",
                         {by.user, by.session, FactorKind::external}, [&](const store::Row& row) {
                           open.push_back(row.id<ChallengeId>(0));
                           return true;
                         });
  if (!listed) return moved(listed);
  for (std::size_t i = options_.max_challenges - 1; i < open.size(); ++i) {
    auto gone = tx.run("DELETE FROM factor_challenge WHERE id = $1", {open[i]});
    if (!gone) return moved(gone);
  }
  const Duration lives = k->describe().lives;
  Challenge c{ChallengeId::make(rng_), {}, now.wall + (lives > Duration::zero() ? lives : options_.challenge_ttl)};
  const Digest binding = digest(Binding{by.user, by.session, purpose, c.expires});
  const Ask asking{c.id, by.user, purpose, binding, c.expires, by};
  auto question = kind == FactorKind::external ? begin_external_in(tx, factor, by, binding, c, now) : k->begin(tx, asking, now);
  if (!question) return moved(question);
  auto put = tx.run(
      "INSERT INTO factor_challenge (id, account, session, kind, purpose, payload, expires) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      {c.id, by.user, by.session, kind, crypto::sha256(as_bytes(purpose)), question->payload, c.expires});
  if (!put) return moved(put);
  c.options = std::move(question->options);
  auto told = tell(tx, by, Event::asked, now);
  if (!told) return moved(told);
  return c;
}

// --- enrolment

Result<std::int64_t> Factors::count_strong(store::Tx& tx, UserId user, Count which) const {
  std::int64_t n = 0;
  auto counted = tx.query("SELECT kind, disabled, plugin FROM factor WHERE account = $1 AND confirmed = 1", {user},
                          [&](const store::Row& row) {
                            const bool orphan = !row.null(2) && external_->find(row.text(2)) == nullptr;
                            if (which == Count::working && (row.integer(1) != 0 || orphan)) return true;
                            const Kind* const k = kind_of(static_cast<FactorKind>(row.integer(0)));
                            if (k != nullptr && k->describe().strong) ++n;
                            return true;
                          });
  if (!counted) return moved(counted);
  return n;
}

Result<PendingEnrolment> Factors::begin_enrolment_in(store::Tx& tx, UserId user, FactorKind kind,
                                                     std::string_view label, Authority authority, const Actor& by,
                                                     Instant now, const EnrolmentWish& wish) {
  Kind* const k = kind_of(kind);
  if (k == nullptr || !k->describe().enrollable) return fail(Reason::invalid_argument, "this kind is not enrolled");
  if (!good_label(label)) return fail(Reason::invalid_argument, "label: at most 64 bytes of UTF-8");
  auto strong = count_strong(tx, user, Count::all);
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
  const WallTime expires = now.wall + (k->describe().signs() ? options_.challenge_ttl : options_.enrolment_ttl);
  const std::string purpose = enrolment_purpose(id);
  const Digest binding = digest(Binding{user, by.session, purpose, expires});
  auto offer = k->enrol(tx, {id, user, account, binding, wish});
  if (!offer) return moved(offer);
  PendingEnrolment out{id, kind, std::move(offer->secret), std::move(offer->uri), decode_totp(offer->parameters),
                       std::move(offer->options), {}, expires};
  auto put = tx.run(
      "INSERT INTO factor (id, account, kind, label, sealed, parameters, last_step, created, confirmed, authority, "
      "expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10)",
      {id, user, kind, label, offer->sealed, offer->parameters, offer->last_step, now.wall, authority, out.expires});
  if (!put) return moved(put);
  std::string note(domain::name(kind));
  if (kind == FactorKind::external) {
    auto named = tx.run("UPDATE factor SET plugin = $2 WHERE id = $1", {id, wish.plugin});
    if (!named) return moved(named);
    out.call = PluginCall{wish.plugin, id, user, account, {}, binding};
    note += " " + wish.plugin;
  }
  record(tx, audit::Kind::change, "factor.begin", Reason::ok, by, id.text(), note, now);
  return out;
}

Result<Authority> Factors::charge_enrolment_in(store::Tx& tx, UserId user, FactorId pending, Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  Authority authority{};
  FactorKind kind{};
  auto found = tx.one("SELECT kind FROM factor WHERE id = $1 AND account = $2 AND confirmed = 0", {pending, user},
                      [&](const store::Row& row) { kind = static_cast<FactorKind>(row.integer(0)); });
  if (!found) return moved(found);
  const Kind* const k = kind_of(kind);
  const std::int64_t tries = k != nullptr && k->describe().signs() ? 1 : kEnrolmentTries;
  auto counted = tx.one(
      "UPDATE factor SET failures = failures + 1 WHERE id = $1 AND account = $2 AND confirmed = 0 AND expires >= $3 "
      "AND failures < $4 RETURNING authority",
      {pending, user, now.wall, tries},
      [&](const store::Row& row) { authority = static_cast<Authority>(row.integer(0)); });
  if (!counted) return moved(counted);
  if (!*counted) return fail(Reason::not_found, "no such enrolment, or it has expired");
  return authority;
}

Result<Confirmed> Factors::confirm_in(store::Tx& tx, UserId user, FactorId pending, std::string_view answer,
                                      const Actor& by, Instant now, const std::optional<Consulted>& said) {
  Enrolled e;
  FactorKind kind{};
  WallTime expires{};
  Confirmed out;
  Authority& authority = out.authority;
  auto found = tx.one(
      "SELECT id, account, parameters, last_step, drift, sealed, kind, label, authority, expires FROM factor WHERE id = $1 AND "
      "account = $2 AND confirmed = 0 AND expires >= $3",
      {pending, user, now.wall}, [&](const store::Row& row) {
        e = enrolled_from(row);
        kind = static_cast<FactorKind>(row.integer(6));
        out.factor.label = row.text(7);
        authority = static_cast<Authority>(row.integer(8));
        expires = row.time(9);
      });
  if (!found) return moved(found);
  if (!*found) return fail(Reason::not_found, "no such enrolment, or it has expired");
  Kind* const k = kind_of(kind);
  if (k == nullptr) return fail(Reason::internal, "a factor of unknown kind");
  auto strong = count_strong(tx, user, Count::all);
  if (!strong) return moved(strong);
  if (authority == Authority::enrol_grant && *strong != 0) return fail(Reason::factor_exists);
  const std::string purpose = enrolment_purpose(pending);
  if (kind == FactorKind::external) {
    auto good = check_consulted(said, by, purpose, now);
    if (!good) return moved(good);
  }
  auto proved = said ? said_in(tx, *said, pending, now)
                     : k->prove(tx, e, digest(Binding{user, by.session, purpose, expires}), answer, now);
  std::string note(domain::name(kind));
  if (!proved) {
    if (!proved.error().detail.empty()) note.append("; ").append(proved.error().detail);
    record(tx, audit::Kind::sign_in, "factor.confirm", proved.error().code, by, pending.text(), note, now);
    return moved(proved);
  }
  if (!proved->note.empty()) note.append("; ").append(proved->note);
  auto counts = tx.run("UPDATE factor SET confirmed = 1, failures = 0, created = $2 WHERE id = $1 AND confirmed = 0",
                       {pending, now.wall});
  if (!counts) return moved(counts);
  if (*counts != 1) return fail(Reason::conflict);
  tx.changed(kFactorTopic, user.bytes);
  out.factor.id = pending;
  out.factor.kind = kind;
  out.factor.created = now.wall;
  out.factor.last_used = now.wall;
  out.proof = domain::Proof{kind, proved->traits, pending, now.wall, now.boot};
  Actor self = by;
  self.evidence.add(out.proof);
  record(tx, audit::Kind::change, "factor.add", Reason::ok, self, pending.text(), note, now);
  auto told = users_.notify_in(tx, user, NoticeKind::factor_added,
                               "A factor was added: " + described(kind, out.factor.label) + ", from " + by.source.text() + ".",
                               now.wall);
  if (!told) return moved(told);
  auto noted = tell(tx, self, Event::proved, now);
  if (!noted) return moved(noted);
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
  bool works = false;
  std::string label;
  auto found = tx.one("SELECT kind, disabled, label FROM factor WHERE id = $1 AND account = $2 AND confirmed = 1",
                      {factor, user}, [&](const store::Row& row) {
                        kind = static_cast<FactorKind>(row.integer(0));
                        works = row.integer(1) == 0;
                        label = row.text(2);
                      });
  if (!found) return moved(found);
  if (!*found) return fail(Reason::factor_missing);
  const Kind* const k = kind_of(kind);
  auto strong = count_strong(tx, user, Count::working);
  if (!strong) return moved(strong);
  // One that is disabled helps nobody: what stays must work.
  if (k != nullptr && k->describe().strong && *strong - (works ? 1 : 0) < 1) return fail(Reason::factor_last);
  // What it may have begun goes with it.
  auto begun = tx.run("DELETE FROM factor WHERE confirmed = 0 AND account = $1", {user});
  if (!begun) return moved(begun);
  for (const std::string_view sql : {"INSERT INTO plugin_removal (factor, account, plugin) SELECT id, account, plugin FROM factor "
                                     "WHERE id = $1 AND plugin IS NOT NULL",
                                     "DELETE FROM recovery_code WHERE factor = $1", "DELETE FROM webauthn_credential WHERE factor = $1",
                                     "DELETE FROM hardware_token WHERE factor = $1", "DELETE FROM push_device WHERE factor = $1",
                                     "DELETE FROM factor WHERE id = $1"}) {
    auto gone = tx.run(sql, {factor});
    if (!gone) return moved(gone);
  }
  tx.changed(kFactorTopic, user.bytes);
  Actor self = by;
  self.evidence.add(proof);
  record(tx, audit::Kind::change, "factor.remove", Reason::ok, self, factor.text(), domain::name(kind), now);
  return users_.notify_in(tx, user, NoticeKind::factor_removed,
                          "A factor was removed: " + described(kind, label) + ", from " + by.source.text() + ".", now.wall);
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
  auto told = users_.notify_in(tx, user, NoticeKind::recovery_renewed,
                               "New recovery codes were made, from " + by.source.text() + ". The older ones are void.",
                               now.wall);
  if (!told) return moved(told);
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
       {"INSERT INTO plugin_removal (factor, account, plugin) SELECT id, account, plugin FROM factor "
        "WHERE account = $1 AND plugin IS NOT NULL AND confirmed = 1",
        "DELETE FROM recovery_code WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM webauthn_credential WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM hardware_token WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM push_device WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM push_prompt WHERE account = $1", "DELETE FROM push_sleeper WHERE account = $1",
        "DELETE FROM factor WHERE account = $1", "DELETE FROM factor_challenge WHERE account = $1"}) {
    auto gone = tx.run(sql, {user});
    if (!gone) return moved(gone);
  }
  tx.changed(kFactorTopic, user.bytes);
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
      "(SELECT COUNT(*) FROM recovery_code WHERE recovery_code.factor = factor.id), backup_eligible, backed_up, aaguid, "
      "transports, plugin FROM factor LEFT JOIN webauthn_credential ON webauthn_credential.factor = factor.id "
      "WHERE account = $1 AND confirmed = 1 ORDER BY kind, created, id",
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
        if (!row.null(9)) {
          KeyDetails& key = f.key.emplace();
          key.backup_eligible = row.integer(9) != 0;
          key.backed_up = row.integer(10) != 0;
          const ByteView aaguid = row.blob(11);
          if (aaguid.size() == key.aaguid.size()) std::ranges::copy(aaguid, key.aaguid.begin());
          key.transports = row.text(12);
        }
        if (!row.null(13)) f.plugin = row.text(13);
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
    // Kept longer than their questions live: a clock that is set back a little must not open one again.
    auto gone = tx.run("DELETE FROM passkey_used WHERE expires < $1", {clock_.wall() - std::chrono::hours(1)});
    if (!gone) return moved(gone);
    return Prompts::forget_in(tx, clock_.wall());
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
    auto tokens = hotp_->reseal_in(tx);
    if (!tokens) return moved(tokens);
    auto devices = prompts_.reseal_in(tx);
    if (!devices) return moved(devices);
    return static_cast<std::int64_t>(stale.size()) + *tokens + *devices;
  };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}

Result<std::int64_t> Factors::sealed_by(store::Tx& tx, std::uint32_t key) const {
  std::int64_t n = 0;
  for (const std::string_view sql : {"SELECT sealed FROM factor WHERE sealed IS NOT NULL",
                                     "SELECT sealed FROM hardware_token WHERE sealed IS NOT NULL",
                                     "SELECT subscription FROM push_device WHERE subscription IS NOT NULL"}) {
    auto rows = tx.query(sql, {}, [&](const store::Row& row) {
      if (crypto::KeyRing::sealed_by(row.blob(0)).value_or(key) == key) ++n;
      return true;
    });
    if (!rows) return moved(rows);
  }
  return n;
}

}  // namespace vestibule::factors
