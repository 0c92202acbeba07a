// Bodies, in every kind and under open and narrow rules: what is accepted is JSON to the strict
// reader too, its model is canonical and listed, and a refusal has a reason of the documented ones.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "dialect/routes.hpp"
#include "json/reader.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::dialect;

namespace {

bool strict(std::string_view body) {
  json::Reader reader(body);
  for (;;) {
    const json::Token t = reader.next();
    if (t == json::Token::end) return true;
    if (t == json::Token::error) return false;
  }
}

void judge(Kind kind, const Need& need, std::string_view path, std::string_view body, const Rules& rules, bool valid) {
  std::string scratch;
  const auto facts = get(kind).classify(need, path, body, rules, scratch);
  if (facts) {
    require(valid || body.empty());
    require(facts->model.empty() || model_listed(kind, rules, facts->model));
    return;
  }
  switch (facts.error().code) {
    case Reason::body_not_json:
    case Reason::body_shape:
    case Reason::model_denied:
    case Reason::object_foreign:
    case Reason::remote_url_denied:
    case Reason::server_tool_denied:
    case Reason::route_denied: break;
    default: std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool valid = strict(body);
  Rules open;
  open.server_objects = open.server_tools = open.remote_urls = true;
  Rules narrow;
  narrow.models = {"m*", "llama3:*"};
  // The first byte picks one of the routes whose body is read.
  static const std::vector<const Route*> routes = [] {
    std::vector<const Route*> out;
    for (const Route& r : all_routes()) {
      if (r.body == BodyRule::whole) out.push_back(&r);
    }
    return out;
  }();
  const Route& r = *routes[data[0] % routes.size()];
  for (unsigned k = 0; k < 5; ++k) {
    if ((r.kinds >> k & 1U) == 0) continue;
    const auto kind = static_cast<Kind>(k);
    const Need need{r.operation, r.route_class, r.body, r.reply};
    for (const Rules& rules : {Rules{}, open, narrow}) judge(kind, need, r.path, body, rules, valid);
  }
  return 0;
}
