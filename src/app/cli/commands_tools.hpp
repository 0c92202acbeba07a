#pragma once
// tool: what MCP servers say of their tools.

#include <string>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct ToolOptions {
  bool asleep = false;  ///< list: those alone
  std::string place;    ///< "ACCESS_POINT/TOOL"; list: "ACCESS_POINT" or empty
};
int tool_list(Context& ctx, const ToolOptions& o);
int tool_show(Context& ctx, const ToolOptions& o);
/// Shows what it was and what it is before it asks for a code.
int tool_accept(Context& ctx, const ToolOptions& o);

}  // namespace vestibule::app::cli
