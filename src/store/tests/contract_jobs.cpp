// Jobs in a batch, the change feed.
#include "store/tests/contract.hpp"

#include <mutex>
#include <set>
#include <thread>

#include "net/task_group.hpp"

namespace vestibule::store {
namespace {

using namespace std::chrono_literals;
using net::Core;
using net::Task;

Task<> one_write(Database& db, std::int64_t id, int& good, int& bad) {
  const bool fine = id % 3 != 0;
  auto job = [id, fine](Tx& tx) { return write_one(tx, id, fine); };
  Result<void> r = co_await db.write(job);
  if (r) {
    ++good;
    EXPECT_TRUE(fine);
  } else {
    ++bad;
    EXPECT_FALSE(fine);
    EXPECT_EQ(r.error().code, Reason::invalid_argument);
  }
}

Task<> many_writes(Database& db, Core& core, int& good, int& bad) {
  net::TaskGroup group(core);
  for (std::int64_t id = 1; id <= 60; ++id) group.spawn(one_write(db, id, good, bad));
  co_await group.join();
}

TEST_P(StoreContract, AFailingJobIsRolledBackAlone) {
  open();
  std::vector<std::uint64_t> numbers;
  std::set<std::string> keys;
  db_->listen([&](Tx&, std::span<const Change> changes) {
    for (const Change& c : changes) {
      EXPECT_EQ(c.topic, "item");
      numbers.push_back(c.number);
      keys.insert(std::string(as_text(c.key)));
    }
  });
  start();
  int good = 0;
  int bad = 0;
  on_core(0, many_writes, good, bad);
  EXPECT_EQ(good, 40);
  EXPECT_EQ(bad, 20);
  EXPECT_EQ(count("SELECT COUNT(*) FROM item"), 40);
  EXPECT_EQ(count("SELECT COUNT(*) FROM item WHERE id % 3 = 0"), 0);
  ASSERT_EQ(numbers.size(), 40U);
  for (std::size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], i + 1);
  EXPECT_FALSE(keys.contains("3"));
  EXPECT_EQ(count("SELECT COUNT(*) FROM change_feed"), 40);
  EXPECT_EQ(count("SELECT MAX(number) FROM change_feed"), 40);
  EXPECT_EQ(log_entries(*db_).size(), 40U);
  EXPECT_EQ(db_->health(), Health::ok);
}

TEST_P(StoreContract, TheFeedGoesOnAfterReopening) {
  open();
  start();
  ASSERT_TRUE(db_->write_blocking([](Tx& tx) { return write_one(tx, 1, true); }));
  db_->stop();
  cores_.stop();
  db_.reset();
  auto again = place_->open({}, test_migrations());
  ASSERT_TRUE(again) << again.error().detail;
  db_ = std::move(*again);
  RecordingHook hook;
  db_->set_hook(hook);
  db_->start();
  ASSERT_TRUE(db_->write_blocking([](Tx& tx) { return write_one(tx, 2, true); }));
  EXPECT_EQ(count("SELECT MAX(number) FROM change_feed"), 2);
  EXPECT_EQ(log_entries(*db_), (std::vector<std::string>{"job 1", "job 2"}));
  db_->stop();
  db_.reset();  // before its hook
}

TEST_P(StoreContract, TheFeedIsTrimmed) {
  open();
  start();
  for (int batch = 0; batch < 6; ++batch) {
    auto r = db_->write_blocking([](Tx& tx) -> Result<void> {
      for (int i = 0; i < 2100; ++i) tx.changed("many", {});
      return {};
    });
    ASSERT_TRUE(r);
  }
  EXPECT_EQ(count("SELECT MAX(number) FROM change_feed"), 12'600);
  EXPECT_EQ(count("SELECT COUNT(*) FROM change_feed"), 10'000);
}

Task<> write_and_look(Database& db, Core&, std::atomic<int>& heard) {
  auto job = [](Tx& tx) { return write_one(tx, 1, true); };
  Result<void> r = co_await db.write(job);
  EXPECT_TRUE(r);
  EXPECT_EQ(heard, 1);
}

TEST_P(StoreContract, ListenersSeeTheCommittedStateBeforeTheWaiters) {
  open();
  std::atomic<int> heard{0};
  db_->listen([&](Tx& tx, std::span<const Change> changes) {
    ASSERT_EQ(changes.size(), 1U);
    std::string name;
    auto r = tx.one("SELECT name FROM item WHERE id = 1", {}, [&](const Row& row) { name = row.text(0); });
    EXPECT_TRUE(r);
    EXPECT_EQ(name, "item 1");
    EXPECT_EQ(count("SELECT COUNT(*) FROM item"), 1);  // and so does everybody else
    EXPECT_FALSE(tx.run("DELETE FROM item"));
    std::this_thread::sleep_for(50ms);
    ++heard;
  });
  start();
  on_core(1, write_and_look, heard);
}

enum class How { delete_returning, update_count };

Result<bool> consume(Tx& tx, How how) {
  if (how == How::delete_returning) {
    return tx.one("DELETE FROM item WHERE id = 1 RETURNING id", {}, [](const Row&) {});
  }
  auto changed = tx.run("UPDATE item SET used = 1 WHERE id = 1 AND used = 0");
  if (!changed) return std::move(changed).error();
  return *changed == 1;
}

Task<> race_once(Database& db, How how, std::atomic<int>& wins) {
  auto job = [how](Tx& tx) { return consume(tx, how); };
  Result<bool> r = co_await db.write(job);
  EXPECT_TRUE(r);
  if (r && *r) ++wins;
}

Task<> race(Database& db, Core& core, How how, std::atomic<int>& wins) {
  net::TaskGroup group(core);
  for (int i = 0; i < 50; ++i) group.spawn(race_once(db, how, wins));
  co_await group.join();
}

TEST_P(StoreContract, SingleUseThingsAreConsumedOnce) {
  open();
  start();
  for (const How how : {How::update_count, How::delete_returning}) {
    (void)db_->write_blocking([](Tx& tx) { return tx.run("DELETE FROM item"); });
    ASSERT_TRUE(db_->write_blocking([](Tx& tx) { return add_item(tx, 1, "once"); }));
    std::atomic<int> wins{0};
    std::thread other([&] { run_task(cores_.at(1), race(*db_, cores_.at(1), how, wins)); });
    run_task(cores_.at(0), race(*db_, cores_.at(0), how, wins));
    other.join();
    EXPECT_EQ(wins, 1);
  }
}

TEST_P(StoreContract, TooManyJobsAreOverloaded) {
  Database::Options options;
  options.jobs = 4;
  open(options);
  start();
  std::atomic<bool> held{false};
  std::atomic<bool> release{false};
  std::atomic<int> over{0};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    (void)db_->write_blocking([&](Tx&) -> Result<void> {
      hold(held, release);
      return {};
    });
  });
  ASSERT_TRUE(eventually([&] { return held.load(); }));
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      auto r = db_->write_blocking([](Tx&) -> Result<void> { return {}; });
      if (!r && r.error().code == Reason::overloaded) ++over;
    });
  }
  EXPECT_TRUE(eventually([&] { return over == 4; }));
  release = true;
  for (auto& t : threads) t.join();
  EXPECT_EQ(over, 4);
}

TEST_P(StoreContract, AnExceptionInAJobFailsThatJob) {
  open();
  start();
  auto r = db_->write_blocking([](Tx& tx) -> Result<void> {
    (void)add_item(tx, 1, "one");
    throw std::runtime_error("oops");
  });
  EXPECT_FALSE(r);
  EXPECT_EQ(count("SELECT COUNT(*) FROM item"), 0);
  EXPECT_EQ(db_->health(), Health::ok);
}

}  // namespace
}  // namespace vestibule::store
