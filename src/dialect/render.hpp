#pragma once
// Refusals in the shape that a dialect's clients understand. Private to the room.

#include <string>

#include "dialect/dialect.hpp"

namespace vestibule::dialect {

[[nodiscard]] Rendered render_refusal(Kind kind, const domain::Refusal& refusal);
[[nodiscard]] std::string render_end(Kind kind, const domain::Refusal& refusal);

}  // namespace vestibule::dialect
