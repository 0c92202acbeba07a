#pragma once
// What the gate says of an act, in records and to whoever asked. Private to the room.

#include "audit/record.hpp"
#include "gate/gate.hpp"

namespace vestibule::gate {

/// Who, what and from where. The views are those of the arguments.
void fill(audit::Record& r, const domain::Act& act, const domain::Subject& subject, const domain::Source& source,
          std::string_view client, RequestId request);
[[nodiscard]] domain::Refusal refusal(Reason reason, const domain::Decision& d, const Caller& caller, const domain::Act& act);

}  // namespace vestibule::gate
