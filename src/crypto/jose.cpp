#include "crypto/jose.hpp"

#include <cjose/cjose.h>

#include <algorithm>
#include <array>
#include <memory>

#include "crypto/hash.hpp"
#include "crypto/openssl.hpp"
#include "json/writer.hpp"

namespace vestibule::crypto {
namespace {

using JwkKey = std::unique_ptr<cjose_jwk_t, Release<cjose_jwk_release>>;
using Jws = std::unique_ptr<cjose_jws_t, Release<cjose_jws_release>>;
using Header = std::unique_ptr<cjose_header_t, Release<cjose_header_release>>;

constexpr json::Limits kKeyLimits{kMaxJwk, 4, 256, 64, 32};
constexpr json::Limits kHeaderLimits{kMaxJws, 8, 512, 64, 32};
constexpr std::array kPrivate = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

Error bad(const char* why) { return fail(Reason::invalid_argument, why); }

JwkKey import(std::string_view json) {
  cjose_err err;
  return JwkKey(cjose_jwk_import(json.data(), json.size(), &err));
}

/// A member that is a whole number in base64url (RFC 7518 sections 6.2.1.2, 6.3.1).
std::optional<std::string> number(const json::Value& key, std::string_view name, std::size_t least, std::size_t most) {
  const auto text = key.get_string(name);
  if (!text) return std::nullopt;
  const auto raw = unbase64url(*text);
  if (!raw || raw->size() < least || raw->size() > most) return std::nullopt;
  if (least != most && raw->front() == 0) return std::nullopt;  // the shortest form
  return *text;
}

}  // namespace

std::string_view name(JwsAlg alg) noexcept {
  switch (alg) {
    case JwsAlg::es256: return "ES256";
    case JwsAlg::rs256: return "RS256";
    case JwsAlg::ps256: return "PS256";
  }
  return "";
}

std::optional<JwsAlg> jws_alg_from(std::string_view text) noexcept {
  for (const JwsAlg a : kJwsAlgs) {
    if (name(a) == text) return a;
  }
  return std::nullopt;
}

// ---------------------------------------------------------------------------------------------- keys

Result<PublicJwk> PublicJwk::parse(std::string_view text) {
  const auto document = json::parse(text, kKeyLimits);
  if (!document) return bad("a key is a JSON object");
  return from(*document);
}

Result<PublicJwk> PublicJwk::from(const json::Value& key) {
  if (!key.is_object()) return bad("a key is a JSON object");
  for (const char* member : kPrivate) {
    if (key.find(member) != nullptr) return bad("this key is private or symmetric: it must not be sent to anybody");
  }
  const auto kty = key.get_string("kty");
  if (!kty) return bad("a key has a kty");
  PublicJwk out;
  json::Writer w;
  if (*kty == "EC") {
    const auto crv = key.get_string("crv");
    const auto x = number(key, "x", 32, 32);
    const auto y = number(key, "y", 32, 32);
    if (!crv || *crv != "P-256" || !x || !y) return bad("an EC key lies on P-256 and has x and y of 32 bytes");
    w.begin_object().member("crv", "P-256").member("kty", "EC").member("x", *x).member("y", *y).end_object();
    out.ec_ = true;
  } else if (*kty == "RSA") {
    const auto n = number(key, "n", 256, 1024);
    const auto e = number(key, "e", 1, 8);  // longer ones serve to make verifying slow
    if (!n || !e || (unbase64url(*e)->back() & 1U) == 0) return bad("an RSA key has 2048 to 8192 bits and a short odd exponent");
    if (unbase64url(*e)->size() == 1 && unbase64url(*e)->front() < 3) return bad("an RSA key has an exponent of 3 at least");
    w.begin_object().member("e", *e).member("kty", "RSA").member("n", *n).end_object();
  } else {
    return bad("a key is EC on P-256 or RSA");
  }
  out.json_ = w.take();
  if (key.find("alg") != nullptr) {
    const auto alg = key.get_string("alg");
    out.alg_ = alg ? jws_alg_from(*alg) : std::nullopt;
    if (!out.alg_ || (*out.alg_ == JwsAlg::es256) != out.ec_) return bad("the key is for another algorithm");
  }
  if (key.find("use") != nullptr && key.get_string("use").value_or("") != "sig") return bad("the key is not for signatures");
  if (key.find("kid") != nullptr) {
    const auto kid = key.get_string("kid");
    if (!kid || kid->size() > 128) return bad("kid is a string of at most 128 bytes");
    out.kid_ = *kid;
  }
  out.thumbprint_ = sha256(as_bytes(out.json_));
  const ClearErrors clear;
  if (!import(out.json_)) return bad("no such point lies on the curve");
  return out;
}

bool PublicJwk::takes(JwsAlg alg) const noexcept {
  if (alg_ && *alg_ != alg) return false;
  return (alg == JwsAlg::es256) == ec_;
}

JwsKey::JwsKey(JwsAlg alg, Secret json, PublicJwk open)
    : alg_(alg), json_(std::move(json)), public_(std::move(open)), kid_(base64url(public_.thumbprint())) {}

Result<JwsKey> JwsKey::generate(JwsAlg alg) {
  const ClearErrors clear;
  static constexpr std::array<std::uint8_t, 3> kExponent = {1, 0, 1};
  cjose_err err;
  const JwkKey key(alg == JwsAlg::es256 ? cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &err)
                                     : cjose_jwk_create_RSA_random(2048, kExponent.data(), kExponent.size(), &err));
  if (!key) return fail(Reason::internal, "no key could be made");
  char* const raw = cjose_jwk_to_json(key.get(), true, &err);
  if (raw == nullptr) return fail(Reason::internal, "no key could be made");
  Secret json{std::string_view(raw)};
  wipe(raw, json.size());
  cjose_get_dealloc()(raw);
  return from(alg, std::move(json));
}

