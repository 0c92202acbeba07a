#include "notify/web_push.hpp"

#include <openssl/evp.h>

#include <memory>
#include <stdexcept>

#include "crypto/hash.hpp"
#include "crypto/openssl.hpp"

namespace vestibule::notify {
namespace {

constexpr std::size_t kTag = 16;
constexpr std::uint32_t kRecordSize = 4096;
constexpr std::uint8_t kLastRecord = 0x02;

void append(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

/// "label" and a zero byte (RFC 8188 section 2.2).
Bytes label(std::string_view text) {
  Bytes out(text.begin(), text.end());
  out.push_back(0);
  return out;
}

void seal(const Secret& key, const Secret& nonce, ByteView plain, Bytes& out) {
  const std::unique_ptr<EVP_CIPHER_CTX, crypto::Release<EVP_CIPHER_CTX_free>> ctx(EVP_CIPHER_CTX_new());
  const std::size_t at = out.size();
  out.resize(at + plain.size() + kTag);
  std::uint8_t* const tag = out.data() + at + plain.size();
  int n = 0;
  const bool done = ctx && EVP_EncryptInit_ex(ctx.get(), EVP_aes_128_gcm(), nullptr, key.reveal().data(), nonce.reveal().data()) == 1 &&
                    EVP_EncryptUpdate(ctx.get(), out.data() + at, &n, plain.data(), static_cast<int>(plain.size())) == 1 &&
                    EVP_EncryptFinal_ex(ctx.get(), tag, &n) == 1 &&
                    EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kTag, tag) == 1;
  if (!done) throw std::runtime_error("AES-128-GCM failed");
}

}  // namespace

Result<Bytes> encrypt(ByteView message, const Subscription& to, const crypto::P256Key& sender, const Salt& salt,
                      std::size_t fill) {
  if (message.size() > kMaxMessage || fill > kMaxMessage) return fail(Reason::invalid_argument, "the message is too long");
  const Result<Secret> shared = sender.agree(to.key);
  if (!shared) return shared.error();
  // RFC 8291 section 3.4: both keys and the secret that only the browser and we know go into the key.
  Bytes info = label("WebPush: info");
  append(info, to.key);
  append(info, sender.public_key());
  const Secret ikm = crypto::hkdf_sha256(shared->reveal(), to.auth, info, 32);
  const Secret key = crypto::hkdf_sha256(ikm.reveal(), salt, label("Content-Encoding: aes128gcm"), 16);
  const Secret nonce = crypto::hkdf_sha256(ikm.reveal(), salt, label("Content-Encoding: nonce"), 12);

  Bytes out(salt.begin(), salt.end());
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(kRecordSize >> static_cast<unsigned>(shift)));
  out.push_back(static_cast<std::uint8_t>(sizeof(crypto::P256Point)));
  append(out, sender.public_key());
  Bytes plain(message.begin(), message.end());
  plain.push_back(kLastRecord);
  if (plain.size() < fill + 1) plain.resize(fill + 1, 0);
  seal(key, nonce, plain, out);
  wipe(plain.data(), plain.size());
  return out;
}

}  // namespace vestibule::notify
