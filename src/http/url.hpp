#pragma once
// Absolute URLs of the schemes http and https (RFC 9110 section 4.2), for requests that the gateway
// makes by itself. One spelling only: what a resolver, a certificate check or an allow-list could read
// in two ways is refused.

#include <cstdint>
#include <string>
#include <string_view>

#include "http/host.hpp"

namespace vestibule::http {

struct Url {
  enum class Scheme : std::uint8_t { http, https };
  Scheme scheme = Scheme::https;
  std::string host;        ///< canonical, as in Host::name
  std::uint16_t port = 0;  ///< the scheme's own if none was given
  std::string target;      ///< path and query: what parse_target() accepts

  [[nodiscard]] bool has_usual_port() const noexcept { return port == (scheme == Scheme::https ? 443 : 80); }
  /// Value of the Host field: the port only where it is not the usual one.
  [[nodiscard]] std::string authority() const;
  /// RFC 6454: "https://push.example.org".
  [[nodiscard]] std::string origin() const;
  bool operator==(const Url&) const = default;
};

inline constexpr std::size_t kMaxUrl = 2048;

/// Scheme in lower case; no user information, no fragment; host as in parse_host(), path and query as in
/// parse_target(). An empty path is "/". request_malformed otherwise.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

}  // namespace vestibule::http
