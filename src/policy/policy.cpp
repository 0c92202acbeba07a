// The decision. Nothing here allocates, locks, reads files or writes what cores share.
#include "policy/policy.hpp"

#include <fmt/format.h>

#include <array>
#include <span>

#include "policy/situation.hpp"

namespace vestibule::policy {
namespace {

using domain::Decision;
using domain::Outcome;

// What one policy's rules say, before flows and evidence are looked at.
struct Verdict {
  Reason reason = Reason::policy_no_rule;
  const domain::InlineText<48>* label = nullptr;  // whose word it was; none: "default"
  domain::Requirement need{};                     // where reason is ok
  bool mandate = false;                           // a rule that allows it lets it be done unattended
};

Verdict judge(const Compiled& c, Situation& situation, domain::Signals signals) noexcept {
  using Match = Situation::Match;
  Verdict v;
  v.need = c.base(situation.act().sensitivity);
  // A row or a signal that wants a tool call confirmed does not say how: by signature.
  const auto signed_if_tool = [&](domain::Requirement need) {
    need.bound |= situation.tool_call && need.confirmation != domain::Confirmation::none;
    return need;
  };
  v.need = signed_if_tool(v.need);
  if (!situation.sane()) return v;
  const Rule* unknown = nullptr;
  for (const Rule& r : c.denies) {
    const Match m = situation.match(r);
    if (m == Match::yes || m == Match::undecided) return {Reason::policy_denied, &r.label, v.need};
    if (m == Match::unknown && unknown == nullptr) unknown = &r;
  }
  if (unknown != nullptr) return {Reason::clock_untrusted, &unknown->label, v.need};
  bool allowed = false;
  for (const Rule& r : c.allows) {
    const Match m = situation.match(r);
    if (m == Match::unknown && unknown == nullptr) unknown = &r;
    if (m != Match::yes && m != Match::undecided) continue;
    const domain::Requirement raised = stricter(v.need, r.need);
    const bool raises = !(raised == v.need);
    v.need = raised;
    // One whose arguments cannot be told allows nothing; but what it asks for is asked for, since to hide an
    // argument must not make a call cheaper.
    const bool allows = m == Match::yes;
    if (raises || (allows && v.label == nullptr)) v.label = &r.label;
    allowed |= allows;
    v.mandate |= allows && r.mandate;
  }
  // A person signs ahead for what does little harm, and for nothing of the gateway's own.
  if (situation.administration || situation.act().sensitivity == domain::Sensitivity::critical) v.mandate = false;
  // Nothing of the gateway's own is done on a guess, whatever its sensitivity.
  if (situation.administration) v.need.kinds = v.need.kinds & domain::KindSet::ordinary();
  if (allowed) {
    v.reason = Reason::ok;
  } else if (unknown != nullptr) {
    v.reason = Reason::clock_untrusted;
    v.label = &unknown->label;
  } else if (situation.tool_call && !c.closed_tools) {
    v.reason = Reason::ok;
    v.need = stricter(v.need, kUnruledTool);
  } else {
    v.label = nullptr;
  }
  if (v.reason != Reason::ok) return v;
  for (const domain::Signal s : domain::kSignals) {
    if (!signals.has(s)) continue;
    const domain::Requirement raised = stricter(v.need, signed_if_tool(c.asked_by(s)));
    if (!(raised == v.need)) v.label = &label_of(s);
    v.need = raised;
  }
  const bool critical = situation.act().sensitivity == domain::Sensitivity::critical;
  v.need.apart = situation.tool_call && critical && v.need.confirmation != domain::Confirmation::none;
  return v;
}

Decision decision(const Verdict& v, const Flow* flow, const Digest& digest, const domain::Evidence& evidence,
                  const Instant& now, bool trusted) noexcept {
  Decision d;
  d.policy = digest;
  d.need = v.need;
  d.rule = v.label != nullptr ? *v.label : domain::InlineText<48>("default");
  d.reason = v.reason;
  if (v.reason != Reason::ok) return d;
  const domain::Requirement& need = v.need;
  d.mandatable = v.mandate && need.confirmation == domain::Confirmation::none;
  if (level(evidence, now, trusted, need.max_age, need.kinds) < need.level) {
    d.outcome = Outcome::step_up;
    if (!trusted && level(evidence, now, true, need.max_age, need.kinds) >= need.level) {
      d.reason = Reason::clock_untrusted;
    } else if (level(evidence, now, true, Duration::max(), need.kinds) < need.level) {
      d.reason = Reason::mfa_required;
    } else {
      d.reason = Reason::mfa_lapsed;
    }
    if (flow != nullptr && level(evidence, now, trusted, need.max_age) >= need.level) d.rule = flow->label;
    return d;
  }
  d.time_left = time_left(evidence, now, trusted, need.max_age, need.level, need.kinds);
  if (need.confirmation == domain::Confirmation::none) {
    d.outcome = Outcome::allow;
  } else {
    d.outcome = Outcome::confirm;
    d.reason = Reason::confirmation_required;
  }
  return d;
}

}  // namespace

const Flow* narrow(const Compiled& c, const Situation& at, domain::Requirement& need) noexcept {
  const Flow* first = nullptr;
  for (const Flow& f : c.flows) {
    if (!at.covered(f, need.level)) continue;
    need.kinds = need.kinds & f.kinds;
    if (f.before(first)) first = &f;
  }
  return first;
}

const domain::InlineText<48>& label_of(domain::Signal s) noexcept {
  static const auto labels = [] {
    std::array<domain::InlineText<48>, domain::kSignals.size()> out;
    for (const domain::Signal each : domain::kSignals) {
      out[static_cast<std::size_t>(each)] = domain::InlineText<48>("signal:" + std::string(domain::name(each)));
    }
    return out;
  }();
  return labels[static_cast<std::size_t>(s)];
}

Decision Policy::decide(const domain::Act& act, const domain::Subject& subject, const domain::Evidence& evidence,
                        const domain::Source& source, const Instant& now, bool clock_trusted,
                        domain::Signals signals) const noexcept {
  Situation at(*compiled_, act, subject, source, now, clock_trusted);
  Verdict v = judge(*compiled_, at, signals);
  const Flow* const flow = v.reason == Reason::ok ? narrow(*compiled_, at, v.need) : nullptr;
  return decision(v, flow, compiled_->digest, evidence, now, clock_trusted);
}

Decision decide_both(const Policy& active, const Policy* staged, const domain::Act& act, const domain::Subject& subject,
                     const domain::Evidence& evidence, const domain::Source& source, const Instant& now,
                     bool clock_trusted, domain::Signals signals) noexcept {
  return decide_all(active, staged, act, subject, nullptr, evidence, source, now, clock_trusted, signals);
}

Decision decide_all(const Policy& active, const Policy* staged, const domain::Act& act, const domain::Subject& subject,
                    const domain::Subject* sponsor, const domain::Evidence& evidence, const domain::Source& source,
                    const Instant& now, bool clock_trusted, domain::Signals signals) noexcept {
  if (staged == nullptr && sponsor == nullptr) return active.decide(act, subject, evidence, source, now, clock_trusted, signals);
  // Each policy is asked about each of those who must be allowed.
  struct Question {
    const Compiled* policy;
    const domain::Subject* who;
  };
  std::array<Question, 4> questions{};
  std::size_t n = 0;
  for (const Policy* p : {&active, staged}) {
    for (const domain::Subject* who : {&subject, sponsor}) {
      if (p != nullptr && who != nullptr) questions[n++] = {&p->compiled(), who};
    }
  }
  const std::span<const Question> all(questions.data(), n);
  const auto situation = [&](const Question& q) { return Situation(*q.policy, act, *q.who, source, now, clock_trusted); };
  Situation first = situation(all.front());
  Verdict v = judge(*all.front().policy, first, signals);
  for (const Question& q : all.subspan(1)) {
    if (v.reason != Reason::ok) break;
    Situation at = situation(q);
    const Verdict other = judge(*q.policy, at, signals);
    const domain::Requirement both = stricter(v.need, other.need);
    if (other.reason != Reason::ok || !(both == v.need)) {
      v.reason = other.reason;
      v.label = other.label;
    }
    v.need = both;
    v.mandate = v.mandate && other.mandate;
  }
  const Flow* flow = nullptr;
  if (v.reason == Reason::ok) {
    // By what all ask for together: it may be more than each asks for, and so be covered by more flows.
    for (const Question& q : all) {
      const Situation at = situation(q);
      const Flow* const other = narrow(*q.policy, at, v.need);
      if (other != nullptr && other->before(flow)) flow = other;
    }
  }
  return decision(v, flow, active.digest(), evidence, now, clock_trusted);
}

std::vector<domain::FactorKind> Policy::offer(std::string_view access_point, const domain::Subject& subject,
                                              const domain::Requirement& need) const {
  domain::Act act;
  act.access_point = access_point;
  domain::Requirement asked = need;
  const Flow* const flow = narrow(*compiled_, Situation(*compiled_, act, subject, {}, {}, true), asked);
  std::vector<domain::FactorKind> out = flow != nullptr ? flow->order : domain::second_factors();
  // The easier answer before the harder one of the same device; kinds decide below whether it counts.
  const auto push = std::find(out.begin(), out.end(), domain::FactorKind::push);
  if (push != out.end()) out.insert(push, domain::FactorKind::push_choice);
  std::erase_if(out, [&](domain::FactorKind k) {
    return !asked.kinds.has(k) || (asked.level >= 3 && !domain::traits_of(k).phishing_resistant);
  });
  return out;
}

std::vector<domain::FactorKind> Policy::sign_in_order(const domain::Subject& subject) const {
  const Flow* first = nullptr;
  for (const Flow& f : compiled_->flows) {
    if (f.access_point.any && f.level <= 2 && f.who.matches(subject) && f.before(first)) first = &f;
  }
  std::vector<domain::FactorKind> out = first != nullptr ? first->order : std::vector<domain::FactorKind>();
  for (const domain::FactorKind k : domain::second_factors()) {
    if (std::find(out.begin(), out.end(), k) == out.end()) out.push_back(k);
  }
  return out;
}

void Policy::quotas(const domain::Act& act, const domain::Subject& subject, Quotas& out) const {
  if (compiled_->quotas.empty() || act.access_point == kAdministration) return;
  const Fact point(act.access_point);
  for (const Limit& q : compiled_->quotas) {
    if (!q.concerns(subject, point)) continue;
    const auto same = [&](const domain::Quota* o) { return o->id == q.terms.id; };
    if (std::none_of(out.begin(), out.end(), same)) out.push_back(&q.terms);
  }
}

std::string why(const domain::Decision& d) {
  const std::string_view rule = d.rule.view();
  const std::size_t colon = rule.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view name = rule.substr(colon + 1);
  if (rule.substr(0, colon) == "quota") return fmt::format("quota \"{}\"", name);
  if (rule.substr(0, colon) == "flow") return fmt::format("what was proved does not count here: flow \"{}\" of the policy", name);
  const auto signal = rule.substr(0, colon) == "signal" ? domain::signal_from(name) : std::nullopt;
  return signal ? fmt::format("more than usual is asked for: {}", domain::meaning(*signal)) : std::string();
}

const Digest& Policy::digest() const noexcept { return compiled_->digest; }
const std::string& Policy::canonical() const noexcept { return compiled_->canonical; }
std::size_t Policy::rule_count() const noexcept { return compiled_->denies.size() + compiled_->allows.size(); }
const domain::Requirement& Policy::baseline(domain::Sensitivity s) const noexcept { return compiled_->base(s); }

bool Policy::allows_choice() const noexcept { return compiled_->base(domain::Sensitivity::low).kinds.has(domain::FactorKind::push_choice); }

const std::vector<Deadline>& Policy::deadlines() const noexcept { return compiled_->deadlines; }

std::vector<std::string> Policy::principals() const {
  std::vector<std::string> out;
  for (const Rule* r : compiled_->rules()) {
    out.insert(out.end(), r->who.entries.begin(), r->who.entries.end());
    out.insert(out.end(), r->approvers.begin(), r->approvers.end());
  }
  for (const Flow& f : compiled_->flows) out.insert(out.end(), f.who.entries.begin(), f.who.entries.end());
  for (const Limit& q : compiled_->quotas) out.insert(out.end(), q.who.entries.begin(), q.who.entries.end());
  // Programs are not in the gateway's books: nobody can say that there is none of that name.
  std::erase_if(out, [](const std::string& e) { return e.starts_with("agent:"); });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace vestibule::policy
