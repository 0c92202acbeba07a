// The decision. Nothing here allocates, locks, reads files or writes what cores share.
#include "policy/policy.hpp"

#include "policy/model.hpp"

namespace vestibule::policy {
namespace {

using domain::Decision;
using domain::Outcome;

// What one policy's rules say, before evidence is looked at.
struct Verdict {
  Reason reason = Reason::policy_no_rule;
  const Rule* rule = nullptr;
  domain::Requirement need{};  // where reason is ok
};

Verdict judge(const Compiled& c, Situation situation) noexcept {
  using Match = Situation::Match;
  Verdict v;
  v.need = c.base(situation.act().sensitivity);
  if (!situation.sane()) return v;
  const Rule* unknown = nullptr;
  for (const Rule& r : c.denies) {
    const Match m = situation.match(r);
    if (m == Match::yes) return {Reason::policy_denied, &r, v.need};
    if (m == Match::unknown && unknown == nullptr) unknown = &r;
  }
  if (unknown != nullptr) return {Reason::clock_untrusted, unknown, v.need};
  for (const Rule& r : c.allows) {
    const Match m = situation.match(r);
    if (m == Match::unknown && unknown == nullptr) unknown = &r;
    if (m != Match::yes) continue;
    const domain::Requirement raised = stricter(v.need, r.need);
    if (v.rule == nullptr || !(raised == v.need)) v.rule = &r;
    v.need = raised;
  }
  if (v.rule != nullptr) {
    v.reason = Reason::ok;
  } else if (unknown != nullptr) {
    v.reason = Reason::clock_untrusted;
    v.rule = unknown;
  }
  return v;
}

Decision decision(const Verdict& v, const Digest& digest, const domain::Evidence& evidence, const Instant& now,
                  bool trusted) noexcept {
  Decision d;
  d.policy = digest;
  d.need = v.need;
  d.rule = v.rule != nullptr ? v.rule->label : domain::InlineText<48>("default");
  d.reason = v.reason;
  if (v.reason != Reason::ok) return d;
  const domain::Requirement& need = v.need;
  if (level(evidence, now, trusted, need.max_age) < need.level) {
    d.outcome = Outcome::step_up;
    if (!trusted && level(evidence, now, true, need.max_age) >= need.level) {
      d.reason = Reason::clock_untrusted;
    } else if (level(evidence, now, true, Duration::max()) < need.level) {
      d.reason = Reason::mfa_required;
    } else {
      d.reason = Reason::mfa_lapsed;
    }
    return d;
  }
  d.time_left = time_left(evidence, now, trusted, need.max_age, need.level);
  if (need.confirmation == domain::Confirmation::none) {
    d.outcome = Outcome::allow;
  } else {
    d.outcome = Outcome::confirm;
    d.reason = Reason::confirmation_required;
  }
  return d;
}

}  // namespace

Decision Policy::decide(const domain::Act& act, const domain::Subject& subject, const domain::Evidence& evidence,
                        const domain::Source& source, const Instant& now, bool clock_trusted) const noexcept {
  return decision(judge(*compiled_, Situation(*compiled_, act, subject, source, now, clock_trusted)),
                  compiled_->digest, evidence, now, clock_trusted);
}

Decision decide_both(const Policy& active, const Policy* staged, const domain::Act& act, const domain::Subject& subject,
                     const domain::Evidence& evidence, const domain::Source& source, const Instant& now,
                     bool clock_trusted) noexcept {
  const Compiled& c = active.compiled();
  Verdict v = judge(c, Situation(c, act, subject, source, now, clock_trusted));
  if (staged != nullptr && v.reason == Reason::ok) {
    const Compiled& s = staged->compiled();
    Verdict other = judge(s, Situation(s, act, subject, source, now, clock_trusted));
    const domain::Requirement both = stricter(v.need, other.need);
    if (other.reason != Reason::ok || !(both == v.need)) {
      v.reason = other.reason;
      v.rule = other.rule;
    }
    v.need = both;
  }
  return decision(v, c.digest, evidence, now, clock_trusted);
}

const Digest& Policy::digest() const noexcept { return compiled_->digest; }
const std::string& Policy::canonical() const noexcept { return compiled_->canonical; }
std::size_t Policy::rule_count() const noexcept { return compiled_->denies.size() + compiled_->allows.size(); }
const domain::Requirement& Policy::baseline(domain::Sensitivity s) const noexcept { return compiled_->base(s); }

std::vector<std::string> Policy::principals() const {
  std::vector<std::string> out;
  for (const Rule* r : compiled_->rules()) out.insert(out.end(), r->who.entries.begin(), r->who.entries.end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace vestibule::policy
