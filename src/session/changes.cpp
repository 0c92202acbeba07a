// Changing factors and the password: what entitles is proved in the same call, for this very act.
#include <algorithm>

#include "session/flow.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
namespace {

using factors::Attempt;
using factors::Authority;
using factors::Settled;

// A new factor is bound by the strongest that the account has (SP 800-63B-4, 4.1.2.1), and so is every
// change of factors: two phished codes must not become a key of the thief's own. A lost key is what
// recovery codes and administrators are for.
Result<void> strong_enough(store::Tx& tx, const factors::Factors& factors, UserId user, FactorKind by) {
  if (by == FactorKind::webauthn) return {};
  auto has = factors.list_in(tx, user);
  if (!has) return std::move(has).error();
  const auto works = [](const factors::FactorInfo& f) { return f.kind == FactorKind::webauthn && !f.disabled; };
  if (std::ranges::any_of(*has, works)) {
    return fail(Reason::mfa_required, "this account has a security key: it takes the key to change factors, or, where it is lost, a recovery code");
  }
  return {};
}

}  // namespace

Result<void> Sessions::prove_act_in(store::Tx& tx, const Actor& by, Answer answer, std::string purpose, Instant now,
                                    std::optional<Result<factors::Given>>& out) {
  Attempt attempt;
  attempt.kind = answer.kind;
  attempt.answer = std::move(answer.text);
  attempt.challenge = answer.challenge;
  attempt.consulted = std::move(answer.consulted);
  attempt.purpose = std::move(purpose);
  attempt.by = by;
  auto charged = factors_.charge_in(tx, std::move(attempt), now);
  if (!charged) return std::move(charged).error();
  const bool locks = charged->last_before_lock();
  out = factors_.prove_in(tx, std::move(*charged), now);
  if (!*out && locks) {
    auto ended = records_.end_all_in(tx, by.user, SessionId{}, true, Reason::factor_locked);
    if (!ended) return std::move(ended).error();
  }
  return {};
}

net::Task<Result<factors::PendingEnrolment>> Sessions::begin_enrolment(Identified who, FactorKind kind,
                                                                       std::string label,
                                                                       std::optional<Answer> existing, Actor by,
                                                                       factors::EnrolmentWish wish) {
  using Out = Settled<Result<factors::PendingEnrolment>>;
  const std::string purpose = "factor.add " + std::string(domain::name(kind));
  if (existing) {
    std::string act = purpose;
    Actor asking = as(who, by, who.evidence);
    existing = co_await consult(std::move(*existing), std::move(act), std::move(asking));
  }
  auto job = [this, who, kind, l = std::move(label), code = std::move(existing), by, purpose,
              wish = std::move(wish)](store::Tx& tx) mutable -> Result<Out> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    Actor self = as(who, by, session->evidence);
    Authority authority{};
    if (code) {
      auto enough = strong_enough(tx, factors_, who.subject.user, code->kind);
      if (!enough) return std::move(enough).error();
      std::optional<Result<factors::Given>> given;
      auto proved = prove_act_in(tx, self, std::move(*code), purpose, now, given);
      if (!proved) return std::move(proved).error();
      if (!*given) return Out{std::move(*given).error()};
      self.evidence.add((*given)->proof);
      authority = Authority::existing_factor;
    } else if (session->flags.factor_management) {
      authority = Authority::recovery;
    } else if (session->flags.enrol_grant) {
      authority = Authority::enrol_grant;
    } else {
      auto has = factors_.list_in(tx, who.subject.user);
      if (!has) return std::move(has).error();
      if (!has->empty()) return fail(Reason::factor_exists);
      return fail(Reason::factor_missing, "an administrator's enrolment code opens the first enrolment");
    }
    auto begun = factors_.begin_enrolment_in(tx, who.subject.user, kind, l, authority, self, now, wish);
    if (!begun) return std::move(begun).error();
    return Out{std::move(begun)};
  };
  auto settled = co_await database_.write(std::move(job));
  Result<factors::PendingEnrolment> begun = unsettled(std::move(settled));
  if (!begun) co_return begun;
  Result<factors::PendingEnrolment> asked = co_await factors_.ask(std::move(*begun));
  co_return asked;
}

