// What was doctored is found, and nothing goes on from it.
#include <gtest/gtest.h>

#include "audit/tests/house.hpp"

namespace vestibule::audit {
namespace {

using namespace std::chrono_literals;
using namespace testing;

Result<Tables> load(store::Tx& tx) {
  Tables t;
  auto r =
      tx.query("SELECT first_seq, records, leaves, private FROM audit_segment ORDER BY first_seq",
               {}, [&](const store::Row& row) {
                 const auto l = row.blob(2);
                 const auto p = row.blob(3);
                 t.segments.push_back({static_cast<std::uint64_t>(row.integer(0)),
                                       static_cast<std::uint64_t>(row.integer(1)),
                                       {l.begin(), l.end()},
                                       {p.begin(), p.end()}});
                 return true;
               });
  if (!r) return r.error();
  r = tx.query("SELECT size, note FROM audit_checkpoint ORDER BY size", {},
               [&](const store::Row& row) {
                 t.checkpoints.push_back(
                     {static_cast<std::uint64_t>(row.integer(0)), std::string(row.text(1))});
                 return true;
               });
  if (!r) return r.error();
  auto found = tx.one("SELECT size, frontier FROM audit_tree", {}, [&](const store::Row& row) {
    t.size = static_cast<std::uint64_t>(row.integer(0));
    t.frontier.assign(row.blob(1).begin(), row.blob(1).end());
  });
  if (!found) return found.error();
  t.has_tree = *found;
  r = tx.query("SELECT level, idx, root FROM audit_subtree", {}, [&](const store::Row& row) {
    const auto root = row.blob(2);
    t.subtrees.push_back({static_cast<unsigned>(row.integer(0)), static_cast<std::uint64_t>(row.integer(1)), {root.begin(), root.end()}});
    return true;
  });
  if (!r) return r.error();
  return t;
}

Result<void> save(store::Tx& tx, const Tables& t) {
  for (const char* sql :
       {"DELETE FROM audit_segment", "DELETE FROM audit_checkpoint", "DELETE FROM audit_tree", "DELETE FROM audit_subtree"}) {
    if (auto r = tx.run(sql); !r) return r.error();
  }
  for (const auto& s : t.segments) {
    auto r = tx.run(
        "INSERT INTO audit_segment(first_seq, records, leaves, private) VALUES($1, $2, $3, $4)",
        {s.first, s.records, s.leaves, s.fields});
    if (!r) return r.error();
  }
  for (const auto& c : t.checkpoints) {
    auto r = tx.run("INSERT INTO audit_checkpoint(size, at, note) VALUES($1, $2, $3)",
                    {c.size, 1, c.note});
    if (!r) return r.error();
  }
  for (const auto& sub : t.subtrees) {
    auto r = tx.run("INSERT INTO audit_subtree(level, idx, root) VALUES($1, $2, $3)", {sub.level, sub.index, sub.root});
    if (!r) return r.error();
  }
  if (!t.has_tree) return {};
  auto r =
      tx.run("INSERT INTO audit_tree(id, size, frontier) VALUES(1, $1, $2)", {t.size, t.frontier});
  if (!r) return r.error();
  return {};
}

TEST(Log, EveryDoctoredCopyIsFound) {
  Folder folder;
  Options options;
  options.checkpoint_records = 8;
  options.checkpoint_file = folder / "checkpoints";
  {
    House house(folder / "db", options);
    for (std::uint64_t i = 0; i < 24; i += 4) ASSERT_TRUE(house.append(i, 4));
  }
  auto copy = open_database(folder / "db");
  copy->start();
  auto loaded = copy->read_blocking(load);
  ASSERT_TRUE(loaded);
  loaded->shipped = read_file(options.checkpoint_file);
  ASSERT_EQ(loaded->segments.size(), 6U);
  ASSERT_EQ(loaded->checkpoints.size(), 3U);
  const auto key = signing_key();
  const auto verify_with = [&](const Tables& t) {
    auto written = copy->write_blocking([&](store::Tx& tx) { return save(tx, t); });
    EXPECT_TRUE(written) << (written ? "" : written.error().detail);
    auto report =
        copy->read_blocking([&](store::Tx& tx) { return verify(tx, key.public_key(), t.shipped); });
    EXPECT_TRUE(report);
    return report ? all(*report) : std::string();
  };
  EXPECT_EQ(verify_with(*loaded), "");
  const auto cases = tamperings();
  EXPECT_GE(cases.size(), 50U);
  for (const Tampering& c : cases) {
    Tables doctored = *loaded;
    c.act(doctored);
    const std::string found = verify_with(doctored);
    EXPECT_NE(found.find(c.found), std::string::npos) << c.name << "\n" << found;
  }
  EXPECT_EQ(verify_with(*loaded), "");
  copy->stop();
}

TEST(Log, RefusesToGoOnFromWhatDoesNotFit) {
  const auto opens = [](const std::function<void(Tables&)>& act) {
    Folder folder;
    Options options;
    options.checkpoint_records = 8;
    {
      House house(folder / "db", options);
      for (std::uint64_t i = 0; i < 24; i += 4) EXPECT_TRUE(house.append(i, 4));
    }
    {
      auto db = open_database(folder / "db");
      db->start();
      auto t = db->read_blocking(load);
      act(*t);
      EXPECT_TRUE(db->write_blocking([&](store::Tx& tx) { return save(tx, *t); }));
      db->stop();
    }
    auto db = open_database(folder / "db");
    ManualClock clock;
    CountingRng rng;
    auto log = Log::open(*db, options, Secret(Bytes(32, 7)), clock, rng);
    return log ? Reason::ok : log.error().code;
  };
  EXPECT_EQ(opens([](Tables&) {}), Reason::ok);
  EXPECT_EQ(opens([](Tables& t) { t.segments.pop_back(); }), Reason::log_corrupt);
  EXPECT_EQ(opens([](Tables& t) { t.has_tree = false; }), Reason::log_corrupt);
  EXPECT_EQ(opens([](Tables& t) { t.frontier.pop_back(); }), Reason::log_corrupt);
  EXPECT_EQ(opens([](Tables& t) { t.frontier[0] ^= 1U; }), Reason::log_corrupt);
  EXPECT_EQ(opens([](Tables& t) { t.checkpoints.back().note.pop_back(); }), Reason::log_corrupt);
}

TEST(Log, ADamagedRecordDoesNotHideTheRest) {
  Folder folder;
  {
    House house(folder / "db");
    for (std::uint64_t i = 0; i < 8; i += 4) ASSERT_TRUE(house.append(i, 4));
  }
  auto db = open_database(folder / "db");
  db->start();
  auto t = db->read_blocking(load);
  edit_leaf(*t, 0, 1, [](Bytes& b) { b[0] = 9; });
  ASSERT_TRUE(db->write_blocking([&](store::Tx& tx) { return save(tx, *t); }));
  std::size_t given = 0;
  const auto r = db->read_blocking([&](store::Tx& tx) {
    return list(tx, {}, [&](const Entry&) {
      ++given;
      return true;
    });
  });
  EXPECT_EQ(r.error().code, Reason::log_corrupt);
  EXPECT_EQ(given, 7U);
  db->stop();
}

}  // namespace
}  // namespace vestibule::audit
