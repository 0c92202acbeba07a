#include "identity/eligible.hpp"

#include <algorithm>

#include "identity/rows.hpp"
#include "identity/tending.hpp"

namespace vestibule::identity {

bool related(const User& a, const User& b) noexcept {
  const auto made_by = [](const User& made, const User& maker) { return made.created_by == maker.id || made.reset_by == maker.id; };
  return made_by(a, b) || made_by(b, a);
}

bool too_new(const User& approver, Duration wait, WallTime now) noexcept {
  return std::max({approver.created, approver.roles_changed, approver.factors_reset}) > now - wait;
}

Result<std::optional<User>> account_in(store::Tx& tx, UserId id) {
  std::optional<User> out;
  auto found = tx.one(std::string(kColumns) + " WHERE id = $1", {id}, [&](const store::Row& row) { out = user_from(row); });
  if (!found) return std::move(found).error();
  if (!out) return out;
  auto labels = tx.query("SELECT kind, label FROM account_label WHERE account = $1", {id}, [&](const store::Row& row) {
    add_label(*out, row.integer(0), row.text(1));
    return true;
  });
  if (!labels) return std::move(labels).error();
  return out;
}

Result<bool> descends_in(store::Tx& tx, const User& from, UserId maker) {
  constexpr std::size_t kFar = 32;  // makers looked at
  std::vector<UserId> seen{from.id};
  std::vector<UserId> next{from.created_by, from.reset_by};
  while (!next.empty() && seen.size() < kFar) {
    const UserId one = next.back();
    next.pop_back();
    if (one == maker) return true;
    if (one.is_nil() || std::ranges::find(seen, one) != seen.end()) continue;
    seen.push_back(one);
    auto account = account_in(tx, one);
    if (!account) return std::move(account).error();
    if (!*account) continue;
    next.push_back((*account)->created_by);
    next.push_back((*account)->reset_by);
  }
  return false;
}

Result<std::string> why_no_second(store::Tx& tx, const User& approver, UserId account, Duration wait, WallTime now) {
  if (approver.disabled || approver.service || !approver.has_password) return std::string("your account may not");
  auto chain = tenders_in(tx, account);
  if (!chain) return std::move(chain).error();
  chain->push_back(account);
  if (std::ranges::find(*chain, approver.id) != chain->end()) return std::string("it was asked in your own name: somebody else confirms it");
  if (too_new(approver, wait, now)) {
    return "your account was made, reset or given other roles less than " +
           std::to_string(std::chrono::duration_cast<std::chrono::hours>(wait).count()) + " hours ago";
  }
  for (const UserId one : *chain) {
    auto asker = account_in(tx, one);
    if (!asker) return std::move(asker).error();
    if (!*asker) continue;
    auto up = descends_in(tx, approver, one);
    if (!up) return std::move(up).error();
    auto down = descends_in(tx, **asker, approver.id);
    if (!down) return std::move(down).error();
    if (*up || *down) return std::string("one of you has made or reset the other's account: somebody else confirms it");
  }
  return std::string();
}

}  // namespace vestibule::identity
