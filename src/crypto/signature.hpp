#pragma once
// Ed25519 (RFC 8032, section 5.1), for checkpoints of the audit log and whatever else the gateway
// signs in its own name.

#include <array>
#include <memory>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule::crypto {

using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

/// A private key. Movable; const members are thread-safe. The key is wiped when it goes. A
/// moved-from object may only be assigned to or destroyed.
class SigningKey {
 public:
  /// The seed is RFC 8032's private key, 32 bytes: invalid_argument otherwise. Keep it sealed
  /// (sealed.hpp), or derive it from the root of derivation.
  [[nodiscard]] static Result<SigningKey> from_seed(const Secret& seed);
  /// A random seed for from_seed().
  [[nodiscard]] static Secret generate_seed(Rng& rng);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  /// Deterministic. Throws std::runtime_error only if OpenSSL is broken or out of memory.
  [[nodiscard]] Signature sign(ByteView message) const;
  [[nodiscard]] const PublicKey& public_key() const noexcept;

 private:
  struct State;
  explicit SigningKey(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// True only for a valid signature; any key or signature of another length is false. Thread-safe.
[[nodiscard]] bool verify_signature(ByteView public_key, ByteView message, ByteView signature);

}  // namespace vestibule::crypto
