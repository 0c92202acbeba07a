// Public keys that come in certificates and PEM files, as JWKs.
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto/jose.hpp"
#include "crypto/openssl.hpp"
#include "crypto/spki.hpp"
#include "json/writer.hpp"

namespace vestibule::crypto {
namespace {

constexpr std::size_t kMaxSpki = 2048;   // RSA of 8192 bits takes 1060
constexpr std::size_t kMaxPem = 65'536;
constexpr std::int64_t kEs256 = -7;
constexpr std::size_t kPoint = 64;       // X | Y

Error other_kind() { return fail(Reason::invalid_argument, "a public key is EC on P-256 or RSA of 2048 to 8192 bits"); }

std::optional<std::string> number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return std::nullopt;
  const std::unique_ptr<BIGNUM, Release<BN_free>> number(raw);
  Bytes out(static_cast<std::size_t>(BN_num_bytes(raw)));
  BN_bn2bin(raw, out.data());
  return base64url(out);
}

}  // namespace

Result<PublicJwk> PublicJwk::from_spki(ByteView der) {
  const ClearErrors clear;
  json::Writer w;
  if (der.size() > kPoint && spki_of(kEs256, der.last(kPoint)) == Bytes(der.begin(), der.end())) {
    const ByteView point = der.last(kPoint);
    w.begin_object().member("crv", "P-256").member("kty", "EC");
    w.member("x", base64url(point.first(kPoint / 2))).member("y", base64url(point.last(kPoint / 2))).end_object();
    return parse(w.text());
  }
  if (der.size() > kMaxSpki) return other_kind();
  const unsigned char* at = der.data();
  const EvpKey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!key || at != der.data() + der.size() || EVP_PKEY_is_a(key.get(), "RSA") != 1) return other_kind();
  const auto n = number_of(key.get(), OSSL_PKEY_PARAM_RSA_N);
  const auto e = number_of(key.get(), OSSL_PKEY_PARAM_RSA_E);
  if (!n || !e) return other_kind();
  w.begin_object().member("e", *e).member("kty", "RSA").member("n", *n).end_object();
  return parse(w.text());
}

Result<PublicJwk> PublicJwk::from_pem(std::string_view text) {
  const ClearErrors clear;
  if (text.size() > kMaxPem) return fail(Reason::invalid_argument, "the file is too long for a certificate or a public key");
  if (text.find("PRIVATE KEY-----") != std::string_view::npos) {
    return fail(Reason::invalid_argument, "the file holds a private key, which stays where it is: give the certificate or the public key alone");
  }
  const std::unique_ptr<BIO, Release<BIO_free>> in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  EvpKey key;
  if (const std::unique_ptr<X509, Release<X509_free>> cert(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)); cert) {
    key.reset(X509_get_pubkey(cert.get()));
  } else {
    BIO_reset(in.get());
    key.reset(PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr));
  }
  if (!key) return fail(Reason::invalid_argument, "the file holds neither a certificate nor a public key in PEM");
  unsigned char* der = nullptr;
  const int length = i2d_PUBKEY(key.get(), &der);
  const std::unique_ptr<unsigned char, Release<[](unsigned char* p) { OPENSSL_free(p); }>> owner(der);
  if (length <= 0) return other_kind();
  return from_spki({der, static_cast<std::size_t>(length)});
}

}  // namespace vestibule::crypto
