#include "crypto/signature.hpp"

#include <gtest/gtest.h>

namespace vestibule::crypto {
namespace {

// RFC 8032 section 7.1, tests 1, 2, 3 and SHA(abc).
TEST(Signature, Rfc8032Vectors) {
  struct Row { std::string_view seed, key, message, signature; };
  for (const Row& r :
       {Row{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
            "c61e39701cf9"
            "b46bd25bf5f0595bbe24655141438e7a100b"},
        Row{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
            "458f3613d0f1"
            "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
        Row{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
            "ae67f760984d"
            "c6594a7c15e9716ed28dc027beceea1ec40a"},
        Row{"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a8"
            "36ba3c23a3fe"
            "ebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ec"
            "fdfbc7c66431"
            "e0303dca179c138ac17ad9bef1177331a704"}}) {
    const Bytes message = *unhex(r.message);
    const auto key = SigningKey::from_seed(Secret(*unhex(r.seed)));
    ASSERT_TRUE(key);
    EXPECT_EQ(hex(key->public_key()), r.key);
    EXPECT_EQ(hex(key->sign(message)), r.signature);
    EXPECT_TRUE(verify_signature(key->public_key(), message, key->sign(message)));
  }
}

TEST(Signature, RefusesEverythingElse) {
  SystemRng rng;
  auto made = SigningKey::from_seed(SigningKey::generate_seed(rng));
  ASSERT_TRUE(made);
  const SigningKey key = std::move(*made);
  const Bytes message(50, 7);
  const Signature good = key.sign(message);
  EXPECT_TRUE(verify_signature(key.public_key(), message, good));
  for (std::size_t i = 0; i < good.size(); ++i) {
    Signature bad = good;
    bad[i] ^= 1U;
    EXPECT_FALSE(verify_signature(key.public_key(), message, bad)) << i;
    EXPECT_FALSE(verify_signature(key.public_key(), message, ByteView(good).first(i))) << i;
  }
  for (std::size_t i = 0; i < 32; ++i) {
    PublicKey bad = key.public_key();
    bad[i] ^= 1U;
    EXPECT_FALSE(verify_signature(bad, message, good)) << i;
    EXPECT_FALSE(verify_signature(ByteView(key.public_key()).first(i), message, good)) << i;
  }
  EXPECT_FALSE(verify_signature(key.public_key(), ByteView(message).first(49), good));
  for (const std::size_t size : {0U, 31U, 33U, 64U})
    EXPECT_FALSE(SigningKey::from_seed(Secret(Bytes(size, 1))));
}

}  // namespace
}  // namespace vestibule::crypto
