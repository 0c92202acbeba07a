// Canonical text is its own canonical form, and the reader accepts it; the fold guard stands any
// key.
#include "json/canonical.hpp"

#include <cstdlib>

#include "base/bytes.hpp"
#include "json/fold_guard.hpp"

namespace json = vestibule::json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::string_view kKnown[] = {"model", "messages", "tools", "k", "stream", "n"};
  static const json::FoldGuard guard(kKnown);
  const std::string_view text = vestibule::as_text({data, size});

  bool folds = false;
  int exact = json::FoldGuard::kNone;
  for (int i = 0; i < 6; ++i) {
    folds = folds || json::folds_to(text, kKnown[i]);
    if (text == kKnown[i]) exact = i;
  }
  const int want = exact >= 0 ? exact : folds ? json::FoldGuard::kFolded : json::FoldGuard::kNone;
  if (guard.check(text) != want) std::abort();

  const auto once = json::canonicalize(text);
  if (!once) return 0;
  const auto twice = json::canonicalize(*once);
  if (!twice || *twice != *once) std::abort();
  return 0;
}
