// Checking arbitrary texts as handles: what passes has exactly one spelling.
#include <cstdlib>
#include <string>

#include "crypto/handle.hpp"

using namespace vestibule;
using namespace vestibule::crypto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const HandleMint mint(Secret(Bytes(32, 0x42)));
  const std::string_view text = as_text({data, size});
  int passed = 0;
  for (const HandlePrefix prefix :
       {kControlSession, kAccessToken, kChildToken, kEnrolmentCode, kApiKey}) {
    const bool formed = well_formed(text, prefix);
    const auto hash = mint.check(text, prefix);
    if (hash && (!formed || *hash != sha256(as_bytes(text)))) std::abort();
    if (formed) {
      // The strict decoder of base must agree, and lead back to the same text.
      const auto raw = unbase64url(text.substr(3));
      if (!raw || raw->size() != 40 || std::string(prefix.text()) + base64url(*raw) != text)
        std::abort();
      ++passed;
    }
  }
  if (passed > 1) std::abort();
  return 0;
}
