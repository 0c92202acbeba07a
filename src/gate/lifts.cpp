#include "gate/lifts.hpp"

#include <algorithm>

#include "identity/eligible.hpp"

namespace vestibule::gate {
namespace {

struct Row {
  UserId account{};
  WallTime at{};
};

// Whoever speaks first is looked at as whoever speaks last is: the order is theirs to choose.
bool may_speak(const identity::User& user, Duration wait, WallTime now) {
  return !user.disabled && !user.service && user.has_password && !identity::too_new(user, wait, now) &&
         domain::has(user.roles, domain::intern(domain::role::administrator));
}

}  // namespace

Result<std::vector<Agreement>> agreements_in(store::Tx& tx, WallTime now) {
  std::vector<Agreement> out;
  auto read = tx.query("SELECT scope, target, since, by_name, at FROM stop_agreement WHERE at > $1 ORDER BY at", {now - kAgreed},
                       [&](const store::Row& row) {
                         const auto scope = stop_scope_from(row.text(0));
                         if (scope) out.push_back({*scope, std::string(row.text(1)), row.time(2), std::string(row.text(3)), row.time(4)});
                         return true;
                       });
  if (!read) return std::move(read).error();
  return out;
}

Result<int> agree_in(store::Tx& tx, const Stop& stop, const identity::Actor& by, int people, Duration wait, WallTime now) {
  bool renewed = false;
  auto found = tx.one("SELECT since FROM emergency_stop WHERE scope = $1 AND target = $2", {name(stop.scope), stop.target},
                      [&](const store::Row& row) { renewed = row.time(0) != stop.since; });
  if (!found) return std::move(found).error();
  if (renewed) return fail(Reason::conflict, "it was set anew: look at it again");
  auto self = identity::account_in(tx, by.user);
  if (!self) return std::move(self).error();
  if (!*self || !domain::has((*self)->roles, domain::intern(domain::role::administrator))) return fail(Reason::role_required);
  if (!may_speak(**self, wait, now)) return fail(Reason::not_eligible, "your account was made, reset or given other roles lately, or may not");

  auto old = tx.run("DELETE FROM stop_agreement WHERE at <= $1", {now - kAgreed});
  if (!old) return std::move(old).error();
  std::vector<Row> rows;
  auto read = tx.query("SELECT account, at FROM stop_agreement WHERE scope = $1 AND target = $2 AND since = $3 ORDER BY at",
                       {name(stop.scope), stop.target, stop.since}, [&](const store::Row& row) {
                         rows.push_back({row.id<UserId>(0), row.time(1)});
                         return true;
                       });
  if (!read) return std::move(read).error();
  int others = 0;
  for (const Row& row : rows) {
    if (row.account == by.user) return fail(Reason::conflict, "you have agreed already: another administrator lifts it");
    auto one = identity::account_in(tx, row.account);
    if (!one) return std::move(one).error();
    if (!*one || !may_speak(**one, wait, now)) {
      auto gone = tx.run("DELETE FROM stop_agreement WHERE scope = $1 AND target = $2 AND account = $3", {name(stop.scope), stop.target, row.account});
      if (!gone) return std::move(gone).error();
      continue;
    }
    auto why = identity::why_no_second(tx, **self, row.account, wait, now);
    if (!why) return std::move(why).error();
    if (!why->empty()) return fail(Reason::not_eligible, *why);
    ++others;
  }
  auto put = tx.run("INSERT INTO stop_agreement (scope, target, since, account, by_name, at) VALUES ($1, $2, $3, $4, $5, $6) "
                    // A word for a former stop of the same may still be there where this one could not be stored.
                    "ON CONFLICT (scope, target, account) DO UPDATE SET since = $3, by_name = $5, at = $6",
                    {name(stop.scope), stop.target, stop.since, by.user, by.name.view(), now});
  if (!put) return std::move(put).error();
  return std::max(people - others - 1, 0);
}

Result<void> forget_agreements_in(store::Tx& tx, StopScope scope, std::string_view target) {
  auto gone = tx.run("DELETE FROM stop_agreement WHERE scope = $1 AND target = $2", {name(scope), target});
  if (!gone) return std::move(gone).error();
  return {};
}

}  // namespace vestibule::gate
