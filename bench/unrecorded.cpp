// For bench/relay alone: the gateway without the audit records of its acts, to tell what making them costs.
// These take the place of the gateway's own at the link (-z muldefs). The program that ships has no such switch.

#include "audit/log.hpp"
#include "gate/gate.hpp"

namespace vestibule::audit {

Result<Ticket> Log::submit(const Record& /*record*/, Urgency /*urgency*/) noexcept { return Ticket{}; }

std::size_t Log::encode(const Record& /*record*/, std::span<std::uint8_t, kMaxEntry> /*out*/) noexcept { return 1; }

Result<Ticket> Log::submit(ByteView /*encoded*/, Urgency /*urgency*/) noexcept { return Ticket{}; }

std::optional<Result<void>> Log::settled(Ticket /*ticket*/) noexcept { return Result<void>{}; }

}  // namespace vestibule::audit

namespace vestibule::gate {

Digest digest_of(std::string_view /*body*/) noexcept { return {}; }

}  // namespace vestibule::gate
