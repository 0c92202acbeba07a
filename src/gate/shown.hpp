#pragma once
// The credential that a request shows.

#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "http/head.hpp"

namespace vestibule::gate {

struct Shown {
  std::string_view token;  ///< within the head, or within `password`
  bool proves = false;     ///< it comes with a proof of possession (RFC 9449): scheme DPoP
  Secret password{};       ///< what scheme Basic held behind its first colon; else empty
};

/// In `Authorization` (Bearer, DPoP; Basic from git alone) or in `X-Api-Key`, in one place and once. Allocates for Basic
/// alone. credential_missing; credential_malformed.
[[nodiscard]] Result<Shown> shown_by(const http::Headers& headers) noexcept;

/// git before 2.46 can show a token as the password of scheme Basic (RFC 7617) and in no other way. Nobody else is asked
/// for Basic or heard with it: a browser would keep what it was told and send it along with any page's requests, and no
/// page can make it call itself git.
[[nodiscard]] bool is_git(const http::Headers& headers) noexcept;

}  // namespace vestibule::gate
