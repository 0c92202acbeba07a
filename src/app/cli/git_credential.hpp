#pragma once
// Git's credential protocol (gitcredentials(7), git-credential(1)): lines of "key=value", ended by an empty
// line or the end. Git writes what stands in a repository's configuration: it is read as a stranger's words.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace vestibule::app::cli {

struct GitRequest {
  std::string protocol, host, path;
  bool knows_bearer = false;  ///< capability[]=authtype
};
inline constexpr std::size_t kMaxGitRequest = std::size_t{64} << 10U;

/// request_malformed for what is no line of the protocol, has control characters, or says a key twice. Keys
/// that mean nothing here are passed over.
[[nodiscard]] Result<GitRequest> parse_git_request(std::string_view text);
/// Is that the gateway at `url` ("https://host[:port]")? Scheme, host and port must all be the same: a token
/// is told to nobody else.
[[nodiscard]] bool meant_for(const GitRequest& request, std::string_view url) noexcept;
/// What git wants to hear.
[[nodiscard]] std::string git_answer(const GitRequest& request, std::string_view token, std::int64_t ends_unix);

}  // namespace vestibule::app::cli
