#pragma once
// Which policy is in force, and which one waits for approval.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "policy/compare.hpp"
#include "policy/policy.hpp"
#include "store/tx.hpp"

namespace vestibule::gate {

/// What decides. While `staged` is set, both must allow (policy::decide_both).
struct PolicySet {
  policy::Policy active;
  std::optional<policy::Policy> staged;
};

/// `policy.trust` of the configuration.
enum class PolicyTrust : std::uint8_t {
  approval,  ///< what loosens waits for a person's factor
  file,      ///< whoever writes the file is trusted (quick start); audit and health say so
};

/// What came of reading a policy file.
struct Staged {
  Digest active{};
  std::optional<Digest> staged;            ///< waits for approval
  std::vector<policy::Difference> differences;
  bool changed = false;
};

/// "loosens: ...; tightens: ...", for records.
[[nodiscard]] std::string describe(const std::vector<policy::Difference>& differences);

/// The row of the policy in force: what survives a restart. The file may say otherwise by then.
struct PolicyRow {
  static Result<std::optional<std::string>> load(store::Tx& tx);  ///< canonical text
  static Result<void> put_in(store::Tx& tx, const policy::Policy& policy, WallTime now);
};

}  // namespace vestibule::gate
