#include "portal/browser.hpp"

#include <algorithm>
#include <array>

#include "http/chars.hpp"
#include "http/host.hpp"

namespace vestibule::portal {
namespace {

using http::chars::equals_folded;
using http::chars::trimmed;

/// Takes the part up to the next `by` off the front of `rest`.
std::string_view next(std::string_view& rest, char by) noexcept {
  const std::size_t end = rest.find(by);
  const std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return trimmed(part);
}

bool is_handle_text(std::string_view text) noexcept {
  constexpr std::size_t kLongest = 128;
  return !text.empty() && text.size() <= kLongest && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool json_type(std::string_view type) noexcept { return equals_folded(next(type, ';'), "application/json"); }

/// "q=0", "q=0.0", ...: not wanted at all.
bool ruled_out(std::string_view parameters) noexcept {
  while (!parameters.empty()) {
    const std::string_view p = next(parameters, ';');
    if (p.size() < 3 || (p[0] != 'q' && p[0] != 'Q') || p[1] != '=') continue;
    return p.find_first_not_of("0.", 2) == std::string_view::npos;
  }
  return false;
}

}  // namespace

Result<std::optional<std::string_view>> session_cookie(const http::Headers& headers) {
  std::optional<std::string_view> found;
  if (!headers.has(http::Known::cookie)) return found;
  for (const http::HeaderField& field : headers) {
    if (field.known != http::Known::cookie) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::string_view pair = next(rest, ';');
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || trimmed(pair.substr(0, equals)) != kCookie) continue;
      const std::string_view value = trimmed(pair.substr(equals + 1));
      if (found || !is_handle_text(value)) return fail(Reason::credential_malformed);
      found = value;
    }
  }
  return found;
}

std::string cookie_line(const Secret& handle) {
  std::string line;
  line.reserve(192);  // without growing: no copy of the handle is left behind
  line.append(kCookie).append("=").append(handle.reveal_text());
  line.append("; Path=/; Secure; HttpOnly; SameSite=Strict");
  return line;
}

std::string_view cookie_end() noexcept {
  return "__Host-vestibule=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0";
}

Reason check_origin(const http::RequestHead& head, std::span<const std::string> origins) noexcept {
  using http::Known;
  const http::Headers& h = head.headers;
  for (const Known once : {Known::sec_fetch_site, Known::sec_fetch_dest, Known::origin}) {
    if (h.count(once) > 1) return Reason::cross_site;
  }
  // A script's fetch, never a page, frame, image or worker: nothing of these paths is shown as a document.
  const auto dest = h.find(Known::sec_fetch_dest);
  if (dest && *dest != "empty") return Reason::cross_site;
  const bool changes = head.method != http::Method::get && head.method != http::Method::head;
  const auto origin = h.find(Known::origin);
  if (const auto site = h.find(Known::sec_fetch_site)) {
    if (*site != "same-origin") return Reason::cross_site;
  } else if (origin || changes) {
    const bool ours = origin && std::find(origins.begin(), origins.end(), *origin) != origins.end();
    if (!ours) return Reason::cross_site;
  }
  if (!changes) return Reason::ok;
  const auto type = h.find(Known::content_type);
  return type && json_type(*type) ? Reason::ok : Reason::cross_site;
}

bool is_origin(std::string_view text) noexcept {
  const bool https = text.starts_with("https://");
  if (!https && !text.starts_with("http://")) return false;
  const std::string_view authority = text.substr(https ? 8 : 7);
  const Result<http::Host> host = http::parse_host(authority);
  if (!host || host->port == (https ? 443 : 80)) return false;
  std::string canonical = host->name;
  if (host->port != 0) canonical += ":" + std::to_string(host->port);
  return canonical == authority;
}

bool accepts_coding(const http::Headers& headers, std::string_view coding) noexcept {
  const auto value = headers.find(http::Known::accept_encoding);
  std::string_view rest = value.value_or(std::string_view{});
  while (!rest.empty()) {
    std::string_view entry = next(rest, ',');
    const std::string_view name = next(entry, ';');
    if (equals_folded(name, coding)) return !ruled_out(entry);
  }
  return false;
}

bool matches_tag(const http::Headers& headers, std::string_view tag) noexcept {
  const auto value = headers.find(http::Known::if_none_match);
  std::string_view rest = value.value_or(std::string_view{});
  while (!rest.empty()) {
    std::string_view entry = next(rest, ',');
    if (entry.starts_with("W/")) entry.remove_prefix(2);
    if (entry == "*" || entry == tag) return true;
  }
  return false;
}

namespace {

// No inline script, no eval, nobody else's anything. A script's sinks take no text (Trusted Types) but what the
// one policy of ui/src/trusted.ts lets pass: the addresses of the portal's own two workers.
constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vestibule";
// What a model or an error says is never a page of this origin, whatever its type.
constexpr std::string_view kDataPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";
constexpr std::string_view kPermissions =
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), "
    "microphone=(), midi=(), payment=(), serial=(), usb=(), publickey-credentials-create=(self), "
    "publickey-credentials-get=(self)";

// HSTS first: over plain HTTP it is left out.
constexpr auto fields(std::string_view policy) {
  return std::array<SafetyField, 8>{{{"Strict-Transport-Security", "max-age=31536000"},
                                     {"Content-Security-Policy", policy},
                                     {"X-Content-Type-Options", "nosniff"},
                                     {"Referrer-Policy", "no-referrer"},
                                     {"Cross-Origin-Opener-Policy", "same-origin"},
                                     {"Cross-Origin-Resource-Policy", "same-origin"},
                                     {"Permissions-Policy", kPermissions},
                                     {"X-Frame-Options", "DENY"}}};
}
constexpr auto kPage = fields(kPagePolicy);
constexpr auto kData = fields(kDataPolicy);

}  // namespace

std::span<const SafetyField> safety_fields(Content content, Transport transport) noexcept {
  const std::span<const SafetyField> all = content == Content::page ? kPage : kData;
  return transport == Transport::tls ? all : all.subspan(1);
}

void add_safety_fields(http::HeadWriter& out, Content content, Transport transport) {
  for (const SafetyField& f : safety_fields(content, transport)) out.field(f.name, f.value);
}

}  // namespace vestibule::portal
