#pragma once
// Sessions and the handles that name them: sign-in, step-up, tokens, identification on the hot path,
// revocation.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/log.hpp"
#include "crypto/handle.hpp"
#include "factors/factors.hpp"
#include "identity/users.hpp"
#include "session/denied.hpp"
#include "session/delegations.hpp"
#include "session/entries.hpp"
#include "session/keys.hpp"
#include "session/memory.hpp"
#include "session/options.hpp"
#include "session/records.hpp"
#include "store/database.hpp"

namespace vestibule::session {

/// Owned by app, made before Database::start(), after Users and Factors. Thread-safe; tasks run on
/// cores.
class Sessions {
 public:
  struct Revoked {
    bool durable = false;  ///< false: denied now, kept over the process's end, stored once the store works again
  };
  static Result<std::unique_ptr<Sessions>> open(store::Database& database, const crypto::HandleMint& mint,
                                                identity::Users& users, factors::Factors& factors, audit::Log& log,
                                                const Clock& clock, Rng& rng, Options options);
  ~Sessions();

  // --- the hot path: no lock, no allocation, no system call, no SQL. On a core.
  /// credential_malformed, credential_audience, credential_unknown, session_ended, session_idle,
  /// user_disabled. Counts as activity: the moment is noted in the entry at most once a minute (the
  /// one exception to "no shared writes").
  [[nodiscard]] Result<Identified> identify(std::string_view token, Audience audience, const Presented& at,
                                            Instant now) const noexcept;
  /// False while memory still fills up behind the requests, after a start with very many sessions: identify() may
  /// not know yet what the store does.
  [[nodiscard]] bool whole() const noexcept { return memory_.whole(); }
  /// Brings this credential and its session in, so that identify() knows it. Garbage touches no store, and nothing does
  /// once memory is whole. store_unavailable: then nobody knows whether it is one.
  net::Task<Result<void>> recall(Secret token);
  net::Task<Result<void>> recall(SessionId session);
  /// Is the act within the credential's own limits (Flags::scoped)? False for what is not known.
  [[nodiscard]] bool permits(const HandleKey& handle, const domain::Act& act, const domain::Source& source, Instant now,
                             policy::Known known) const noexcept;
  /// Does an admission still stand? After every wait. Never counts as activity.
  [[nodiscard]] bool standing(SessionId session, UserId user, const HandleKey& handle, Instant now) const noexcept;
  /// Evidence as it is now, e.g. after a step-up by another connection. Nothing if not standing.
  [[nodiscard]] std::optional<domain::Evidence> evidence(SessionId session, Instant now) const noexcept;

  // --- signing in
  /// Name and password: a session with the knowledge proof alone, level 1, pending. signin_failed,
  /// password_locked, overloaded, store_unavailable.
  net::Task<Result<SignedIn>> start(std::string name, Secret password, domain::Source source, std::string client);
  /// Adds a proof of a second factor to the session: sign-in's second step, and every later step-up.
  /// Only the age of this factor is renewed. A recovery code opens factor management instead.
  /// code_wrong, code_used, factor_locked (a pending session dies with it), factor_missing, factor_cloned.
  net::Task<Result<domain::Evidence>> prove(Identified who, FactorKind kind, Secret answer, Actor by,
                                            factors::ChallengeId challenge = {});
  /// A question for an authenticator, bound to this session and to one act: `purpose` as in
  /// factors::Attempt, or "prove" for the call above. mfa_required, factor_missing.
  /// `factor`: which one, nil the only one of its kind.
  net::Task<Result<factors::Factors::Challenge>> begin_challenge(Identified who, FactorKind kind, std::string purpose,
                                                                 Actor by, FactorId factor = {});
  /// A user-verified passkey alone: two kinds of factor in one step, so the session is not pending.
  /// signin_failed for whatever is wrong; store_unavailable, clock_untrusted.
  net::Task<Result<SignedIn>> start_with_passkey(std::string challenge, std::string answer, domain::Source source,
                                                 std::string client);
  /// The first administrator. setup_done, setup_token, password_weak, invalid_argument.
  net::Task<Result<SignedIn>> setup(Secret token, std::string name, Secret password, domain::Source source,
                                    std::string client);
  /// A new password by an administrator's code; all sessions and factors of the user end.
  net::Task<Result<SignedIn>> with_enrolment_code(Secret code, Secret password, domain::Source source,
                                                  std::string client);
  /// A token for access points; mfa_required while the session is pending. It lives as long as its session at most and is worth what the
  /// session's evidence is worth at the time: a step-up later makes the same token pass again.
  net::Task<Result<IssuedToken>> issue_token(Identified who, Duration ttl, Actor by);

