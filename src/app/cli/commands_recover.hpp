#pragma once
// recover: without a gateway.

#include <string>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct RecoverOptions {
  std::string name;
  bool yes = false;             ///< no question
  bool despite_others = false;  ///< although another administrator could do it through the gateway
};
int recover(Context& ctx, const RecoverOptions& o);

}  // namespace vestibule::app::cli
