#pragma once
// AES-256-GCM (NIST SP 800-38D) with a nonce that the caller answers for. Secrets in the store go
// through sealed.hpp, which chooses nonces so that no caller can repeat one.
// Thread-safe: nothing is shared.

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule::crypto {

using AeadKey = std::array<std::uint8_t, 32>;
using AeadNonce = std::array<std::uint8_t, 12>;
inline constexpr std::size_t kAeadTagSize = 16;
/// Plaintext and associated data, each; far below GCM's own limit.
inline constexpr std::size_t kAeadMaxSize = std::size_t{256} << 20U;

/// Appends ciphertext and tag to `out`. A (key, nonce) pair must never be used twice: the second
/// use gives away the plaintexts' difference and the authentication key.
/// Throws std::length_error beyond kAeadMaxSize, std::runtime_error if OpenSSL is broken.
void aead_seal(std::span<const std::uint8_t, 32> key, std::span<const std::uint8_t, 12> nonce,
               ByteView associated, ByteView plaintext, Bytes& out);

/// The plaintext, or sealed_unreadable if anything differs by one bit. Nothing of an unverified
/// plaintext gets out.
[[nodiscard]] Result<Secret> aead_open(std::span<const std::uint8_t, 32> key,
                                       std::span<const std::uint8_t, 12> nonce,
                                       ByteView associated, ByteView ciphertext_and_tag);

}  // namespace vestibule::crypto
