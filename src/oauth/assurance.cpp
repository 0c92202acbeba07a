#include "oauth/assurance.hpp"

#include <algorithm>

#include "domain/act.hpp"

namespace vestibule::oauth {
namespace {

using domain::FactorKind;
using domain::Proof;

bool carries(const Proof& p, int level) {
  const domain::Traits t = p.traits;
  switch (level) {
    case 3: return t.possession && t.user_verified && t.phishing_resistant && t.device_bound;
    case 2: return t.possession;
    default: return true;
  }
}

void add(std::vector<std::string_view>& amr, std::string_view method) {
  if (std::ranges::find(amr, method) == amr.end()) amr.push_back(method);
}

void add_methods(std::vector<std::string_view>& amr, const Proof& p) {
  switch (p.kind) {
    case FactorKind::password: add(amr, "pwd"); break;
    case FactorKind::totp:
    case FactorKind::hotp: add(amr, "otp"); break;
    case FactorKind::webauthn:
      add(amr, p.traits.device_bound ? "hwk" : "swk");
      add(amr, "user");
      break;
    case FactorKind::push:
    case FactorKind::push_choice: add(amr, "mca"); break;
    case FactorKind::recovery_code:
    case FactorKind::external: break;  // no registered name says what it was
  }
}

}  // namespace

Assurance assure(const domain::Evidence& evidence, Instant now, bool trusted, Duration overall) {
  Assurance out;
  out.level = domain::level(evidence, now, trusted, overall);
  for (const Proof& p : evidence) {
    const bool counts = p.kind != FactorKind::recovery_code && domain::KindSet::ordinary().has(p.kind) &&
                        (p.traits.knowledge || (trusted && domain::age(p, now) <= overall));
    if (!counts) continue;
    add_methods(out.amr, p);
    if (carries(p, out.level)) out.auth_time = std::max(out.auth_time, p.wall);
  }
  if (out.level >= 2) add(out.amr, "mfa");
  return out;
}

void member_assurance(json::Writer& w, const Assurance& a) {
  w.member("acr", domain::acr(a.level));
  w.member("auth_time", std::chrono::duration_cast<std::chrono::seconds>(a.auth_time.time_since_epoch()).count());
  w.key("amr").begin_array();
  for (const std::string_view m : a.amr) w.value(m);
  w.end_array();
}

std::optional<int> level_from(std::string_view values) {
  std::optional<int> out;
  while (!values.empty()) {
    const std::size_t end = std::min(values.find(' '), values.size());
    const std::string_view one = values.substr(0, end);
    for (int level = 0; level <= 3; ++level) {
      if (one == domain::acr(level)) out = std::min(out.value_or(level), level);
    }
    values.remove_prefix(std::min(end + 1, values.size()));
  }
  return out;
}

}  // namespace vestibule::oauth
