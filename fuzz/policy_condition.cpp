// A line that is a condition, and behind it the arguments of a tool call: no crash; what parses has one spelling,
// which says the same of them, follows from itself, and is told as its negation is. The same of a list.
#include <algorithm>
#include <string_view>
#include <vector>

#include "policy/condition.hpp"
#include "require.hpp"

using namespace vestibule;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::string_view line = all.substr(0, all.find('\n'));
  const std::string_view arguments = line.size() == size ? std::string_view() : all.substr(line.size() + 1);
  const auto parsed = policy::Condition::parse(line);
  if (!parsed) return 0;
  const auto again = policy::Condition::parse(parsed->text());
  require(again && again->text() == parsed->text());
  require(parsed->follows_from(*again) && again->follows_from(*parsed));
  const std::vector<policy::Condition> one{*parsed};
  const policy::Truth truth = policy::judge(one, arguments);
  require(truth == policy::judge({*again}, arguments));
  require(truth == policy::judge({*again, *parsed}, arguments));

  for (const char* other : {"amount > 100", "path under /srv/data", "to domain .example.org", "mode = \"dry\"", "a.b = true"}) {
    const policy::Condition with = *policy::Condition::parse(other);
    const policy::Truth alone = policy::judge({with}, arguments);
    require(policy::judge({*parsed, with}, arguments) == std::min(truth, alone));
    // Wherever the narrower one holds the wider one does, and neither is told where the other is not.
    if (with.follows_from(*parsed)) require(truth != policy::Truth::yes || alone == policy::Truth::yes);
    if (with.follows_from(*parsed)) require((truth == policy::Truth::unknown) == (alone == policy::Truth::unknown));
    if (parsed->follows_from(with)) require(alone != policy::Truth::yes || truth == policy::Truth::yes);
  }
  return 0;
}
