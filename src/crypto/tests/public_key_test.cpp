// Public keys as certificates and PEM files hold them.
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>

#include "crypto/jose.hpp"
#include "crypto/openssl.hpp"

namespace vestibule::crypto {
namespace {

using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;

Bytes spki(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int length = i2d_PUBKEY(key, &der);
  EXPECT_GT(length, 0);
  Bytes out(der, der + length);
  OPENSSL_free(der);
  return out;
}

template <class Write>
std::string pem(Write write) {
  const std::unique_ptr<BIO, Release<BIO_free>> out(BIO_new(BIO_s_mem()));
  EXPECT_EQ(write(out.get()), 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string certificate_of(EVP_PKEY* key) {
  const std::unique_ptr<X509, Release<X509_free>> cert(X509_new());
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
  X509_set_pubkey(cert.get(), key);
  EXPECT_GT(X509_sign(cert.get(), key, EVP_PKEY_is_a(key, "ED25519") == 1 ? nullptr : EVP_sha256()), 0);
  return pem([&](BIO* out) { return PEM_write_bio_X509(out, cert.get()); });
}

std::string number(EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(key, name, &raw), 1);
  const std::unique_ptr<BIGNUM, Release<BN_free>> owner(raw);
  const bool point = std::string_view(name) != OSSL_PKEY_PARAM_RSA_N && std::string_view(name) != OSSL_PKEY_PARAM_RSA_E;
  Bytes out(point ? 32 : static_cast<std::size_t>(BN_num_bytes(raw)));
  BN_bn2binpad(raw, out.data(), static_cast<int>(out.size()));
  return base64url(out);
}

TEST(PublicKey, OfACertificateIsTheSameJwk) {
  const Key ec(EVP_EC_gen("P-256"));
  const std::string jwk = R"({"kty":"EC","crv":"P-256","x":")" + number(ec.get(), OSSL_PKEY_PARAM_EC_PUB_X) + R"(","y":")" +
                          number(ec.get(), OSSL_PKEY_PARAM_EC_PUB_Y) + R"("})";
  const Key rsa(EVP_RSA_gen(2048));
  const std::string of_rsa = R"({"kty":"RSA","n":")" + number(rsa.get(), OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" + number(rsa.get(), OSSL_PKEY_PARAM_RSA_E) + R"("})";
  const std::pair<EVP_PKEY*, std::string> rows[] = {{ec.get(), jwk}, {rsa.get(), of_rsa}};
  for (const auto& [key, text] : rows) {
    const auto wanted = PublicJwk::parse(text);
    ASSERT_TRUE(wanted) << wanted.error().detail;
    const auto raw = PublicJwk::from_spki(spki(key));
    ASSERT_TRUE(raw) << raw.error().detail;
    EXPECT_EQ(raw->thumbprint(), wanted->thumbprint());
    EXPECT_EQ(raw->json(), wanted->json());
    const auto cert = PublicJwk::from_pem("Bag Attributes\n" + certificate_of(key));
    ASSERT_TRUE(cert) << cert.error().detail;
    EXPECT_EQ(cert->thumbprint(), wanted->thumbprint());
    const auto bare = PublicJwk::from_pem(pem([k = key](BIO* out) { return PEM_write_bio_PUBKEY(out, k); }));
    ASSERT_TRUE(bare) << bare.error().detail;
    EXPECT_EQ(bare->thumbprint(), wanted->thumbprint());
  }
}

TEST(PublicKey, OfOtherKindsIsNone) {
  const Key other_curve(EVP_EC_gen("P-384"));
  const Key short_rsa(EVP_RSA_gen(1024));
  const Key edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  for (const Key* key : {&other_curve, &short_rsa, &edwards}) {
    EXPECT_EQ(PublicJwk::from_spki(spki(key->get())).error().code, Reason::invalid_argument);
    EXPECT_EQ(PublicJwk::from_pem(certificate_of(key->get())).error().code, Reason::invalid_argument);
  }
}

// CVE-2020-0601: a curve that is spelt out, with a base point for which whoever made it knows the private key of a point that
// is somebody else's public key.
TEST(PublicKey, OnACurveThatIsSpeltOutIsNone) {
  const Key ec(EVP_EC_gen("P-256"));
  ASSERT_EQ(EVP_PKEY_set_utf8_string_param(ec.get(), OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT), 1);
  const Bytes der = spki(ec.get());
  ASSERT_GT(der.size(), 200U);
  EXPECT_FALSE(PublicJwk::from_spki(der));
  EXPECT_FALSE(PublicJwk::from_pem(certificate_of(ec.get())));
}

TEST(PublicKey, WhatIsNoneOfItsKindIsRefused) {
  const Key rsa(EVP_RSA_gen(2048));
  Bytes longer = spki(rsa.get());
  longer.push_back(0);
  EXPECT_FALSE(PublicJwk::from_spki(longer)) << "something behind it";
  const Key ec(EVP_EC_gen("P-256"));
  Bytes off = spki(ec.get());
  off.back() ^= 1U;
  EXPECT_FALSE(PublicJwk::from_spki(off)) << "no point of the curve";
  Bytes compressed = spki(ec.get());
  compressed[26] = 2;
  EXPECT_FALSE(PublicJwk::from_spki(compressed));
  EXPECT_FALSE(PublicJwk::from_spki({}));
  EXPECT_FALSE(PublicJwk::from_spki(Bytes(100'000, 0x30)));
  for (const std::string_view text : {"", "{}", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
    EXPECT_FALSE(PublicJwk::from_pem(text)) << text;
  }
  const std::string secret = pem([&](BIO* out) { return PEM_write_bio_PrivateKey(out, ec.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  const auto refused = PublicJwk::from_pem(certificate_of(ec.get()) + secret);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("private key"), std::string::npos);
}

}  // namespace
}  // namespace vestibule::crypto
