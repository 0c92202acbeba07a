#include "store/writer.hpp"

#include <algorithm>
#include <exception>

#include "base/counters.hpp"
#include "base/log.hpp"

namespace vestibule::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kJobsPerBatch = 512;
constexpr auto kQuiet = milliseconds(100);    // after that long without entries the writer sleeps
constexpr auto kProbe = milliseconds(1000);   // while failing
constexpr auto kTidy = milliseconds(1000);    // of idleness before the log is checkpointed
constexpr int kCheckpointPages = 2000;        // 8 MB of log between checkpoints under load
constexpr int kTruncatePages = 4000;          // a longer log file is given back when idle
constexpr std::int64_t kProbeBytes = 65536;   // what must fit before the store counts as well

Counter g_batches("vestibule_store_batches_total", "Batches committed");
Counter g_failed("vestibule_store_batches_failed_total", "Batches rolled back");
Counter g_entries("vestibule_store_entries_total", "Journal entries committed");
Counter g_jobs("vestibule_store_jobs_total", "Write jobs taken");
Counter g_wakes("vestibule_store_wakeups_total", "Times the writer thread woke up");
Counter g_checkpoints("vestibule_store_checkpoints_total", "Checkpoints of the write-ahead log");

// Calls f and turns an exception into an error: none may leave the writer thread.
template <class F>
Result<void> guarded(F&& f) noexcept {
  try {
    return f();
  } catch (const std::exception& e) {
    return fail(Reason::internal, std::string("exception in a write: ") + e.what());
  } catch (...) {
    return fail(Reason::internal, "exception in a write");
  }
}

}  // namespace

Writer::Writer(SqliteConnection& connection, const Database::Options& options)
    : connection_(connection),
      options_(options),
      tx_(connection, &effects_),
      committed_tx_(connection),
      queue_(options.jobs),
      next_checkpoint_(kCheckpointPages) {
  for (unsigned i = 0; i < options.cores; ++i) {
    journals_.push_back(std::make_unique<CoreJournal>(options.journal_bytes));
  }
  heads_.resize(journals_.size());
}

Writer::~Writer() { stop(); }

Result<void> Writer::load() { return feed_.load(tx_); }

void Writer::start() {
  if (started_.exchange(true)) return;
  thread_ = std::thread([this] { loop(); });
}

void Writer::stop() {
  if (!started_ || stopping_.exchange(true)) return;
  wakeup_.notify(true);
  thread_.join();
}

Result<void> Writer::submit(JobNode& node) {
  if (!started_) return fail(Reason::store_unavailable, "the store has not been started");
  auto pushed = queue_.push(node);
  if (pushed) wakeup_.notify(true);
  return pushed;
}

CoreJournal* Writer::mine() noexcept {
  const net::Core* core = net::Core::current();
  if (core == nullptr || core->index() >= journals_.size()) return nullptr;
  return journals_[core->index()].get();
}

Result<Ticket> Writer::journal(ByteView entry, Urgency urgency) noexcept {
  CoreJournal* journal = mine();
  if (journal == nullptr) return fail(Reason::internal, "not on a core");
  if (stopping_.load(std::memory_order_relaxed)) return fail(Reason::shutting_down);
  if (health() == Health::failing) return fail(Reason::store_unavailable, "store failing");
  return journal->append(*net::Core::current(), entry, urgency, wakeup_);
}

void Writer::loop() {
  set_core_slot(kWriterSlot);
  for (;;) {
    wait_for_work();
    const bool last = stopping_;
    if (last) queue_.close();  // what was accepted before is still committed
    const Work work = look();
    if (work.jobs || work.entries) {
      batch();
      checkpoint_if_long();
      continue;
    }
    if (last) break;
    if (health() == Health::failing && steady_clock::now() >= next_probe_) probe();
  }
  for (auto& j : journals_) j->close();
  connection_.checkpoint(SqliteConnection::Checkpoint::truncate);
}

Writer::Work Writer::look() noexcept {
  Work work;
  work.jobs = !queue_.empty();
  for (auto& j : journals_) {
    const Ring& ring = j->ring();
    const std::uint64_t used = ring.head() - ring.tail();
    if (used == 0) continue;
    work.entries = true;
    if (ring.urgent_to() > ring.tail() || used > ring.size() / 2) work.urgent = true;
  }
  return work;
}

