// What transactions, types and migrations do.
#include "store/tests/contract.hpp"

#include <limits>

namespace vestibule::store {
namespace {

using net::Core;
using net::Task;

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreContract);

struct ThingTag { [[maybe_unused]] static constexpr std::string_view prefix = "thg_"; };
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
  EXPECT_TRUE(place_->open({}, first)) << "what came before the broken one was not applied either";
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
