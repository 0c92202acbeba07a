#include <fmt/format.h>

#include <span>

#include "json/writer.hpp"
#include "policy/explanation.hpp"
#include "policy/quotas.hpp"
#include "policy/situation.hpp"
#include "policy/tools.hpp"

namespace vestibule::policy {
namespace {

using domain::Confirmation;

// Facts come from callers: what is not printable stays out of a terminal.
std::string shown(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 128)) {
    const auto u = static_cast<unsigned char>(c);
    out.push_back(u < 0x20 || u >= 0x7f || c == '"' ? '?' : c);
  }
  return out + (text.size() > 128 ? "...\"" : "\"");
}

std::string listed(const std::vector<std::string>& entries, std::size_t most = 6) {
  std::string out;
  for (std::size_t i = 0; i < entries.size() && i < most; ++i) out += (i == 0 ? "" : ", ") + entries[i];
  if (entries.size() > most) out += fmt::format(" and {} more", entries.size() - most);
  return out;
}

std::vector<std::string> principals_of(const domain::Subject& s) {
  std::vector<std::string> out;
  for (const auto id : s.roles) out.push_back("role:" + std::string(domain::interned(id)));
  for (const auto id : s.groups) out.push_back("group:" + std::string(domain::interned(id)));
  std::sort(out.begin(), out.end());
  return out;
}

std::string human(Duration d) {
  if (d == Duration::max()) return "for the whole session";
  const auto s = std::chrono::duration_cast<std::chrono::seconds>(d).count();
  if (s >= 3600) return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{} s", s);
}

std::vector<std::string> list_of(const Rule& r, std::string_view key) {
  for (auto& m : matchers(r)) {
    if (m.key == key) return std::move(m.entries);
  }
  return {"*"};
}

std::vector<std::string> why_not(const Rule& r, Situation& at, const domain::Subject& subject, const domain::Source& source) {
  std::vector<std::string> out;
  if (!r.who.matches(subject)) {
    const auto has = principals_of(subject);
    out.push_back(fmt::format("who: {} has {}; the rule asks for {}", shown(subject.name.view()),
                              has.empty() ? "no role or group" : listed(has), listed(r.who.entries)));
  }
  if (!r.matches_access_point(at.access_point, at.administration)) {
    out.push_back(at.administration && r.access_point.matches(at.access_point)
                      ? fmt::format("access_point: the administration must be named: add \"{}\"", kAdministration)
                      : fmt::format("access_point: {} is not in {}", shown(at.access_point.text), listed(list_of(r, "access_point"))));
  }
  if (!r.speaks_of(at.tool_call)) {
    out.emplace_back(at.tool_call ? "tool: to allow a tool call, a rule must name the tool" : "tool: the rule speaks of tool calls, and this is none");
  } else if (!r.tool.matches(at.tool)) {
    out.push_back(fmt::format("tool: {} is not in {}", shown(at.tool.text), listed(list_of(r, "tool"))));
  }
  if (!r.operation.matches(at.operation)) {
    out.push_back(fmt::format("operation: {} is not in {}", shown(at.operation.text), listed(list_of(r, "operation"))));
  }
  if (!r.model.matches(at.model)) {
    const std::string models = listed(list_of(r, "model"));
    out.push_back(at.model.text.empty() ? fmt::format("model: the act names none; the rule asks for {}", models)
                                        : fmt::format("model: {} is not in {}", shown(at.model.text), models));
  }
  if (!r.network.matches(source)) {
    out.push_back(fmt::format("network: {} is not in {}", source.text(), listed(r.network.entries())));
  }
  switch (at.hour(r)) {
    case Situation::Match::yes:
    case Situation::Match::undecided: break;
    case Situation::Match::no:
      out.push_back(fmt::format("hours: {} in {} is outside {}", week_text(at.minute(r)), r.zone_name, listed(r.hours.entries())));
      break;
    case Situation::Match::unknown:
      if (r.effect == Effect::allow) out.push_back("hours: the clock is not trusted, so the hour is not known");
      break;
  }
  return out;
}

