#pragma once
// Checkpoints: the C2SP formats tlog-checkpoint and signed-note, Ed25519 keys.
//
//   <origin> LF <size, decimal> LF <base64 of the root> LF LF
//   — <key name> <base64 of (4 bytes of key hash | 64 bytes of signature)> LF
//
// The key's name is the origin. The parser is strict: one spelling of size and base64, no control
// characters but LF, valid UTF-8. Pure and thread-safe.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/signature.hpp"

namespace vestibule::audit {

inline constexpr std::size_t kMaxNoteText = 64 * 1024;
inline constexpr std::size_t kMaxSignatures = 64;

struct NoteSignature {
  std::string_view name;
  std::array<std::uint8_t, 4> key_hash{};
  Bytes signature;
};

/// A checkpoint taken apart; its signatures are not judged yet. Views into the text.
struct Checkpoint {
  std::string_view origin;
  std::uint64_t size = 0;
  Digest root{};
  std::string_view body;  ///< what is signed: origin, size, root and extension lines, each with LF
  std::vector<NoteSignature> signatures;
};

/// True for a name that a note can carry as a key name and an origin: not empty, valid UTF-8, no
/// white space, no control character, no '+'; at most 128 bytes.
[[nodiscard]] bool valid_origin(std::string_view origin) noexcept;
/// First 4 bytes of SHA-256(name | LF | 0x01 | public key).
[[nodiscard]] std::array<std::uint8_t, 4> key_hash(std::string_view name, ByteView public_key);
/// "<name>+<hash, hex>+<base64 of 0x01 | public key>", what C2SP tools take as verifier key.
[[nodiscard]] std::string vkey(std::string_view name, ByteView public_key);

[[nodiscard]] std::string sign_checkpoint(std::string_view origin, std::uint64_t size,
                                          const Digest& root, const crypto::SigningKey& key);
[[nodiscard]] std::optional<Checkpoint> parse_checkpoint(std::string_view note);
/// True if one signature is by this key under the checkpoint's origin as its name. Signatures by
/// others (witnesses) are passed over.
[[nodiscard]] bool signed_by(const Checkpoint& checkpoint, ByteView public_key);
/// Both: log_corrupt with what is wrong.
[[nodiscard]] Result<Checkpoint> open_checkpoint(std::string_view note, ByteView public_key);

/// Cuts a file of notes, with or without empty lines between them, into its notes. Pieces are not
/// judged: what is no note comes out as a piece that parse_checkpoint() refuses.
[[nodiscard]] std::vector<std::string_view> split_notes(std::string_view text);

}  // namespace vestibule::audit
