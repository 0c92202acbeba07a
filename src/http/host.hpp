#pragma once
// The Host field (RFC 9110 section 7.2): uri-host and an optional port, in one canonical form.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace vestibule::http {

struct Host {
  /// Lower case: a DNS name, a dotted IPv4 address, or an IPv6 address in brackets (RFC 5952).
  std::string name;
  std::uint16_t port = 0;  ///< 0: none was given
  bool operator==(const Host&) const = default;
};

/// Strict. A name has labels of 1 to 63 letters, digits, '-' or '_', not '-' first or last; at most
/// 253 bytes; no trailing dot, no escapes. What ends in a number must be four plain decimal octets
/// ("127.1", "0x7f.1" and "2130706433" are refused: resolvers read them as addresses). IPv6 has no
/// zone. A port is 1 to 65535 without leading zeros. request_malformed otherwise.
[[nodiscard]] Result<Host> parse_host(std::string_view value);

/// True if parse_host() would accept the value. No allocation.
[[nodiscard]] bool is_valid_host(std::string_view value) noexcept;

}  // namespace vestibule::http
