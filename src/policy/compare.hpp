#pragma once
// What a change of the policy does, before it is done.

#include <string>
#include <vector>

#include "policy/policy.hpp"

namespace vestibule::policy {

struct Difference {
  std::string text;      ///< "rule \"members chat\": model adds \"big*\""
  bool loosens = false;  ///< or at least is not provably a tightening
};

/// Nothing if the digests are equal. A difference is called a tightening only where that is proved:
/// every act that it concerns is allowed less often, or only with at least as strict a requirement.
[[nodiscard]] std::vector<Difference> compare(const Policy& before, const Policy& after);
[[nodiscard]] bool loosens(const std::vector<Difference>& differences) noexcept;

}  // namespace vestibule::policy
