#include "session/denied.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace vestibule::session {
namespace {

constexpr std::string_view kDenial = "session.revoke";  // frozen: stands in the file of denials
constexpr std::string_view kLate = "stored late";
constexpr std::string_view kKept = "stored late, kept over the end of the process";

}  // namespace

void Denied::put(const Revocation& what) {
  switch (what.scope) {
    case Revocation::Scope::session: sessions_.put(what.session, true); break;
    case Revocation::Scope::alone: {
      bool families = false;
      sessions_.read(what.session, [&](bool f) { families = f; });
      sessions_.put(what.session, families);
      break;
    }
    case Revocation::Scope::user: users_.put(what.user, true); break;
    case Revocation::Scope::handle: handles_.put(what.handle, true); break;
  }
}

void Denied::take_up() {
  if (kept_ == nullptr) return;
  for (store::Denials::Kept& kept : kept_->take(kDenial)) {
    Unpacker in(kept.what);
    const std::optional<Revocation> what = unpack_revocation(in);
    Actor by = identity::unpack_actor(in);
    if (!what || !in.done()) {
      kept_->give_back(std::move(kept));
      continue;
    }
    const std::lock_guard lock(mutex_);
    put(*what);
    waiting_.push_back({*what, std::move(by), kept.place, kKept, true});
    any_.store(true, std::memory_order_release);
    log::warn("a revocation of the last run was not stored yet: it holds");
  }
}

void Denied::add(const Revocation& what, const Actor& by) {
  const std::lock_guard lock(mutex_);
  put(what);
  waiting_.push_back({what, by, {}, {}});
  any_.store(true, std::memory_order_release);
}

net::Task<> Denied::keep(Revocation what, Actor by) {
  if (kept_ == nullptr) co_return;
  {
    const std::lock_guard lock(mutex_);
    const bool kept = std::ranges::any_of(waiting_, [&](const Pending& p) { return p.what == what && p.refused; });
    if (kept) co_return;
  }
  Packer packed;
  pack(packed, what);
  identity::pack(packed, by);
  std::string kind(kDenial);
  Bytes bytes = packed.take();
  const store::Denials::Place place = co_await kept_->keep(std::move(kind), std::move(bytes));
  const std::lock_guard lock(mutex_);
  const auto at = std::ranges::find_if(waiting_, [&](const Pending& p) { return p.what == what && !p.refused; });
  if (at == waiting_.end()) {  // stored meanwhile
    kept_->settled(place);
    co_return;
  }
  at->place = place;
  at->note = kLate;
  at->refused = true;
}

Result<void> Denied::settle_in(store::Tx& tx, const Pending& stored) const {
  return kept_ == nullptr ? Result<void>{} : kept_->settle_in(tx, stored.place);
}

void Denied::lift(const Revocation& what) {
  const std::lock_guard lock(mutex_);
  const auto at = std::ranges::find(waiting_, what, &Pending::what);
  if (at != waiting_.end()) {
    if (at->refused && kept_ != nullptr) kept_->settled(at->place);
    waiting_.erase(at);
  }
  const bool again = std::ranges::any_of(waiting_, [&](const Pending& p) { return p.what == what; });
  if (!again) {
    switch (what.scope) {
      case Revocation::Scope::session:
      case Revocation::Scope::alone: {
        sessions_.erase(what.session);
        for (const Pending& p : waiting_) {
          if (p.what.session == what.session && !what.session.is_nil()) put(p.what);
        }
        break;
      }
      case Revocation::Scope::user: users_.erase(what.user); break;
      case Revocation::Scope::handle: handles_.erase(what.handle); break;
    }
  }
  any_.store(!waiting_.empty(), std::memory_order_release);
}

bool Denied::covers(SessionId session, UserId user, const HandleKey& handle) const noexcept {
  if (!any()) return false;
  const auto nothing = [](bool) {};
  return sessions_.read(session, nothing) || users_.read(user, nothing) || handles_.read(handle, nothing);
}

bool Denied::covers_family_of(SessionId parent) const noexcept {
  bool out = false;
  if (any()) sessions_.read(parent, [&](bool families) { out = families; });
  return out;
}

std::vector<Denied::Pending> Denied::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

}  // namespace vestibule::session
