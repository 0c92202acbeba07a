#pragma once
// What a kind of second factor does. Factors holds one of each; it does the throttling, the rules of
// who may add or remove, and the audit records, so that no kind can forget them.

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.hpp"
#include "domain/evidence.hpp"
#include "factors/statement.hpp"
#include "factors/webauthn_json.hpp"
#include "identity/actor.hpp"
#include "notify/subscription.hpp"
#include "store/tx.hpp"

namespace vestibule::factors {

using domain::FactorKind;

struct ChallengeTag { static constexpr std::string_view prefix = "chl_"; };
using ChallengeId = Id<ChallengeTag>;

struct KindInfo {
  FactorKind kind{};
  domain::Traits traits{};
  bool strong = true;         ///< counts as a second factor; recovery codes do not
  bool challenge = false;     ///< answers need a question of begin() (WebAuthn)
  bool enrollable = true;     ///< by begin_enrolment()
  Duration lives{};           ///< of its questions; zero: Options::challenge_ttl
  bool step_up_only = false;  ///< proves nothing for a sign-in or a single act (push_choice)
  bool typed = false;         ///< with challenge: a person types the answer, so it can be guessed
  /// A machine answers: nothing to guess, and no second try at the same question.
  [[nodiscard]] bool signs() const noexcept { return challenge && !typed; }
};

/// A push device: the key that it signs with, and how it can be rung, if it can.
struct PushWish {
  crypto::P256Point key{};
  std::optional<notify::Subscription> subscription;
};

/// What comes from a request to enrol.
struct EnrolmentWish {
  ResidentKey resident = ResidentKey::preferred;  ///< of WebAuthn
  std::string serial;         ///< of HOTP: the token in stock, whose seed is ours
  std::optional<PushWish> push;
  std::string plugin;         ///< of external: its name
};

/// What a new factor is to be. Server state, but for the wish: nothing else comes from the request
/// (lessons: enrolment took the recipient from the request).
struct EnrolmentRequest {
  FactorId id{};
  UserId user{};
  std::string_view account;   ///< the user's name
  Digest binding{};           ///< of kinds with challenges: what the answer is for
  const EnrolmentWish& wish;
};

/// What a new factor is enrolled with.
struct EnrolmentOffer {
  Bytes sealed;               ///< kept in the row until and after confirmation
  std::int64_t parameters = 0;///< the kind's own encoding
  std::int64_t last_step = 0; ///< where the replay check begins
  Secret secret;              ///< shown once, as base32; of push: what the first message to the device says
  Secret uri;                 ///< otpauth:// URI, which holds the secret
  std::string options;        ///< of kinds with challenges: what the browser is asked, as JSON
};

/// What a question is put for.
struct Ask {
  ChallengeId id{};           ///< of the question
  UserId user{};
  std::string_view purpose;   ///< the act that the answer will be bound to
  Digest binding{};           ///< of user, session, purpose and expiry
  WallTime expires{};
  const identity::Actor& by;  ///< the session that asks, and from where
};

/// A question put to an authenticator.
struct Question {
  Bytes payload;              ///< kept in the store until it is answered
  std::string options;        ///< what the browser is asked, as JSON
};

/// The question that an answer is held against. Kinds without questions do not look at it.
struct Asked {
  ByteView payload;
  std::string_view given_for; ///< text of the Binding, computed anew from what the answer is given for
  Digest binding{};           ///< its SHA-256
};

/// What a right answer shows.
struct Proved {
  domain::Traits traits{};
  std::string note;           ///< for the audit record; may be empty
  std::optional<Statement> statement{};  ///< of a kind that signs what it is given for
};

/// A row of table `factor` as a kind sees it.
struct Enrolled {
  FactorId id{};
  UserId user{};
  std::int64_t parameters = 0;
  std::int64_t last_step = 0; ///< of the replay check
  std::int64_t drift = 0;     ///< steps by which this authenticator's clock was off when last used
  Bytes sealed;
};

/// Stateless but for its keys; thread-safe. All calls on the writer thread, in a job. A wrong answer is
/// code_wrong, and its detail says what was wrong with it, in a word, for the audit record. What a kind
/// does not override it refuses.
class Kind {
 public:
  virtual ~Kind() = default;
  [[nodiscard]] virtual KindInfo describe() const noexcept = 0;
  /// Makes what a pending enrolment holds.
  virtual Result<EnrolmentOffer> enrol(store::Tx& tx, const EnrolmentRequest& request);
  /// Proves possession of what enrol() made and consumes the answer. code_wrong; authenticator_refused,
  /// authenticator_known.
  virtual Result<Proved> prove(store::Tx& tx, const Enrolled& enrolment, const Digest& binding,
                               std::string_view answer, Instant now);
  /// Makes a question bound to an act; its payload is kept in the store until verify(). factor_missing if
  /// the user has nothing that could answer.
  virtual Result<Question> begin(store::Tx& tx, const Ask& ask, Instant now);
  /// Verifies and consumes in this job: code_wrong, code_used, factor_cloned. The question has been
  /// taken out of the store by the one statement that decides.
  virtual Result<Proved> verify(store::Tx& tx, const Enrolled& factor, const Asked& asked, std::string_view answer,
                                Instant now);
};

}  // namespace vestibule::factors
