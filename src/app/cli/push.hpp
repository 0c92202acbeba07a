#pragma once
// Proving by a push device from a terminal: the number is shown here and typed there.

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

/// The reply of /prove. Says on standard error which number to type, and waits for the device.
/// factor_missing, push_busy; code_wrong if the device declines or nobody answers.
[[nodiscard]] Result<Reply> prove_by_push(Context& ctx);

/// Push devices are all that these kinds (a list of names) could be asked with on a terminal.
[[nodiscard]] bool only_push(const json::Value* kinds);
/// The same of the factors of a reply of /me.
[[nodiscard]] bool only_push_of(const json::Value& me);

}  // namespace vestibule::app::cli
