// Admissions under way: looked at again and again, cut, completed; and what every core is told.

#include <algorithm>
#include <iterator>

#include "gate/per_core.hpp"
#include "gate/quotas.hpp"
#include "gate/records.hpp"
#include "policy/deadline.hpp"

namespace vestibule::gate {
namespace {

Counter g_cut("vestibule_admissions_cut_total", "Live admissions cut by revocation, stop, policy or limit.");

constexpr std::size_t kSettleAt = 256;  // completions sent: looked after before the sweep's time
constexpr std::size_t kSpare = 1024;    // a core's admissions kept for reuse
constexpr std::chrono::milliseconds kSettleWait{20};
constexpr std::chrono::minutes kTidy{10};  // confirmations that are over go

}  // namespace

Reason Gate::check(const Admission::State& s, const PerCore& core, Instant now) const noexcept {
  const Asking asking(sessions_, s.subject);
  if (asking.stopped(*core.stops, s.act)) return Reason::stopped;
  domain::Act call = s.act;
  call.operation = domain::kToolCall;
  call.tool = s.carried;
  call.arguments = "{}";
  call.listed = true;  // whatever its arguments were, they were decided about
  if (!s.carried.empty() && asking.stopped(*core.stops, call)) return Reason::stopped;
  if (!s.carried.empty() && sleeps(s.act.access_point, s.carried)) return Reason::tool_asleep;
  if (!sessions_.standing(s.subject.session, s.subject.user, s.handle, now)) return Reason::revoked_in_flight;
  if (asking.alone()) return Reason::revoked_in_flight;
  if (s.drawn && !options_.mandates->stands(*s.drawn, s.admitted.wall)) return Reason::revoked_in_flight;
  // A person's roles are as they were when he asked; who answers for a service can lose his meanwhile.
  if (s.policy_generation != core.generation || asking.sponsor() != nullptr) {
    // Judged as of its admission: what was fresh then may finish, what is no longer allowed may not.
    const PolicySet& set = *core.policies;
    const domain::Decision d =
        policy::decide_all(set.active, set.staged ? &*set.staged : nullptr, s.act, s.subject, asking.sponsor(), s.evidence, s.source,
                           s.admitted, true, s.signals);
    if (!s.carried.empty()) {
      const domain::Decision of_tool = policy::decide_all(set.active, set.staged ? &*set.staged : nullptr, call, s.subject, asking.sponsor(), s.evidence,
                                                          s.source, s.admitted, true, s.signals);
      if (of_tool.outcome == domain::Outcome::deny) return Reason::revoked_in_flight;
    }
    const bool mandated = s.drawn && d.outcome == domain::Outcome::step_up && d.mandatable;
    if (d.outcome != domain::Outcome::allow && !mandated) return Reason::revoked_in_flight;
    if (overdue_by(set, asking.person(), s.admitted.wall) != nullptr) return Reason::revoked_in_flight;
  }
  return Reason::ok;
}

Reason Gate::standing(const Admission& admission) const noexcept {
  return check(*admission.state_, mine(), clock_.now());
}

Admission::Admission(Admission&&) noexcept = default;

Admission::~Admission() {
  if (state_) state_->gate->complete(std::move(state_));
}

void Admission::watch(Live& live, std::chrono::milliseconds limit) noexcept {
  state_->live = &live;
  state_->ends = state_->admitted.boot + limit;
}

void Admission::answered(int status) noexcept {
  state_->completion.status = static_cast<std::uint16_t>(status);
  state_->completion.first_byte = state_->gate->clock_.boot();
}

void Gate::complete(std::unique_ptr<Admission::State> s) noexcept {
  PerCore& core = mine();
  const Instant now = clock_.now();
  (s->prev != nullptr ? s->prev->next : core.first) = s->next;
  if (s->next != nullptr) s->next->prev = s->prev;
  g_live.add(-1);
  s->quota.settle(tokens_of(s->completion, s->act), now.boot);
  if (s->drawn) options_.mandates->spend(*s->drawn, std::uint64_t{s->completion.input_tokens} + s->completion.output_tokens);
  // Its bytes are kept until the record is durable: the journal may be full or failing, or the batch be
  // rolled back.
  std::array<std::uint8_t, audit::kMaxEntry> entry;
  const ByteView record(entry.data(), encode_completion(*s, now, entry));
  if (core.spare.size() < kSpare) core.spare.push_back(std::move(s));
  const Result<audit::Ticket> ticket = log_.submit(record, store::Urgency::soon);
  if (!ticket) {
    core.overdue.add({}, record);
    return;
  }
  core.sent.add(*ticket, record);
  if (core.sent.size() == kSettleAt) core.many_sent.notify_all();
}

net::Task<> Gate::settle(PerCore& core) {
  std::swap(core.settling, core.sent);
  std::size_t i = 0;
  for (; i < core.settling.size(); ++i) {
    const Completions::Entry e = core.settling[i];
    std::optional<Result<void>> durable = log_.settled(e.ticket);
    if (!durable) {
      const auto asked = std::chrono::steady_clock::now();
      durable = co_await log_.durable(e.ticket, kSettleWait);
      if (!*durable && std::chrono::steady_clock::now() - asked >= kSettleWait) break;  // nobody knows yet
    }
    if (!*durable) core.overdue.add({}, core.settling.record(e));
  }
  // What is left is older than what has come meanwhile.
  if (i < core.settling.size()) {
    core.left.take(core.settling, i);
    core.left.take(core.sent, 0);
    std::swap(core.sent, core.left);
    core.left.clear();
  }
  core.settling.clear();
}

std::size_t Gate::encode_completion(const Admission::State& s, Instant now, std::span<std::uint8_t, audit::kMaxEntry> out) noexcept {
  audit::Record r;
  fill(r, s.act, s.subject, s.source, s.client, s.request);
  r.kind = audit::Kind::completion;
  r.at = now.wall;
  r.now = now;
  r.outcome = domain::Outcome::allow;
  r.reason = s.completion.reason;
  r.policy = s.decision.policy;
  r.status = s.completion.status;
  r.reply_bytes = s.completion.reply_bytes;
  r.input_tokens = s.completion.input_tokens;
  r.output_tokens = s.completion.output_tokens;
  r.waited = (s.completion.first_byte == BootTime{} ? now.boot : s.completion.first_byte) - s.admitted.boot;
  r.total = now.boot - s.admitted.boot;
  r.body_digest = {};  // the admission has it
  return log_.encode(r, out);
}

void Gate::look(PerCore& core) noexcept {
  const Instant now = clock_.now();
  for (Admission::State* s = core.first; s != nullptr;) {
    Admission::State* next = s->next;  // cut() ends the waits, the admission goes later
    if (s->live != nullptr) {
      Reason reason = check(*s, core, now);
      if (reason == Reason::ok && now.boot > s->ends) reason = Reason::stream_limit;
      if (reason == Reason::ok && !s->live->caller_present()) reason = Reason::client_gone;
      if (reason == Reason::ok) {
        s->policy_generation = core.generation;
      } else {
        g_cut.add();
        Live* live = s->live;
        s->live = nullptr;
        s->completion.reason = reason;
        live->cut(reason);
      }
    }
    s = next;
  }
  if (core.overdue.empty()) return;
  std::size_t i = 0;
  for (; i < core.overdue.size(); ++i) {
    const ByteView record = core.overdue.record(core.overdue[i]);
    const Result<audit::Ticket> ticket = log_.submit(record, store::Urgency::soon);
    if (!ticket) break;
    core.sent.add(*ticket, record);
  }
  Completions rest;
  rest.take(core.overdue, i);
  std::swap(core.overdue, rest);
}

net::Task<> Gate::sweep(net::Core& core) {
  PerCore& own = *per_core_[core.index()];
  auto flushed = std::chrono::steady_clock::now();
  while (own.sweeping) {
    // What came while settle() waited has told nobody: under load it would lie here until the sweep's time.
    if (own.sent.size() < kSettleAt) co_await own.many_sent.wait(options_.sweep);
    look(own);
    co_await settle(own);
    if (!own.new_clients.empty()) {
      const std::lock_guard lock(mutex_);
      if (new_clients_.size() < kNewClients) std::ranges::move(own.new_clients, std::back_inserter(new_clients_));
      own.new_clients.clear();
    }
    const auto now = std::chrono::steady_clock::now();
    if (now - flushed > std::chrono::seconds(10)) {
      flushed = now;
      log_.flush_refusals();
      own.quotas.sweep(clock_.boot());
      if (core.index() == 0) quotas_.sweep(clock_.boot());
    }
  }
  log_.flush_refusals(audit::Flush::everything);
}

net::Task<> Gate::persist(net::Core& core) {
  PerCore& own = *per_core_[core.index()];
  auto covered = std::chrono::steady_clock::now();
  auto tidied = covered - kTidy;
  while (own.sweeping) {
    co_await net::sleep_for(core, options_.sweep);
    co_await persist_stops();
    co_await persist_clients();
    if (options_.mandates != nullptr) {
      const Result<void> settled = co_await options_.mandates->settle();
      static_cast<void>(settled);  // counted in memory until it is stored
    }
    const auto now = std::chrono::steady_clock::now();
    if (now - covered <= std::chrono::seconds(10)) continue;
    covered = now;
    if (options_.confirmations != nullptr) {
      const Result<void> reminded = co_await options_.confirmations->remind();
      static_cast<void>(reminded);  // the next time
    }
    if (options_.confirmations != nullptr && now - tidied > kTidy) {
      tidied = now;
      const Result<void> tidy = co_await options_.confirmations->maintain();
      static_cast<void>(tidy);  // the next time
    }
    const Result<void> done = co_await log_.cover();
    static_cast<void>(done);  // a store that fails says so by itself
  }
}

std::size_t Gate::live() const noexcept { return static_cast<std::size_t>(std::max<std::int64_t>(0, g_live.total())); }

net::Task<> Gate::persist_clients() {
  std::vector<NewClient> todo;
  {
    const std::lock_guard lock(mutex_);
    std::swap(todo, new_clients_);
  }
  for (NewClient& c : todo) {
    const Result<void> heard = co_await options_.history->heard(c.user, std::move(c.family));
    static_cast<void>(heard);  // it will be new the next time too
  }
}

// ---------------------------------------------------------------------------------- all cores at once

namespace {
// Lives on the core that waits; the others post their word to it.
struct Words {
  Words(net::Core& core, std::size_t n) : all(core), left(n) {}
  net::Signal all;
  std::size_t left;
};
}  // namespace

net::Task<> Gate::spread() {
  net::Core& home = *net::Core::current();
  auto words = std::make_shared<Words>(home, cores_.size());
  for (unsigned i = 0; i < cores_.size(); ++i) {
    cores_.at(i).post([this, i, words, &home] {
      PerCore& core = *per_core_[i];
      {
        // The newest, not those of the caller: another core may have changed them meanwhile, and its
        // post may have come first.
        const std::lock_guard lock(mutex_);
        core.stops = in_force();
        if (core.policies != policies_) {
          core.policies = policies_;
          ++core.generation;
        }
      }
      look(core);
      home.post([words] {
        if (--words->left == 0) words->all.notify_all();
      });
    });
  }
  while (words->left > 0) co_await words->all.wait(std::chrono::seconds(1));
  for (const auto& listener : change_listeners_) listener();
}

void Gate::recheck_everywhere() noexcept {
  for (unsigned i = 0; i < cores_.size(); ++i) {
    cores_.at(i).post([this, i] { look(*per_core_[i]); });
  }
}

// Somebody was denied something, and neither the store nor the file of denials took it: the end of the
// process would let him in again, so nobody is let in until it is stored.
void Gate::close() noexcept {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    mine().stops = in_force();
  }
  for (unsigned i = 0; i < cores_.size(); ++i) {
    cores_.at(i).post([this, i] {
      {
        const std::lock_guard lock(mutex_);
        per_core_[i]->stops = in_force();
      }
      look(*per_core_[i]);
    });
  }
}

}  // namespace vestibule::gate
