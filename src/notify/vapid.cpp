#include "notify/vapid.hpp"

#include "crypto/hash.hpp"
#include "json/writer.hpp"

namespace vestibule::notify {
namespace {

constexpr std::chrono::hours kLives{6};  // RFC 8292 section 2: 24 h at most, services take 12

}  // namespace

crypto::P256Key sender_key(const Secret& seed) {
  for (std::uint8_t round = 0;; ++round) {
    const Secret scalar = crypto::hkdf_sha256(seed.reveal(), {}, ByteView(&round, 1), 32);
    Result<crypto::P256Key> key = crypto::P256Key::from_scalar(scalar);  // fails once in 2^32
    if (key) return std::move(*key);
  }
}

std::string vapid(const crypto::P256Key& key, std::string_view origin, std::string_view contact, WallTime now) {
  const auto expires = std::chrono::duration_cast<std::chrono::seconds>((now + kLives).time_since_epoch()).count();
  json::Writer head;
  head.begin_object().member("typ", "JWT").member("alg", "ES256").end_object();
  json::Writer claims;
  claims.begin_object().member("aud", origin).member("exp", expires).member("sub", contact).end_object();
  std::string token = base64url(as_bytes(head.text())) + "." + base64url(as_bytes(claims.text()));
  token += "." + base64url(key.sign(as_bytes(token)));
  return "vapid t=" + token + ", k=" + base64url(key.public_key());
}

}  // namespace vestibule::notify
