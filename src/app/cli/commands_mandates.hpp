#pragma once
// mandate: what is signed ahead for keys.

#include <cstdint>
#include <string>
#include <vector>

#include "app/cli/context.hpp"
#include "app/cli/list_options.hpp"

namespace vestibule::app::cli {

struct MandateOptions {
  std::string name, key, service, starts, ends;  ///< times as RFC 3339
  std::vector<std::string> access_points, operations, models, networks;
  std::int64_t calls = 0, tokens = 0, max_body = 0;
  std::int64_t for_s = 3600;            ///< from now, where no times are given
};
/// Shows the text that is signed before it asks for a code.
int mandate_sign(Context& ctx, MandateOptions o);
int mandate_list(Context& ctx, const ListOptions& o);
int mandate_revoke(Context& ctx, const std::string& id);

}  // namespace vestibule::app::cli
