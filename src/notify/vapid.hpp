#pragma once
// Who sends, told to push services (VAPID, RFC 8292). Pure.

#include <string>
#include <string_view>

#include "crypto/p256.hpp"

namespace vestibule::notify {

/// The key that this installation signs as: derived from a secret of its own, so that there is nothing
/// more to keep. A subscription is bound to it (applicationServerKey).
[[nodiscard]] crypto::P256Key sender_key(const Secret& seed);

/// Value of Authorization: a token for the push service of this origin, good for some hours. `contact`
/// is a mailto: or https: URI under which the operator can be reached.
[[nodiscard]] std::string vapid(const crypto::P256Key& key, std::string_view origin, std::string_view contact, WallTime now);

}  // namespace vestibule::notify
