#pragma once
// login as a client of the gateway, for one access point; logout.

#include <string>

#include "app/cli/commands_account.hpp"
#include "app/cli/context.hpp"

namespace vestibule::app::cli {

[[nodiscard]] bool is_client_login(Context& ctx, const LoginOptions& o);
int client_login(Context& ctx, const LoginOptions& o);
struct LogoutOptions {
  std::string access_point;  ///< of this one alone, by name or address
};
int logout(Context& ctx, const LogoutOptions& o);

}  // namespace vestibule::app::cli
