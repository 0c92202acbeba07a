#include "audit/scan.hpp"

#include <gtest/gtest.h>

#include "audit/tests/tamper.hpp"

namespace vestibule::audit {
namespace {

using namespace testing;

std::string all(const VerifyReport& r) {
  std::string out;
  for (const auto& p : r.problems) out += p + "\n";
  return out;
}

TEST(Scan, WholeLog) {
  const Tables log = small_log();
  const auto key = signing_key();
  const VerifyReport r = log.verify(key.public_key());
  EXPECT_EQ(all(r), "");
  EXPECT_EQ(r.records, 24U);
  EXPECT_EQ(r.checkpoints, 3U);
  EXPECT_EQ(r.erased, 0U);
  Tables copy = log;
  copy.shipped.clear();
  EXPECT_EQ(all(copy.verify(key.public_key())), "");
  const VerifyReport other = log.verify(signing_key(8).public_key());
  EXPECT_EQ(other.problems.size(), 6U);
  Tables empty;
  empty.has_tree = false;
  const VerifyReport nothing = empty.verify(key.public_key());
  EXPECT_EQ(all(nothing), "");
  EXPECT_EQ(nothing.root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Scan, FindsEveryTampering) {
  const Tables log = small_log();
  const auto key = signing_key();
  const auto cases = tamperings();
  EXPECT_GE(cases.size(), 50U);
  for (const Tampering& c : cases) {
    Tables copy = log;
    c.act(copy);
    EXPECT_NE(all(copy.verify(key.public_key())).find(c.found), std::string::npos)
        << c.name << "\n"
        << all(copy.verify(key.public_key()));
  }
}

TEST(Scan, EveryFlippedByteOfTheTables) {
  Tables log = small_log();
  const auto key = signing_key();
  const auto found = [&] { return !log.verify(key.public_key()).problems.empty(); };
  const auto flip_all = [&](auto& bytes, std::string_view what, std::size_t step) {
    for (std::size_t i = 0; i < bytes.size(); i += step) {
      const auto old = bytes[i];
      for (const unsigned x : {1U, 0x80U}) {
        bytes[i] = static_cast<std::remove_reference_t<decltype(bytes[i])>>(
            static_cast<unsigned>(old) ^ x);
        EXPECT_TRUE(found()) << what << " byte " << i << " xor " << x;
      }
      bytes[i] = old;
    }
  };
  flip_all(log.segments[0].leaves, "leaves", 1);
  flip_all(log.segments[5].leaves, "leaves", 3);
  flip_all(log.segments[0].fields, "private", 1);
  flip_all(log.frontier, "frontier", 1);
  flip_all(log.checkpoints[1].note, "checkpoint", 1);
  // A flip in the empty lines between shipped notes changes nothing that is signed, but is no note.
  flip_all(log.shipped, "shipped", 1);
  EXPECT_FALSE(found());
}

TEST(Scan, ErasedPartsAreCountedNotErrors) {
  Tables log = small_log();
  for (const std::size_t i : {0U, 3U}) edit_piece(log, 2, i, [](Bytes& b) { b = {kErased}; });
  const VerifyReport r = log.verify(signing_key().public_key());
  EXPECT_EQ(all(r), "");
  EXPECT_EQ(r.erased, 2U);
}

TEST(Scan, SinceLooksAtTheRestOnly) {
  Tables log = small_log();
  const auto key = signing_key();
  EXPECT_EQ(all(log.verify(key.public_key(), 16)), "");
  edit_piece(log, 0, 0, [](Bytes& b) { b.back() ^= 1U; });
  EXPECT_NE(all(log.verify(key.public_key(), 0)), "");
  EXPECT_EQ(all(log.verify(key.public_key(), 16)), "");
  edit_leaf(log, 0, 0, rename_model);
  EXPECT_NE(all(log.verify(key.public_key(), 16)).find("root of size 8"), std::string::npos);
}

TEST(Scan, ProblemsAreBounded) {
  Tables log = small_log();
  for (int i = 0; i < 300; ++i) log.checkpoints.push_back({99, "garbage"});
  const VerifyReport r = log.verify(signing_key().public_key());
  EXPECT_EQ(r.problems.size(), 101U);
  EXPECT_EQ(r.problems.back(), "more");
}

}  // namespace
}  // namespace vestibule::audit
