#include "gate/policies.hpp"

namespace vestibule::gate {

std::string describe(const std::vector<policy::Difference>& differences) {
  std::string out;
  for (const auto& d : differences) {
    if (!out.empty()) out += "; ";
    out += d.loosens ? "loosens: " : "tightens: ";
    out += d.text;
  }
  return out;
}

Result<std::optional<std::string>> PolicyRow::load(store::Tx& tx) {
  std::optional<std::string> text;
  auto r = tx.one("SELECT canonical FROM policy_active WHERE id = 1", {},
                  [&](const store::Row& row) { text = std::string(row.text(0)); });
  if (!r) return std::move(r).error();
  return text;
}

Result<void> PolicyRow::put_in(store::Tx& tx, const policy::Policy& policy, WallTime now) {
  auto r = tx.run(
      "INSERT INTO policy_active (id, canonical, digest, since) VALUES (1, $1, $2, $3) "
      "ON CONFLICT (id) DO UPDATE SET canonical = $1, digest = $2, since = $3",
      {policy.canonical(), policy.digest(), now});
  if (!r) return std::move(r).error();
  return {};
}

}  // namespace vestibule::gate
