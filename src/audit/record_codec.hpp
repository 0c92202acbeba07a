#pragma once
// Record bytes, version 1, frozen: what version 1 is stands here, and the golden vectors of the
// tests hold it. A change is a new version; version 1 is read for ever.
//
// A record has two parts. The LEAF is public, is hashed into the tree and stays for ever; nothing
// in it names a person. The PRIVATE part and its SALT lie outside the tree; destroying both erases
// the person and breaks no proof.
//
//   leaf    = version (1 byte: 1) | seq (8 bytes, big endian, counts from 0) | field...
//   private = version (1 byte: 1) | field...
//   field   = tag (1 byte) | length (varint) | value (length bytes)
//
// Tags ascend strictly. A varint is unsigned LEB128 in its shortest form. A number is big endian
// without leading zeros. Zero, empty and nil are spelt by leaving the field out, so a length is
// never 0. An unknown tag, a limit passed or a second spelling makes the record invalid: one value
// has one encoding. Texts are bytes as they came (control characters and broken UTF-8 included;
// who prints them escapes them), cut to the limit below, not inside a UTF-8 sequence.
//
//   leaf tags                                          private tags
//    1 kind            number 1..7, always there        1 user        16 bytes
//    2 at              microseconds since 1970          2 user name   text <= 96
//    3 request         16 bytes                         3 session     16 bytes
//    4 access point    text <= 96                       4 source      16 bytes (IPv6, mapped IPv4),
//    5 operation       text <= 192                                    or the byte 1: a Unix socket
//    6 model           text <= 256                      5 client      text <= 128
//    7 outcome         code, always there               6 object      text <= 256
//    8 reason          code, always there               7 note        text <= 512
//    9 rule            text <= 96
//   10 policy          32 bytes
//   11 level           number <= 255
//   12 evidence        1 to 8 times: length byte | factor code | age in seconds (varint)
//   13 body bytes      number, 64 bits
//   14 reply bytes     number, 64 bits
//   15 body digest     32 bytes: HMAC-SHA256(salt, "body" | SHA-256 of the body)
//   16 status          number, 16 bits
//   17 input tokens    number, 32 bits
//   18 output tokens   number, 32 bits
//   19 count           number, 32 bits
//   20 waited          microseconds, 63 bits
//   21 total           microseconds, 63 bits
//   22 commitment      32 bytes: HMAC-SHA256(salt, private)
//
// A code is 1 to 32 of a-z 0-9 _. The salt is 16 random bytes, its own for each record. A record
// with neither a private field nor a body digest has no salt, no private part and no commitment; a
// body digest alone has a private part without fields, so that the commitment covers the salt.
//
// Journal entry, from the core that writes to the writer thread that numbers it:
//   length of salt and private together (2 bytes, big endian; 0: none) | salt | private
//   | the leaf without its seq

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "audit/record.hpp"
#include "base/bytes.hpp"

namespace vestibule::audit {

inline constexpr std::uint8_t kRecordVersion = 1;
inline constexpr std::size_t kSaltSize = 16;
/// Bound of a journal entry; the limits above add up to less (checked where they are used).
inline constexpr std::size_t kMaxEntry = 4096;

using Salt = std::array<std::uint8_t, kSaltSize>;

/// A leaf decoded in place: views into its bytes. Absent fields are empty or zero.
struct LeafView {
  struct Factor {
    std::string_view code;
    std::uint64_t age_s = 0;
  };
  std::uint64_t seq = 0;
  Kind kind{};
  std::uint64_t at = 0;
  ByteView request;  ///< 16 bytes or none
  std::string_view access_point, operation, model, outcome, reason, rule;
  ByteView policy;  ///< 32 bytes or none
  std::uint8_t level = 0;
  std::array<Factor, domain::Evidence::capacity> evidence{};
  std::size_t factors = 0;
  std::uint64_t body_bytes = 0, reply_bytes = 0;
  ByteView body_digest;  ///< 32 bytes or none
  std::uint16_t status = 0;
  std::uint32_t input_tokens = 0, output_tokens = 0, count = 0;
  std::uint64_t waited_us = 0, total_us = 0;
  ByteView commitment;  ///< 32 bytes or none
};

struct PrivateView {
  ByteView user;  ///< 16 bytes or none
  std::string_view user_name;
  ByteView session;  ///< 16 bytes or none
  ByteView source;   ///< 16 bytes, or the byte 1, or none
  std::string_view client, object, note;
};

/// A journal entry taken apart; views into it.
struct JournalEntry {
  ByteView salted;  ///< salt and private part, or empty
  ByteView leaf;    ///< version byte and fields, without the seq
};

/// Writes the journal entry of a record; gives its size. Pure but for the HMACs; no allocation.
/// The salt is of this record alone; where there is nothing to salt, it stays out.
[[nodiscard]] std::size_t encode(const Record& record, const Salt& salt,
                                 std::span<std::uint8_t, kMaxEntry> out) noexcept;

/// Frame only: the leaf itself is not judged beyond its version and kind.
[[nodiscard]] std::optional<JournalEntry> split_entry(ByteView entry) noexcept;

/// Strict: nothing if a single byte is not as version 1 wants it.
[[nodiscard]] std::optional<LeafView> decode_leaf(ByteView leaf) noexcept;
[[nodiscard]] std::optional<PrivateView> decode_private(ByteView bytes) noexcept;
/// The inverse of the decoders, for what a decoder gave. Appends.
void encode_leaf(const LeafView& leaf, Bytes& out);
void encode_private(const PrivateView& fields, Bytes& out);

/// HMAC-SHA256(salt, private), and the one for a body.
[[nodiscard]] Digest commit_private(ByteView salt, ByteView bytes) noexcept;
[[nodiscard]] Digest commit_body(ByteView salt, const Digest& body) noexcept;

/// Of a whole leaf: kind without decoding (0 if there is none).
[[nodiscard]] std::uint8_t peek_kind(ByteView leaf) noexcept;

}  // namespace vestibule::audit
