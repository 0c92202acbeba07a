#pragma once
// token, token-helper, git-credential, exec: tokens for programs.

#include <cstdint>
#include <string>
#include <vector>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct TokenOptions {
  std::int64_t ttl_s = 0;
  std::string env, access_point;
  std::string format = "plain";  ///< plain, json, or env: of every family that has an access point
};
int token(Context& ctx, const TokenOptions& o);
struct HelperOptions {
  std::string agent, access_point;
};
int token_helper(Context& ctx, const HelperOptions& o);
/// get; store and erase do nothing, since nothing of git's is kept.
int git_credential(Context& ctx, const std::string& operation);
struct ExecOptions {
  std::string agent;
  std::vector<std::string> access_points, operations, models, command;
  std::int64_t ttl_s = 0;
};
int exec(Context& ctx, const ExecOptions& o);

}  // namespace vestibule::app::cli
