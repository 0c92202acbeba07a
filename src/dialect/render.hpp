#pragma once
// Refusals in the shape that a dialect's clients understand. Private to the room.

#include <string>

#include "dialect/dialect.hpp"

namespace vestibule::dialect {

[[nodiscard]] Rendered render_refusal(Face face, const domain::Refusal& refusal, std::string_view id);
[[nodiscard]] std::string render_end(Face face, const domain::Refusal& refusal);

}  // namespace vestibule::dialect
