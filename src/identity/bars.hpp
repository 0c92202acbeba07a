#pragma once
// Disablements that the store has refused so far: kept over the end of the process, and stored as soon as
// it works again. That they hold meanwhile is a flag beside the account (Users::standing()). Private to the
// room.

#include <atomic>
#include <functional>
#include <mutex>
#include <string_view>
#include <vector>

#include "identity/actor.hpp"
#include "store/denials.hpp"

namespace vestibule::identity {

/// Owned by Users. Thread-safe; keep() is a core's.
class Bars {
 public:
  struct Bar {
    UserId user;
    Actor by;
    store::Denials::Place place;
    std::string_view note;  // of its record
  };

  /// Null: memory alone.
  explicit Bars(store::Denials* kept) : kept_(kept) {}

  /// What a former process could not store: whom it bars. At start-up.
  [[nodiscard]] std::vector<UserId> take_up();
  /// Keeps one, unless there is one of the user already. `moot`, asked last: he has been enabled meanwhile.
  net::Task<> keep(UserId user, Actor by, std::function<bool()> moot);
  /// In the job that stores it, or finds that there is nothing to bar.
  Result<void> settle_in(store::Tx& tx, const Bar& bar) const;
  /// In the job that enables the user: what the store refused would come back with the next start.
  Result<void> settle_all_in(store::Tx& tx, UserId user) const;
  /// After either job.
  void forget(UserId user);
  [[nodiscard]] std::vector<Bar> waiting() const;

 private:
  store::Denials* kept_;
  mutable std::mutex mutex_;  // bars_ only; never held across a wait
  std::vector<Bar> bars_;
  std::atomic<bool> any_{false};
};

}  // namespace vestibule::identity
