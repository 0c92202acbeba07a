#include "crypto/password.hpp"

#include <gtest/gtest.h>

namespace vestibule::crypto {
namespace {

const Bytes kPepper(32, 0x9E);
// The least cost that hash_password() takes; about 20 ms.
constexpr PasswordCost kCost = kLeastPasswordCost;

// RFC 9106 section 5.3.
TEST(Password, Argon2idRfc9106) {
  const auto tag = argon2id(Bytes(32, 1), Bytes(16, 2), Bytes(8, 3), Bytes(12, 4), {32, 3, 4}, 32);
  ASSERT_TRUE(tag);
  EXPECT_EQ(hex(*tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
  EXPECT_FALSE(argon2id({}, Bytes(7, 2), {}, {}, {32, 3, 4}, 32));
  EXPECT_FALSE(argon2id({}, Bytes(16, 2), {}, {}, {32, 0, 1}, 32));
  EXPECT_FALSE(argon2id({}, Bytes(16, 2), {}, {}, {32, 1, 0}, 32));
}

TEST(Password, VerifiesItselfOnly) {
  SystemRng rng;
  const auto encoded = hash_password("correct horse", kPepper, kCost, rng);
  ASSERT_TRUE(encoded);
  EXPECT_TRUE(encoded->starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
  EXPECT_EQ(encoded->size(), 31U + 22 + 1 + 43);
  EXPECT_TRUE(verify_password("correct horse", *encoded, kPepper));
  EXPECT_FALSE(verify_password("correct horsf", *encoded, kPepper));
  EXPECT_FALSE(verify_password("", *encoded, kPepper));
  EXPECT_FALSE(verify_password("correct horse", *encoded, {}));
  EXPECT_FALSE(verify_password("correct horse", *encoded, Bytes(32, 0x9F)));
  EXPECT_NE(*encoded, *hash_password("correct horse", kPepper, kCost, rng));
  EXPECT_FALSE(verify_no_password("correct horse", kPepper, kCost));
}

TEST(Password, BoundsOfInput) {
  SystemRng rng;
  EXPECT_FALSE(hash_password("", kPepper, kCost, rng));
  EXPECT_FALSE(hash_password(std::string(1025, 'x'), kPepper, kCost, rng));
  const std::string longest(1024, 'x');
  const auto encoded = hash_password(longest, kPepper, kCost, rng);
  ASSERT_TRUE(encoded);
  EXPECT_TRUE(verify_password(longest, *encoded, kPepper));
  EXPECT_FALSE(verify_password(longest + 'x', *encoded, kPepper));
  for (const PasswordCost& bad : {PasswordCost{19455, 2, 1}, PasswordCost{19456, 1, 1},
                                  PasswordCost{19456, 2, 0}, PasswordCost{1024 * 1024 + 1, 2, 1},
                                  PasswordCost{19456, 65, 1}, PasswordCost{19456, 2, 17}}) {
    const auto refused = hash_password("x", kPepper, bad, rng);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Reason::invalid_argument);
  }
}

TEST(Password, MalformedHashesAreFalse) {
  const std::string salt = "AgICAgICAgICAgICAgICAg", hash(43, 'A');
  const std::string good = "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + hash;
  EXPECT_FALSE(needs_rehash(good, {64, 1, 1}));
  for (const std::string& bad : {
           std::string(), std::string("$"), std::string("!"), "x" + good, good + "A", good + "=",
           good.substr(0, good.size() - 1), "$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + hash,
           "$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + hash,
           "$argon2id$m=64,t=1,p=1$" + salt + "$" + hash,
           "$argon2id$v=19$m=064,t=1,p=1$" + salt + "$" + hash,
           "$argon2id$v=19$m=+64,t=1,p=1$" + salt + "$" + hash,
           "$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + hash,
           "$argon2id$v=19$m=7,t=1,p=1$" + salt + "$" + hash,
           "$argon2id$v=19$m=64,t=1,p=9$" + salt + "$" + hash,
           "$argon2id$v=19$m=1048577,t=1,p=1$" + salt + "$" + hash,
           "$argon2id$v=19$m=99999999999,t=1,p=1$" + salt + "$" + hash,
           "$argon2id$v=19$m=64,t=1,p=1,keyid=1$" + salt + "$" + hash,
           "$argon2id$v=19$t=1,m=64,p=1$" + salt + "$" + hash}) {
    EXPECT_TRUE(needs_rehash(bad, {64, 1, 1})) << bad;
    EXPECT_FALSE(verify_password("x", bad, kPepper)) << bad;
  }
  // Well-formed but not canonical base64: left-over bits in salt and in hash.
  const std::string odd = salt.substr(0, 21) + "h$";
  EXPECT_FALSE(verify_password("x", "$argon2id$v=19$m=64,t=1,p=1$" + odd + hash, kPepper));
  EXPECT_FALSE(verify_password("x", good.substr(0, good.size() - 1) + "B", kPepper));
}

TEST(Password, RehashWhenTheCostDiffers) {
  SystemRng rng;
  const auto encoded = hash_password("x", kPepper, kCost, rng);
  EXPECT_FALSE(needs_rehash(*encoded, kCost));
  EXPECT_TRUE(needs_rehash(*encoded, {kCost.memory_kib + 1, kCost.passes, kCost.lanes}));
  EXPECT_TRUE(needs_rehash(*encoded, {kCost.memory_kib, kCost.passes + 1, kCost.lanes}));
  EXPECT_TRUE(needs_rehash(*encoded, {kCost.memory_kib, kCost.passes, kCost.lanes + 1}));
}

TEST(Password, CalibrationStaysInBounds) {
  const PasswordCost quick = calibrate_password_cost(std::chrono::milliseconds(1), 1);
  EXPECT_EQ(quick, kLeastPasswordCost);
  const PasswordCost some = calibrate_password_cost(std::chrono::milliseconds(60), 32 * 1024);
  EXPECT_GE(some.memory_kib, kLeastPasswordCost.memory_kib);
  EXPECT_LE(some.memory_kib, 32U * 1024);
  EXPECT_GE(some.passes, 2U);
  EXPECT_LE(some.passes, kMostPasswordCost.passes);
  EXPECT_EQ(some.lanes, 1U);
}

}  // namespace
}  // namespace vestibule::crypto
