#pragma once
// What is usual for a person: networks and client programs, kept in the store; and what went wrong
// lately, kept in memory. From both come the signals that the policy may answer by asking for more.
//
// Only what stands behind a valid first factor counts: a stranger can raise nothing for anybody.

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/snapshot_table.hpp"
#include "domain/signals.hpp"
#include "factors/factors.hpp"
#include "identity/users.hpp"
#include "store/database.hpp"

namespace vestibule::risk {

struct Options {
  Duration settles = std::chrono::hours(24);       ///< a network or client is new for so long
  Duration forgotten = std::chrono::hours(24 * 90);///< after the last proof that came from it
  std::size_t max_networks = 32;                   ///< a person; the one unused longest gives way
  std::size_t max_clients = 16;                    ///< likewise
  Duration window = std::chrono::minutes(10);      ///< "lately"
};
inline constexpr std::size_t kManyRefusals = 20;   ///< within the window
inline constexpr std::size_t kManyPrompts = 5;     ///< likewise

/// Owned by app, made before Database::start(), after Users and Factors, whose hooks it takes. Of
/// somebody who has proved nothing since this room keeps books nothing is known, so nothing is new.
class History {
 public:
  static Result<std::unique_ptr<History>> open(store::Database& database, identity::Users& users,
                                               factors::Factors& factors, const Clock& clock, Options options);

  // --- the path of a request: no lock, no allocation, no SQL. On a core.
  [[nodiscard]] domain::Signals signals(UserId user, const domain::Source& source, std::string_view client,
                                        Instant now) const noexcept;
  /// Something was refused that this person is not entitled to. On a core.
  void refused(UserId user, Instant now) const noexcept;
  /// Nothing of this client is written down yet, although other clients of the person are.
  [[nodiscard]] bool unheard(UserId user, std::string_view client) const noexcept;

  /// The client was let in: from now on it settles. For somebody who is known only.
  net::Task<Result<void>> heard(UserId user, std::string family);
  /// What Factors tells; in its job.
  Result<void> observe(store::Tx& tx, const identity::Actor& by, factors::Event event, Instant now);

 private:
  /// When the last N things happened: any thread writes, none waits. (Two that write at once may count
  /// as one: it is a measure, not a limit.)
  template <std::size_t N>
  class Ring {
   public:
    Ring() noexcept {
      for (auto& t : times_) t.store(kNever, std::memory_order_relaxed);
    }
    void add(BootTime at) noexcept {
      const std::size_t i = next_.fetch_add(1, std::memory_order_relaxed) % N;
      times_[i].store(at.time_since_epoch().count(), std::memory_order_relaxed);
    }
    /// Takes the latest back.
    void remove_latest() noexcept {
      auto* latest = &times_[0];
      for (auto& t : times_) {
        if (t.load(std::memory_order_relaxed) > latest->load(std::memory_order_relaxed)) latest = &t;
      }
      latest->store(kNever, std::memory_order_relaxed);
    }
    /// How many lie within the time before now.
    [[nodiscard]] std::size_t within(BootTime now, Duration window) const noexcept {
      std::size_t n = 0;
      for (const auto& t : times_) {
        const std::int64_t at = t.load(std::memory_order_relaxed);
        if (at != kNever && now.time_since_epoch().count() - at <= window.count()) ++n;
      }
      return n;
    }

   private:
    static constexpr std::int64_t kNever = BootTime::min().time_since_epoch().count();
    std::array<std::atomic<std::int64_t>, N> times_;
    std::atomic<std::uint32_t> next_{0};
  };
  struct Lately {
    Ring<kManyRefusals> refusals;
    Ring<kManyPrompts * 4> prompts;  // room for those that are taken back
  };
  struct Network {
    std::int64_t network = 0;
    WallTime since{}, last{};
  };
  struct Client {
    std::string family;
    WallTime since{}, last{};
  };
  struct Book;  // the statements of one of the two tables
  struct Entry {
    std::vector<Network> networks;
    std::vector<Client> clients;
    std::shared_ptr<Lately> lately;
  };

  History(store::Database& database, const Clock& clock, Options options)
      : database_(database), clock_(clock), options_(options) {}
  Result<void> load(store::Tx& tx);
  Result<void> load_one(store::Tx& tx, UserId user);
  Result<void> proved_in(store::Tx& tx, const identity::Actor& by, Instant now);
  static Result<bool> known_in(store::Tx& tx, UserId user);
  Result<void> note_in(store::Tx& tx, const Book& book, UserId user, const store::Param& what, std::size_t most,
                       WallTime since, Instant now);

  store::Database& database_;
  const Clock& clock_;
  Options options_;
  SnapshotTable<UserId, Entry> people_;                             // written by the store's feed alone
  std::unordered_map<UserId, std::shared_ptr<Lately>> lately_;      // likewise
};

/// Migrations of this room.
[[nodiscard]] std::span<const store::Migration> migrations();
/// The clock ran ahead and is right at `now`: nothing was known, or used, later than that.
Result<void> accept_clock(store::Tx& tx, WallTime now);

}  // namespace vestibule::risk