// Returns when there is something to commit, to probe, or to stop for.
//
// While entries come and for a while after, the writer dozes: it looks by itself once a linger time,
// and only what is urgent wakes it. When it has been quiet it sleeps, and the first entry of any kind
// wakes it, to doze for the linger time with that entry. So a `soon` entry costs no system call while
// others come, and none waits longer than one linger time.
void Writer::wait_for_work() {
  const auto linger = options_.linger;
  Time commit_at{};  // set while something lingers
  bool lingers = false;
  for (;;) {
    const Time now = steady_clock::now();
    Work work = look();
    if (stopping_ || work.jobs || work.urgent) return;
    if (work.entries) {
      if (!lingers) commit_at = now + linger;
      lingers = true;
      if (now >= commit_at) return;
    }
    const bool failing = health() == Health::failing;
    if (failing && now >= next_probe_) return;

    auto mode = Wakeup::Mode::dozing;
    Time until{};
    if (lingers) {
      until = commit_at;
    } else if (now < last_traffic_ + kQuiet) {
      until = commit_at = now + linger;
    } else {
      mode = Wakeup::Mode::asleep;
      until = untidy_ ? now + kTidy : Time::max();
    }
    if (failing) until = std::min(until, next_probe_);
    wakeup_.announce(mode);
    work = look();
    if (stopping_ || work.jobs || work.urgent || (work.entries && mode == Wakeup::Mode::asleep)) {
      wakeup_.announce(Wakeup::Mode::awake);
      continue;
    }
    const bool kicked = wakeup_.sleep(
        until == Time::max() ? Duration(-1)
                             : std::max(Duration(0), std::chrono::ceil<Duration>(until - now)));
    g_wakes.add();
    if (kicked || mode == Wakeup::Mode::asleep) {
      if (!kicked && untidy_) tidy_when_idle();
      continue;
    }
    lingers = true;  // what came while dozing has waited long enough at commit_at
    if (!look().entries) lingers = false;
  }
}

void Writer::batch() {
  queue_.take(kJobsPerBatch, jobs_);
  effects_.clear();
  entries_.clear();
  hook_called_ = false;
  heads_taken_ = false;

  Result<void> committed = guarded([this] { return fill_and_commit(); });
  if (committed) {
    feed_.committed();
    if (hook_called_) hook_->committed();
    g_batches.add();
    g_entries.add(static_cast<std::int64_t>(entries_.size()));
    tell_listeners();
    unscrubbed_ |= effects_.erases();
    if (unscrubbed_) scrub();
    set_health(Health::ok, {});
  } else {
    roll_back();
    g_failed.add();
    set_health(Health::failing, committed.error().detail);
    for (JobNode* job : jobs_) {
      job->result = fail(Reason::store_unavailable, "batch failed: " + committed.error().detail);
    }
  }
  g_jobs.add(static_cast<std::int64_t>(jobs_.size()));
  for (std::size_t i = 0; i < journals_.size(); ++i) {
    CoreJournal& j = *journals_[i];
    if (!heads_taken_) heads_[i] = j.ring().head();  // the batch failed before it came to the rings
    if (heads_[i] == j.ring().tail()) continue;
    j.batch_ended(heads_[i], committed.has_value());
    last_traffic_ = steady_clock::now();
  }
  for (JobNode* job : jobs_) job->done();
  jobs_.clear();
}

Result<void> Writer::fill_and_commit() {
  connection_.mend();
  auto begun = connection_.run("BEGIN IMMEDIATE", {});
  if (!begun) return std::move(begun).error();
  auto ran = run_jobs();
  if (!ran) return ran;
  effects_.collect(entries_);
  for (std::size_t i = 0; i < journals_.size(); ++i) {
    heads_[i] = journals_[i]->ring().head();
    journals_[i]->ring().collect(heads_[i], entries_);
  }
  heads_taken_ = true;
  auto hooked = run_hook();
  if (!hooked) return hooked;
  auto fed = feed_.write(tx_, effects_.changes(), SystemClock{}.wall());
  if (!fed) return fed;
  if (connection_.broken()) return fail(Reason::store_unavailable, connection_.breakage());
  auto done = connection_.run("COMMIT", {});
  if (!done) return std::move(done).error();
  return {};
}

