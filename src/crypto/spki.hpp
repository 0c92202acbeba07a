#pragma once
// Public keys of authenticators as everybody else reads them, SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7,
// DER), and what they have signed. Algorithms are COSE's numbers (RFC 9053): -7 ES256, -35 ES384, -257 RS256
// (2048 bits), -8 EdDSA (Ed25519).

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace vestibule::crypto {

/// From the bare numbers: X | Y, modulus | exponent (3 bytes), or the 32 bytes of Ed25519. Nothing for other
/// algorithms and lengths; that it is a good key, whoever verifies with it sees.
[[nodiscard]] std::optional<Bytes> spki_of(std::int64_t algorithm, ByteView key);

/// True only for a valid signature by a key in the one form that spki_of() gives. ECDSA signatures are DER.
/// Thread-safe.
[[nodiscard]] bool verify_spki(std::int64_t algorithm, ByteView spki, ByteView message, ByteView signature);

}  // namespace vestibule::crypto
