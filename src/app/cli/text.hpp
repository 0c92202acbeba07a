#pragma once
// Text for terminals: what others wrote is made harmless, columns line up, times read well. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::app::cli {

enum class Lines {
  one,   ///< a line feed is escaped too
  many,  ///< line feeds and tabs pass
};
/// Text that cannot steer a terminal or hide in it: control characters (C0, DEL, C1), marks that reorder text
/// and what has no shape become \xNN or \u{NNNN}, bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string printable(std::string_view text, Lines lines = Lines::one);

/// Columns that the text takes: code points, wide ones (CJK, emoji) counted twice.
[[nodiscard]] std::size_t columns(std::string_view text) noexcept;

/// A code as people type it: blanks and dashes, which they add to read it better, are dropped.
[[nodiscard]] std::string strip_code(std::string_view typed);

/// "45 s", "12 min", "1 h 30 min", "3 d 4 h".
[[nodiscard]] std::string duration_text(std::int64_t seconds);
/// "2026-11-23 03:02:36 UTC" from RFC 3339 text; anything else is made printable as it is.
[[nodiscard]] std::string time_text(std::string_view rfc3339);

/// Rows under headings, columns two blanks apart. Cells are made printable.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const noexcept { return rows_.size() == 1; }
  /// Lines, each with its line feed; the last column is not padded. `bold` and `plain` enclose the
  /// headings (escape sequences or nothing).
  [[nodiscard]] std::string text(std::string_view bold = {}, std::string_view plain = {}) const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the headings first
};

}  // namespace vestibule::app::cli