  /// A credential for a program that the person runs: access points alone, his own evidence, no more than
  /// `wish.scope`. conflict: too many are at work. Needs a whole session of the portal's or the CLI's.
  net::Task<Result<Delegated>> delegate(Identified who, DelegationWish wish, Actor by);
  /// Those of a user that live.
  net::Task<Result<std::vector<Delegation>>> delegations(UserId user) const;

  // --- unlocks (unlocks.hpp)
  /// Proves a factor for `wish.purpose` and unlocks, in one job; gives when it ends. Errors of proving, and
  /// of unlock_in(). Needs a whole session of the owner's.
  net::Task<Result<WallTime>> unlock(Identified who, UnlockWish wish, Answer answer, Actor by);
  /// Proves a factor for `purpose` and does what it is for, in one job: `job(tx, by, given, now)`, where the
  /// evidence of `by` is the session's as it is then, without this proof. Needs a whole session.
  using Act = std::function<Result<void>(store::Tx& tx, const Actor& by, const factors::Given& given, Instant now)>;
  net::Task<Result<void>> act(Identified who, std::string purpose, Answer answer, Actor by, Act job);
  /// Within a write job in which `proof` was given for this very act by `by`, whose evidence is that of his
  /// session. not_found unless the credential is his, or of a service that he acts for, and for access points; push_digits or mfa_required for
  /// a proof that counts nowhere.
  Result<WallTime> unlock_in(store::Tx& tx, const UnlockWish& wish, const Actor& by, const domain::Proof& proof,
                             Instant now);
  /// Who answers for a service account, as he is now; false where he is not in good standing. As identify().
  [[nodiscard]] bool sponsor(const domain::Subject& service, domain::Subject& out) const noexcept;
  /// Nothing for one that is not known. Any core; not for the path of requests.
  [[nodiscard]] std::optional<Owned> owner(const HandleKey& credential) const;

  // --- API keys (keys.hpp); what revokes one is revoke(Revocation::of_handle())
  /// Proves a factor for purpose_of(wish). invalid_argument, conflict (the name is taken, or there are
  /// kMaxKeys), and errors of proving.
  net::Task<Result<CreatedKey>> create_key(Identified who, KeyWish wish, Answer answer, Actor by);
  net::Task<Result<std::vector<KeyInfo>>> keys(UserId user) const;  ///< nil: all
  net::Task<Result<KeyInfo>> key(KeyId id) const;                   ///< not_found
  /// One of the account of a person, or of a service that he acts for; not_found for others'.
  net::Task<Result<KeyInfo>> tended_key(UserId person, KeyId id) const;
  /// Public keys of a service that live, each with its name among credentials.
  net::Task<Result<std::vector<ServiceKey>>> service_keys(UserId service) const;
  /// Within the job in which a service has shown the key. credential_unknown, service_asleep, user_disabled.
  Result<IssuedToken> issue_service_token_in(store::Tx& tx, const ServiceTokenWish& wish, Actor by, Instant now);
  /// Ends its unlocks. Whoever acts for its owner; not_found.
  net::Task<Result<void>> sleep_key(Identified who, KeyId id, Actor by);
  /// Somebody holds it who says that it leaked: it is revoked and its owner hears of it. Says nothing of
  /// whether it was one. Garbage costs a checksum and touches no store.
  net::Task<> found_key(Secret text, Actor by);

