#pragma once
// stop, policy, access, keys, backup: the gateway itself.

#include <cstdint>
#include <string>
#include <vector>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct StopOptions {
  bool all = false;
  bool tools = false;
  std::string access_point, user, agent, client, tool, why;
};
int stop_set(Context& ctx, const StopOptions& o);
int stop_list(Context& ctx);
int stop_lift(Context& ctx, const StopOptions& o);

int policy_show(Context& ctx);
struct ExplainOptions {
  std::string user, access_point, operation, model, source, tool, arguments;
  std::vector<std::string> signals;
};
int policy_explain(Context& ctx, const ExplainOptions& o);
int policy_approve(Context& ctx, const std::string& digest);
int policy_reload(Context& ctx);
int policy_check(Context& ctx, const std::string& file);

struct CredentialOptions {
  std::string access_point;
  bool remove = false;
};
int access_credential(Context& ctx, const CredentialOptions& o);
int keys_rotate(Context& ctx);
int keys_retire(Context& ctx, std::uint32_t id);
int keys_list(Context& ctx);
int backup(Context& ctx, const std::string& path);

}  // namespace vestibule::app::cli
