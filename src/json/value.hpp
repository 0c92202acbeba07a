#pragma once
// JSON as a tree, for the control API, the CLI and tests. Requests to models never become one.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "json/reader.hpp"

namespace vestibule::json {

class Value;
struct Member;
using Array = std::vector<Value>;
using Object = std::vector<Member>;  ///< in the order of the text; keys are unique

class Value {
 public:
  Value() = default;  ///< null
  Value(bool v);
  Value(int v);
  Value(std::int64_t v);
  Value(double v);
  Value(const char* v);
  Value(std::string_view v);
  Value(std::string v);
  Value(Array v);
  Value(Object v);

  [[nodiscard]] bool is_null() const noexcept { return v_.index() == 0; }
  [[nodiscard]] bool is_object() const noexcept { return std::holds_alternative<Object>(v_); }
  [[nodiscard]] bool is_array() const noexcept { return std::holds_alternative<Array>(v_); }
  /// "null", "boolean", "integer", "number", "string", "array" or "object".
  [[nodiscard]] std::string_view type_name() const noexcept;

  /// The value if it has this type, else invalid_argument "expected a string, found null". An
  /// integer is a number too, and so is taken as a double.
  [[nodiscard]] Result<std::string> as_string() const;
  [[nodiscard]] Result<std::int64_t> as_int() const;
  [[nodiscard]] Result<double> as_double() const;
  [[nodiscard]] Result<bool> as_bool() const;

  /// Elements or members; empty for any other type.
  [[nodiscard]] std::span<const Value> items() const noexcept;
  [[nodiscard]] std::span<const Member> members() const noexcept;
  /// The member's value, or null if this is no object or lacks the key.
  [[nodiscard]] const Value* find(std::string_view key) const noexcept;

  /// The member as a type; errors name the key and tell missing from mistyped.
  [[nodiscard]] Result<std::string> get_string(std::string_view key) const;
  [[nodiscard]] Result<std::int64_t> get_int(std::string_view key) const;
  [[nodiscard]] Result<double> get_double(std::string_view key) const;
  [[nodiscard]] Result<bool> get_bool(std::string_view key) const;

  /// Sets a member, turning anything else into an object first; replaces one of the same key.
  Value& set(std::string_view key, Value value);
  /// Appends an element, turning anything else into an array first.
  Value& push(Value value);

  /// Compact text. Integers that a text spelt with a fraction or exponent are doubles and come out
  /// as ECMAScript prints them.
  [[nodiscard]] std::string dump() const;

  bool operator==(const Value& other) const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> v_;
};

struct Member {
  std::string key;
  Value value;
  bool operator==(const Member&) const = default;
};

/// Strict, as Reader is; error body_not_json. Whole numbers become int64 if they fit (but -0).
[[nodiscard]] Result<Value> parse(std::string_view text, const Limits& limits = {});

}  // namespace vestibule::json
