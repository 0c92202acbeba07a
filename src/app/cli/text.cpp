#include "app/cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.hpp"

namespace vestibule::app::cli {
namespace {

// One code point at the front of `text`, which is not empty; size 1 and U+FFFD if it is not UTF-8.
struct CodePoint {
  char32_t value = 0;
  std::size_t size = 1;
  bool valid = true;
};

CodePoint decode(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (size > text.size() || !is_utf8(text.substr(0, size))) return {0xFFFD, 1, false};
  char32_t value = lead & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) value = (value << 6U) | (byte(i) & 0x3FU);
  return {value, size, true};
}

// Without a shape: formats, fillers, selectors of variants, tags. A reader would not know that they are there.
bool unseen(char32_t c) noexcept {
  return c == 0x00AD || c == 0x034F || c == 0x115F || c == 0x1160 || c == 0x17B4 || c == 0x17B5 || (c >= 0x180B && c <= 0x180F) ||
         (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0x2800 || c == 0x3164 ||
         (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || c == 0xFFA0 || (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE0FFF);
}

bool wide(char32_t c) noexcept {
  return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
         (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
}

}  // namespace

std::string printable(std::string_view text, Lines lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = decode(text);
    const bool keeps = lines == Lines::many && (c.value == '\n' || c.value == '\t');
    if (!c.valid) {
      out += "\xEF\xBF\xBD";
    } else if (!keeps && (c.value < 0x20 || (c.value >= 0x7F && c.value < 0xA0))) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c.value));
    } else if (c.value == 0x061C || unseen(c.value)) {
      out += fmt::format("\\u{{{:04x}}}", static_cast<unsigned>(c.value));
    } else {
      out += text.substr(0, c.size);
    }
    text.remove_prefix(c.size);
  }
  return out;
}

std::size_t columns(std::string_view text) noexcept {
  std::size_t n = 0;
  while (!text.empty()) {
    const CodePoint c = decode(text);
    const bool combining = c.value >= 0x0300 && c.value <= 0x036F;
    n += combining ? 0 : wide(c.value) ? 2 : 1;
    text.remove_prefix(c.size);
  }
  return n;
}

std::string strip_code(std::string_view typed) {
  std::string out;
  while (!typed.empty()) {
    const CodePoint c = decode(typed);
    // Blanks, ASCII and typographic dashes, and the no-break blank that copying brings along.
    const bool drop = c.value == ' ' || c.value == '\t' || c.value == '\r' || c.value == '\n' || c.value == '-' ||
                      c.value == 0xA0 || (c.value >= 0x2010 && c.value <= 0x2015) || c.value == 0x202F;
    if (!drop) out += typed.substr(0, c.size);
    typed.remove_prefix(c.size);
  }
  return out;
}

std::string duration_text(std::int64_t seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds < 60) return fmt::format("{} s", seconds);
  const auto pair = [](std::int64_t major, const char* a, std::int64_t minor, const char* b) {
    return minor == 0 ? fmt::format("{} {}", major, a) : fmt::format("{} {} {} {}", major, a, minor, b);
  };
  if (seconds < 3600) return fmt::format("{} min", seconds / 60);
  if (seconds < 86400) return pair(seconds / 3600, "h", seconds % 3600 / 60, "min");
  return pair(seconds / 86400, "d", seconds % 86400 / 3600, "h");
}

std::string time_text(std::string_view t) {
  // 2026-11-23T03:02:36[.ffffff]Z
  if (t.size() < 20 || t[10] != 'T' || t.back() != 'Z') return printable(t);
  return printable(t.substr(0, 10)) + " " + printable(t.substr(11, 8)) + " UTC";
}

Table::Table(std::vector<std::string> headings) { add(std::move(headings)); }

void Table::add(std::vector<std::string> cells) {
  for (std::string& c : cells) c = printable(c);
  rows_.push_back(std::move(cells));
}

std::string Table::text(std::string_view bold, std::string_view plain) const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::string out;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows_[r].size() && i < widths.size(); ++i) {
      if (i > 0) line += "  ";
      line += rows_[r][i];
      line.append(widths[i] - columns(rows_[r][i]), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    if (r == 0) {
      out.append(bold).append(line).append(plain);
    } else {
      out += line;
    }
    out += '\n';
  }
  return out;
}

}  // namespace vestibule::app::cli
