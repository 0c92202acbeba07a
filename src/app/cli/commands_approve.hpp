#pragma once
// approve: a call that waits for its owner.

#include <string>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

/// Shows the call and lets it go on; without a code, what waits.
int approve(Context& ctx, const std::string& code);

}  // namespace vestibule::app::cli
