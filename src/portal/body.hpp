#pragma once
// A request's body: a flat JSON object whose members the route declares. Everything in it may be a
// secret, so all of it is wiped when it goes.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule::portal {

inline constexpr std::size_t kMaxBody = 64 * 1024;  ///< bytes
inline constexpr std::size_t kMaxList = 64;         ///< entries of a list
inline constexpr std::size_t kMaxFields = 16;

/// One member that a body may have. Text is a JSON string, list an array of strings.
struct Field {
  enum class Type : std::uint8_t { text, integer, list };
  std::string_view name;
  Type type = Type::text;
  bool required = true;
};

/// The members of one route's body; none: the route takes no body, or an empty object.
class Fields {
 public:
  constexpr Fields() = default;
  consteval Fields(std::initializer_list<Field> fields) {
    for (const Field& f : fields) fields_[size_++] = f;
  }
  [[nodiscard]] constexpr const Field* begin() const noexcept { return fields_.data(); }
  [[nodiscard]] constexpr const Field* end() const noexcept { return fields_.data() + size_; }
  [[nodiscard]] constexpr bool has_required() const noexcept {
    for (const Field& f : *this) {
      if (f.required) return true;
    }
    return false;
  }
  /// Index of a member; -1 if it is not declared.
  [[nodiscard]] constexpr int find(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < size_; ++i) {
      if (fields_[i].name == name) return static_cast<int>(i);
    }
    return -1;
  }

 private:
  std::array<Field, kMaxFields> fields_{};
  std::size_t size_ = 0;
};

/// Not copyable; one thread.
class Body {
 public:
  Body() = default;
  Body(Body&&) = default;
  Body& operator=(Body&&) = default;
  ~Body();

  /// body_not_json for what is no strict JSON (duplicate members too); invalid_argument, with the
  /// member's name, for one that is unknown, missing, mistyped or holds a NUL. `fields` outlives it.
  [[nodiscard]] static Result<Body> parse(std::string_view json, const Fields& fields);

  /// For members that the route declares; an absent one is empty, or nothing.
  [[nodiscard]] bool has(std::string_view name) const noexcept { return slot(name) != nullptr; }
  [[nodiscard]] std::string_view text(std::string_view name) const noexcept;
  [[nodiscard]] Secret secret(std::string_view name) const { return Secret(text(name)); }
  [[nodiscard]] std::optional<Secret> optional_secret(std::string_view name) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name) const noexcept;
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const;

 private:
  struct Slot {
    bool present = false;
    std::string text;
    std::int64_t integer = 0;
    std::vector<std::string> list;
  };
  [[nodiscard]] const Slot* slot(std::string_view name) const noexcept;

  const Fields* fields_ = nullptr;
  std::vector<Slot> slots_;
};

}  // namespace vestibule::portal
