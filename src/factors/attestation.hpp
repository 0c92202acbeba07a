#pragma once
// Signatures and attestation statements (WebAuthn Level 3 section 8), on libfido2 and OpenSSL. Private to
// the room. Everything given here has been parsed by authenticator_data.hpp.

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "factors/webauthn.hpp"

namespace vestibule::factors {

/// Certificates that attestation may end at. Immutable; thread-safe.
class TrustAnchors {
 public:
  /// config_invalid if it is no PEM of certificates. Empty text: no anchors.
  static Result<std::unique_ptr<TrustAnchors>> parse(std::string_view pem);
  ~TrustAnchors();
  [[nodiscard]] bool empty() const noexcept;
  /// The chain, leaf first, leads to an anchor and every certificate is valid now.
  [[nodiscard]] bool vouch_for(std::span<const ByteView> chain, WallTime now) const;

 private:
  struct Store;
  explicit TrustAnchors(std::unique_ptr<Store> store);
  std::unique_ptr<Store> store_;
};

/// What signs and over what.
struct Signed {
  std::string_view rp_id;
  const Digest& client_data_hash;
  const AuthenticatorData& data;
};

/// The attested key in libfido2's form; nothing unless it is a valid key of this algorithm.
[[nodiscard]] std::optional<Bytes> decode_public_key(const Signed& what, CoseAlg algorithm);
[[nodiscard]] bool verify_signature(const Signed& what, CoseAlg algorithm, ByteView public_key, ByteView signature);

/// none, self, or unanchored (certified; whose certificate it is, TrustAnchors says). Nothing: the statement
/// does not verify. A format that is not known here gives none.
[[nodiscard]] std::optional<AttestationTrust> verify_statement(const Signed& what, const AttestationObject& object,
                                                               CoseAlg algorithm);
[[nodiscard]] bool is_known_format(std::string_view format) noexcept;

}  // namespace vestibule::factors
