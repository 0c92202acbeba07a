#include "gate/gate.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/counters.hpp"
#include "gate/per_core.hpp"
#include "gate/quotas.hpp"
#include "gate/records.hpp"
#include "identity/actor.hpp"
#include "policy/deadline.hpp"
#include "risk/place.hpp"

namespace vestibule::gate {
namespace {

Counter g_admitted("vestibule_acts_admitted_total", "Acts admitted.");
Counter g_refused("vestibule_acts_refused_total", "Acts refused, the subject being known.");
Counter g_unknown("vestibule_acts_unauthenticated_total", "Requests refused because nobody was signed in.");

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

}  // namespace

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
                                          caller.who.evidence, caller.source, now, now.trusted, signals);
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
  r.level = domain::level(caller.who.evidence, now, now.trusted, decision.need.max_age, decision.need.kinds);

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
  s->ends = BootTime::max();
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
  // The world may have changed while the disk turned.
  const Reason reason = durable ? standing(admission) : Reason::audit_unavailable;
  if (reason == Reason::ok) return std::move(admission);
  admission.completion().reason = reason;
  return refusal(reason, admission.decision(), caller, act);
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

}  // namespace vestibule::gate
