#include "gate/shown.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace vestibule::gate {
namespace {

constexpr std::size_t kMaxBasic = 4096;  // characters of Base64

/// What stands behind the scheme ("bearer ", in lower case), or nothing.
std::string_view behind(std::string_view value, std::string_view scheme) noexcept {
  if (value.size() <= scheme.size()) return {};
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    const char c = value[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != scheme[i]) return {};
  }
  return value.substr(scheme.size());
}

/// RFC 7617 section 2. The name says nothing here: git has to send one.
Result<Shown> from_basic(std::string_view encoded) {
  if (encoded.size() > kMaxBasic) return fail(Reason::credential_malformed);
  auto raw = unbase64(encoded);
  if (!raw) return fail(Reason::credential_malformed);
  const Secret both(std::move(*raw));
  const std::string_view text = both.reveal_text();
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return fail(Reason::credential_malformed);
  Shown out;
  out.password = Secret(text.substr(colon + 1));
  out.token = out.password.reveal_text();
  return out;
}

}  // namespace

bool is_git(const http::Headers& headers) noexcept {
  return headers.count(http::Known::user_agent) == 1 && headers.find(http::Known::user_agent)->starts_with("git/");
}

Result<Shown> shown_by(const http::Headers& h) noexcept {
  const bool authorization = h.has(http::Known::authorization);
  const bool key = h.has(http::Known::x_api_key);
  if (!authorization && !key) return fail(Reason::credential_missing);
  if ((authorization && key) || h.count(http::Known::authorization) > 1 || h.count(http::Known::x_api_key) > 1) {
    return fail(Reason::credential_malformed);
  }
  Shown out;
  if (key) {
    out.token = *h.find(http::Known::x_api_key);
    if (out.token.empty()) return fail(Reason::credential_malformed);
    return out;
  }
  const std::string_view value = *h.find(http::Known::authorization);
  out.token = behind(value, "bearer ");
  if (out.token.empty()) {
    out.token = behind(value, "dpop ");
    out.proves = true;
  }
  if (!out.token.empty()) return out;
  const std::string_view basic = behind(value, "basic ");
  if (basic.empty() || !is_git(h)) return fail(Reason::credential_malformed);
  return from_basic(basic);
}

}  // namespace vestibule::gate