Result<Authority> Sessions::may_confirm_in(store::Tx& tx, const SessionEntry& session, UserId user, FactorId pending,
                                           Instant now) {
  auto authority = factors_.charge_enrolment_in(tx, user, pending, now);
  if (!authority) return authority;
  bool entitled = false;
  switch (*authority) {
    case Authority::enrol_grant: entitled = session.flags.enrol_grant; break;
    case Authority::recovery: entitled = session.flags.factor_management; break;
    case Authority::existing_factor: entitled = !session.flags.pending; break;
  }
  if (!entitled) return fail(Reason::not_found, "begun in another session");
  return authority;
}

net::Task<Result<factors::Confirmed>> Sessions::confirm_enrolment(Identified who, FactorId pending, Secret answer,
                                                                  Actor by) {
  using Out = Settled<Result<factors::Confirmed>>;
  const UserId user = who.subject.user;
  Actor self = as(who, std::move(by), who.evidence);
  const Result<bool> external = co_await factors_.needs_plugin(user, pending);
  if (!external) co_return external.error();
  std::optional<factors::Consulted> said;
  if (*external) {
    // Charged before the plug-in is asked; the job below charges once more, so half as many tries do.
    auto pay = [this, who, pending, user, self](store::Tx& tx) -> Result<factors::PluginCall> {
      const Instant now = clock_.now();
      auto session = standing_in(tx, who, now);
      if (!session) return std::move(session).error();
      auto may = may_confirm_in(tx, *session, user, pending, now);
      if (!may) return std::move(may).error();
      return factors_.confirmation_in(tx, user, pending, self);
    };
    Result<factors::PluginCall> about = co_await database_.write(std::move(pay));
    if (!about) co_return std::move(about).error();
    Secret copy = answer.clone();
    Actor asking = self;
    said = co_await factors_.consult_enrolment(std::move(*about), std::move(copy), std::move(asking));
  }
  auto job = [this, who, pending, user, a = std::move(answer), s = std::move(said), self](store::Tx& tx) mutable -> Result<Out> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    auto authority = may_confirm_in(tx, *session, user, pending, now);
    if (!authority) return std::move(authority).error();
    self.evidence = session->evidence;
    auto confirmed = factors_.confirm_in(tx, user, pending, a.reveal_text(), self, now, s);
    if (!confirmed) {
      if (factors::commits(confirmed.error().code)) return Out{std::move(confirmed).error()};
      return std::move(confirmed).error();
    }
    auto spent = tx.run("UPDATE session SET enrol_grant = 0, factor_management = 0 WHERE id = $1", {who.subject.session});
    if (!spent) return std::move(spent).error();
    if (*authority != Authority::existing_factor) {
      auto voided = identity::Users::void_enrolment_code_in(tx, user);
      if (!voided) return std::move(voided).error();
    }
    if (*authority == Authority::recovery) {
      auto noted = users_.note_factor_reset_in(tx, user, now.wall);
      if (!noted) return std::move(noted).error();
    }
    auto evidence = records_.add_proof_in(tx, who.subject.session, std::move(*session), confirmed->proof, now);
    if (!evidence) return std::move(evidence).error();
    return Out{std::move(confirmed)};
  };
  auto settled = co_await database_.write(std::move(job));
  co_return unsettled(std::move(settled));
}

net::Task<Result<void>> Sessions::act(Identified who, std::string purpose, Answer answer, Actor by, Act job) {
  using Out = Settled<Result<void>>;
  std::string asked = purpose;
  Actor asking = as(who, by, who.evidence);
  answer = co_await consult(std::move(answer), std::move(asked), std::move(asking));
  auto whole = [this, who, p = std::move(purpose), a = std::move(answer), by, job = std::move(job)](store::Tx& tx) mutable -> Result<Out> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    if (session->flags.pending) return fail(Reason::mfa_required, "sign-in is not finished");
    const Actor self = as(who, by, session->evidence);
    std::optional<Result<factors::Given>> given;
    auto proved = prove_act_in(tx, self, std::move(a), p, now, given);
    if (!proved) return std::move(proved).error();
    if (!*given) return Out{std::move(*given).error()};
    auto done = job(tx, self, **given, now);
    if (!done) return std::move(done).error();
    return Out{Result<void>{}};
  };
  auto settled = co_await database_.write(std::move(whole));
  co_return unsettled(std::move(settled));
}

