#include "json/value.hpp"

#include "json/writer.hpp"

namespace vestibule::json {
namespace {

// The value whose first token was just read. Recursion is bounded by the reader's depth.
Result<Value> build(Reader& reader) {
  switch (reader.token()) {
    case Token::null:
      return Value();
    case Token::boolean_true:
      return Value(true);
    case Token::boolean_false:
      return Value(false);
    case Token::string:
      return Value(reader.text());
    case Token::number: {
      if (const auto whole = reader.int64(); whole && reader.raw() != "-0") return Value(*whole);
      if (const auto number = reader.number()) return Value(*number);
      return fail(Reason::body_not_json, "json: a number is too large");
    }
    case Token::array_begin: {
      Array items;
      for (;;) {
        if (reader.next() == Token::array_end) return Value(std::move(items));
        auto item = build(reader);
        if (!item) return item;
        items.push_back(std::move(*item));
      }
    }
    case Token::object_begin: {
      Object members;
      for (;;) {
        const Token token = reader.next();
        if (token == Token::object_end) return Value(std::move(members));
        if (token != Token::key) return reader.error();
        std::string key(reader.text());
        reader.next();
        auto value = build(reader);
        if (!value) return value;
        members.push_back({std::move(key), std::move(*value)});
      }
    }
    case Token::object_end:
    case Token::array_end:
    case Token::key:
    case Token::end:
    case Token::error:
      break;
  }
  return reader.error();
}

void write(Writer& out, const Value& value) {
  if (value.is_object()) {
    out.begin_object();
    for (const Member& m : value.members()) {
      out.key(m.key);
      write(out, m.value);
    }
    out.end_object();
  } else if (value.is_array()) {
    out.begin_array();
    for (const Value& v : value.items()) write(out, v);
    out.end_array();
  } else if (const auto text = value.as_string()) {
    out.value(*text);
  } else if (const auto whole = value.as_int()) {
    out.value(*whole);
  } else if (const auto number = value.as_double()) {
    out.value(*number);
  } else if (const auto flag = value.as_bool()) {
    out.value(*flag);
  } else {
    out.null();
  }
}

Error mistyped(std::string_view wanted, const Value& found) {
  return fail(Reason::invalid_argument,
              "expected " + std::string(wanted) + ", found " + std::string(found.type_name()));
}

template <class T>
Result<T> member(const Value& object, std::string_view key, Result<T> (Value::*as)() const) {
  const Value* value = object.find(key);
  if (value == nullptr)
    return fail(Reason::invalid_argument, "'" + std::string(key) + "' is missing");
  auto result = (value->*as)();
  if (!result) result.error().detail.insert(0, "'" + std::string(key) + "': ");
  return result;
}

}  // namespace

Result<Value> parse(std::string_view text, const Limits& limits) {
  Reader reader(text, limits);
  reader.next();
  auto value = build(reader);
  if (value && reader.next() != Token::end) return reader.error();
  return value;
}

Value::Value(bool v) : v_(v) {}
Value::Value(int v) : v_(std::int64_t{v}) {}
Value::Value(std::int64_t v) : v_(v) {}
Value::Value(double v) : v_(v) {}
Value::Value(const char* v) : v_(std::string(v)) {}
Value::Value(std::string_view v) : v_(std::string(v)) {}
Value::Value(std::string v) : v_(std::move(v)) {}
Value::Value(Array v) : v_(std::move(v)) {}
Value::Value(Object v) : v_(std::move(v)) {}

std::string_view Value::type_name() const noexcept {
  constexpr std::string_view kNames[] = {"null",   "boolean", "integer", "number",
                                         "string", "array",   "object"};
  return kNames[v_.index()];
}

Result<std::string> Value::as_string() const {
  if (const auto* v = std::get_if<std::string>(&v_)) return *v;
  return mistyped("a string", *this);
}
Result<std::int64_t> Value::as_int() const {
  if (const auto* v = std::get_if<std::int64_t>(&v_)) return *v;
  return mistyped("an integer", *this);
}
Result<double> Value::as_double() const {
  if (const auto* v = std::get_if<double>(&v_)) return *v;
  if (const auto* v = std::get_if<std::int64_t>(&v_)) return static_cast<double>(*v);
  return mistyped("a number", *this);
}
Result<bool> Value::as_bool() const {
  if (const auto* v = std::get_if<bool>(&v_)) return *v;
  return mistyped("a boolean", *this);
}

std::span<const Value> Value::items() const noexcept {
  const auto* v = std::get_if<Array>(&v_);
  return v == nullptr ? std::span<const Value>() : std::span<const Value>(*v);
}
std::span<const Member> Value::members() const noexcept {
  const auto* v = std::get_if<Object>(&v_);
  return v == nullptr ? std::span<const Member>() : std::span<const Member>(*v);
}
const Value* Value::find(std::string_view key) const noexcept {
  for (const Member& m : members()) {
    if (m.key == key) return &m.value;
  }
  return nullptr;
}

Result<std::string> Value::get_string(std::string_view key) const {
  return member(*this, key, &Value::as_string);
}
Result<std::int64_t> Value::get_int(std::string_view key) const {
  return member(*this, key, &Value::as_int);
}
Result<double> Value::get_double(std::string_view key) const {
  return member(*this, key, &Value::as_double);
}
Result<bool> Value::get_bool(std::string_view key) const {
  return member(*this, key, &Value::as_bool);
}

Value& Value::set(std::string_view key, Value value) {
  if (!is_object()) v_ = Object();
  auto& members = std::get<Object>(v_);
  for (Member& m : members) {
    if (m.key == key) {
      m.value = std::move(value);
      return *this;
    }
  }
  members.push_back({std::string(key), std::move(value)});
  return *this;
}
Value& Value::push(Value value) {
  if (!is_array()) v_ = Array();
  std::get<Array>(v_).push_back(std::move(value));
  return *this;
}

std::string Value::dump() const {
  Writer out;
  write(out, *this);
  return out.take();
}

bool Value::operator==(const Value& other) const { return v_ == other.v_; }

}  // namespace vestibule::json
