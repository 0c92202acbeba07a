// Who has which kinds of factors that work, for all cores and without a lock: deadlines of enrolment ask
// before every act.
#include <algorithm>
#include <unordered_map>

#include "base/log.hpp"
#include "factors/external_kind.hpp"
#include "factors/factors.hpp"

namespace vestibule::factors {
namespace {

std::uint32_t bit_of(FactorKind kind) noexcept { return std::uint32_t{1} << (static_cast<unsigned>(kind) & 31U); }

}  // namespace

// Of one user, or of all if it is nil.
Result<void> Factors::load_working(store::Tx& tx, UserId user) {
  std::unordered_map<UserId, std::uint32_t> bits;
  auto rows = tx.query("SELECT account, kind, plugin FROM factor WHERE confirmed = 1 AND disabled = 0 AND (account = $1 OR $2 = 1)",
                       {user, user.is_nil() ? 1 : 0}, [&](const store::Row& row) {
                         // A plug-in that is gone proves nothing any more.
                         if (!row.null(2) && external_->find(row.text(2)) == nullptr) return true;
                         bits[row.id<UserId>(0)] |= bit_of(static_cast<FactorKind>(row.integer(1)));
                         return true;
                       });
  if (!rows) return rows;
  if (!user.is_nil() && bits.empty()) working_.erase(user);
  for (const auto& [id, set] : bits) working_.put(id, set);
  return {};
}

void Factors::on_changes(store::Tx& tx, std::span<const store::Change> changes) {
  for (const store::Change& c : changes) {
    if (c.topic != kFactorTopic) continue;
    const auto user = UserId::from(c.key);
    if (!user) continue;
    auto loaded = load_working(tx, *user);
    if (!loaded) working_.erase(*user);  // what cannot be read counts as missing
    if (loaded) loaded = prompts_.devices().load(tx, *user);
    if (loaded) continue;
    log::error("factors could not be read again", {{"user", user->text()}, {"detail", loaded.error().detail}});
  }
}

bool Factors::works(UserId user, FactorKind kind) const noexcept {
  bool has = false;
  working_.read(user, [&](const std::uint32_t& set) { has = (set & bit_of(kind)) != 0; });
  return has;
}

Result<bool> Factors::counts_in(store::Tx& tx, UserId user, FactorId factor) const {
  bool orphan = false;
  auto found = tx.one("SELECT plugin FROM factor WHERE id = $1 AND account = $2 AND confirmed = 1 AND disabled = 0", {factor, user},
                      [&](const store::Row& row) { orphan = !row.null(0) && external_->find(row.text(0)) == nullptr; });
  if (!found) return std::move(found).error();
  return *found && !orphan;
}

Result<identity::Holds> strong_factor_of(store::Tx& tx, UserId user, std::span<const std::string> plugins) {
  auto holds = identity::Holds::none;
  auto rows = tx.query("SELECT disabled, plugin FROM factor WHERE account = $1 AND confirmed = 1 AND kind <> $2",
                       {user, FactorKind::recovery_code}, [&](const store::Row& row) {
                         const bool orphan = !row.null(1) && std::ranges::find(plugins, row.text(1)) == plugins.end();
                         holds = row.integer(0) == 0 && !orphan ? identity::Holds::working : std::max(holds, identity::Holds::disabled);
                         return holds != identity::Holds::working;
                       });
  if (!rows) return std::move(rows).error();
  return holds;
}

std::vector<std::string> Factors::plugin_names() const {
  std::vector<std::string> out;
  for (const auto& p : options_.plugins) out.push_back(p->name);
  return out;
}

}  // namespace vestibule::factors
