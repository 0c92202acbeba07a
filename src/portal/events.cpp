#include "portal/events.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "identity/notices.hpp"
#include "session/sessions.hpp"

namespace vestibule::portal {
namespace {

Counter g_streams("vestibule_portal_streams", "Event streams of the portal that are open.");
Counter g_slow("vestibule_portal_streams_cut_total", "Event streams that were cut while their reader took nothing.");

constexpr std::size_t at(Topic t) noexcept { return static_cast<std::size_t>(t); }

template <class T>
bool is(const std::array<std::uint8_t, 32>& key, const T& bytes) noexcept {
  return std::memcmp(key.data(), bytes.data(), bytes.size()) == 0;
}
bool of_everybody(const std::array<std::uint8_t, 32>& key) noexcept {
  return std::all_of(key.begin(), key.end(), [](std::uint8_t b) { return b == 0; });
}

}  // namespace

std::string_view name(Topic topic) noexcept {
  switch (topic) {
    case Topic::me: return "me";
    case Topic::sessions: return "sessions";
    case Topic::factors: return "factors";
    case Topic::notices: return "notices";
    case Topic::stops: return "stops";
    case Topic::policy: return "policy";
    case Topic::approvals: return "approvals";
    case Topic::keys: return "keys";
    case Topic::mandates: return "mandates";
  }
  return "";
}

Events::Events(store::Database& database, session::Sessions& sessions, audit::Log& log) {
  database.listen([this](store::Tx& tx, std::span<const store::Change> changes) { on_changes(tx, changes); });
  // Denials hold in memory before the store knows of them.
  sessions.on_deny([this](const session::Revocation&) { spread({Change{Change::What::denied, {}}}); });
  log.on_committed([this] { on_grown(); });
}

void Events::gate_changed() { spread({Change{Change::What::gate, {}}}); }

std::size_t Events::open() const noexcept {
  std::size_t n = 0;
  for (const PerCore& c : per_core_) n += c.streams.load(std::memory_order_relaxed);
  return n;
}

// On the writer thread: which changes are anybody's, and off to the cores with them.
void Events::on_changes(store::Tx& tx, std::span<const store::Change> changes) {
  if (open() == 0) return;
  using What = Change::What;
  constexpr std::array<std::pair<std::string_view, What>, 10> kKnown{{{"session", What::session},
                                                                     {"session_handle", What::handle},
                                                                     {"account_sessions", What::sessions},
                                                                     {"account", What::account},
                                                                     {"factor", What::factor},
                                                                     {"notice", What::notice},
                                                                     {"approval", What::approval},
                                                                     // One inbox shows both.
                                                                     {"confirmation", What::approval},
                                                                     {"account_keys", What::keys},
                                                                     {"mandate", What::mandates}}};
  std::vector<Change> known;
  for (const store::Change& c : changes) {
    const auto* const row = std::find_if(kKnown.begin(), kKnown.end(), [&](const auto& k) { return k.first == c.topic; });
    if (row == kKnown.end()) continue;
    Change out;
    out.what = row->second;
    if (out.what == What::notice) {
      // The feed names the notice; whose it is stands in its row.
      const auto id = identity::NoticeId::from(c.key);
      if (!id) continue;
      const Result<std::optional<identity::Notice>> notice = identity::notice_in(tx, *id);
      if (!notice || !*notice) continue;
      std::memcpy(out.key.data(), (*notice)->account.bytes.data(), (*notice)->account.bytes.size());
    } else {
      std::copy_n(c.key.begin(), std::min(c.key.size(), out.key.size()), out.key.begin());
    }
    known.push_back(out);
  }
  if (!known.empty()) spread(std::move(known));
}

// On the writer thread, after each commit of records: one post a core until somebody there has looked.
void Events::on_grown() noexcept {
  for (PerCore& c : per_core_) {
    if (c.following.load() == 0 || c.told.exchange(true)) continue;
    c.core.load()->post([&c] {
      for (Stream* s = c.first; s != nullptr; s = s->next_) {
        if (s->follows_ != Stream::Follows::log_too) continue;
        s->stirred_ = true;
        s->signal_.notify_all();
      }
    });
  }
}

void Events::spread(std::vector<Change> changes) {
  const Changes shared = std::make_shared<const std::vector<Change>>(std::move(changes));
  for (PerCore& c : per_core_) {
    if (c.streams.load() == 0) continue;
    c.core.load()->post([&c, shared] { apply(c, *shared); });
  }
}

void Events::apply(PerCore& on, const std::vector<Change>& changes) {
  using What = Change::What;
  for (Stream* s = on.first; s != nullptr; s = s->next_) {
    if (s->over_ != Reason::ok) continue;
    bool doubt = false;
    const auto tell = [s](Topic t) {
      s->pending_[at(t)] = true;
      s->stirred_ = true;
    };
    for (const Change& c : changes) {
      const bool all = of_everybody(c.key);
      const bool users = all || is(c.key, s->reader_.user.bytes);
      switch (c.what) {
        case What::session:
          if (all || is(c.key, s->reader_.session.bytes)) {
            tell(Topic::me);
            doubt = true;
          }
          break;
        case What::handle: doubt = doubt || is(c.key, s->reader_.handle); break;
        case What::sessions:
          if (users) tell(Topic::sessions);
          break;
        case What::account:
          if (users) {
            tell(Topic::me);
            doubt = true;
          }
          break;
        case What::factor:
          if (users) tell(Topic::factors);
          break;
        case What::notice:
          if (users) tell(Topic::notices);
          break;
        case What::approval:
          if (users) tell(Topic::approvals);
          break;
        case What::keys:
          if (users) tell(Topic::keys);
          break;
        case What::mandates:
          if (users) tell(Topic::mandates);
          break;
        case What::denied: doubt = true; break;
        case What::gate:
          tell(Topic::stops);
          tell(Topic::policy);
          tell(Topic::me);
          doubt = true;
          break;
      }
    }
    if (doubt) s->look();
    if (s->stirred_) s->signal_.notify_all();
  }
}

void Events::admit(Stream& s) {
  std::optional<std::pair<unsigned, std::uint64_t>> oldest;
  const unsigned core = static_cast<unsigned>(&s.on_ - per_core_.data());
  {
    const std::lock_guard lock(mutex_);
    s.id_ = ++last_stream_;
    auto& open = of_session_[s.reader_.session];
    if (open.size() >= kStreamsPerSession) {
      oldest = open.front();
      open.erase(open.begin());
    }
    open.emplace_back(core, s.id_);
  }
  if (oldest) {
    PerCore& c = per_core_[oldest->first];
    c.core.load()->post([&c, id = oldest->second] {
      for (Stream* o = c.first; o != nullptr; o = o->next_) {
        if (o->id_ == id) o->end(Reason::conflict);
      }
    });
  }
}

void Events::dismiss(Stream& s) {
  const std::lock_guard lock(mutex_);
  const auto found = of_session_.find(s.reader_.session);
  if (found == of_session_.end()) return;
  std::erase_if(found->second, [&](const auto& o) { return o.second == s.id_; });
  if (found->second.empty()) of_session_.erase(found);
}

void Events::stop(net::Core& core) {
  PerCore& c = per_core_[core.index()];
  c.stopping = true;
  for (Stream* s = c.first; s != nullptr; s = s->next_) s->end(Reason::shutting_down);
}

// ------------------------------------------------------------------------------------ one stream

Events::Stream::Stream(Events& events, net::Core& core, Reader reader, Follows follows, Hooks hooks)
    : events_(events), on_(events.per_core_[core.index()]), signal_(core), reader_(reader), follows_(follows),
      hooks_(std::move(hooks)) {
  on_.core.store(&core);
  next_ = on_.first;
  if (next_ != nullptr) next_->prev_ = this;
  on_.first = this;
  ++on_.streams;
  if (follows_ == Follows::log_too) ++on_.following;
  g_streams.add();
  events_.admit(*this);
  if (on_.stopping) over_ = Reason::shutting_down;
}

Events::Stream::~Stream() {
  events_.dismiss(*this);
  (prev_ != nullptr ? prev_->next_ : on_.first) = next_;
  if (next_ != nullptr) next_->prev_ = prev_;
  --on_.streams;
  if (follows_ == Follows::log_too) --on_.following;
  g_streams.add(-1);
}

Reason Events::Stream::look() {
  if (over_ == Reason::ok) {
    const Reason may = hooks_.may();
    if (may != Reason::ok) end(may);
  }
  return over_;
}

void Events::Stream::end(Reason why) {
  if (over_ != Reason::ok) return;
  over_ = why;
  stirred_ = true;
  if (writing_) {
    g_slow.add();
    hooks_.cut();
  }
  signal_.notify_all();
}

std::array<bool, kTopics> Events::Stream::take() noexcept {
  const std::array<bool, kTopics> out = pending_;
  pending_ = {};
  stirred_ = false;
  return out;
}

net::Task<bool> Events::Stream::wait(std::chrono::milliseconds limit) {
  if (stirred_) co_return true;
  const bool woken = co_await signal_.wait(limit);
  co_return woken;
}

void Events::Stream::following() noexcept { on_.told.store(false); }

}  // namespace vestibule::portal
