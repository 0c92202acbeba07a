#include "crypto/signature.hpp"

#include <openssl/evp.h>

#include <new>
#include <stdexcept>

#include "crypto/openssl.hpp"

namespace vestibule::crypto {
namespace {


DigestContext context() {
  DigestContext ctx(EVP_MD_CTX_new());
  if (!ctx) throw std::bad_alloc();
  return ctx;
}

}  // namespace

struct SigningKey::State {
  EvpKey key;
  PublicKey public_key{};
};

SigningKey::SigningKey(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::from_seed(const Secret& seed) {
  if (seed.size() != 32) return fail(Reason::invalid_argument, "an Ed25519 seed has 32 bytes");
  auto state = std::make_unique<State>();
  state->key.reset(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.reveal().data(), seed.size()));
  std::size_t size = state->public_key.size();
  if (!state->key ||
      EVP_PKEY_get_raw_public_key(state->key.get(), state->public_key.data(), &size) != 1 ||
      size != state->public_key.size())
    throw std::runtime_error("OpenSSL offers no Ed25519");
  return SigningKey(std::move(state));
}

Secret SigningKey::generate_seed(Rng& rng) {
  Bytes seed(32);
  rng.fill(seed);
  return Secret(std::move(seed));
}

Signature SigningKey::sign(ByteView message) const {
  const DigestContext ctx = context();
  Signature out;
  std::size_t size = out.size();
  if (EVP_DigestSignInit(ctx.get(), nullptr, nullptr, nullptr, state_->key.get()) != 1 ||
      EVP_DigestSign(ctx.get(), out.data(), &size, message.data(), message.size()) != 1 ||
      size != out.size())
    throw std::runtime_error("Ed25519 signing failed");
  return out;
}

const PublicKey& SigningKey::public_key() const noexcept { return state_->public_key; }

bool verify_signature(ByteView public_key, ByteView message, ByteView signature) {
  if (public_key.size() != sizeof(PublicKey) || signature.size() != sizeof(Signature)) return false;
  const EvpKey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(),
                                            public_key.size()));
  if (!key) return false;
  const DigestContext ctx = context();
  return EVP_DigestVerifyInit(ctx.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

}  // namespace vestibule::crypto
