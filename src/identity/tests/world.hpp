#pragma once
// A small installation for tests: real rooms on an in-memory (or temporary) database, clocks that
// tests move, two cores, and a store that can be made to fail.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>

#include "audit/log.hpp"
#include "crypto/sealed.hpp"
#include "identity/users.hpp"
#include "net/core.hpp"
#include "store/database.hpp"
#include "store/denials.hpp"

namespace vestibule::testing {

using namespace std::chrono_literals;

inline constexpr std::string_view kPassword = "correct horse battery staple";

/// The audit log as a commit hook, which refuses to commit while `broken`, and does not return while
/// `hanging`.
class FlakyHook final : public store::CommitHook {
 public:
  Result<void> before_commit(store::Tx& tx, std::span<const ByteView> entries) override {
    for (; hanging.load(); std::this_thread::sleep_for(1ms)) held = true;
    if (broken.load()) return fail(Reason::store_unavailable, "broken by the test");
    return log->before_commit(tx, entries);
  }
  bool due() noexcept override { return log->due(); }
  void committed() noexcept override { log->committed(); }
  void rolled_back() noexcept override { log->rolled_back(); }
  audit::Log* log = nullptr;
  std::atomic<bool> broken{false};
  std::atomic<bool> hanging{false};
  std::atomic<bool> held{false};  ///< a batch has been kept waiting
};

template <class T>
net::Task<> store_into(net::Task<T> task, std::promise<T>* out) {
  T value = co_await std::move(task);
  out->set_value(std::move(value));
}

class World {
 public:
  World() { prepare(); }
  virtual ~World() {
    close();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  /// Spawns on a core without waiting.
  template <class T>
  std::future<T> spawn(net::Task<T> task, unsigned core = 0) {
    auto* promise = new std::promise<T>;
    std::future<T> future = promise->get_future();
    boost::asio::co_spawn(cores->at(core).executor(), store_into(std::move(task), promise),
                          [promise](std::exception_ptr e) {
                            delete promise;
                            if (e) std::rethrow_exception(e);
                          });
    return future;
  }
  template <class T>
  T run(net::Task<T> task, unsigned core = 0) {
    return spawn(std::move(task), core).get();
  }

  /// The lines of the audit log that speak of this operation, oldest first.
  std::vector<audit::Entry> entries(std::string_view operation) {
    std::vector<audit::Entry> out;
    audit::Filter filter;
    filter.limit = 10'000;
    filter.newest_first = false;
    filter.operation = operation;
    auto read = database->read_blocking([&](store::Tx& tx) {
      return audit::list(tx, filter, [&](const audit::Entry& e) {
        out.push_back(e);
        return true;
      });
    });
    EXPECT_TRUE(read) << read.error().detail;
    return out;
  }

  identity::Actor administrator(std::string_view source = "192.0.2.1") {
    identity::Actor a;
    a.user = UserId::make(rng);
    a.name = domain::UserName("root");
    a.source = *domain::Source::parse(source);
    return a;
  }

  /// Closes and opens again over the same file, as a restart does.
  void restart() {
    close();
    open();
  }
  virtual void open() {
    store::Database::Options options;
    options.file = file;
    options.cores = 2;
    auto migrations = all_migrations();
    auto opened = store::Database::open(options, migrations);
    ASSERT_TRUE(opened) << opened.error().detail;
    database = std::move(*opened);
    audit::Options audit_options;
    auto log_opened = audit::Log::open(*database, audit_options, Secret(Bytes(32, 7)), clock, rng);
    ASSERT_TRUE(log_opened) << log_opened.error().detail;
    log = std::move(*log_opened);
    hook.log = log.get();
    database->set_hook(hook);
    store::Denials::Options kept = options_denials;
    kept.file = folder / "denials";
    auto denials_opened = store::Denials::open(std::move(kept), keys->derive("denials/v1"), *database);
    ASSERT_TRUE(denials_opened) << denials_opened.error().detail;
    denials = std::move(*denials_opened);
    options_identity.denials = denials.get();
    pool = std::make_unique<net::BlockingPool>(net::BlockingPool::Options{2, 256});
    auto users_opened = identity::Users::open(*database, *keys, *mint, *pool, *log, clock, rng, options_identity);
    ASSERT_TRUE(users_opened) << users_opened.error().detail;
    users = std::move(*users_opened);
    open_rooms_above();
    cores = std::make_unique<net::Cores>(2);
    database->start();
    cores->start();
  }
  virtual void close() {
    if (!database) return;
    database->stop();
    pool.reset();  // joins what still hashes, while the cores can take its word
    cores->stop();
    cores.reset();
    close_rooms_above();
    users.reset();
    denials.reset();
    database.reset();
    log.reset();
  }

  std::filesystem::path folder;
  std::filesystem::path file;  ///< empty: in memory
  ManualClock clock;
  CountingRng rng;
  std::unique_ptr<crypto::KeyRing> keys;
  std::unique_ptr<crypto::HandleMint> mint;
  FlakyHook hook;
  std::unique_ptr<store::Database> database;
  std::unique_ptr<audit::Log> log;
  std::unique_ptr<store::Denials> denials;
  std::unique_ptr<net::BlockingPool> pool;
  std::unique_ptr<identity::Users> users;
  std::unique_ptr<net::Cores> cores;
  identity::Options options_identity;
  store::Denials::Options options_denials{{}, 8, {}};

 protected:
  virtual std::vector<store::Migration> all_migrations() {
    std::vector<store::Migration> out(audit::migrations().begin(), audit::migrations().end());
    out.insert(out.end(), identity::migrations().begin(), identity::migrations().end());
    return out;
  }
  virtual void open_rooms_above() {}
  virtual void close_rooms_above() {}

 private:
  void prepare() {
    set_core_slot(kMaxCores - 2);  // the test's own thread reads tables too
    std::string name = std::filesystem::temp_directory_path() / "vestibule-test-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    folder = name;
    crypto::MasterKeys master;
    master.push_back({1, Secret(Bytes(32, 1))});
    keys = std::make_unique<crypto::KeyRing>(master, rng);
    (void)keys->create_root();
    mint = std::make_unique<crypto::HandleMint>(keys->derive("handle-checksum/v1"));
    options_identity.common_passwords = folder / "common.lst";
    std::ofstream(options_identity.common_passwords) << "#!comment: for tests\npassword\ndragon\nletmein\nqwertyuiop12\n";
  }
};

}  // namespace vestibule::testing
