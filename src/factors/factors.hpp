#pragma once
// Second factors: enrolment, verification, throttling, recovery codes. The one choke point: whoever
// asks for a code, for whatever purpose, passes charge and prove below; sign-in by passkey alone has its
// own two calls.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audit/log.hpp"
#include "base/seats.hpp"
#include "base/snapshot_table.hpp"
#include "crypto/sealed.hpp"
#include "factors/attempt.hpp"
#include "factors/enrolment.hpp"
#include "factors/factor_info.hpp"
#include "factors/options.hpp"
#include "factors/prompts.hpp"
#include "factors/tokens.hpp"
#include "identity/resets.hpp"
#include "identity/users.hpp"
#include "store/database.hpp"

namespace vestibule::factors {

class ExternalKind;
class RecoveryKind;
class WebAuthnKind;

/// What is told to whoever keeps books on it.
enum class Event : std::uint8_t {
  asked,     ///< a question was put, behind the first factor
  answered,  ///< a question was answered rightly
  picked,    ///< a question was answered rightly, by a guess in three: it shows nothing of the place
  proved,    ///< a right answer to none
  wrong,     ///< a wrong answer, behind the first factor
};

/// Owned by app, made before Database::start(). Thread-safe; tasks run on cores. Functions ending in _in belong into a write job.
class Factors {
 public:
  static Result<std::unique_ptr<Factors>> open(store::Database& database, const crypto::KeyRing& keys,
                                               identity::Users& users, audit::Log& log, const Clock& clock,
                                               Rng& rng, Options options);
  ~Factors();

  // --- proving
  /// Before any of the calls below, and before their job: where a plug-in judges the answer it is charged
  /// and asked now (plugins.cpp). Nothing happens to all other kinds. What goes wrong is told by charge_in().
  net::Task<Attempt> consult(Attempt attempt);
  /// mfa_required (no knowledge proof), factor_missing, factor_locked, clock_untrusted; plugin_failed. The
  /// caller's job must then commit whatever prove_in() says.
  Result<Charged> charge_in(store::Tx& tx, Attempt attempt, Instant now);
  /// Verifies and consumes the answer in the caller's job, refunds, records what act it was bound to.
  /// code_wrong, code_used, factor_cloned: commit all the same (commits()).
  Result<Given> prove_in(store::Tx& tx, Charged charged, Instant now);

  /// Charges, verifies, consumes and runs `act(tx, proof)` in one job. A wrong answer commits (the
  /// charge and its record stand); an act that fails takes everything back, and the answer, which was
  /// right, stays unused.
  template <class F>
  net::Task<std::invoke_result_t<F&, store::Tx&, const domain::Proof&>> prove_and(Attempt attempt, F act) {
    using R = std::invoke_result_t<F&, store::Tx&, const domain::Proof&>;
    Attempt asked = co_await consult(std::move(attempt));
    auto job = [this, a = std::move(asked), act = std::move(act)](store::Tx& tx) mutable -> Result<Settled<R>> {
      const Instant now = clock_.now();
      Result<Charged> charged = charge_in(tx, std::move(a), now);
      if (!charged) return std::move(charged).error();
      Result<Given> given = prove_in(tx, std::move(*charged), now);
      if (!given) return Settled<R>{R(std::move(given).error())};
      R done = act(tx, given->proof);
      if (!done) return std::move(done).error();
      return Settled<R>{std::move(done)};
    };
    Result<Settled<R>> settled = co_await database_.write(std::move(job));
    if (!settled) co_return std::move(settled).error();
    co_return std::move(settled->value);
  }

  /// For kinds with challenges: single use, expiring, in the store, bound to user, session and purpose.
  struct Challenge {
    ChallengeId id{};
    std::string options;                  ///< PublicKeyCredentialRequestOptionsJSON, or what the kind has to say
    WallTime expires{};
    std::optional<PluginCall> call{};     ///< of external: still to be made, by ask()
  };
  /// `by` as in Attempt. `factor`: which one, for kinds whose answers do not tell; nil: the only one there is.
  /// factor_missing if nothing of the kind is enrolled, mfa_required; factor_locked, plugin_failed.
  Result<Challenge> begin_in(store::Tx& tx, FactorKind kind, std::string_view purpose, const Actor& by, Instant now,
                             FactorId factor = {});
  /// After the job of begin_in() or begin_enrolment_in(): what a plug-in has to ask or say. plugin_failed,
  /// and then the question or enrolment is gone. Nothing happens to all other kinds.
  net::Task<Result<Challenge>> ask(Challenge begun);
  net::Task<Result<PendingEnrolment>> ask(PendingEnrolment begun);

