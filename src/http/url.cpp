#include "http/url.hpp"

#include "http/target.hpp"

namespace vestibule::http {
namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";

Error bad(const char* why) { return fail(Reason::request_malformed, why); }

}  // namespace

std::string Url::authority() const { return has_usual_port() ? host : host + ":" + std::to_string(port); }

std::string Url::origin() const {
  return std::string(scheme == Scheme::https ? kHttps : kHttp) + authority();
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kMaxUrl) return bad("the URL is too long");
  Url out;
  if (text.starts_with(kHttps)) {
    text.remove_prefix(kHttps.size());
  } else if (text.starts_with(kHttp)) {
    out.scheme = Url::Scheme::http;
    text.remove_prefix(kHttp.size());
  } else {
    return bad("the URL is neither https:// nor http://");
  }
  const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
  Result<Host> host = parse_host(text.substr(0, end));
  if (!host) return std::move(host).error();
  out.host = std::move(host->name);
  out.port = host->port;
  if (out.port == 0) out.port = out.scheme == Url::Scheme::https ? 443 : 80;
  const std::string_view rest = text.substr(end);
  if (!rest.starts_with('/')) out.target = "/";
  out.target.append(rest);
  const Result<Target> target = parse_target(out.target, kMaxUrl);
  if (!target) return target.error();
  return out;
}

}  // namespace vestibule::http