// A job that fails is rolled back alone; a statement that fails for want of disk and the like makes
// the whole transaction worthless, even if the job swallows the error.
Result<void> Writer::run_jobs() {
  for (JobNode* job : jobs_) {
    auto saved = connection_.run("SAVEPOINT job", {});
    if (!saved) return std::move(saved).error();
    const Effects::Mark mark = effects_.mark();
    job->result = guarded([&] { return job->job(tx_); });
    if (connection_.broken()) return fail(Reason::store_unavailable, connection_.breakage());
    if (!connection_.in_transaction()) return fail(Reason::internal, "a job ended the transaction");
    if (!job->result) {
      effects_.take_back(mark);
      auto back = connection_.run("ROLLBACK TO job", {});
      if (!back) return std::move(back).error();
    }
    auto released = connection_.run("RELEASE job", {});
    if (!released) return std::move(released).error();
  }
  return {};
}

Result<void> Writer::run_hook() {
  if (hook_ == nullptr || (entries_.empty() && !hook_->due())) return {};
  hook_called_ = true;
  return hook_->before_commit(tx_, entries_);
}

void Writer::roll_back() noexcept {
  feed_.rolled_back();
  if (hook_called_) hook_->rolled_back();
  if (!connection_.in_transaction()) return;
  const auto back = guarded([this]() -> Result<void> {
    auto ran = connection_.run("ROLLBACK", {});
    if (!ran) return std::move(ran).error();
    return {};
  });
  if (!back) log::error("rollback failed", {{"detail", back.error().detail}});
}

void Writer::tell_listeners() noexcept {
  if (effects_.changes().empty()) return;
  for (const Database::Listener& l : listeners_) {
    const auto told = guarded([&]() -> Result<void> {
      l(committed_tx_, effects_.changes());
      return {};
    });
    if (!told) log::error("a listener of the change feed threw", {{"detail", told.error().detail}});
  }
}

// A real commit that needs room: updating a row in place would succeed on a full disk, and the next
// batch fail again.
void Writer::probe() {
  const auto committed = guarded([this]() -> Result<void> {
    connection_.mend();
    auto ran = connection_.run("BEGIN IMMEDIATE", {});
    const Bytes filling(kProbeBytes);
    for (const ByteView f : {ByteView(filling), ByteView()}) {
      if (!ran) break;
      ran = connection_.run(
          "INSERT INTO store_heartbeat (id, at, filling) VALUES (1, $1, $2)"
          " ON CONFLICT (id) DO UPDATE SET at = excluded.at, filling = excluded.filling",
          {SystemClock{}.wall(), f});
    }
    if (ran) ran = connection_.run("COMMIT", {});
    if (!ran) return std::move(ran).error();
    return {};
  });
  if (!committed) {
    hook_called_ = false;
    roll_back();
  }
  set_health(committed ? Health::ok : Health::failing,
             committed ? std::string_view() : std::string_view(committed.error().detail));
}

void Writer::set_health(Health health, std::string_view why) {
  const Health before = health_.exchange(health, std::memory_order_acq_rel);
  if (health == Health::failing) {
    next_probe_ = steady_clock::now() + kProbe;
    if (before == Health::ok) log::error("the store cannot commit", {{"detail", why}});
  } else if (before == Health::failing) {
    log::info("the store commits again");
  }
}

void Writer::checkpoint_if_long() {
  const int pages = connection_.wal_pages();
  untidy_ = true;
  if (pages < next_checkpoint_ - kCheckpointPages) next_checkpoint_ = kCheckpointPages;  // started anew
  if (pages < next_checkpoint_) return;
  connection_.checkpoint(SqliteConnection::Checkpoint::passive);
  g_checkpoints.add();
  // A reader may have been in the way: the log grows on and the next try is that much later.
  next_checkpoint_ = pages + kCheckpointPages;
}

// Deleted bytes are overwritten with zeros where they stood (secure_delete), but the pages as they were
// lie in the write-ahead log until it is written over. A reader may be in the way: then again with the
// next batch or when idle.
void Writer::scrub() {
  if (!connection_.checkpoint(SqliteConnection::Checkpoint::truncate)) {
    untidy_ = true;
    return;
  }
  unscrubbed_ = false;
  g_checkpoints.add();
}

void Writer::tidy_when_idle() {
  if (unscrubbed_) {
    scrub();
    return;
  }
  const bool large = connection_.wal_pages() > kTruncatePages;
  const bool clean = connection_.checkpoint(large ? SqliteConnection::Checkpoint::truncate
                                                  : SqliteConnection::Checkpoint::passive);
  g_checkpoints.add();
  if (clean) untidy_ = false;
}

}  // namespace vestibule::store
