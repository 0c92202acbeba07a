// Globs against a slow matcher that is plainly right, and covers() against what it promises.
// Input: pattern, NUL, other pattern, NUL, name.
#include <cstdlib>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "policy/glob.hpp"

using vestibule::policy::Glob;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

// UTF-8 text as one string a character.
std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> out;
  for (const char c : text) {
    if (out.empty() || (static_cast<unsigned char>(c) & 0xc0) != 0x80) out.emplace_back();
    out.back().push_back(c);
  }
  return out;
}

// A table over (characters of the pattern, characters of the name).
bool slow(std::string_view pattern, std::string_view name) {
  const auto p = characters(pattern);
  const auto n = characters(name);
  std::vector<bool> row(n.size() + 1, false);
  row[0] = true;
  for (const auto& c : p) {
    std::vector<bool> next(n.size() + 1, false);
    if (c == "*") {
      bool any = false;
      for (std::size_t i = 0; i <= n.size(); ++i) next[i] = any = any || row[i];
    } else {
      for (std::size_t i = 0; i < n.size(); ++i) next[i + 1] = row[i] && (c == "?" || c == n[i]);
    }
    row = std::move(next);
  }
  return row[n.size()];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 512) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t first = all.find('\0');
  const std::size_t second = first == std::string_view::npos ? first : all.find('\0', first + 1);
  if (second == std::string_view::npos) return 0;
  const std::string_view a = all.substr(0, first);
  const std::string_view b = all.substr(first + 1, second - first - 1);
  const std::string_view name = all.substr(second + 1);
  if (!vestibule::is_utf8(a) || !vestibule::is_utf8(b)) return 0;
  const Glob ga(a);
  const Glob gb(b);
  must(Glob(ga.text()).text() == ga.text());
  const bool ma = ga.matches(name);
  const bool mb = gb.matches(name);
  if (vestibule::is_utf8(name)) must(ma == slow(a, name) && mb == slow(b, name));
  must(!ma || (ga.gates() & vestibule::policy::Fact(name).gate) != 0);
  if (ga.covers(gb)) must(!mb || ma);
  must(ga.covers(ga) && Glob("*").covers(ga));
  return 0;
}
