#pragma once
// RFC 8785, the JSON Canonicalization Scheme: one text for one value, so that it can be signed.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "json/reader.hpp"

namespace vestibule::json {

/// The canonical form. Input is what Reader accepts, and I-JSON besides (RFC 7493): no
/// noncharacters (section 2.1), and a number beyond 2^53 - 1 in magnitude must be one that a double
/// holds as it is spelt: 9007199254740993 would be confirmed as ...992, so it is refused. Canonical
/// text is its own canonical form. Error: body_not_json. Not for the hot path: it allocates.
[[nodiscard]] Result<std::string> canonicalize(std::string_view text, const Limits& limits = {});

}  // namespace vestibule::json
