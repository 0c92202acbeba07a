#pragma once
// Calls that wait for their owner: how many may, and what wakes them. A wake-up is a hint: whoever is woken
// asks for himself anew, from the beginning.

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/bytes.hpp"
#include "base/counters.hpp"
#include "base/id.hpp"
#include "net/signal.hpp"
#include "store/database.hpp"

namespace vestibule::approval {

struct HoldOptions {
  std::size_t most = 2'000;                          ///< calls held at one time
  std::size_t per_user = 8;                          ///< of these; never more than a tenth of `most`
  std::size_t bytes = std::size_t{128} << 20U;       ///< of their bodies
};

/// Owned by app, made before Database::start() and after Requests and Confirmations, which must hear of a change
/// before whoever waits for it is woken. Places belong to a core, the rest is
/// thread-safe. Takes a lock: only calls that are refused otherwise come here.
class Holds {
 public:
  /// Hears of changes of requests, sessions, accounts and credentials.
  Holds(store::Database& database, HoldOptions options);
  ~Holds();
  Holds(const Holds&) = delete;
  Holds& operator=(const Holds&) = delete;

  /// One call's. Take it, look at what could let the call go on, then wait(): what changes after the look
  /// is not missed. On one core, as is the signal.
  class Place {
   public:
    Place(Holds& owner, net::Core& core, UserId user, const Digest& credential, std::size_t bytes);
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place();
    /// Until something may have changed, or so long.
    net::Task<> wait(std::chrono::milliseconds limit);
    /// For whoever else has news for this call: wakes it.
    [[nodiscard]] net::Signal& signal() noexcept { return signal_; }
    /// The core stops: nobody is held any more.
    [[nodiscard]] bool closed() const noexcept;

   private:
    friend class Holds;
    void stir() noexcept;
    Holds& owner_;
    net::Signal signal_;
    const unsigned core_;
    const UserId user_;
    const Digest credential_;
    const std::size_t bytes_;
    Place* prev_ = nullptr;
    Place* next_ = nullptr;
    bool stirred_ = false;  // since the last wait
  };
  /// Null: over a bound, or the core stops. On a core.
  [[nodiscard]] std::unique_ptr<Place> take(UserId user, const Digest& credential, std::size_t bytes);

  /// Bytes of a reply that is kept back, against the same bound as bodies of calls that wait. Takes a lock: only
  /// where something is kept back.
  class Kept {
   public:
    explicit Kept(Holds& owner) noexcept : owner_(owner) {}
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    ~Kept();
    /// False: over the bound, and nothing is added.
    [[nodiscard]] bool add(std::size_t bytes);

   private:
    Holds& owner_;
    std::size_t bytes_ = 0;
  };

  /// Something has changed that may concern everybody: a revocation, a stop, the policy. Any thread.
  void wake_all();
  /// Nobody is held on this core any more. On the core.
  void close(net::Core& core) noexcept;
  [[nodiscard]] std::size_t held() const;

 private:
  struct PerCore {
    std::atomic<net::Core*> core{nullptr};
    // Counted before its owner looks, and looked at after the change: who is not seen here sees the change.
    std::atomic<std::size_t> places{0};
    Place* first = nullptr;  // the core's own, like the next
    bool closed = false;
  };
  void wake(ByteView key);  // a user's id, a credential's hash, or empty: all
  void leave(const Place& place) noexcept;

  HoldOptions options_;
  std::unique_ptr<std::array<PerCore, kMaxCores>> per_core_;
  mutable std::mutex mutex_;  // the next three
  std::unordered_map<UserId, std::size_t> of_user_;
  std::size_t held_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace vestibule::approval
