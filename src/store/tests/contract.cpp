#include "store/tests/contract.hpp"

#include <limits>
#include <mutex>
#include <set>
#include <thread>

#include "net/task_group.hpp"

namespace vestibule::store {
namespace {

using namespace std::chrono_literals;
using net::Core;
using net::Task;

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreContract);

struct ThingTag { static constexpr std::string_view prefix = "thg_"; };
using ThingId = Id<ThingTag>;

TEST_P(StoreContract, KeepsEveryPortableType) {
  open();
  start();
  const ThingId thing{{1, 2, 3, 0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255}};
  const WallTime when{Duration(1'800'000'000'123'456)};
  struct Case {
    const char* name;
    Param param;
    std::function<void(const Row&)> check;
  };
  const std::string text = "zw\xC3\xB6lf; -- 'quoted' \"";
  const Bytes bytes{0, 1, 0, 255};
  const std::vector<Case> cases = {
      {"null", nullptr, [](const Row& r) { EXPECT_TRUE(r.null(0)); }},
      {"zero-length bytes are not null", ByteView(), [](const Row& r) {
         EXPECT_FALSE(r.null(0));
         EXPECT_TRUE(r.blob(0).empty());
       }},
      {"bytes with zeros", bytes, [&](const Row& r) { EXPECT_EQ(Bytes(r.blob(0).begin(), r.blob(0).end()), bytes); }},
      {"id", thing, [&](const Row& r) { EXPECT_EQ(r.id<ThingId>(0), thing); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto done = db_->write_blocking([&](Tx& tx) -> Result<void> {
      auto put = tx.run("INSERT INTO item (id, name, data, used) VALUES ($1, $2, $3, $4)"
                        " ON CONFLICT (id) DO UPDATE SET data = excluded.data", {1, "it", c.param, 0});
      if (!put) return std::move(put).error();
      EXPECT_EQ(*put, 1);
      auto got = tx.one("SELECT data FROM item WHERE id = $1", {1}, c.check);
      if (!got) return std::move(got).error();
      EXPECT_TRUE(*got);
      return {};
    });
    EXPECT_TRUE(done) << done.error().detail;
  }
  for (const std::int64_t n : {std::numeric_limits<std::int64_t>::min(), std::int64_t{0},
                               std::numeric_limits<std::int64_t>::max(), std::int64_t{when.time_since_epoch().count()}}) {
    std::int64_t back = 1;
    auto done = db_->write_blocking([&](Tx& tx) {
      return tx.one("UPDATE item SET used = $1, name = $2 WHERE id = 1 RETURNING used, name", {n, text},
                    [&](const Row& r) {
                      back = r.integer(0);
                      EXPECT_EQ(r.text(1), text);
                    });
    });
    EXPECT_TRUE(done && *done);
    EXPECT_EQ(back, n);
  }
  auto empty = db_->read_blocking([](Tx& tx) { return tx.one("SELECT id FROM item WHERE id = 7", {}, [](const Row&) {}); });
  ASSERT_TRUE(empty);
  EXPECT_FALSE(*empty);
}

TEST_P(StoreContract, ParametersMayComeInAnyOrderAndTwice) {
  open();
  start();
  auto done = db_->write_blocking([](Tx& tx) -> Result<void> {
    auto put = tx.run("INSERT INTO item (name, id, used) VALUES ($2, $1, $1)", {5, "five"});
    if (!put) return std::move(put).error();
    std::vector<std::int64_t> got;
    auto read = tx.query("SELECT id, used FROM item WHERE name = $1", {"five"}, [&](const Row& r) {
      got = {r.integer(0), r.integer(1)};
      return true;
    });
    EXPECT_EQ(got, (std::vector<std::int64_t>{5, 5}));
    return read;
  });
  EXPECT_TRUE(done) << done.error().detail;
  auto few = db_->read_blocking([](Tx& tx) { return tx.run("SELECT id FROM item WHERE id = $1 OR id = $2", {1}); });
  ASSERT_FALSE(few);
  EXPECT_EQ(few.error().code, Reason::store_unavailable);
}

TEST_P(StoreContract, MapsErrors) {
  open();
  start();
  ASSERT_TRUE(db_->write_blocking([](Tx& tx) { return add_item(tx, 1, "one"); }));
  struct Case { const char* name; const char* sql; Reason reason; };
  for (const Case& c : {Case{"primary key", "INSERT INTO item (id, name, used) VALUES (1, 'two', 0)", Reason::conflict},
                        Case{"unique", "INSERT INTO item (id, name, used) VALUES (2, 'one', 0)", Reason::conflict},
                        Case{"not null", "INSERT INTO item (id, name, used) VALUES (2, NULL, 0)", Reason::conflict},
                        Case{"syntax", "INSERT INTO", Reason::store_unavailable},
                        Case{"no table", "SELECT x FROM nowhere", Reason::store_unavailable},
                        Case{"string in double quotes", "SELECT \"one\" FROM item", Reason::store_unavailable},
                        Case{"two statements", "SELECT 1; SELECT 2", Reason::store_unavailable}}) {
    SCOPED_TRACE(c.name);
    auto r = db_->write_blocking([&](Tx& tx) { return tx.run(c.sql); });
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, c.reason) << r.error().detail;
    EXPECT_FALSE(r.error().detail.empty());
  }
  EXPECT_EQ(db_->health(), Health::ok);
  EXPECT_EQ(count("SELECT COUNT(*) FROM item"), 1);
}

TEST_P(StoreContract, AReaderCannotWrite) {
  open();
  start();
  auto r = db_->read_blocking([](Tx& tx) { return tx.run("DELETE FROM item"); });
  EXPECT_FALSE(r);
}

TEST_P(StoreContract, UpsertAndReturning) {
  open();
  start();
  std::vector<std::int64_t> seen;
  for (int i = 0; i < 3; ++i) {
    auto r = db_->write_blocking([&](Tx& tx) {
      return tx.one("INSERT INTO item (id, name, used) VALUES (1, 'n', 1)"
                    " ON CONFLICT (id) DO UPDATE SET used = item.used + 1 RETURNING used", {},
                    [&](const Row& row) { seen.push_back(row.integer(0)); });
    });
    ASSERT_TRUE(r) << r.error().detail;
  }
  EXPECT_EQ(seen, (std::vector<std::int64_t>{1, 2, 3}));
  // a statement with RETURNING takes effect as a whole, even if the caller wants one row
  auto add = db_->write_blocking([](Tx& tx) -> Result<void> {
    for (int i = 2; i < 6; ++i) {
      auto r = add_item(tx, i, std::to_string(i));
      if (!r) return r;
    }
    return {};
  });
  ASSERT_TRUE(add);
  auto gone = db_->write_blocking([](Tx& tx) { return tx.one("DELETE FROM item WHERE id > 1 RETURNING id", {}, [](const Row&) {}); });
  ASSERT_TRUE(gone);
  EXPECT_EQ(count("SELECT COUNT(*) FROM item"), 1);
}

TEST_P(StoreContract, CountsChangedRows) {
  open();
  start();
  auto done = db_->write_blocking([](Tx& tx) -> Result<void> {
    for (int i = 0; i < 3; ++i) (void)add_item(tx, i, std::to_string(i));
    EXPECT_EQ(tx.run("UPDATE item SET used = 1 WHERE id < $1", {2}).value_or(-1), 2);
    EXPECT_EQ(tx.run("UPDATE item SET used = 1 WHERE id = 77").value_or(-1), 0);
    EXPECT_EQ(tx.run("INSERT INTO item (id, name, used) VALUES (1, 'x', 0) ON CONFLICT DO NOTHING").value_or(-1), 0);
    EXPECT_EQ(tx.run("SELECT id FROM item").value_or(-1), 0);
    EXPECT_EQ(tx.run("DELETE FROM item").value_or(-1), 3);
    return {};
  });
  EXPECT_TRUE(done);
}

TEST_P(StoreContract, TheSameQueryNests) {
  open();
  start();
  auto done = db_->write_blocking([](Tx& tx) -> Result<void> {
    for (int i = 0; i < 3; ++i) (void)add_item(tx, i, std::to_string(i));
    int pairs = 0;
    auto r = tx.query("SELECT id FROM item", {}, [&](const Row&) {
      auto inner = tx.query("SELECT id FROM item", {}, [&](const Row&) { return ++pairs > 0; });
      return inner.has_value();
    });
    EXPECT_EQ(pairs, 9);
    return r;
  });
  EXPECT_TRUE(done);
}

// --- jobs in a batch

Result<void> write_one(Tx& tx, std::int64_t id, bool good) {
  auto r = add_item(tx, id, "item " + std::to_string(id));
  if (!r) return r;
  tx.changed("item", as_bytes(std::to_string(id)));
  tx.journal(as_bytes("job " + std::to_string(id)));
  return good ? Result<void>() : fail(Reason::invalid_argument, "told to fail");
}

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

// --- the journal

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

void hold(std::atomic<bool>& held, std::atomic<bool>& release) {
  held = true;
  while (!release) std::this_thread::sleep_for(1ms);
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

Task<> read_there(Database& db, Core& core) {
  auto f = [](Tx& tx) -> Result<std::int64_t> {
    std::int64_t n = 0;
    auto r = tx.one("SELECT COUNT(*) FROM item", {}, [&](const Row& row) { n = row.integer(0); });
    if (!r) return std::move(r).error();
    return n;
  };
  Result<std::int64_t> n = co_await db.read(f);
  EXPECT_TRUE(n);
  EXPECT_EQ(n.value_or(-1), 1);
  EXPECT_EQ(Core::current(), &core);
}

TEST_P(StoreContract, ReadsSeeOneSnapshot) {
  open();
  start();
  ASSERT_TRUE(db_->write_blocking([](Tx& tx) { return add_item(tx, 1, "one"); }));
  on_core(0, read_there);
  auto r = db_->read_blocking([&](Tx& tx) -> Result<void> {
    std::int64_t before = 0;
    std::int64_t after = 0;
    (void)tx.one("SELECT COUNT(*) FROM item", {}, [&](const Row& row) { before = row.integer(0); });
    EXPECT_TRUE(db_->write_blocking([](Tx& w) { return add_item(w, 2, "two"); }));
    (void)tx.one("SELECT COUNT(*) FROM item", {}, [&](const Row& row) { after = row.integer(0); });
    EXPECT_EQ(before, 1);
    EXPECT_EQ(after, 1);
    return {};
  });
  EXPECT_TRUE(r);
  EXPECT_EQ(count("SELECT COUNT(*) FROM item"), 2);
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

TEST_P(StoreContract, MigrationsGoForwardOnly) {
  const std::array first = {Migration{"one", 1, "CREATE TABLE one (id BIGINT PRIMARY KEY); INSERT INTO one (id) VALUES (1)"}};
  const std::array both = {first[0], Migration{"one", 2, "ALTER TABLE one ADD COLUMN note TEXT; UPDATE one SET note = 'a;b'"},
                           Migration{"two", 1, "CREATE TABLE two (id BIGINT PRIMARY KEY, raw BYTES)"}};
  const std::array broken = {both[0], both[1], both[2], Migration{"two", 2, "CREATE TABLE three (id BIGINT); NONSENSE"}};
  const std::array gap = {Migration{"one", 2, "CREATE TABLE one (id BIGINT)"}};
  place_ = GetParam()();
  EXPECT_FALSE(place_->open({}, gap));
  EXPECT_TRUE(place_->open({}, first));
  EXPECT_TRUE(place_->open({}, first));
  auto bad = place_->open({}, broken);
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().detail.find("two"), std::string::npos);
  auto opened = place_->open({}, both);
  ASSERT_TRUE(opened) << opened.error().detail;
  db_ = std::move(*opened);
  EXPECT_EQ(count("SELECT COUNT(*) FROM one WHERE note = 'a;b'"), 1);
  EXPECT_EQ(count("SELECT version FROM schema_version WHERE room = 'two'"), 1);
  auto rest = db_->read_blocking([](Tx& tx) { return tx.run("SELECT id FROM three"); });
  EXPECT_FALSE(rest);  // the broken migration left nothing
  db_.reset();
  auto old = place_->open({}, first);
  ASSERT_FALSE(old);
  EXPECT_NE(old.error().detail.find("newer version"), std::string::npos) << old.error().detail;
}

}  // namespace
}  // namespace vestibule::store
