#include "policy/compare.hpp"

#include <fmt/format.h>

#include "policy/deadlines.hpp"
#include "policy/model.hpp"
#include "policy/pair_up.hpp"
#include "policy/quotas.hpp"
#include "policy/tools.hpp"

// The proof behind "does not loosen", for all acts at once. It rests on single rules, so that it can
// be checked by hand:
//  (1) no baseline falls, and none takes a choice of numbers that did not;
//  (2) each deny rule of before is covered by one deny rule of after;
//  (3) each allow rule of after is covered by one allow rule of before, that lets it be done under a mandate
//      if the later one does: nothing new is allowed, and nothing that was attended is unattended; or it is
//      about tools and asks for what a tool call without a rule takes: it only adds to that. Tools that were
//      closed stay so;
//  (4) each allow rule of before that raises the requirement is covered by one allow rule of after
//      that raises it as far: what is still allowed asks for no less. A rule about tools raises also where its
//      arguments cannot be told, and covers() holds for those acts too;
//  (5) no signal asks for less (one that is not switched off refuses choices of numbers);
//  (6) each flow of before is covered by one flow of after that lists no other kinds: by (1), (4) and (5)
//      a level that it holds from is still reached;
//  (7) each quota of before is covered by one quota of after that counts in the same way and gives no more.
// A change is blamed for the conditions that its own rule breaks.

