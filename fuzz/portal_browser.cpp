// What a browser's request shows: a cookie has one reading or none, and no request that says it comes from
// elsewhere passes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "http/parse.hpp"
#include "portal/browser.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vestibule;
  std::string text = "POST /v1/prove HTTP/1.1\r\nHost: localhost\r\n";
  text.append(as_text({data, size})).append("\r\n");
  http::RequestParser parser;
  if (parser.feed(text) != http::ParseState::done) return 0;
  const http::RequestHead& head = parser.head();
  const http::Headers& h = head.headers;

  if (const auto cookie = portal::session_cookie(h); cookie && *cookie) {
    const std::string_view value = **cookie;
    if (value.empty() || value.find_first_of(" ;,=\"\\\t") != std::string_view::npos) std::abort();
    std::size_t named = 0;
    for (const http::HeaderField& f : h) {
      if (f.known == http::Known::cookie && f.value.find(value) != std::string_view::npos) ++named;
    }
    if (named == 0) std::abort();
  }
  const std::vector<std::string> origins = {"http://localhost:8422"};
  if (portal::check_origin(head, origins) == Reason::ok) {
    const auto site = h.find(http::Known::sec_fetch_site);
    const auto origin = h.find(http::Known::origin);
    if (site ? *site != "same-origin" : !origin || *origin != origins[0]) std::abort();
    if (!h.has(http::Known::content_type)) std::abort();
  }
  static_cast<void>(portal::accepts_coding(h, "br"));
  if (portal::matches_tag(h, "\"x\"") && !h.has(http::Known::if_none_match)) std::abort();
  if (portal::is_origin(as_text({data, size})) && text.find("http") == std::string::npos) std::abort();
  return 0;
}
