// Parsing arbitrary master key files: what is accepted has one spelling, up to the last line end.
#include <cstdlib>
#include <string>

#include "crypto/master_key.hpp"

using namespace vestibule;
using namespace vestibule::crypto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  const auto keys = parse_master_keys(text);
  if (!keys) {
    if (keys.error().code != Reason::config_invalid) std::abort();
    return 0;
  }
  if (keys->empty() || keys->size() > kMaxMasterKeys) std::abort();
  for (const MasterKey& key : *keys) {
    if (key.id == 0 || key.key.size() != 32) std::abort();
  }
  const Secret back = format_master_keys(*keys);
  std::string wanted(text);
  if (!wanted.ends_with('\n')) wanted += '\n';
  if (back.reveal_text() != wanted) std::abort();
  return 0;
}
