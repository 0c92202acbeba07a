#pragma once
// CBOR (RFC 8949) as authenticators send it: the definite-length subset of CTAP 2.1 section 8, walked
// item by item within a span. Pure; builds nothing and allocates nothing.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"

namespace vestibule::factors {

/// Refused: indefinite lengths, tags, floats, lengths beyond the input, numbers not in their shortest
/// form, text that is not UTF-8, simple values but true, false and null, nesting deeper than 8.
class CborReader {
 public:
  enum class Type : std::uint8_t { unsigned_integer, negative_integer, bytes, text, array, map, boolean, null };
  struct Item {
    Type type{};
    std::uint64_t value = 0;  ///< the argument: number, length, or count of elements or pairs; 1 for true
    ByteView content;         ///< of bytes and text
    [[nodiscard]] std::string_view text() const noexcept { return as_text(content); }
    /// Of both integer types; nothing if it does not fit.
    [[nodiscard]] std::optional<std::int64_t> integer() const noexcept;
  };

  explicit CborReader(ByteView input) noexcept : input_(input) {}

  /// The head of the next item; a container's elements follow. Nothing: malformed, or the end.
  [[nodiscard]] std::optional<Item> next() noexcept;
  /// The next item, which must be of this type.
  [[nodiscard]] std::optional<Item> expect(Type type) noexcept;
  /// The next item whole, its elements included: its bytes. Maps have at most 32 pairs and no key
  /// twice, at every depth. (Their order is not judged: not every platform sorts what it wraps around
  /// the authenticator's own bytes.)
  [[nodiscard]] std::optional<ByteView> whole() noexcept;

  [[nodiscard]] std::size_t offset() const noexcept { return at_; }
  [[nodiscard]] bool at_end() const noexcept { return at_ == input_.size(); }
  [[nodiscard]] ByteView rest() const noexcept { return input_.subspan(at_); }

 private:
  bool skip(int depth) noexcept;

  ByteView input_;
  std::size_t at_ = 0;
};

/// Heads and items for what is written anew.
void append_cbor_head(Bytes& out, CborReader::Type type, std::uint64_t value);
void append_cbor(Bytes& out, std::string_view text);
void append_cbor(Bytes& out, ByteView bytes);

}  // namespace vestibule::factors
