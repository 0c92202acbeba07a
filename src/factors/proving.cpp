// An answer on its way: charged, held against its question, verified, refunded, recorded.
#include <algorithm>

#include "crypto/hash.hpp"
#include "factors/binding.hpp"
#include "factors/external_kind.hpp"
#include "factors/factors.hpp"
#include "factors/rows.hpp"

namespace vestibule::factors {
namespace {

using identity::NoticeKind;

bool serves(const KindInfo& kind, std::string_view purpose) { return !kind.step_up_only || purpose == kStepUp; }

}  // namespace

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
                        {attempt.by.user, domain::enrolled_as(attempt.kind)}, [&](const store::Row& row) {
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
  const Kind* const kind = kind_of(attempt.kind);
  if (kind == nullptr) return fail(Reason::factor_missing, "no such kind");
  if (!serves(kind->describe(), attempt.purpose)) return fail(Reason::push_digits, "for a step-up alone");
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

Result<Given> Factors::prove_in(store::Tx& tx, Charged charged, Instant now) {
  const Attempt& a = charged.attempt_;
  Kind* const kind = kind_of(a.kind);
  if (kind == nullptr) return fail(Reason::factor_missing);
  Reason reason = Reason::code_wrong;
  std::string flaw;
  Bytes payload;
  std::string given_for;
  Asked asked;
  bool answered = true;
  if (kind->describe().challenge && !a.consulted) {
    auto taken = take_question_in(tx, a, now);
    if (!taken) return moved(taken);
    answered = taken->has_value();
    WallTime expires{};
    if (answered) {
      payload = std::move((*taken)->payload);
      expires = (*taken)->expires;
    } else {
      flaw = name(Flaw::challenge);
    }
    given_for = canonical(Binding{a.by.user, a.by.session, a.purpose, expires});
    asked = {payload, given_for, crypto::sha256(as_bytes(given_for))};
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
    return Given{proof};  // no factor: from where it was given says nothing
  }
  const KindInfo info = kind->describe();
  auto told = tell(tx, by, info.step_up_only ? Event::picked : info.challenge ? Event::answered : Event::proved, now);
  if (!told) return moved(told);
  return Given{proof, std::move(proved.statement)};
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
  if (!serves(k->describe(), purpose)) return fail(Reason::push_digits, "for a step-up alone");
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

Result<void> Factors::end_session_in(store::Tx& tx, UserId user, SessionId session) {
  auto gone = tx.run("DELETE FROM factor_challenge WHERE account = $1 AND session = $2 AND kind <> $3",
                     {user, session, FactorKind::external});
  if (!gone) return moved(gone);
  // What a plug-in was asked still counts until it expires, about nothing that could be answered.
  auto emptied = tx.run("UPDATE factor_challenge SET payload = $3 WHERE account = $1 AND session = $2",
                        {user, session, as_bytes("-")});
  if (!emptied) return moved(emptied);
  return Prompts::withdraw_in(tx, session);
}

}  // namespace vestibule::factors
