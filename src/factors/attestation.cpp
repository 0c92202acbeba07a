#include "factors/attestation.hpp"

#include <fido.h>
#include <fido/eddsa.h>
#include <fido/es256.h>
#include <fido/es384.h>
#include <fido/rs256.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <mutex>

#include "crypto/hash.hpp"
#include "crypto/openssl.hpp"
#include "factors/cbor.hpp"

namespace vestibule::factors {
namespace {

using X509Ptr = std::unique_ptr<X509, crypto::Release<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, crypto::Release<EVP_PKEY_free>>;
using ObjectPtr = std::unique_ptr<ASN1_OBJECT, crypto::Release<ASN1_OBJECT_free>>;

struct CredFree {
  void operator()(fido_cred_t* p) const noexcept { fido_cred_free(&p); }
};
struct AssertFree {
  void operator()(fido_assert_t* p) const noexcept { fido_assert_free(&p); }
};
using Cred = std::unique_ptr<fido_cred_t, CredFree>;
using Assert = std::unique_ptr<fido_assert_t, AssertFree>;

constexpr const char* kAaguidExtension = "1.3.6.1.4.1.45724.1.1.4";      // id-fido-gen-ce-aaguid
constexpr const char* kAppleNonceExtension = "1.2.840.113635.100.8.2";
constexpr const char* kAikKeyUsage = "2.23.133.8.3";                      // tcg-kp-AIKCertificate

void start_library() {
  static std::once_flag once;
  std::call_once(once, [] { fido_init(0); });
}

const unsigned char* data(ByteView b) noexcept { return b.data(); }

// A credential as libfido2 reads it: client data hash, relying party, key, extensions.
Cred credential_of(const Signed& what, CoseAlg algorithm) {
  start_library();
  Cred cred(fido_cred_new());
  if (!cred) return nullptr;
  const std::string rp(what.rp_id);
  const ExtensionOutputs& ext = what.data.extensions;
  // Verification wants exactly the outputs that are there to be expected.
  const int mask = (ext.hmac_secret ? FIDO_EXT_HMAC_SECRET : 0) | (ext.cred_blob ? FIDO_EXT_CRED_BLOB : 0) |
                   (ext.cred_protect != 0 ? FIDO_EXT_CRED_PROTECT : 0) |
                   (ext.min_pin_length != 0 ? FIDO_EXT_MINPINLEN : 0);
  if (fido_cred_set_type(cred.get(), static_cast<int>(algorithm)) != FIDO_OK ||
      fido_cred_set_rp(cred.get(), rp.c_str(), nullptr) != FIDO_OK ||
      fido_cred_set_clientdata_hash(cred.get(), what.client_data_hash.data(), what.client_data_hash.size()) != FIDO_OK ||
      (mask != 0 && fido_cred_set_extensions(cred.get(), mask) != FIDO_OK) ||
      (ext.cred_protect != 0 && fido_cred_set_prot(cred.get(), ext.cred_protect) != FIDO_OK) ||
      (ext.min_pin_length != 0 && fido_cred_set_pin_minlen(cred.get(), ext.min_pin_length) != FIDO_OK) ||
      fido_cred_set_authdata_raw(cred.get(), data(what.data.raw), what.data.raw.size()) != FIDO_OK) {
    return nullptr;
  }
  return cred;
}

// The statement with its keys in canonical order, as libfido2 insists and not every client sends.
Bytes encode_statement(const AttestationObject::Statement& s) {
  Bytes out;
  const auto has = [](auto&& v) { return v.empty() ? 0U : 1U; };
  append_cbor_head(out, CborReader::Type::map,
                   (s.algorithm ? 1U : 0U) + has(s.signature) + has(s.version) + has(s.certificates) + has(s.pub_area) +
                       has(s.cert_info));
  if (s.algorithm) {
    append_cbor(out, "alg");
    const bool negative = *s.algorithm < 0;
    append_cbor_head(out, negative ? CborReader::Type::negative_integer : CborReader::Type::unsigned_integer,
                     static_cast<std::uint64_t>(negative ? -1 - *s.algorithm : *s.algorithm));
  }
  const auto put = [&out](std::string_view key, ByteView value) {
    if (value.empty()) return;
    append_cbor(out, key);
    append_cbor(out, value);
  };
  put("sig", s.signature);
  if (!s.version.empty()) {
    append_cbor(out, "ver");
    append_cbor(out, s.version);
  }
  if (!s.certificates.empty()) {
    append_cbor(out, "x5c");
    append_cbor_head(out, CborReader::Type::array, s.certificates.size());
    for (const ByteView c : s.certificates) append_cbor(out, c);
  }
  put("pubArea", s.pub_area);
  put("certInfo", s.cert_info);
  return out;
}

// DER to its last byte.
X509Ptr certificate_from(ByteView der) {
  const unsigned char* p = der.data();
  X509Ptr out(d2i_X509(nullptr, &p, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!out || p != der.data() + der.size()) return nullptr;
  return out;
}

// The value of an extension; nothing if it is absent.
std::optional<ByteView> extension(const X509* certificate, const char* oid, bool& critical) {
  const ObjectPtr object(OBJ_txt2obj(oid, 1));
  const int at = X509_get_ext_by_OBJ(certificate, object.get(), -1);
  if (at < 0) return std::nullopt;
  X509_EXTENSION* const e = X509_get_ext(certificate, at);
  critical = X509_EXTENSION_get_critical(e) != 0;
  const ASN1_OCTET_STRING* const value = X509_EXTENSION_get_data(e);
  return ByteView(ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value)));
}

bool is_leaf_of_version_3(X509* certificate) {
  const std::uint32_t flags = X509_get_extension_flags(certificate);
  return X509_get_version(certificate) == X509_VERSION_3 && (flags & EXFLAG_INVALID) == 0 && (flags & EXFLAG_CA) == 0;
}

// Where the certificate names a model, it is the one that the authenticator data name.
bool names_model(const X509* certificate, const Aaguid& aaguid) {
  bool critical = false;
  const auto value = extension(certificate, kAaguidExtension, critical);
  if (!value) return true;
  return !critical && value->size() == 18 && (*value)[0] == 0x04 && (*value)[1] == 16 &&
         std::ranges::equal(value->subspan(2), aaguid);
}

bool has_text(X509_NAME* subject, int nid, std::string_view wanted) {
  char buffer[128];
  const int n = X509_NAME_get_text_by_NID(subject, nid, buffer, sizeof buffer);
  if (n <= 0) return false;
  return wanted.empty() || std::string_view(buffer, static_cast<std::size_t>(n)) == wanted;
}

// Section 8.2.1.
bool fits_packed(X509* certificate, const Aaguid& aaguid) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  return is_leaf_of_version_3(certificate) && has_text(subject, NID_countryName, {}) &&
         has_text(subject, NID_organizationName, {}) &&
         has_text(subject, NID_organizationalUnitName, "Authenticator Attestation") &&
         has_text(subject, NID_commonName, {}) && names_model(certificate, aaguid);
}

