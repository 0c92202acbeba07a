#pragma once
// One field line (RFC 9112 section 5). Private to the room: heads and trailers share it.

#include <string_view>

#include "http/chars.hpp"
#include "http/head.hpp"

namespace vestibule::http {

/// `line` without its CRLF. Why it is refused, or nullptr and `out` is set. With ObsText::refuse
/// (what clients send) a known name spelled with '_' or '.' is refused too.
[[nodiscard]] const char* parse_field(std::string_view line, chars::ObsText obs,
                                      HeaderField& out) noexcept;

}  // namespace vestibule::http
