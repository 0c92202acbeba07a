#pragma once
// user, session: accounts, and who is signed in.

#include <string>
#include <vector>

#include "app/cli/context.hpp"
#include "app/cli/list_options.hpp"

namespace vestibule::app::cli {

struct UserAddOptions {
  std::string name, display;
  std::vector<std::string> roles, groups;
};
int user_add(Context& ctx, const UserAddOptions& o);
int user_list(Context& ctx);
int user_show(Context& ctx, const std::string& name);
enum class Labels { roles, groups };
int user_set(Context& ctx, const std::string& name, Labels what, const std::vector<std::string>& labels);
int user_disable(Context& ctx, const std::string& name);
int user_enable(Context& ctx, const std::string& name);
int user_remove(Context& ctx, const std::string& name);

int session_list(Context& ctx, const WhoseOptions& o);
struct SessionRevokeOptions {
  std::string id, user;
};
int session_revoke(Context& ctx, const SessionRevokeOptions& o);
int session_sign_out(Context& ctx);

}  // namespace vestibule::app::cli
