#pragma once
// What commands that list something have in common.

#include <string>

namespace vestibule::app::cli {

struct ListOptions {
  bool all = false;  ///< everybody's, not one's own alone
};
struct WhoseOptions {
  bool all = false;
  std::string user;  ///< this one's
};

}  // namespace vestibule::app::cli
