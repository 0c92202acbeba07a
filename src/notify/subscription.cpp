#include "notify/subscription.hpp"

#include <algorithm>

#include "json/value.hpp"
#include "json/writer.hpp"

namespace vestibule::notify {
namespace {

constexpr json::Limits kLimits{kMaxSubscription, 4, 64, 64, 32};

// Browsers write base64url without padding; some libraries pad.
std::optional<Bytes> key_bytes(const json::Value& keys, std::string_view name) {
  auto text = keys.get_string(name);
  if (!text) return std::nullopt;
  std::string_view bare = *text;
  while (bare.ends_with('=')) bare.remove_suffix(1);
  return unbase64url(bare);
}

bool is_loopback(std::string_view host) noexcept {
  // A name whose last label is a number is an address: parse_host() takes no other.
  if (host == "localhost" || host == "[::1]") return true;
  const std::size_t last = host.rfind('.');
  const bool address = last != std::string_view::npos && last + 1 < host.size() && host[last + 1] >= '0' && host[last + 1] <= '9';
  return address && host.starts_with("127.");
}

bool fits(std::string_view pattern, std::string_view host) noexcept {
  if (!pattern.starts_with("*.")) return pattern == host;
  pattern.remove_prefix(1);  // the dot stays
  return host.size() > pattern.size() && host.ends_with(pattern);
}

}  // namespace

std::optional<Subscription> parse_subscription(std::string_view text) {
  const auto document = json::parse(text, kLimits);
  if (!document) return std::nullopt;
  const auto endpoint = document->get_string("endpoint");
  const json::Value* const keys = document->find("keys");
  if (!endpoint || keys == nullptr) return std::nullopt;
  auto url = http::parse_url(*endpoint);
  const auto key = key_bytes(*keys, "p256dh");
  const auto auth = key_bytes(*keys, "auth");
  if (!url || !key || !auth || auth->size() != sizeof(Subscription::auth)) return std::nullopt;
  const auto point = crypto::parse_p256(*key);
  if (!point) return std::nullopt;
  Subscription out;
  out.endpoint = std::move(*url);
  out.key = *point;
  std::ranges::copy(*auth, out.auth.begin());
  return out;
}

std::string write(const Subscription& s) {
  json::Writer w;
  w.begin_object().member("endpoint", s.endpoint.origin() + s.endpoint.target);
  w.key("keys").begin_object().member("p256dh", base64url(s.key)).member("auth", base64url(s.auth)).end_object();
  w.end_object();
  return w.take();
}

std::vector<std::string> PushHosts::known() {
  return {"fcm.googleapis.com",   "jmt17.google.com",   "*.push.services.mozilla.com",
          "*.notify.windows.com", "web.push.apple.com", "*.push.apple.com"};
}

bool PushHosts::is_pattern(std::string_view text) noexcept {
  const bool below = text.starts_with("*.");
  if (below) text.remove_prefix(2);
  const bool lower = std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  return lower && http::is_valid_host(text) && text.find(':') == std::string_view::npos &&
         (!below || text.find('.') != std::string_view::npos);
}

bool PushHosts::allow(const http::Url& endpoint) const noexcept {
  if (loopback_ == Loopback::plain && endpoint.scheme == http::Url::Scheme::http && is_loopback(endpoint.host)) return true;
  if (endpoint.scheme != http::Url::Scheme::https || !endpoint.has_usual_port()) return false;
  return std::ranges::any_of(patterns_, [&](const std::string& p) { return fits(p, endpoint.host); });
}

}  // namespace vestibule::notify
