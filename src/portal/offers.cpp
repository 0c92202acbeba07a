#include "portal/offers.hpp"

#include <algorithm>

#include "portal/call.hpp"

namespace vestibule::portal {

domain::KindSet working(const std::vector<factors::FactorInfo>& factors, int level) {
  domain::KindSet out;
  for (const factors::FactorInfo& f : factors) {
    const bool synced = f.key && f.key->backup_eligible;  // on every device of its owner: bound to none
    if (f.disabled || (synced && level >= 3)) continue;
    out.add(f.kind);
    if (f.kind == domain::FactorKind::push) out.add(domain::FactorKind::push_choice);
  }
  return out;
}

std::vector<domain::FactorKind> offered(std::vector<domain::FactorKind> order, domain::KindSet there,
                                        std::optional<domain::FactorKind> preferred) {
  std::erase_if(order, [&](domain::FactorKind k) { return !there.has(k); });
  if (preferred) std::stable_partition(order.begin(), order.end(), [&](domain::FactorKind k) { return domain::enrolled_as(k) == *preferred; });
  return order;
}

void member_kinds(json::Writer& w, std::string_view name, const std::vector<domain::FactorKind>& kinds) {
  w.key(name).begin_array();
  for (const domain::FactorKind k : kinds) w.value(domain::name(k));
  w.end_array();
}

// While a policy waits, both must allow it.
bool Portal::takes_choices() const {
  const auto set = services_.gate.policies();
  return set->active.allows_choice() && (!set->staged || set->staged->allows_choice());
}

net::Task<Result<Reply>> Portal::prefer(Call& call) {
  const auto kind = domain::factor_kind_from(call.body.text("kind"));
  if (!kind) co_return fail(Reason::invalid_argument, "kind: not a factor");
  Result<void> done = co_await services_.sessions.prefer(call.caller.who, *kind);
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

}  // namespace vestibule::portal
