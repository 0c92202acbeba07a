#pragma once
// Proofs that were given at the moment of signing, as a row keeps them. Private to the room.

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "domain/act.hpp"

namespace vestibule::approval {

[[nodiscard]] Bytes packed(const domain::Evidence& evidence);
/// What packed() does not write proves nothing.
[[nodiscard]] domain::Evidence unpacked(ByteView raw, WallTime made);
/// Did they reach the level that is asked for when they were given?
[[nodiscard]] bool reaches(const domain::Evidence& evidence, WallTime made, const domain::Requirement& need);

}  // namespace vestibule::approval
