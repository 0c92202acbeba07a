#pragma once
// The question put to a passkey of nobody in particular. Private to the room.

#include <string_view>

#include "factors/factors.hpp"

namespace vestibule::factors {

/// In `passkey_used`: stands for every question that may have been open when a backup was restored.
inline constexpr std::string_view kPasskeysRestored = "restored";

/// Text: base64url of expiry (8 bytes, microseconds, big-endian) || nonce (32) || HMAC-SHA-256 of both.
struct Factors::OpenPasskey {
  Bytes nonce;
  WallTime expires{};
  Digest challenge{};  ///< what the authenticator signed
  /// Neither expired nor made by a clock that ran ahead: that question would live for as long as it did.
  [[nodiscard]] bool is_open(WallTime now) const noexcept {
    return expires >= now && expires <= now + kLongestChallenge;
  }
};

}  // namespace vestibule::factors