  // --- token families (oauth). In write jobs; whoever awaits the job sees the effect in memory.
  /// A session with a copy of its parent's proofs, their ages kept, that ends when the parent would have at
  /// the latest. It ends with the parent where that one is revoked, not where its owner signs out or it idles.
  /// session_ended if the parent does not stand; mfa_required while it is pending.
  Result<SessionId> open_family_in(store::Tx& tx, const FamilyWish& wish, const Actor& by, Instant now);
  /// One more token of a family. Neither this nor its use makes any proof younger. session_ended,
  /// session_idle, user_disabled.
  Result<IssuedToken> issue_family_token_in(store::Tx& tx, SessionId family, Duration ttl, Actor by, Instant now);
  /// One more token of a family, for a program that the person runs: no more than the family's, as an agent's.
  /// Errors of delegate(), and of issue_family_token_in().
  Result<Delegated> delegate_family_in(store::Tx& tx, SessionId family, const DelegationWish& wish, const Actor& by, Instant now);
  /// As revoke() of a session, within a job; `why` is what its client is told.
  Result<void> end_family_in(store::Tx& tx, SessionId family, const Actor& by, std::string_view note, Reason why, Instant now) const;
  /// Why a session or handle that is no more has ended: its owner is told, for a week. `key`: an id's bytes or
  /// a handle's hash. Nothing where that is not known, or no longer.
  static Result<std::optional<Reason>> why_ended_in(store::Tx& tx, ByteView key);
  /// The same of a handle's text, for a door that has refused it as unknown. Garbage touches no store.
  net::Task<std::optional<Reason>> why_ended(Secret token) const;
  /// The evidence of a session as the store has it, if the session stands.
  Result<domain::Evidence> evidence_in(store::Tx& tx, SessionId session, Instant now);
  /// Ends this session and leaves what it has allowed to clients: its owner goes, and nothing is wrong.
  net::Task<Revoked> sign_out(SessionId session, Actor by);

  // --- push devices: nobody is signed in there, the device's signature proves
  /// What a device answers to a prompt; nothing: it has expired. "It was not me" ends the session that
  /// asked, at once, and puts its source to sleep for this account. Errors as of Prompts::look() and
  /// answer_in().
  net::Task<Result<std::optional<factors::PromptState>>> answer_prompt(factors::DeviceAnswer answer, Actor by);

  // --- which factor is offered first
  /// Remembers it; every finished sign-in does so too. factor_missing if the user has none of the kind.
  net::Task<Result<void>> prefer(Identified who, FactorKind kind);
  net::Task<Result<std::optional<FactorKind>>> preferred(UserId user) const;

  // --- changing factors, password
  /// What entitles is the code of an existing factor, given in this call and bound to this act, or the
  /// session's grant (first factor), or a used recovery code. factor_exists if none of them;
  /// factor_missing if there is no factor either; code_wrong, code_used, factor_locked. Where it is
  /// awaited, `wish` is given by name: g++ 12 frees a defaulted one twice.
  net::Task<Result<factors::PendingEnrolment>> begin_enrolment(
      Identified who, FactorKind kind, std::string label, std::optional<Answer> existing, Actor by,
      factors::EnrolmentWish wish = {});
  /// The new factor's first code, or what the new authenticator gave. It counts as a proof of this session.
  net::Task<Result<factors::Confirmed>> confirm_enrolment(Identified who, FactorId pending, Secret answer, Actor by);
  net::Task<Result<void>> remove_factor(Identified who, FactorId factor, Answer answer, Actor by);
  net::Task<Result<std::vector<Secret>>> new_recovery_codes(Identified who, Answer answer, Actor by);
  /// Needs the old password and, where one is enrolled, a second factor, in the same call. Ends all other
  /// sessions of the user.
  net::Task<Result<void>> change_password(Identified who, Secret old_password, Secret new_password,
                                          std::optional<Answer> answer, Actor by);

