#pragma once
// Whose devices are known, for all cores and without a lock: strangers call with whatever id they like, and
// none of them is to cost a look into the store.

#include <optional>
#include <unordered_map>
#include <vector>

#include "base/snapshot_table.hpp"
#include "crypto/p256.hpp"
#include "factors/kind.hpp"

namespace vestibule::factors {

/// Owned by Prompts. find() on a core; all else on the store's writer, or before it starts.
class KnownDevices {
 public:
  struct Owner {
    UserId user{};
    crypto::P256Point key{};
  };
  /// Nothing: no device that works. Allocates nothing.
  [[nodiscard]] std::optional<Owner> find(FactorId device) const noexcept;
  /// Of one user, or of all (before the start) if it is nil. What cannot be read stays as it was: what a
  /// device may do, the store says besides.
  Result<void> load(store::Tx& tx, UserId user);

 private:
  SnapshotTable<FactorId, Owner> devices_;
  std::unordered_map<UserId, std::vector<FactorId>> of_;
};

}  // namespace vestibule::factors
