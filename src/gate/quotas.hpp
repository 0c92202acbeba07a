#pragma once
// Where an act meets its quotas. Private to the room.

#include <optional>

#include "gate/gate.hpp"

namespace vestibule::gate {

/// Takes what the act needs of every quota that concerns it, by the policy in force and by the one that
/// waits. Else the refusal; `record` is the act's as it stands, and is written for one refusal a minute, user
/// and quota: who asks on and on fills no disk.
[[nodiscard]] std::optional<domain::Refusal> charge(quota::Share& share, const PolicySet& policies, const Caller& caller,
                                                    const domain::Act& act, const audit::Record& record, audit::Log& log,
                                                    quota::Grant& out);

/// What an act comes to for its quotas of tokens.
[[nodiscard]] std::uint64_t tokens_of(const Completion& completion, const domain::Act& act) noexcept;

}  // namespace vestibule::gate
