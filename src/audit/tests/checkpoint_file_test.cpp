// When the log signs a checkpoint, and the file that is shipped.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "audit/tests/house.hpp"

namespace vestibule::audit {
namespace {

using namespace std::chrono_literals;
using namespace testing;

TEST(Log, WhenCheckpointsAreMade) {
  House house("");
  ASSERT_TRUE(house.append(0, 1));
  EXPECT_EQ(house.log->checkpoint(), "");
  house.clock.advance(61s);
  ASSERT_TRUE(house.append(1, 1));
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 2U);
  ASSERT_TRUE(house.append(2, 1));
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 2U);
  house.clock.set_wall(WallTime(1s));  // set back: the boot clock decides
  house.clock.advance(61s);
  ASSERT_TRUE(house.append(3, 1));
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 4U);
  ASSERT_TRUE(house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
    Record r;
    r.kind = Kind::system;
    r.operation = "stop";
    house.log->append(tx, r);
    return {};
  }));
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 5U);
  EXPECT_EQ(all(house.verify()), "");
  EXPECT_TRUE(house.log->verifier_key().starts_with("vestibule.local/audit+"));
}

TEST(Log, TheLastRecordsBeforeAQuietSpellAreCovered) {
  House house("");
  const auto checkpoints = [&] {
    std::int64_t n = -1;
    EXPECT_TRUE(house.db->read_blocking([&](store::Tx& tx) {
      return tx.one("SELECT COUNT(*) FROM audit_checkpoint", {}, [&](const store::Row& r) { n = r.integer(0); });
    }));
    return n;
  };
  ASSERT_TRUE(house.append(0, 3));
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(checkpoints(), 0) << "not due yet";
  house.clock.advance(59s);
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(checkpoints(), 0);
  house.clock.advance(1s);
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(checkpoints(), 1);
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 3U);
  // Hours of quiet make no more of them.
  for (int i = 0; i < 100; ++i) {
    house.clock.advance(600s);
    ASSERT_TRUE(house.cover());
  }
  EXPECT_EQ(checkpoints(), 1);
  EXPECT_EQ(house.log->size(), 3U) << "and no records";
  ASSERT_TRUE(house.append(3, 1));  // the first after a long time is covered at once
  EXPECT_EQ(checkpoints(), 2);
  ASSERT_TRUE(house.append(4, 1));
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(checkpoints(), 2);
  house.clock.advance(60s);
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 5U);
  EXPECT_EQ(all(house.verify()), "");
}

TEST(Log, AnUncoveredEndIsCoveredAfterARestart) {
  Folder folder;
  {
    House house(folder / "log.db");
    ASSERT_TRUE(house.append(0, 2));
  }
  House house(folder / "log.db");
  EXPECT_EQ(house.log->checkpoint(), "");
  house.clock.advance(60s);
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 2U);
}

TEST(Log, CheckpointFileMendsAndCatchesUp) {
  Folder folder;
  Options options;
  options.checkpoint_records = 1;
  options.checkpoint_file = folder / "checkpoints";
  {
    House house(folder / "db", options);
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(house.append(i, 1));
  }
  const std::string whole = read_file(options.checkpoint_file);
  ASSERT_EQ(split_notes(whole).size(), 3U);
  for (const std::size_t lost : {1U, 2U, 20U, 150U, 160U, 200U, 300U}) {
    std::filesystem::resize_file(options.checkpoint_file, whole.size() - lost);
    { House house(folder / "db", options); }
    const std::string shipped = read_file(options.checkpoint_file);
    House house(folder / "db", options);
    EXPECT_EQ(all(house.verify(shipped)), "") << lost;
    EXPECT_EQ(split_notes(shipped).size(), 3U) << lost;
  }
  std::filesystem::remove(options.checkpoint_file);
  { House house(folder / "db", options); }
  EXPECT_EQ(read_file(options.checkpoint_file), whole);
}

TEST(Log, CheckpointFileThatFailsDeniesNothing) {
  Folder folder;
  Options options;
  options.checkpoint_records = 1;
  std::filesystem::create_directory(folder / "sub");
  options.checkpoint_file = (folder / "sub") / "checkpoints";
  {
    House house(folder / "db", options);
    std::filesystem::remove_all(folder / "sub");
    ASSERT_TRUE(house.append(0, 1));
    ASSERT_TRUE(house.append(1, 1));
    EXPECT_EQ(house.log->health(), store::Health::ok);
    std::filesystem::create_directory(folder / "sub");
    ASSERT_TRUE(house.append(2, 1));
  }
  EXPECT_EQ(split_notes(read_file(options.checkpoint_file)).size(), 3U);

  auto db = open_database("");
  ManualClock clock;
  CountingRng rng;
  options.checkpoint_file = folder / "nowhere/checkpoints";
  EXPECT_EQ(Log::open(*db, options, Secret(Bytes(32, 7)), clock, rng).error().code,
            Reason::config_invalid);
  options.checkpoint_file.clear();
  options.origin = "two words";
  EXPECT_EQ(Log::open(*db, options, Secret(Bytes(32, 7)), clock, rng).error().code,
            Reason::config_invalid);
  options.origin = "a";
  EXPECT_FALSE(Log::open(*db, options, Secret(Bytes(31, 7)), clock, rng));
}

}  // namespace
}  // namespace vestibule::audit
