#include "approval/holds.hpp"

#include <algorithm>

#include "approval/confirmations.hpp"
#include "approval/requests.hpp"

namespace vestibule::approval {
namespace {

Counter g_held("vestibule_calls_held", "Calls that wait for their owner.");
Counter g_turned_away("vestibule_calls_not_held_total", "Calls that were refused at once because too many were held.");

// What lets a call go on, or ends it. Keys are users, those of "session_handle" credentials. (Of a session's
// proofs "account_sessions" tells as well.)
constexpr std::array<std::string_view, 5> kTopics = {kApprovalTopic, kConfirmationTopic, "account_sessions", "account", "session_handle"};

}  // namespace

Holds::Holds(store::Database& database, HoldOptions options)
    : options_(options), per_core_(std::make_unique<std::array<PerCore, kMaxCores>>()) {
  options_.per_user = std::min(options_.per_user, std::max<std::size_t>(options_.most / 10, 1));
  database.listen([this](store::Tx&, std::span<const store::Change> changes) {
    for (const store::Change& c : changes) {
      if (std::find(kTopics.begin(), kTopics.end(), c.topic) == kTopics.end()) continue;
      wake(c.key);
    }
  });
}

Holds::~Holds() = default;

std::unique_ptr<Holds::Place> Holds::take(UserId user, const Digest& credential, std::size_t bytes) {
  net::Core* const core = net::Core::current();
  if ((*per_core_)[core->index()].closed) return nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto mine = of_user_.find(user);
    const std::size_t own = mine == of_user_.end() ? 0 : mine->second;
    if (held_ >= options_.most || own >= options_.per_user || bytes > options_.bytes - bytes_) {
      g_turned_away.add();
      return nullptr;
    }
    ++of_user_[user];
    ++held_;
    bytes_ += bytes;
  }
  return std::make_unique<Place>(*this, *core, user, credential, bytes);
}

void Holds::leave(const Place& place) noexcept {
  const std::lock_guard lock(mutex_);
  --held_;
  bytes_ -= place.bytes_;
  const auto at = of_user_.find(place.user_);
  if (--at->second == 0) of_user_.erase(at);
}

bool Holds::Kept::add(std::size_t bytes) {
  const std::lock_guard lock(owner_.mutex_);
  if (bytes > owner_.options_.bytes - owner_.bytes_) return false;
  owner_.bytes_ += bytes;
  bytes_ += bytes;
  return true;
}

Holds::Kept::~Kept() {
  if (bytes_ == 0) return;
  const std::lock_guard lock(owner_.mutex_);
  owner_.bytes_ -= bytes_;
}

void Holds::wake_all() { wake({}); }

void Holds::wake(ByteView key) {
  const auto is = [](ByteView bytes, const Bytes& k) { return bytes.size() == k.size() && std::equal(bytes.begin(), bytes.end(), k.begin()); };
  for (PerCore& p : *per_core_) {
    if (p.places.load() == 0) continue;
    p.core.load()->post([on = &p, is, k = Bytes(key.begin(), key.end())] {
      for (Place* place = on->first; place != nullptr; place = place->next_) {
        if (k.empty() || is(place->user_.bytes, k) || is(place->credential_, k)) place->stir();
      }
    });
  }
}

void Holds::close(net::Core& core) noexcept {
  PerCore& p = (*per_core_)[core.index()];
  p.closed = true;
  for (Place* place = p.first; place != nullptr; place = place->next_) place->stir();
}

std::size_t Holds::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

// --------------------------------------------------------------------------------------- one call's

Holds::Place::Place(Holds& owner, net::Core& core, UserId user, const Digest& credential, std::size_t bytes)
    : owner_(owner), signal_(core), core_(core.index()), user_(user), credential_(credential), bytes_(bytes) {
  PerCore& p = (*owner_.per_core_)[core_];
  p.core.store(&core);
  next_ = p.first;
  if (next_ != nullptr) next_->prev_ = this;
  p.first = this;
  ++p.places;
  g_held.add();
}

Holds::Place::~Place() {
  PerCore& p = (*owner_.per_core_)[core_];
  (prev_ != nullptr ? prev_->next_ : p.first) = next_;
  if (next_ != nullptr) next_->prev_ = prev_;
  --p.places;
  g_held.add(-1);
  owner_.leave(*this);
}

// Resumes on a later turn of the core: the list stays as it is while it is walked.
void Holds::Place::stir() noexcept {
  stirred_ = true;
  signal_.notify_all();
}

net::Task<> Holds::Place::wait(std::chrono::milliseconds limit) {
  if (!stirred_) {
    const bool told = co_await signal_.wait(limit);
    static_cast<void>(told);  // the caller looks at everything again
  }
  stirred_ = false;
}

bool Holds::Place::closed() const noexcept { return (*owner_.per_core_)[core_].closed; }

}  // namespace vestibule::approval
