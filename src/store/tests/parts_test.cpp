#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>

#include "store/journal.hpp"
#include "store/migrations.hpp"
#include "store/ring.hpp"

namespace vestibule::store {
namespace {

Bytes numbered(std::uint32_t n, std::size_t size) {
  Bytes out(size, static_cast<std::uint8_t>(n * 37));
  if (size > 0) std::memcpy(out.data(), &n, std::min(size, sizeof n));
  return out;
}

TEST(Ring, WrapsWithEverySize) {
  Ring ring(4096);
  std::mt19937 random(7);
  std::uint32_t put = 0;
  std::vector<Bytes> expected;
  for (int round = 0; round < 3000; ++round) {
    const auto burst = random() % 8;
    for (unsigned i = 0; i < burst; ++i) {
      const Bytes entry = numbered(put, random() % (random() % 10 == 0 ? 2040 : 300));
      if (ring.push(entry, false) == Ring::Push::ok) {
        expected.push_back(entry);
        ++put;
      }
    }
    std::vector<ByteView> got;
    const std::uint64_t to = ring.head();
    ring.collect(to, got);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_TRUE(std::equal(got[i].begin(), got[i].end(), expected[i].begin(), expected[i].end()));
    }
    ring.release(to);
    expected.clear();
  }
  EXPECT_GT(put, 3000U);
}

TEST(Ring, TakesTheLargestEntryAtAnyPlaceAndRefusesMore) {
  Ring ring(4096);
  const Bytes largest(2040);
  const Bytes one(1);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(ring.push(one, false), Ring::Push::ok);
    ring.release(ring.head());
    ASSERT_EQ(ring.push(largest, false), Ring::Push::ok);
    std::vector<ByteView> got;
    ring.collect(ring.head(), got);
    ASSERT_EQ(got.size(), 1U);
    ring.release(ring.head());
  }
  EXPECT_EQ(ring.push(Bytes(2041), false), Ring::Push::too_large);
}

TEST(Ring, BetweenTwoThreads) {
  Ring ring(8192);
  constexpr std::uint32_t kCount = 50'000;
  std::thread producer([&] {
    std::mt19937 random(11);
    for (std::uint32_t n = 0; n < kCount;) {
      if (ring.push(numbered(n, 4 + random() % 500), n % 2 == 0) == Ring::Push::ok) {
        ++n;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::uint32_t next = 0;
  std::vector<ByteView> got;
  while (next < kCount) {
    got.clear();
    const std::uint64_t to = ring.head();
    ring.collect(to, got);
    if (got.empty()) std::this_thread::yield();
    for (const ByteView e : got) {
      std::uint32_t n = 0;
      std::memcpy(&n, e.data(), sizeof n);
      ASSERT_EQ(n, next++);
      ASSERT_EQ(e.back(), e.size() > 4 ? static_cast<std::uint8_t>(n * 37) : e.back());
    }
    ring.release(to);
  }
  producer.join();
}

TEST(FailedRanges, MergesAndStaysBounded) {
  FailedRanges f;
  f.add(10, 20);
  f.add(20, 30);
  EXPECT_EQ(f.size(), 1U);
  EXPECT_FALSE(f.contains(10));
  EXPECT_TRUE(f.contains(11));
  EXPECT_TRUE(f.contains(30));
  EXPECT_FALSE(f.contains(31));
  for (std::uint64_t i = 1; i <= 200; ++i) f.add(i * 100, i * 100 + 10);
  EXPECT_LE(f.size(), FailedRanges::kMax);
  EXPECT_TRUE(f.contains(20'005));
  EXPECT_FALSE(f.contains(19'950));
  EXPECT_TRUE(f.contains(15)) << "what has been failed stays failed";
}

TEST(Migrations, SplitsStatements) {
  using L = std::vector<std::string>;
  const EngineNames names{"BLOB"};
  EXPECT_EQ(statements("", names), L{});
  EXPECT_EQ(statements(" ; ;\n-- only; a comment", names), L{});
  EXPECT_EQ(statements("A; B ;", names), (L{"A", "B"}));
  EXPECT_EQ(statements("a BYTES, BYTES_x, 'BYTES;', \"BYTES\" b--c\n d", names),
            (L{"a BLOB, BYTES_x, 'BYTES;', \"BYTES\" b\n d"}));
  EXPECT_EQ(statements("x 'it''s; fine'; y 'open", names), (L{"x 'it''s; fine'", "y 'open"}));
}

}  // namespace
}  // namespace vestibule::store
