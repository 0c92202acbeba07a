#include "crypto/p256.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"

namespace vestibule::crypto {
namespace {

P256Key key_of(std::string_view scalar) {
  Result<P256Key> key = P256Key::from_scalar(Secret(*unhex(scalar)));
  EXPECT_TRUE(key);
  return std::move(*key);
}

// RFC 6979 appendix A.2.5, whose key pair and messages are P-256 with SHA-256.
TEST(P256, Rfc6979VectorVerifiesAndOursDoesToo) {
  const P256Key key = key_of("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
  EXPECT_EQ(hex(key.public_key()),
            "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
            "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
  const Bytes signature = *unhex(
      "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
      "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
  EXPECT_TRUE(verify_p256(key.public_key(), as_bytes("sample"), signature));
  EXPECT_FALSE(verify_p256(key.public_key(), as_bytes("sampl"), signature));
  const P256Signature own = key.sign(as_bytes("sample"));
  EXPECT_TRUE(verify_p256(key.public_key(), as_bytes("sample"), own));
}

// RFC 5903 section 8.1.
TEST(P256, Rfc5903VectorOfTheSharedSecret) {
  const P256Key i = key_of("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433");
  const P256Key r = key_of("c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53");
  const Result<Secret> one = i.agree(r.public_key());
  const Result<Secret> other = r.agree(i.public_key());
  ASSERT_TRUE(one && other);
  EXPECT_EQ(hex(one->reveal()), "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
  EXPECT_TRUE(one->equals(other->reveal()));
}

TEST(P256, EveryChangedBitOfASignatureIsRefused) {
  SystemRng rng;
  const P256Key key = P256Key::generate(rng);
  P256Signature signature = key.sign(as_bytes("what was said"));
  for (std::size_t bit = 0; bit < signature.size() * 8; ++bit) {
    signature[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(verify_p256(key.public_key(), as_bytes("what was said"), signature)) << bit;
    signature[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  }
  EXPECT_FALSE(verify_p256(P256Key::generate(rng).public_key(), as_bytes("what was said"), signature));
  EXPECT_FALSE(verify_p256(key.public_key(), as_bytes("what was said"), ByteView(signature).first(63)));
  EXPECT_FALSE(verify_p256(ByteView(key.public_key()).first(64), as_bytes("what was said"), signature));
}

TEST(P256, SignaturesWithoutNumbersAreRefused) {
  SystemRng rng;
  const P256Key key = P256Key::generate(rng);
  // r or s zero (CVE-2022-21449), or the order of the curve.
  const Bytes order = *unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  P256Signature signature{};
  EXPECT_FALSE(verify_p256(key.public_key(), as_bytes("x"), signature));
  std::copy(order.begin(), order.end(), signature.begin());
  std::copy(order.begin(), order.end(), signature.begin() + 32);
  EXPECT_FALSE(verify_p256(key.public_key(), as_bytes("x"), signature));
}

TEST(P256, WhatIsNoPointIsRefused) {
  SystemRng rng;
  const P256Key key = P256Key::generate(rng);
  P256Point point = key.public_key();
  EXPECT_TRUE(parse_p256(point));
  point[64] ^= 1U;  // off the curve
  EXPECT_FALSE(parse_p256(point));
  EXPECT_FALSE(key.agree(point));
  EXPECT_FALSE(parse_p256({}));
  EXPECT_FALSE(parse_p256(Bytes(65, 0)));
  EXPECT_FALSE(parse_p256(Bytes{0}));
  Bytes compressed(key.public_key().begin(), key.public_key().begin() + 33);
  compressed[0] = 2;
  EXPECT_FALSE(parse_p256(compressed));
  Bytes hybrid(key.public_key().begin(), key.public_key().end());
  hybrid[0] = static_cast<std::uint8_t>(6 + (hybrid[64] & 1U));
  EXPECT_FALSE(parse_p256(hybrid));
}

TEST(P256, AScalarLiesBetweenOneAndTheOrder) {
  EXPECT_FALSE(P256Key::from_scalar(Secret(Bytes(32, 0))));
  EXPECT_FALSE(P256Key::from_scalar(Secret(Bytes(32, 0xFF))));
  EXPECT_FALSE(P256Key::from_scalar(Secret(*unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"))));
  EXPECT_TRUE(P256Key::from_scalar(Secret(*unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550"))));
  EXPECT_FALSE(P256Key::from_scalar(Secret(Bytes(31, 1))));
}

}  // namespace
}  // namespace vestibule::crypto
