#pragma once
// What an MCP server of 2026-07-28 wants to hear again (requestState), as its client holds it: good for the account that
// it was given to, at that access point, for that call. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "base/id.hpp"
#include "crypto/hash.hpp"

namespace vestibule::proxy {

/// Whose state of which call. Views.
struct StateOf {
  UserId user{};
  std::string_view access_point, operation, name;  ///< name: of the tool, prompt or resource
};
/// What the client is given in its place: 22 characters of base64url, then the state as it is. It is no secret of
/// the gateway's, and none of the server's either.
[[nodiscard]] std::string bind_state(const crypto::HmacKey& key, std::string_view state, const StateOf& of);
/// The server's own. Nothing: it was given to nobody, to somebody else, or for another call.
[[nodiscard]] std::optional<std::string> server_state(const crypto::HmacKey& key, std::string_view bound, const StateOf& of);

}  // namespace vestibule::proxy
