#pragma once
// What the process's exit status means, the same for every command.

#include "base/result.hpp"

namespace vestibule::app::cli {

enum class Exit : int {
  ok = 0,
  refused = 1,      ///< refused or failed; standard error says why and what to do
  usage = 2,        ///< the command line, or an argument, is wrong
  unreachable = 3,  ///< no gateway answers
  factor = 4,       ///< a second factor is needed first
};

[[nodiscard]] constexpr int status(Exit e) noexcept { return static_cast<int>(e); }

/// The status for an error. Here upstream_unreachable and upstream_timeout mean that the gateway
/// itself does not answer: what it says of model servers comes as a reply, not as an Error.
[[nodiscard]] Exit exit_for(Reason reason) noexcept;

/// The command asks for a factor, not for a correction: prove it and try again.
[[nodiscard]] bool wants_factor(Reason reason) noexcept;
/// The session is no more (or never was): only signing in again helps.
[[nodiscard]] bool wants_sign_in(Reason reason) noexcept;

}  // namespace vestibule::app::cli
