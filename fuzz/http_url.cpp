// URLs from outside: what is accepted has one spelling, which reads the same again, and its parts are
// what the parsers of hosts and targets accept.
#include <cstdint>

#include "http/target.hpp"
#include "http/url.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto url = parse_url(text);
  if (!url) return 0;
  require(url->port != 0 && is_valid_host(url->authority()) && parse_target(url->target, kMaxUrl));
  const auto again = parse_url(url->origin() + url->target);
  require(again && *again == *url);
  return 0;
}
