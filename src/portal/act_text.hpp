#pragma once
// What an act is, in a sentence for the person who is asked for it. Pure.

#include <string>
#include <string_view>

namespace vestibule::portal {

/// Of the operation and object that a challenge names (docs/api.md has the list). What is not known here
/// is shown as it stands: nothing is hidden behind a word.
[[nodiscard]] std::string act_text(std::string_view operation, std::string_view object);

}  // namespace vestibule::portal
