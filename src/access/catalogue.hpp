#pragma once
// The catalogue of access points: what is guarded, where its requests come in, where they go.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "dialect/dialect.hpp"
#include "http/host.hpp"

namespace vestibule::access {

/// The child program of an access point that the gateway itself runs on a private Unix socket.
struct Spawn {
  std::vector<std::string> command;      ///< argv; "{socket}" stands for the socket's path; without: see is_stdio() in app
  std::vector<std::string> environment;  ///< names of variables that the child may see
  std::vector<std::string> readable;     ///< files and folders it may read besides the system's
  std::vector<std::string> writable;     ///< folders it may write in
  std::chrono::seconds ready{60};        ///< how long it may take until it answers
};

/// Of a tool server: a tool call that a person has confirmed in the reply of a model may be made here, once.
struct Carry {
  std::string from;   ///< access point of the model
  std::string tool;   ///< as the model calls it; "*": every one
  std::string as;     ///< as it is called here; empty: the same
};

/// Plain values; app fills it from the configuration.
struct AccessPoint {
  std::string name;                      ///< [a-z0-9-]{1,32}
  dialect::Kind kind = dialect::Kind::openai;
  std::string prefix;                    ///< "" or "/lab": taken off before the dialect sees the path
  std::string host;                      ///< canonical host name that selects it; empty: any configured
  std::vector<std::string> upstreams;    ///< "http://127.0.0.1:8080", "https://gpu:443", "unix:/run/m.sock"
  std::string upstream_prefix;           ///< put before the path on the way up
  domain::Sensitivity sensitivity = domain::Sensitivity::moderate;
  std::string owner;
  std::string description;
  dialect::Rules rules;
  std::size_t max_body = 4U << 20U;      ///< bytes of a body that is read whole
  std::chrono::seconds max_stream{600};
  std::chrono::seconds hold{45};         ///< how long a call that lacks a proof waits for its owner; 0: not at all
  bool watch_tools = true;               ///< of mcp: a tool whose definition changes sleeps until somebody has looked
  bool receipts = false;                 ///< of mcp: the tool server is shown the receipt of a call that people have confirmed
  std::vector<Carry> carries;            ///< of mcp
  bool private_upstream = false;         ///< the operator vouches that nobody else reaches the upstream
  std::optional<Spawn> spawn;
  /// The address under which clients know it (RFC 8707), and who gives out tokens for it; both empty where
  /// there is no authorization server.
  std::string resource, issuer;
  bool certificates = false;             ///< tokens for it may be bound to a certificate (RFC 8705)
  std::string credential_header = "Authorization";  ///< where the upstream's own credential goes
  std::string credential_scheme = "Bearer ";        ///< written before it

  /// Only the gateway can reach it: a spawned child, a Unix socket, a credential that only the
  /// gateway holds, or the operator's word. Otherwise it is called bypassable.
  [[nodiscard]] bool closed(bool has_credential) const noexcept;
};

/// Immutable once built; replaced as a whole on reload.
class Catalogue {
 public:
  /// All problems at once: doubled names or routes, prefixes without a leading '/' or with a
  /// trailing one, no upstream and no spawn, host not among `hosts`; calls carried from where none are gated, or twice.
  static Result<std::shared_ptr<const Catalogue>> build(std::vector<AccessPoint> points,
                                                        std::vector<std::string> hosts);

  struct Route {
    const AccessPoint* point = nullptr;
    std::size_t index = 0;
    std::string_view path;  ///< the rest behind the prefix, beginning with '/'
  };
  /// True if the Host header names this gateway ("127.0.0.1" and "[::1]" with any port count only if
  /// configured).
  [[nodiscard]] bool known_host(std::string_view canonical_host) const noexcept;
  /// The longest matching prefix on segment boundaries, those with a matching host first.
  [[nodiscard]] std::optional<Route> route(std::string_view canonical_host, std::string_view path) const noexcept;
  [[nodiscard]] const std::vector<AccessPoint>& points() const noexcept { return points_; }
  [[nodiscard]] const AccessPoint* find(std::string_view name) const noexcept;
  struct Place {
    const AccessPoint* point = nullptr;
    std::string_view tool;
  };
  /// Where a call of this tool that is let out in a reply of the access point `from` may be made.
  [[nodiscard]] std::optional<Place> carried(std::string_view from, std::string_view tool) const noexcept;

 private:
  Catalogue() = default;
  std::vector<AccessPoint> points_;
  std::vector<std::string> hosts_;
};

}  // namespace vestibule::access
