#pragma once
// From an access point to the program that the gateway starts for it.

#include <filesystem>
#include <string>

#include "access/catalogue.hpp"
#include "process/child.hpp"

namespace vestibule::app {

/// Some argument of the command has the place for its socket.
[[nodiscard]] bool takes_socket(const access::Spawn& spawn);
/// A tool server that speaks MCP on its standard input and output: the child is this program itself, as the
/// bridge to it (`vestibule stdio-bridge`).
[[nodiscard]] bool is_stdio(const access::AccessPoint& point);

/// What all children have in common.
struct Household {
  std::filesystem::path data_dir;
  std::filesystem::path master_key;
  std::string child_user;
};
/// Of a point with spawn.
[[nodiscard]] process::Options child_options(const Household& household, const access::AccessPoint& point);

}  // namespace vestibule::app
