#pragma once
// Seeds of hardware tokens as their makers deliver them: one token a line. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule::factors {

inline constexpr std::size_t kMaxTokenLines = 1000;

struct TokenSeed {
  std::string serial;        ///< as printed on the token: 1 to 32 of A-Z a-z 0-9 '-'
  Secret secret;             ///< 16 to 64 bytes (RFC 4226 section 4, R6: at least 128 bits)
  int digits = 6;            ///< 6 or 8
  std::int64_t counter = 0;  ///< of the next code
};

/// Lines "serial,secret[,digits[,counter]]", the secret in hex, ended by LF or CRLF; a first line
/// "serial,secret,digits,counter" is a header. No quotes, no white space, no serial twice. All or
/// nothing: invalid_argument names the line, never what is in it.
[[nodiscard]] Result<std::vector<TokenSeed>> parse_token_csv(std::string_view csv);
[[nodiscard]] bool is_token_serial(std::string_view text) noexcept;

}  // namespace vestibule::factors