// Conditions that do not hold to `no`, those that cannot be told to `unknown`.
void conditions(const Rule& r, const domain::Act& act, std::vector<std::string>& no, std::vector<std::string>& unknown) {
  std::array<Truth, kMaxConditions> each{};
  const std::span<Truth> used(each.data(), r.argument.size());
  judge(r.argument, act.arguments, used);
  for (std::size_t i = 0; i < used.size(); ++i) {
    const std::string& text = r.argument[i].text();
    if (used[i] == Truth::no) no.push_back(fmt::format("argument: {} does not hold", text));
    if (used[i] == Truth::unknown) unknown.push_back(fmt::format("argument: {} cannot be told: it is missing, of another type, or may be read in two ways", text));
  }
}

std::string_view meaning(int level) {
  return level >= 3 ? "a phishing-resistant factor with user verification, bound to a device (a passkey or security key)"
                    : "factors of two different kinds (a password and a code from an authenticator app)";
}

// What a person has to hand for this kind.
std::string_view thing(domain::FactorKind kind, int level) {
  switch (kind) {
    case domain::FactorKind::password: return "the password";
    case domain::FactorKind::recovery_code: return "a recovery code";
    case domain::FactorKind::totp: return "a code from an authenticator app";
    case domain::FactorKind::hotp: return "a code from a hardware token";
    case domain::FactorKind::push: return "an answer on an enrolled device";
    case domain::FactorKind::push_choice: return "one number of three on an enrolled device";
    case domain::FactorKind::external: return "what a factor plug-in asks for";
    case domain::FactorKind::webauthn:
      return level >= 3 ? "a passkey or a security key, with PIN or biometrics and not synced" : "a passkey or a security key";
  }
  return domain::name(kind);
}

// "a passkey or a security key, or a code from an authenticator app, proved within the last 15 min"
std::string satisfying(const std::vector<domain::FactorKind>& kinds, const domain::Requirement& need) {
  if (kinds.empty()) return "no kind of factor would satisfy: the flows leave none";
  std::string out;
  for (const auto k : kinds) out.append(out.empty() ? "" : k == kinds.back() ? ", or " : ", ").append(thing(k, need.level));
  const auto s = std::chrono::duration_cast<std::chrono::seconds>(need.max_age).count();
  const std::string within = s % 3600 == 0 ? fmt::format("{} h", s / 3600) : s % 60 == 0 ? fmt::format("{} min", s / 60) : fmt::format("{} s", s);
  return fmt::format("would satisfy: {}, proved within the last {}", out, within);
}

std::string proof_why(const domain::Proof& p, const domain::Requirement& need, const Instant& now, bool trusted, bool& counts) {
  counts = false;
  if (!need.kinds.has(p.kind)) {
    return p.kind == domain::FactorKind::push_choice
               ? "does not count here: a choice of numbers does so at sensitivity low alone, where the policy allows it, no signal is up and every flow lists push"
               : "does not count here: the flow does not list it";
  }
  if (p.traits.knowledge && !p.traits.possession) {
    counts = true;
    return "something known: counts as long as the session lives";
  }
  if (!p.traits.possession) return "opens the management of factors only";
  if (!trusted) return "the clock is not trusted: counts as lapsed";
  const Duration a = age(p, now);
  if (a > need.max_age) return fmt::format("lapsed: older than {} by {}", age_text(need.max_age), human(a - need.max_age));
  counts = true;
  return fmt::format("counts for {} more", human(need.max_age - a));
}

