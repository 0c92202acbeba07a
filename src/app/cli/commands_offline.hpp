#pragma once
// check-config, version: without a gateway.

#include <string>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

int check_config(Context& ctx, const std::string& file);
int version(Context& ctx);

}  // namespace vestibule::app::cli
