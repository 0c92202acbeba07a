#pragma once
// client, and keys sign: the programs that ask people for tokens.

#include <string>
#include <vector>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct ClientAddOptions {
  std::string name, auth = "none", jwks;
  std::vector<std::string> redirects;
  bool device = false;
};
int client_add(Context& ctx, const ClientAddOptions& o);
int client_list(Context& ctx);
int client_remove(Context& ctx, const std::string& id);
/// New keys for signing ID tokens.
int keys_sign(Context& ctx);

}  // namespace vestibule::app::cli
