#pragma once
// Where a call comes from: lists of IPv4 and IPv6 networks, and the gateway's own Unix socket.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "domain/act.hpp"

namespace vestibule::policy {

/// IPv4 and IPv6 are families apart: "::/0" is every IPv6 peer and no IPv4 one. An IPv4 address
/// in its mapped form (::ffff:10.0.0.1) is IPv4.
struct Network {
  std::uint64_t high = 0, low = 0;            ///< the address as two big-endian numbers
  std::uint64_t high_mask = 0, low_mask = 0;
  std::uint8_t prefix = 0;                    ///< of 128; an IPv4 /8 is 104 here
  bool v4 = false;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool covers(const Network& other) const noexcept;
  auto operator<=>(const Network&) const = default;
};

class Networks {
 public:
  /// Adds "10.0.0.0/8", "2001:db8::/32", "192.0.2.7", "::1" or "unix". An address with bits beyond
  /// its prefix is refused: it is a slip of the pen more often than not.
  Result<void> add(std::string_view text);
  /// Sorts, drops what another entry covers; all of IPv4, IPv6 and unix together are anywhere.
  void normalise();
  [[nodiscard]] bool matches(const domain::Source& source) const noexcept;
  [[nodiscard]] bool anywhere() const noexcept { return anywhere_; }
  [[nodiscard]] bool covers(const Networks& other) const noexcept;
  [[nodiscard]] std::vector<std::string> entries() const;

 private:
  std::vector<Network> list_;
  bool local_ = false;
  bool anywhere_ = true;   // until something is added
};

}  // namespace vestibule::policy
