#include "domain/evidence.hpp"

#include <algorithm>
#include <array>

namespace vestibule::domain {

std::string_view name(FactorKind kind) noexcept {
  switch (kind) {
    case FactorKind::password: return "password";
    case FactorKind::totp: return "totp";
    case FactorKind::recovery_code: return "recovery_code";
    case FactorKind::webauthn: return "webauthn";
    case FactorKind::hotp: return "hotp";
    case FactorKind::push: return "push";
    case FactorKind::external: return "external";
    case FactorKind::push_choice: return "push_choice";
  }
  return "unknown";
}

std::optional<FactorKind> factor_kind_from(std::string_view text) noexcept {
  for (const FactorKind k : {FactorKind::password, FactorKind::totp, FactorKind::recovery_code, FactorKind::webauthn, FactorKind::hotp,
                             FactorKind::push, FactorKind::external, FactorKind::push_choice}) {
    if (name(k) == text) return k;
  }
  return std::nullopt;
}

FactorKind enrolled_as(FactorKind kind) noexcept { return kind == FactorKind::push_choice ? FactorKind::push : kind; }

Traits traits_of(FactorKind kind) noexcept {
  Traits t;
  switch (kind) {
    case FactorKind::password: t.knowledge = true; break;
    case FactorKind::totp:
    case FactorKind::push:
    case FactorKind::push_choice:
    case FactorKind::external:  // more is the operator's to say
    case FactorKind::hotp: t.possession = true; break;
    case FactorKind::recovery_code: break;  // counts toward no level
    case FactorKind::webauthn:
      t.possession = true;
      t.phishing_resistant = true;
      break;
  }
  return t;
}

std::vector<FactorKind> second_factors() {
  std::vector<FactorKind> out;
  for (const bool resistant : {true, false}) {
    for (std::uint8_t n = 1; n < 16; ++n) {  // as many as a KindSet holds
      const auto kind = static_cast<FactorKind>(n);
      if (factor_kind_from(name(kind)) != kind || enrolled_as(kind) != kind) continue;
      const Traits t = traits_of(kind);
      if (t.possession && t.phishing_resistant == resistant) out.push_back(kind);
    }
  }
  return out;
}

Duration age(const Proof& proof, const Instant& now) noexcept {
  Duration elapsed = std::max(now.wall - proof.wall, Duration::zero());
  if (proof.boot != Proof::no_boot) elapsed = std::max(elapsed, now.boot - proof.boot);
  return elapsed;
}

void Evidence::add(const Proof& proof) noexcept {
  const bool ordinary = KindSet::ordinary().has(proof.kind);
  const auto like_it = [&](const Proof& p) { return p.kind == proof.kind && (!ordinary || p.factor == proof.factor); };
  proofs_.erase(std::remove_if(proofs_.begin(), proofs_.end(), like_it), proofs_.end());
  if (proofs_.size() == capacity) {
    *std::ranges::min_element(proofs_, {}, &Proof::wall) = proofs_.back();
    proofs_.pop_back();
  }
  proofs_.push_back(proof);
}

void Evidence::remove(FactorId factor) noexcept {
  const auto from_it = [&](const Proof& p) { return p.factor == factor; };
  proofs_.erase(std::remove_if(proofs_.begin(), proofs_.end(), from_it), proofs_.end());
}

int level(const Evidence& evidence, const Instant& now, bool trusted, Duration max_age, KindSet counts) noexcept {
  bool known = false;
  bool possessed = false;
  bool verified = false;  // one authenticator that is two kinds by itself
  bool strong = false;
  for (const Proof& p : evidence) {
    if (!counts.has(p.kind)) continue;
    if (p.traits.knowledge) known = true;
    if (!p.traits.possession || !trusted || age(p, now) > max_age) continue;
    possessed = true;
    verified |= p.traits.user_verified;
    strong |= p.traits.user_verified && p.traits.phishing_resistant && p.traits.device_bound;
  }
  if (strong) return 3;
  if (verified || (known && possessed)) return 2;
  return known || possessed ? 1 : 0;
}

Duration time_left(const Evidence& evidence, const Instant& now, bool trusted, Duration max_age,
                   int wanted, KindSet counts) noexcept {
  if (level(evidence, now, trusted, max_age, counts) < wanted) return Duration::zero();
  // The level falls when one of the counted proofs passes max_age: try each such moment in turn.
  std::array<Duration, Evidence::capacity> lapses{};
  std::size_t n = 0;
  for (const Proof& p : evidence) {
    const Duration left = max_age - age(p, now);
    if (p.traits.possession && left >= Duration::zero()) lapses[n++] = left;
  }
  std::sort(lapses.begin(), lapses.begin() + n);
  for (std::size_t i = 0; i < n; ++i) {
    const Duration later = lapses[i] + Duration(1);
    const Instant then{now.wall + later, now.boot + later};
    if (level(evidence, then, trusted, max_age, counts) < wanted) return lapses[i];
  }
  return Duration::max();
}

}  // namespace vestibule::domain
