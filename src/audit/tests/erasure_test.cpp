// Records that are opened to those whom they concern, and what erasure leaves of a person: nothing that can be read, and
// every proof.
#include <gtest/gtest.h>

#include "audit/opened.hpp"
#include "audit/tests/house.hpp"
#include "json/value.hpp"

namespace vestibule::audit {
namespace {

using namespace std::chrono_literals;
using namespace testing;

TEST(Log, ErasureBreaksNoProof) {
  House house("", {.checkpoint_records = 4});
  for (std::uint64_t i = 0; i < 24; i += 4) ASSERT_TRUE(house.append(i, 4));
  const auto before = house.db->read_blocking([&](store::Tx& tx) { return prove(tx, 3); });
  ASSERT_TRUE(before);
  const auto erase = [&](std::string_view name) {
    return house.db->write_blocking([&](store::Tx& tx) { return erase_private(tx, name); });
  };
  EXPECT_EQ(*erase("carl"), 0U);
  EXPECT_EQ(*erase("anna"), 8U);
  EXPECT_EQ(*erase("anna"), 0U);
  EXPECT_EQ(erase("").error().code, Reason::invalid_argument);
  const VerifyReport report = house.verify();
  EXPECT_EQ(all(report), "");
  EXPECT_EQ(report.erased, 8U);
  EXPECT_EQ(house.seqs({.user_name = "anna"}), Seqs{});
  EXPECT_EQ(house.seqs({.user_name = "bert"}).size(), 16U);
  const auto entries = house.list({});
  ASSERT_EQ(entries.size(), 24U);
  EXPECT_TRUE(entries[23].erased);
  EXPECT_EQ(entries[23].source, "");
  EXPECT_EQ(*house.db->read_blocking([&](store::Tx& tx) { return prove(tx, 3); }), *before);
  // The log goes on, and the name may come back with a new record.
  ASSERT_TRUE(house.append(24, 4));
  EXPECT_EQ(house.seqs({.user_name = "anna"}).size(), 2U);
  EXPECT_EQ(all(house.verify()), "");
}

TEST(Log, ARecordOpensForWhoeverHasNoLog) {
  House house("", {.checkpoint_records = 4});
  for (std::uint64_t i = 0; i < 8; i += 4) ASSERT_TRUE(house.append(i, 4));
  const auto opened = [&](std::uint64_t seq) { return house.db->read_blocking([&](store::Tx& tx) { return prove_opened(tx, seq); }); };
  const auto text = opened(3);
  ASSERT_TRUE(text) << text.error().detail;
  const json::Value value = *json::parse(*text);
  const auto& key = house.log->public_key();
  const LogKey ours{"vestibule.local/audit", Bytes(key.begin(), key.end())};
  const LogKey elsewhere{"other.example/audit", ours.key};
  const LogKey stranger{ours.name, Bytes(32, 1)};
  const std::vector<LogKey> keys = {stranger, elsewhere, ours};
  const auto record = open_record(value, keys);
  ASSERT_TRUE(record) << record.error().detail;
  EXPECT_EQ(record->leaf.seq, 3U);
  EXPECT_EQ(record->origin, ours.name);
  EXPECT_EQ(record->about.user_name, house.list({.from_seq = 3, .to_seq = 3}).at(0).user_name);
  EXPECT_FALSE(open_record(value, std::vector{elsewhere})) << "the key, under another name";
  EXPECT_FALSE(open_record(value, std::vector{stranger}));
  EXPECT_FALSE(open_record(value, {}));
  // What opens one record opens no other, and nothing else does.
  const json::Value other = *json::parse(*opened(2));
  for (const char* part : {"fields", "salt", "proof"}) {
    json::Value mixed = value;
    mixed.set(part, *other.find(part));
    EXPECT_FALSE(open_record(mixed, keys)) << part;
    mixed.set(part, "");
    EXPECT_FALSE(open_record(mixed, keys)) << part;
  }
  json::Value more = value;
  more.set("zeal", 1);
  EXPECT_FALSE(open_record(more, keys));
  EXPECT_EQ(opened(8).error().code, Reason::not_found);
  // Erased: the leaf is still in the tree, and opens no more.
  const std::string name(record->about.user_name);
  ASSERT_TRUE(house.db->write_blocking([&](store::Tx& tx) { return erase_private(tx, name); }));
  EXPECT_EQ(opened(3).error().code, Reason::not_found);
  EXPECT_TRUE(open_record(value, keys)) << "what was handed out before still holds";
}

TEST(Log, ErasedBytesAreInNoFileOfTheDatabase) {
  const std::string name = "zz-erase-me-zz";
  const std::string note(400, 'n');
  Folder folder;
  House house(folder / "log.db");
  const auto append = [&](std::string_view who, int n) {
    ASSERT_TRUE(house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
      for (int i = 0; i < n; ++i) {
        Record r;
        r.kind = Kind::change;
        r.operation = "user.display";
        r.user_name = i % 2 == 0 ? who : "root";
        r.object = who;
        r.note = note;
        house.log->append(tx, r);
      }
      return {};
    }));
  };
  // Small and large rows (overflow pages), in both files.
  append(name, 1);
  append("somebody", 50);
  append(name, 400);
  append("somebody", 1);
  const auto holds = [&](std::string_view file) { return read_file(folder / file).find(name) != std::string::npos; };
  ASSERT_TRUE(holds("log.db-wal") || holds("log.db"));
  // A reader that holds a snapshot of before must not lose it, and is waited out.
  std::promise<void> reading;
  std::promise<void> go_on;
  auto go = go_on.get_future();
  std::thread reader([&] {
    EXPECT_TRUE(house.db->read_blocking([&](store::Tx& tx) -> Result<void> {
      std::int64_t n = 0;
      (void)tx.one("SELECT COUNT(*) FROM audit_segment", {}, [&](const store::Row& r) { n = r.integer(0); });
      EXPECT_EQ(n, 4);
      reading.set_value();
      go.wait();
      return {};
    }));
  });
  reading.get_future().wait();
  const auto erased = house.db->write_blocking([&](store::Tx& tx) { return erase_private(tx, name); });
  ASSERT_TRUE(erased);
  EXPECT_EQ(*erased, 401U);
  EXPECT_TRUE(holds("log.db-wal")) << "the reader is in the way";
  go_on.set_value();
  reader.join();
  EXPECT_TRUE(eventually([&] { return !holds("log.db-wal"); }));
  EXPECT_FALSE(holds("log.db"));
  EXPECT_EQ(house.seqs({.user_name = "somebody"}).size(), 26U);
  // Nobody in the way: gone at once.
  append("yy-and-me-yy", 3);
  ASSERT_NE(read_file(folder / "log.db-wal").find("yy-and-me-yy"), std::string::npos);
  ASSERT_TRUE(house.db->write_blocking([&](store::Tx& tx) { return erase_private(tx, "yy-and-me-yy"); }));
  for (const char* file : {"log.db", "log.db-wal"}) {
    EXPECT_EQ(read_file(folder / file).find("yy-and-me-yy"), std::string::npos) << file;
  }
  EXPECT_EQ(all(house.verify()), "");
}

TEST(Log, ErasureTakesChangesAboutThePersonToo) {
  House house("");
  ASSERT_TRUE(house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
    Record r;
    r.kind = Kind::change;
    r.operation = "user.disable";
    r.user_name = "root";
    r.object = "anna";
    house.log->append(tx, r);
    return {};
  }));
  EXPECT_EQ(*house.db->write_blocking([&](store::Tx& tx) { return erase_private(tx, "anna"); }),
            1U);
  EXPECT_EQ(house.list({})[0].object, "");
  EXPECT_EQ(house.list({})[0].operation, "user.disable");
}

}  // namespace
}  // namespace vestibule::audit