// Section 8.3.1.
bool fits_tpm(X509* certificate, const Aaguid& aaguid) {
  if (!is_leaf_of_version_3(certificate) || X509_NAME_entry_count(X509_get_subject_name(certificate)) != 0) return false;
  const std::unique_ptr<EXTENDED_KEY_USAGE, crypto::Release<EXTENDED_KEY_USAGE_free>> usage(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
  const ObjectPtr wanted(OBJ_txt2obj(kAikKeyUsage, 1));
  bool aik = false;
  for (int i = 0; usage && i < sk_ASN1_OBJECT_num(usage.get()); ++i) {
    aik = aik || OBJ_cmp(sk_ASN1_OBJECT_value(usage.get(), i), wanted.get()) == 0;
  }
  return aik && names_model(certificate, aaguid);
}

// Section 8.6: the certificate is for an uncompressed P-256 key.
bool fits_u2f(X509* certificate) {
  EVP_PKEY* const key = X509_get0_pubkey(certificate);
  char group[32] = "";
  std::size_t length = 0;
  return key != nullptr && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
         EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1 &&
         std::string_view(group, length) == SN_X9_62_prime256v1;
}

KeyPtr key_from(CoseAlg algorithm, ByteView public_key) {
  const auto from = [&](auto* made, auto release, auto read, auto convert) -> KeyPtr {
    KeyPtr out;
    if (made != nullptr && read(made, public_key.data(), public_key.size()) == FIDO_OK) out.reset(convert(made));
    release(&made);
    return out;
  };
  switch (algorithm) {
    case CoseAlg::es256: return from(es256_pk_new(), es256_pk_free, es256_pk_from_ptr, es256_pk_to_EVP_PKEY);
    case CoseAlg::es384: return from(es384_pk_new(), es384_pk_free, es384_pk_from_ptr, es384_pk_to_EVP_PKEY);
    case CoseAlg::rs256: return from(rs256_pk_new(), rs256_pk_free, rs256_pk_from_ptr, rs256_pk_to_EVP_PKEY);
    case CoseAlg::eddsa: return from(eddsa_pk_new(), eddsa_pk_free, eddsa_pk_from_ptr, eddsa_pk_to_EVP_PKEY);
  }
  return nullptr;
}

// Section 8.8: SEQUENCE { [1] { OCTET STRING of 32 } } holds the hash of what is attested, and the
// certificate is for the credential's own key.
bool verify_apple(const Signed& what, const AttestationObject& object, CoseAlg algorithm) {
  if (object.statement.certificates.empty()) return false;
  const X509Ptr leaf = certificate_from(object.statement.certificates.front());
  const auto raw = decode_public_key(what, algorithm);
  if (!leaf || !raw) return false;
  bool critical = false;
  const auto value = extension(leaf.get(), kAppleNonceExtension, critical);
  constexpr std::array<std::uint8_t, 6> shape = {0x30, 0x24, 0xa1, 0x22, 0x04, 0x20};
  const Digest nonce = crypto::sha256({what.data.raw, ByteView(what.client_data_hash)});
  if (!value || value->size() != shape.size() + nonce.size() ||
      !std::ranges::equal(value->first(shape.size()), shape) ||
      !std::ranges::equal(value->subspan(shape.size()), nonce)) {
    return false;
  }
  const KeyPtr mine = key_from(algorithm, *raw);
  EVP_PKEY* const theirs = X509_get0_pubkey(leaf.get());
  return mine && theirs != nullptr && EVP_PKEY_eq(mine.get(), theirs) == 1;
}

// What libfido2 verifies: packed, fido-u2f, tpm.
bool verify_by_library(const Signed& what, const AttestationObject& object, CoseAlg algorithm) {
  const Cred cred = credential_of(what, algorithm);
  if (!cred) return false;
  const std::string format(object.format);
  const Bytes statement = encode_statement(object.statement);
  if (fido_cred_set_fmt(cred.get(), format.c_str()) != FIDO_OK ||
      fido_cred_set_attstmt(cred.get(), statement.data(), statement.size()) != FIDO_OK) {
    return false;
  }
  const int verdict = object.statement.certificates.empty() ? fido_cred_verify_self(cred.get()) : fido_cred_verify(cred.get());
  ERR_clear_error();
  return verdict == FIDO_OK;
}

}  // namespace

