#pragma once
// This room's tables: what they are made by, and what is done to them from outside.

#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/sealed.hpp"
#include "oauth/client.hpp"
#include "store/database.hpp"

namespace vestibule::oauth {

[[nodiscard]] std::span<const store::Migration> migrations();
/// Restore, and a clock that was accepted: codes, devices that wait, families and refresh tokens are void.
Result<void> void_after_restore(store::Tx& tx);

/// Rotation of the master key: signing keys are sealed again; how many.
Result<std::int64_t> reseal_keys(store::Tx& tx, const crypto::KeyRing& ring);
Result<std::int64_t> keys_sealed_by(store::Tx& tx, std::uint32_t id);

inline constexpr std::string_view kKeyTopic = "oauth_key";

[[nodiscard]] inline std::optional<Digest> digest_from(ByteView raw) noexcept {
  Digest out;
  if (raw.size() != out.size()) return std::nullopt;
  std::memcpy(out.data(), raw.data(), raw.size());
  return out;
}

// --- clients
struct ListedClient {
  Client client;
  WallTime last_used{};
  std::string by;
};
/// conflict if the identifier is taken.
Result<void> put_client_in(store::Tx& tx, const Client& client, std::string_view by);
/// Nothing if there is none, or one that can no longer be read.
Result<std::optional<Client>> find_client_in(store::Tx& tx, std::string_view id);
Result<void> used_client_in(store::Tx& tx, std::string_view id, WallTime now);
Result<std::vector<ListedClient>> list_clients_in(store::Tx& tx);
Result<bool> remove_client_in(store::Tx& tx, std::string_view id);
/// Room for one more that registers itself: those that nobody has used give way, the oldest first.
Result<void> make_room_in(store::Tx& tx, std::size_t most);

}  // namespace vestibule::oauth
