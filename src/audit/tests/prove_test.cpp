// Proofs out of the store: with the roots of subtrees, without them, and with doctored ones.
#include <gtest/gtest.h>

#include "audit/tests/house.hpp"

namespace vestibule::audit {
namespace {

using namespace std::chrono_literals;
using namespace testing;

constexpr std::uint64_t kRecords = 1'400;  // five subtrees of 256 and some

// Batches of no round size, so that subtrees begin and end within segments.
void fill(House& house) {
  for (std::uint64_t i = 0; i < kRecords; i += 100) ASSERT_TRUE(house.append(i, 100));
}

Result<std::string> proof_of(House& house, std::uint64_t seq) {
  return house.db->read_blocking([&](store::Tx& tx) { return prove(tx, seq); });
}
Result<void> run(House& house, std::string_view sql) {
  return house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
    auto done = tx.run(sql);
    if (!done) return std::move(done).error();
    return {};
  });
}
std::int64_t count(House& house, std::string_view sql) {
  std::int64_t n = -1;
  auto read = house.db->read_blocking([&](store::Tx& tx) { return tx.one(sql, {}, [&](const store::Row& row) { n = row.integer(0); }); });
  EXPECT_TRUE(read);
  return n;
}

Result<void> covered(House& house) {
  return house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
    std::string name;
    house.log->append(tx, sample(kRecords, name), Log::Cover::at_once);
    return {};
  });
}

TEST(Prove, EveryRecordWithAndWithoutTheRootsOfSubtrees) {
  House house("");
  fill(house);
  ASSERT_TRUE(covered(house));
  EXPECT_EQ(count(house, "SELECT COUNT(*) FROM audit_subtree"), 5);
  EXPECT_EQ(all(house.verify()), "");
  std::vector<std::string> with;
  for (std::uint64_t seq = 0; seq <= kRecords; seq += seq % 256 < 3 || seq % 256 > 252 ? 1 : 50) {
    const auto proof = proof_of(house, seq);
    ASSERT_TRUE(proof) << seq << " " << proof.error().detail;
    const auto good = check_proof(*proof, house.log->public_key());
    EXPECT_TRUE(good) << seq << " " << good.error().detail;
    with.push_back(*proof);
  }
  // A log from before there was the table.
  ASSERT_TRUE(run(house, "DELETE FROM audit_subtree"));
  EXPECT_EQ(all(house.verify()), "");
  std::size_t i = 0;
  for (std::uint64_t seq = 0; seq <= kRecords; seq += seq % 256 < 3 || seq % 256 > 252 ? 1 : 50) {
    const auto proof = proof_of(house, seq);
    ASSERT_TRUE(proof);
    EXPECT_EQ(*proof, with[i++]);
  }
}

TEST(Prove, DoctoredRootsProveNothingAndAreFound) {
  House house("");
  fill(house);
  ASSERT_TRUE(covered(house));
  ASSERT_TRUE(run(house, "UPDATE audit_subtree SET root = (SELECT root FROM audit_subtree WHERE idx = 0) WHERE idx = 2"));
  const auto proof = proof_of(house, 3);
  ASSERT_FALSE(proof);
  EXPECT_EQ(proof.error().code, Reason::log_corrupt);
  EXPECT_NE(all(house.verify()).find("the stored root of records 512 to 767"), std::string::npos);
  // Of the leaves that it hides nothing is believed either.
  EXPECT_TRUE(proof_of(house, 600)) << "its own part of the tree is hashed";
  ASSERT_TRUE(run(house, "UPDATE audit_subtree SET root = (SELECT frontier FROM audit_tree) WHERE idx = 2"));
  EXPECT_NE(all(house.verify()).find("is damaged"), std::string::npos);
  ASSERT_TRUE(run(house, "UPDATE audit_subtree SET idx = 9 WHERE idx = 2"));
  EXPECT_NE(all(house.verify()).find("damaged"), std::string::npos);
  ASSERT_TRUE(run(house, "UPDATE audit_subtree SET root = (SELECT root FROM audit_subtree WHERE idx = 0) WHERE idx = 9"));
  EXPECT_NE(all(house.verify()).find("subtrees that the records do not have"), std::string::npos);
}

TEST(Prove, CoveredAtOnce) {
  Options options;
  options.checkpoint_every = 1h;
  House house("", options);
  ASSERT_TRUE(house.append(0, 3));
  EXPECT_EQ(proof_of(house, 1).error().code, Reason::conflict);
  ASSERT_TRUE(covered(house));
  EXPECT_TRUE(proof_of(house, 1));
  EXPECT_TRUE(proof_of(house, 3));
  // And not for ever.
  ASSERT_TRUE(house.append(4, 1));
  EXPECT_EQ(proof_of(house, 4).error().code, Reason::conflict);
}

TEST(Prove, FindsARecordByItsNoteAndTime) {
  House house("");
  ASSERT_TRUE(house.append(0, 400));
  const auto noted = [&](std::string_view note, WallTime at) {
    return house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
      Record r;
      r.kind = Kind::change;
      r.operation = "tools.confirm";
      r.note = note;
      r.at = at;
      house.log->append(tx, r);
      return {};
    });
  };
  const auto find = [&](std::string_view note, WallTime at) {
    return house.db->read_blocking([&](store::Tx& tx) { return find_noted(tx, Kind::change, "tools.confirm", note, at); });
  };
  const WallTime then(std::chrono::seconds(1'800'000'300));
  ASSERT_TRUE(noted("one", then));  // a little late, as a record of a busy moment
  ASSERT_TRUE(noted("two", then));
  ASSERT_TRUE(noted("set back", then - 24h));
  ASSERT_TRUE(house.append(400, 400));
  const auto one = find("one", then);
  ASSERT_TRUE(one) << one.error().detail;
  EXPECT_EQ(*one, 400U);
  EXPECT_EQ(*find("two", then), 401U);
  EXPECT_EQ(*find("set back", then - 24h), 402U) << "where the clock went back, all is looked at";
  EXPECT_EQ(find("three", then).error().code, Reason::not_found);
  EXPECT_EQ(find("one", then - 5s).error().code, Reason::not_found);
}

}  // namespace
}  // namespace vestibule::audit