// `asking`: allow rules that match, and those that might if their arguments could be told.
void add_parts(Explanation& e, const Compiled& c, const domain::Act& act, const std::vector<const Rule*>& asking,
               domain::Signals signals) {
  const domain::Requirement& need = e.decision.need;
  const bool tool_call = domain::is_tool_call(act);
  const bool unruled = tool_call && std::ranges::none_of(e.rules, [](const auto& r) { return r.allow && r.matched; });
  const domain::Requirement& base = c.base(act.sensitivity);
  const auto part = [&](std::string what, std::string value, auto&& asks) {
    Explanation::Part p{std::move(what), std::move(value), {}};
    if (asks(base)) p.from.push_back(fmt::format("sensitivity {}", domain::name(act.sensitivity)));
    for (const Rule* r : asking) {
      if (asks(r->need)) p.from.push_back(fmt::format("rule \"{}\"", r->name));
    }
    if (unruled && asks(kUnruledTool)) p.from.emplace_back("no rule allows this tool call");
    for (const auto s : domain::kSignals) {
      // What the sensitivity asks for anyway is not the signal's doing.
      if (signals.has(s) && asks(c.asked_by(s)) && !asks(base)) p.from.push_back(fmt::format("signal {}", domain::name(s)));
    }
    e.parts.push_back(std::move(p));
  };
  part("level", std::to_string(need.level), [&](const auto& r) { return r.level == need.level; });
  part("max_age", age_text(need.max_age), [&](const auto& r) { return r.max_age == need.max_age; });
  if (need.confirmation != Confirmation::none) {
    part("confirm", confirm_text(need), [&](const auto& r) { return r.confirmation == need.confirmation; });
    if (tool_call) {
      const std::string_view with = need.apart   ? "a signature, not of a synced passkey on the machine that asks"
                                    : need.bound ? "a signature"
                                                 : "a signature or a code";
      part("with", std::string(with), [&](const auto& r) { return need.bound && r.confirmation != Confirmation::none && r.bound; });
    }
    if (!need.approvers.anybody()) {
      part("by", need.approvers.text(), [](const auto& r) { return !r.approvers.anybody(); });
    }
    if (need.justification) part("reason", "given", [](const auto& r) { return r.justification; });
  }
  if (e.decision.mandatable) {
    Explanation::Part p{"mandate", "will do", {}};
    for (const Rule* r : asking) {
      if (r->mandate) p.from.push_back(fmt::format("rule \"{}\"", r->name));
    }
    e.parts.push_back(std::move(p));
  }
  if (need.kinds.has(domain::FactorKind::push_choice)) {
    e.parts.push_back({"push", "choice", {fmt::format("sensitivity {}", domain::name(act.sensitivity))}});
  }
}

void add_factors(Explanation& e, const Compiled& c, const Situation& at, const std::vector<domain::FactorKind>& offered) {
  Explanation::Part p{"factors", {}, {}};
  for (const Flow& f : c.flows) {
    if (at.covered(f, e.decision.need.level)) p.from.push_back(fmt::format("flow \"{}\"", f.name));
  }
  if (p.from.empty()) return;
  for (const auto k : offered) p.value.append(p.value.empty() ? "" : ", ").append(domain::name(k));
  if (offered.empty()) p.value = "none";
  e.parts.push_back(std::move(p));
}

std::string confirming(const domain::Requirement& need) {
  if (need.confirmation != Confirmation::people) return "confirm this one act with a factor";
  return fmt::format("have {} confirm this one act", need.people == 1 ? "another person" : fmt::format("{} other people", need.people));
}

