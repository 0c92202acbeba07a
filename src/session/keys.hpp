#pragma once
// API keys: credentials of programs, for access points alone. A key says whose program it is and is
// evidence of nothing: asleep, it opens what asks for no proof. Its owner wakes it with a factor, for one
// source and for a time (unlocks.hpp). Using it renews nothing.

#include <optional>
#include <string>
#include <vector>

#include "crypto/jose.hpp"
#include "policy/scope.hpp"
#include "session/unlocks.hpp"

namespace vestibule::session {

struct KeyTag { static constexpr std::string_view prefix = "key_"; };
using KeyId = Id<KeyTag>;

inline constexpr std::size_t kMaxKeys = 64;  ///< a user
inline constexpr std::size_t kMaxPublicKeys = 8;  ///< of these, of a service: each is tried
inline constexpr std::size_t kMaxKeyName = 48;
inline constexpr Duration kUsualKey = std::chrono::days(90);
inline constexpr Duration kLongestKey = std::chrono::days(365);

struct KeyWish {
  std::string name;  ///< letters, digits, ".", "_", "-"; one of its owner's has it at a time
  std::string scope; ///< as policy::Scope reads it; "{}": no limit of its own
  Duration ttl = kUsualKey;
  UserId service{};             ///< nil: the person's own
  std::string service_name{};
  std::string jwk{};            ///< a public key (RFC 7517): the service shows that it has its private half; empty: a handle is made
};

/// Shown once; what is kept is a hash.
struct CreatedKey {
  KeyId id{};
  Secret text;  ///< empty where a public key was given
  WallTime ends{};
};

struct KeyUnlock {
  std::string source, access_point, purpose;
  WallTime made{}, ends{};
};

struct KeyInfo {
  KeyId id{};
  UserId user{};
  std::string name;
  HandleKey handle{};
  policy::Scope scope;
  WallTime created{}, ends{};
  std::optional<WallTime> last_use;
  std::string last_source;
  std::vector<KeyUnlock> unlocks;
  std::string jwk;  ///< empty: a handle
};

struct ServiceKey {
  HandleKey handle{};
  crypto::PublicJwk key;
};

/// A token for a service that has shown one of its keys.
struct ServiceTokenWish {
  HandleKey key{};
  std::string access_point;   ///< the only one that it opens
  std::optional<Holder> holder{};
  Duration ttl{};
};

/// Is there still a key of this account under this hash?
Result<bool> is_key_of_in(store::Tx& tx, const HandleKey& credential, UserId account);
/// Of an account that is removed.
Result<void> remove_keys_in(store::Tx& tx, UserId user);

/// What the factor is bound to, all that the wish says: "key.create NAME SECONDS SCOPE", or "services.key
/// SERVICE NAME SECONDS SCOPE", then " jwk " and its thumbprint where a public key is given.
[[nodiscard]] std::string purpose_of(const KeyWish& wish);

/// Under which a service's public key stands among credentials: no handle has this name.
[[nodiscard]] HandleKey key_of(UserId service, const crypto::PublicJwk& key) noexcept;

}  // namespace vestibule::session
