#pragma once
// Expected failures are values. Error carries a public reason code and a detail for the log; the
// detail never reaches a client unless the route says so (CLI routes of the operator do).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace vestibule {

/// Every reason of reasons.def. The numeric value is private to the process; the name is frozen.
enum class Reason : std::uint8_t {
#define REASON(code, status, oauth, text, about) code,
#include "base/reasons.def"
#undef REASON
};

struct ReasonInfo {
  std::string_view code;    ///< the frozen name, e.g. "mfa_lapsed"
  int status;               ///< HTTP status it maps to
  std::string_view oauth;   ///< value of error= in WWW-Authenticate, or empty
  std::string_view text;    ///< public text: what is wrong and what to do next
  std::string_view about;   ///< for the reference
};
[[nodiscard]] const ReasonInfo& info(Reason reason) noexcept;
/// The reason with this code, or nothing.
[[nodiscard]] std::optional<Reason> reason_from(std::string_view code) noexcept;
/// All reasons in order of the catalogue.
[[nodiscard]] std::size_t reason_count() noexcept;

struct [[nodiscard]] Error {
  Reason code = Reason::internal;
  std::string detail;  ///< internal: for the log, the CLI and tests
};

inline Error fail(Reason code, std::string detail = {}) { return Error{code, std::move(detail)}; }

/// T or Error, in the shape of std::expected (which g++ 12 lacks in C++20).
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const noexcept { return v_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  T& operator*() & noexcept { return *std::get_if<0>(&v_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&v_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&v_)); }
  T* operator->() noexcept { return std::get_if<0>(&v_); }
  const T* operator->() const noexcept { return std::get_if<0>(&v_); }
  [[nodiscard]] Error& error() & noexcept { return *std::get_if<1>(&v_); }
  [[nodiscard]] const Error& error() const& noexcept { return *std::get_if<1>(&v_); }
  [[nodiscard]] Error&& error() && noexcept { return std::move(*std::get_if<1>(&v_)); }
  template <class U>
  [[nodiscard]] T value_or(U&& other) const& {
    return has_value() ? **this : static_cast<T>(std::forward<U>(other));
  }

 private:
  std::variant<T, Error> v_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  [[nodiscard]] bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] Error& error() & noexcept { return *error_; }
  [[nodiscard]] const Error& error() const& noexcept { return *error_; }
  [[nodiscard]] Error&& error() && noexcept { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

/// The error of a result that has one: `if (!found) co_return moved(found);`
[[nodiscard]] Error moved(auto& result) { return std::move(result).error(); }

}  // namespace vestibule
