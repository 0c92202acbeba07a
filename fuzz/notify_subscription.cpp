// Push subscriptions come from browsers: what is accepted is written and read again as the same, and no
// host of the open list is anything but a push service's.
#include <cstdint>

#include "notify/subscription.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::notify;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const PushHosts hosts(PushHosts::known());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(PushHosts::is_pattern(text));
  const auto s = parse_subscription(text);
  if (!s) return 0;
  const auto again = parse_subscription(write(*s));
  require(again && *again == *s);
  if (hosts.allow(s->endpoint)) {
    require(s->endpoint.scheme == http::Url::Scheme::https && s->endpoint.port == 443);
    require(s->endpoint.host.ends_with(".com"));
  }
  return 0;
}