  // --- signing in by a passkey alone (passkeys.cpp)
  struct PasskeyQuestion {
    std::string challenge;                ///< to be sent back with the answer
    std::string options;                  ///< PublicKeyCredentialRequestOptionsJSON, for any passkey
    WallTime expires{};
  };
  /// Keeps nothing: what comes back proves itself by its MAC, and is noted only once it was answered.
  PasskeyQuestion ask_passkey();
  /// A look that costs no writing, for strangers; few at once, so that they do not keep the store's readers from everybody
  /// else. signin_failed for whatever is wrong, at the same cost; overloaded, clock_untrusted, store_unavailable.
  net::Task<Result<void>> look_at_passkey(std::string challenge, std::string answer);
  struct PasskeyProof {
    UserId user{};
    domain::Proof proof;
  };
  /// Decides, and uses the question up. signin_failed; factor_cloned, which commits. A locked or disabled
  /// key opens nothing. Nothing is charged: there is nothing to guess.
  Result<PasskeyProof> prove_passkey_in(store::Tx& tx, std::string_view challenge, std::string_view answer, Actor by,
                                        Instant now);
  /// Called in the job that disables a factor because it may have been copied.
  void on_disable(std::function<Result<void>(store::Tx&, FactorId)> listener) { disable_ = std::move(listener); }
  /// Called in the job in which it happens. Registered before Database::start().
  using Listener = std::function<Result<void>(store::Tx&, const Actor& by, Event, Instant)>;
  void on_event(Listener listener) { events_ = std::move(listener); }

  /// The session has ended: what it asked is nobody's to answer any more.
  static Result<void> end_session_in(store::Tx& tx, UserId user, SessionId session);

  /// What was asked on push devices.
  [[nodiscard]] Prompts& prompts() noexcept { return prompts_; }
  /// Hardware tokens that administrators have put into stock.
  [[nodiscard]] TokenStock& tokens() noexcept { return tokens_; }

  // --- enrolment (sessions.hpp has the calls that read the authority off a session)
  /// A pending factor; an earlier pending one of the user gives way. factor_exists: enrol_grant with
  /// a strong factor there already. The proof of Authority::existing_factor is the caller's to show.
  Result<PendingEnrolment> begin_enrolment_in(store::Tx& tx, UserId user, FactorKind kind, std::string_view label,
                                              Authority authority, const Actor& by, Instant now,
                                              const EnrolmentWish& wish = {});
  /// Charges an attempt at a pending enrolment; after 10 wrong codes it takes no more, and a question is
  /// answered once only. Same job rules
  /// as charge_in(). Gives what entitled to begin: the session must still hold it. not_found.
  Result<Authority> charge_enrolment_in(store::Tx& tx, UserId user, FactorId pending, Instant now);
  /// A code proves possession, and the factor counts from now on. code_wrong, authenticator_refused,
  /// authenticator_known (these commit); not_found, factor_exists.
  Result<Confirmed> confirm_in(store::Tx& tx, UserId user, FactorId pending, std::string_view answer, const Actor& by,
                               Instant now, const std::optional<Consulted>& said = std::nullopt);
  /// Where this is true a plug-in confirms: it is asked between charge_enrolment_in() and confirm_in().
  net::Task<Result<bool>> needs_plugin(UserId user, FactorId pending) const;
  Result<PluginCall> confirmation_in(store::Tx& tx, UserId user, FactorId pending, const Actor& by) const;
  net::Task<Consulted> consult_enrolment(PluginCall about, Secret answer, Actor by);
  /// factor_last for the last strong one, factor_missing. The proof (of this job) may come from the
  /// factor itself.
  Result<void> remove_in(store::Tx& tx, UserId user, FactorId factor, const domain::Proof& proof, const Actor& by,
                         Instant now);
  /// Ten new codes; all older ones are void. The proof must be of a strong factor.
  Result<std::vector<Secret>> new_recovery_codes_in(store::Tx& tx, UserId user, const domain::Proof& proof,
                                                    const Actor& by, Instant now);
  /// Reset by an administrator's enrolment code: nothing of the user's remains.
  Result<void> remove_all_in(store::Tx& tx, UserId user, const Actor& by, Instant now);

  // --- looking up
  net::Task<Result<std::vector<FactorInfo>>> list(UserId user) const;
  Result<std::vector<FactorInfo>> list_in(store::Tx& tx, UserId user) const;
  [[nodiscard]] std::vector<KindInfo> kinds() const;
  [[nodiscard]] const std::vector<std::shared_ptr<const Plugin>>& plugins() const noexcept { return options_.plugins; }
  [[nodiscard]] std::vector<std::string> plugin_names() const;
  /// This user still has this factor, confirmed and not disabled.
  [[nodiscard]] Result<bool> counts_in(store::Tx& tx, UserId user, FactorId factor) const;
  /// The user has a confirmed factor of this kind that is not disabled. Lock-free, no allocation; on a core.
  [[nodiscard]] bool works(UserId user, FactorKind kind) const noexcept;

