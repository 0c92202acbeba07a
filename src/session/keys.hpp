#pragma once
// API keys: credentials of programs, for access points alone. A key says whose program it is and is
// evidence of nothing: asleep, it opens what asks for no proof. Its owner wakes it with a factor, for one
// source and for a time (unlocks.hpp). Using it renews nothing.

#include <optional>
#include <string>
#include <vector>

#include "policy/scope.hpp"
#include "session/unlocks.hpp"

namespace vestibule::session {

struct KeyTag { static constexpr std::string_view prefix = "key_"; };
using KeyId = Id<KeyTag>;

inline constexpr std::size_t kMaxKeys = 64;  ///< a user
inline constexpr std::size_t kMaxKeyName = 48;
inline constexpr Duration kUsualKey = std::chrono::days(90);
inline constexpr Duration kLongestKey = std::chrono::days(365);

struct KeyWish {
  std::string name;  ///< letters, digits, ".", "_", "-"; one of its owner's has it at a time
  std::string scope; ///< as policy::Scope reads it; "{}": no limit of its own
  Duration ttl = kUsualKey;
};

/// Shown once; what is kept is a hash.
struct CreatedKey {
  KeyId id{};
  Secret text;
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
};

/// Of an account that is removed.
Result<void> remove_keys_in(store::Tx& tx, UserId user);

/// What the factor is bound to, all that the wish says: "key.create NAME SECONDS SCOPE".
[[nodiscard]] std::string purpose_of(const KeyWish& wish);

}  // namespace vestibule::session
