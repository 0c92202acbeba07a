// Signing in, stepping up, changing factors. Each is one write job at its heart: what it checks, what
// it consumes, what it changes and its record stand or fall together.
//
// Jobs have names: g++ 12 destroys a capturing lambda twice that is written into a co_await expression.
// Jobs that look at an answer give Settled<...>: a wrong answer commits (the charge and its record
// stand), everything else that goes wrong takes the whole job back.
#include <algorithm>

#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
namespace {

using factors::Attempt;
using factors::Authority;
using factors::Settled;

/// The actor as the session says, whatever the caller filled in.
Actor as(const Identified& who, Actor by, const domain::Evidence& evidence) {
  by.user = who.subject.user;
  by.name = who.subject.name;
  by.session = who.subject.session;
  by.evidence = evidence;
  return by;
}

/// What the operation "prove" comes to.
constexpr std::string_view kProve = "prove";
std::string_view prove_purpose(const Flags& flags) { return flags.pending ? "signin" : "step-up"; }

template <class T>
Result<T> unsettled(Result<Settled<Result<T>>> settled) {
  if (!settled) return std::move(settled).error();
  return std::move(settled->value);
}

domain::Proof password_proof(UserId user, Instant now) {
  return {FactorKind::password, domain::traits_of(FactorKind::password), identity::password_factor(user), now.wall,
          now.boot};
}

}  // namespace

net::Task<Result<SignedIn>> Sessions::start(std::string name, Secret password, domain::Source source,
                                            std::string client) {
  Actor by;
  by.source = source;
  by.client = std::move(client);
  Result<identity::Verified> verified = co_await users_.verify_password(name, std::move(password), by);
  if (!verified) co_return std::move(verified).error();
  by.name = domain::UserName(name);
  auto job = [this, v = std::move(*verified), by](store::Tx& tx) -> Result<SignedIn> {
    const Instant now = clock_.now();
    if (users_.standing(v.user()) != identity::Users::Standing::good) return fail(Reason::signin_failed);
    // From there it was somebody else, the owner said: the password may be right and is refused like a
    // wrong one, its charge included.
    auto sleeps = factors::Prompts::sleeps_in(tx, v.user(), by.source, now);
    if (!sleeps) return std::move(sleeps).error();
    if (*sleeps) return fail(Reason::signin_failed, "its source sleeps");
    auto accepted = users_.accept_in(tx, v, now);
    if (!accepted) return std::move(accepted).error();
    return open_in(tx, v.user(), v.proof(), Opening::first_factor, by, now);
  };
  Result<SignedIn> opened = co_await database_.write(std::move(job));
  if (!opened && opened.error().code == Reason::signin_failed) {
    log_.refuse_unauthenticated(by.source, Reason::signin_failed, "vestibule");
  }
  if (!opened && opened.error().code == Reason::conflict) co_return fail(Reason::signin_failed, "the account changed");
  co_return opened;
}

net::Task<Result<SignedIn>> Sessions::start_with_passkey(std::string challenge, std::string answer,
                                                         domain::Source source, std::string client) {
  using Out = Settled<Result<SignedIn>>;
  Actor by;
  by.source = source;
  by.client = std::move(client);
  // A look first, so that a stranger writes nothing; what decides is the job.
  Result<void> looked = co_await factors_.look_at_passkey(challenge, answer);
  if (!looked) {
    if (looked.error().code == Reason::signin_failed) {
      log_.refuse_unauthenticated(source, Reason::signin_failed, "vestibule");
    }
    co_return std::move(looked).error();
  }
  auto job = [this, c = std::move(challenge), a = std::move(answer), by](store::Tx& tx) -> Result<Out> {
    const Instant now = clock_.now();
    auto proved = factors_.prove_passkey_in(tx, c, a, by, now);
    if (!proved) {
      if (factors::commits(proved.error().code)) return Out{std::move(proved).error()};
      return std::move(proved).error();
    }
    if (users_.standing(proved->user) != identity::Users::Standing::good) return fail(Reason::signin_failed);
    Actor self = by;
    users_.read(proved->user, [&](const identity::User& u) { self.name = u.name; });
    auto opened = open_in(tx, proved->user, proved->proof, Opening::whole, std::move(self), now);
    if (!opened) return std::move(opened).error();
    return Out{std::move(opened)};
  };
  Result<Settled<Result<SignedIn>>> settled = co_await database_.write(std::move(job));
  Result<SignedIn> opened = unsettled(std::move(settled));
  // Whoever holds a copied key need not learn that it was noticed.
  if (!opened && opened.error().code == Reason::factor_cloned) opened = fail(Reason::signin_failed, "factor_cloned");
  if (!opened && opened.error().code == Reason::signin_failed) {
    log_.refuse_unauthenticated(source, Reason::signin_failed, "vestibule");
  }
  co_return opened;
}

