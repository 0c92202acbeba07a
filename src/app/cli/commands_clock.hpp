#pragma once
// clock accept: without a gateway.

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct ClockOptions {
  bool yes = false;  ///< no question
};
int clock_accept(Context& ctx, const ClockOptions& o);

}  // namespace vestibule::app::cli
