#pragma once
// TOML files whose options are declared once: what they are called, what they may be, what they
// default to, what they do. From the declarations come typed access, complete errors that name
// file, line and key, and the reference page. This room declares no option itself.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace vestibule::schema {

enum class Type : std::uint8_t {
  string,
  integer,  ///< 64 bits, signed
  boolean,
  duration,      ///< "250ms", "45s", "15m", "12h", "30d": one whole number, one unit
  size,          ///< "512B", "64KiB", "10MiB", "2GiB": the same
  list,          ///< of strings, each one of `choices` if there are any
  choice,        ///< one of `choices`
  path,          ///< not empty; not looked up
  string_table,  ///< names of the operator's own, each with a string
};

/// fallback, example, min and max are spelt as in the file, but without the quotes around a string,
/// duration, size, choice or path.
struct Option {
  /// Dotted: "server.listen". Under "access_point.*." it belongs to each [access_point.NAME], under
  /// "rule[]." to each [[rule]].
  std::string name = {};
  Type type = Type::string;
  std::string help = {};
  std::optional<std::string> fallback = {};  ///< none: absent stays absent (see Section::has)
  std::string example = {};
  std::string min =
      {};  ///< of integers, durations, sizes; of the bytes of strings; of the length of lists
  std::string max = {};
  std::vector<std::string> choices = {};
  bool required = false;    ///< within its table, if that is one of many
  bool reloadable = false;  ///< a change takes effect without a restart
  bool sensitive = false;   ///< its value stays out of messages
};

struct Problem {
  std::string file;
  unsigned line = 0;    ///< from 1; 0 where the file as a whole is meant
  unsigned column = 0;  ///< from 1; 0 where the line as a whole is meant
  std::string key;      ///< dotted, with the names and numbers that occurred: "rule[2].effect"
  std::string message;
  /// "vestibule.toml:12:3: server.lisen: unknown key; did you mean 'listen'?"
  [[nodiscard]] std::string text() const;
};
/// Error config_invalid with all problems in its detail, one a line.
[[nodiscard]] Error to_error(const std::vector<Problem>& problems);

/// A parsed table: the whole document, one [access_point.NAME] or one [[rule]]. Keys are relative
/// to it. An undeclared key or another type is a defect of the caller: std::logic_error. A value
/// type; immutable once parsed.
class Section {
 public:
  /// NAME of a [table.NAME], else empty.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// True if there is a value, written or by default; else the getters return an empty one.
  [[nodiscard]] bool has(std::string_view key) const;
  /// True if the file itself has the key.
  [[nodiscard]] bool present(std::string_view key) const;

  [[nodiscard]] const std::string& get_string(std::string_view key) const;  ///< choice and path too
  [[nodiscard]] std::int64_t get_integer(std::string_view key) const;
  [[nodiscard]] bool get_boolean(std::string_view key) const;
  [[nodiscard]] Duration get_duration(std::string_view key) const;
  [[nodiscard]] std::uint64_t get_size(std::string_view key) const;  ///< bytes
  [[nodiscard]] const std::vector<std::string>& get_list(std::string_view key) const;
  [[nodiscard]] const std::map<std::string, std::string>& get_table(std::string_view key) const;

  /// All [table.NAME] or [[table]] in the order of the file; `table` without the "*" or "[]".
  [[nodiscard]] const std::vector<Section>& sections(std::string_view table) const;

  /// Line of the key in the file, of this table if it is not there, 0 for the document.
  [[nodiscard]] unsigned line_of(std::string_view key = {}) const;
  /// A problem at this key, for what only the consumer can judge.
  [[nodiscard]] Problem problem(std::string_view key, std::string message) const;

 private:
  friend class Parser;
  struct Size {
    std::uint64_t bytes = 0;
  };
  using Value = std::variant<std::monostate, std::string, std::int64_t, bool, Duration, Size,
                             std::vector<std::string>, std::map<std::string, std::string>>;
  struct Entry {
    Type type = Type::string;
    Value value;
    unsigned line = 0;
    unsigned column = 0;
  };
  [[nodiscard]] const Entry& entry(std::string_view key) const;
  template <class T>
  [[nodiscard]] const T& get(std::string_view key, std::initializer_list<Type> types) const;

  std::string file_, name_, path_;
  unsigned line_ = 0;
  unsigned column_ = 0;
  std::map<std::string, Entry, std::less<>> entries_;
  std::map<std::string, std::vector<Section>, std::less<>> sections_;
};
using Document = Section;

/// Built once at start-up; then read-only and thread-safe. Declarations that contradict each other
/// or themselves throw std::logic_error.
class Schema {
 public:
  /// Documents a table: "server", "access_point.*", "rule[]". Needed for tables of many, which may
  /// be empty; options declare plain tables by themselves.
  Schema& table(std::string name, std::string help);
  Schema& option(Option option);
  [[nodiscard]] const std::vector<Option>& options() const noexcept { return options_; }

  /// Parses TOML 1.0 of at most 1 MiB; `file` is for messages only. Error config_invalid: ALL
  /// problems, in the order of the file, also as a list if asked for. (After an error of syntax
  /// there is that one only.) Names of [table.NAME]: letters, digits, . _ -, at most 64.
  [[nodiscard]] Result<Document> parse(std::string_view text, std::string_view file,
                                       std::vector<Problem>* problems = nullptr) const;

  /// A page of Markdown: a chapter a table, in the order of declaration.
  [[nodiscard]] std::string reference_markdown() const;

 private:
  struct Table {
    std::string name, help;
  };
  std::vector<Table> tables_;
  std::vector<Option> options_;
};

}  // namespace vestibule::schema