void add_remedies(Explanation& e, const Compiled& c, const Situation& at, const std::vector<domain::FactorKind>& offered) {
  const bool closed = at.tool_call && c.closed_tools;
  const domain::Requirement& need = e.decision.need;
  const std::string rule(e.decision.rule.view());
  const auto say = [&](std::string text) { e.remedies.push_back(std::move(text)); };
  const auto line = [&](std::string_view name) {
    for (const auto& r : e.rules) {
      if (r.name == name) return r.line;
    }
    return 0;
  };
  if (e.decision.reason == Reason::policy_denied) {
    say(fmt::format("rule \"{}\" (line {}) denies this, whatever is proved", rule, line(rule)));
    const auto by = std::ranges::find(e.rules, rule, &Explanation::RuleLine::name);
    if (by != e.rules.end() && !by->undecided.empty()) say("it denies what cannot be told; plain arguments might pass");
  } else if (e.decision.reason == Reason::policy_no_rule) {
    if (closed) say("tools that no rule allows are denied here ([tools] unruled)");
    std::size_t least = std::numeric_limits<std::size_t>::max();
    for (const auto& r : e.rules) {
      if (r.allow && !r.matched) least = std::min(least, r.why_not.size());
    }
    for (const auto& r : e.rules) {
      if (!r.allow || r.matched || r.why_not.size() != least || e.remedies.size() == 3) continue;
      std::string why;
      for (const auto& w : r.why_not) why += (why.empty() ? "" : "; ") + w;
      say(fmt::format("rule \"{}\" (line {}) is near: {}", r.name, r.line, why));
    }
    if (e.remedies.empty()) say("the policy has no allow rule at all");
  } else if (e.decision.reason == Reason::clock_untrusted) {
    say("the operator must set the clock right: it stands behind a time that was seen before");
  } else if (e.decision.reason == Reason::mfa_required) {
    say(fmt::format("prove level {}: {}", need.level, meaning(need.level)));
  } else if (e.decision.reason == Reason::mfa_lapsed) {
    say(fmt::format("prove the second factor again: for level {} it may be {} old at most", need.level, age_text(need.max_age)));
  } else if (e.decision.reason == Reason::confirmation_required) {
    say(confirming(need));
  }
  if (e.decision.reason == Reason::mfa_required || e.decision.reason == Reason::mfa_lapsed) say(satisfying(offered, need));
  if (e.decision.outcome == domain::Outcome::step_up && e.decision.mandatable) {
    say(fmt::format("or, for an API key, a mandate that somebody has signed with level {}", need.level));
  }
  if (e.decision.outcome == domain::Outcome::step_up && need.confirmation != Confirmation::none) {
    say("then " + confirming(need));
  }
}

}  // namespace

Explanation Policy::explain(const domain::Act& act, const domain::Subject& subject, const domain::Evidence& evidence,
                            const domain::Source& source, const Instant& now, bool clock_trusted,
                            domain::Signals signals) const {
  const Compiled& c = *compiled_;
  Explanation e;
  e.decision = decide(act, subject, evidence, source, now, clock_trusted, signals);
  for (const auto s : domain::kSignals) {
    if (signals.has(s)) e.signals.push_back(fmt::format("{}: {}", domain::name(s), domain::meaning(s)));
  }
  Situation at(c, act, subject, source, now, clock_trusted);
  const auto has = principals_of(subject);
  e.act = fmt::format("{}{} asks for {}{} at {} (sensitivity {}) from {} at {}", shown(subject.name.view()),
                      has.empty() ? "" : fmt::format(" ({})", listed(has)),
                      act.tool.empty() ? shown(act.operation) : fmt::format("tool {}", shown(act.tool)),
                      act.model.empty() ? "" : fmt::format(" of {}", shown(act.model)), shown(act.access_point),
                      domain::name(act.sensitivity), source.text(), rfc3339(now.wall));
  std::vector<const Rule*> asking;
  for (const Rule* r : c.rules()) {
    Explanation::RuleLine line{r->name, r->effect == Effect::allow, false, r->line, {}, {}};
    if (subject.user.is_nil()) {
      line.why_not.emplace_back("who: nobody is signed in");
    } else if (!at.sane()) {
      line.why_not.push_back(fmt::format("a fact of the act is longer than {} bytes, or it is a tool call of no tool or of the administration", kMaxFact));
    } else {
      line.why_not = why_not(*r, at, subject, source);
      if (at.tool_call && !r->argument.empty()) conditions(*r, act, line.why_not, line.undecided);
    }
    const bool fits = line.why_not.empty();
    line.matched = fits && (line.undecided.empty() || !line.allow);
    if (fits && line.allow) asking.push_back(r);
    e.rules.push_back(std::move(line));
  }
  const std::vector<domain::FactorKind> offered = offer(act.access_point, subject, e.decision.need);
  if (e.decision.outcome != domain::Outcome::deny) {
    add_parts(e, c, act, asking, signals);
    add_factors(e, c, at, offered);
  }
  for (const auto& p : evidence) {
    Explanation::ProofLine line{std::string(domain::name(p.kind)), age(p, now), false, {}};
    line.why = proof_why(p, e.decision.need, now, clock_trusted, line.counts);
    e.proofs.push_back(std::move(line));
  }
  e.level = level(evidence, now, clock_trusted, e.decision.need.max_age, e.decision.need.kinds);
  if (e.decision.outcome != domain::Outcome::deny) e.quotas = quota_lines(c, act, subject);
  add_remedies(e, c, at, offered);
  return e;
}

