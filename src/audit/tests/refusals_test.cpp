#include "audit/refusals.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace vestibule::audit {
namespace {

using Rows = std::vector<RefusalTable::Row>;
Rows flush(RefusalTable& t, std::int64_t before) {
  Rows out;
  t.flush(before, [&](const RefusalTable::Row& r) {
    out.push_back(r);
    return true;
  });
  return out;
}
domain::Source source(std::string_view text) { return *domain::Source::parse(text); }

TEST(Refusals, AddUpBySourceMinuteReasonAndAccessPoint) {
  const auto t = std::make_unique<RefusalTable>(1);
  for (int i = 0; i < 5; ++i) t->add(source("192.0.2.1"), 100, Reason::credential_missing, "llama");
  t->add(source("192.0.2.2"), 100, Reason::credential_missing, "llama");
  t->add(source("192.0.2.1"), 101, Reason::credential_missing, "llama");
  t->add(source("192.0.2.1"), 100, Reason::credential_unknown, "llama");
  t->add(source("192.0.2.1"), 100, Reason::credential_missing, "other");
  EXPECT_EQ(t->size(), 5U);
  const Rows ended = flush(*t, 101);
  ASSERT_EQ(ended.size(), 4U);
  EXPECT_EQ(ended[0].count, 5U);
  EXPECT_EQ(ended[0].access_point.view(), "llama");
  EXPECT_EQ(t->size(), 1U);
  t->add(source("192.0.2.1"), 101, Reason::credential_missing, "llama");
  const Rows rest = flush(*t, 1000);
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].count, 2U);
  EXPECT_EQ(t->size(), 0U);
}

TEST(Refusals, AnIpv6SubscriberIsOneSource) {
  const auto t = std::make_unique<RefusalTable>(1);
  t->add(source("2001:db8:1:2::3"), 1, Reason::credential_missing, "a");
  t->add(source("2001:db8:1:2:ffff::9"), 1, Reason::credential_missing, "a");
  t->add(source("2001:db8:1:3::3"), 1, Reason::credential_missing, "a");
  t->add(source("::1"), 1, Reason::credential_missing, "a");
  t->add(source("unix"), 1, Reason::credential_missing, "a");
  const Rows rows = flush(*t, 2);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].source.text(), "2001:db8:1:2::");
  EXPECT_EQ(rows[0].count, 2U);
  EXPECT_EQ(rows[2].source.text(), "::1");
  EXPECT_EQ(rows[3].source.text(), "unix");
}

TEST(Refusals, BoundedUnderAFlood) {
  const auto t = std::make_unique<RefusalTable>(99);
  std::uint64_t sent = 0;
  for (unsigned i = 0; i < 20'000; ++i, ++sent) {
    domain::Source s = source("10.0.0.0");
    s.address[14] = static_cast<std::uint8_t>(i >> 8U);
    s.address[15] = static_cast<std::uint8_t>(i);
    t->add(s, 7, Reason::credential_malformed, "llama");
  }
  EXPECT_EQ(t->size(), RefusalTable::kRows + 1);
  const Rows rows = flush(*t, 8);
  ASSERT_EQ(rows.size(), RefusalTable::kRows + 1);
  EXPECT_TRUE(rows.back().shared);
  std::uint64_t got = 0;
  for (const auto& r : rows) got += r.count;
  EXPECT_EQ(got, sent);
  EXPECT_EQ(t->size(), 0U);
}

TEST(Refusals, WhatCouldNotBeWrittenStays) {
  const auto t = std::make_unique<RefusalTable>(3);
  for (unsigned i = 1; i <= 10; ++i)
    t->add(source("10.0.0." + std::to_string(i)), 1, Reason::credential_missing, "a");
  int room = 4;
  t->flush(2, [&](const RefusalTable::Row&) { return room-- > 0; });
  EXPECT_EQ(t->size(), 6U);
  t->add(source("10.0.0.5"), 1, Reason::credential_missing, "a");  // still found after the move
  EXPECT_EQ(t->size(), 6U);
  const Rows rows = flush(*t, 2);
  ASSERT_EQ(rows.size(), 6U);
  EXPECT_EQ(rows[0].source.text(), "10.0.0.5");
  EXPECT_EQ(rows[0].count, 2U);
}

}  // namespace
}  // namespace vestibule::audit
