#include "identity/recovery.hpp"

#include "identity/rows.hpp"
#include "identity/users.hpp"

namespace vestibule::identity {

Result<Secret> recover_in(store::Tx& tx, const crypto::HandleMint& mint, Rng& rng, std::string_view name, WallTime now) {
  UserId user;
  bool disabled = false;
  auto found = tx.one("SELECT id, disabled FROM account WHERE name = $1", {name}, [&](const store::Row& row) {
    user = row.id<UserId>(0);
    disabled = row.integer(1) != 0;
  });
  if (!found) return std::move(found).error();
  if (!*found) return fail(Reason::user_unknown);
  if (disabled) return fail(Reason::user_disabled);
  auto open = tx.run("DELETE FROM reset_request WHERE account = $1", {user});
  if (!open) return std::move(open).error();
  auto former = note_former_administrator(tx, user, now);
  if (!former) return std::move(former).error();
  auto shown = tx.run("INSERT INTO host_recovery (account, name, at) VALUES ($1, $2, $3)", {user, name, now});
  if (!shown) return std::move(shown).error();
  const std::string text = "The operator of the host has made an enrolment code for " + std::string(name) +
                           " (vestibule recover). If nobody meant to, the host is in other hands.";
  auto administrators = read_administrators(tx);
  if (!administrators) return std::move(administrators).error();
  auto told = notify_in(tx, rng, user, NoticeKind::host_recovery, text, now);
  if (!told) return std::move(told).error();
  for (const User& one : *administrators) {
    if (one.id == user || one.disabled) continue;
    told = notify_in(tx, rng, one.id, NoticeKind::host_recovery, text, now);
    if (!told) return std::move(told).error();
  }
  return put_enrolment_code(tx, mint, rng, user, UserId{}, now + kRecoveryCode);
}

Result<std::vector<User>> other_administrators_in(store::Tx& tx, std::string_view but) {
  auto all = read_administrators(tx);
  if (all) std::erase_if(*all, [&](const User& one) { return one.disabled || one.name.view() == but; });
  return all;
}

Result<std::vector<HostRecovery>> host_recoveries_in(store::Tx& tx, WallTime now) {
  std::vector<HostRecovery> out;
  auto listed = tx.query("SELECT name, at FROM host_recovery WHERE at > $1 ORDER BY at", {now - kRecoveryShown},
                         [&](const store::Row& row) {
                           out.push_back({std::string(row.text(0)), row.time(1)});
                           return true;
                         });
  if (!listed) return std::move(listed).error();
  return out;
}

}  // namespace vestibule::identity
