#include "crypto/p256.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <new>
#include <stdexcept>

#include "crypto/openssl.hpp"

namespace vestibule::crypto {
namespace {

using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Release<EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Release<BN_clear_free>>;
using Group = std::unique_ptr<EC_GROUP, Release<EC_GROUP_free>>;
using Point = std::unique_ptr<EC_POINT, Release<EC_POINT_clear_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Release<ECDSA_SIG_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Release<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Release<OSSL_PARAM_free>>;

constexpr std::size_t kScalar = 32;

[[noreturn]] void broken() { throw std::runtime_error("OpenSSL offers no P-256"); }

const EC_GROUP* group() {
  static const Group g(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  if (!g) broken();
  return g.get();
}

/// EVP_PKEY of a point, with its scalar or without.
EvpKey make_key(const P256Point& point, const BIGNUM* scalar) {
  const Builder build(OSSL_PARAM_BLD_new());
  const bool filled =
      build && OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
      OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1 &&
      (scalar == nullptr || OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1);
  const Parameters parameters(filled ? OSSL_PARAM_BLD_to_param(build.get()) : nullptr);
  const KeyContext ctx(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* raw = nullptr;
  const int selection = scalar == nullptr ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR;
  if (!parameters || !ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &raw, selection, parameters.get()) != 1) {
    return nullptr;
  }
  return EvpKey(raw);
}

}  // namespace

std::optional<P256Point> parse_p256(ByteView bytes) {
  P256Point out;
  if (bytes.size() != out.size() || bytes[0] != 0x04) return std::nullopt;
  const ClearErrors clear;
  const Point point(EC_POINT_new(group()));
  // Refuses what does not lie on the curve; its cofactor is 1, so that there is nothing more to check.
  if (!point || EC_POINT_oct2point(group(), point.get(), bytes.data(), bytes.size(), nullptr) != 1) return std::nullopt;
  std::ranges::copy(bytes, out.begin());
  return out;
}

struct P256Key::State {
  EvpKey key;
  P256Point point{};
};

P256Key::P256Key(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
P256Key::P256Key(P256Key&&) noexcept = default;
P256Key& P256Key::operator=(P256Key&&) noexcept = default;
P256Key::~P256Key() = default;

Result<P256Key> P256Key::from_scalar(const Secret& scalar) {
  if (scalar.size() != kScalar) return fail(Reason::invalid_argument, "a P-256 scalar has 32 bytes");
  const ClearErrors clear;
  const Number number(BN_secure_new());
  if (!number || BN_bin2bn(scalar.reveal().data(), static_cast<int>(scalar.size()), number.get()) == nullptr) {
    throw std::bad_alloc();
  }
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group())) >= 0) {
    return fail(Reason::invalid_argument, "a P-256 scalar lies between 1 and the order of the curve");
  }
  const Point point(EC_POINT_new(group()));
  auto state = std::make_unique<State>();
  if (!point || EC_POINT_mul(group(), point.get(), number.get(), nullptr, nullptr, nullptr) != 1 ||
      EC_POINT_point2oct(group(), point.get(), POINT_CONVERSION_UNCOMPRESSED, state->point.data(), state->point.size(),
                         nullptr) != state->point.size()) {
    broken();
  }
  state->key = make_key(state->point, number.get());
  if (!state->key) broken();
  return P256Key(std::move(state));
}

P256Key P256Key::generate(Rng& rng) {
  for (;;) {
    Bytes bytes(kScalar);
    rng.fill(bytes);
    const Secret scalar(std::move(bytes));
    Result<P256Key> key = from_scalar(scalar);  // fails once in 2^32
    if (key) return std::move(*key);
  }
}

const P256Point& P256Key::public_key() const noexcept { return state_->point; }

P256Signature P256Key::sign(ByteView message) const {
  const DigestContext ctx(EVP_MD_CTX_new());
  std::array<unsigned char, 80> der{};
  std::size_t size = der.size();
  if (!ctx || EVP_DigestSignInit(ctx.get(), nullptr, EVP_sha256(), nullptr, state_->key.get()) != 1 ||
      EVP_DigestSign(ctx.get(), der.data(), &size, message.data(), message.size()) != 1) {
    throw std::runtime_error("ECDSA signing failed");
  }
  const unsigned char* at = der.data();
  const EcdsaSignature parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  P256Signature out;
  constexpr int half = static_cast<int>(kScalar);
  if (!parsed || BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), out.data(), half) != half ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), out.data() + half, half) != half) {
    throw std::runtime_error("ECDSA signing failed");
  }
  return out;
}

Result<Secret> P256Key::agree(ByteView peer) const {
  const std::optional<P256Point> point = parse_p256(peer);
  if (!point) return fail(Reason::invalid_argument, "no point of P-256");
  const ClearErrors clear;
  const EvpKey other = make_key(*point, nullptr);
  const KeyContext ctx(EVP_PKEY_CTX_new(state_->key.get(), nullptr));
  Bytes shared(kScalar);
  std::size_t size = shared.size();
  if (!other || !ctx || EVP_PKEY_derive_init(ctx.get()) != 1 || EVP_PKEY_derive_set_peer(ctx.get(), other.get()) != 1 ||
      EVP_PKEY_derive(ctx.get(), shared.data(), &size) != 1 || size != kScalar) {
    return fail(Reason::invalid_argument, "no secret comes of this point");
  }
  return Secret(std::move(shared));
}

bool verify_p256(ByteView point, ByteView message, ByteView signature) {
  if (signature.size() != sizeof(P256Signature)) return false;
  const std::optional<P256Point> parsed = parse_p256(point);
  if (!parsed) return false;
  const ClearErrors clear;
  const EvpKey key = make_key(*parsed, nullptr);
  if (!key) return false;
  const EcdsaSignature sig(ECDSA_SIG_new());
  Number r(BN_bin2bn(signature.data(), static_cast<int>(kScalar), nullptr));
  Number s(BN_bin2bn(signature.data() + kScalar, static_cast<int>(kScalar), nullptr));
  if (!sig || !r || !s || ECDSA_SIG_set0(sig.get(), r.get(), s.get()) != 1) return false;
  static_cast<void>(r.release());  // both belong to sig now
  static_cast<void>(s.release());
  std::array<unsigned char, 80> der{};
  unsigned char* at = der.data();
  const int size = i2d_ECDSA_SIG(sig.get(), &at);
  if (size <= 0 || static_cast<std::size_t>(size) > der.size()) return false;
  const DigestContext ctx(EVP_MD_CTX_new());
  return ctx && EVP_DigestVerifyInit(ctx.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(ctx.get(), der.data(), static_cast<std::size_t>(size), message.data(), message.size()) == 1;
}

}  // namespace vestibule::crypto
