#include "gate/gate.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "gate/completions.hpp"
#include "gate/quotas.hpp"
#include "gate/records.hpp"
#include "identity/actor.hpp"
#include "net/signal.hpp"
#include "policy/deadline.hpp"
#include "risk/place.hpp"
#include "session/sessions.hpp"

namespace vestibule::gate {
namespace {

Counter g_admitted("vestibule_acts_admitted_total", "Acts admitted.");
Counter g_refused("vestibule_acts_refused_total", "Acts refused, the subject being known.");
Counter g_unknown("vestibule_acts_unauthenticated_total", "Requests refused because nobody was signed in.");
Counter g_cut("vestibule_admissions_cut_total", "Live admissions cut by revocation, stop, policy or limit.");
Counter g_live("vestibule_admissions_live", "Admissions under way.");

constexpr std::string_view kMigration = R"(
CREATE TABLE emergency_stop (
  scope TEXT NOT NULL,
  target TEXT NOT NULL,
  since BIGINT NOT NULL,
  by_name TEXT NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (scope, target));
CREATE TABLE policy_active (
  id BIGINT PRIMARY KEY,
  canonical TEXT NOT NULL,
  digest BYTES NOT NULL,
  since BIGINT NOT NULL))";
constexpr std::size_t kSettleAt = 256;  // completions sent: looked after before the sweep's time
constexpr std::size_t kSpare = 1024;    // a core's admissions kept for reuse
constexpr std::chrono::milliseconds kSettleWait{20};
constexpr std::chrono::minutes kTidy{10};  // confirmations that are over go
constexpr std::size_t kNewClients = 16;  // written down in one round

constexpr std::string_view kAgreements = R"(
CREATE TABLE stop_agreement (
  scope TEXT NOT NULL,
  target TEXT NOT NULL,
  since BIGINT NOT NULL,
  account BYTES NOT NULL,
  by_name TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (scope, target, account)))";

constexpr std::array kMigrations = {store::Migration{"gate", 1, kMigration}, store::Migration{"gate", 2, kAgreements}};

std::uint64_t seed_of(Rng& rng) {
  std::uint64_t seed = 0;
  const auto bytes = rng.take<sizeof seed>();
  std::memcpy(&seed, bytes.data(), sizeof seed);
  return seed;
}

/// Before its body is read an act has neither bytes nor a model.
policy::Known known_of(const domain::Act& act) noexcept {
  return act.body_bytes > 0 || !act.model.empty() ? policy::Known::whole : policy::Known::path;
}

/// Who is judged: whoever asks, and for a service account who answers for it, as he is at this moment.
class Asking {
 public:
  Asking(const session::Sessions& sessions, const domain::Subject& who) noexcept : who_(who) {
    if (!domain::is_service(who)) return;
    alone_ = !sessions.sponsor(who, sponsor_.emplace());
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  [[nodiscard]] const domain::Subject* sponsor() const noexcept { return sponsor_ ? &*sponsor_ : nullptr; }
  /// Of whom factors can be asked for.
  [[nodiscard]] const domain::Subject& person() const noexcept { return sponsor_ ? *sponsor_ : who_; }
  /// A service that nobody answers for.
  [[nodiscard]] bool alone() const noexcept { return alone_; }
  [[nodiscard]] bool stopped(const Stops& stops, const domain::Act& act) const noexcept {
    return stops.covers(act, who_) || (sponsor_ && stops.covers(act, *sponsor_));
  }

 private:
  const domain::Subject& who_;
  std::optional<domain::Subject> sponsor_;
  bool alone_ = false;
};

}  // namespace

/// What one core has of the gate. Only that core touches it.
struct Gate::PerCore {
  PerCore(net::Core& core, quota::Quotas& all) : quotas(all), many_sent(core) {}
  quota::Share quotas;
  std::shared_ptr<const Stops> stops = std::make_shared<const Stops>();
  std::shared_ptr<const PolicySet> policies;
  std::uint64_t generation = 0;                 // of policies
  Admission::State* first = nullptr;            // live admissions
  std::vector<std::unique_ptr<Admission::State>> spare;
  Completions sent, settling, left;  // journaled, and perhaps not durable yet
  Completions overdue;               // to be journaled again
  net::Signal many_sent;
  std::vector<NewClient> new_clients;  // until the sweep
  std::array<std::uint8_t, 4096> random{};
  std::size_t random_left = 0;
  bool sweeping = true;
};

