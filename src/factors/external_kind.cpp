#include "factors/external_kind.hpp"

#include <algorithm>

namespace vestibule::factors {
ExternalKind::ExternalKind(const std::vector<std::shared_ptr<const Plugin>>& plugins) {
  for (const auto& p : plugins) known_.push_back(std::make_unique<Known>(p));
}

KindInfo ExternalKind::describe() const noexcept {
  KindInfo info{FactorKind::external, domain::traits_of(FactorKind::external), true, true, true};
  info.typed = true;
  return info;
}

ExternalKind::Known* ExternalKind::find(std::string_view name) const noexcept {
  const auto at = std::ranges::find_if(known_, [&](const auto& k) { return k->plugin->name == name; });
  return at == known_.end() ? nullptr : at->get();
}

Result<EnrolmentOffer> ExternalKind::enrol(store::Tx&, const EnrolmentRequest& request) {
  if (find(request.wish.plugin) == nullptr) return fail(Reason::invalid_argument, "plugin: none of this name");
  return EnrolmentOffer{};
}

}  // namespace vestibule::factors
