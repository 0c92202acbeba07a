#pragma once
// An authorization request on its way through the browser: sealed, so that nothing is stored for somebody
// who has not signed in, and nobody changes what the person is asked.

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/secret.hpp"
#include "crypto/hash.hpp"

namespace vestibule::oauth {

struct AuthorizationRequest {
  std::string client, client_name;
  std::uint8_t origin = 0;
  std::string redirect, state, nonce, challenge, scope;
  std::string access_point;
  std::string key;             ///< dpop_jkt, base64url; empty: none
  int level = 0;
  std::int64_t max_age_s = -1;  ///< -1: not asked; 0: proved after the request
  WallTime asked{};
};

inline constexpr Duration kRequestLives = std::chrono::minutes(10);
inline constexpr std::size_t kMaxSealedRequest = 16384;

/// Thread-safe.
class RequestSeal {
 public:
  /// KeyRing::derive("oauth-request/v1").
  explicit RequestSeal(const Secret& key) : key_(key) {}
  [[nodiscard]] std::string seal(const AuthorizationRequest& request, Rng& rng) const;
  /// Nothing for what is not ours or older than kRequestLives.
  [[nodiscard]] std::optional<AuthorizationRequest> open(std::string_view text, WallTime now) const;

 private:
  crypto::HmacKey key_;
};

}  // namespace vestibule::oauth
