// Any text as a scope: no crash; what parses has one spelling, which reads back to the same scope, covers
// itself, and permits what the first one does.
#include <cstdlib>
#include <string_view>

#include "policy/scope.hpp"

using namespace vestibule;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = policy::Scope::parse({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  const auto again = policy::Scope::parse(parsed->text());
  must(again && *again == *parsed && again->anything() == parsed->anything());
  must(policy::Scope{}.covers(*parsed) && parsed->covers(policy::Scope{}) == parsed->anything());
  must(parsed->covers(*again));
  domain::Act act;
  act.access_point = "lab";
  act.operation = "chat";
  for (const std::string_view model : {"", "tiny-1", "big"}) {
    act.model = model;
    for (const std::string_view from : {"10.0.0.1", "2001:db8::1", "unix"}) {
      const auto source = *domain::Source::parse(from);
      for (const int hour : {1, 12, 100}) {
        const WallTime at{std::chrono::hours(hour)};
        const bool whole = parsed->permits(act, source, at, policy::Known::whole);
        must(whole == again->permits(act, source, at, policy::Known::whole));
        must(!whole || parsed->permits(act, source, at, policy::Known::path));
        must(whole || !parsed->permits(act, source, std::nullopt, policy::Known::whole));
        must(!parsed->anything() || whole);
      }
    }
  }
  return 0;
}
