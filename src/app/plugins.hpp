#pragma once
// Factor plug-ins as the configuration has them, and the way to them: HTTP requests of our own.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "factors/plugin.hpp"
#include "http/url.hpp"
#include "net/core.hpp"
#include "net/tls.hpp"

namespace vestibule::app {

struct PluginConfig {
  std::string name, label;
  http::Url url;                          ///< https, or http on loopback
  std::filesystem::path key_file;         ///< absolute
  domain::Traits traits;
  factors::Plugin::Mode mode = factors::Plugin::Mode::typed;
  std::chrono::milliseconds timeout{5'000};
};

/// The key that is shared with a plug-in: 32 to 1024 bytes of text, in a file that nobody but its owner (this
/// process's user, or root) can read or write. config_invalid.
Result<Secret> read_plugin_key(const std::filesystem::path& file);

/// What the factors room needs, with a connection pool a core and plug-in behind it that lives as long as it.
/// Reads the keys. config_invalid.
Result<std::vector<std::shared_ptr<const factors::Plugin>>> make_plugins(const std::vector<PluginConfig>& configured,
                                                                         net::Cores& cores);

}  // namespace vestibule::app
