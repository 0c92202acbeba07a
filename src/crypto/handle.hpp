#pragma once
// Bearer handles: what a client holds to say who it is. A handle is random; all it means stands in
// the store, under its hash. A keyed checksum inside lets the gateway refuse garbage without asking
// the store, so that guessing costs the guesser and nobody else.
//
// Text: prefix (three characters, says the audience) + base64url without padding of
//   32 random bytes || first 8 bytes of HMAC-SHA-256(key, prefix || random bytes),
// 57 characters in all. The checksum is a filter, not a proof: who could forge it would still have
// to guess 256 bits. One value has one spelling.

#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/secret.hpp"
#include "crypto/hash.hpp"

namespace vestibule::crypto {

/// Two lower-case letters and an underscore, checked at compile time.
class HandlePrefix {
 public:
  consteval explicit HandlePrefix(const char (&text)[4]) : text_{text[0], text[1], text[2]} {
    if (text[0] < 'a' || text[0] > 'z' || text[1] < 'a' || text[1] > 'z' || text[2] != '_')
      throw "a prefix is two lower-case letters and an underscore";
  }
  [[nodiscard]] constexpr std::string_view text() const noexcept { return {text_, 3}; }
  constexpr bool operator==(const HandlePrefix&) const = default;

 private:
  char text_[3];
};

inline constexpr HandlePrefix kControlSession{"vs_"};  ///< portal and CLI: never access points
inline constexpr HandlePrefix kAccessToken{"vt_"};     ///< access points: never the portal
inline constexpr HandlePrefix kChildToken{"vc_"};      ///< given to child programs
inline constexpr HandlePrefix kEnrolmentCode{"ve_"};
inline constexpr HandlePrefix kApiKey{"vk_"};
inline constexpr HandlePrefix kRefreshToken{"vr_"};       ///< OAuth: used once, at the token endpoint
inline constexpr HandlePrefix kAuthorizationCode{"va_"};  ///< OAuth: one minute, once
inline constexpr HandlePrefix kDeviceCode{"vd_"};         ///< OAuth: what a device polls with
inline constexpr HandlePrefix kClientSecret{"vo_"};       ///< OAuth: of a confidential client

inline constexpr std::size_t kHandleLength = 57;

struct Handle {
  Secret text;  ///< shown to its holder once, kept nowhere
  Digest hash;  ///< what the store keeps: SHA-256 of the text
};

/// Right length, this prefix, canonical base64url; says nothing of the checksum. Pure.
[[nodiscard]] bool well_formed(std::string_view text, HandlePrefix prefix) noexcept;

/// Makes and checks handles with one installation's checksum key. Owned by app; const members are
/// thread-safe, allocate nothing (but make()) and touch no shared memory.
class HandleMint {
 public:
  /// The key: KeyRing::derive("handle-checksum/v1").
  explicit HandleMint(const Secret& key) noexcept : key_(key) {}

  [[nodiscard]] Handle make(HandlePrefix prefix, Rng& rng) const;
  /// The hash to look up in the store; nothing if the text is not well-formed, has another prefix
  /// or a wrong checksum. A hash is not yet a valid handle: only the store knows.
  [[nodiscard]] std::optional<Digest> check(std::string_view text,
                                            HandlePrefix prefix) const noexcept;

 private:
  HmacKey key_;
};

}  // namespace vestibule::crypto