Gate::Gate(store::Database& database, audit::Log& log, session::Sessions& sessions, factors::Factors& factors,
           const Clock& clock, Rng& rng, net::Cores& cores, Options options)
    : database_(database), log_(log), sessions_(sessions), factors_(factors), clock_(clock), rng_(rng),
      cores_(cores), options_(options), quotas_(cores.size(), seed_of(rng), options.quotas), dpop_(clock),
      stops_(std::make_shared<const Stops>()) {
  for (unsigned i = 0; i < cores.size(); ++i) per_core_.push_back(std::make_unique<PerCore>(cores.at(i), quotas_));
  sessions_.on_deny([this](const session::Revocation&) { recheck_everywhere(); });
  if (options_.denials != nullptr) options_.denials->on_unkept([this] { close(); });
}

Gate::~Gate() = default;

std::span<const store::Migration> Gate::migrations() { return kMigrations; }

void Gate::stop_sweeping(net::Core& core) noexcept { per_core_[core.index()]->sweeping = false; }

Gate::PerCore& Gate::mine() const noexcept { return *per_core_[net::Core::current()->index()]; }

Result<Staged> Gate::load(std::string_view file_text, std::string_view file_name) {
  policy::ParseResult parsed = policy::Policy::parse(file_text, file_name, options_.enrollable);
  if (!parsed) return fail(Reason::config_invalid, parsed.text());
  Result<Stops> stops = database_.read_blocking([](store::Tx& tx) { return Stops::load(tx); });
  if (!stops) return std::move(stops).error();
  Result<std::optional<std::string>> row =
      database_.read_blocking([](store::Tx& tx) { return PolicyRow::load(tx); });
  if (!row) return std::move(row).error();

  auto set = std::make_shared<PolicySet>(PolicySet{*parsed.policy, std::nullopt});
  Staged out;
  if (row->has_value()) {
    policy::ParseResult before = policy::Policy::parse(**row, "policy in force");
    if (!before) return fail(Reason::config_invalid, "the stored policy cannot be read: " + before.text());
    out.differences = policy::compare(*before.policy, *parsed.policy);
    out.changed = before.policy->digest() != parsed.policy->digest();
    if (options_.trust == PolicyTrust::approval && policy::loosens(out.differences)) {
      set->active = *before.policy;
      set->staged = *parsed.policy;
      out.staged = parsed.policy->digest();
    }
  } else {
    out.changed = true;
  }
  out.active = set->active.digest();
  if (out.changed) {
    const Instant now = clock_.now();
    const std::string note = (row->has_value() ? "" : "first policy; ") + describe(out.differences);
    auto written = database_.write_blocking([&](store::Tx& tx) -> Result<void> {
      audit::Record r;
      r.kind = audit::Kind::change;
      r.at = now.wall;
      r.now = now;
      r.access_point = "vestibule";
      r.operation = out.staged ? "policy.stage" : options_.trust == PolicyTrust::file ? "policy.load_trusted" : "policy.load";
      r.outcome = domain::Outcome::allow;
      r.reason = Reason::ok;
      r.policy = parsed.policy->digest();
      r.note = note;
      log_.append(tx, r);
      return PolicyRow::put_in(tx, set->active, now.wall);
    });
    if (!written) return std::move(written).error();
  }
  stops_ = std::make_shared<const Stops>(std::move(*stops));
  take_up_denials();
  policies_ = set;
  for (auto& core : per_core_) {
    core->stops = stops_;
    core->policies = policies_;
  }
  return out;
}

// ------------------------------------------------------------------------- the path of a request

RequestId Gate::new_request() noexcept {
  PerCore& c = mine();
  RequestId id;
  if (c.random_left < id.bytes.size()) {
    rng_.fill(c.random);
    c.random_left = c.random.size();
  }
  c.random_left -= id.bytes.size();
  std::copy_n(c.random.begin() + static_cast<std::ptrdiff_t>(c.random_left), id.bytes.size(), id.bytes.begin());
  return id;
}

domain::Signals Gate::signals(const Caller& caller, Instant now) const noexcept {
  if (options_.history == nullptr) return {};
  return options_.history->signals(caller.who.subject.user, caller.source, caller.client, now);
}

domain::Signals Gate::signals(const Caller& caller, const domain::Act& act, Instant now) const noexcept {
  domain::Signals out = signals(caller, now);
  if (options_.definitions != nullptr && !act.tool.empty() && options_.definitions->destructive(act.access_point, act.tool)) {
    out.raise(domain::Signal::destructive_tool);
  }
  return out;
}

