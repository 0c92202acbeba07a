#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/counters.hpp"
#include "store/tests/contract.hpp"

namespace vestibule::store {
namespace {

using namespace std::chrono_literals;
using net::Core;
using net::Task;

class SqlitePlace final : public Place {
 public:
  Result<std::unique_ptr<Database>> open(Database::Options options, std::span<const Migration> migrations) override {
    options.file = dir_.path / "store.db";
    return Database::open(options, migrations);
  }

 private:
  TempDir dir_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract,
                         testing::Values(MakePlace([] { return std::make_unique<SqlitePlace>(); })));

struct Sqlite : testing::Test {
  void open(Database::Options options = {}, std::filesystem::path file = {}) {
    if (file.empty()) file = dir.path / "store.db";
    options.file = file;
    options.cores = 2;
    options.busy = 50ms;
    auto opened = Database::open(options, test_migrations());
    ASSERT_TRUE(opened) << opened.error().detail;
    db = std::move(*opened);
    db->set_hook(hook);
    db->start();
    cores.start();
  }
  void TearDown() override {
    if (db) db->stop();
    cores.stop();
    db.reset();
  }
  TempDir dir;
  RecordingHook hook;
  net::Cores cores{2};
  std::unique_ptr<Database> db;
};

TEST_F(Sqlite, ASecondOpeningIsRefusedAndNamesTheFirst) {
  open();
  Database::Options options;
  options.file = dir.path / "store.db";
  auto second = Database::open(options, test_migrations());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().detail.find("process " + std::to_string(::getpid())), std::string::npos)
      << second.error().detail;
  db->stop();
  cores.stop();
  db.reset();
  EXPECT_TRUE(Database::open(options, test_migrations()));
}

TEST_F(Sqlite, FilesAreForTheirOwnerAlone) {
  std::ofstream(dir.path / "store.db").close();  // an empty file that was open to all
  std::filesystem::permissions(dir.path / "store.db", std::filesystem::perms(0644));
  open();
  ASSERT_TRUE(db->write_blocking([](Tx& tx) { return add_item(tx, 1, "one"); }));
  int files = 0;
  for (const auto& f : std::filesystem::directory_iterator(dir.path)) {
    struct stat about {};
    ASSERT_EQ(::stat(f.path().c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600U) << f.path();
    ++files;
  }
  EXPECT_EQ(files, 4);  // database, log, its index, lock
}

TEST_F(Sqlite, WorksInMemoryAndLeavesNothing) {
  Database::Options options;
  auto opened = Database::open(options, test_migrations());
  ASSERT_TRUE(opened);
  (*opened)->start();
  ASSERT_TRUE((*opened)->write_blocking([](Tx& tx) { return add_item(tx, 1, "one"); }));
  auto there = (*opened)->read_blocking([](Tx& tx) { return tx.one("SELECT id FROM item", {}, [](const Row&) {}); });
  EXPECT_TRUE(there && *there);
  (*opened)->stop();
}

Task<> journal_and_wait(Database& db, Core&, std::atomic<bool>& good, std::atomic<bool>& refused) {
  const Bytes entry(500, 7);
  auto t = db.journal(entry, Urgency::now);
  refused = !t;
  good = false;
  if (!t) co_return;
  Result<void> r = co_await db.durable(*t, 5s);
  good = r.has_value();
}

// Journals until the store fails; then makes room and looks whether it comes back by itself.
struct Failing : Sqlite {
  void fill_until_failing() {
    for (int i = 0; i < 5000 && db->health() == Health::ok; ++i) step();
    EXPECT_EQ(db->health(), Health::failing);
    EXPECT_FALSE(good);
    std::this_thread::sleep_for(1500ms);  // more than one probe
    EXPECT_EQ(db->health(), Health::failing);
    step();
    EXPECT_TRUE(refused);
  }
  void expect_recovery() {
    EXPECT_TRUE(eventually([&] { return db->health() == Health::ok; }, 5s));
    step();
    EXPECT_TRUE(good);
    EXPECT_EQ(std::ssize(log_entries(*db)), durable);
  }
  void step() {
    run_task(cores.at(0), journal_and_wait(*db, cores.at(0), good, refused));
    if (good) ++durable;
  }
  std::atomic<bool> good{false}, refused{false};
  std::ptrdiff_t durable = 0;
};

TEST_F(Failing, AFullDatabaseFailsWholeBatchesAndComesBack) {
  open();
  const auto pages = [&](int n) {
    auto r = db->write_blocking([&](Tx& tx) { return tx.run("PRAGMA max_page_count=" + std::to_string(n)); });
    return r.has_value();
  };
  ASSERT_TRUE(pages(40));
  fill_until_failing();
  // a job that swallows the error does not commit with it
  auto job = db->write_blocking([](Tx& tx) -> Result<void> {
    const Bytes big(500'000);
    (void)tx.run("INSERT INTO item (id, name, data, used) VALUES (1, 'big', $1, 0)", {big});
    return {};
  });
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().code, Reason::store_unavailable);
  std::int64_t n = -1;
  (void)db->read_blocking([&](Tx& tx) { return tx.one("SELECT COUNT(*) FROM item", {}, [&](const Row& r) { n = r.integer(0); }); });
  EXPECT_EQ(n, 0);
  ASSERT_TRUE(pages(100'000));  // a job is tried although the store is failing
  expect_recovery();
}

TEST_F(Failing, AFullDiskToo) {
  const auto mount = dir.path / "small";
  std::filesystem::create_directory(mount);
  if (::mount("tmpfs", mount.c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "cannot mount a small disk";
  const auto cork = mount / "cork";
  std::ofstream(cork) << std::string(300'000, 'x');
  open({}, mount / "store.db");
  fill_until_failing();
  std::filesystem::remove(cork);
  expect_recovery();
  db->stop();
  cores.stop();
  db.reset();
  EXPECT_EQ(::umount2(mount.c_str(), MNT_DETACH), 0);
}

TEST_F(Failing, ALockHeldByOthersToo) {
  open();
  step();
  ASSERT_TRUE(good);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((dir.path / "store.db").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  fill_until_failing();
  auto job = db->write_blocking([](Tx& tx) { return add_item(tx, 1, "one"); });
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().code, Reason::store_unavailable);
  ASSERT_EQ(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  expect_recovery();
  sqlite3_close(other);
}

TEST_F(Sqlite, AJobCannotEndTheTransaction) {
  open();
  auto r = db->write_blocking([](Tx& tx) { return ok(tx.run("COMMIT")); });
  EXPECT_FALSE(r);
  EXPECT_TRUE(db->write_blocking([](Tx& tx) { return add_item(tx, 1, "one"); }));
}

TEST_F(Sqlite, BackupIsAConsistentCopyWhileWritesGoOn) {
  open();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::int64_t i = 0; !stop; ++i) {
      // two rows at a time: a copy with an odd number would be torn
      EXPECT_TRUE(db->write_blocking([&](Tx& tx) -> Result<void> {
        (void)add_item(tx, 2 * i, "a" + std::to_string(i));
        return add_item(tx, 2 * i + 1, "b" + std::to_string(i));
      }));
    }
  });
  std::this_thread::sleep_for(50ms);
  const auto to = dir.path / "copy.db";
  auto done = db->backup(to);
  EXPECT_TRUE(done) << done.error().detail;
  EXPECT_FALSE(db->backup(to)) << "an existing file is not replaced";
  stop = true;
  writer.join();
  struct stat about {};
  ASSERT_EQ(::stat(to.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
  EXPECT_FALSE(std::filesystem::exists(dir.path / "copy.db.partial"));
  Database::Options options;
  options.file = to;
  auto copy = Database::open(options, test_migrations());
  ASSERT_TRUE(copy) << copy.error().detail;
  std::int64_t n = -1;
  (void)(*copy)->read_blocking([&](Tx& tx) { return tx.one("SELECT COUNT(*) FROM item", {}, [&](const Row& r) { n = r.integer(0); }); });
  EXPECT_GT(n, 0);
  EXPECT_EQ(n % 2, 0);
}

TEST_F(Sqlite, TheLogIsGivenBackWhenIdle) {
  open();
  const Bytes big(100'000, 1);
  for (std::int64_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(db->write_blocking([&](Tx& tx) {
      return ok(tx.run("INSERT INTO item (id, name, data, used) VALUES ($1, $2, $3, 0)", {i, std::to_string(i), big}));
    }));
  }
  const auto wal = dir.path / "store.db-wal";
  EXPECT_LT(std::filesystem::file_size(wal), 20'000'000U) << "checkpoints between batches";
  EXPECT_TRUE(eventually([&] { return std::filesystem::file_size(dir.path / "store.db") > 30'000'000; }, 5s));
}

TEST_F(Sqlite, SleepsWhenThereIsNothingToDo) {
  open();
  ASSERT_TRUE(db->write_blocking([](Tx& tx) { return add_item(tx, 1, "one"); }));
  std::this_thread::sleep_for(2500ms);
  const auto wakes = [] {
    const std::string all = write_prometheus();
    const auto at = all.find("\nvestibule_store_wakeups_total ");
    return std::stol(all.substr(at + 31));
  };
  const long before = wakes();
  std::this_thread::sleep_for(2s);
  EXPECT_LE(wakes() - before, 1);
}

}  // namespace
}  // namespace vestibule::store
