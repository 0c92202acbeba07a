// The journal.
#include "store/tests/contract.hpp"

#include <thread>

namespace vestibule::store {
namespace {

using namespace std::chrono_literals;
using net::Core;
using net::Task;

Task<> journal_some(Database& db, Core& core) {
  std::vector<Ticket> tickets;
  for (int i = 0; i < 100; ++i) {
    const std::string entry = "core " + std::to_string(core.index()) + " " + std::to_string(i);
    auto t = db.journal(as_bytes(entry), i % 2 == 0 ? Urgency::soon : Urgency::now);
    EXPECT_TRUE(t);
    if (t) tickets.push_back(*t);
  }
  for (const Ticket t : tickets) {
    Result<void> r = co_await db.durable(t, 5s);
    EXPECT_TRUE(r);
  }
}

TEST_P(StoreContract, JournalsInTheOrderOfEachCore) {
  open();
  start();
  std::thread other([&] { on_core(1, journal_some); });
  on_core(0, journal_some);
  other.join();
  const auto all = log_entries(*db_);
  ASSERT_EQ(all.size(), 200U);
  std::array<int, 2> next{0, 0};
  for (const std::string& e : all) {
    const auto core = static_cast<std::size_t>(e[5] - '0');
    EXPECT_EQ(e, "core " + std::to_string(core) + " " + std::to_string(next[core]++));
  }
  EXPECT_GT(hook_.commits, 0);
}

TEST_P(StoreContract, JournalNeedsACore) {
  open();
  start();
  auto t = db_->journal(as_bytes("x"), Urgency::now);
  EXPECT_FALSE(t);
}

Task<> soon_only(Database& db, Core&) {
  auto t = db.journal(as_bytes("nobody waits"), Urgency::soon);
  EXPECT_TRUE(t);
  co_return;
}

TEST_P(StoreContract, WhatMayLingerIsCommittedByItself) {
  open();
  start();
  for (std::size_t i = 1; i <= 3; ++i) {
    on_core(0, soon_only);
    EXPECT_TRUE(eventually([&] { return log_entries(*db_).size() == i; }, 2s));
    std::this_thread::sleep_for(i == 2 ? 300ms : 1ms);  // dozing and asleep
  }
}

Task<> entry_and_wait(Database& db, Core&, std::atomic<int>& failed) {
  auto t = db.journal(as_bytes("doomed"), Urgency::now);
  EXPECT_TRUE(t);
  if (!t) co_return;
  Result<void> r = co_await db.durable(*t, 5s);
  EXPECT_FALSE(r);
  if (!r) ++failed;
  Result<void> again = co_await db.durable(*t, 5s);  // stays so
  EXPECT_FALSE(again);
}

TEST_P(StoreContract, WhenTheHookFailsNothingIsVisible) {
  open();
  std::atomic<int> heard{0};
  db_->listen([&](Tx&, std::span<const Change>) { ++heard; });
  start();
  hook_.fail_next = 1;
  auto r = db_->write_blocking([](Tx& tx) { return write_one(tx, 1, true); });
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Reason::store_unavailable);
  EXPECT_EQ(db_->health(), Health::failing);
  EXPECT_EQ(hook_.rollbacks, 1);
  EXPECT_TRUE(eventually([&] { return db_->health() == Health::ok; }, 5s));
  hook_.fail_next = 1;
  std::atomic<int> failed{0};
  on_core(0, entry_and_wait, failed);
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(heard, 0);
  EXPECT_EQ(count("SELECT COUNT(*) FROM item"), 0);
  EXPECT_EQ(count("SELECT COUNT(*) FROM log"), 0);
  EXPECT_EQ(count("SELECT COUNT(*) FROM change_feed"), 0);
  // a job is tried although the store is failing, and heals it
  ASSERT_TRUE(db_->write_blocking([](Tx& tx) { return write_one(tx, 2, true); }));
  EXPECT_EQ(db_->health(), Health::ok);
  EXPECT_EQ(count("SELECT number FROM change_feed"), 1);
  on_core(0, journal_some);
  EXPECT_EQ(log_entries(*db_).size(), 101U);
}

Task<> refused_while_failing(Database& db, Core&) {
  auto t = db.journal(as_bytes("x"), Urgency::now);
  EXPECT_FALSE(t);
  if (!t) { EXPECT_EQ(t.error().code, Reason::store_unavailable); }
  co_return;
}

TEST_P(StoreContract, JournalRefusesWhileFailing) {
  open();
  start();
  hook_.fail_next = 1;
  (void)db_->write_blocking([](Tx& tx) { return write_one(tx, 1, true); });
  on_core(0, refused_while_failing);
}

Task<> wait_too_short(Database& db, Core&, std::atomic<bool>& release) {
  auto t = db.journal(as_bytes("late"), Urgency::now);
  EXPECT_TRUE(t);
  if (!t) co_return;
  Result<void> r = co_await db.durable(*t, 100ms);
  EXPECT_FALSE(r);
  release = true;
  Result<void> later = co_await db.durable(*t, 10s);
  EXPECT_TRUE(later);
  Result<void> never = co_await db.durable(Ticket{}, 1s);
  EXPECT_FALSE(never);
}

TEST_P(StoreContract, DurableHasALimit) {
  open();
  start();
  std::atomic<bool> held{false};
  std::atomic<bool> release{false};
  // the writer is kept busy while the batch that follows fills up
  db_->set_hook(hook_);
  std::thread blocker([&] {
    (void)db_->write_blocking([&](Tx& tx) -> Result<void> {
      (void)tx;
      hold(held, release);
      return {};
    });
  });
  ASSERT_TRUE(eventually([&] { return held.load(); }));
  on_core(0, wait_too_short, release);
  blocker.join();
}

Task<> fill_ring(Database& db, Core&, std::atomic<bool>& release) {
  const Bytes big(1000);
  std::size_t taken = 0;
  Ticket last;
  for (;;) {
    auto t = db.journal(big, Urgency::now);
    if (!t) {
      EXPECT_EQ(t.error().code, Reason::overloaded);
      break;
    }
    last = *t;
    if (++taken > 100) break;
  }
  EXPECT_GE(taken, 15U);
  EXPECT_LE(taken, 17U);
  auto huge = db.journal(Bytes(100'000), Urgency::now);
  EXPECT_FALSE(huge);
  release = true;
  Result<void> r = co_await db.durable(last, 10s);
  EXPECT_TRUE(r);
  auto room = db.journal(big, Urgency::now);
  EXPECT_TRUE(room);
}

TEST_P(StoreContract, AFullRingIsOverloaded) {
  Database::Options options;
  options.journal_bytes = 16384;
  open(options);
  start();
  std::atomic<bool> held{false};
  std::atomic<bool> release{false};
  std::thread blocker([&] {
    (void)db_->write_blocking([&](Tx& tx) -> Result<void> {
      (void)tx;
      hold(held, release);
      return {};
    });
  });
  ASSERT_TRUE(eventually([&] { return held.load(); }));
  on_core(0, fill_ring, release);
  blocker.join();
}

Task<> write_after_stop(Database& db, Core&) {
  auto job = [](Tx& tx) { return add_item(tx, 9, "nine"); };
  Result<void> r = co_await db.write(job);
  EXPECT_FALSE(r);
  if (!r) { EXPECT_EQ(r.error().code, Reason::shutting_down); }
  auto t = db.journal(as_bytes("x"), Urgency::now);
  EXPECT_FALSE(t);
}

TEST_P(StoreContract, StopCommitsWhatIsQueued) {
  open();
  start();
  on_core(0, soon_only);
  db_->stop();
  EXPECT_EQ(log_entries(*db_).size(), 1U);
  on_core(0, write_after_stop);
  auto r = db_->write_blocking([](Tx& tx) { return add_item(tx, 9, "nine"); });
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Reason::shutting_down);
}

}  // namespace
}  // namespace vestibule::store