void Gate::note_refusal(const Caller& caller, Reason reason, Instant now) const noexcept {
  // Not what every client meets now and then: a lapsed factor, an unknown route, a full queue.
  const bool tells = reason == Reason::policy_denied || reason == Reason::policy_no_rule || reason == Reason::model_denied ||
                     reason == Reason::role_required || reason == Reason::route_denied || reason == Reason::object_foreign;
  if (tells && options_.history != nullptr) options_.history->refused(caller.who.subject.user, now);
}

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

domain::Decision Gate::consider(const Caller& caller, const domain::Act& act) const noexcept {
  const Instant now = clock_.now();
  domain::Decision d = decide(caller, act, signals(caller, act, now), now, policy::Known::path);
  // Whether a mandate covers the whole of it admit() finds out.
  if (mandatable(caller, d) && options_.mandates->might(caller.who.credential, act, caller.source, d.need, now.wall, known_of(act))) {
    d.outcome = domain::Outcome::allow;
    d.reason = Reason::ok;
  }
  return d;
}

std::string Gate::why(const Caller& caller, const domain::Act& act, const domain::Decision& decision) const {
  std::string out = policy::why(decision);
  if (out.empty() && mandatable(caller, decision)) {
    out = options_.mandates->why_not(caller.who.credential, act, caller.source, decision.need, clock_.wall(), known_of(act));
  }
  return out;
}

bool Gate::mandatable(const Caller& caller, const domain::Decision& decision) const noexcept {
  return options_.mandates != nullptr && caller.who.flags.key && decision.outcome == domain::Outcome::step_up && decision.mandatable &&
         clock_.trusted();
}

net::Task<Result<std::optional<approval::Drawn>>> Gate::draw(const Caller& caller, const domain::Act& act) {
  const Instant now = clock_.now();
  const domain::Decision d = decide(caller, act, signals(caller, act, now), now, policy::Known::whole);
  std::optional<approval::Drawn> none;
  if (!mandatable(caller, d)) co_return none;
  Result<std::optional<approval::Drawn>> drawn = co_await options_.mandates->draw(caller.who.credential, act, caller.source, d.need, now);
  co_return drawn;
}

domain::Decision Gate::decide(const Caller& caller, const domain::Act& act, domain::Signals signals,
                              Instant now, policy::Known known) const noexcept {
  const PerCore& core = mine();
  const PolicySet& set = *core.policies;
  const Asking asking(sessions_, caller.who.subject);
  domain::Decision d = policy::decide_all(set.active, set.staged ? &*set.staged : nullptr, act, caller.who.subject, asking.sponsor(),
                                          caller.who.evidence, caller.source, now, clock_.trusted(), signals);
  // What it lacks is not a sign-in: its owner wakes it.
  if (d.outcome == domain::Outcome::step_up && caller.who.flags.key) d.reason = Reason::key_asleep;
  if (caller.who.flags.scoped && !sessions_.permits(caller.who.handle, act, caller.source, now, known)) {
    d.outcome = domain::Outcome::deny;
    d.reason = Reason::credential_scope;
  }
  if (d.outcome != domain::Outcome::deny && overdue_by(set, asking.person(), now.wall) != nullptr) {
    d.outcome = domain::Outcome::deny;
    d.reason = Reason::factor_overdue;
  }
  const session::Bound& bound = caller.who.bound;
  const bool elsewhere = !bound.access_point.empty() && bound.access_point.view() != act.access_point;
  if (elsewhere || (bound.holder && !caller.possession)) {
    d.outcome = domain::Outcome::deny;
    d.reason = elsewhere ? Reason::credential_audience : Reason::credential_malformed;
  }
  if (asking.alone()) {
    d.outcome = domain::Outcome::deny;
    d.reason = Reason::service_asleep;
  }
  // Told to those alone who might call it otherwise.
  if (d.outcome != domain::Outcome::deny && !act.tool.empty() && sleeps(act.access_point, act.tool)) {
    d.outcome = domain::Outcome::deny;
    d.reason = Reason::tool_asleep;
  }
  if (asking.stopped(*core.stops, act)) {
    d.outcome = domain::Outcome::deny;
    d.reason = Reason::stopped;
  }
  return d;
}

const policy::Deadline* Gate::overdue_by(const PolicySet& set, const domain::Subject& subject,
                                         WallTime now) const noexcept {
  const auto has = [&](domain::FactorKind kind) { return factors_.works(subject.user, kind); };
  if (const auto* d = policy::overdue(set.active.deadlines(), subject, now, has)) return d;
  return set.staged ? policy::overdue(set.staged->deadlines(), subject, now, has) : nullptr;
}

