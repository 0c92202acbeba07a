#pragma once
// From the catalogue to connections: what each core's proxy needs to reach the upstreams.

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "access/catalogue.hpp"
#include "proxy/proxy.hpp"

namespace vestibule::app {

/// One upstream of the configuration, taken apart.
struct UpstreamAddress {
  net::Address address;
  bool tls = false;
  std::string authority;  ///< value of Host
  /// "http://HOST:PORT", "https://HOST:PORT" or "unix:/PATH". config_invalid with what is wrong.
  static Result<UpstreamAddress> parse(std::string_view text);
};

/// The upstreams' credentials by access point, opened.
using Credentials = std::map<std::string, Secret, std::less<>>;

/// Where spawned model servers listen: a directory that only the gateway and the child can enter.
[[nodiscard]] std::filesystem::path child_directory(const std::filesystem::path& data_dir, std::string_view point);

/// Connections of one core to all upstreams of a catalogue. config_invalid.
Result<std::shared_ptr<proxy::Targets>> make_targets(net::Core& core, std::shared_ptr<const access::Catalogue> catalogue,
                                                     const Credentials& credentials, const std::filesystem::path& data_dir);

}  // namespace vestibule::app
