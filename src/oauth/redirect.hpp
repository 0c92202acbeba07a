#pragma once
// Where a person's browser may be sent with an answer (OAuth 2.1 section 2.3.1, RFC 8252). Pure.

#include <span>
#include <string>
#include <string_view>

namespace vestibule::oauth {

enum class Confidentiality : std::uint8_t { open, confidential };

/// Whether a client may register it: https; http on loopback; for public clients also a private-use scheme
/// with a dot in it (RFC 8252 section 7.1). No fragment, no user information, no wildcard.
[[nodiscard]] bool valid_redirect(std::string_view uri, Confidentiality client);
/// Exactly as registered, but for the port of a loopback address (RFC 8252 section 7.3).
[[nodiscard]] bool matches_redirect(std::span<const std::string> registered, std::string_view uri);
/// What the consent page shows: the host, or the scheme of an application on the person's own machine.
[[nodiscard]] std::string redirect_host(std::string_view uri);

/// RFC 7636: S256 alone. `challenge` has the form of one; and `verifier` is what it was made of.
[[nodiscard]] bool valid_challenge(std::string_view challenge) noexcept;
[[nodiscard]] bool verify_pkce(std::string_view challenge, std::string_view verifier);

}  // namespace vestibule::oauth