net::Task<Result<factors::Factors::Challenge>> Sessions::begin_challenge(Identified who, FactorKind kind,
                                                                         std::string purpose, Actor by, FactorId factor) {
  auto job = [this, who, kind, p = std::move(purpose), by, factor](store::Tx& tx) -> Result<factors::Factors::Challenge> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    const std::string_view act = p == kProve ? prove_purpose(session->flags) : std::string_view(p);
    return factors_.begin_in(tx, kind, act, as(who, by, session->evidence), now, factor);
  };
  Result<factors::Factors::Challenge> begun = co_await database_.write(std::move(job));
  if (!begun) co_return begun;
  Result<factors::Factors::Challenge> asked = co_await factors_.ask(std::move(*begun));
  co_return asked;
}

net::Task<Answer> Sessions::consult(Answer answer, std::string purpose, Actor by) {
  if (answer.kind != FactorKind::external) co_return answer;
  Attempt attempt;
  attempt.kind = answer.kind;
  attempt.answer = std::move(answer.text);
  attempt.purpose = std::move(purpose);
  attempt.by = std::move(by);
  attempt.challenge = answer.challenge;
  Attempt asked = co_await factors_.consult(std::move(attempt));
  answer.text = std::move(asked.answer);
  answer.consulted = std::move(asked.consulted);
  co_return answer;
}

net::Task<Result<domain::Evidence>> Sessions::prove(Identified who, FactorKind kind, Secret answer, Actor by,
                                                    factors::ChallengeId challenge) {
  using Out = Settled<Result<domain::Evidence>>;
  Answer given(kind, std::move(answer), challenge);
  std::string purpose(prove_purpose(who.flags));
  Actor asking = as(who, by, who.evidence);
  given = co_await consult(std::move(given), std::move(purpose), std::move(asking));
  auto job = [this, who, kind, a = std::move(given), by](store::Tx& tx) mutable -> Result<Out> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    const bool pending = session->flags.pending;
    Attempt attempt;
    attempt.kind = kind;
    attempt.answer = std::move(a.text);
    attempt.purpose = prove_purpose(session->flags);
    attempt.challenge = a.challenge;
    attempt.consulted = std::move(a.consulted);
    attempt.by = as(who, std::move(by), session->evidence);
    const Actor self = attempt.by;
    auto charged = factors_.charge_in(tx, std::move(attempt), now);
    if (!charged) {
      if (charged.error().code != Reason::factor_locked || !pending) return std::move(charged).error();
      // The sign-in in progress dies with the factor.
      auto ended = end_in(tx, who.subject.session);
      if (!ended) return std::move(ended).error();
      return Out{std::move(charged).error()};
    }
    const bool locks = charged->last_before_lock();
    auto proof = factors_.prove_in(tx, std::move(*charged), now);
    if (!proof) {
      if (locks) {
        auto ended = end_all_in(tx, who.subject.user, SessionId{}, true);
        if (!ended) return std::move(ended).error();
      }
      return Out{std::move(proof).error()};
    }
    if (kind == FactorKind::recovery_code) {
      auto opened = tx.run("UPDATE session SET factor_management = 1 WHERE id = $1", {who.subject.session});
      if (!opened) return std::move(opened).error();
      record(tx, audit::Kind::sign_in, "signin.recovery", Reason::ok, self, {}, "factor management is open", now);
    } else if (pending) {
      auto remembered = prefer_in(tx, who.subject.user, kind);
      if (!remembered) return std::move(remembered).error();
    }
    auto evidence = add_proof_in(tx, who.subject.session, std::move(*session), *proof, now);
    if (!evidence) return std::move(evidence).error();
    return Out{std::move(evidence)};
  };
  auto settled = co_await database_.write(std::move(job));
  co_return unsettled(std::move(settled));
}

