#pragma once
// WebAuthn as a kind of factor: security keys, platform authenticators, passkeys. Private to the room.

#include <memory>

#include "crypto/sealed.hpp"
#include "factors/kind.hpp"
#include "factors/webauthn.hpp"

namespace vestibule::factors {

/// The nonce of a question lies in the store (of an enrolment: sealed in the row); the challenge is
/// computed from it and from what the answer is given for, so that an answer for another act, session
/// or user cannot fit even if a row could be confused.
class WebAuthnKind final : public Kind {
 public:
  WebAuthnKind(const crypto::KeyRing& keys, Rng& rng, std::string issuer, std::unique_ptr<RelyingParty> party,
               Duration timeout)
      : keys_(keys), rng_(rng), issuer_(std::move(issuer)), party_(std::move(party)), timeout_(timeout) {}
  [[nodiscard]] KindInfo describe() const noexcept override;
  Result<EnrolmentOffer> enrol(store::Tx& tx, const EnrolmentRequest& request) override;
  Result<Proved> prove(store::Tx& tx, const Enrolled& enrolment, const Digest& binding, std::string_view answer,
                       Instant now) override;
  Result<Question> begin(store::Tx& tx, const Ask& ask, Instant now) override;
  Result<Proved> verify(store::Tx& tx, const Enrolled& factor, const Asked& asked, std::string_view answer,
                        Instant now) override;

  /// A question to whoever comes: any passkey of this relying party, user-verified.
  [[nodiscard]] std::string ask_anybody(ByteView challenge) const;
  /// Whose credential it is, without regard to its signature.
  struct Owner {
    FactorId factor{};
    UserId user{};
  };
  static Result<std::optional<Owner>> owner_of(store::Tx& tx, ByteView credential);
  /// Reads only. code_wrong, factor_cloned. `handle`: the response must name its user, as nobody else does.
  enum class Handle : std::uint8_t { optional, required };
  struct Verified {
    Asserted asserted;
    Credential credential;
    bool stuck = false;  ///< the counter did not grow, and that is allowed
  };
  Result<Verified> look(store::Tx& tx, const Owner& owner, const AuthenticationResponse& response, ByteView challenge,
                        UserVerification verification, Handle handle) const;
  /// Notes the counter, the backup state and the use.
  static Result<Proved> accept(store::Tx& tx, FactorId factor, const Verified& verified, Instant now);
  [[nodiscard]] const RelyingParty& party() const noexcept { return *party_; }

 private:
  /// What was signed, for whoever wants to check it again.
  [[nodiscard]] std::optional<Statement> statement_of(const Asked& asked, const AuthenticationResponse& response,
                                                      const Credential& credential) const;
  static Result<std::vector<CredentialName>> names_of(store::Tx& tx, UserId user);

  const crypto::KeyRing& keys_;
  Rng& rng_;
  std::string issuer_;
  std::unique_ptr<RelyingParty> party_;
  Duration timeout_;
};

}  // namespace vestibule::factors