// --- anchors

struct TrustAnchors::Store {
  std::unique_ptr<X509_STORE, crypto::Release<X509_STORE_free>> store{X509_STORE_new()};
  int count = 0;
};

TrustAnchors::TrustAnchors(std::unique_ptr<Store> store) : store_(std::move(store)) {}
TrustAnchors::~TrustAnchors() = default;
bool TrustAnchors::empty() const noexcept { return store_->count == 0; }

Result<std::unique_ptr<TrustAnchors>> TrustAnchors::parse(std::string_view pem) {
  auto store = std::make_unique<Store>();
  const std::unique_ptr<BIO, crypto::Release<BIO_free_all>> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  for (;;) {
    const X509Ptr certificate(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!certificate) {
      const auto why = ERR_GET_REASON(ERR_peek_last_error());
      ERR_clear_error();
      if (why != PEM_R_NO_START_LINE) return fail(Reason::config_invalid, "attestation anchors: a certificate is damaged");
      break;
    }
    if (X509_STORE_add_cert(store->store.get(), certificate.get()) != 1) {
      return fail(Reason::config_invalid, "attestation anchors: a certificate cannot be taken");
    }
    ++store->count;
  }
  if (store->count == 0 && !pem.empty()) return fail(Reason::config_invalid, "attestation anchors: no certificate in it");
  return std::unique_ptr<TrustAnchors>(new TrustAnchors(std::move(store)));
}

bool TrustAnchors::vouch_for(std::span<const ByteView> chain, WallTime now) const {
  if (empty() || chain.empty()) return false;
  const X509Ptr leaf = certificate_from(chain.front());
  if (!leaf) return false;
  struct StackFree {
    void operator()(STACK_OF(X509)* s) const noexcept { sk_X509_pop_free(s, X509_free); }
  };
  const std::unique_ptr<STACK_OF(X509), StackFree> between(sk_X509_new_null());
  for (const ByteView der : chain.subspan(1)) {
    X509Ptr next = certificate_from(der);
    if (!next || sk_X509_push(between.get(), next.get()) == 0) return false;
    static_cast<void>(next.release());
  }
  const std::unique_ptr<X509_STORE_CTX, crypto::Release<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), store_->store.get(), leaf.get(), between.get()) != 1) return false;
  X509_VERIFY_PARAM* const how = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(how, static_cast<std::time_t>(std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count()));
  // An anchor may be an intermediate, or an attestation certificate itself, as vendors publish them.
  X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_depth(how, 8);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return good;
}

