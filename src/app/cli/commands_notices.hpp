#pragma once
// notices: what happened to one's own account.

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

/// Shows all notices and marks them as seen; as JSON it marks nothing.
int notices(Context& ctx);

}  // namespace vestibule::app::cli
