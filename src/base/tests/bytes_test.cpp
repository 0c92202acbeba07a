#include "base/bytes.hpp"

#include <gtest/gtest.h>

#include "base/id.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule {
namespace {

TEST(Bytes, Rfc4648Vectors) {
  struct Row { std::string_view plain, b64, b32, hex; };
  for (const Row& r : {Row{"", "", "", ""}, Row{"f", "Zg==", "MY", "66"}, Row{"fo", "Zm8=", "MZXQ", "666f"},
                       Row{"foo", "Zm9v", "MZXW6", "666f6f"}, Row{"foob", "Zm9vYg==", "MZXW6YQ", "666f6f62"},
                       Row{"fooba", "Zm9vYmE=", "MZXW6YTB", "666f6f6261"},
                       Row{"foobar", "Zm9vYmFy", "MZXW6YTBOI", "666f6f626172"}}) {
    EXPECT_EQ(base64(as_bytes(r.plain)), r.b64);
    EXPECT_EQ(base32(as_bytes(r.plain)), r.b32);
    EXPECT_EQ(hex(as_bytes(r.plain)), r.hex);
    EXPECT_EQ(as_text(*unbase64(r.b64)), r.plain);
    EXPECT_EQ(as_text(*unbase32(r.b32)), r.plain);
    EXPECT_EQ(as_text(*unhex(r.hex)), r.plain);
    EXPECT_EQ(as_text(*unbase64url(base64url(as_bytes(r.plain)))), r.plain);
  }
}

// Its digits are made eight at a time, without a table.
TEST(Bytes, LowerBase32IsTheOther) {
  std::uint64_t seed = 1;
  std::array<std::uint8_t, 16> bytes{};
  for (int round = 0; round < 10'000; ++round) {
    std::string lower;
    for (const char c : base32(bytes)) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    const auto digits = base32_lower(bytes);
    ASSERT_EQ(std::string_view(digits.data(), digits.size()), lower);
    for (std::uint8_t& b : bytes) {
      seed = seed * 6364136223846793005U + 1442695040888963407U;
      b = round == 0 ? 0xFF : static_cast<std::uint8_t>(seed >> 56U);
    }
  }
}

TEST(Bytes, DecodersRefuseASecondSpelling) {
  for (const char* bad : {"Zg", "Zg=", "Zh==", "Zm9=", "Zg==\n", " Zg==", "Z===", "====", "Zm 9"})
    EXPECT_FALSE(unbase64(bad)) << bad;
  for (const char* bad : {"Zh", "Z", "Zg==", "Zm+v", "Zm/v"}) EXPECT_FALSE(unbase64url(bad)) << bad;
  for (const char* bad : {"M", "MZ1", "MZ======", "MB", "MZX", "MZXW6Y"}) EXPECT_FALSE(unbase32(bad)) << bad;
  for (const char* bad : {"6", "6G", "AB"}) EXPECT_FALSE(unhex(bad)) << bad;
}

TEST(Bytes, Utf8) {
  for (const char* good : {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf8\x88\x80\x80\x80", "a\xff", "\xe2\x82"})
    EXPECT_FALSE(is_utf8(bad));
}

TEST(Secret, ComparesAndMoves) {
  Secret a(std::string_view("hunter2"));
  EXPECT_TRUE(a.equals(as_bytes("hunter2")));
  EXPECT_FALSE(a.equals(as_bytes("hunter3")));
  EXPECT_FALSE(a.equals(as_bytes("hunter")));
  const Secret b = std::move(a);
  EXPECT_EQ(b.reveal_text(), "hunter2");
}

TEST(Ids, RoundTripAndTypes) {
  CountingRng rng;
  const UserId id = UserId::make(rng);
  EXPECT_EQ(UserId::parse(id.text()), id);
  EXPECT_FALSE(SessionId::parse(id.text()));
  EXPECT_FALSE(UserId::parse(id.text() + "a"));
  EXPECT_FALSE(UserId::parse("usr_"));
}

TEST(Reasons, CatalogueIsWhole) {
  for (std::size_t i = 0; i < reason_count(); ++i) {
    const auto r = static_cast<Reason>(i);
    EXPECT_EQ(reason_from(info(r).code), r);
    EXPECT_FALSE(info(r).text.empty());
    EXPECT_GE(info(r).status, 200);
  }
  EXPECT_FALSE(reason_from("no_such_reason"));
}

TEST(Clock, MarkOnlyRises) {
  SystemClock clock;
  EXPECT_TRUE(clock.trusted());
  clock.raise_mark(clock.wall() + std::chrono::hours(1));
  EXPECT_FALSE(clock.trusted());
  clock.raise_mark(WallTime{});
  EXPECT_FALSE(clock.trusted());
  EXPECT_EQ(rfc3339(WallTime(std::chrono::seconds(1'795'402'956))), "2026-11-23T03:02:36Z");
}

}  // namespace
}  // namespace vestibule
