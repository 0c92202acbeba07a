#pragma once
// What every engine of the store must do. An engine's test gives a Place to
// INSTANTIATE_TEST_SUITE_P(Name, StoreContract, testing::Values(make_place)) and links contract.cpp.

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>

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
