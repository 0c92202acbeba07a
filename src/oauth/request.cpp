#include "oauth/request.hpp"

#include "base/packed.hpp"
#include "crypto/aead.hpp"

namespace vestibule::oauth {
namespace {

constexpr std::size_t kSalt = 16;
constexpr std::string_view kLabel = "vestibule-oauth-request/v1";

/// Key and nonce of one seal, as in crypto/sealed.hpp: a salt never meets the same key twice.
Secret material(const crypto::HmacKey& key, ByteView salt) {
  Bytes info(kLabel.begin(), kLabel.end());
  info.push_back(0);
  info.insert(info.end(), salt.begin(), salt.end());
  return crypto::hkdf_expand(key, info, 44);
}

}  // namespace

std::string RequestSeal::seal(const AuthorizationRequest& r, Rng& rng) const {
  Packer p;
  for (const std::string* text : {&r.client, &r.client_name, &r.redirect, &r.state, &r.nonce, &r.challenge, &r.scope, &r.access_point, &r.key}) {
    p.bytes(as_bytes(*text));
  }
  p.number(r.origin).number(static_cast<std::uint64_t>(r.level)).number(static_cast<std::uint64_t>(r.max_age_s + 1));
  p.number(static_cast<std::uint64_t>(r.asked.time_since_epoch().count()));
  const Bytes plain = p.take();
  const auto salt = rng.take<kSalt>();
  const Secret m = material(key_, salt);
  Bytes out(salt.begin(), salt.end());
  crypto::aead_seal(m.reveal().first<32>(), m.reveal().subspan<32, 12>(), as_bytes(kLabel), plain, out);
  return base64url(out);
}

std::optional<AuthorizationRequest> RequestSeal::open(std::string_view text, WallTime now) const {
  if (text.size() > kMaxSealedRequest) return std::nullopt;
  const auto raw = unbase64url(text);
  if (!raw || raw->size() < kSalt + crypto::kAeadTagSize) return std::nullopt;
  const ByteView all(*raw);
  const Secret m = material(key_, all.first(kSalt));
  const auto plain = crypto::aead_open(m.reveal().first<32>(), m.reveal().subspan<32, 12>(), as_bytes(kLabel), all.subspan(kSalt));
  if (!plain) return std::nullopt;
  Unpacker in(plain->reveal());
  AuthorizationRequest r;
  for (std::string* out : {&r.client, &r.client_name, &r.redirect, &r.state, &r.nonce, &r.challenge, &r.scope, &r.access_point, &r.key}) {
    *out = std::string(as_text(in.bytes()));
  }
  r.origin = static_cast<std::uint8_t>(in.number());
  r.level = static_cast<int>(in.number());
  r.max_age_s = static_cast<std::int64_t>(in.number()) - 1;
  r.asked = WallTime(Duration(static_cast<std::int64_t>(in.number())));
  if (in.failed() || !in.done() || now - r.asked > kRequestLives || r.asked - now > std::chrono::minutes(1)) return std::nullopt;
  return r;
}

}  // namespace vestibule::oauth
