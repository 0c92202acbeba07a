// Any text as a policy: no crash; what parses has a canonical form that parses to the same digest,
// decides, explains and compares without contradiction; no signal lowers what is asked for.
#include <cstdlib>
#include <string_view>

#include "policy/compare.hpp"
#include "policy/explanation.hpp"
#include "policy/policy.hpp"

using namespace vestibule;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

struct Person {
  domain::Subject subject;
  domain::Evidence evidence;
  Person() {
    subject.user.bytes[0] = 1;
    subject.name = domain::UserName("alice");
    subject.roles.push_back(domain::intern("member"));
    subject.groups.push_back(domain::intern("ml"));
    domain::Proof p{domain::FactorKind::password, domain::traits_of(domain::FactorKind::password), {}, {}, {}};
    p.factor.bytes[0] = 1;
    evidence.add(p);
    p = {domain::FactorKind::totp, domain::traits_of(domain::FactorKind::totp), {}, WallTime(std::chrono::hours(1)), BootTime(std::chrono::hours(1))};
    p.factor.bytes[0] = 2;
    evidence.add(p);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Person alice;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = policy::Policy::parse(text, "fuzz.toml");
  must(parsed.policy.has_value() == parsed.problems.empty());
  if (!parsed) return 0;
  const policy::Policy& p = *parsed.policy;
  const auto again = policy::Policy::parse(p.canonical(), "canonical.toml");
  must(again && again.policy->digest() == p.digest() && again.policy->canonical() == p.canonical());

  domain::Act act;
  act.operation = "chat";
  act.model = "tiny-1";
  const auto source = *domain::Source::parse("10.0.0.1");
  for (const std::string_view access_point : {"demo", "vestibule"}) {
    for (const bool trusted : {true, false}) {
      for (const int hour : {1, 2, 50}) {
        act.access_point = access_point;
        act.sensitivity = static_cast<domain::Sensitivity>(hour % 4);
        const Duration t = std::chrono::hours(hour);
        const Instant now{WallTime(t), BootTime(t)};
        const auto a = p.decide(act, alice.subject, alice.evidence, source, now, trusted);
        const auto b = again.policy->decide(act, alice.subject, alice.evidence, source, now, trusted);
        must(a.outcome == b.outcome && a.reason == b.reason && a.need == b.need && a.rule == b.rule);
        const auto both = policy::decide_both(p, &*again.policy, act, alice.subject, alice.evidence, source, now, trusted);
        must(both.outcome == a.outcome && both.reason == a.reason && both.need == a.need);
        domain::Signals up;
        for (const auto s : domain::kSignals) {
          up.raise(s);
          const auto raised = p.decide(act, alice.subject, alice.evidence, source, now, trusted, up);
          must(stricter(a.need, raised.need) == raised.need);
          must(a.outcome == domain::Outcome::allow || raised.outcome != domain::Outcome::allow);
          must((a.outcome == domain::Outcome::deny) == (raised.outcome == domain::Outcome::deny));
          must(!p.explain(act, alice.subject, alice.evidence, source, now, trusted, up).json().empty());
        }
        for (const auto kind : p.offer(access_point, alice.subject, a.need)) must(a.need.kinds.has(kind));
        policy::Quotas counted;
        p.quotas(act, alice.subject, counted);
        must(access_point != policy::kAdministration || counted.empty());
        const std::size_t each = counted.size();
        again.policy->quotas(act, alice.subject, counted);
        must(counted.size() == each);
        for (const domain::Quota* q : counted) {
          must(q->within(*q) && (q->requests.given() || q->tokens.given() || q->streams > 0));
          must(!q->requests.given() || q->requests.interval() > 0);
          must(!q->tokens.given() || q->tokens.interval() > 0);
        }
        const auto e = p.explain(act, alice.subject, alice.evidence, source, now, trusted);
        bool denied = false;
        bool allowed = false;
        for (const auto& r : e.rules) (r.allow ? allowed : denied) |= r.matched;
        must((a.outcome == domain::Outcome::deny) == (denied || !allowed));
        must(!e.text().empty() && !e.json().empty());
      }
    }
  }
  const bool closed = p.canonical().find("\n[tools]\n") != std::string::npos;
  for (const std::string_view tool : {"transfer", "delete_file"}) {
    for (const std::string_view arguments : {"{}", R"({"amount":100.5,"path":"/srv/data/x"})", R"({"amount":1,"Amount":2})", "["}) {
      domain::Act made;
      made.access_point = "demo";
      made.operation = domain::kToolCall;
      made.tool = tool;
      made.arguments = arguments;
      for (const bool trusted : {true, false}) {
        const Instant now{WallTime(std::chrono::hours(1)), BootTime(std::chrono::hours(1))};
        const auto a = p.decide(made, alice.subject, alice.evidence, source, now, trusted);
        const auto b = again.policy->decide(made, alice.subject, alice.evidence, source, now, trusted);
        must(a.outcome == b.outcome && a.need == b.need && a.rule == b.rule);
        const auto e = p.explain(made, alice.subject, alice.evidence, source, now, trusted);
        bool denied = false;
        bool allowed = false;
        for (const auto& r : e.rules) (r.allow ? allowed : denied) |= r.matched;
        // Nobody is told no but by a rule or the clock, and nothing goes without a person that no rule lets go.
        must(a.outcome != domain::Outcome::deny || denied || a.reason == Reason::clock_untrusted || (closed && !allowed));
        must(!denied || a.outcome == domain::Outcome::deny);
        must(a.outcome != domain::Outcome::allow || allowed);
        must(a.outcome == domain::Outcome::deny || a.need.confirmation == domain::Confirmation::none || !a.mandatable);
        must(!e.text().empty() && !e.json().empty());
      }
    }
  }
  must(p.sign_in_order(alice.subject).size() == domain::second_factors().size());
  must(policy::compare(p, *again.policy).empty());
  static const policy::Policy other = *policy::Policy::parse(policy::default_policy_text(), "default").policy;
  static const policy::Policy nothing = *policy::Policy::parse("", "empty").policy;
  (void)policy::compare(p, other);
  (void)policy::compare(other, p);
  // From nothing every allow rule is new.
  const auto d = p.decide(act, alice.subject, alice.evidence, source, {}, true);
  must(d.outcome == domain::Outcome::deny || policy::loosens(policy::compare(nothing, p)));
  return 0;
}
