// Codes of requests as people type them: what is taken has one spelling, and shows as it was made.
#include <cstdlib>
#include <string>

#include "approval/code.hpp"
#include "base/bytes.hpp"

namespace approval = vestibule::approval;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view typed = vestibule::as_text({data, size});
  const auto code = approval::parse_code(typed);
  if (!code) return 0;
  if (code->size() != approval::kCodeLength) std::abort();
  if (approval::parse_code(*code) != code || approval::parse_code(approval::shown(*code)) != code) std::abort();
  for (const char c : *code) {
    if (c == 'I' || c == 'L' || c == 'O' || c == 'U' || (c >= 'a' && c <= 'z')) std::abort();
  }
  return 0;
}
