#pragma once
// Rows of this room. Private to it.

#include <cstring>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace vestibule::approval {

/// All zero, which is no digest of anything, for what is none.
[[nodiscard]] inline Digest digest_from(ByteView raw) noexcept {
  Digest out{};
  if (raw.size() == out.size()) std::memcpy(out.data(), raw.data(), raw.size());
  return out;
}

}  // namespace vestibule::approval
