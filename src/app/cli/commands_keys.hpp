#pragma once
// key: API keys.

#include <cstdint>
#include <string>
#include <vector>

#include "app/cli/context.hpp"
#include "app/cli/list_options.hpp"

namespace vestibule::app::cli {

struct KeyCreateOptions {
  std::string name, zone, service, public_key;
  std::vector<std::string> access_points, operations, models, networks, hours;
  std::int64_t ttl_s = 0;
};
int key_create(Context& ctx, const KeyCreateOptions& o);
int key_list(Context& ctx, const WhoseOptions& o);
struct KeyUnlockOptions {
  std::string key, source, access_point;
  std::int64_t lasts_s = 8 * 3600;
};
int key_unlock(Context& ctx, const KeyUnlockOptions& o);
int key_sleep(Context& ctx, const std::string& key);
int key_revoke(Context& ctx, const std::string& key);
int key_found(Context& ctx);

}  // namespace vestibule::app::cli
