#pragma once
// What a kind of second factor does. Factors holds one of each; it does the throttling, the rules of
// who may add or remove, and the audit records, so that no kind can forget them.

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.hpp"
#include "domain/evidence.hpp"
#include "store/tx.hpp"

namespace vestibule::factors {

using domain::FactorKind;

struct ChallengeTag { static constexpr std::string_view prefix = "chl_"; };
using ChallengeId = Id<ChallengeTag>;

struct KindInfo {
  FactorKind kind{};
  domain::Traits traits{};
  bool strong = true;         ///< counts as a second factor; recovery codes do not
  bool challenge = false;     ///< verify() needs what begin() gave (WebAuthn)
  bool enrollable = true;     ///< by begin_enrolment()
};

/// What a new factor is enrolled with. Server state only: nothing here comes from the request
/// (lessons: enrolment took the recipient from the request).
struct EnrolmentOffer {
  Bytes sealed;               ///< kept in the row until and after confirmation
  std::int64_t parameters = 0;///< the kind's own encoding
  Secret secret;              ///< shown once, as base32
  Secret uri;                 ///< otpauth:// URI, which holds the secret
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

/// Stateless but for its keys; thread-safe. All calls on the writer thread, in a job.
class Kind {
 public:
  virtual ~Kind() = default;
  [[nodiscard]] virtual KindInfo describe() const noexcept = 0;
  /// Makes what a pending enrolment holds.
  virtual Result<EnrolmentOffer> enrol(FactorId id, std::string_view account) = 0;
  /// Proves possession of what enrol() made and consumes the answer. code_wrong.
  virtual Result<void> prove(store::Tx& tx, const Enrolled& enrolment, std::string_view answer, Instant now) = 0;
  /// Makes a challenge bound to an act; the payload is kept in the store until verify(). Kinds
  /// without one give nothing to keep.
  virtual Result<Bytes> begin(UserId user, ByteView binding, Instant now) = 0;
  /// Verifies and consumes in this job: code_wrong, code_used. `challenge` is the payload of begin(),
  /// taken out of the store by the one statement that decides.
  virtual Result<void> verify(store::Tx& tx, const Enrolled& factor, ByteView challenge, std::string_view answer,
                              Instant now) = 0;
};

}  // namespace vestibule::factors
