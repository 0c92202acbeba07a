#include "crypto/spki.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <span>

#include "crypto/openssl.hpp"

namespace vestibule::crypto {
namespace {


// Each of these keys has one length, so everything before its numbers is the same for all of an algorithm.
constexpr std::array<std::uint8_t, 27> kP256 = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                                0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
constexpr std::array<std::uint8_t, 24> kP384 = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                                0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04};
constexpr std::array<std::uint8_t, 12> kEd25519 = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::array<std::uint8_t, 33> kRsa = {0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48,
                                               0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01,
                                               0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00};
constexpr std::array<std::uint8_t, 2> kExponent = {0x02, 0x03};

struct Form {
  std::span<const std::uint8_t> prefix;
  std::size_t number;                   ///< bytes after it
  std::span<const std::uint8_t> infix;  ///< of RSA: between modulus and exponent
  std::size_t last;
  const EVP_MD* (*hash)();
};

std::optional<Form> form_of(std::int64_t algorithm) noexcept {
  switch (algorithm) {
    case -7: return Form{kP256, 64, {}, 0, EVP_sha256};
    case -35: return Form{kP384, 96, {}, 0, EVP_sha384};
    case -8: return Form{kEd25519, 32, {}, 0, nullptr};
    case -257: return Form{kRsa, 256, kExponent, 3, EVP_sha256};
  }
  return std::nullopt;
}

// An RSA number that begins with another byte would be spelt otherwise in DER.
bool spelt(const Form& f, ByteView number, ByteView last) noexcept {
  return f.last == 0 || ((number[0] & 0x80U) != 0 && last[0] != 0 && (last[0] & 0x80U) == 0);
}

bool in_form(const Form& f, ByteView spki) noexcept {
  const std::size_t infix = f.prefix.size() + f.number;
  const std::size_t last = infix + f.infix.size();
  if (spki.size() != last + f.last || !std::ranges::equal(spki.first(f.prefix.size()), f.prefix) ||
      !std::ranges::equal(spki.subspan(infix, f.infix.size()), f.infix)) {
    return false;
  }
  return spelt(f, spki.subspan(f.prefix.size(), f.number), spki.subspan(last));
}

}  // namespace

std::optional<Bytes> spki_of(std::int64_t algorithm, ByteView key) {
  const auto f = form_of(algorithm);
  if (!f || key.size() != f->number + f->last) return std::nullopt;
  const ByteView number = key.first(f->number);
  const ByteView last = key.subspan(f->number);
  if (!spelt(*f, number, last)) return std::nullopt;
  Bytes out;
  for (const ByteView part : {ByteView(f->prefix), number, ByteView(f->infix), last}) out.insert(out.end(), part.begin(), part.end());
  return out;
}

bool verify_spki(std::int64_t algorithm, ByteView spki, ByteView message, ByteView signature) {
  const ClearErrors clear;
  const auto f = form_of(algorithm);
  if (!f || !in_form(*f, spki) || signature.empty()) return false;
  const unsigned char* at = spki.data();
  const EvpKey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  if (!key) return false;
  const DigestContext ctx(EVP_MD_CTX_new());
  if (!ctx) throw std::bad_alloc();
  return EVP_DigestVerifyInit(ctx.get(), nullptr, f->hash == nullptr ? nullptr : f->hash(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

}  // namespace vestibule::crypto
