#include "oauth/redirect.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "crypto/hash.hpp"
#include "http/url.hpp"

namespace vestibule::oauth {
namespace {

constexpr std::size_t kMaxRedirect = 1024;

bool is_loopback(const http::Url& url) noexcept {
  return url.scheme == http::Url::Scheme::http && (url.host == "localhost" || url.host == "127.0.0.1" || url.host == "[::1]");
}

bool lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
bool digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// "com.example.app:/callback": the reversed name of a domain is nobody else's, and "javascript:" has no dot.
bool is_private_use(std::string_view uri) noexcept {
  const std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon + 1 >= uri.size() || uri[colon + 1] != '/') return false;
  const std::string_view scheme = uri.substr(0, colon);
  if (scheme.empty() || !lower(scheme.front()) || scheme.find('.') == std::string_view::npos) return false;
  if (scheme.back() == '.' || scheme.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(scheme, [](char c) { return lower(c) || digit(c) || c == '.' || c == '-' || c == '+'; });
}

}  // namespace

bool valid_redirect(std::string_view uri, Confidentiality client) {
  constexpr std::string_view kNever = "\"<>\\^`{|}*#";
  if (uri.size() > kMaxRedirect) return false;
  for (const char c : uri) {
    if (c <= 0x20 || c >= 0x7f || kNever.find(c) != std::string_view::npos) return false;
  }
  if (const auto url = http::parse_url(uri)) {
    // One spelling: "https://EXAMPLE.org" would never match itself elsewhere.
    if (!uri.starts_with(url->origin() + "/") && uri != url->origin()) return false;
    return url->scheme == http::Url::Scheme::https || is_loopback(*url);
  }
  return client == Confidentiality::open && is_private_use(uri);
}

bool matches_redirect(std::span<const std::string> registered, std::string_view uri) {
  if (std::ranges::find(registered, uri) != registered.end()) return true;
  const auto url = http::parse_url(uri);
  if (!url || !is_loopback(*url) || !valid_redirect(uri, Confidentiality::open)) return false;
  return std::ranges::any_of(registered, [&](const std::string& r) {
    const auto known = http::parse_url(r);
    return known && is_loopback(*known) && known->host == url->host && known->target == url->target;
  });
}

std::string redirect_host(std::string_view uri) {
  if (const auto url = http::parse_url(uri)) return url->authority();
  return std::string(uri.substr(0, uri.find(':') + 1));
}

bool valid_challenge(std::string_view challenge) noexcept {
  return challenge.size() == 43 && std::ranges::all_of(challenge, [](char c) {
    return lower(c) || (c >= 'A' && c <= 'Z') || digit(c) || c == '-' || c == '_';
  });
}

bool verify_pkce(std::string_view challenge, std::string_view verifier) {
  if (verifier.size() < 43 || verifier.size() > 128) return false;
  const bool unreserved = std::ranges::all_of(verifier, [](char c) {
    return lower(c) || (c >= 'A' && c <= 'Z') || digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
  });
  if (!unreserved) return false;
  const std::string made = base64url(crypto::sha256(as_bytes(verifier)));
  return equal_constant_time(as_bytes(made), as_bytes(challenge));
}

}  // namespace vestibule::oauth
