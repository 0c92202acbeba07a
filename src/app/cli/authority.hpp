#pragma once
// The gateway as an authorization server, as the command line meets it: a public client (RFC 8252) that knows
// nothing but an access point's address.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/cli/client.hpp"

namespace vestibule::app::cli {

/// What tokens are for and where they come from. Paths are of the issuer's own origin.
struct Authority {
  std::string resource;      ///< the access point's address, as tokens name it
  std::string access_point;  ///< its name
  std::string issuer;
  std::string authorize, token, device, revoke, userinfo;
};
/// By RFC 9728 and RFC 8414. invalid_argument: the address is none, or somebody there says that he is another;
/// not_found: no access point is there that gives tokens.
[[nodiscard]] Result<Authority> discover(std::string_view address, const std::string& ca_file);
/// The shape of `address`: no "/v1" and no slash at its end, which client libraries want. invalid_argument.
[[nodiscard]] Result<std::string> resource_address(std::string_view address);

/// Of the token endpoint.
struct Tokens {
  Secret access, refresh;
  std::int64_t access_ends = 0;  ///< seconds since 1970
  std::int64_t proof_ends = 0;   ///< when the second factor lapses for this access point; 0: it has
};

using Parameters = std::vector<std::pair<std::string_view, std::string_view>>;

/// Owned by one command; used by one thread.
class Issuer {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Issuer>> at(const std::string& issuer, const std::string& ca_file);

  /// The client's own name is added. A refusal is an Error whose detail is for the person; where a grant has
  /// ended its code says why.
  [[nodiscard]] Result<Tokens> token(std::string_view path, const Parameters& parameters);
  /// Any status is a reply.
  [[nodiscard]] Result<Reply> post(std::string_view path, const Parameters& parameters);
  [[nodiscard]] Result<Reply> get(std::string_view path, const Secret* bearer);

 private:
  explicit Issuer(Endpoint endpoint) : client_(std::move(endpoint)) {}
  Client client_;
};

/// Of a reply of the token endpoint: what it gave, or how it refused.
[[nodiscard]] Result<Tokens> tokens_from(Reply& reply);
/// Of a reply that is no token: what the server says, and why.
[[nodiscard]] Error refusal_of(const Reply& reply);

[[nodiscard]] std::int64_t unix_now();

}  // namespace vestibule::app::cli
