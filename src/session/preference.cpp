// Which factor a person is offered first.
#include <algorithm>

#include "session/sessions.hpp"

namespace vestibule::session {

Result<void> Records::prefer_in(store::Tx& tx, UserId user, FactorKind kind) {
  auto put = tx.run("INSERT INTO factor_preference (account, kind) VALUES ($1, $2) ON CONFLICT (account) DO UPDATE SET "
                    "kind = $2 WHERE factor_preference.kind <> $2", {user, kind});
  if (!put) return std::move(put).error();
  return {};
}

Result<std::optional<FactorKind>> Records::preferred_in(store::Tx& tx, UserId user) {
  std::optional<FactorKind> out;
  auto found = tx.one("SELECT kind FROM factor_preference WHERE account = $1", {user}, [&](const store::Row& row) {
    out = static_cast<FactorKind>(row.integer(0));
  });
  if (!found) return std::move(found).error();
  return out;
}

net::Task<Result<void>> Sessions::prefer(Identified who, FactorKind kind) {
  auto job = [this, who, kind](store::Tx& tx) -> Result<void> {
    auto session = standing_in(tx, who, clock_.now());
    if (!session) return std::move(session).error();
    auto has = factors_.list_in(tx, who.subject.user);
    if (!has) return std::move(has).error();
    const std::vector<factors::KindInfo> kinds = factors_.kinds();
    const bool strong = std::ranges::any_of(kinds, [&](const auto& k) { return k.kind == kind && k.strong; });
    if (!strong || std::ranges::none_of(*has, [&](const auto& f) { return f.kind == kind; })) return fail(Reason::factor_missing);
    return Records::prefer_in(tx, who.subject.user, kind);
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

net::Task<Result<std::optional<FactorKind>>> Sessions::preferred(UserId user) const {
  auto job = [user](store::Tx& tx) { return Records::preferred_in(tx, user); };
  Result<std::optional<FactorKind>> out = co_await database_.read(std::move(job));
  co_return out;
}

}  // namespace vestibule::session
