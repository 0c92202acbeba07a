#pragma once
// What a tool call that is spelt out in text says. Private to the room.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "dialect/inspect_text.hpp"

namespace vestibule::dialect {

/// How a call is marked in text: tool_formats.def.
struct Format {
  std::string_view before;  ///< what stands before the mark, and may be out already
  std::string_view begin, end;
};

[[nodiscard]] constexpr Format format(std::string_view begin, std::string_view end) {
  // The bar of "<|" is none.
  const std::size_t bar = begin.front() == '<' ? std::string_view::npos : begin.find('|');
  if (bar == std::string_view::npos) return {{}, begin, end};
  return {begin.substr(0, bar), begin.substr(bar + 1), end};
}

inline constexpr std::array kFormats{
#define FORMAT(begin, end, of) format(begin, end),
#include "dialect/tool_formats.def"
#undef FORMAT
};

/// no_json: not to a strict reader; nor would a lenient one find a call in it. unsure: a lenient one might.
enum class Judged : std::uint8_t { call, no_call, no_json, unsure };

/// What stands in braces; of a call its name and arguments.
Judged judge_object(std::string_view text, unsigned depth, TextCall& call);
/// What stands between a mark and its end, if it is one call and nothing else.
[[nodiscard]] bool read_marked(const Format& format, std::string_view inner, unsigned depth, TextCall& call);
/// A call that only a person can judge.
void make_unknown(std::string_view text, TextCall& call);

[[nodiscard]] constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
[[nodiscard]] constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
[[nodiscard]] constexpr bool is_letter(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || c == '_'; }
[[nodiscard]] constexpr bool is_word(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-'; }

/// As many bytes as both have agree, whatever the case of letters.
[[nodiscard]] inline bool agrees(std::string_view text, std::string_view mark) noexcept {
  const std::size_t n = std::min(text.size(), mark.size());
  return std::equal(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(n), mark.begin(),
                    [](char a, char b) { return lower(a) == lower(b); });
}
[[nodiscard]] inline std::size_t find_folded(std::string_view text, std::string_view mark, std::size_t from) noexcept {
  for (; from + mark.size() <= text.size(); ++from) {
    if (agrees(text.substr(from), mark)) return from;
  }
  return std::string_view::npos;
}
[[nodiscard]] inline std::size_t behind_space(std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

}  // namespace vestibule::dialect
