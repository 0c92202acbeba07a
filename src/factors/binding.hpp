#pragma once
// What a question to an authenticator is for. Pure.

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"

namespace vestibule::factors {

/// One act of one session. `purpose` is the operation, and after the first space its object.
struct Binding {
  UserId user{};
  SessionId session{};
  std::string_view purpose;
  WallTime expires{};
};

/// RFC 8785 text of {expires (microseconds), object, operation, session, user}. A user or session that
/// is not known yet (sign-in by passkey) is "".
[[nodiscard]] std::string canonical(const Binding& binding);
/// Its SHA-256: what goes into the challenge.
[[nodiscard]] Digest digest(const Binding& binding);
/// The purpose of proving a factor again in a session that is signed in: bound to no act.
inline constexpr std::string_view kStepUp = "step-up";
/// The purpose of confirming a new factor.
[[nodiscard]] std::string enrolment_purpose(FactorId factor);

}  // namespace vestibule::factors
