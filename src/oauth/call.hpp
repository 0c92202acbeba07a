#pragma once
// What travels with one request to the authorization server. Private to the room.

#include <string>
#include <string_view>

#include "oauth/server.hpp"

namespace vestibule::oauth {

struct Server::Reply {
  int status = 200;
  std::string body{};
  std::string_view type = "application/json";
  std::string location{};      ///< of a redirect
  std::string challenge{};     ///< WWW-Authenticate
  std::string_view allow{};
  Reason reason = Reason::ok;  ///< why a grant has ended
  enum class Cache : std::uint8_t { never, while_fresh } cache = Cache::never;
  enum class Read : std::uint8_t { here, anywhere } read = Read::here;  ///< by pages of other origins
};

/// Lives in serve()'s frame; handlers are its children.
struct Server::Call {
  Call(wire::Exchange& e) : exchange(e) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  wire::Exchange& exchange;
  domain::Source source;
  std::string_view program;  ///< User-Agent
  RequestId request;

  [[nodiscard]] session::Actor actor() const {
    session::Actor by;
    by.source = source;
    by.client = std::string(program);
    by.request = request;
    return by;
  }
};

/// What becomes a session: who allowed what to whom.
struct Server::FamilyOf {
  std::string client, client_name, scope, access_point, nonce;
  std::optional<Digest> key;
  SessionId parent{};
  UserId user{};
};

/// What the token endpoint gives out.
struct Server::Granted {
  Secret access, refresh;
  WallTime ends{};
  std::string scope, access_point, nonce;
  std::optional<Digest> key;
  UserId user{};
  SessionId family{};
  domain::Evidence evidence;
};

/// As it stands in a refresh; lists with spaces between.
struct AgentWish {
  std::string agent, operations, models;
};
/// invalid_request for names and patterns that are none.
[[nodiscard]] Answer<session::DelegationWish> delegation_of(const AgentWish& asked, std::string_view access_point, Duration ttl);

[[nodiscard]] inline std::int64_t seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}
[[nodiscard]] inline bool has_scope(std::string_view scope, std::string_view wanted) {
  while (!scope.empty()) {
    const std::size_t end = std::min(scope.find(' '), scope.size());
    if (scope.substr(0, end) == wanted) return true;
    scope.remove_prefix(std::min(end + 1, scope.size()));
  }
  return false;
}
/// A token that no access point takes: it says who somebody is, to the userinfo endpoint.
inline constexpr std::string_view kNowhere = "vestibule";

}  // namespace vestibule::oauth
