#include "factors/webauthn_json.hpp"

#include <algorithm>
#include <array>

#include "factors/authenticator_data.hpp"
#include "json/value.hpp"
#include "json/writer.hpp"

namespace vestibule::factors {
namespace {

constexpr json::Limits kResponseLimits{kMaxResponse, 8, 512, 128, 32};
constexpr json::Limits kClientDataLimits{kMaxClientData, 8, 128, 128, 32};
constexpr std::array<std::string_view, 7> kTransports = {"ble",      "cable", "hybrid",    "internal",
                                                         "nfc",      "usb",   "smart-card"};

std::optional<Bytes> member_bytes(const json::Value& object, std::string_view key) {
  const auto text = object.get_string(key);
  return text ? unbase64url(*text) : std::nullopt;
}

// The part that both responses share; gives `response`, with the id and client data filled in.
const json::Value* common(const json::Value& document, Bytes& id, Bytes& client_data) {
  const auto type = document.get_string("type");
  if (!type || *type != "public-key") return nullptr;
  auto named = member_bytes(document, "id");
  auto raw = member_bytes(document, "rawId");
  if (!named || !raw || *named != *raw || raw->empty()) return nullptr;
  const json::Value* const response = document.find("response");
  if (response == nullptr || !response->is_object()) return nullptr;
  auto data = member_bytes(*response, "clientDataJSON");
  if (!data || data->size() > kMaxClientData) return nullptr;
  id = std::move(*raw);
  client_data = std::move(*data);
  return response;
}

void write_credentials(json::Writer& w, std::string_view key, const std::vector<CredentialName>& credentials) {
  w.key(key).begin_array();
  for (const CredentialName& c : credentials) {
    w.begin_object().member("type", "public-key").member("id", base64url(c.id));
    if (!c.transports.empty()) {
      w.key("transports").begin_array();
      std::string_view rest = c.transports;
      while (!rest.empty()) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        w.value(rest.substr(0, comma));
        rest = rest.substr(std::min(comma + 1, rest.size()));
      }
      w.end_array();
    }
    w.end_object();
  }
  w.end_array();
}

}  // namespace

std::string_view name(ResidentKey r) noexcept {
  switch (r) {
    case ResidentKey::preferred: return "preferred";
    case ResidentKey::required: return "required";
    case ResidentKey::discouraged: return "discouraged";
  }
  return "preferred";
}

std::optional<ResidentKey> resident_key_from(std::string_view text) noexcept {
  for (const auto r : {ResidentKey::preferred, ResidentKey::required, ResidentKey::discouraged}) {
    if (name(r) == text) return r;
  }
  return std::nullopt;
}

std::string_view name(UserVerification v) noexcept {
  switch (v) {
    case UserVerification::preferred: return "preferred";
    case UserVerification::required: return "required";
  }
  return "required";
}

std::optional<RegistrationResponse> parse_registration(std::string_view text) {
  const auto document = json::parse(text, kResponseLimits);
  if (!document) return std::nullopt;
  RegistrationResponse out;
  const json::Value* const response = common(*document, out.id, out.client_data);
  if (response == nullptr) return std::nullopt;
  auto object = member_bytes(*response, "attestationObject");
  if (!object) return std::nullopt;
  out.attestation_object = std::move(*object);
  if (const json::Value* const transports = response->find("transports"); transports != nullptr) {
    for (const json::Value& t : transports->items()) {
      const auto hint = t.as_string();
      if (!hint || std::ranges::find(kTransports, *hint) == kTransports.end()) continue;
      if (std::ranges::find(out.transports, *hint) == out.transports.end()) out.transports.push_back(*hint);
    }
  }
  return out;
}

std::optional<AuthenticationResponse> parse_authentication(std::string_view text) {
  const auto document = json::parse(text, kResponseLimits);
  if (!document) return std::nullopt;
  AuthenticationResponse out;
  const json::Value* const response = common(*document, out.id, out.client_data);
  if (response == nullptr) return std::nullopt;
  auto data = member_bytes(*response, "authenticatorData");
  auto signature = member_bytes(*response, "signature");
  if (!data || !signature) return std::nullopt;
  out.authenticator_data = std::move(*data);
  out.signature = std::move(*signature);
  // Absent and null say the same; the empty string is what some clients make of null.
  const json::Value* const handle = response->find("userHandle");
  if (handle != nullptr && !handle->is_null()) {
    const auto spelt = handle->as_string();
    if (!spelt) return std::nullopt;
    auto raw = unbase64url(*spelt);
    if (!raw) return std::nullopt;
    if (!raw->empty()) out.user_handle = std::move(*raw);
  }
  return out;
}

std::optional<ClientData> parse_client_data(ByteView raw) {
  const auto document = json::parse(as_text(raw), kClientDataLimits);
  if (!document || !document->is_object()) return std::nullopt;
  ClientData out;
  const auto type = document->get_string("type");
  auto challenge = member_bytes(*document, "challenge");
  const auto origin = document->get_string("origin");
  if (!type || !challenge || !origin) return std::nullopt;
  out.type = *type;
  out.challenge = std::move(*challenge);
  out.origin = *origin;
  if (document->find("crossOrigin") != nullptr) {
    const auto cross = document->get_bool("crossOrigin");
    if (!cross) return std::nullopt;
    out.cross_origin = *cross;
  }
  out.has_top_origin = document->find("topOrigin") != nullptr;
  return out;
}

std::string write(const CreationOptions& o) {
  json::Writer w;
  w.begin_object();
  w.key("rp").begin_object().member("id", o.rp_id).member("name", o.rp_name).end_object();
  w.key("user").begin_object().member("id", base64url(o.user_handle));
  w.member("name", o.user_name).member("displayName", o.user_name).end_object();
  w.member("challenge", base64url(o.challenge));
  w.key("pubKeyCredParams").begin_array();
  for (const CoseAlg alg : kOfferedAlgorithms) {
    w.begin_object().member("type", "public-key").member("alg", static_cast<std::int32_t>(alg)).end_object();
  }
  w.end_array().member("timeout", o.timeout_ms);
  write_credentials(w, "excludeCredentials", o.exclude);
  w.key("authenticatorSelection").begin_object().member("residentKey", name(o.resident));
  w.member("requireResidentKey", o.resident == ResidentKey::required);
  w.member("userVerification", name(o.verification)).end_object();
  w.member("attestation", o.direct_attestation ? "direct" : "none");
  w.key("extensions").begin_object().member("credProps", true).end_object();
  w.end_object();
  return w.take();
}

std::string write(const RequestOptions& o) {
  json::Writer w;
  w.begin_object().member("challenge", base64url(o.challenge)).member("timeout", o.timeout_ms).member("rpId", o.rp_id);
  write_credentials(w, "allowCredentials", o.allow);
  w.member("userVerification", name(o.verification)).end_object();
  return w.take();
}

}  // namespace vestibule::factors
