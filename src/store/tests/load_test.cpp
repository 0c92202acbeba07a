// Two cores, durable waits and jobs mixed. VESTIBULE_STORE_BENCH=1 prints measurements of a real file.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/counters.hpp"
#include "net/task_group.hpp"
#include "store/tests/support.hpp"

namespace vestibule::store {
namespace {

using namespace std::chrono_literals;
using net::Core;
using net::Task;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kEntries = 20'000;

Bytes entry_of(unsigned core, std::uint32_t n) {
  Bytes out(8 + n % 200, static_cast<std::uint8_t>(n));
  std::memcpy(out.data(), &core, 4);
  std::memcpy(out.data() + 4, &n, 4);
  return out;
}

Task<> one_job(Database& db, std::int64_t id) {
  auto job = [id](Tx& tx) -> Result<void> {
    tx.changed("item", {});
    auto r = add_item(tx, id, std::to_string(id));
    if (r && id % 5 == 0) return fail(Reason::invalid_argument, "every fifth");
    return r;
  };
  Result<void> r = co_await db.write(job);
  EXPECT_EQ(r.has_value(), id % 5 != 0);
}

Task<> wait_for(Database& db, Ticket t, std::size_t& durable) {
  Result<void> r = co_await db.durable(t, 60s);
  EXPECT_TRUE(r);
  if (r) ++durable;
}

Task<> produce(Database& db, Core& core) {
  net::TaskGroup group(core);
  std::size_t durable = 0;
  std::size_t waited = 0;
  Ticket last;
  for (std::uint32_t n = 0; n < kEntries;) {
    const Bytes entry = entry_of(core.index(), n);
    auto t = db.journal(entry, n % 3 == 0 ? Urgency::now : Urgency::soon);
    if (!t) {
      EXPECT_EQ(t.error().code, Reason::overloaded);
      Result<void> r = co_await db.durable(last, 60s);  // room again
      EXPECT_TRUE(r);
      continue;
    }
    last = *t;
    if (n % 3 == 0) {
      ++waited;
      group.spawn(wait_for(db, *t, durable));
    }
    if (n % 100 == 0) group.spawn(one_job(db, static_cast<std::int64_t>(core.index()) * 1'000'000 + n / 100));
    if (n % 500 == 0) {
      Result<void> r = co_await db.durable(*t, 60s);
      EXPECT_TRUE(r);
    }
    ++n;
  }
  co_await group.join();
  EXPECT_EQ(durable, waited);
}

TEST(Load, TwoCoresWithWaitsAndJobs) {
  Database::Options options;
  options.cores = 2;
  options.journal_bytes = 65536;  // small: it wraps often and is full now and then
  RecordingHook hook;
  auto db = Database::open(options, test_migrations());
  ASSERT_TRUE(db) << db.error().detail;
  (*db)->set_hook(hook);
  std::uint64_t heard = 0;
  (*db)->listen([&](Tx&, std::span<const Change> changes) {
    for (const Change& c : changes) EXPECT_EQ(c.number, ++heard);
  });
  net::Cores cores(2);
  (*db)->start();
  cores.start();
  std::thread other([&] { run_task(cores.at(1), produce(**db, cores.at(1))); });
  run_task(cores.at(0), produce(**db, cores.at(0)));
  other.join();
  (*db)->stop();
  cores.stop();
  EXPECT_EQ(heard, 320U);
  std::array<std::uint32_t, 2> next{0, 0};
  for (const std::string& e : log_entries(**db)) {
    unsigned core = 0;
    std::memcpy(&core, e.data(), 4);
    ASSERT_LT(core, 2U);
    const Bytes expected = entry_of(core, next[core]++);
    ASSERT_EQ(e, as_text(expected));
  }
  EXPECT_EQ(next[0], kEntries);
  EXPECT_EQ(next[1], kEntries);
}

long counter(std::string_view name) {
  const std::string all = write_prometheus();
  const auto at = all.find("\n" + std::string(name) + " ");
  return std::stol(all.substr(at + name.size() + 2));
}

Task<> flood(Database& db, Core&, std::uint32_t count) {
  const Bytes entry(300, 1);
  Ticket last;
  for (std::uint32_t n = 0; n < count;) {
    auto t = db.journal(entry, Urgency::soon);
    if (t) {
      last = *t;
      ++n;
      continue;
    }
    Result<void> r = co_await db.durable(last, 60s);
    if (!r) co_return;
  }
  Result<void> r = co_await db.durable(last, 60s);
  EXPECT_TRUE(r);
}

Task<> timed(Database& db, Clock::time_point due, std::vector<double>& micros) {
  const Bytes entry(300, 1);
  auto t = db.journal(entry, Urgency::now);
  if (!t) co_return;
  Result<void> r = co_await db.durable(*t, 5s);
  if (r) micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - due).count());
}

// Open loop: what is due is started, however long the earlier ones take.
Task<> paced(Database& db, Core& core, int rate, std::chrono::seconds time, std::vector<double>& micros) {
  net::TaskGroup group(core);
  net::asio::basic_waitable_timer<Clock, net::asio::wait_traits<Clock>, net::Executor> timer(core.context());
  const auto start = Clock::now();
  for (int i = 0; i < rate * static_cast<int>(time.count()); ++i) {
    const auto due = start + i * std::chrono::nanoseconds(1s) / rate;
    timer.expires_at(due);
    co_await timer.async_wait(net::use_task);
    group.spawn(timed(db, Clock::now(), micros));
  }
  co_await group.join();
}

TEST(Load, DISABLED_Measure) {
  TempDir dir;
  Database::Options options;
  options.file = dir.path / "store.db";
  options.cores = 2;
  RecordingHook hook;
  auto db = Database::open(options, test_migrations());
  ASSERT_TRUE(db);
  (*db)->set_hook(hook);
  net::Cores cores(2);
  (*db)->start();
  cores.start();
  {
    constexpr std::uint32_t kCount = 300'000;
    const auto start = Clock::now();
    run_task(cores.at(0), flood(**db, cores.at(0), kCount));
    const double s = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("flood: %.0f entries/s of 300 B, batches %ld, checkpoints %ld\n", kCount / s,
                counter("vestibule_store_batches_total"), counter("vestibule_store_checkpoints_total"));
  }
  for (const int rate : {100, 1000, 5000}) {
    std::vector<double> micros;
    const long wakes = counter("vestibule_store_wakeups_total");
    const long batches = counter("vestibule_store_batches_total");
    run_task(cores.at(0), paced(**db, cores.at(0), rate, 4s, micros));
    std::sort(micros.begin(), micros.end());
    const auto at = [&](double p) { return micros[static_cast<std::size_t>(p * static_cast<double>(micros.size() - 1))]; };
    std::printf("durable at %d/s: p50 %.0f p90 %.0f p99 %.0f max %.0f us, n %zu; wake-ups %.0f/s, batches %.0f/s\n",
                rate, at(0.5), at(0.9), at(0.99), at(1.0), micros.size(),
                static_cast<double>(counter("vestibule_store_wakeups_total") - wakes) / 4,
                static_cast<double>(counter("vestibule_store_batches_total") - batches) / 4);
  }
  (*db)->stop();
  cores.stop();
}

}  // namespace
}  // namespace vestibule::store
