#pragma once
// What tokens say of how somebody was authenticated: acr, auth_time, amr, from the evidence as it is at this
// moment. Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/evidence.hpp"
#include "json/writer.hpp"

namespace vestibule::oauth {

struct Assurance {
  int level = 0;
  /// Of the proof that carries the level. What is known does not age (it counts for as long as its session
  /// lives), so from level 2 on it is the other factor's; the latest one, where several would do.
  WallTime auth_time{};
  std::vector<std::string_view> amr;  ///< RFC 8176; of all proofs that count now
};
[[nodiscard]] Assurance assure(const domain::Evidence& evidence, Instant now, bool trusted, Duration overall);
/// "acr", "auth_time", "amr".
void member_assurance(json::Writer& w, const Assurance& assurance);

/// The least level among those of acr_values (space-separated) that are known here; nothing if none is.
[[nodiscard]] std::optional<int> level_from(std::string_view acr_values);

}  // namespace vestibule::oauth
