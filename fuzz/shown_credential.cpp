// The credential that a request shows: one, whole, and a password of git's alone.
#include <cstdint>
#include <string>

#include "gate/shown.hpp"
#include "http/parse.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vestibule;
  std::string text = "GET / HTTP/1.1\r\nHost: localhost\r\n";
  text.append(as_text({data, size})).append("\r\n");
  http::RequestParser parser;
  if (parser.feed(text) != http::ParseState::done) return 0;
  const http::Headers& h = parser.head().headers;
  const Result<gate::Shown> shown = gate::shown_by(h);
  if (!shown) {
    require((shown.error().code == Reason::credential_missing) == !(h.has(http::Known::authorization) || h.has(http::Known::x_api_key)));
    return 0;
  }
  require(!shown->token.empty());
  require(h.count(http::Known::authorization) + h.count(http::Known::x_api_key) == 1);
  if (shown->password.empty()) {
    const auto in = h.has(http::Known::authorization) ? h.find(http::Known::authorization) : h.find(http::Known::x_api_key);
    require(in->ends_with(shown->token));
  } else {
    require(gate::is_git(h) && !shown->proves && shown->token == shown->password.reveal_text());
  }
  return 0;
}
