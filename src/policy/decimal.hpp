#pragma once
// Numbers as JSON spells them (RFC 8259 section 6), compared exactly: no rounding makes 100.00000000000000000001
// a hundred. Private to the room.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vestibule::policy {

class Decimal {
 public:
  /// Longer ones, and exponents beyond those of a double, are none: whoever reads such a number may read another.
  static constexpr std::size_t kMaxDigits = 128;
  static constexpr int kMaxExponent = 400;
  /// Allocates nothing.
  [[nodiscard]] static std::optional<Decimal> parse(std::string_view text) noexcept;

  /// By value: -0 is 0, and 1e2 is 100.0.
  [[nodiscard]] std::strong_ordering operator<=>(const Decimal& o) const noexcept;
  [[nodiscard]] bool operator==(const Decimal& o) const noexcept { return (*this <=> o) == std::strong_ordering::equal; }

 private:
  [[nodiscard]] std::strong_ordering magnitude(const Decimal& o) const noexcept;

  bool negative_ = false;
  std::uint8_t size_ = 0;  // significant digits; none: zero
  int lead_ = 0;           // power of ten of the first one
  std::array<char, kMaxDigits> digits_{};
};

}  // namespace vestibule::policy
