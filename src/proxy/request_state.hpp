#pragma once
// What an MCP server of 2026-07-28 wants to hear again (requestState), as its client holds it: good for the account that
// it was given to, at that access point, for that call with those parameters, for an hour. Pure.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "crypto/hash.hpp"

namespace vestibule::proxy {

inline constexpr std::chrono::hours kStateLives{1};

/// Whose state of which call. Views.
struct StateOf {
  UserId user{};
  std::string_view access_point, operation, name;  ///< name: of the tool, prompt or resource
  std::string_view parameters;                     ///< JSON text, compared as RFC 8785 has it; empty: none, the same as {}
};
/// What the client is given in its place: 32 characters of base64url (a tag of 16 bytes, and until when it is good, in
/// seconds since 1970), then the state as it is. It is no secret of the gateway's, and none of the server's either.
[[nodiscard]] std::string bind_state(const crypto::HmacKey& key, std::string_view state, const StateOf& of, WallTime now);
/// The server's own. Nothing: it was given to nobody, to somebody else, for another call, or too long ago.
[[nodiscard]] std::optional<std::string> server_state(const crypto::HmacKey& key, std::string_view bound, const StateOf& of, WallTime now);

}  // namespace vestibule::proxy
