#include "http/field.hpp"

#include <bit>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

// How many bytes at the start are letters, digits and '-', as all of most names are: sixteen at a time, and none that is not
// within sixteen. The caller looks at what follows.
inline std::size_t plain_run(const char* p, std::size_t n) noexcept {
  std::size_t i = 0;
#ifdef __SSE2__
  const auto all = [](int byte) { return _mm_set1_epi8(static_cast<char>(byte)); };
  const auto up_to = [](__m128i x, __m128i limit) { return _mm_cmpeq_epi8(_mm_min_epu8(x, limit), x); };
  for (; n - i >= 16; i += 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
    const __m128i letter = up_to(_mm_sub_epi8(_mm_or_si128(x, all(0x20)), all('a')), all(25));
    const __m128i digit = up_to(_mm_sub_epi8(x, all('0')), all(9));
    const __m128i plain = _mm_or_si128(_mm_or_si128(letter, digit), _mm_cmpeq_epi8(x, all('-')));
    const unsigned other = ~static_cast<unsigned>(_mm_movemask_epi8(plain)) & 0xFFFFU;
    if (other != 0) return i + static_cast<std::size_t>(std::countr_zero(other));
  }
#endif
  return i;
}

}  // namespace

const char* parse_field(std::string_view line, chars::ObsText obs, HeaderField& out) noexcept {
  const char* const p = line.data();
  const std::size_t n = line.size();
  std::size_t i = plain_run(p, n);
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
