#pragma once
// Which fields end at the gateway.

#include <string_view>

#include "http/head.hpp"

namespace vestibule::http {

/// Fields of the connection, never forwarded (RFC 9110 section 7.6.1). What Connection names comes
/// on top: connection_tokens().
[[nodiscard]] bool hop_by_hop(Known known) noexcept;

/// True for every field by which a client could tell an upstream who it is, where it came from or
/// which resource or method is really meant: X-Forwarded-*, Forwarded, Remote-User, X-Auth-*,
/// SSL-Client-*, X-Original-URL, X-HTTP-Method-Override, keys and tokens (Authorization too), for whom
/// to act (Sudo, On-Behalf-Of), the headers of well-known identity proxies, and the gateway's own X-Vestibule-*. Case and the
/// difference between '-', '_' and '.' do not matter. Cookie is not among them. Ordinary names cost
/// two or three comparisons.
[[nodiscard]] bool identity_header(std::string_view name) noexcept;

}  // namespace vestibule::http