net::Task<Result<void>> Sessions::remove_factor(Identified who, FactorId factor, Answer answer, Actor by) {
  using Out = Settled<Result<void>>;
  std::string purpose = "factor.remove " + factor.text();
  Actor asking = as(who, by, who.evidence);
  answer = co_await consult(std::move(answer), std::move(purpose), std::move(asking));
  auto job = [this, who, factor, c = std::move(answer), by](store::Tx& tx) mutable -> Result<Out> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    const Actor self = as(who, by, session->evidence);
    auto enough = strong_enough(tx, factors_, who.subject.user, c.kind);
    if (!enough) return std::move(enough).error();
    std::optional<Result<factors::Given>> given;
    auto proved = prove_act_in(tx, self, std::move(c), "factor.remove " + factor.text(), now, given);
    if (!proved) return std::move(proved).error();
    if (!*given) return Out{std::move(*given).error()};
    auto removed = factors_.remove_in(tx, who.subject.user, factor, (*given)->proof, self, now);
    if (!removed) return std::move(removed).error();
    auto dropped = Records::drop_proofs_in(tx, factor);
    if (!dropped) return std::move(dropped).error();
    return Out{Result<void>{}};
  };
  auto settled = co_await database_.write(std::move(job));
  co_return unsettled(std::move(settled));
}

net::Task<Result<std::vector<Secret>>> Sessions::new_recovery_codes(Identified who, Answer answer, Actor by) {
  using Out = Settled<Result<std::vector<Secret>>>;
  std::string purpose = "factor.recovery_codes";
  Actor asking = as(who, by, who.evidence);
  answer = co_await consult(std::move(answer), std::move(purpose), std::move(asking));
  auto job = [this, who, c = std::move(answer), by](store::Tx& tx) mutable -> Result<Out> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    const Actor self = as(who, by, session->evidence);
    auto enough = strong_enough(tx, factors_, who.subject.user, c.kind);
    if (!enough) return std::move(enough).error();
    std::optional<Result<factors::Given>> given;
    auto proved = prove_act_in(tx, self, std::move(c), "factor.recovery_codes", now, given);
    if (!proved) return std::move(proved).error();
    if (!*given) return Out{std::move(*given).error()};
    auto codes = factors_.new_recovery_codes_in(tx, who.subject.user, (*given)->proof, self, now);
    if (!codes) return std::move(codes).error();
    return Out{std::move(codes)};
  };
  auto settled = co_await database_.write(std::move(job));
  co_return unsettled(std::move(settled));
}

net::Task<Result<void>> Sessions::change_password(Identified who, Secret old_password, Secret new_password,
                                                  std::optional<Answer> answer, Actor by) {
  using Out = Settled<Result<void>>;
  std::string name(who.subject.name.view());
  Actor self = as(who, std::move(by), who.evidence);
  Result<identity::Verified> verified = co_await users_.verify_password(name, std::move(old_password), self);
  if (!verified) co_return std::move(verified).error();
  if (verified->user() != who.subject.user) co_return fail(Reason::signin_failed);
  Result<identity::PreparedPassword> prepared = co_await users_.prepare(std::move(name), std::move(new_password));
  if (!prepared) co_return std::move(prepared).error();
  if (answer) {
    std::string purpose = "password.change";
    Actor asking = self;
    answer = co_await consult(std::move(*answer), std::move(purpose), std::move(asking));
  }
  auto job = [this, who, v = std::move(*verified), p = std::move(*prepared), c = std::move(answer),
              self](store::Tx& tx) mutable -> Result<Out> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    self.evidence = session->evidence;
    auto listed = factors_.list_in(tx, who.subject.user);
    if (!listed) return std::move(listed).error();
    // The old password was right: its charge goes back even if the code is wrong.
    auto accepted = users_.accept_in(tx, v, now);
    if (!accepted) return std::move(accepted).error();
    const bool second = std::ranges::any_of(*listed, [](const auto& f) { return f.kind != FactorKind::recovery_code; });
    if (second) {
      if (!c) return fail(Reason::mfa_required, "a second factor goes with it");
      std::optional<Result<factors::Given>> given;
      auto proved = prove_act_in(tx, self, std::move(*c), "password.change", now, given);
      if (!proved) return std::move(proved).error();
      if (!*given) return Out{Result<void>(std::move(*given).error())};
      self.evidence.add((*given)->proof);
    }
    auto set = users_.set_password_in(tx, who.subject.user, p, self);
    if (!set) return std::move(set).error();
    auto ended = records_.end_all_in(tx, who.subject.user, who.subject.session, false, Reason::password_changed);
    if (!ended) return std::move(ended).error();
    return Out{Result<void>{}};
  };
  auto settled = co_await database_.write(std::move(job));
  co_return unsettled(std::move(settled));
}

}  // namespace vestibule::session