namespace vestibule::policy {
namespace {

bool raises(const Rule& r) { return !(r.need == kNothing); }
bool at_least(domain::Requirement a, domain::Requirement b) {
  a.approvers = b.approvers = {};
  return stricter(a, b) == a;
}
// Whoever stands on the list of `a` stands on that of `b`.
bool approvers_within(const Rule& a, const Rule& b) {
  return b.approvers.empty() || (!a.approvers.empty() && std::ranges::includes(b.approvers, a.approvers));
}
bool at_least(const Rule& a, const Rule& b) { return at_least(a.need, b.need) && approvers_within(a, b); }

bool deny_kept(const Rule& before, const Compiled& after) {
  return std::any_of(after.denies.begin(), after.denies.end(), [&](const Rule& r) { return r.covers(before); });
}
bool allowed_already(const Rule& after, const Compiled& before) {
  return std::any_of(before.allows.begin(), before.allows.end(), [&](const Rule& r) {
    return r.covers(after) && (r.mandate || !after.mandate);
  });
}
bool requirement_kept(const Rule& before, const Compiled& after) {
  return !raises(before) || std::any_of(after.allows.begin(), after.allows.end(), [&](const Rule& r) {
    return r.covers(before) && at_least(r, before);
  });
}

bool removal_loosens(const Rule& r, const Compiled& after) {
  return r.effect == Effect::deny ? !deny_kept(r, after) : !requirement_kept(r, after);
}
bool addition_loosens(const Rule& r, const Compiled& before) {
  const bool adds_only = r.of_tools && !before.closed_tools && !r.mandate && at_least(r.need, kUnruledTool);
  return r.effect == Effect::allow && !adds_only && !allowed_already(r, before);
}

std::string in_quotes(const std::vector<std::string>& entries) {
  std::string out;
  for (const auto& e : entries) out += (out.empty() ? "\"" : ", \"") + e + "\"";
  return out;
}

std::vector<std::string> minus(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::string> out;
  for (const auto& e : a) {
    if (std::find(b.begin(), b.end(), e) == b.end()) out.push_back(e);
  }
  return out;
}

std::string need_text(const Rule& rule) {
  const domain::Requirement& r = rule.need;
  std::string out;
  const auto add = [&](std::string part) { out += (out.empty() ? "" : ", ") + part; };
  if (r.level > 0) add(fmt::format("level {}", r.level));
  if (r.max_age != kNothing.max_age) add("max_age " + age_text(r.max_age));
  if (r.confirmation != domain::Confirmation::none) add("confirm " + confirm_text(r));
  if (!rule.approvers.empty()) add("of " + r.approvers.text());
  if (rule.of_tools && r.confirmation != domain::Confirmation::none && !r.bound) add("a code will do");
  if (r.justification) add("a reason");
  return out.empty() ? "nothing more" : out;
}

std::string_view effect_text(const Rule& r) { return r.effect == Effect::allow ? "allow" : "deny"; }

std::string changes(const Rule& a, const Rule& b) {
  std::string out = a.effect == b.effect ? "" : fmt::format("effect was {}, is {}", effect_text(a), effect_text(b));
  const auto add = [&](std::string part) { out += (out.empty() ? "" : "; ") + part; };
  const std::string matched = changes(matchers(a), matchers(b), {"who", "access_point", "operation", "tool", "argument", "model", "network", "hours"});
  if (!matched.empty()) add(matched);
  if (a.zone_name != b.zone_name && !a.hours.always() && !b.hours.always()) add(fmt::format("zone was {}, is {}", a.zone_name, b.zone_name));
  if (!(a.need == b.need)) add(fmt::format("asked for {}, asks for {}", need_text(a), need_text(b)));
  if (a.mandate != b.mandate) add(b.mandate ? "may be done under a mandate" : "may no longer be done under a mandate");
  return out;
}

void compare_rows(const std::string& row, const domain::Requirement& x, const domain::Requirement& y,
                  std::vector<Difference>& out) {
  const auto add = [&](std::string_view part, std::string was, std::string is, bool loosens) {
    out.push_back({fmt::format("{}: {} was {}, is {}", row, part, was, is), loosens});
  };
  if (x.level != y.level) add("level", std::to_string(x.level), std::to_string(y.level), y.level < x.level);
  if (x.max_age != y.max_age) add("max_age", age_text(x.max_age), age_text(y.max_age), y.max_age > x.max_age);
  const auto confirm = [](const domain::Requirement& r) { return r.confirmation == domain::Confirmation::none ? "none" : "self"; };
  if (x.confirmation != y.confirmation) add("confirm", confirm(x), confirm(y), y.confirmation < x.confirmation);
}

bool flow_kept(const Flow& before, const Compiled& after) {
  return std::any_of(after.flows.begin(), after.flows.end(),
                     [&](const Flow& f) { return f.covers(before) && f.kinds.within(before.kinds); });
}

std::string changes(const Flow& a, const Flow& b) {
  std::string out = changes(matchers(a), matchers(b), {"who", "access_point", "factors"});
  const auto add = [&](std::string part) { out += (out.empty() ? "" : "; ") + part; };
  if (a.order != b.order && a.kinds == b.kinds) add("factors are offered in another order");
  if (a.level != b.level) add(b.level > a.level ? "holds from level 3 on only" : "holds for every level");
  return out;
}

void compare_flows(const Compiled& a, const Compiled& b, std::vector<Difference>& out) {
  pair_up(a.flows, b.flows,
          [&](const Flow& x) { out.push_back({fmt::format("flow \"{}\" is removed", x.name), !flow_kept(x, b)}); },
          [&](const Flow& y) { out.push_back({fmt::format("flow \"{}\" is added", y.name), false}); },
          [&](const Flow& x, const Flow& y) {
            const std::string what = changes(x, y);
            if (!what.empty()) out.push_back({fmt::format("flow \"{}\": {}", x.name, what), !flow_kept(x, b)});
          });
}

}  // namespace

std::string changes(const std::vector<Matcher>& ma, const std::vector<Matcher>& mb,
                    std::initializer_list<std::string_view> keys) {
  std::string out;
  const auto add = [&](std::string part) { out += (out.empty() ? "" : "; ") + part; };
  for (const std::string_view key : keys) {
    const auto find = [&](const std::vector<Matcher>& m) -> const std::vector<std::string>* {
      const auto it = std::find_if(m.begin(), m.end(), [&](const Matcher& x) { return x.key == key; });
      return it == m.end() ? nullptr : &it->entries;
    };
    const auto* ea = find(ma);
    const auto* eb = find(mb);
    if (ea == nullptr && eb == nullptr) continue;
    if (ea == nullptr) add(fmt::format("{} was anything, is {}", key, in_quotes(*eb)));
    if (eb == nullptr) add(fmt::format("{} was {}, is anything", key, in_quotes(*ea)));
    if (ea == nullptr || eb == nullptr) continue;
    const auto more = minus(*eb, *ea);
    const auto less = minus(*ea, *eb);
    if (!more.empty()) add(fmt::format("{} adds {}", key, in_quotes(more)));
    if (!less.empty()) add(fmt::format("{} drops {}", key, in_quotes(less)));
  }
  return out;
}

std::vector<Difference> compare(const Policy& before, const Policy& after) {
  std::vector<Difference> out;
  if (before.digest() == after.digest()) return out;
  const Compiled& a = before.compiled();
  const Compiled& b = after.compiled();
  for (const auto s : kSensitivities) {
    compare_rows(fmt::format("sensitivity {}", name(s)), a.base(s), b.base(s), out);
    const bool was = a.base(s).kinds.has(domain::FactorKind::push_choice);
    const bool is = b.base(s).kinds.has(domain::FactorKind::push_choice);
    const auto text = [](bool choice) { return choice ? "choice" : "digits"; };
    if (was != is) out.push_back({fmt::format("sensitivity {}: push was {}, is {}", name(s), text(was), text(is)), is});
  }
  for (const auto s : domain::kSignals) compare_rows(fmt::format("signal {}", name(s)), a.asked_by(s), b.asked_by(s), out);
  if (a.closed_tools != b.closed_tools) {
    const auto text = [](const Compiled& c) { return c.closed_tools ? "deny" : "confirm"; };
    out.push_back({fmt::format("tools: unruled was {}, is {}", text(a), text(b)), a.closed_tools});
  }
  pair_up(a.rules(), b.rules(),
          [&](const Rule* x) {
            out.push_back({fmt::format("rule \"{}\" ({}) is removed", x->name, effect_text(*x)), removal_loosens(*x, b)});
          },
          [&](const Rule* y) {
            out.push_back({fmt::format("rule \"{}\" ({}) is added", y->name, effect_text(*y)), addition_loosens(*y, a)});
          },
          [&](const Rule* x, const Rule* y) {
            const std::string what = changes(*x, *y);
            if (what.empty()) return;
            out.push_back({fmt::format("rule \"{}\": {}", x->name, what), removal_loosens(*x, b) || addition_loosens(*y, a)});
          });
  compare_flows(a, b, out);
  compare_deadlines(a, b, out);
  compare_quotas(a, b, out);
  return out;
}

bool loosens(const std::vector<Difference>& differences) noexcept {
  return std::any_of(differences.begin(), differences.end(), [](const Difference& d) { return d.loosens; });
}

}  // namespace vestibule::policy
