#pragma once
// What every engine of the store must do. An engine's test gives a Place to
// INSTANTIATE_TEST_SUITE_P(Name, StoreContract, testing::Values(make_place)) and links contract*.cpp.

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <thread>

#include "store/database.hpp"
#include "store/tests/support.hpp"

namespace vestibule::store {

/// An empty database somewhere, that can be opened again and again.
class Place {
 public:
  virtual ~Place() = default;
  /// options.file is the engine's to set.
  virtual Result<std::unique_ptr<Database>> open(Database::Options options,
                                                 std::span<const Migration> migrations) = 0;
};
using MakePlace = std::function<std::unique_ptr<Place>()>;

/// A job with a row, a change and an entry.
inline Result<void> write_one(Tx& tx, std::int64_t id, bool good) {
  auto r = add_item(tx, id, "item " + std::to_string(id));
  if (!r) return r;
  tx.changed("item", as_bytes(std::to_string(id)));
  tx.journal(as_bytes("job " + std::to_string(id)));
  return good ? Result<void>() : fail(Reason::invalid_argument, "told to fail");
}

/// Keeps the writer busy until it is let go.
inline void hold(std::atomic<bool>& held, std::atomic<bool>& release) {
  held = true;
  while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

class StoreContract : public testing::TestWithParam<MakePlace> {
 protected:
  /// Opens the place with the suite's migrations, sets the hook, starts it with two cores.
  void open(Database::Options options = {}) {
    place_ = GetParam()();
    options.cores = 2;
    auto opened = place_->open(options, test_migrations());
    ASSERT_TRUE(opened) << opened.error().detail;
    db_ = std::move(*opened);
    db_->set_hook(hook_);
  }
  void start() {
    db_->start();
    cores_.start();
  }
  void TearDown() override {
    if (db_) db_->stop();
    cores_.stop();
    db_.reset();
  }
  /// Runs make(db, core) on a core and waits for it.
  template <class F, class... A>
  void on_core(unsigned index, F make, A&... args) {
    run_task(cores_.at(index), make(*db_, cores_.at(index), args...));
  }
  std::int64_t count(std::string_view sql) {
    std::int64_t n = -1;
    auto r = db_->read_blocking([&](Tx& tx) { return tx.one(sql, {}, [&](const Row& row) { n = row.integer(0); }); });
    EXPECT_TRUE(r);
    return n;
  }

  std::unique_ptr<Place> place_;
  RecordingHook hook_;
  net::Cores cores_{2};
  std::unique_ptr<Database> db_;
};

}  // namespace vestibule::store
