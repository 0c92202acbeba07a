#include "session/entries.hpp"

#include <algorithm>

namespace vestibule::session {
namespace {

constexpr Duration kNoteUse = std::chrono::minutes(1);

}  // namespace

Duration elapsed(WallTime wall, BootTime boot, Instant now) noexcept {
  Duration out = std::max(now.wall - wall, Duration::zero());
  if (boot != domain::Proof::no_boot) out = std::max(out, now.boot - boot);
  return out;
}

bool HandleEntry::over(Instant now) const noexcept {
  return now.wall > ends || elapsed(created, created_boot, now) > ends - created;
}

bool KeyUse::note(const domain::Source& source, Instant now) noexcept {
  const WallTime before(Duration(noted_.load(std::memory_order_relaxed)));
  // A clock that was set back notes anew: what is stored is a time of day, no proof.
  if (now.wall >= before && now.wall - before <= kNoteUse) return false;
  if (busy_.test_and_set(std::memory_order_acquire)) return false;
  last_ = {now.wall, source};
  noted_.store(now.wall.time_since_epoch().count(), std::memory_order_relaxed);
  busy_.clear(std::memory_order_release);
  return true;
}

KeyUse::Last KeyUse::last() noexcept {
  while (busy_.test_and_set(std::memory_order_acquire)) {}  // a note takes nanoseconds
  const Last out = last_;
  busy_.clear(std::memory_order_release);
  return out;
}

void add_younger(domain::Evidence& evidence, std::span<const domain::Proof> proofs, Instant now) noexcept {
  for (const domain::Proof& p : proofs) {
    const bool younger = std::ranges::any_of(evidence, [&](const domain::Proof& has) {
      return has.kind == p.kind && has.factor == p.factor && domain::age(has, now) <= domain::age(p, now);
    });
    if (!younger) evidence.add(p);
  }
}

void add_unlocked(domain::Evidence& evidence, std::span<const Unlock> unlocks, const Presented& at, Instant now) noexcept {
  for (const Unlock& u : unlocks) {
    if (u.source.nowhere() || u.source != at.key) continue;
    if (!u.access_point.empty() && u.access_point != at.access_point) continue;
    if (now.wall > u.ends || elapsed(u.made, u.made_boot, now) > u.ends - u.made) continue;
    add_younger(evidence, std::span(u.proofs).first(u.count), now);
  }
}

}  // namespace vestibule::session
