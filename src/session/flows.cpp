// Signing in, stepping up, tokens, what devices answer.
#include <algorithm>

#include "factors/binding.hpp"
#include "session/flow.hpp"
#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
namespace {

using factors::Attempt;
using factors::Settled;

/// What the operation "prove" comes to.
constexpr std::string_view kProve = "prove";
std::string_view prove_purpose(const Flags& flags) { return flags.pending ? "signin" : factors::kStepUp; }

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
    // By one name alone, since what it comes to depends on the session.
    if (p == factors::kStepUp) return fail(Reason::invalid_argument, "operation: it is called prove");
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
      auto ended = records_.end_in(tx, who.subject.session, Reason::factor_locked);
      if (!ended) return std::move(ended).error();
      return Out{std::move(charged).error()};
    }
    const bool locks = charged->last_before_lock();
    auto proved = factors_.prove_in(tx, std::move(*charged), now);
    if (!proved) {
      if (locks) {
        auto ended = records_.end_all_in(tx, who.subject.user, SessionId{}, true, Reason::factor_locked);
        if (!ended) return std::move(ended).error();
      }
      return Out{std::move(proved).error()};
    }
    if (kind == FactorKind::recovery_code) {
      auto opened = tx.run("UPDATE session SET factor_management = 1 WHERE id = $1", {who.subject.session});
      if (!opened) return std::move(opened).error();
      records_.record(tx, audit::Kind::sign_in, "signin.recovery", Reason::ok, self, {}, "factor management is open", now);
    } else if (pending) {
      auto remembered = Records::prefer_in(tx, who.subject.user, kind);
      if (!remembered) return std::move(remembered).error();
    }
    auto evidence = records_.add_proof_in(tx, who.subject.session, std::move(*session), proved->proof, now);
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
      auto ended = records_.end_all_in(tx, l.user, SessionId{}, true, Reason::push_not_me);
      if (!ended) return std::move(ended).error();
      auto locked = lock_account_in(tx, l.user);
      if (!locked) return std::move(locked).error();
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
    auto ended = records_.end_all_in(tx, *id, SessionId{}, false, Reason::password_changed);
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
    auto room = records_.make_room_in(tx, "session = $1 AND audience = $2 AND via = ''", {who.subject.session, Audience::access});
    if (!room) return std::move(room).error();
    crypto::Handle handle = mint_.make(crypto::kAccessToken, rng_);
    const WallTime ends = std::min(now.wall + std::min(ttl, options_.token_ttl), session->ends);
    auto put = tx.run(
        "INSERT INTO session_handle (hash, session, audience, created, created_boot, boot_id, ends) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        {handle.hash, who.subject.session, Audience::access, now.wall, now.boot.time_since_epoch().count(),
         options_.boot_id, ends});
    if (!put) return std::move(put).error();
    tx.changed(kHandleTopic, handle.hash);
    records_.record(tx, audit::Kind::sign_in, "token.issue", Reason::ok, as(who, by, session->evidence),
           "handle " + hex(ByteView(handle.hash).first(8)), {}, now);
    return IssuedToken{std::move(handle.text), ends};
  };
  Result<IssuedToken> issued = co_await database_.write(std::move(job));
  co_return issued;
}

}  // namespace vestibule::session
