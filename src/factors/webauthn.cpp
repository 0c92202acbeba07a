#include "factors/webauthn.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "factors/attestation.hpp"

namespace vestibule::factors {
namespace {

constexpr std::string_view kContext = "vestibule/webauthn/v1";
constexpr std::string_view kCreate = "webauthn.create";
constexpr std::string_view kGet = "webauthn.get";

Error refuse(Flaw flaw) { return fail(Reason::code_wrong, std::string(name(flaw))); }
Error refuse_by_policy(Flaw flaw) { return fail(Reason::authenticator_refused, std::string(name(flaw))); }

std::optional<CoseAlg> offered(std::int64_t algorithm) noexcept {
  for (const CoseAlg a : kOfferedAlgorithms) {
    if (static_cast<std::int64_t>(a) == algorithm) return a;
  }
  return std::nullopt;
}

// "https://name[:port]" as browsers serialize origins (RFC 6454), or http for localhost; gives the host.
std::optional<std::string_view> host_of(std::string_view origin) {
  const bool secure = origin.starts_with("https://");
  if (!secure && !origin.starts_with("http://")) return std::nullopt;
  std::string_view host = origin.substr(secure ? 8 : 7);
  if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    const std::string_view port = host.substr(colon + 1);
    if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    if (port == (secure ? "443" : "80")) return std::nullopt;  // browsers leave it out
    host = host.substr(0, colon);
  }
  if (host.empty() || host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") != std::string_view::npos) return std::nullopt;
  const bool local = host == "localhost" || host.ends_with(".localhost");
  if (!secure && !local) return std::nullopt;
  return host;
}

bool falls_under(std::string_view host, std::string_view rp_id) {
  if (host == rp_id) return true;
  return host.size() > rp_id.size() && host.ends_with(rp_id) && host[host.size() - rp_id.size() - 1] == '.';
}

// Some point of P-256 (the generator), for what is verified in vain: the verdict is thrown away.
constexpr std::array<std::uint8_t, 64> kAnyKey = {
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
    0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
    0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};

}  // namespace

std::string_view name(Flaw flaw) noexcept {
  switch (flaw) {
    case Flaw::response: return "response";
    case Flaw::client_data: return "client_data";
    case Flaw::type: return "type";
    case Flaw::challenge: return "challenge";
    case Flaw::origin: return "origin";
    case Flaw::cross_origin: return "cross_origin";
    case Flaw::authenticator_data: return "authenticator_data";
    case Flaw::rp_id: return "rp_id";
    case Flaw::user_presence: return "user_presence";
    case Flaw::user_verification: return "user_verification";
    case Flaw::backup_state: return "backup_state";
    case Flaw::algorithm: return "algorithm";
    case Flaw::credential_id: return "credential_id";
    case Flaw::public_key: return "public_key";
    case Flaw::attestation: return "attestation";
    case Flaw::attestation_format: return "attestation_format";
    case Flaw::aaguid: return "aaguid";
    case Flaw::synced_key: return "synced_key";
    case Flaw::trust: return "trust";
    case Flaw::credential: return "credential";
    case Flaw::user_handle: return "user_handle";
    case Flaw::signature: return "signature";
    case Flaw::sign_count: return "sign_count";
  }
  return "unknown";
}

struct RelyingParty::Anchors {
  std::unique_ptr<TrustAnchors> trusted;
};

RelyingParty::RelyingParty(WebAuthnOptions options) : options_(std::move(options)) {
  rp_id_hash_ = crypto::sha256(as_bytes(options_.rp_id));
}
RelyingParty::~RelyingParty() = default;

Result<std::unique_ptr<RelyingParty>> RelyingParty::make(WebAuthnOptions options) {
  if (options.origins.empty()) return fail(Reason::config_invalid, "no origin is configured");
  for (const std::string& origin : options.origins) {
    const auto host = host_of(origin);
    if (!host) return fail(Reason::config_invalid, origin + " is no origin: https://NAME[:PORT], lower case, or http://localhost[:PORT]");
    if (!falls_under(*host, options.rp_id)) return fail(Reason::config_invalid, origin + " does not fall under the rp_id " + options.rp_id);
  }
  auto trusted = TrustAnchors::parse(options.anchors);
  if (!trusted) return std::move(trusted).error();
  if (options.attestation == AttestationPolicy::listed) {
    // A model's name is worth something only where somebody vouches for it.
    if (options.aaguids.empty() || (*trusted)->empty()) {
      return fail(Reason::config_invalid, "listed authenticators need AAGUIDs and attestation anchors");
    }
    if (std::ranges::find(options.aaguids, Aaguid{}) != options.aaguids.end()) {
      return fail(Reason::config_invalid, "the AAGUID of zeros names no model");
    }
  }
  std::unique_ptr<RelyingParty> made(new RelyingParty(std::move(options)));
  made->anchors_ = std::make_unique<Anchors>(Anchors{std::move(*trusted)});
  return made;
}

bool RelyingParty::wants_attestation() const noexcept {
  return options_.attestation != AttestationPolicy::any || !anchors_->trusted->empty();
}

std::optional<Flaw> RelyingParty::check_client_data(ByteView raw, std::string_view type, ByteView challenge) const {
  const auto data = parse_client_data(raw);
  if (!data) return Flaw::client_data;
  if (data->type != type) return Flaw::type;
  if (!equal_constant_time(data->challenge, challenge)) return Flaw::challenge;
  if (std::ranges::find(options_.origins, data->origin) == options_.origins.end()) return Flaw::origin;
  if (data->cross_origin || data->has_top_origin) return Flaw::cross_origin;
  return std::nullopt;
}

std::optional<Flaw> RelyingParty::check_authenticator(const AuthenticatorData& data, UserVerification verification) const {
  if (!std::ranges::equal(data.rp_id_hash, rp_id_hash_)) return Flaw::rp_id;
  if (!data.user_present) return Flaw::user_presence;
  if (verification == UserVerification::required && !data.user_verified) return Flaw::user_verification;
  if (data.backed_up && !data.backup_eligible) return Flaw::backup_state;
  return std::nullopt;
}

Result<Registered> RelyingParty::verify_registration(const RegistrationResponse& response, ByteView challenge, WallTime now) const {
  if (const auto flaw = check_client_data(response.client_data, kCreate, challenge)) return refuse(*flaw);
  const auto object = parse_attestation_object(response.attestation_object);
  if (!object) return refuse(Flaw::authenticator_data);
  const AuthenticatorData& data = object->data;
  if (const auto flaw = check_authenticator(data, options_.verification)) return refuse(*flaw);
  const AuthenticatorData::Attested& attested = *data.attested;
  const auto algorithm = offered(attested.algorithm);
  if (!algorithm) return refuse(Flaw::algorithm);
  if (attested.credential_id.size() > kMaxCredentialId || !std::ranges::equal(attested.credential_id, response.id)) {
    return refuse(Flaw::credential_id);
  }
  const Digest client_data_hash = crypto::sha256(response.client_data);
  const Signed what{options_.rp_id, client_data_hash, data};
  auto key = decode_public_key(what, *algorithm);
  if (!key) return refuse(Flaw::public_key);
  if (wants_attestation() && options_.attestation != AttestationPolicy::any && !is_known_format(object->format)) {
    return refuse_by_policy(Flaw::attestation_format);
  }
  auto trust = verify_statement(what, *object, *algorithm);
  if (!trust) return refuse(Flaw::attestation);
  if (*trust == AttestationTrust::unanchored && anchors_->trusted->vouch_for(object->statement.certificates, now)) {
    trust = AttestationTrust::anchored;
  }
  switch (options_.attestation) {
    case AttestationPolicy::any: break;
    case AttestationPolicy::listed:
      if (*trust != AttestationTrust::anchored) return refuse_by_policy(Flaw::trust);
      if (std::ranges::find(options_.aaguids, attested.aaguid) == options_.aaguids.end()) return refuse_by_policy(Flaw::aaguid);
      break;
    case AttestationPolicy::hardware:
      if (data.backup_eligible) return refuse_by_policy(Flaw::synced_key);
      if (!anchors_->trusted->empty() && *trust != AttestationTrust::anchored) return refuse_by_policy(Flaw::trust);
      break;
  }
  Registered out;
  Credential& c = out.credential;
  c.id.assign(attested.credential_id.begin(), attested.credential_id.end());
  c.algorithm = *algorithm;
  c.public_key = std::move(*key);
  c.sign_count = data.sign_count;
  c.aaguid = attested.aaguid;
  c.backup_eligible = data.backup_eligible;
  c.backed_up = data.backed_up;
  for (const std::string& t : response.transports) c.transports.append(c.transports.empty() ? "" : ",").append(t);
  c.format = object->format.substr(0, 32);
  c.trust = *trust;
  out.user_verified = data.user_verified;
  return out;
}

Result<Asserted> RelyingParty::verify_assertion(const AuthenticationResponse& response, const Credential& credential,
                                                ByteView challenge, UserVerification verification) const {
  if (const auto flaw = check_client_data(response.client_data, kGet, challenge)) return refuse(*flaw);
  const auto data = parse_authenticator_data(response.authenticator_data);
  if (!data || data->attested) return refuse(Flaw::authenticator_data);
  if (const auto flaw = check_authenticator(*data, verification)) return refuse(*flaw);
  if (data->backup_eligible != credential.backup_eligible) return refuse(Flaw::backup_state);
  const Digest client_data_hash = crypto::sha256(response.client_data);
  if (!verify_signature({options_.rp_id, client_data_hash, *data}, credential.algorithm, credential.public_key, response.signature)) {
    return refuse(Flaw::signature);
  }
  Asserted out;
  out.user_verified = data->user_verified;
  out.backed_up = data->backed_up;
  out.sign_count = data->sign_count;
  const bool counts = data->sign_count != 0 || credential.sign_count != 0;
  out.counter_stuck = counts && data->sign_count <= credential.sign_count;
  return out;
}

void RelyingParty::spend_like_verifying(const AuthenticationResponse& response, ByteView challenge) const {
  Credential nobody;
  nobody.public_key.assign(kAnyKey.begin(), kAnyKey.end());
  if (const auto data = parse_authenticator_data(response.authenticator_data)) nobody.backup_eligible = data->backup_eligible;
  const auto refused = verify_assertion(response, nobody, challenge, UserVerification::required);
  static_cast<void>(refused);
}

bool is_origin_of(std::string_view origin, std::string_view rp_id) {
  const auto host = host_of(origin);
  return host && falls_under(*host, rp_id);
}

Digest webauthn_challenge(ByteView nonce, const Digest& binding) noexcept {
  return crypto::sha256({as_bytes(kContext), nonce, ByteView(binding)});
}

}  // namespace vestibule::factors
