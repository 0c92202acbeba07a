#pragma once
// What an authenticator has signed, with everything that is needed to check it again without a gateway. Pure.

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "json/value.hpp"

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
/// SHA-256 of that text: what the record of the confirmation names.
[[nodiscard]] Digest digest_of(const Statement& statement);
/// From the members that canonical() writes, and no others.
[[nodiscard]] std::optional<Statement> statement_from(const json::Value& value);

/// What a good statement says.
struct Said {
  UserId user{};
  SessionId session{};
  std::string purpose;          ///< operation, space, object
  WallTime expires{};           ///< of the question that was answered
  std::string origin;
  bool user_verified = false;
  bool backup_eligible = false; ///< a synced key, not bound to one device
};
/// Everything in it fits together, and its key has signed it; whose key it is a log must say. code_wrong: the
/// detail is "binding", or name(Flaw) of what is wrong (webauthn.hpp).
[[nodiscard]] Result<Said> check(const Statement& statement);

}  // namespace vestibule::factors
