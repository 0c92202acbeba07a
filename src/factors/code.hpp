#pragma once
// What people type, reduced to its one spelling, or refused. Pure.

#include <array>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"

namespace vestibule::factors {

/// A code of 6 or 8 ASCII digits in one machine word: two spellings of a code cannot differ, so none
/// slips past the replay check (lessons: whitespace evaded a peer's cache of used codes).
struct Code {
  std::uint32_t value = 0;
  int digits = 0;
  bool operator==(const Code&) const = default;
};

/// Exactly `digits` ASCII digits, else nothing: no trimming, no grouping, no sign, no other script's
/// digits. A user interface that groups digits joins them before it asks.
[[nodiscard]] std::optional<Code> canonical_code(std::string_view text, int digits) noexcept;

/// 80 bits of a recovery code, from 16 base32 characters grouped 4-4-4-4 by hyphens, in either
/// case; nothing else is taken.
using RecoveryBits = std::array<std::uint8_t, 10>;
[[nodiscard]] std::optional<RecoveryBits> canonical_recovery_code(std::string_view text) noexcept;
[[nodiscard]] std::string format_recovery_code(const RecoveryBits& bits);

}  // namespace vestibule::factors
