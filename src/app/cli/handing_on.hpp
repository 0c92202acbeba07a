#pragma once
// Tokens for programs, as `token`, `token-helper`, `git-credential` and `exec` need them.

#include "app/cli/context.hpp"
#include "app/cli/logins.hpp"

namespace vestibule::app::cli {

/// A token opens nothing while the factor has lapsed; that is better known now than from a client. Asks a
/// person for a code; without one it is an error.
[[nodiscard]] Result<void> awake(Context& ctx, const json::Value& me, const std::string& access_point);

struct TokenWish {
  std::string agent;  ///< empty: the person's own
  std::vector<std::string> access_points, operations, models;
  std::int64_t ttl_s = 0;
};
struct HandedOn {
  std::string id;  ///< of a delegation
  Secret token;
  std::string ends_text;
  std::int64_t ends = 0;  ///< seconds since 1970
};
[[nodiscard]] Result<HandedOn> hand_on(Context& ctx, const TokenWish& wish);

/// The one that was given last while it has more than a minute to live, else a new one.
[[nodiscard]] Result<HandedOn> cached_token(Context& ctx, const std::string& agent, const std::string& access_point);

/// "2026-11-23T03:02:36Z" in seconds since 1970; 0 for anything else.
[[nodiscard]] std::int64_t seconds_of(std::string_view rfc3339) noexcept;

/// The login to use where the session gave this error: there is none, or it has ended.
[[nodiscard]] Result<std::optional<Login>> login_instead(const Error& error, const std::string& access_point);

}  // namespace vestibule::app::cli
