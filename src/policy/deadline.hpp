#pragma once
// Deadlines of enrolment: after a day, whoever has a role must have a kind of factor, and until he has
// enrolled it he can do nothing else. `[[factor_deadline]]` of the policy file.

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "domain/evidence.hpp"
#include "domain/subject.hpp"

namespace vestibule::policy {

struct Explanation;

inline constexpr std::size_t kMaxDeadlines = 100;

struct Deadline {
  std::string role;
  domain::NameId role_id{};
  domain::FactorKind needs{};
  std::string by;    ///< "2026-03-01": the last day
  WallTime over{};   ///< its end, UTC
};

/// The first that has passed and that the subject does not meet; null if there is none. `has` says of a
/// kind whether the user has a working factor of it. Allocates nothing.
template <class Has>
[[nodiscard]] const Deadline* overdue(const std::vector<Deadline>& all, const domain::Subject& subject, WallTime now,
                                      Has&& has) noexcept {
  for (const Deadline& d : all) {
    if (now >= d.over && domain::has(subject.roles, d.role_id) && !has(d.needs)) return &d;
  }
  return nullptr;
}

/// "role administrator needs webauthn since 2026-03-01"
[[nodiscard]] std::string text(const Deadline& deadline);
/// The decision becomes the denial that the gate makes of it, and the remedy is to enrol.
void explain_overdue(Explanation& explanation, const Deadline& deadline);

}  // namespace vestibule::policy