// --- signatures and statements

std::optional<Bytes> decode_public_key(const Signed& what, CoseAlg algorithm) {
  const Cred cred = credential_of(what, algorithm);
  if (!cred || fido_cred_pubkey_ptr(cred.get()) == nullptr) return std::nullopt;
  const unsigned char* const p = fido_cred_pubkey_ptr(cred.get());
  Bytes out(p, p + fido_cred_pubkey_len(cred.get()));
  if (!key_from(algorithm, out)) return std::nullopt;
  return out;
}

bool verify_signature(const Signed& what, CoseAlg algorithm, ByteView public_key, ByteView signature) {
  start_library();
  const Assert assertion(fido_assert_new());
  if (!assertion) return false;
  const std::string rp(what.rp_id);
  const ExtensionOutputs& ext = what.data.extensions;
  const int mask = (ext.hmac_secret ? FIDO_EXT_HMAC_SECRET : 0) | (ext.cred_blob ? FIDO_EXT_CRED_BLOB : 0);
  if (signature.empty() || fido_assert_set_rp(assertion.get(), rp.c_str()) != FIDO_OK ||
      fido_assert_set_clientdata_hash(assertion.get(), what.client_data_hash.data(), what.client_data_hash.size()) != FIDO_OK ||
      fido_assert_set_count(assertion.get(), 1) != FIDO_OK ||
      (mask != 0 && fido_assert_set_extensions(assertion.get(), mask) != FIDO_OK) ||
      fido_assert_set_authdata_raw(assertion.get(), 0, data(what.data.raw), what.data.raw.size()) != FIDO_OK ||
      fido_assert_set_sig(assertion.get(), 0, data(signature), signature.size()) != FIDO_OK) {
    return false;
  }
  const auto verified = [&](auto* key, auto release, auto read) {
    const bool good = key != nullptr && read(key, public_key.data(), public_key.size()) == FIDO_OK &&
                      fido_assert_verify(assertion.get(), 0, static_cast<int>(algorithm), key) == FIDO_OK;
    release(&key);
    ERR_clear_error();
    return good;
  };
  switch (algorithm) {
    case CoseAlg::es256: return verified(es256_pk_new(), es256_pk_free, es256_pk_from_ptr);
    case CoseAlg::es384: return verified(es384_pk_new(), es384_pk_free, es384_pk_from_ptr);
    case CoseAlg::rs256: return verified(rs256_pk_new(), rs256_pk_free, rs256_pk_from_ptr);
    case CoseAlg::eddsa: return verified(eddsa_pk_new(), eddsa_pk_free, eddsa_pk_from_ptr);
  }
  return false;
}

bool is_known_format(std::string_view format) noexcept {
  return format == "none" || format == "packed" || format == "fido-u2f" || format == "tpm" || format == "apple";
}

std::optional<AttestationTrust> verify_statement(const Signed& what, const AttestationObject& object, CoseAlg algorithm) {
  const AttestationObject::Statement& s = object.statement;
  const Aaguid& aaguid = what.data.attested->aaguid;
  if (object.format == "none") return s.empty ? std::optional(AttestationTrust::none) : std::nullopt;
  if (!is_known_format(object.format)) return AttestationTrust::none;
  if (s.unknown) return std::nullopt;
  X509Ptr leaf;
  if (!s.certificates.empty() && !(leaf = certificate_from(s.certificates.front()))) return std::nullopt;
  bool good = false;
  if (object.format == "packed") {
    if (!leaf && s.algorithm != static_cast<std::int64_t>(algorithm)) return std::nullopt;
    good = (!leaf || fits_packed(leaf.get(), aaguid)) && verify_by_library(what, object, algorithm);
  } else if (object.format == "fido-u2f") {
    good = leaf && s.certificates.size() == 1 && algorithm == CoseAlg::es256 && aaguid == Aaguid{} &&
           fits_u2f(leaf.get()) && verify_by_library(what, object, algorithm);
  } else if (object.format == "tpm") {
    good = leaf && fits_tpm(leaf.get(), aaguid) && verify_by_library(what, object, algorithm);
  } else {
    good = leaf && verify_apple(what, object, algorithm);
  }
  if (!good) return std::nullopt;
  return leaf ? AttestationTrust::unanchored : AttestationTrust::self;
}

}  // namespace vestibule::factors
