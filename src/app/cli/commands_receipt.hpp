#pragma once
// receipt: what proves that a tool call was confirmed. verify needs no gateway.

#include <string>
#include <vector>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct ReceiptVerifyOptions {
  std::string file, arguments, tool, relying_party;
  std::vector<std::string> log_keys, origins;
  bool unbound = false;
  bool dispatched = false;
};
int receipt_verify(Context& ctx, const ReceiptVerifyOptions& o);
int receipt_get(Context& ctx, const std::string& id);

}  // namespace vestibule::app::cli
