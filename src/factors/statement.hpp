#pragma once
// What an authenticator has signed, with everything that is needed to check it again without a gateway.

#include <cstdint>
#include <string>

#include "base/bytes.hpp"

namespace vestibule::factors {

/// A WebAuthn assertion (Level 3, section 7.2) and what its challenge was made of:
/// SHA-256("vestibule/webauthn/v1" || nonce || SHA-256(binding)).
struct Statement {
  std::string binding;          ///< RFC 8785 text of {expires, object, operation, session, user} (binding.hpp)
  Bytes nonce;
  std::string relying_party;    ///< its id: authenticator_data begins with the SHA-256 of it
  Bytes credential;             ///< id
  std::int64_t algorithm = 0;   ///< COSE: -7 ES256, -8 EdDSA, -257 RS256, ...
  Bytes public_key;             ///< SubjectPublicKeyInfo, DER
  Bytes client_data, authenticator_data, signature;
};

/// RFC 8785 text of it: members as above, bytes in base64url.
[[nodiscard]] std::string canonical(const Statement& statement);
/// SHA-256 of that text: what the record of the proof names.
[[nodiscard]] Digest digest_of(const Statement& statement);

}  // namespace vestibule::factors
