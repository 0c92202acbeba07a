#pragma once
// A client: a program that asks for tokens in a person's name. What it says of itself is read here; where it
// is kept, clients.hpp knows. Plain values.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "crypto/jose.hpp"
#include "json/value.hpp"
#include "json/writer.hpp"
#include "oauth/failure.hpp"

namespace vestibule::oauth {

/// How it came to be known. Numbers are frozen: they stand in rows.
enum class Origin : std::uint8_t {
  administrator = 1,  ///< an administrator registered it
  registered = 2,     ///< it registered itself (RFC 7591): what it says is nobody's word but its own
  document = 3,       ///< its identifier is the address of its own description
  built_in = 4,       ///< the command line of this gateway
};
[[nodiscard]] std::string_view name(Origin origin) noexcept;

/// How it shows that it is itself. Numbers are frozen.
enum class ClientAuth : std::uint8_t { none = 0, basic = 1, post = 2, private_key_jwt = 3 };
[[nodiscard]] std::string_view name(ClientAuth auth) noexcept;
[[nodiscard]] std::optional<ClientAuth> client_auth_from(std::string_view name) noexcept;

inline constexpr std::string_view kDeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";
/// A service account's: it asks for itself.
inline constexpr std::string_view kServiceGrant = "client_credentials";
inline constexpr std::size_t kMaxClientMetadata = 16384;  ///< bytes of JSON

struct Client {
  std::string id;
  std::string name;                         ///< for people
  Origin origin = Origin::registered;
  ClientAuth auth = ClientAuth::none;
  std::vector<std::string> redirects;
  std::vector<crypto::PublicJwk> keys;      ///< for private_key_jwt
  std::optional<Digest> secret;             ///< SHA-256 of it
  bool code = true, refresh = false, device = false;  ///< grants that it may use
  crypto::JwsAlg id_token_alg = crypto::JwsAlg::es256;
  WallTime created{};

  [[nodiscard]] bool confidential() const noexcept { return auth != ClientAuth::none; }
};

/// The command line, `vestibule login`: known to every gateway, so that nobody has to register it and a closed
/// registration does not shut it out. Public (RFC 8252 section 8.5): whoever imitates it on a person's machine
/// needs that person's consent, as the original does.
inline constexpr std::string_view kCommandLine = "vestibule-cli";
inline constexpr std::string_view kCommandLineRedirect = "http://127.0.0.1/callback";
[[nodiscard]] Client command_line();

/// RFC 7591 section 2, OpenID Connect Registration section 2, and the document of a client that is named by
/// its address. What is not understood is passed over; what is understood must be right.
/// invalid_redirect_uri, invalid_client_metadata.
[[nodiscard]] Answer<Client> read_client(const json::Value& metadata, Origin origin);
[[nodiscard]] Answer<Client> parse_client(std::string_view json, Origin origin);
/// The same as members of an object that has been begun.
void write_client(json::Writer& w, const Client& client);

/// An identifier that is an address: https, a path, no query and no fragment.
[[nodiscard]] bool is_document_address(std::string_view client_id);

}  // namespace vestibule::oauth
