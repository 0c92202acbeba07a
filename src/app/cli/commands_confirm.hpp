#pragma once
// confirm: a tool call that waits for a person.

#include <string>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct ConfirmOptions {
  std::string id, why;
  bool decline = false;
};
/// Shows the tool call whole and lets it out, or declines it; without an id, what waits.
int confirm(Context& ctx, const ConfirmOptions& options);

}  // namespace vestibule::app::cli
