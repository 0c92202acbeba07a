#pragma once
// Which of a person's factors are offered, and in which order. Private to the room.

#include <optional>
#include <string_view>
#include <vector>

#include "factors/factors.hpp"
#include "json/writer.hpp"

namespace vestibule::portal {

/// Kinds of which the person has a factor that works and can reach this level.
[[nodiscard]] domain::KindSet working(const std::vector<factors::FactorInfo>& factors, int level);
/// Those of `order` that are there; the preferred one first.
[[nodiscard]] std::vector<domain::FactorKind> offered(std::vector<domain::FactorKind> order, domain::KindSet there,
                                                      std::optional<domain::FactorKind> preferred);
void member_kinds(json::Writer& w, std::string_view name, const std::vector<domain::FactorKind>& kinds);

}  // namespace vestibule::portal
