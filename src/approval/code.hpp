#pragma once
// The short code of a request: what a refused call shows, and its owner types or opens. It names a request
// and opens nothing: that takes the owner's session and a factor.

#include <optional>
#include <string>
#include <string_view>

namespace vestibule::approval {

inline constexpr std::size_t kCodeLength = 8;  ///< digits of 32 values: 40 bits

/// The code of these bits (the upper 24 are not looked at), without its dash.
[[nodiscard]] std::string code_from(std::uint64_t bits);
/// As code_from() wrote it, however it was typed: either case, with blanks and dashes, O for 0, I and L
/// for 1. Nothing for what is none. Pure.
[[nodiscard]] std::optional<std::string> parse_code(std::string_view typed);
/// "XXXX-XXXX".
[[nodiscard]] std::string shown(std::string_view code);

}  // namespace vestibule::approval
