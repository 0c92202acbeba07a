#pragma once
// What an unlock is bound to besides its credential: where the calls come from, or a key that they are
// signed with.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "domain/act.hpp"

namespace vestibule::session {

/// An IPv4 address, an IPv6 /64 (a host changes the rest of its address as it likes), the Unix socket, or
/// the thumbprint of a key or certificate whose possession the request proves (DPoP, mTLS). Callers behind one NAT have
/// one address. A plain value; the default one is nowhere and is equal to nothing but itself.
class SourceKey {
 public:
  SourceKey() = default;
  [[nodiscard]] static SourceKey of(const domain::Source& source) noexcept;
  [[nodiscard]] static SourceKey of_key(const Digest& thumbprint) noexcept;
  /// "192.0.2.7", "2001:db8:1:2::/64", "unix", "key:" and 64 hex digits.
  [[nodiscard]] std::string text() const;
  /// What text() writes, and a whole IPv6 address: it means its /64.
  [[nodiscard]] static std::optional<SourceKey> parse(std::string_view text);
  [[nodiscard]] bool nowhere() const noexcept { return kind_ == Kind::nowhere; }
  bool operator==(const SourceKey&) const = default;

 private:
  enum class Kind : std::uint8_t { nowhere, local, v4, v6, key };
  Kind kind_ = Kind::nowhere;
  std::array<std::uint8_t, 32> bytes_{};  // the address as 16 bytes, the host part of IPv6 zero; or the thumbprint
};

}  // namespace vestibule::session
