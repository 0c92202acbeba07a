#include "crypto/spki.hpp"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>

#include "crypto/openssl.hpp"

namespace vestibule::crypto {
namespace {

using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;

struct KeyRow {
  std::int64_t algorithm;
  Key key;
  const EVP_MD* hash;
  Bytes numbers{}, spki{};
};

Bytes point_of(EVP_PKEY* key) {
  std::array<unsigned char, 133> raw{};
  std::size_t size = 0;
  EXPECT_EQ(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, raw.data(), raw.size(), &size), 1);
  return {raw.begin() + 1, raw.begin() + static_cast<std::ptrdiff_t>(size)};
}

Bytes numbers_of(const KeyRow& row) {
  if (row.algorithm == -8) {
    Bytes out(32);
    std::size_t size = out.size();
    EXPECT_EQ(EVP_PKEY_get_raw_public_key(row.key.get(), out.data(), &size), 1);
    return out;
  }
  if (row.algorithm != -257) return point_of(row.key.get());
  BIGNUM* n = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(row.key.get(), OSSL_PKEY_PARAM_RSA_N, &n), 1);
  Bytes out(256);
  EXPECT_EQ(BN_bn2binpad(n, out.data(), 256), 256);
  BN_free(n);
  out.insert(out.end(), {1, 0, 1});
  return out;
}

std::vector<KeyRow> rows() {
  std::vector<KeyRow> out;
  out.push_back({-7, Key(EVP_EC_gen("P-256")), EVP_sha256()});
  out.push_back({-35, Key(EVP_EC_gen("P-384")), EVP_sha384()});
  out.push_back({-8, Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")), nullptr});
  out.push_back({-257, Key(EVP_RSA_gen(2048)), EVP_sha256()});
  for (KeyRow& row : out) {
    row.numbers = numbers_of(row);
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(row.key.get(), &der);
    row.spki.assign(der, der + size);
    OPENSSL_free(der);
  }
  return out;
}

Bytes sign(const KeyRow& row, std::string_view message) {
  const std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>> ctx(EVP_MD_CTX_new());
  std::size_t size = 0;
  EXPECT_EQ(EVP_DigestSignInit(ctx.get(), nullptr, row.hash, nullptr, row.key.get()), 1);
  EXPECT_EQ(EVP_DigestSign(ctx.get(), nullptr, &size, as_bytes(message).data(), message.size()), 1);
  Bytes out(size);
  EXPECT_EQ(EVP_DigestSign(ctx.get(), out.data(), &size, as_bytes(message).data(), message.size()), 1);
  out.resize(size);
  return out;
}

TEST(Spki, IsWhatOpenSslWrites) {
  for (const KeyRow& row : rows()) {
    const auto spki = spki_of(row.algorithm, row.numbers);
    ASSERT_TRUE(spki) << row.algorithm;
    EXPECT_EQ(hex(*spki), hex(row.spki)) << row.algorithm;
    Bytes more = row.numbers;
    more.push_back(1);
    EXPECT_FALSE(spki_of(row.algorithm, more)) << row.algorithm;
    more.resize(row.numbers.size() - 1);
    EXPECT_FALSE(spki_of(row.algorithm, more)) << row.algorithm;
  }
  EXPECT_FALSE(spki_of(-36, Bytes(132, 1))) << "ES512 is not offered";
  EXPECT_FALSE(spki_of(-257, Bytes(259, 1))) << "a modulus of fewer bits";
  Bytes exponent(259, 0xff);
  EXPECT_FALSE(spki_of(-257, exponent)) << "an exponent that DER spells otherwise";
}

TEST(Spki, VerifiesWhatItsKeyHasSignedAndNothingElse) {
  const auto all = rows();
  for (const KeyRow& row : all) {
    Bytes signature = sign(row, "what was said");
    EXPECT_TRUE(verify_spki(row.algorithm, row.spki, as_bytes("what was said"), signature)) << row.algorithm;
    EXPECT_FALSE(verify_spki(row.algorithm, row.spki, as_bytes("what was sald"), signature)) << row.algorithm;
    EXPECT_FALSE(verify_spki(row.algorithm, row.spki, as_bytes("what was said"), {})) << row.algorithm;
    for (const KeyRow& other : all) {
      if (other.algorithm == row.algorithm) continue;
      EXPECT_FALSE(verify_spki(other.algorithm, row.spki, as_bytes("what was said"), signature)) << other.algorithm;
      EXPECT_FALSE(verify_spki(row.algorithm, other.spki, as_bytes("what was said"), signature)) << other.algorithm;
    }
    signature[signature.size() / 2] ^= 1U;
    EXPECT_FALSE(verify_spki(row.algorithm, row.spki, as_bytes("what was said"), signature)) << row.algorithm;
  }
}

TEST(Spki, HasOneSpelling) {
  for (const KeyRow& row : rows()) {
    const Bytes signature = sign(row, "x");
    for (std::size_t bit = 0; bit < row.spki.size() * 8; ++bit) {
      Bytes spki = row.spki;
      spki[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      EXPECT_FALSE(verify_spki(row.algorithm, spki, as_bytes("x"), signature)) << row.algorithm << " " << bit;
    }
    Bytes longer = row.spki;
    longer.push_back(0);
    EXPECT_FALSE(verify_spki(row.algorithm, longer, as_bytes("x"), signature)) << row.algorithm;
  }
}

}  // namespace
}  // namespace vestibule::crypto
