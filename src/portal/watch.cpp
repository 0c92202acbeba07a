#include "portal/watch.hpp"

#include <atomic>
#include <map>
#include <utility>

namespace vestibule::portal {
namespace {

constexpr int kMostOfUser = 8;  // a core, of each kind
constexpr int kMost = 4096;     // a core

std::size_t index_of(Watch::Waits who) noexcept { return static_cast<std::size_t>(who); }

}  // namespace

/// What one user's seats on one core share.
struct Watch::Waited {
  explicit Waited(net::Core& core) : signal(core) {}
  net::Signal signal;
  std::uint64_t changes = 0;
  std::array<int, 2> seats{};  // by who waits
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

std::optional<Watch::Seat> Watch::seat(UserId user, Waits who) {
  net::Core* const core = net::Core::current();
  PerCore& p = (*per_core_)[core->index()];
  if (p.core == nullptr) p.core = core;
  if (p.closed || p.seats.load(std::memory_order_relaxed) >= kMost) return std::nullopt;
  const auto waited = p.waited.find(user);
  if (waited != p.waited.end() && waited->second.seats[index_of(who)] >= kMostOfUser) return std::nullopt;
  return Seat(*this, core->index(), user, who);
}

void Watch::close(net::Core& core) noexcept {
  PerCore& p = (*per_core_)[core.index()];
  p.closed = true;
  for (auto& [user, waited] : p.waited) waited.signal.notify_all();
}

Watch::Seat::Seat(Watch& owner, unsigned core, UserId user, Waits who)
    : owner_(&owner), core_(core), user_(user), who_(who) {
  PerCore& p = (*owner_->per_core_)[core_];
  ++p.seats;
  Waited& w = p.waited.try_emplace(user_, *p.core).first->second;
  ++w.seats[index_of(who_)];
  seen_ = w.changes;
}

Watch::Seat::Seat(Seat&& o) noexcept
    : owner_(std::exchange(o.owner_, nullptr)), core_(o.core_), user_(o.user_), who_(o.who_), seen_(o.seen_) {}

Watch::Seat::~Seat() {
  if (owner_ == nullptr) return;
  PerCore& p = (*owner_->per_core_)[core_];
  --p.seats;
  const auto waited = p.waited.find(user_);
  auto& seats = waited->second.seats;
  --seats[index_of(who_)];
  if (seats == std::array<int, 2>{}) p.waited.erase(waited);
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
