#pragma once
// Secrets at rest (promise 8): each is sealed under a master key, with the place it belongs to as
// associated data, so that a blob copied into another row, column or table does not open.
//
// Blob, version 1:
//   1   version = 1
//   4   id of the master key, big-endian
//   16  salt, random
//   n   AES-256-GCM ciphertext
//   16  tag
// Key (32 bytes) and nonce (12 bytes) of a blob = HKDF-Expand-SHA256(master key,
//   "vestibule-sealed/v1" 0x00 || key id || salt).
// Associated data = "vestibule-sealed/v1" 0x00 || for table, column, row: length (4 bytes,
//   big-endian) || bytes.
// Why not a random nonce under the master key itself: SP 800-38D section 8.3 ends a key's life at
// 2^32 random 96-bit nonces, and no gateway counts its seals across crashes and restored backups.
// Here two blobs would have to share a 128-bit salt (2^-64 after 2^32 seals, 2^-33 after 2^48), and
// GCM's limits count anew for each.

#include <map>
#include <optional>
#include <shared_mutex>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "crypto/hash.hpp"
#include "crypto/master_key.hpp"

namespace vestibule::crypto {

/// Where a secret belongs. `row` is the row's key, as text or as raw bytes (as_text(id.bytes)); it
/// must be the same at opening. A row that is renamed is sealed again.
struct Place {
  std::string_view table;
  std::string_view column;
  std::string_view row;
};

/// Bytes that a blob is longer than its plaintext.
inline constexpr std::size_t kSealedOverhead = 1 + 4 + 16 + 16;
inline constexpr std::size_t kSealedMaxPlaintext = std::size_t{64} << 20U;

/// Tells a wrong master key from a damaged blob; safe to store in clear.
using KeyCheck = std::array<std::uint8_t, 16>;

/// The master keys in use. Owned by app, made before any thread starts. Thread-safe, but for open_root() and
/// create_root(), which belong to start-up, before the ring is shared.
class KeyRing {
 public:
  /// `keys` as from master_key.hpp: not empty, ids unique (else std::invalid_argument). The highest
  /// id seals; all open. `rng` outlives the ring.
  KeyRing(const MasterKeys& keys, Rng& rng);

  /// Rotation at run time: a further key, which seals from now on. invalid_argument if its id is not above all
  /// others.
  [[nodiscard]] Result<void> adopt(const MasterKey& key);

  /// The end of a key at run time: what it has sealed does not open any more. conflict for the active
  /// key, not_found.
  [[nodiscard]] Result<void> retire(std::uint32_t id);

  [[nodiscard]] std::uint32_t active_id() const noexcept;
  [[nodiscard]] std::vector<std::uint32_t> ids() const;

  /// At most kSealedMaxPlaintext bytes (else std::length_error: callers bound their input long
  /// before). Place's parts: each below 4 GiB.
  [[nodiscard]] Bytes seal(ByteView plaintext, const Place& place) const;
  /// sealed_unreadable if the blob is truncated, of another version, of a key not in the ring,
  /// altered, or sealed for another place. The detail says which of these can be told apart; it
  /// holds nothing of the plaintext.
  [[nodiscard]] Result<Secret> open(ByteView blob, const Place& place) const;

  /// Id of the key that sealed it; nothing for what is no blob of this version.
  [[nodiscard]] static std::optional<std::uint32_t> sealed_by(ByteView blob) noexcept;
  /// Rotation: true if the active key sealed this blob; reseal() opens with the old key and seals
  /// with the active one, for the same place.
  [[nodiscard]] bool is_current(ByteView blob) const noexcept;
  [[nodiscard]] Result<Bytes> reseal(ByteView blob, const Place& place) const;

  /// HMAC of a label, 16 bytes; not_found if the id is not in the ring. Store one for each key id
  /// at first use; at start-up a difference means "wrong master key", equality with blobs that do
  /// not open means "altered database".
  [[nodiscard]] Result<KeyCheck> key_check(std::uint32_t id) const;

  /// The root of derivation: 32 random bytes from which derive() makes the keys of other purposes
  /// (handle checksums, password pepper, commitments of the audit log). It is sealed like any other
  /// secret, and rotation re-seals it without changing it. Were those keys derived from the master
  /// key, each rotation would end all sessions and make all password hashes worthless.
  /// create_root() makes one, adopts it and returns the blob to store (once in an installation's
  /// life); open_root() adopts the stored one; reseal_root() belongs to rotation.
  [[nodiscard]] Bytes create_root();
  [[nodiscard]] Result<void> open_root(ByteView blob);
  [[nodiscard]] Result<Bytes> reseal_root(ByteView blob) const { return reseal(blob, kRootPlace); }
  [[nodiscard]] bool has_root() const noexcept { return !root_.empty(); }

  /// 32 bytes for one purpose: HKDF-SHA-256 of the root with the label. The same label gives the
  /// same key for the life of the installation; labels look like "handle-checksum/v1".
  /// std::logic_error without a root (app adopts it first of all).
  [[nodiscard]] Secret derive(std::string_view label) const;

  static constexpr Place kRootPlace{"meta", "derivation_root", "1"};

 private:
  /// Key and nonce of the blob that begins with `head`; nothing if its master key is not here.
  [[nodiscard]] std::optional<Secret> blob_secret(std::uint32_t id, ByteView head) const;

  mutable std::shared_mutex mutex_;  // of keys_: secrets are opened on the pool's threads too
  std::map<std::uint32_t, HmacKey> keys_;
  std::vector<HmacKey> root_;  // none or one
  Rng& rng_;
};

}  // namespace vestibule::crypto
