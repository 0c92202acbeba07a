#pragma once
// Requests of calls that lack a proof: opened when a call is refused for want of one, answered by the owner,
// shared by calls that agree, alive for ten minutes whether the caller waits or not.

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "approval/code.hpp"
#include "approval/request.hpp"
#include "audit/log.hpp"
#include "base/counters.hpp"
#include "crypto/sealed.hpp"
#include "identity/users.hpp"
#include "net/task_group.hpp"
#include "store/database.hpp"

namespace vestibule::approval {

using identity::Actor;

/// What one reads in the store's change feed when a user's requests are others; the key is the user,
/// empty: everybody.
inline constexpr std::string_view kApprovalTopic = "approval";

struct Options {
  Duration lives = std::chrono::minutes(10);
  int most = 12;                                   ///< that wait, an account
  int most_unknown = 4;                            ///< of these, from sources that nothing was approved for
  int bells = 3;                                   ///< an account, within `bell_window`
  Duration bell_window = std::chrono::minutes(15);
  Duration refuses = std::chrono::hours(1);        ///< a credential at a source, after "it was not me"
  int guesses = 10;                                ///< of codes, an account, within `guess_window`
  Duration guess_window = std::chrono::minutes(15);
  std::chrono::milliseconds patience{2'000};       ///< with a store that is slow: no request then
  /// Takes away what was opened for this credential at this source before; in the job of "it was not me".
  /// May be empty.
  std::function<Result<void>(store::Tx&, const Request&)> shut_in;
};

/// Owned by app, made before Database::start() and after Sessions: whoever hears of an approval here finds
/// what it has opened. Thread-safe; functions ending in _in belong into a write job.
class Requests {
 public:
  static Result<std::unique_ptr<Requests>> open(store::Database& database, const crypto::KeyRing& keys,
                                                identity::Users& users, audit::Log& log, const Clock& clock, Rng& rng,
                                                Options options);
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  // --- a call that was refused
  struct Asked {
    State state = State::waiting;  ///< or what the owner has said of the same a short while ago
    ApprovalId id{};
    std::string code{};            ///< as it is shown; of one that waits
  };
  /// The request that waits for the same already, without a look at the store; or a new one. overloaded:
  /// too many wait; user_disabled; store_unavailable: it fails, or takes too long. `by`: the caller, for the
  /// record. On a core.
  net::Task<Result<Asked>> ask(Ask ask, Actor by);
  /// Waits for what ask() has left behind at this core. Before the core ends.
  net::Task<> join(net::Core& core);
  /// From memory; nothing once it has expired.
  [[nodiscard]] std::optional<State> state(UserId user, ApprovalId id) const;

  // --- its owner (answers.cpp); nobody hears of others' requests: not_found
  /// That wait, the oldest first.
  net::Task<Result<std::vector<Request>>> list(UserId user) const;
  net::Task<Result<Request>> look(UserId user, ApprovalId id) const;
  /// By its code, however it was typed. not_found; factor_locked after too many that were none.
  net::Task<Result<Request>> find(UserId user, std::string typed);
  [[nodiscard]] std::string code_of(ApprovalId id) const;

  /// One that waits, within the job that answers it. not_found, conflict.
  Result<Request> waiting_in(store::Tx& tx, UserId user, ApprovalId id, Instant now) const;
  /// After what it opens was written in the same job. conflict if it was answered meanwhile.
  Result<void> approve_in(store::Tx& tx, const Request& request, const Actor& by, Instant now);
  net::Task<Result<void>> decline(ApprovalId id, Actor by);
  /// Whatever its state: what was opened is shut, and this credential asks for nothing from there for a
  /// while. The owner gets a notice. In memory first.
  net::Task<Result<void>> not_me(ApprovalId id, Actor by);

 private:
  struct Known {
    ApprovalId id{};
    Digest group{};
    State state{};
    WallTime expires{};
  };
  struct Refused {
    Digest credential{};
    std::string source_key;
    WallTime until{};
  };
  struct OfUser {
    std::vector<Known> requests;
    std::vector<Refused> refused;
  };
  Requests(store::Database& database, const crypto::KeyRing& keys, identity::Users& users, audit::Log& log,
           const Clock& clock, Rng& rng, Options options);
  Result<void> load(store::Tx& tx);
  Result<void> load_user(store::Tx& tx, UserId user);
  void on_changes(store::Tx& tx, std::span<const store::Change> changes);
  /// What memory says of such calls.
  [[nodiscard]] std::optional<Asked> known(const Ask& ask, const Digest& group, WallTime now) const;
  struct Opening;
  net::Task<> open_one(std::shared_ptr<Opening> opening, Ask ask, Digest group, Actor by);
  Result<Asked> open_in(store::Tx& tx, Ask ask, const Digest& group, const Actor& by, Instant now);
  Result<std::optional<Asked>> same_in(store::Tx& tx, const Ask& ask, const Digest& group, WallTime now) const;
  Result<bool> may_ring_in(store::Tx& tx, UserId user, WallTime now) const;
  [[nodiscard]] Digest hidden(std::string_view code) const noexcept;
  Result<std::optional<Request>> read_in(store::Tx& tx, UserId user, ApprovalId id) const;
  void record(store::Tx& tx, std::string_view operation, const Actor& by, const Request& request, Instant now) const;

  store::Database& database_;
  identity::Users& users_;
  audit::Log& log_;
  const Clock& clock_;
  Rng& rng_;
  Options options_;
  crypto::HmacKey key_;
  std::array<std::unique_ptr<net::TaskGroup>, kMaxCores> opening_;  // each the core's own
  // Off the path of requests that are let in: only calls that were refused come here.
  mutable std::mutex mutex_;
  std::unordered_map<UserId, OfUser> of_user_;  // what is alive; by the store's feed, and denials before it
};

/// Migrations of this room.
[[nodiscard]] std::span<const store::Migration> migrations();
/// For a copy of the database that no server has open.
Result<void> void_after_restore(store::Tx& tx);
Result<void> accept_clock(store::Tx& tx, WallTime now);

}  // namespace vestibule::approval
