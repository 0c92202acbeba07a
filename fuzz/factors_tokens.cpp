// CSV of token seeds: what is taken, written anew in the one form, is the same tokens.
#include <cstdlib>

#include "factors/token_csv.hpp"

namespace factors = vestibule::factors;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tokens = factors::parse_token_csv(vestibule::as_text({data, size}));
  if (!tokens) {
    if (tokens.error().detail.empty()) std::abort();
    return 0;
  }
  std::string text;
  for (const auto& t : *tokens) {
    if (!factors::is_token_serial(t.serial) || t.secret.size() < 16 || (t.digits != 6 && t.digits != 8) || t.counter < 0) std::abort();
    text += t.serial + "," + vestibule::hex(t.secret.reveal()) + "," + std::to_string(t.digits) + "," + std::to_string(t.counter) + "\n";
  }
  const auto again = factors::parse_token_csv(text);
  if (!again || again->size() != tokens->size()) std::abort();
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const auto& a = (*tokens)[i];
    const auto& b = (*again)[i];
    if (a.serial != b.serial || !a.secret.equals(b.secret.reveal()) || a.digits != b.digits || a.counter != b.counter) std::abort();
  }
  return 0;
}
