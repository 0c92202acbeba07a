#pragma once
// An answer of a second factor on its way: what it is for, and that it has been paid for.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/secret.hpp"
#include "factors/kind.hpp"
#include "factors/plugin.hpp"
#include "identity/actor.hpp"

namespace vestibule::factors {

using identity::Actor;

/// An answer, by whom and what for. `by.evidence` must hold the user's first factor, the password or a
/// user-verified passkey: failures count only after it, so that a stranger can lock nobody out.
struct Attempt {
  FactorKind kind = FactorKind::totp;
  Secret answer;
  std::string purpose;                    ///< the act that the answer is bound to, e.g. "factor.remove fac_..."
  std::size_t recorded = std::string::npos;  ///< how much of it the record shows: not what a secret hashes to
  Actor by;
  FactorId factor{};                      ///< nil: every one of the kind that the user has
  ChallengeId challenge{};                ///< for kinds that need one
  std::optional<Consulted> consulted{};   ///< of FactorKind::external, by Factors::consult()
};

/// What a right answer gives.
struct Given {
  domain::Proof proof;
  std::optional<Statement> statement{};  ///< of a kind that signs the very act; codes and push sign none
};

/// An answer was looked at and refused: the job that did commits, so that charge, record and whatever
/// was consumed stand. All other errors take the job back.
[[nodiscard]] bool commits(Reason reason) noexcept;

/// What a job that must commit although it refuses gives back: the outer Result decides about the
/// commit, the inner one is the answer.
template <class R>
struct Settled { R value; };

/// An attempt that has been paid for. Move-only; prove_in() takes it and with it the right to look.
class Charged {
 public:
  Charged(Charged&&) = default;
  Charged& operator=(Charged&&) = default;
  [[nodiscard]] const Attempt& attempt() const noexcept { return attempt_; }
  /// This very attempt, if wrong, locks or disables the factor: sign-ins in progress die with it.
  [[nodiscard]] bool last_before_lock() const noexcept { return locks_; }

 private:
  friend class Factors;
  explicit Charged(Attempt a) : attempt_(std::move(a)) {}
  Attempt attempt_;
  std::vector<FactorId> factors_;
  bool locks_ = false;
};

}  // namespace vestibule::factors
