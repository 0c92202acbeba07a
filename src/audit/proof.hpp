#pragma once
// Inclusion proofs that stand on their own: with the public key alone anybody can check offline
// that a record is in the log that a checkpoint signs. Pure.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/note.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "json/value.hpp"

namespace vestibule::audit {

/// {"format":"vestibule-audit-proof/v1","seq":N,"record":base64 of the leaf,"leaf_hash":hex,
///  "path":[hex...],"checkpoint":text}
[[nodiscard]] std::string proof_json(std::uint64_t seq, ByteView leaf,
                                     const std::vector<Digest>& path, std::string_view checkpoint);

/// Checks what prove() gave, offline, with the public key alone. Strict: exactly these members, a
/// valid record whose own seq is the proof's. log_corrupt with what is wrong; invalid_argument if
/// it is no proof at all.
[[nodiscard]] Result<void> check_proof(std::string_view proof_json, ByteView public_key);

/// Whose checkpoints count: the log of this name, signed by this key. An empty name: whatever it is called.
struct LogKey {
  std::string name;
  Bytes key;
};
struct Proven {
  Bytes record;         ///< the leaf, valid
  std::string origin;   ///< of the checkpoint
};
/// The same for a proof that stands within something else, under one of these keys.
[[nodiscard]] Result<Proven> open_proof(const json::Value& proof, std::span<const LogKey> keys);

}  // namespace vestibule::audit
