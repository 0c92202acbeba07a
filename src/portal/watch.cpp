#include "portal/watch.hpp"

#include <atomic>
#include <map>
#include <utility>

namespace vestibule::portal {
namespace {

constexpr int kMostOfUser = 16;  // a core: some devices and some screens
constexpr int kMost = 4096;      // a core

}  // namespace

/// What one user's seats on one core share.
struct Watch::Waited {
  explicit Waited(net::Core& core) : signal(core) {}
  net::Signal signal;
  std::uint64_t changes = 0;
  int seats = 0;
};

struct Watch::PerCore {
  net::Core* core = nullptr;  // from its first seat on
  std::map<UserId, Waited> waited;
  // The feed's thread looks at it. A seat is counted before its owner reads the store, and the feed
  // looks after the commit: who is not seen here will read what was committed.
  std::atomic<int> seats{0};
  bool closed = false;
};

Watch::Watch(store::Database& database, std::string_view topic)
    : per_core_(std::make_unique<std::array<PerCore, kMaxCores>>()) {
  database.listen([this, t = std::string(topic)](store::Tx&, std::span<const store::Change> changes) {
    for (const store::Change& c : changes) {
      if (c.topic != t) continue;
      if (const auto user = UserId::from(c.key)) tell(*user);
    }
  });
}

Watch::~Watch() = default;

void Watch::tell(UserId user) {
  for (PerCore& p : *per_core_) {
    if (p.seats.load() == 0) continue;
    p.core->post([on = &p, user] {
      const auto at = on->waited.find(user);
      if (at == on->waited.end()) return;
      ++at->second.changes;
      at->second.signal.notify_all();
    });
  }
}

std::optional<Watch::Seat> Watch::seat(UserId user) {
  net::Core* const core = net::Core::current();
  PerCore& p = (*per_core_)[core->index()];
  if (p.core == nullptr) p.core = core;
  if (p.closed || p.seats.load(std::memory_order_relaxed) >= kMost) return std::nullopt;
  const auto at = p.waited.find(user);
  if (at != p.waited.end() && at->second.seats >= kMostOfUser) return std::nullopt;
  return Seat(*this, core->index(), user);
}

void Watch::close(net::Core& core) noexcept {
  PerCore& p = (*per_core_)[core.index()];
  p.closed = true;
  for (auto& [user, waited] : p.waited) waited.signal.notify_all();
}

Watch::Seat::Seat(Watch& owner, unsigned core, UserId user) : owner_(&owner), core_(core), user_(user) {
  PerCore& p = (*owner_->per_core_)[core_];
  ++p.seats;
  Waited& w = p.waited.try_emplace(user_, *p.core).first->second;
  ++w.seats;
  seen_ = w.changes;
}

Watch::Seat::Seat(Seat&& o) noexcept
    : owner_(std::exchange(o.owner_, nullptr)), core_(o.core_), user_(o.user_), seen_(o.seen_) {}

Watch::Seat::~Seat() {
  if (owner_ == nullptr) return;
  PerCore& p = (*owner_->per_core_)[core_];
  --p.seats;
  const auto at = p.waited.find(user_);
  if (--at->second.seats == 0) p.waited.erase(at);
}

net::Task<bool> Watch::Seat::wait(std::chrono::milliseconds limit) {
  PerCore& p = (*owner_->per_core_)[core_];
  Waited& w = p.waited.find(user_)->second;  // stays while this seat does
  if (w.changes == seen_ && !p.closed) {
    const bool told = co_await w.signal.wait(limit);
    static_cast<void>(told);  // a hint: the count says
  }
  const bool changed = w.changes != seen_;
  seen_ = w.changes;
  co_return changed;
}

bool Watch::Seat::closed() const noexcept { return (*owner_->per_core_)[core_].closed; }

}  // namespace vestibule::portal
