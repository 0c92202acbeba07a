#pragma once
// The store: one database, one writer thread that commits many jobs at once (a savepoint a job),
// readers in a pool, a journal for the audit log, a numbered feed of changes. It knows no table.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/blocking_pool.hpp"
#include "net/core.hpp"
#include "store/tx.hpp"

namespace vestibule::store {

/// Forward-only, versioned per room: versions count from 1; what a database lacks is applied in order,
/// all of it or nothing. A database whose version of a room is newer than the code's is refused.
struct Migration {
  std::string_view room;
  int version;
  std::string_view sql;  ///< one or more statements separated by ';'
};

/// Turns what was journaled into rows within the batch's transaction (the audit room's Merkle log).
/// All calls on the writer thread.
class CommitHook {
 public:
  virtual ~CommitHook() = default;
  /// Asked in a batch without entries: before_commit() is called all the same if there is something
  /// to write by itself.
  [[nodiscard]] virtual bool due() noexcept { return false; }
  /// `entries`: all of the batch, those of one core in the order in which they were journaled. An
  /// error fails the whole batch.
  virtual Result<void> before_commit(Tx& tx, std::span<const ByteView> entries) = 0;
  virtual void committed() noexcept = 0;
  /// The batch was rolled back: what before_commit() did in memory is void.
  virtual void rolled_back() noexcept = 0;
};

/// Place of an entry in the journal of the core that wrote it.
struct Ticket {
  std::uint64_t position = 0;
};

enum class Urgency {
  now,   ///< somebody waits for it: commit at once
  soon,  ///< nobody waits: may linger up to Options::linger for company
};

enum class Health { ok, failing };

/// Thread-safe unless said otherwise. Created before the cores start, destroyed after they stop.
class Database {
 public:
  struct Options {
    std::filesystem::path file;            ///< empty: in memory (tests)
    unsigned cores = 1;                    ///< how many cores will journal
    std::size_t journal_bytes = 4U << 20U; ///< ring of each core
    std::size_t jobs = 4096;               ///< write jobs waiting; beyond: overloaded
    unsigned readers = 2;                  ///< reader connections, each with a thread
    std::chrono::milliseconds linger{10};
    std::chrono::milliseconds busy{2000};  ///< how long a lock held by others is waited for
  };

  /// Opens, locks (a second process is refused with a clear error), migrates. Blocking: at start-up.
  static Result<std::unique_ptr<Database>> open(Options options, std::span<const Migration> migrations);
  virtual ~Database() = default;

  /// Sets the hook; once, before start().
  virtual void set_hook(CommitHook& hook) = 0;
  /// Listeners run on the writer thread, after the commit and before the waiters of its jobs
  /// resume, so that whoever awaited a write sees its effect in memory. `tx` reads the committed
  /// state. They must be quick and must not throw. Register before start().
  using Listener = std::function<void(Tx& tx, std::span<const Change> changes)>;
  virtual void listen(Listener listener) = 0;
  /// Starts the writer thread.
  virtual void start() = 0;
  /// Commits what is queued, then stops the writer. Later jobs give shutting_down.
  virtual void stop() = 0;

  /// Runs job(Tx&) -> Result<T> on the writer thread inside a savepoint; resumes on the calling core
  /// once the batch is durable (or failed). An Error from the job rolls its savepoint back alone.
  template <class F>
  net::Task<std::invoke_result_t<F&, Tx&>> write(F job) {
    using R = std::invoke_result_t<F&, Tx&>;
    struct State {
      F job;
      std::optional<R> result;
    };
    State state{std::move(job), std::nullopt};
    Job run = [&state](Tx& tx) -> Result<void> {
      state.result.emplace(state.job(tx));
      if (*state.result) return {};
      return fail(state.result->error().code, "job failed");
    };
    Result<void> committed = co_await submit_and_wait(std::move(run));
    if (!committed && (!state.result || *state.result)) co_return std::move(committed).error();
    co_return std::move(*state.result);
  }

  /// The same from a thread that is no core (start-up, tests). Blocks. Needs start().
  template <class F>
  std::invoke_result_t<F&, Tx&> write_blocking(F job) {
    using R = std::invoke_result_t<F&, Tx&>;
    std::optional<R> result;
    Result<void> committed = submit_blocking([&](Tx& tx) -> Result<void> {
      result.emplace(job(tx));
      if (*result) return {};
      return fail(result->error().code, "job failed");
    });
    if (!committed && (!result || *result)) return std::move(committed).error();
    return std::move(*result);
  }

  /// Runs f(Tx&) -> Result<T> in a reader thread on a snapshot; resumes on the calling core.
  template <class F>
  net::Task<std::invoke_result_t<F&, Tx&>> read(F f) {
    using R = std::invoke_result_t<F&, Tx&>;
    // Named: g++ 12 destroys a capturing lambda twice that is written inside a co_await expression.
    auto job = [this, f = std::move(f)]() mutable -> R {
      std::optional<R> out;
      Result<void> ok = with_reader([&](Tx& tx) { out.emplace(f(tx)); });
      if (!ok) return std::move(ok).error();
      return std::move(*out);
    };
    Result<R> r = co_await readers().run(std::move(job));
    if (!r) co_return std::move(r).error();
    co_return std::move(*r);
  }
  /// The same, blocking, from a thread that is no core.
  template <class F>
  std::invoke_result_t<F&, Tx&> read_blocking(F f) {
    std::optional<std::invoke_result_t<F&, Tx&>> out;
    Result<void> ok = with_reader([&](Tx& tx) { out.emplace(f(tx)); });
    if (!ok) return std::move(ok).error();
    return std::move(*out);
  }

  /// Puts an entry into the calling core's journal: a copy into a ring, no lock, no allocation.
  /// `overloaded` if the ring is full; `store_unavailable` while health() is failing. On a core only.
  virtual Result<Ticket> journal(ByteView entry, Urgency urgency) noexcept = 0;
  /// Waits on the same core until the ticket's batch is durable. An error means that the entry is
  /// NOT in the log (its batch was rolled back) or that `limit` passed: deny.
  virtual net::Task<Result<void>> durable(Ticket ticket, std::chrono::milliseconds limit) = 0;
  /// What durable() would tell without a wait; nothing while the batch is under way. On the same core.
  [[nodiscard]] virtual std::optional<Result<void>> settled(Ticket ticket) noexcept = 0;

  /// Failing after a batch could not be committed, until one can be again: the writer probes every
  /// second by itself. Lock-free.
  [[nodiscard]] virtual Health health() const noexcept = 0;
  /// A consistent copy into a new file (SQLite's online backup). Blocking.
  virtual Result<void> backup(const std::filesystem::path& to) = 0;

 protected:
  using Job = std::function<Result<void>(Tx&)>;
  virtual net::Task<Result<void>> submit_and_wait(Job job) = 0;
  virtual Result<void> submit_blocking(Job job) = 0;
  virtual net::BlockingPool& readers() = 0;
  virtual Result<void> with_reader(const std::function<void(Tx&)>& f) = 0;
};

}  // namespace vestibule::store
