#pragma once
// One-time codes: RFC 4226 (HOTP) and RFC 6238 (TOTP). Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "crypto/hash.hpp"
#include "factors/code.hpp"

namespace vestibule::factors {

inline constexpr std::int64_t kTotpPeriod = 30;  ///< seconds
inline constexpr std::size_t kTotpSecretBytes = 20;

struct TotpParameters {
  crypto::HashAlg algorithm = crypto::HashAlg::sha1;  ///< what every authenticator app can do
  int digits = 6;                                     ///< 6 or 8
  bool operator==(const TotpParameters&) const = default;
};

/// RFC 4226 section 5.3.
[[nodiscard]] Code hotp(ByteView secret, std::uint64_t counter, const TotpParameters& parameters);
/// Number of the 30 s step that a moment lies in (T0 = 0).
[[nodiscard]] std::int64_t totp_step(WallTime time) noexcept;
/// "otpauth://totp/Issuer:account?secret=...&issuer=Issuer&algorithm=SHA1&digits=6&period=30".
[[nodiscard]] std::string otpauth_uri(ByteView secret, std::string_view issuer, std::string_view account,
                                      const TotpParameters& parameters);

}  // namespace vestibule::factors
