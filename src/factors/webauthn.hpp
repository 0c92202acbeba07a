#pragma once
// What the relying party must check of a WebAuthn ceremony (Level 3, sections 7.1 and 7.2), all of it.
// Signatures and attestation statements are verified by libfido2; what it leaves to the relying party is
// done here. Pure but for the certificates read at start: rows, single use and counters are the caller's.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "factors/authenticator_data.hpp"
#include "factors/webauthn_json.hpp"

namespace vestibule::factors {

/// Which authenticators may be enrolled.
enum class AttestationPolicy : std::uint8_t {
  any,       ///< all; what an authenticator attests is verified and noted where it can be
  listed,    ///< those of `aaguids`, attested under one of the anchors
  hardware,  ///< no synced keys (BE must be 0); attested under one of the anchors where there are any
};
/// What a sign counter that does not grow leads to (section 7.2, step 22): somebody may hold a copy.
enum class SignCountPolicy : std::uint8_t {
  disable,  ///< refused, and the key is disabled: of two copies nobody knows which one is the owner's,
            ///< and the one that is ahead would go on working
  refuse,   ///< refused; the key stays
  allow,    ///< recorded only
};

struct WebAuthnOptions {
  std::string rp_id = "localhost";
  std::vector<std::string> origins{"http://localhost:8422"};  ///< exact, as browsers serialize them
  UserVerification verification = UserVerification::preferred;
  AttestationPolicy attestation = AttestationPolicy::any;
  std::vector<Aaguid> aaguids;    ///< of AttestationPolicy::listed
  std::string anchors;            ///< PEM: certificates that attestation may end at; empty: none
  SignCountPolicy sign_count = SignCountPolicy::disable;
};

/// Why a ceremony is refused. The names stand in audit records: frozen.
enum class Flaw : std::uint8_t {
  response,        ///< no response of the JSON form
  client_data,     ///< clientDataJSON is malformed
  type,            ///< webauthn.create for webauthn.get, or the other way round
  challenge,       ///< another challenge
  origin,          ///< an origin that is not configured
  cross_origin,    ///< made in a frame of another origin
  authenticator_data,  ///< authenticator data or attestation object malformed
  rp_id,           ///< for another relying party
  user_presence,   ///< UP is 0
  user_verification,   ///< UV is 0 where it is required
  backup_state,    ///< BS without BE, or BE not what it was at registration
  algorithm,       ///< not offered, or not the registered one
  credential_id,   ///< too long, or not the one named outside
  public_key,      ///< not a key of its algorithm
  attestation,     ///< a statement that does not verify, or of the wrong form
  attestation_format,  ///< a format that is not known, where attestation is asked for
  aaguid,          ///< a model that is not listed
  synced_key,      ///< BE is 1 where hardware is asked for
  trust,           ///< attested by nobody that is trusted here
  credential,      ///< not a key of this user
  user_handle,     ///< of another user
  signature,       ///< does not verify
  sign_count,      ///< did not grow
};
[[nodiscard]] std::string_view name(Flaw flaw) noexcept;

/// How far attestation vouches for the model.
enum class AttestationTrust : std::uint8_t { none = 0, self = 1, unanchored = 2, anchored = 3 };

/// A credential as it is registered, and as it stands in its row.
struct Credential {
  Bytes id;
  CoseAlg algorithm = CoseAlg::es256;
  Bytes public_key;               ///< in libfido2's form
  std::uint32_t sign_count = 0;
  Aaguid aaguid{};
  bool backup_eligible = false;
  bool backed_up = false;
  std::string transports;         ///< comma-separated
  std::string format;             ///< of its attestation
  AttestationTrust trust = AttestationTrust::none;
};

struct Registered {
  Credential credential;
  bool user_verified = false;
};

struct Asserted {
  bool user_verified = false;
  bool backed_up = false;
  std::uint32_t sign_count = 0;
  bool counter_stuck = false;     ///< it did not grow; what follows is the caller's to decide
};

/// Immutable once made; thread-safe.
class RelyingParty {
 public:
  /// config_invalid: no or malformed origins, an rp_id that none of them falls under, anchors that are no
  /// PEM, `listed` without AAGUIDs or anchors.
  static Result<std::unique_ptr<RelyingParty>> make(WebAuthnOptions options);
  ~RelyingParty();

  [[nodiscard]] const WebAuthnOptions& options() const noexcept { return options_; }
  [[nodiscard]] bool wants_attestation() const noexcept;

  /// authenticator_refused where policy says no, else code_wrong; the detail is name(Flaw).
  [[nodiscard]] Result<Registered> verify_registration(const RegistrationResponse& response, ByteView challenge,
                                                       WallTime now) const;
  /// Everything but whose credential it is and what follows from the counter. code_wrong; as above.
  [[nodiscard]] Result<Asserted> verify_assertion(const AuthenticationResponse& response, const Credential& credential,
                                                  ByteView challenge, UserVerification verification) const;
  /// Costs what verify_assertion() costs and says nothing: for credentials that nobody has.
  void spend_like_verifying(const AuthenticationResponse& response, ByteView challenge) const;

 private:
  struct Anchors;
  explicit RelyingParty(WebAuthnOptions options);
  [[nodiscard]] std::optional<Flaw> check_client_data(ByteView raw, std::string_view type, ByteView challenge) const;
  [[nodiscard]] std::optional<Flaw> check_authenticator(const AuthenticatorData& data,
                                                        UserVerification verification) const;

  WebAuthnOptions options_;
  Digest rp_id_hash_{};
  std::unique_ptr<Anchors> anchors_;
};

/// As browsers serialize it: https, or http on this machine, with a host that falls under the relying party's id.
[[nodiscard]] bool is_origin_of(std::string_view origin, std::string_view rp_id);

/// The challenge that is signed: SHA-256("vestibule/webauthn/v1" || nonce || binding), where `binding` is
/// the SHA-256 of what it is for.
[[nodiscard]] Digest webauthn_challenge(ByteView nonce, const Digest& binding) noexcept;

}  // namespace vestibule::factors
