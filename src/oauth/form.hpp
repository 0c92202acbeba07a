#pragma once
// application/x-www-form-urlencoded, as OAuth's requests come: in bodies and queries. Strict where two
// readers could differ: each name once, every escape whole, text that is UTF-8 and printable.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.hpp"

namespace vestibule::oauth {

inline constexpr std::size_t kMaxForm = 16384;     ///< bytes, encoded
inline constexpr std::size_t kMaxFormFields = 40;

/// Movable; wiped when it goes: it may hold secrets.
class Form {
 public:
  /// Nothing for what is malformed, too long, or names a parameter twice (RFC 6749 section 3.1).
  [[nodiscard]] static std::optional<Form> parse(std::string_view encoded);

  Form(Form&&) = default;
  Form& operator=(Form&&) = default;
  ~Form();

  /// The decoded value; a parameter without one is as if it were not there (RFC 6749 section 3.1), so empty.
  [[nodiscard]] std::string_view get(std::string_view name) const noexcept;
  [[nodiscard]] bool has(std::string_view name) const noexcept { return !get(name).empty(); }

 private:
  Form() = default;
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// For building redirects: what is not unreserved (RFC 3986) is escaped.
void append_encoded(std::string& out, std::string_view text);

/// `Authorization: Basic` of a client: id and secret, both form-encoded first (RFC 6749 section 2.3.1).
struct BasicCredentials {
  std::string id;
  Secret secret;
};
[[nodiscard]] std::optional<BasicCredentials> parse_basic(std::string_view value);

}  // namespace vestibule::oauth
