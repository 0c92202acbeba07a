// Codes as people type them: what is taken has one spelling, and nothing else is taken.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "factors/code.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vestibule;
  const std::string_view text = as_text({data, size});
  for (const int digits : {6, 8}) {
    const auto code = factors::canonical_code(text, digits);
    if (!code) continue;
    std::string back = std::to_string(code->value);
    back.insert(0, static_cast<std::size_t>(digits) - back.size(), '0');
    if (back != text) std::abort();
  }
  const auto bits = factors::canonical_recovery_code(text);
  if (bits) {
    std::string lower(text);
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    if (factors::format_recovery_code(*bits) != lower) std::abort();
  }
  return 0;
}
