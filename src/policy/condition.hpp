#pragma once
// What a rule asks of a tool call's arguments: `amount > 100`, `path under /srv/data`. Private to the room.
//
//   CONDITION = FIELD ["not"] OPERATOR VALUE        one space or more between them
//   FIELD     = KEY *("." KEY)                      a path through objects; an array is never passed through
//   KEY       = letters, digits, _ and -; anything else printable in ASCII in quotes: "odd.key", \" and \\ within
//   = !=          a number, true, false, or "text": of the same type in the arguments
//   < <= > >=     a number, compared exactly
//   matches       a glob over text
//   under         a folder: itself and what is in it
//   domain        a host name; with a dot before it, itself and what is below it
//
// Whether one holds is yes, no, or cannot be told: the field is missing or of another type, the arguments are
// no object or no JSON that all readers agree about, the text is one that others may read differently. Who
// decides takes that against the call: it allows nothing and is denied whatever is denied.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "json/reader.hpp"
#include "policy/decimal.hpp"
#include "policy/glob.hpp"

namespace vestibule::policy {

enum class Truth : std::uint8_t { no, unknown, yes };

inline constexpr std::size_t kMaxConditions = 16;  ///< in one rule
inline constexpr std::size_t kMaxField = 8;        ///< keys in one field
inline constexpr std::size_t kMaxKey = 63;         ///< bytes of a key
inline constexpr std::size_t kMaxJudged = 4096;    ///< bytes of text that matches, under and domain look at

class Condition {
 public:
  /// invalid_argument; the detail continues the sentence `"..." `.
  [[nodiscard]] static Result<Condition> parse(std::string_view text);
  /// Its one spelling; parses back to the same.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::vector<std::string>& field() const noexcept { return field_; }
  /// Of the field's value: the reader's current token. Does not move the reader.
  [[nodiscard]] Truth holds(json::Token token, json::Reader& reader) const;
  /// True only if this one holds wherever `stricter` does, and is never told where that one is not. May say
  /// false where a cleverer proof exists.
  [[nodiscard]] bool follows_from(const Condition& stricter) const noexcept;

 private:
  enum class Op : std::uint8_t { equal, unequal, less, at_most, more, at_least, matches, under, domain };
  enum class Kind : std::uint8_t { number, boolean, text };
  struct Spelling { std::string_view text; Op op; };
  static const std::array<Spelling, 9>& spellings() noexcept;

  Result<void> read_field(std::string_view& rest);
  Result<void> read_value(std::string_view value);
  Result<void> read_literal(std::string_view value);
  void write_text();
  [[nodiscard]] Truth holds_text(std::string_view value) const noexcept;
  [[nodiscard]] bool compares(std::strong_ordering order) const noexcept;

  std::vector<std::string> field_;
  bool negated_ = false;
  Op op_ = Op::equal;
  Kind kind_ = Kind::text;
  Decimal number_;
  bool boolean_ = false;
  std::string value_;          // of text: decoded; else as written
  std::optional<Glob> glob_;
  std::string text_;
};

/// What became of each, in one pass over the arguments; `each` is as long as `all`, which is at most
/// kMaxConditions. Allocates nothing but for keys and strings with escapes.
void judge(const std::vector<Condition>& all, std::string_view arguments, std::span<Truth> each);
/// All of them together: no if one does not hold, else unknown if one cannot be told.
[[nodiscard]] Truth judge(const std::vector<Condition>& all, std::string_view arguments);

}  // namespace vestibule::policy
