#pragma once
// The generated pages of docs/reference/, from the declarations themselves.

#include <string>
#include <string_view>

namespace vestibule::app {

/// "configuration", "reasons" or "limits" as Markdown; empty for another name.
[[nodiscard]] std::string reference(std::string_view page);

}  // namespace vestibule::app
