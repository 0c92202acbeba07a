#pragma once
// user reset, resets, approve, decline; coverage.

#include <string>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

int user_reset(Context& ctx, const std::string& name);
int user_resets(Context& ctx);
int user_approve(Context& ctx, const std::string& id);
int user_decline(Context& ctx, const std::string& id);
int coverage(Context& ctx);

}  // namespace vestibule::app::cli
