#pragma once
// Lists of models in replies, cut down to what the caller may use. Private to the room.

#include <functional>
#include <string>
#include <string_view>

#include "dialect/dialect.hpp"

namespace vestibule::dialect {

/// See Dialect::filter_models. Kept of the list: the allowed entries byte for byte, and those of the
/// object's other members that are plain values; a container that is not understood could name what
/// was filtered. Anthropic's first_id and last_id become those of the entries kept.
[[nodiscard]] Result<std::string> filter_list(Kind kind, std::string_view body,
                                              const std::function<bool(std::string_view)>& allowed);

}  // namespace vestibule::dialect
