// Prefer as clients write it: whatever comes, a time within bounds or none.
#include <cstdlib>

#include "base/bytes.hpp"
#include "proxy/holding.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto wait = vestibule::proxy::preferred_wait(vestibule::as_text({data, size}));
  if (wait && (wait->count() < 0 || wait->count() > 999'999)) std::abort();
  return 0;
}
