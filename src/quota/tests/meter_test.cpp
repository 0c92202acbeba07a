#include "quota/meter.hpp"

#include <gtest/gtest.h>

namespace vestibule::quota {
namespace {

using namespace std::chrono_literals;

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kStart = 1000 * kSecond;  // since boot

Terms terms(std::uint64_t count, Duration window, unsigned cores = 2) {
  return Terms(domain::Rate{count, window, {}}, cores);
}

TEST(MeterTest, ABurstIsTheCountAndThenOneComesBackAtATime) {
  const Terms t = terms(5, 60s);
  Meter m;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(m.take(t, 1, kStart), 1U);
  EXPECT_EQ(m.take(t, 1, kStart), 0U);
  EXPECT_EQ(m.wait(t, kStart), 12 * kSecond);
  EXPECT_EQ(m.take(t, 1, kStart + 12 * kSecond - 1), 0U);
  EXPECT_EQ(m.take(t, 1, kStart + 12 * kSecond), 1U);
  EXPECT_EQ(m.take(t, 1, kStart + 12 * kSecond), 0U);
  // However long nobody asks, it is never fuller than full.
  EXPECT_EQ(m.take(t, 100, kStart + 1'000'000 * kSecond), 5U);
}

TEST(MeterTest, NeverMoreThanTheRateOverALongTime) {
  for (const auto& [count, window] : {std::pair{7U, Duration(60s)}, std::pair{1'000'000'000U, Duration(1s)}, std::pair{3U, Duration(7 * 24h)}}) {
    const Terms t = terms(count, window);
    Meter m;
    std::uint64_t taken = 0;
    const Nanoseconds end = 10 * window.count() * 1000;
    for (Nanoseconds at = 0; at < end; at += end / 997) taken += m.take(t, count, kStart + at);
    EXPECT_LE(taken, std::uint64_t{count} * 11) << count;
    EXPECT_GE(taken, std::uint64_t{count} * 10 - 10) << count;
  }
}

TEST(MeterTest, DebtIsPaidBeforeAnythingIsLetThrough) {
  const Terms t = terms(100, 100s);
  Meter m;
  EXPECT_EQ(m.take(t, 1, kStart), 1U);
  m.charge(t, 249, kStart);  // 150 below nothing
  EXPECT_EQ(m.take(t, 1, kStart + 150 * kSecond), 0U);
  EXPECT_EQ(m.wait(t, kStart), 151 * kSecond);
  EXPECT_EQ(m.take(t, 100, kStart + 151 * kSecond), 1U);
}

TEST(MeterTest, AHugeDebtStopsAtAMonthAndOverflowsNothing) {
  const Terms t = terms(1, 7 * 24h);
  Meter m;
  for (int i = 0; i < 3; ++i) m.charge(t, ~std::uint64_t{0}, kStart);
  EXPECT_FALSE(m.full(kStart));
  EXPECT_EQ(m.take(t, 1, kStart + Nanoseconds{29} * 24 * 3600 * kSecond), 0U);
  EXPECT_EQ(m.take(t, 1, kStart + Nanoseconds{31} * 24 * 3600 * kSecond), 1U);
}

TEST(MeterTest, WhatIsGivenBackIsThereAgainAndNoMore) {
  const Terms t = terms(5, 60s);
  Meter m;
  EXPECT_EQ(m.take(t, 5, kStart), 5U);
  m.give_back(t, 2);
  EXPECT_EQ(m.take(t, 5, kStart), 2U);
  m.give_back(t, 5);
  EXPECT_TRUE(m.full(kStart));
  EXPECT_EQ(m.take(t, 50, kStart), 5U);
}

TEST(MeterTest, CoresHoldNothingOfSmallQuotasAndASixtyFourthOfLargeOnes) {
  EXPECT_EQ(terms(5, 60s, 2).lease, 1U);
  EXPECT_EQ(terms(255, 60s, 2).lease, 1U);
  EXPECT_EQ(terms(64'000, 60s, 2).lease, 500U);
  EXPECT_EQ(terms(64'000, 60s, 61).lease, 16U);
}

}  // namespace
}  // namespace vestibule::quota
