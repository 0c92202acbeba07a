#pragma once
// SHA-256 (FIPS 180-4), HMAC (RFC 2104, RFC 6234) and HKDF (RFC 5869).
//
// All functions are thread-safe: they share nothing. Objects belong to one thread at a time, except
// that const members of one HmacKey may be called by many. Nothing here fails: sizes are bounded by
// memory, and a broken OpenSSL is a thrown std::runtime_error (start-up and third-party code only).

#include <cstddef>
#include <initializer_list>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace vestibule::crypto {

[[nodiscard]] Digest sha256(ByteView data) noexcept;
/// The hash of the parts one after the other, without copying them together. The parts are NOT
/// delimited: a caller whose parts vary in length puts lengths in, or two inputs may hash alike.
[[nodiscard]] Digest sha256(std::initializer_list<ByteView> parts) noexcept;

/// SHA-256 in pieces. Copying an object copies the state, so a common prefix is hashed once.
class Sha256 {
 public:
  Sha256() noexcept;
  Sha256& update(ByteView data) noexcept;
  /// The digest; the object is then as new.
  [[nodiscard]] Digest finish() noexcept;

 private:
  friend class HmacKey;
  // OpenSSL's SHA256_CTX, whose type stays in hash.cpp (size and alignment are asserted there).
  alignas(8) std::byte state_[112];
};

/// A key for HMAC-SHA-256 with both padded key blocks hashed already: half the work of
/// hmac_sha256() for short messages. Wiped when it goes; does not copy by accident.
class HmacKey {
 public:
  /// Any length; RFC 2104 advises 32 bytes or more. Longer than 64 bytes: hashed first, as there.
  explicit HmacKey(ByteView key) noexcept;
  explicit HmacKey(const Secret& key) noexcept : HmacKey(key.reveal()) {}
  HmacKey(HmacKey&& other) noexcept;
  HmacKey& operator=(HmacKey&& other) noexcept;
  HmacKey(const HmacKey&) = delete;
  HmacKey& operator=(const HmacKey&) = delete;
  ~HmacKey();

  [[nodiscard]] Digest mac(ByteView data) const noexcept;
  /// Parts are concatenated, not delimited (see sha256).
  [[nodiscard]] Digest mac(std::initializer_list<ByteView> parts) const noexcept;
  /// Compares in constant time; false unless the tag is between 16 and 32 bytes: the leading bytes
  /// of the MAC (RFC 2104 section 5 on truncation).
  [[nodiscard]] bool verify(ByteView data, ByteView tag) const noexcept;

 private:
  Sha256 inner_;
  Sha256 outer_;
};

[[nodiscard]] Digest hmac_sha256(ByteView key, ByteView data) noexcept;

enum class HashAlg : std::uint8_t { sha1, sha256, sha512 };
/// 20, 32 or 64 bytes. For TOTP (RFC 6238), whose tokens choose the hash; SHA-1 is for that only.
/// The key: at most 1 MiB.
[[nodiscard]] Bytes hmac(HashAlg alg, ByteView key, ByteView data);

/// HKDF-SHA-256, extract and expand. length: 1 to 8160 bytes (RFC 5869 section 2.3), else
/// std::length_error. `info` names the purpose: one purpose, one label.
[[nodiscard]] Secret hkdf_sha256(ByteView key, ByteView salt, ByteView info, std::size_t length);
/// The expand step alone, for a key that is uniformly random already (RFC 5869 section 3.3).
[[nodiscard]] Secret hkdf_expand(const HmacKey& key, ByteView info, std::size_t length);

}  // namespace vestibule::crypto