net::Task<Result<std::optional<factors::PromptState>>> Sessions::answer_prompt(factors::DeviceAnswer answer, Actor by) {
  using Out = std::optional<factors::PromptState>;
  Result<factors::Prompts::Looked> looked = co_await factors_.prompts().look(answer);
  if (!looked) {
    if (looked.error().code == Reason::credential_unknown) {
      log_.refuse_unauthenticated(by.source, Reason::credential_unknown, "vestibule");
    }
    co_return std::move(looked).error();
  }
  by.user = looked->user;
  users_.read(looked->user, [&](const identity::User& u) { by.name = u.name; });
  if (answer.verdict == factors::Verdict::not_me) {
    // What protects goes first, whether the answer can be stored or not.
    Revoked revoked = co_await revoke(Revocation::of(looked->session), by);
    static_cast<void>(revoked);
  }
  auto job = [this, a = std::move(answer), l = std::move(*looked), by](store::Tx& tx) -> Result<Out> {
    auto done = factors_.prompts().answer_in(tx, a, l, by, clock_.now());
    if (done && a.verdict == factors::Verdict::not_me) {
      // Whoever knows the password may have opened more than the one that asked.
      auto ended = end_all_in(tx, l.user, SessionId{}, true);
      if (!ended) return std::move(ended).error();
    }
    return done;
  };
  Result<Out> done = co_await database_.write(std::move(job));
  co_return done;
}

net::Task<Result<SignedIn>> Sessions::setup(Secret token, std::string name, Secret password, domain::Source source,
                                            std::string client) {
  Actor by;
  by.source = source;
  by.client = std::move(client);
  by.name = domain::UserName(name);
  // A look first, so that a stranger's guess costs no hashing; what decides is the job.
  Secret copy = token.clone();
  Result<void> looked = co_await users_.check_setup_token(std::move(copy));
  if (!looked) {
    if (looked.error().code == Reason::setup_token) {
      log_.refuse_unauthenticated(source, Reason::setup_token, "vestibule");
    }
    co_return std::move(looked).error();
  }
  Result<identity::PreparedPassword> prepared = co_await users_.prepare(std::move(name), std::move(password));
  if (!prepared) co_return std::move(prepared).error();
  auto job = [this, t = std::move(token), p = std::move(*prepared), by](store::Tx& tx) -> Result<SignedIn> {
    const Instant now = clock_.now();
    auto user = users_.setup_in(tx, t.reveal_text(), p, by);
    if (!user) return std::move(user).error();
    return open_in(tx, *user, password_proof(*user, now), Opening::granted, by, now);
  };
  Result<SignedIn> opened = co_await database_.write(std::move(job));
  co_return opened;
}

net::Task<Result<SignedIn>> Sessions::with_enrolment_code(Secret code, Secret password, domain::Source source,
                                                          std::string client) {
  Actor by;
  by.source = source;
  by.client = std::move(client);
  Secret copy = code.clone();
  Result<identity::User> user = co_await users_.check_enrolment_code(std::move(copy));
  if (!user) {
    if (user.error().code == Reason::credential_unknown) {
      log_.refuse_unauthenticated(source, Reason::credential_unknown, "vestibule");
    }
    co_return std::move(user).error();
  }
  by.user = user->id;
  by.name = user->name;
  std::string name(user->name.view());
  Result<identity::PreparedPassword> prepared = co_await users_.prepare(std::move(name), std::move(password));
  if (!prepared) co_return std::move(prepared).error();
  auto job = [this, c = std::move(code), p = std::move(*prepared), by](store::Tx& tx) -> Result<SignedIn> {
    const Instant now = clock_.now();
    auto id = users_.use_enrolment_code_in(tx, c.reveal_text(), p, by);
    if (!id) return std::move(id).error();
    auto ended = end_all_in(tx, *id, SessionId{}, false);
    if (!ended) return std::move(ended).error();
    auto reset = factors_.remove_all_in(tx, *id, by, now);
    if (!reset) return std::move(reset).error();
    return open_in(tx, *id, password_proof(*id, now), Opening::granted, by, now);
  };
  Result<SignedIn> opened = co_await database_.write(std::move(job));
  co_return opened;
}

