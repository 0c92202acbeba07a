#include "oauth/client.hpp"

#include <algorithm>

#include "http/url.hpp"
#include "oauth/redirect.hpp"

namespace vestibule::oauth {
namespace {

constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxRedirects = 16;
constexpr std::size_t kMaxKeys = 8;
constexpr json::Limits kLimits{kMaxClientMetadata, 8, 2048, 128, 32};

Failure bad(std::string_view why) { return {Code::invalid_client_metadata, why}; }

/// A list of strings, or what counts where the member is not there; nothing if it is something else.
std::optional<std::vector<std::string>> strings(const json::Value& object, std::string_view name,
                                                std::vector<std::string> otherwise) {
  const json::Value* const list = object.find(name);
  if (list == nullptr) return otherwise;
  if (!list->is_array() || list->items().size() > 64) return std::nullopt;
  std::vector<std::string> out;
  for (const json::Value& v : list->items()) {
    auto text = v.as_string();
    if (!text) return std::nullopt;
    out.push_back(std::move(*text));
  }
  return out;
}

/// A name is shown to people who decide by it: nothing that turns a line round or hides in it.
bool fit_to_be_shown(std::string_view text) noexcept {
  if (text.empty() || text.size() > kMaxName || !is_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f) return false;
    const auto next = [&](std::size_t n) { return i + n < text.size() ? static_cast<unsigned char>(text[i + n]) : 0U; };
    if (c == 0xc2 && next(1) < 0xa0) return false;                                   // C1 controls
    if (c == 0xe2 && next(1) == 0x80 && next(2) >= 0x8b && next(2) <= 0x8f) return false;  // zero width, LRM, RLM
    if (c == 0xe2 && next(1) == 0x80 && next(2) >= 0xa8 && next(2) <= 0xae) return false;  // separators, overrides
    if (c == 0xe2 && next(1) == 0x81 && next(2) >= 0xa0 && next(2) <= 0xaf) return false;  // isolates
    if (c == 0xef && next(1) == 0xbb && next(2) == 0xbf) return false;               // BOM
  }
  return true;
}

}  // namespace

std::string_view name(Origin origin) noexcept {
  switch (origin) {
    case Origin::administrator: return "administrator";
    case Origin::registered: return "registered";
    case Origin::document: return "document";
    case Origin::built_in: return "built_in";
  }
  return "";
}

std::string_view name(ClientAuth auth) noexcept {
  switch (auth) {
    case ClientAuth::none: return "none";
    case ClientAuth::basic: return "client_secret_basic";
    case ClientAuth::post: return "client_secret_post";
    case ClientAuth::private_key_jwt: return "private_key_jwt";
  }
  return "";
}

std::optional<ClientAuth> client_auth_from(std::string_view text) noexcept {
  for (const auto a : {ClientAuth::none, ClientAuth::basic, ClientAuth::post, ClientAuth::private_key_jwt}) {
    if (name(a) == text) return a;
  }
  return std::nullopt;
}

Client command_line() {
  Client c;
  c.id = kCommandLine;
  c.name = "Vestibule command line";
  c.origin = Origin::built_in;
  c.redirects = {std::string(kCommandLineRedirect)};
  c.refresh = true;
  c.device = true;
  return c;
}

bool is_document_address(std::string_view client_id) {
  if (!client_id.starts_with("https://") || client_id.size() > 512) return false;
  const auto url = http::parse_url(client_id);
  return url && url->target.size() > 1 && url->target.find('?') == std::string::npos && client_id == url->origin() + url->target;
}

Answer<Client> parse_client(std::string_view text, Origin origin) {
  const auto document = json::parse(text, kLimits);
  if (!document) return bad("the metadata is no JSON object that can be read in one way only");
  return read_client(*document, origin);
}

