#include "app/cli/exit.hpp"

namespace vestibule::app::cli {

Exit exit_for(Reason reason) noexcept {
  if (reason == Reason::ok) return Exit::ok;
  if (reason == Reason::upstream_unreachable || reason == Reason::upstream_timeout) return Exit::unreachable;
  if (reason == Reason::invalid_argument) return Exit::usage;
  return wants_factor(reason) ? Exit::factor : Exit::refused;
}

bool wants_factor(Reason reason) noexcept {
  return reason == Reason::mfa_required || reason == Reason::mfa_lapsed || reason == Reason::confirmation_required;
}

bool wants_sign_in(Reason reason) noexcept {
  return reason == Reason::credential_missing || reason == Reason::credential_unknown ||
         reason == Reason::credential_malformed || reason == Reason::session_revoked || reason == Reason::password_changed ||
         reason == Reason::token_reused || reason == Reason::session_ended || reason == Reason::session_idle;
}

}  // namespace vestibule::app::cli
