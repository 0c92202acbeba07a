#include "crypto/aead.hpp"

#include <openssl/evp.h>

#include <stdexcept>

#include "crypto/openssl.hpp"

namespace vestibule::crypto {
namespace {

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Release<EVP_CIPHER_CTX_free>>;

// Fetched once: a fetch takes locks and is dearer than a small encryption. Never freed: sealed
// secrets may be used until the very end of the process.
const EVP_CIPHER* cipher() {
  static const EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  if (fetched == nullptr) throw std::runtime_error("OpenSSL offers no AES-256-GCM");
  return fetched;
}

void check(int ok) {
  if (ok != 1) throw std::runtime_error("AES-256-GCM failed");
}

}  // namespace

void aead_seal(std::span<const std::uint8_t, 32> key, std::span<const std::uint8_t, 12> nonce,
               ByteView associated, ByteView plaintext, Bytes& out) {
  if (plaintext.size() > kAeadMaxSize || associated.size() > kAeadMaxSize)
    throw std::length_error("too much to seal at once");
  const CipherContext ctx(EVP_CIPHER_CTX_new());
  if (!ctx) throw std::bad_alloc();
  int n = 0;
  check(EVP_EncryptInit_ex2(ctx.get(), cipher(), key.data(), nonce.data(), nullptr));
  if (!associated.empty())
    check(EVP_EncryptUpdate(ctx.get(), nullptr, &n, associated.data(),
                            static_cast<int>(associated.size())));
  const std::size_t start = out.size();
  out.resize(start + plaintext.size() + kAeadTagSize);
  if (!plaintext.empty())
    check(EVP_EncryptUpdate(ctx.get(), out.data() + start, &n, plaintext.data(),
                            static_cast<int>(plaintext.size())));
  std::uint8_t* const tag = out.data() + start + plaintext.size();
  check(EVP_EncryptFinal_ex(ctx.get(), tag, &n));
  check(EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, tag));
}

Result<Secret> aead_open(std::span<const std::uint8_t, 32> key,
                         std::span<const std::uint8_t, 12> nonce, ByteView associated,
                         ByteView ciphertext_and_tag) {
  if (ciphertext_and_tag.size() < kAeadTagSize ||
      ciphertext_and_tag.size() - kAeadTagSize > kAeadMaxSize || associated.size() > kAeadMaxSize)
    return fail(Reason::sealed_unreadable, "impossible length");
  const ByteView ciphertext = ciphertext_and_tag.first(ciphertext_and_tag.size() - kAeadTagSize);
  std::array<std::uint8_t, kAeadTagSize> tag;
  const ByteView given = ciphertext_and_tag.last(kAeadTagSize);
  std::copy(given.begin(), given.end(), tag.begin());

  const CipherContext ctx(EVP_CIPHER_CTX_new());
  if (!ctx) throw std::bad_alloc();
  int n = 0;
  check(EVP_DecryptInit_ex2(ctx.get(), cipher(), key.data(), nonce.data(), nullptr));
  if (!associated.empty())
    check(EVP_DecryptUpdate(ctx.get(), nullptr, &n, associated.data(),
                            static_cast<int>(associated.size())));
  Bytes plain(ciphertext.size());
  if (!plain.empty())
    check(EVP_DecryptUpdate(ctx.get(), plain.data(), &n, ciphertext.data(),
                            static_cast<int>(ciphertext.size())));
  Secret out(std::move(plain));  // wipes what did not verify
  check(EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, tag.data()));
  std::uint8_t nothing[16];
  if (EVP_DecryptFinal_ex(ctx.get(), nothing, &n) != 1)
    return fail(Reason::sealed_unreadable, "does not verify");
  return out;
}

}  // namespace vestibule::crypto