const policy::Deadline* Gate::overdue(const domain::Subject& subject) const noexcept {
  return overdue_by(*mine().policies, subject, clock_.wall());
}

void Gate::refuse(const Caller& caller, const domain::Act& act, Reason reason) noexcept {
  domain::Decision d;
  d.reason = reason;
  d.policy = mine().policies->active.digest();
  refuse(caller, act, d);
}

void Gate::refuse(const Caller& caller, const domain::Act& act, const domain::Decision& decision) noexcept {
  g_refused.add();
  const Instant now = clock_.now();
  note_refusal(caller, decision.reason, now);
  audit::Record r;
  fill(r, act, caller.who.subject, caller.source, caller.client, caller.request);
  r.kind = audit::Kind::refusal;
  r.at = now.wall;
  r.now = now;
  r.outcome = decision.outcome;
  r.reason = decision.reason;
  r.rule = decision.rule.view();
  r.policy = decision.policy;
  r.evidence = caller.who.evidence;
  static_cast<void>(log_.submit(r, store::Urgency::soon));  // a refusal stands with or without its record
}

void Gate::refuse_unknown(const domain::Source& source, Reason reason, std::string_view access_point) noexcept {
  g_unknown.add();
  log_.refuse_unauthenticated(source, reason, access_point);
}

struct Gate::Begun {
  Admission admission;
  audit::Ticket ticket;
};

Gate::Judged Gate::judge(const Caller& caller, const domain::Act& act) const noexcept {
  Judged out;
  out.now = clock_.now();
  out.raised = signals(caller, act, out.now);
  out.decision = decide(caller, act, out.raised, out.now, policy::Known::whole);
  return out;
}

std::variant<Gate::Begun, domain::Refusal> Gate::begin(const Caller& caller, const domain::Act& act, const Judged& judged,
                                                       const std::optional<approval::Drawn>& drawn) {
  PerCore& core = mine();
  const Instant now = judged.now;
  domain::Decision decision = judged.decision;
  if (drawn && mandatable(caller, decision) && options_.mandates->stands(*drawn, now.wall)) {
    decision.outcome = domain::Outcome::allow;
    decision.reason = Reason::ok;
    decision.rule = drawn->label;
  }

  audit::Record r;
  fill(r, act, caller.who.subject, caller.source, caller.client, caller.request);
  r.at = now.wall;
  r.now = now;
  r.outcome = decision.outcome;
  r.reason = decision.reason;
  r.rule = decision.rule.view();
  r.policy = decision.policy;
  r.evidence = caller.who.evidence;
  r.level = domain::level(caller.who.evidence, now, clock_.trusted(), decision.need.max_age, decision.need.kinds);

  if (decision.outcome != domain::Outcome::allow) {
    g_refused.add();
    note_refusal(caller, decision.reason, now);
    r.kind = audit::Kind::refusal;
    static_cast<void>(log_.submit(r, store::Urgency::soon));
    domain::Refusal refused = refusal(decision.reason, decision, caller, act);
    refused.hint = why(caller, act, decision);
    return refused;
  }

  quota::Grant quota;
  // The act that has brought a tool call was charged.
  if (act.tool.empty()) {
    if (std::optional<domain::Refusal> refused = charge(core.quotas, *core.policies, caller, act, r, log_, quota)) {
      g_refused.add();
      return std::move(*refused);
    }
  }

  r.kind = audit::Kind::admission;
  const auto started = std::chrono::steady_clock::now();
  const Result<audit::Ticket> ticket =
      log_.submit(r, options_.await_admission ? store::Urgency::now : store::Urgency::soon);
  if (!ticket) {
    const Reason why = ticket.error().code == Reason::overloaded ? Reason::overloaded : Reason::audit_unavailable;
    return refusal(why, decision, caller, act);
  }

  std::unique_ptr<Admission::State> s;
  if (core.spare.empty()) {
    s = std::make_unique<Admission::State>();
  } else {
    s = std::move(core.spare.back());
    core.spare.pop_back();
  }
  s->gate = this;
  s->live = nullptr;
  s->started = started;
  s->waited = {};
  s->ends = std::chrono::steady_clock::time_point::max();
  s->decision = decision;
  s->completion = Completion{};
  s->admitted = now;
  s->subject = caller.who.subject;
  s->evidence = caller.who.evidence;
  s->signals = judged.raised;
  s->handle = caller.who.handle;
  s->drawn = drawn;
  s->source = caller.source;
  s->request = caller.request;
  s->access_point.assign(act.access_point);
  s->operation.assign(act.operation);
  s->model.assign(act.model);
  s->client.assign(caller.client.substr(0, 128));
  s->quota = std::move(quota);
  s->act = act;
  s->act.access_point = s->access_point;
  s->act.operation = s->operation;
  s->act.model = s->model;
  s->tool.assign(act.tool);
  s->carried.clear();
  s->act.tool = s->tool;
  s->act.arguments = {};  // they belong to the reply: should policy change meanwhile, the call is judged without them
  s->policy_generation = core.generation;
  s->prev = nullptr;
  s->next = core.first;
  if (core.first != nullptr) core.first->prev = s.get();
  core.first = s.get();
  // What the signal asks for was given: the client need not stay new for ever.
  if (judged.raised.has(domain::Signal::new_client) && core.new_clients.size() < kNewClients &&
      options_.history->unheard(caller.who.subject.user, caller.client)) {
    core.new_clients.push_back({caller.who.subject.user, std::string(risk::family_of(caller.client))});
  }
  g_admitted.add();
  g_live.add();
  return Begun{Admission(std::move(s)), *ticket};
}

