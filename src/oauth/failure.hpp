#pragma once
// How OAuth says no: the registered error codes (RFC 6749 and those that build on it), each with the status
// that it has where it is not redirected.

#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>

#include "base/result.hpp"

namespace vestibule::oauth {

enum class Code : std::uint8_t {
  invalid_request,
  invalid_client,
  invalid_grant,
  unauthorized_client,
  unsupported_grant_type,
  unsupported_response_type,
  invalid_scope,
  invalid_target,                        // RFC 8707
  access_denied,
  server_error,
  temporarily_unavailable,
  interaction_required,                  // OpenID Connect Core section 3.1.2.6
  request_not_supported,
  request_uri_not_supported,
  unmet_authentication_requirements,     // RFC 9470 section 5
  authorization_pending,                 // RFC 8628 section 3.5
  slow_down,
  expired_token,
  invalid_redirect_uri,                  // RFC 7591 section 3.2.2
  invalid_client_metadata,
  invalid_dpop_proof,                    // RFC 9449
  invalid_token,                         // RFC 6750
  insufficient_scope,
};
[[nodiscard]] std::string_view name(Code code) noexcept;
[[nodiscard]] int status(Code code) noexcept;

struct Failure {
  Code code = Code::server_error;
  std::string_view why;  ///< for the client's developer; a literal
  Reason reason = Reason::ok;  ///< of the grant's end, told to whoever held it
};

/// T, or how it is refused.
template <class T>
class [[nodiscard]] Answer {
 public:
  Answer(T value) : v_(std::in_place_index<0>, std::move(value)) {}
  Answer(Failure failure) : v_(std::in_place_index<1>, failure) {}
  explicit operator bool() const noexcept { return v_.index() == 0; }
  T& operator*() & noexcept { return *std::get_if<0>(&v_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&v_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&v_)); }
  T* operator->() noexcept { return std::get_if<0>(&v_); }
  const T* operator->() const noexcept { return std::get_if<0>(&v_); }
  [[nodiscard]] const Failure& failure() const noexcept { return *std::get_if<1>(&v_); }

 private:
  std::variant<T, Failure> v_;
};

/// What a client learns of trouble on our side.
[[nodiscard]] Failure ours(const Error& error) noexcept;

}  // namespace vestibule::oauth
