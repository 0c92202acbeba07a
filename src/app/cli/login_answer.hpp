#pragma once
// What a browser brings back from the authorization server (RFC 6749 section 4.1.2, RFC 9207): any page and any
// program of the machine can send the like, so it is read as a stranger's words. Pure.

#include <string>
#include <string_view>

namespace vestibule::app::cli {

inline constexpr std::string_view kLoginPath = "/callback";

struct LoginAnswer {
  enum class Kind {
    not_ours,   ///< another path, no state or another one: not what is waited for, and it goes on
    mixed_up,   ///< our state, but another server's word, or none that can be read in one way
    refused,    ///< `error` says why
    code,
  } kind = Kind::not_ours;
  std::string code, error;
};

/// `target`: path and query as a browser asked for them.
[[nodiscard]] LoginAnswer read_login_answer(std::string_view target, std::string_view state, std::string_view issuer);

}  // namespace vestibule::app::cli