std::string Explanation::text(Rules which) const {
  std::string out = act + "\n";
  out += fmt::format("-> {}: {}", domain::name(decision.outcome), info(decision.reason).code);
  if (decision.rule.view() != "default") out += fmt::format(" (rule \"{}\")", decision.rule.view());
  if (decision.outcome == domain::Outcome::allow) out += fmt::format(", {} left", human(decision.time_left));
  out += "\n";
  if (!signals.empty()) out += "\nsignals\n";
  for (const auto& s : signals) out += fmt::format("  {}\n", s);
  out += "\nrules\n";
  const bool some = std::any_of(rules.begin(), rules.end(), [](const auto& r) { return r.matched; });
  for (const auto& r : rules) {
    if (!r.matched && which == Rules::matching && some) continue;
    out += fmt::format("  {} {:<5} \"{}\" (line {})\n", r.matched ? "+" : "-", r.allow ? "allow" : "deny", r.name, r.line);
    for (const auto& w : r.why_not) out += fmt::format("      {}\n", w);
    for (const auto& w : r.undecided) out += fmt::format("      {}\n", w);
  }
  if (rules.empty()) out += "  none\n";
  if (!parts.empty()) out += "\nneeded\n";
  for (const auto& p : parts) {
    std::string from;
    for (const auto& f : p.from) from += (from.empty() ? "" : ", ") + f;
    out += fmt::format("  {:<8} {:<5} {}\n", p.what, p.value, from);
  }
  if (!parts.empty()) {
    out += fmt::format("\nproved (level {})\n", level);
    for (const auto& p : proofs) out += fmt::format("  {} {}, {} ago: {}\n", p.counts ? "+" : "-", p.kind, human(p.age), p.why);
    if (proofs.empty()) out += "  nothing\n";
  }
  if (!quotas.empty()) out += "\nquotas\n";
  for (const auto& q : quotas) out += fmt::format("  {}\n", q);
  if (!remedies.empty()) out += "\nwhat would help\n";
  for (const auto& r : remedies) out += fmt::format("  {}\n", r);
  return out;
}

std::string Explanation::json() const {
  const auto seconds = [](Duration d) { return std::chrono::duration_cast<std::chrono::seconds>(d).count(); };
  json::Writer w;
  w.begin_object();
  w.member("act", act).member("outcome", domain::name(decision.outcome)).member("reason", info(decision.reason).code);
  w.member("rule", decision.rule.view()).member("policy", hex(decision.policy)).member("level", level);
  w.key("time_left");
  if (decision.time_left == Duration::max()) {
    w.null();  // as long as the session
  } else {
    w.value(seconds(decision.time_left));
  }
  w.key("signals").begin_array();
  for (const auto& s : signals) w.value(std::string_view(s).substr(0, s.find(':')));
  w.end_array().key("rules").begin_array();
  for (const auto& r : rules) {
    w.begin_object().member("name", r.name).member("effect", r.allow ? "allow" : "deny").member("line", r.line);
    w.member("matched", r.matched).key("why_not").begin_array();
    for (const auto& y : r.why_not) w.value(y);
    w.end_array();
    if (!r.undecided.empty()) {
      w.key("undecided").begin_array();
      for (const auto& y : r.undecided) w.value(y);
      w.end_array();
    }
    w.end_object();
  }
  w.end_array().key("needed").begin_array();
  for (const auto& p : parts) {
    w.begin_object().member("what", p.what).member("value", p.value).key("from").begin_array();
    for (const auto& f : p.from) w.value(f);
    w.end_array().end_object();
  }
  w.end_array().key("proofs").begin_array();
  for (const auto& p : proofs) {
    w.begin_object().member("kind", p.kind).member("age", seconds(p.age)).member("counts", p.counts);
    w.member("why", p.why).end_object();
  }
  w.end_array().key("quotas").begin_array();
  for (const auto& q : quotas) w.value(q);
  w.end_array().key("remedies").begin_array();
  for (const auto& r : remedies) w.value(r);
  w.end_array().end_object();
  return w.take();
}

}  // namespace vestibule::policy
