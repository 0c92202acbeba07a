#pragma once
// Connecting where a name came from outside: the address that a lookup gives is looked at before
// anything is sent to it, so that a name cannot lead into the operator's own network (SSRF, DNS
// rebinding).

#include "net/listener.hpp"

struct sockaddr_storage;

namespace vestibule::net {

enum class Reach : std::uint8_t {
  anywhere,
  internet,  ///< public unicast addresses only
};

/// A public unicast address: none that is private, shared, local to link or host, multicast, reserved
/// or for documentation (IANA's special-purpose registries); one that embeds an IPv4 address (mapped,
/// NAT64) is judged by that, and 6to4 and Teredo are refused.
[[nodiscard]] bool is_public(const sockaddr_storage& address) noexcept;

/// As connect() in listener.hpp. Addresses out of reach are passed over: upstream_unreachable if no
/// other is left.
Task<Result<Socket>> connect(Core& core, Address address, std::chrono::milliseconds limit, Reach reach);

}  // namespace vestibule::net
