#pragma once
// Revocations that the store does not have yet: they hold at once on all cores, and once the store has
// refused them also over the end of the process. Private to the room.

#include <atomic>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/snapshot_table.hpp"
#include "session/revocation.hpp"
#include "store/denials.hpp"

namespace vestibule::session {

/// Owned by Sessions. Thread-safe; keep() is a core's.
class Denied {
 public:
  struct Pending {
    Revocation what;
    Actor by;
    store::Denials::Place place;
    std::string_view note;  // of its record
    bool refused = false;   // by the store: place says where it is kept
  };

  /// Null: memory alone.
  explicit Denied(store::Denials* kept) : kept_(kept) {}

  /// After the end of a former process: what it could not store holds before anything is admitted.
  void take_up();
  void add(const Revocation& what, const Actor& by);
  /// Puts what the store has refused where the end of the process does not reach it.
  net::Task<> keep(Revocation what, Actor by);
  /// In the job that stores it after all.
  Result<void> settle_in(store::Tx& tx, const Pending& stored) const;
  /// It is stored.
  void lift(const Revocation& what);

  /// On the hot path: no lock.
  [[nodiscard]] bool covers(SessionId session, UserId user, const HandleKey& handle) const noexcept;
  /// Is this parent of a token family revoked, and not merely signed out?
  [[nodiscard]] bool covers_family_of(SessionId parent) const noexcept;
  [[nodiscard]] bool any() const noexcept { return any_.load(std::memory_order_acquire); }
  [[nodiscard]] std::vector<Pending> waiting() const;

 private:
  void put(const Revocation& what);  // under mutex_

  store::Denials* kept_;
  mutable std::mutex mutex_;  // any core denies: for the writers of the tables, and the list
  SnapshotTable<SessionId, bool> sessions_;  // true: with its token families
  SnapshotTable<UserId, bool> users_;
  SnapshotTable<HandleKey, bool, HandleHash> handles_;
  std::vector<Pending> waiting_;
  std::atomic<bool> any_{false};
};

}  // namespace vestibule::session
