#pragma once
// Values of the API's replies. Private to the room.

#include <string_view>

#include "factors/factors.hpp"
#include "json/writer.hpp"
#include "policy/compare.hpp"

namespace vestibule::portal {

/// A writer with room for a usual reply, so that secrets are not left behind by its growth.
[[nodiscard]] json::Writer writer();

/// RFC 3339, or null for a time that never was.
void member_time(json::Writer& w, std::string_view name, WallTime time);
/// Whole seconds, or null for "without limit".
void member_seconds(json::Writer& w, std::string_view name, Duration time);
/// [{"factor":"totp","age_s":12}]
void member_evidence(json::Writer& w, const domain::Evidence& evidence, Instant now);
void member_names(json::Writer& w, std::string_view name, const domain::NameSet& names);
void member_differences(json::Writer& w, const std::vector<policy::Difference>& differences);
void value_factor(json::Writer& w, const factors::FactorInfo& factor);
void member_codes(json::Writer& w, const std::vector<Secret>& codes);

/// "2026-11-23T03:02:36Z", with at most six digits of a second's fraction; UTC only.
[[nodiscard]] std::optional<WallTime> parse_time(std::string_view text);

}  // namespace vestibule::portal