net::Task<Result<IssuedToken>> Sessions::issue_token(Identified who, Duration ttl, Actor by) {
  if (ttl <= Duration::zero()) co_return fail(Reason::invalid_argument, "a lifetime is positive");
  auto job = [this, who, ttl, by](store::Tx& tx) -> Result<IssuedToken> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    if (session->flags.pending) return fail(Reason::mfa_required, "sign-in is not finished");
    std::vector<HandleKey> old;
    auto listed = tx.query("SELECT hash FROM session_handle WHERE session = $1 AND audience = $2 ORDER BY created DESC",
                           {who.subject.session, Audience::access}, [&](const store::Row& row) {
                             if (const auto key = digest_of(row.blob(0))) old.push_back(*key);
                             return true;
                           });
    if (!listed) return std::move(listed).error();
    for (std::size_t i = options_.max_tokens > 0 ? options_.max_tokens - 1 : 0; i < old.size(); ++i) {
      auto gone = tx.run("DELETE FROM session_handle WHERE hash = $1", {old[i]});
      if (!gone) return std::move(gone).error();
      tx.changed(kHandleTopic, old[i]);
    }
    crypto::Handle handle = mint_.make(crypto::kAccessToken, rng_);
    const WallTime ends = std::min(now.wall + std::min(ttl, options_.token_ttl), session->ends);
    auto put = tx.run(
        "INSERT INTO session_handle (hash, session, audience, created, created_boot, boot_id, ends) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        {handle.hash, who.subject.session, Audience::access, now.wall, now.boot.time_since_epoch().count(),
         options_.boot_id, ends});
    if (!put) return std::move(put).error();
    tx.changed(kHandleTopic, handle.hash);
    record(tx, audit::Kind::sign_in, "token.issue", Reason::ok, as(who, by, session->evidence),
           "handle " + hex(ByteView(handle.hash).first(8)), {}, now);
    return IssuedToken{std::move(handle.text), ends};
  };
  Result<IssuedToken> issued = co_await database_.write(std::move(job));
  co_return issued;
}

// --- factors

Result<void> Sessions::prove_act_in(store::Tx& tx, const Actor& by, Answer answer, std::string purpose, Instant now,
                                    std::optional<Result<domain::Proof>>& out) {
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
    auto ended = end_all_in(tx, by.user, SessionId{}, true);
    if (!ended) return std::move(ended).error();
  }
  return {};
}

namespace {

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
      std::optional<Result<domain::Proof>> proof;
      auto proved = prove_act_in(tx, self, std::move(*code), purpose, now, proof);
      if (!proved) return std::move(proved).error();
      if (!*proof) return Out{std::move(*proof).error()};
      self.evidence.add(**proof);
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
    auto evidence = add_proof_in(tx, who.subject.session, std::move(*session), confirmed->proof, now);
    if (!evidence) return std::move(evidence).error();
    return Out{std::move(confirmed)};
  };
  auto settled = co_await database_.write(std::move(job));
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
    std::optional<Result<domain::Proof>> proof;
    auto proved = prove_act_in(tx, self, std::move(c), "factor.remove " + factor.text(), now, proof);
    if (!proved) return std::move(proved).error();
    if (!*proof) return Out{std::move(*proof).error()};
    auto removed = factors_.remove_in(tx, who.subject.user, factor, **proof, self, now);
    if (!removed) return std::move(removed).error();
    auto dropped = drop_proofs_in(tx, factor);
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
    std::optional<Result<domain::Proof>> proof;
    auto proved = prove_act_in(tx, self, std::move(c), "factor.recovery_codes", now, proof);
    if (!proved) return std::move(proved).error();
    if (!*proof) return Out{std::move(*proof).error()};
    auto codes = factors_.new_recovery_codes_in(tx, who.subject.user, **proof, self, now);
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
      std::optional<Result<domain::Proof>> proof;
      auto proved = prove_act_in(tx, self, std::move(*c), "password.change", now, proof);
      if (!proved) return std::move(proved).error();
      if (!*proof) return Out{Result<void>(std::move(*proof).error())};
      self.evidence.add(**proof);
    }
    auto set = users_.set_password_in(tx, who.subject.user, p, self);
    if (!set) return std::move(set).error();
    auto ended = end_all_in(tx, who.subject.user, who.subject.session, false);
    if (!ended) return std::move(ended).error();
    return Out{Result<void>{}};
  };
  auto settled = co_await database_.write(std::move(job));
  co_return unsettled(std::move(settled));
}

}  // namespace vestibule::session
