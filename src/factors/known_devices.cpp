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
  forget(user);
  for (const auto& [id, owner] : found) {
    devices_.put(id, owner);
    of_[owner.user].push_back(id);
  }
  return {};
}

void KnownDevices::forget(UserId user) {
  const auto had = of_.find(user);
  if (had == of_.end()) return;
  for (const FactorId id : had->second) devices_.erase(id);
  of_.erase(had);
}

}  // namespace vestibule::factors
