#pragma once
// The upstreams' own credentials, sealed in the store. Clients never hold them; nothing gives them out
// but the cores that put them into requests.

#include <optional>
#include <span>
#include <string_view>

#include "base/secret.hpp"
#include "crypto/sealed.hpp"
#include "store/database.hpp"

namespace vestibule::access {

/// Migrations of this room.
[[nodiscard]] std::span<const store::Migration> migrations();

/// 1 to 4096 visible ASCII characters: invalid_argument otherwise (a line end would split the head).
Result<void> put_credential(store::Tx& tx, const crypto::KeyRing& keys, std::string_view point, const Secret& value,
                            WallTime now);
Result<void> remove_credential(store::Tx& tx, std::string_view point);
/// Nothing if there is none; sealed_unreadable.
Result<std::optional<Secret>> load_credential(store::Tx& tx, const crypto::KeyRing& keys, std::string_view point);
/// Rotation: seals with the active key what an older one has sealed. Gives how many.
Result<std::int64_t> reseal_credentials(store::Tx& tx, const crypto::KeyRing& keys);
/// How many are sealed by this master key, or by one that cannot be told.
Result<std::int64_t> credentials_sealed_by(store::Tx& tx, std::uint32_t key);

}  // namespace vestibule::access
