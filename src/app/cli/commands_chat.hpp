#pragma once
// chat: talks to an access point.

#include <string>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct ChatOptions {
  std::string prompt, access_point, model, system, tools_file;
};
int chat(Context& ctx, const ChatOptions& o);

}  // namespace vestibule::app::cli