Verdict Gate::finish(Begun begun, const Result<void>& durable, const Caller& caller, const domain::Act& act) {
  Admission& admission = begun.admission;
  Admission::State& s = *admission.state_;
  s.waited = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - s.started);
  // The world may have changed while the disk turned.
  const Reason reason = durable ? standing(admission) : Reason::audit_unavailable;
  if (reason == Reason::ok) return std::move(admission);
  admission.completion().reason = reason;
  return refusal(reason, s.decision, caller, act);
}

std::optional<Verdict> Gate::try_admit(const Caller& caller, const domain::Act& act, const Judged& judged, Wait wait) {
  const bool may_draw = options_.mandates != nullptr && caller.who.flags.key;
  if (may_draw || (options_.await_admission && wait == Wait::durable)) return std::nullopt;
  std::variant<Begun, domain::Refusal> begun = begin(caller, act, judged, std::nullopt);
  if (auto* refused = std::get_if<domain::Refusal>(&begun)) return std::move(*refused);
  return std::move(std::get<Begun>(begun).admission);
}

net::Task<Verdict> Gate::admit(const Caller& caller, const domain::Act& act, Judged judged, Wait wait) {
  std::optional<approval::Drawn> drawn;
  if (options_.mandates != nullptr && caller.who.flags.key) {
    Result<std::optional<approval::Drawn>> taken = co_await draw(caller, act);
    if (taken) drawn = *taken;  // a store that fails admits nothing, and says so below
    judged = judge(caller, act);  // it may have taken a while
  }
  std::variant<Begun, domain::Refusal> begun = begin(caller, act, judged, drawn);
  if (auto* refused = std::get_if<domain::Refusal>(&begun)) co_return std::move(*refused);
  Begun& b = std::get<Begun>(begun);
  Result<void> durable;
  if (options_.await_admission && wait == Wait::durable) durable = co_await log_.durable(b.ticket, options_.durable);
  co_return finish(std::move(b), durable, caller, act);
}

bool Gate::sleeps(std::string_view access_point, std::string_view tool) const noexcept {
  return options_.definitions != nullptr && options_.definitions->asleep(access_point, tool);
}

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

// --------------------------------------------------------------------------------- live admissions

Admission::Admission(Admission&&) noexcept = default;

Admission::~Admission() {
  if (state_) state_->gate->complete(std::move(state_));
}

void Admission::watch(Live& live, std::chrono::milliseconds limit) noexcept {
  state_->live = &live;
  state_->ends = state_->started + limit;
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
  const auto end = std::chrono::steady_clock::now();
  const auto first = s.completion.first_byte.time_since_epoch().count() != 0 ? s.completion.first_byte : end;
  r.waited = std::chrono::duration_cast<std::chrono::microseconds>(first - s.started);
  r.total = std::chrono::duration_cast<std::chrono::microseconds>(end - s.started);
  r.body_digest = {};  // the admission has it
  return log_.encode(r, out);
}

void Gate::look(PerCore& core) noexcept {
  const Instant now = clock_.now();
  const auto steady = std::chrono::steady_clock::now();
  for (Admission::State* s = core.first; s != nullptr;) {
    Admission::State* next = s->next;  // cut() ends the waits, the admission goes later
    if (s->live != nullptr) {
      Reason reason = check(*s, core, now);
      if (reason == Reason::ok && steady > s->ends) reason = Reason::stream_limit;
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
    co_await own.many_sent.wait(options_.sweep);
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
