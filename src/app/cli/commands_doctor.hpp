#pragma once
// doctor: is this installation as it should be?

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

int doctor(Context& ctx);

}  // namespace vestibule::app::cli
