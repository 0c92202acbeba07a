#include "app/children.hpp"

#include <algorithm>
#include <cstdlib>

#include "app/targets.hpp"

namespace vestibule::app {
namespace {

constexpr std::string_view kSocket = "{socket}";

// The program that runs now. A newer one in its place keeps the name; the kernel marks the old one.
std::string this_program() {
  std::error_code ec;
  std::string path = std::filesystem::read_symlink("/proc/self/exe", ec).string();
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

}  // namespace

bool takes_socket(const access::Spawn& spawn) {
  return std::any_of(spawn.command.begin(), spawn.command.end(),
                     [](const std::string& a) { return a.find(kSocket) != std::string::npos; });
}

bool is_stdio(const access::AccessPoint& point) {
  return point.spawn && point.kind == dialect::Kind::mcp && !takes_socket(*point.spawn);
}

process::Options child_options(const Household& household, const access::AccessPoint& point) {
  process::Options o;
  o.name = point.name;
  o.command = point.spawn->command;
  o.socket = child_directory(household.data_dir, point.name) / "model.sock";
  for (const std::string& p : point.spawn->readable) o.readable.emplace_back(p);
  if (is_stdio(point)) {
    o.readable.push_back(std::filesystem::path(o.command.front()).parent_path());
    o.command.insert(o.command.begin(), {this_program(), "stdio-bridge", o.socket.string(), "--"});
  } else {
    for (std::string& a : o.command) {
      if (const auto at = a.find(kSocket); at != std::string::npos) a.replace(at, kSocket.size(), o.socket.string());
    }
  }
  for (const std::string& name : point.spawn->environment) {
    if (const char* value = std::getenv(name.c_str())) o.environment.emplace_back(name, value);
  }
  for (const std::string& p : point.spawn->writable) o.writable.emplace_back(p);
  o.hidden = {household.data_dir, household.master_key};
  o.user = household.child_user;
  o.ready = std::chrono::duration_cast<std::chrono::milliseconds>(point.spawn->ready);
  return o;
}

}  // namespace vestibule::app
