#pragma once
// service: accounts under which programs work, and the people who answer for them.

#include <string>
#include <vector>

#include "app/cli/context.hpp"
#include "app/cli/list_options.hpp"

namespace vestibule::app::cli {

struct ServiceCreateOptions {
  std::string name, display, sponsor;
  std::vector<std::string> roles;
};
int service_create(Context& ctx, const ServiceCreateOptions& o);
int service_list(Context& ctx, const ListOptions& o);
int service_show(Context& ctx, const std::string& name);
struct ServicePersonOptions {
  std::string name, person;
};
int service_deputy(Context& ctx, const ServicePersonOptions& o);
int service_sponsor(Context& ctx, const ServicePersonOptions& o);
/// Shows the text that is signed before it asks for a code, as take_over does.
int service_accept(Context& ctx, const std::string& name);
int service_take_over(Context& ctx, const std::string& name);
int service_dismiss(Context& ctx, const ServicePersonOptions& o);
int service_remove(Context& ctx, const std::string& name);

}  // namespace vestibule::app::cli
