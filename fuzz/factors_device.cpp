// What push devices send: confirmations, calls and answers. What is accepted has the form that the signed
// texts rest on, so that no part of one can hold the line feed that ends it.
#include <algorithm>
#include <cstdint>

#include "factors/device.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::factors;

namespace {

std::string_view next(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('|'), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (const auto c = parse_confirmation(rest)) require(c->signature.size() == 64 && c->push_code.size() <= 64 && size <= kMaxConfirmation);
  const std::string_view device = next(rest);
  const std::string_view signature = next(rest);
  const auto call = parse_call(device, static_cast<std::int64_t>(size), signature);
  if (!call) return 0;
  const std::string_view prompt = next(rest);
  const std::string_view verdict = next(rest);
  const auto answer = parse_answer(*call, prompt, verdict, rest);
  if (!answer) return 0;
  require(answer->digits.empty() || answer->digits.size() == kPromptDigits || answer->digits.size() == kChoiceDigits);
  const std::string text = answer_text(*answer);
  require(std::count(text.begin(), text.end(), '\n') == 5 && verdict_from(name(answer->verdict)) == answer->verdict);
  return 0;
}