  // --- revocation: memory first, then the store
  /// At once on all cores, without the store; maintenance persists it. A denial of a user covers
  /// whatever session he has until then, new ones too.
  void deny(const Revocation& what);
  net::Task<Revoked> revoke(Revocation what, Actor by);
  /// Called in whatever thread denies; registered before Database::start(). Must be quick.
  void on_deny(std::function<void(const Revocation&)> listener);

  // --- looking up
  net::Task<Result<std::vector<SessionInfo>>> list(UserId user) const;  ///< nil: all
  /// Whose session this is. Nothing: there is none.
  net::Task<Result<std::optional<UserId>>> owner(SessionId session) const;
  [[nodiscard]] std::size_t size() const noexcept { return memory_.size(); }

  // --- maintenance, on core 0
  /// Until stop(): fills memory up, persists last-seen times, pending revocations and the clock's mark; deletes what
  /// has expired. Runs the other two rooms' maintenance as well.
  net::Task<> maintain(net::Core& core);
  net::Task<Result<void>> maintain_once();  ///< one round
  void stop() noexcept { stopping_.store(true); }
  /// False while a revocation waits for the store.
  [[nodiscard]] bool all_persisted() const noexcept { return !denied_.any(); }

 private:
  Sessions(store::Database& database, const crypto::HandleMint& mint, identity::Users& users,
           factors::Factors& factors, audit::Log& log, const Clock& clock, Rng& rng, Options options);
  // in write jobs
  Result<SessionEntry> standing_in(store::Tx& tx, const Identified& who, Instant now) const;
  void lapse(Flags& flags, const domain::Evidence& evidence, Instant now) const noexcept;  // what a recovery code opened
  /// How far a new session is: its first factor only, the same with a grant to enrol, or all it needs.
  enum class Opening : std::uint8_t { first_factor, granted, whole };
  Result<SignedIn> open_in(store::Tx& tx, UserId user, const domain::Proof& proof, Opening opening, Actor by, Instant now);
  /// A session that a family's tokens name, as it stands in the store.
  Result<SessionEntry> standing_session_in(store::Tx& tx, SessionId id, Instant now);
  [[nodiscard]] bool denied(SessionId session, UserId user, SessionId parent, const HandleKey& handle) const noexcept;
  /// Before the job: where a plug-in judges the answer, it is asked now.
  net::Task<Answer> consult(Answer answer, std::string purpose, Actor by);
  /// What entitled the beginning of an enrolment is this session's too.
  Result<factors::Authority> may_confirm_in(store::Tx& tx, const SessionEntry& session, UserId user, FactorId pending, Instant now);
  Result<void> prove_act_in(store::Tx& tx, const Actor& by, Answer answer, std::string purpose, Instant now,
                            std::optional<Result<factors::Given>>& out);
  Result<void> sweep_in(store::Tx& tx, Instant now);
  /// Until memory is whole.
  net::Task<> fill(net::Core& core);
  // verdicts
  struct Basis;
  [[nodiscard]] Result<Identified> judge(const Basis& basis, const HandleKey& key, Audience audience,
                                         Instant now) const noexcept;
  [[nodiscard]] Reason check_times(const SessionEntry& session, Instant now) const noexcept;
  [[nodiscard]] std::optional<HandleKey> check_token(std::string_view token, Audience audience,
                                                     Reason& reason) const noexcept;
  void deny_by(const Revocation& what, const Actor& by);

  store::Database& database_;
  const crypto::HandleMint& mint_;
  identity::Users& users_;
  factors::Factors& factors_;
  audit::Log& log_;
  const Clock& clock_;
  Rng& rng_;
  Options options_;
  Records records_;
  Memory memory_;
  Denied denied_;
  std::vector<std::function<void(const Revocation&)>> deny_listeners_;
  std::atomic<bool> stopping_{false};
};

}  // namespace vestibule::session
