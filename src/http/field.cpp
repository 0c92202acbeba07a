#include "http/field.hpp"

namespace vestibule::http {
namespace {

// "Content_Length" reaches a CGI-like application as the same variable as "Content-Length".
bool is_second_spelling(std::string_view name) noexcept {
  std::array<char, 32> plain;
  if (name.size() > plain.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    plain[i] = (chars::of(name[i]) & chars::kAlias) != 0 ? '-' : name[i];
  }
  return known_field({plain.data(), name.size()}) != Known::other;
}

}  // namespace

const char* parse_field(std::string_view line, chars::ObsText obs, HeaderField& out) noexcept {
  const char* const p = line.data();
  const std::size_t n = line.size();
  std::size_t i = 0;
  unsigned seen = 0;
  while (i < n) {
    const unsigned what = chars::of(p[i]);
    if ((what & chars::kToken) == 0) break;
    seen |= what;
    ++i;
  }
  if (i == n || p[i] != ':') {
    if (i == 0 && n > 0 && chars::is_space(p[0])) return "folded field line";
    return "a field name is no token, or white space before its colon";
  }
  if (i == 0) return "empty field name";
  out.name = {p, i};
  out.known = known_field(out.name);
  if ((seen & chars::kAlias) != 0 && obs == chars::ObsText::refuse &&
      is_second_spelling(out.name)) {
    return "second spelling of a known field name";
  }
  const char* from = p + i + 1;
  const char* to = p + n;
  while (from != to && chars::is_space(*from)) ++from;
  while (to != from && chars::is_space(to[-1])) --to;
  out.value = {from, static_cast<std::size_t>(to - from)};
  if (!chars::is_field_text(from, out.value.size(), obs)) {
    return "a field value holds a control character, a bare CR or a byte out of range";
  }
  return nullptr;
}

}  // namespace vestibule::http
