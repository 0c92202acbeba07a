// Whoever is to sign for others hears of it: when the call is asked for, and once more when half of its time is over.
#include <algorithm>

#include "approval/confirmation_rows.hpp"
#include "factors/prompts.hpp"
#include "identity/tending.hpp"

namespace vestibule::approval {
namespace {

constexpr std::size_t kMostLooked = 200;  // accounts that one call makes the writer look at

/// Accounts that stand on one list of approvers, as its entries name them.
Result<std::vector<UserId>> listed_in(store::Tx& tx, std::string_view list) {
  std::vector<UserId> out;
  const auto add = [&](const store::Row& row) {
    const auto id = row.id<UserId>(0);
    if (std::ranges::find(out, id) == out.end()) out.push_back(id);
    return out.size() < kMostLooked;
  };
  while (!list.empty()) {
    const std::size_t end = std::min(list.find('\n'), list.size());
    const std::string_view entry = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    const std::size_t colon = entry.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view kind = entry.substr(0, colon);
    const std::string_view name = entry.substr(colon + 1);
    auto read = kind == "user" ? tx.query("SELECT id FROM account WHERE name = $1", {name}, add)
                               : tx.query("SELECT account FROM account_label WHERE kind = $1 AND label = $2 ORDER BY account", {kind == "role" ? 1 : 2, name}, add);
    if (!read) return moved(read);
  }
  return out;
}

}  // namespace

// Where anybody may sign nobody is named, and nobody is rung: it stands on everybody's page.
Result<void> Confirmations::ring_approvers_in(store::Tx& tx, ConfirmationId id, UserId account, const domain::Requirement& need) const {
  if (need.approvers.anybody() || need.approvers.nobody()) return {};
  auto candidates = listed_in(tx, need.approvers.lists().front());
  if (!candidates) return moved(candidates);
  std::size_t rung = 0;
  for (const UserId person : *candidates) {
    if (rung == options_.rung) break;
    auto why = why_not_in(tx, account, need, person);
    if (!why) return moved(why);
    if (!why->empty()) continue;
    auto has_signed = tx.one("SELECT 1 FROM confirmation_signature WHERE confirmation = $1 AND account = $2", {id, person}, [](const store::Row&) {});
    if (!has_signed) return moved(has_signed);
    if (*has_signed) continue;
    auto bell = identity::changed_for_in(tx, factors::kBellTopic, person);
    if (!bell) return bell;
    ++rung;
  }
  return {};
}

net::Task<Result<void>> Confirmations::remind() {
  {
    const std::lock_guard lock(mutex_);
    if (std::ranges::none_of(known_, [](const auto& one) { return one.second.stage == Stage::waiting; })) co_return Result<void>{};
  }
  struct Due {
    ConfirmationId id{};
    UserId account{};
    domain::Requirement need;
  };
  constexpr std::string_view kDue =
      "SELECT id, account, need FROM confirmation WHERE people > 0 AND stage = 0 AND rung = 1 AND reminded = 0 AND expires > $1 AND "
      "$1 - created >= expires - $1";
  const auto read_due = [this, kDue](store::Tx& tx) -> Result<std::vector<Due>> {
    std::vector<Due> out;
    auto read = tx.query(kDue, {clock_.wall()}, [&](const store::Row& row) {
      out.push_back({row.id<ConfirmationId>(0), row.id<UserId>(1), unpacked_need(row.blob(2))});
      return true;
    });
    if (!read) return moved(read);
    return out;
  };
  Result<std::vector<Due>> due = co_await database_.read(read_due);
  if (!due) co_return std::move(due).error();
  if (due->empty()) co_return Result<void>{};
  auto job = [this, read_due](store::Tx& tx) -> Result<void> {
    auto now_due = read_due(tx);
    if (!now_due) return moved(now_due);
    for (const Due& d : *now_due) {
      auto noted = tx.run("UPDATE confirmation SET reminded = $2 WHERE id = $1", {d.id, clock_.wall()});
      if (!noted) return moved(noted);
      auto rung = ring_approvers_in(tx, d.id, d.account, d.need);
      if (!rung) return rung;
    }
    return {};
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

}  // namespace vestibule::approval