  /// Deletes expired enrolments and challenges.
  net::Task<Result<void>> maintain();
  /// Until stop(): tells plug-ins which of their factors were removed, again until they have heard. On one core.
  net::Task<> tell_plugins(net::Core& core);
  void stop() noexcept { stopping_.store(true); }
  /// Master key rotation: seals again what another key than the active one sealed. Gives how many.
  net::Task<Result<std::int64_t>> reseal();
  /// How many secrets are sealed by this master key, or by one that cannot be told.
  Result<std::int64_t> sealed_by(store::Tx& tx, std::uint32_t key) const;

 private:
  Factors(store::Database& database, const crypto::KeyRing& keys, identity::Users& users, audit::Log& log,
          const Clock& clock, Rng& rng, Options options, std::unique_ptr<RelyingParty> party);
  [[nodiscard]] Kind* kind_of(FactorKind wanted) const noexcept;
  /// Strong factors; working ones only: those that are not disabled.
  enum class Count : std::uint8_t { all, working };
  [[nodiscard]] Result<std::int64_t> count_strong(store::Tx& tx, UserId user, Count which) const;
  /// The proof is of a strong factor that the user still has.
  [[nodiscard]] Result<void> check_proof(store::Tx& tx, UserId user, const domain::Proof& proof) const;
  static Result<void> delete_rows(store::Tx& tx, UserId user);
  /// The key may have been copied: it is disabled if so configured.
  Result<void> cloned_in(store::Tx& tx, FactorId factor, const Actor& by, Instant now);
  Result<void> load_working(store::Tx& tx, UserId user);
  void on_changes(store::Tx& tx, std::span<const store::Change> changes);
  Result<void> tell_of_misses(store::Tx& tx, const Charged& charged, Instant now);
  Result<void> tell_of_recovery(store::Tx& tx, const Actor& by, FactorId factor, Instant now);
  [[nodiscard]] static bool has_first_factor(const domain::Evidence& evidence, UserId user);
  /// One failure more for each of the attempt's factors (or for `only`) that is not locked; gives which.
  Result<std::vector<FactorId>> charge_factors(store::Tx& tx, const Attempt& attempt, FactorId only, Instant now, bool& locks);
  // of plug-ins (plugins.cpp)
  static Result<void> room_for_question_in(store::Tx& tx, const Actor& by, Instant now);
  Result<void> note_enrolment_in(store::Tx& tx, FactorId pending, const Actor& by, WallTime expires, Instant now);
  net::Task<Result<PluginReply>> call_plugin(PluginOperation operation, PluginCall about, Secret answer);
  Result<Question> begin_external_in(store::Tx& tx, FactorId wanted, const Actor& by, const Digest& binding, Challenge& c,
                                     Instant now);
  /// Charges and takes the question; whether there is something to ask.
  Result<bool> pay_in(store::Tx& tx, const Attempt& attempt, Consulted& out, Instant now);
  Result<void> check_consulted(const std::optional<Consulted>& said, const Actor& by, std::string_view purpose, Instant now) const;
  Result<Proved> said_in(store::Tx& tx, const Consulted& said, FactorId factor, Instant now) const;
  net::Task<bool> tell_of_removals();
  struct OpenPasskey;
  [[nodiscard]] std::optional<OpenPasskey> open_passkey(std::string_view challenge) const;
  Result<std::vector<Secret>> make_recovery_codes(store::Tx& tx, UserId user, Instant now);
  /// Until when a factor is locked once it has failed this often; zero: not.
  [[nodiscard]] WallTime lock_from(std::int64_t failures, WallTime now) const noexcept;
  [[nodiscard]] Result<void> tell(store::Tx& tx, const Actor& by, Event event, Instant now) const {
    return events_ ? events_(tx, by, event, now) : Result<void>{};
  }
  void record(store::Tx& tx, audit::Kind kind, std::string_view operation, Reason reason, const Actor& by,
              std::string_view object, std::string_view note, Instant now) const;

  store::Database& database_;
  const crypto::KeyRing& keys_;
  identity::Users& users_;
  audit::Log& log_;
  const Clock& clock_;
  Rng& rng_;
  Options options_;
  Prompts prompts_;
  TokenStock tokens_;
  std::vector<std::unique_ptr<Kind>> kinds_;
  RecoveryKind* recovery_ = nullptr;  // one of kinds_
  WebAuthnKind* webauthn_ = nullptr;  // likewise
  ExternalKind* external_ = nullptr;  // likewise
  crypto::HmacKey passkey_key_;
  Seats passkey_looks_;
  std::function<Result<void>(store::Tx&, FactorId)> disable_;
  Listener events_;
  std::atomic<bool> stopping_{false};
  SnapshotTable<UserId, std::uint32_t> working_;  // bits by kind; written by the store's feed alone
};

/// Topic of the feed: the key is the user whose factors changed.
inline constexpr std::string_view kFactorTopic = "factor";
/// Which strong factors a user has, by the rows alone. `plugins`: names of those that are configured; what
/// another one judged cannot be proved any more.
[[nodiscard]] Result<identity::Holds> strong_factor_of(store::Tx& tx, UserId user, std::span<const std::string> plugins);

}  // namespace vestibule::factors
