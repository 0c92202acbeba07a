#pragma once
// Byte strings and their text encodings. Decoders are strict: no whitespace, no missing or
// superfluous padding, no non-zero trailing bits, so that one value has one spelling.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using Digest = std::array<std::uint8_t, 32>;  ///< a SHA-256 value

[[nodiscard]] inline ByteView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] std::string hex(ByteView bytes);
[[nodiscard]] std::optional<Bytes> unhex(std::string_view text);

/// RFC 4648 section 4, padded.
[[nodiscard]] std::string base64(ByteView bytes);
[[nodiscard]] std::optional<Bytes> unbase64(std::string_view text);

/// RFC 4648 section 5, without padding.
[[nodiscard]] std::string base64url(ByteView bytes);
[[nodiscard]] std::optional<Bytes> unbase64url(std::string_view text);

/// RFC 4648 section 6, upper case, without padding (the form of otpauth URIs).
[[nodiscard]] std::string base32(ByteView bytes);
/// 16 bytes as 26 characters in lower case, for the path of every request: no allocation.
[[nodiscard]] std::array<char, 26> base32_lower(const std::array<std::uint8_t, 16>& bytes) noexcept;
/// Accepts lower case too (people type it); refuses padding and any other character.
[[nodiscard]] std::optional<Bytes> unbase32(std::string_view text);

/// True if the bytes are valid UTF-8 (Unicode 15, table 3-7: no overlong forms, no surrogates).
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// Equality in time that depends on the lengths only.
[[nodiscard]] bool equal_constant_time(ByteView a, ByteView b) noexcept;

}  // namespace vestibule
