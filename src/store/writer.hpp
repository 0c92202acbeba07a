#pragma once
// The one thread that writes: takes jobs and journal entries of all cores and commits them together.

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "store/effects.hpp"
#include "store/feed.hpp"
#include "store/job_queue.hpp"
#include "store/journal.hpp"
#include "store/sqlite_connection.hpp"
#include "store/sqlite_tx.hpp"
#include "store/wakeup.hpp"

namespace vestibule::store {

/// Owned by the database. submit(), journal parts, health() and stop() are called from other
/// threads; everything else is the writer thread's own.
class Writer {
 public:
  /// `connection` is used by the writer's thread alone from start() on, and must outlive it.
  Writer(SqliteConnection& connection, const Database::Options& options);
  ~Writer();

  Result<void> load();  ///< before start()
  void set_hook(CommitHook& hook) { hook_ = &hook; }
  void listen(Database::Listener listener) { listeners_.push_back(std::move(listener)); }
  void start();
  /// Commits what is queued and joins. Idempotent.
  void stop();

  Result<void> submit(JobNode& node);
  Result<Ticket> journal(ByteView entry, Urgency urgency) noexcept;
  /// The calling core's journal, or null off the cores.
  CoreJournal* mine() noexcept;
  [[nodiscard]] Health health() const noexcept { return health_.load(std::memory_order_acquire); }
  [[nodiscard]] bool is_this_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Work {
    bool jobs = false, urgent = false, entries = false;
  };
  void loop();
  Work look() noexcept;
  void wait_for_work();
  void batch();
  Result<void> fill_and_commit();
  Result<void> run_jobs();
  Result<void> run_hook();
  void tell_listeners() noexcept;
  void roll_back() noexcept;
  void probe();
  void set_health(Health health, std::string_view why);
  void checkpoint_if_long();
  void tidy_when_idle();
  void scrub();

  SqliteConnection& connection_;
  Database::Options options_;
  Effects effects_;
  SqliteTx tx_;
  SqliteTx committed_tx_;  // reads only: for listeners
  Feed feed_;
  CommitHook* hook_ = nullptr;
  std::vector<Database::Listener> listeners_;

  JobQueue queue_;
  Wakeup wakeup_;
  std::vector<std::unique_ptr<CoreJournal>> journals_;
  std::atomic<Health> health_{Health::ok};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> started_{false};
  std::thread thread_;

  // the batch under way; kept for their memory
  std::vector<JobNode*> jobs_;
  std::vector<ByteView> entries_;
  std::vector<std::uint64_t> heads_;
  bool hook_called_ = false;
  bool heads_taken_ = false;

  Time last_traffic_{};
  Time next_probe_{};
  int next_checkpoint_ = 0;  // pages
  bool untidy_ = false;
  bool unscrubbed_ = false;  // the log still holds what a job has erased
};

}  // namespace vestibule::store
