// A call that was confirmed when a model's reply brought it, made at the tool server that the operator has named for it.
// The person has signed that too: the action says where else it may be called.
#include <algorithm>
#include <utility>

#include "approval/confirmation_rows.hpp"
#include "json/canonical.hpp"
#include "json/value.hpp"

namespace vestibule::approval {
namespace {

// What the call showed then, and what it shows now ($6), opens something there ($2: now).
constexpr std::string_view kNobodyRefuses =
    "NOT EXISTS (SELECT 1 FROM approval_refusal WHERE approval_refusal.account = confirmation.account AND approval_refusal.source_key = "
    "confirmation.source_key AND (approval_refusal.credential = confirmation.credential OR approval_refusal.credential = $6) AND "
    "approval_refusal.until > $2)";

std::optional<ToolPlace> place_in(const json::Value& value) {
  const auto point = value.get_string("access_point");
  const auto tool = value.get_string("tool");
  if (!point || !tool) return std::nullopt;
  return ToolPlace{std::string(*point), std::string(*tool)};
}

/// What was signed is this very call, and may still be made there. Its text is the gateway's own.
bool names(std::string_view action, const Confirmations::Carrying& call) {
  const auto value = json::parse(action);
  const json::Value* const also = value ? value->find("also") : nullptr;
  if (also == nullptr || place_in(*also) != call.place) return false;
  const std::optional<ToolPlace> from = place_in(*value);
  return from && call.mapped(*from);
}

}  // namespace

net::Task<Result<std::optional<ConfirmationId>>> Confirmations::find_carried(Carrying call, domain::Requirement present) const {
  auto wanted = json::canonicalize(call.arguments);
  if (!wanted) co_return std::optional<ConfirmationId>{};  // what has no one form was never confirmed
  struct Found {
    ConfirmationId id;
    std::size_t needs;
    std::vector<UserId> signers;
  };
  using Out = std::vector<Found>;
  auto job = [this, c = std::move(call), present, wanted = std::move(*wanted)](store::Tx& tx) -> Result<Out> {
    std::vector<ConfirmationRow> rows;
    auto read = tx.query(std::string(kConfirmationColumns) +
                             "account = $1 AND expires > $2 AND stage = 2 AND carried = 0 AND also = $3 AND source_key = $4 AND policy = $5 AND " +
                             std::string(kNobodyRefuses) + " ORDER BY settled",
                         {c.account, clock_.wall(), place_text(c.place), c.source_key, c.policy, c.credential}, [&](const store::Row& row) {
                           rows.push_back(confirmation_from(row));
                           return true;
                         });
    if (!read) return moved(read);
    Out all;
    for (ConfirmationRow& row : rows) {
      auto opened = unseal(keys_, row);
      if (!opened) return moved(opened);
      const auto confirmed = json::canonicalize(row.confirmation.arguments);
      if (!confirmed || *confirmed != wanted || !names(row.confirmation.action, c)) continue;
      const Confirmation& found = row.confirmation;
      std::vector<UserId> signers;
      auto good = still_in(tx, {found.id, found.account, found.digest, found.need}, present, &signers);
      if (good) all.push_back({found.id, signatures(found.need), std::move(signers)});
      if (!good && good.error().code != Reason::confirmation_void) return moved(good);
    }
    return all;
  };
  Result<Out> all = co_await database_.read(std::move(job));
  if (!all) co_return std::move(all).error();
  const auto stands = [this](UserId signer) { return users_.standing(signer) == identity::Users::Standing::good; };
  for (const Found& found : *all) {
    if (std::cmp_greater_equal(std::ranges::count_if(found.signers, stands), found.needs)) co_return std::optional(found.id);
  }
  co_return std::optional<ConfirmationId>{};
}

Result<Confirmations::Used> Confirmations::carry_in(store::Tx& tx, ConfirmationId id, const Carrying& call, const domain::Requirement& present,
                                                    Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  std::optional<ConfirmationRow> row;
  auto taken = tx.run(
      "UPDATE confirmation SET carried = $2 WHERE account = $1 AND expires > $2 AND also = $3 AND source_key = $4 AND policy = $5 AND stage = 2 AND "
      "carried = 0 AND id = $7 AND " + std::string(kNobodyRefuses),
      {call.account, now.wall, place_text(call.place), call.source_key, call.policy, call.credential, id});
  if (!taken) return moved(taken);
  if (*taken != 1) return fail(Reason::confirmation_void, "it was carried already, or has expired");
  auto found = tx.one(std::string(kConfirmationColumns) + "id = $1", {id}, [&](const store::Row& r) { row = confirmation_from(r); });
  if (!found) return moved(found);
  if (!row) return fail(Reason::confirmation_void);
  auto opened = unseal(keys_, *row);
  if (!opened) return moved(opened);
  const Confirmation& c = row->confirmation;
  const auto confirmed = json::canonicalize(c.arguments);
  const auto asked = json::canonicalize(call.arguments);
  if (!confirmed || !asked || *confirmed != *asked || !names(c.action, call)) return fail(Reason::confirmation_void, "it was given for another call");
  return still_in(tx, {id, c.account, c.digest, c.need}, present);
}

}  // namespace vestibule::approval
