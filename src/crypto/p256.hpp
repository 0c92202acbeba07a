#pragma once
// NIST P-256 (FIPS 186-5): ECDSA with SHA-256 in the raw form of JOSE and WebCrypto (r || s), ECDH, and
// the ephemeral keys of Web Push. Points are uncompressed (SEC 1, section 2.3.3): 0x04 || x || y.

#include <array>
#include <memory>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule::crypto {

using P256Point = std::array<std::uint8_t, 65>;
using P256Signature = std::array<std::uint8_t, 64>;

/// The point if the bytes are one of the curve in uncompressed form, not the point at infinity.
[[nodiscard]] std::optional<P256Point> parse_p256(ByteView bytes);

/// A private key. Movable; const members are thread-safe. Wiped when it goes. A moved-from object may
/// only be assigned to or destroyed.
class P256Key {
 public:
  /// 32 bytes, big-endian, from 1 to the order of the curve less one: invalid_argument otherwise.
  [[nodiscard]] static Result<P256Key> from_scalar(const Secret& scalar);
  /// A new one.
  [[nodiscard]] static P256Key generate(Rng& rng);

  P256Key(P256Key&&) noexcept;
  P256Key& operator=(P256Key&&) noexcept;
  ~P256Key();

  [[nodiscard]] const P256Point& public_key() const noexcept;
  /// ECDSA over SHA-256 of the message. Throws std::runtime_error only if OpenSSL is broken.
  [[nodiscard]] P256Signature sign(ByteView message) const;
  /// The shared secret, 32 bytes (RFC 8291 section 3.1). invalid_argument if `peer` is no point.
  [[nodiscard]] Result<Secret> agree(ByteView peer) const;

 private:
  struct State;
  explicit P256Key(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// True only for a valid signature; a key or signature of another form is false. Thread-safe.
[[nodiscard]] bool verify_p256(ByteView point, ByteView message, ByteView signature);

}  // namespace vestibule::crypto
