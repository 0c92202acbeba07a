#include "factors/known_devices.hpp"

#include <algorithm>

namespace vestibule::factors {

std::optional<KnownDevices::Owner> KnownDevices::find(FactorId device) const noexcept {
  std::optional<Owner> out;
  devices_.read(device, [&](const Owner& owner) { out = owner; });
  return out;
}

Result<void> KnownDevices::load(store::Tx& tx, UserId user) {
  std::vector<std::pair<FactorId, Owner>> found;
  auto rows = tx.query(
      "SELECT factor.id, factor.account, push_device.public_key FROM push_device JOIN factor ON factor.id = push_device.factor "
      "WHERE factor.confirmed = 1 AND factor.disabled = 0 AND (factor.account = $1 OR $2 = 1)",
      {user, user.is_nil() ? 1 : 0}, [&](const store::Row& row) {
        Owner owner{row.id<UserId>(1), {}};
        const ByteView key = row.blob(2);
        if (key.size() != owner.key.size()) return true;  // nothing that it signs can be verified
        std::ranges::copy(key, owner.key.begin());
        found.emplace_back(row.id<FactorId>(0), owner);
        return true;
      });
  if (!rows) return rows;
  // New ones first: a device that stays is never missing meanwhile, since cores read without a lock.
  std::unordered_map<UserId, std::vector<FactorId>> now;
  for (const auto& [id, owner] : found) {
    devices_.put(id, owner);
    now[owner.user].push_back(id);
  }
  const std::vector<FactorId> had = of_[user];
  const std::vector<FactorId>& has = now[user];
  for (const FactorId id : had) {
    if (std::ranges::find(has, id) == has.end()) devices_.erase(id);
  }
  of_.erase(user);
  for (auto& [owner, ids] : now) {
    if (!ids.empty()) of_[owner] = std::move(ids);
  }
  return {};
}

}  // namespace vestibule::factors
