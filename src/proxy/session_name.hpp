#pragma once
// The name under which a client knows a session of an MCP server's: whoever else presents it has none. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "base/id.hpp"
#include "crypto/hash.hpp"

namespace vestibule::proxy {

/// `id` is the server's own name of it (MCP, "Session Management": visible ASCII). Empty: it is none that can be
/// used. `opens_urls` is kept in the name: nothing is remembered here.
[[nodiscard]] std::string session_name(const crypto::HmacKey& key, std::string_view id, UserId user, std::string_view access_point, bool opens_urls);

struct ServerSession {
  std::string_view id;  ///< a view into the name
  bool opens_urls = false;
};
/// Nothing: no name of ours, another account's, or another access point's.
[[nodiscard]] std::optional<ServerSession> server_session(const crypto::HmacKey& key, std::string_view name, UserId user, std::string_view access_point);

}  // namespace vestibule::proxy
