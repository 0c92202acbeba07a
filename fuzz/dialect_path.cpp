// Paths and queries: what is open by default is never a sensitive or administrative route, a
// neighbouring spelling of a known path is another path, and a row is found again by its need.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "dialect/routes.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::dialect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto method = static_cast<http::Method>(data[0] % 8);
  const auto kind = static_cast<Kind>(data[1] % 6);
  const std::size_t mark = text.find('?');
  const std::string_view path = text.substr(0, mark);
  const std::string_view query = mark == std::string_view::npos ? std::string_view{} : text.substr(mark + 1);
  const auto need = get(kind).need(method, path, query, Rules{});
  if (!need) {
    switch (need.error().code) {
      case Reason::route_unknown:
      case Reason::route_denied:
      case Reason::method_not_allowed:
      case Reason::request_malformed: return 0;
      default: std::abort();
    }
  }
  require(need->route_class != RouteClass::sensitive && need->route_class != RouteClass::administrative);
  std::string scratch;
  static_cast<void>(get(kind).classify(*need, path, "{}", Rules{}, scratch));
  if (kind == Kind::http) return 0;
  const RouteTable table(kind);
  const Route* route = table.find(*need, path);
  require(route != nullptr && route->operation == need->operation && route->body == need->body);
  const auto slash = get(kind).need(method, std::string(path) + "/", query, Rules{});
  require(!slash);
  return 0;
}
