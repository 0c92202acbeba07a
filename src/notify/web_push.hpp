#pragma once
// Message encryption for Web Push (RFC 8291): the content coding aes128gcm (RFC 8188) in one record,
// under keys of an ECDH with the subscription's key. Pure.

#include "base/clock.hpp"
#include "notify/subscription.hpp"

namespace vestibule::notify {

using Salt = std::array<std::uint8_t, 16>;
inline constexpr std::size_t kMaxMessage = 3993;  ///< bytes of plaintext: RFC 8291 section 4

/// Header and record. `sender` is used for this message alone. Filled up with zeros behind the delimiter
/// to `fill` bytes, so that what is said does not show in its length (0: not). invalid_argument if the
/// message is too long, or the subscription's key no point.
[[nodiscard]] Result<Bytes> encrypt(ByteView message, const Subscription& to, const crypto::P256Key& sender,
                                    const Salt& salt, std::size_t fill = 0);

}  // namespace vestibule::notify
