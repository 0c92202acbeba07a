#pragma once
// Proving by a push device from a terminal: the number is shown here and typed there.

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

/// What the device is asked: six digits, or one number of three where the gateway takes that.
enum class PushKind : std::uint8_t { digits, choice };

/// The reply of /prove. Says on standard error which number to type or pick, and waits for the device.
/// factor_missing, push_busy; code_wrong if the device declines or nobody answers.
[[nodiscard]] Result<Reply> prove_by_push(Context& ctx, PushKind kind = PushKind::digits);
/// By a reply of /me: a choice, if it opens every access point that waits for a factor.
[[nodiscard]] PushKind push_kind_for(const json::Value& me);

/// Push devices are all that these kinds (a list of names) could be asked with on a terminal.
[[nodiscard]] bool only_push(const json::Value* kinds);
/// The same of the factors of a reply of /me.
[[nodiscard]] bool only_push_of(const json::Value& me);

}  // namespace vestibule::app::cli
