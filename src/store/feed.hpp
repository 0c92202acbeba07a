#pragma once
// The change feed: numbers without gaps, given at the commit. Portable SQL.

#include <span>

#include "store/database.hpp"

namespace vestibule::store {

/// Used on the writer thread.
class Feed {
 public:
  static constexpr std::uint64_t kKept = 10'000;

  /// The table; part of the store's own migrations.
  static std::span<const Migration> migrations();
  /// Reads the newest number. Once, before the first batch.
  Result<void> load(Tx& tx);
  /// Numbers the changes and writes their rows; now and then removes all but the newest kKept.
  Result<void> write(Tx& tx, std::span<Change> changes, WallTime at);
  /// How the transaction of write() ended.
  void committed() noexcept { newest_ = pending_; trimmed_ = pending_trim_; }
  void rolled_back() noexcept { pending_ = newest_; pending_trim_ = trimmed_; }

 private:
  std::uint64_t newest_ = 0, pending_ = 0;
  std::uint64_t trimmed_ = 0, pending_trim_ = 0;  // the newest number at the last trimming
};

}  // namespace vestibule::store
