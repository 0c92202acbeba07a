#include "app/enrollable.hpp"

namespace vestibule::app {

domain::KindSet enrollable_kinds(const Config& config) {
  using domain::FactorKind;
  domain::KindSet out;
  out.add(FactorKind::totp);
  out.add(FactorKind::hotp);
  if (!config.portal_listen.empty()) {
    out.add(FactorKind::webauthn);
    out.add(FactorKind::push);
  }
  if (!config.plugins.empty()) out.add(FactorKind::external);
  return out;
}

}  // namespace vestibule::app
