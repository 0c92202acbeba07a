#include "identity/user.hpp"

#include <algorithm>

namespace vestibule::identity {
namespace {

constexpr bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

bool valid_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, [](char c) {
    return lower_or_digit(c) || c == '.' || c == '_' || c == '-' || c == '@' || c == '+';
  });
}

bool valid_label(std::string_view label) noexcept {
  return !label.empty() && label.size() <= kMaxLabel && std::ranges::all_of(label, [](char c) {
    return lower_or_digit(c) || c == '_' || c == '-';
  });
}

}  // namespace vestibule::identity
