#pragma once
// What the portal asks of a browser, and what it tells one: pure functions over a request's head.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "http/head.hpp"
#include "http/write.hpp"

namespace vestibule::portal {

/// RFC 6265bis section 4.1.3.2: only this very host can set it, over a secure context, for all paths.
inline constexpr std::string_view kCookie = "__Host-vestibule";

/// The session's handle in the Cookie fields; nothing if none has it. credential_malformed if its value
/// cannot be a handle's or if it is there twice: which one counts is not for the gateway to guess. The
/// cookies of others (all ports of a host share them) may look as they like.
[[nodiscard]] Result<std::optional<std::string_view>> session_cookie(const http::Headers& headers);

/// Values of Set-Cookie. The first holds the handle: the caller wipes it.
[[nodiscard]] std::string cookie_line(const Secret& handle);
[[nodiscard]] std::string_view cookie_end() noexcept;

/// Whether a script of the portal's own page made this request: ok or cross_site. Fetch Metadata decides;
/// a browser without it must name one of `origins` wherever something may change, and then and always
/// the body's type must be one that no form can send.
[[nodiscard]] Reason check_origin(const http::RequestHead& head, std::span<const std::string> origins) noexcept;

/// "http://localhost:8422": scheme, canonical host, port unless it is the scheme's own; nothing else.
[[nodiscard]] bool is_origin(std::string_view text) noexcept;

/// An entry of Accept-Encoding (RFC 9110 section 12.5.3) that is not ruled out by q=0; `coding` in lower case.
[[nodiscard]] bool accepts_coding(const http::Headers& headers, std::string_view coding) noexcept;

/// If-None-Match names this entity tag, or any (RFC 9110 section 13.1.2).
[[nodiscard]] bool matches_tag(const http::Headers& headers, std::string_view tag) noexcept;

/// Whether the listener speaks TLS, under a name of its own: then it says so for good (HSTS).
enum class Transport : std::uint8_t { plain, tls };
/// What a reply is: a page that runs scripts of our own, or data that never shall be one.
enum class Content : std::uint8_t { page, data };

/// A field of every reply.
struct SafetyField {
  std::string_view name, value;
};
/// Content-Security-Policy and its like.
[[nodiscard]] std::span<const SafetyField> safety_fields(Content content, Transport transport) noexcept;
void add_safety_fields(http::HeadWriter& out, Content content, Transport transport);

}  // namespace vestibule::portal
