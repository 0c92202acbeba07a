#pragma once
// restore: without a gateway.

#include <string>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct RestoreOptions {
  std::string file;
  bool yes = false;  ///< no question before the present database is put aside
};
int restore(Context& ctx, const RestoreOptions& o);

}  // namespace vestibule::app::cli
