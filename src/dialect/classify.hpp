#pragma once
// What a body asks for, in one pass over its bytes. Private to the room.

#include <string>
#include <string_view>

#include "dialect/routes.hpp"

namespace vestibule::dialect {

/// `route` has BodyRule::whole. See Dialect::classify.
[[nodiscard]] Result<Facts> classify_body(Kind kind, const Route& route, std::string_view body, const Rules& rules,
                                          std::string& scratch);

/// True if a field of this name is refused unless "body.NAME" is among rules.operations.
[[nodiscard]] bool opens_field(std::string_view name) noexcept;

}  // namespace vestibule::dialect