Result<JwsKey> JwsKey::from(JwsAlg alg, Secret json) {
  if (alg == JwsAlg::ps256) return bad("ES256 and RS256 sign here");
  const auto document = json::parse(json.reveal_text(), kKeyLimits);
  if (!document || document->find("d") == nullptr) return bad("this is no private key");
  const ClearErrors clear;
  const JwkKey key = import(json.reveal_text());
  if (!key) return bad("this is no private key");
  cjose_err err;
  char* const raw = cjose_jwk_to_json(key.get(), false, &err);
  if (raw == nullptr) return bad("this is no private key");
  const std::string open(raw);
  cjose_get_dealloc()(raw);
  auto parsed = PublicJwk::parse(open);
  if (!parsed) return std::move(parsed).error();
  if (!parsed->takes(alg)) return bad("the key is for another algorithm");
  return JwsKey(alg, std::move(json), std::move(*parsed));
}

std::string JwsKey::public_json() const {
  std::string out = public_.json();
  out.pop_back();
  json::Writer w;
  w.begin_object().member("kid", kid_).member("use", "sig").member("alg", name(alg_)).end_object();
  return out + "," + w.text().substr(1);
}

Result<std::string> JwsKey::sign(std::string_view typ, std::string_view payload) const {
  const ClearErrors clear;
  cjose_err err;
  // A key object counts its holders without atomics: each signature has one of its own.
  const JwkKey key = import(json_.reveal_text());
  const Header header(cjose_header_new(&err));
  const std::string type(typ);
  const bool filled = key && header && cjose_header_set(header.get(), CJOSE_HDR_ALG, std::string(name(alg_)).c_str(), &err) &&
                      cjose_header_set(header.get(), CJOSE_HDR_KID, kid_.c_str(), &err) &&
                      cjose_header_set(header.get(), "typ", type.c_str(), &err);
  if (!filled) return fail(Reason::internal, "no signature could be made");
  const ByteView bytes = as_bytes(payload);
  const Jws jws(cjose_jws_sign(key.get(), header.get(), bytes.data(), bytes.size(), &err));
  const char* text = nullptr;
  if (!jws || !cjose_jws_export(jws.get(), &text, &err) || text == nullptr) {
    return fail(Reason::internal, "no signature could be made");
  }
  return std::string(text);
}

// ---------------------------------------------------------------------------------------- signatures

Result<UnverifiedJws> UnverifiedJws::parse(std::string_view compact) {
  if (compact.size() > kMaxJws) return bad("the token is too long");
  const std::size_t first = compact.find('.');
  const std::size_t second = first == std::string_view::npos ? first : compact.find('.', first + 1);
  if (second == std::string_view::npos || compact.find('.', second + 1) != std::string_view::npos) {
    return bad("a token has three parts");
  }
  const auto header = unbase64url(compact.substr(0, first));
  const auto payload = unbase64url(compact.substr(first + 1, second - first - 1));
  const auto signature = unbase64url(compact.substr(second + 1));
  if (!header || !payload || !signature || header->empty() || signature->empty()) return bad("a token's parts are base64url");
  auto document = json::parse(as_text(*header), kHeaderLimits);
  if (!document || !document->is_object()) return bad("a token's header is a JSON object");
  // What must be understood is not: no extension is.
  if (document->find("crit") != nullptr || document->find("b64") != nullptr) return bad("no extension of JWS is understood");
  const auto alg = document->get_string("alg");
  const auto known = alg ? jws_alg_from(*alg) : std::nullopt;
  if (!known) return bad("the token is signed by an algorithm that does not count here");
  UnverifiedJws out;
  out.text_ = std::string(compact);
  out.header_ = std::move(*document);
  out.alg_ = *known;
  return out;
}

Result<std::string> UnverifiedJws::verify(const PublicJwk& key, std::span<const JwsAlg> allowed) const {
  if (std::ranges::find(allowed, alg_) == allowed.end() || !key.takes(alg_)) {
    return bad("the token is signed by an algorithm that does not count here");
  }
  const ClearErrors clear;
  cjose_err err;
  const JwkKey imported = import(key.json());
  const Jws jws(cjose_jws_import(text_.data(), text_.size(), &err));
  if (!imported || !jws || !cjose_jws_verify(jws.get(), imported.get(), &err)) return bad("the signature is not this key's");
  std::uint8_t* payload = nullptr;
  std::size_t size = 0;
  if (!cjose_jws_get_plaintext(jws.get(), &payload, &size, &err)) return bad("the token has no payload");
  return std::string(as_text(ByteView(payload, size)));
}

}  // namespace vestibule::crypto
