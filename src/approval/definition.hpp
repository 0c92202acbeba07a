#pragma once
// What a tool server says of one of its tools, and the fingerprint of that. Pure: no I/O.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace vestibule::approval {

inline constexpr std::size_t kMaxToolName = 200;               ///< bytes; the specification has 128 characters
inline constexpr std::size_t kMaxDefinition = std::size_t{64} << 10U;  ///< bytes of text: what a person can be asked to read

struct Definition {
  std::string tool;
  /// All members but `_meta`, which is for programs and changes as they like: name, title, description, schemas,
  /// annotations. Canonical (RFC 8785); where it has no canonical form, as the server has sent it.
  /// Empty: it is longer than kMaxDefinition, which nobody is asked to read.
  std::string text;
  bool destructive = false;  ///< annotations.destructiveHint is true, and readOnlyHint is not
  Digest digest{};  ///< SHA-256 of the text, of a long one too: the fingerprint
};
/// Reads a member of the `tools` of a tools/list answer. body_not_json; body_shape: no object, or no name that a tool
/// can be called by (blanks, control characters); body_too_large: the name.
[[nodiscard]] Result<Definition> read_definition(std::string_view json);

}  // namespace vestibule::approval
