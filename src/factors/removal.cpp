// Factors that go: one by its owner, all with a reset or with the user.
#include "factors/factors.hpp"
#include "factors/rows.hpp"

namespace vestibule::factors {
namespace {

using identity::NoticeKind;

}  // namespace

Result<void> Factors::check_proof(store::Tx& tx, UserId user, const domain::Proof& proof) const {
  const Kind* const k = kind_of(proof.kind);
  bool theirs = false;
  auto found = tx.one("SELECT account FROM factor WHERE id = $1 AND confirmed = 1", {proof.factor},
                      [&](const store::Row& row) { theirs = row.id<UserId>(0) == user; });
  if (!found) return moved(found);
  if (k == nullptr || !k->describe().strong || !theirs) return fail(Reason::mfa_required);
  return {};
}

Result<void> Factors::remove_in(store::Tx& tx, UserId user, FactorId factor, const domain::Proof& proof,
                                const Actor& by, Instant now) {
  auto proved = check_proof(tx, user, proof);
  if (!proved) return proved;
  FactorKind kind{};
  bool works = false;
  std::string label;
  auto found = tx.one("SELECT kind, disabled, label FROM factor WHERE id = $1 AND account = $2 AND confirmed = 1",
                      {factor, user}, [&](const store::Row& row) {
                        kind = static_cast<FactorKind>(row.integer(0));
                        works = row.integer(1) == 0;
                        label = row.text(2);
                      });
  if (!found) return moved(found);
  if (!*found) return fail(Reason::factor_missing);
  const Kind* const k = kind_of(kind);
  auto strong = count_strong(tx, user, Count::working);
  if (!strong) return moved(strong);
  // One that is disabled helps nobody: what stays must work.
  if (k != nullptr && k->describe().strong && *strong - (works ? 1 : 0) < 1) return fail(Reason::factor_last);
  // What it may have begun goes with it.
  auto begun = tx.run("DELETE FROM factor WHERE confirmed = 0 AND account = $1", {user});
  if (!begun) return moved(begun);
  for (const std::string_view sql : {"INSERT INTO plugin_removal (factor, account, plugin) SELECT id, account, plugin FROM factor "
                                     "WHERE id = $1 AND plugin IS NOT NULL",
                                     "DELETE FROM recovery_code WHERE factor = $1", "DELETE FROM webauthn_credential WHERE factor = $1",
                                     "DELETE FROM hardware_token WHERE factor = $1", "DELETE FROM push_device WHERE factor = $1",
                                     "DELETE FROM factor WHERE id = $1"}) {
    auto gone = tx.run(sql, {factor});
    if (!gone) return moved(gone);
  }
  tx.changed(kFactorTopic, user.bytes);
  Actor self = by;
  self.evidence.add(proof);
  record(tx, audit::Kind::change, "factor.remove", Reason::ok, self, factor.text(), domain::name(kind), now);
  return users_.notify_in(tx, user, NoticeKind::factor_removed,
                          "A factor was removed: " + described(kind, label) + ", from " + by.source.text() + ".", now.wall);
}

Result<void> Factors::delete_rows(store::Tx& tx, UserId user) {
  for (const std::string_view sql :
       {"INSERT INTO plugin_removal (factor, account, plugin) SELECT id, account, plugin FROM factor "
        "WHERE account = $1 AND plugin IS NOT NULL AND confirmed = 1",
        "DELETE FROM recovery_code WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM webauthn_credential WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM hardware_token WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM push_device WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM push_prompt WHERE account = $1", "DELETE FROM push_sleeper WHERE account = $1",
        "DELETE FROM factor WHERE account = $1", "DELETE FROM factor_challenge WHERE account = $1"}) {
    auto gone = tx.run(sql, {user});
    if (!gone) return moved(gone);
  }
  tx.changed(kFactorTopic, user.bytes);
  return {};
}

Result<void> Factors::remove_all_in(store::Tx& tx, UserId user, const Actor& by, Instant now) {
  auto gone = delete_rows(tx, user);
  if (!gone) return gone;
  record(tx, audit::Kind::change, "factor.reset", Reason::ok, by, user.text(), {}, now);
  return {};
}

}  // namespace vestibule::factors