Answer<Client> read_client(const json::Value& m, Origin origin) {
  if (!m.is_object()) return bad("the metadata is a JSON object");
  Client out;
  out.origin = origin;
  const bool document = origin == Origin::document;
  if (document) {
    auto id = m.get_string("client_id");
    if (!id || !is_document_address(*id)) return bad("client_id is the document's own address");
    out.id = std::move(*id);
  }
  // A document that everybody reads holds no secret, so that none is asked for.
  std::string auth(document ? "none" : "client_secret_basic");
  if (m.find("token_endpoint_auth_method") != nullptr) auth = m.get_string("token_endpoint_auth_method").value_or("?");
  const auto method = client_auth_from(auth);
  if (!method) return bad("token_endpoint_auth_method is none, client_secret_basic, client_secret_post or private_key_jwt");
  out.auth = *method;
  if (document && (out.auth == ClientAuth::basic || out.auth == ClientAuth::post)) return bad("a public document cannot hold a secret");
  if (document && m.find("client_secret") != nullptr) return bad("a public document cannot hold a secret");

  auto named = m.get_string("client_name");
  if (m.find("client_name") == nullptr && !document) named = std::string("a client without a name");
  if (!named || !fit_to_be_shown(*named)) return bad("client_name is text of at most 128 bytes that can be shown");
  out.name = std::move(*named);

  const auto grants = strings(m, "grant_types", {"authorization_code"});
  if (!grants || grants->empty()) return bad("grant_types is a list of strings");
  out.code = false;
  for (const std::string& g : *grants) {
    if (g == "authorization_code") {
      out.code = true;
    } else if (g == "refresh_token") {
      out.refresh = true;
    } else if (g == kDeviceGrant) {
      out.device = true;
    } else {
      return bad("grant_types are authorization_code, refresh_token and device_code");
    }
  }
  if (!out.code && !out.device) return bad("a client begins with a code or with a device's code");
  const auto types = strings(m, "response_types", {"code"});
  if (!types || std::ranges::any_of(*types, [](const std::string& t) { return t != "code"; })) return bad("response_types is code alone");

  const auto redirects = strings(m, "redirect_uris", {});
  if (!redirects || redirects->size() > kMaxRedirects) return Failure{Code::invalid_redirect_uri, "redirect_uris is a list of at most 16 addresses"};
  const auto kind = out.confidential() ? Confidentiality::confidential : Confidentiality::open;
  for (const std::string& r : *redirects) {
    if (!valid_redirect(r, kind)) return Failure{Code::invalid_redirect_uri, "an address is https, http on loopback, or of a private-use scheme; without fragment and wildcard"};
  }
  if (out.code && redirects->empty()) return Failure{Code::invalid_redirect_uri, "redirect_uris is missing"};
  out.redirects = *redirects;

  if (m.find("jwks_uri") != nullptr) return bad("jwks_uri is not fetched: give the keys as jwks");
  if (const json::Value* const jwks = m.find("jwks")) {
    const json::Value* const keys = jwks->find("keys");
    if (keys == nullptr || !keys->is_array() || keys->items().size() > kMaxKeys) return bad("jwks holds at most 8 keys");
    for (const json::Value& k : keys->items()) {
      auto key = crypto::PublicJwk::from(k);
      if (!key) return bad("jwks holds public keys of RSA or P-256 for signatures alone");
      out.keys.push_back(std::move(*key));
    }
  }
  if (out.auth == ClientAuth::private_key_jwt && out.keys.empty()) return bad("private_key_jwt needs jwks");
  if (m.find("id_token_signed_response_alg") != nullptr) {
    const auto text = m.get_string("id_token_signed_response_alg");
    const auto alg = text ? crypto::jws_alg_from(*text) : std::nullopt;
    if (!alg || *alg == crypto::JwsAlg::ps256) return bad("id_token_signed_response_alg is ES256 or RS256");
    out.id_token_alg = *alg;
  }
  return out;
}

void write_client(json::Writer& w, const Client& c) {
  w.member("client_name", c.name).member("token_endpoint_auth_method", name(c.auth));
  w.key("redirect_uris").begin_array();
  for (const std::string& r : c.redirects) w.value(r);
  w.end_array().key("grant_types").begin_array();
  if (c.code) w.value("authorization_code");
  if (c.refresh) w.value("refresh_token");
  if (c.device) w.value(kDeviceGrant);
  w.end_array().key("response_types").begin_array();
  if (c.code) w.value("code");
  w.end_array().member("id_token_signed_response_alg", crypto::name(c.id_token_alg));
  if (!c.keys.empty()) {
    w.key("jwks").begin_object().key("keys").begin_array();
    for (const crypto::PublicJwk& k : c.keys) {
      if (k.kid().empty()) {
        w.raw(k.json());
        continue;
      }
      std::string key = k.json();
      key.pop_back();
      json::Writer kid;
      kid.begin_object().member("kid", k.kid()).end_object();
      w.raw(key + "," + kid.text().substr(1));
    }
    w.end_array().end_object();
  }
}

}  // namespace vestibule::oauth
