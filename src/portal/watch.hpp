#pragma once
// Waiting for what a user's devices are asked: between a request that would like to hear of it and the
// store's change feed.

#include <array>
#include <memory>
#include <optional>

#include "base/counters.hpp"
#include "base/id.hpp"
#include "net/core.hpp"
#include "net/signal.hpp"
#include "store/database.hpp"

namespace vestibule::portal {

/// Owned by app, made before Database::start(). The feed's thread tells; seats belong to a core.
class Watch {
 public:
  /// Hears of changes of this topic whose keys are users.
  Watch(store::Database& database, std::string_view topic);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Whoever has the password can make many screens wait; the owner's devices have seats of their own.
  enum class Waits : std::uint8_t { device, screen };
  /// Take one, read the store, then wait(): what changes after the reading is not missed. On one core.
  class Seat {
   public:
    Seat(Seat&& o) noexcept;
    Seat& operator=(Seat&&) = delete;
    ~Seat();
    /// True once something has changed since the last call (or the seat was taken), at once if it has
    /// already; false at the end of the time, or when the core stops.
    net::Task<bool> wait(std::chrono::milliseconds limit);
    [[nodiscard]] bool closed() const noexcept;

   private:
    friend class Watch;
    Seat(Watch& owner, unsigned core, UserId user, Waits who);
    Watch* owner_;
    unsigned core_;
    UserId user_;
    Waits who_;
    std::uint64_t seen_ = 0;
  };
  /// Nothing: too many wait on this core, or of this kind for this user. Called on a core.
  [[nodiscard]] std::optional<Seat> seat(UserId user, Waits who);

  /// Nobody waits on this core any more. On the core.
  void close(net::Core& core) noexcept;

 private:
  struct Waited;
  struct PerCore;
  void tell(UserId user);
  std::unique_ptr<std::array<PerCore, kMaxCores>> per_core_;
};

}  // namespace vestibule::portal
