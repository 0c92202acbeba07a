#pragma once
// The numbers by which a device shows that its owner sees the asking screen. Private to the room.

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace vestibule::factors {

/// Six digits.
[[nodiscard]] std::string make_digits(Rng& rng);

/// Three numbers of two digits, no two alike.
struct Choice {
  std::string right;
  std::string all;  ///< with commas, in an order that says nothing
};
[[nodiscard]] Choice make_choice(Rng& rng);
/// The numbers of `Choice::all`.
[[nodiscard]] std::vector<std::string> choices_of(std::string_view all);

}  // namespace vestibule::factors
