#pragma once
// Which kinds of second factors can be enrolled with a configuration.

#include "app/config.hpp"
#include "domain/evidence.hpp"

namespace vestibule::app {

/// Keys and push devices need the portal's origin, external ones a plug-in.
[[nodiscard]] domain::KindSet enrollable_kinds(const Config& config);

}  // namespace vestibule::app
