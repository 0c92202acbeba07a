#include "gate/dpop.hpp"

#include "crypto/hash.hpp"
#include "crypto/jose.hpp"
#include "http/host.hpp"
#include "http/url.hpp"

namespace vestibule::gate {
namespace {

constexpr std::chrono::seconds kOld{120};
constexpr std::chrono::seconds kAhead{10};  // clocks differ
constexpr std::size_t kMaxProof = 4096;
constexpr std::size_t kRemembered = 65536;
constexpr json::Limits kClaims{kMaxProof, 4, 128, 64, 32};

Error bad(const char* why) { return fail(Reason::credential_malformed, why); }

/// Section 4.3, number 9: without query and fragment. What stands before us may speak TLS where we do not.
bool same_target(std::string_view htu, const DpopWanted& wanted) {
  const std::string_view bare = htu.substr(0, htu.find('?'));
  const auto url = http::parse_url(bare);
  const auto host = http::parse_host(wanted.authority);
  if (!url || !host || url->host != host->name || url->target != wanted.path) return false;
  const bool https = url->scheme == http::Url::Scheme::https;
  if (wanted.tls && !https) return false;
  return url->port == (host->port != 0 ? host->port : https ? 443 : 80);
}

}  // namespace

Dpop::Dpop(const Clock& clock)
    : clock_(clock), since_(clock.wall()), seen_(kOld + kAhead + std::chrono::seconds(10), kRemembered) {}

Result<std::string_view> Dpop::field(const http::Headers& headers) {
  if (headers.count(http::Known::dpop) != 1) return bad("exactly one DPoP field is asked for");
  return *headers.find(http::Known::dpop);
}

Result<Digest> Dpop::check(std::string_view proof, const DpopWanted& wanted) {
  if (proof.size() > kMaxProof) return bad("the DPoP proof is too long");
  const auto jws = crypto::UnverifiedJws::parse(proof);
  if (!jws) return bad("the DPoP proof is no signed token that counts here");
  const json::Value& header = jws->header();
  if (header.get_string("typ").value_or("") != "dpop+jwt") return bad("the DPoP proof is of another type");
  const json::Value* const jwk = header.find("jwk");
  if (jwk == nullptr) return bad("the DPoP proof names no key");
  const auto key = crypto::PublicJwk::from(*jwk);
  if (!key) return bad("the DPoP proof's key cannot be used");
  const auto payload = jws->verify(*key, crypto::kJwsAlgs);
  if (!payload) return bad("the DPoP proof is not signed by its key");
  const auto claims = json::parse(*payload, kClaims);
  if (!claims || !claims->is_object()) return bad("the DPoP proof holds no claims");
  const auto jti = claims->get_string("jti");
  const auto htm = claims->get_string("htm");
  const auto htu = claims->get_string("htu");
  const auto iat = claims->get_int("iat");
  if (!jti || jti->empty() || jti->size() > 256 || !htm || !htu || !iat) return bad("the DPoP proof lacks a claim");
  if (*htm != wanted.method) return bad("the DPoP proof is for another method");
  if (!same_target(*htu, wanted)) return bad("the DPoP proof is for another address");
  const WallTime now = clock_.wall();
  const auto limit = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (*iat > limit + kAhead.count() || *iat < limit - kOld.count()) return bad("the DPoP proof is not of now");
  // Whether it was used before the process began, nobody knows.
  if (*iat < std::chrono::duration_cast<std::chrono::seconds>(since_.time_since_epoch()).count()) {
    return bad("the DPoP proof is older than this gateway's memory");
  }
  if (!wanted.token.empty()) {
    const Digest digest = crypto::sha256(as_bytes(wanted.token));
    if (claims->get_string("ath").value_or("") != base64url(digest)) return bad("the DPoP proof is for another token");
  }
  // Last: only what is good is remembered, so that nobody fills the memory with nothing.
  switch (seen_.use(crypto::sha256({ByteView(key->thumbprint()), as_bytes(*jti)}), now)) {
    case SingleUse::Seen::first: return key->thumbprint();
    case SingleUse::Seen::before: return bad("the DPoP proof was used already");
    case SingleUse::Seen::full: return fail(Reason::overloaded, "too many DPoP proofs");
  }
  return bad("the DPoP proof was used already");
}

}  // namespace vestibule::gate
