#pragma once
// What a policy file becomes: the form that is matched, canonicalised, explained and compared.
// Private to the room.

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "policy/condition.hpp"
#include "policy/deadline.hpp"
#include "policy/glob.hpp"
#include "policy/hours.hpp"
#include "policy/network.hpp"
#include "policy/policy.hpp"

namespace vestibule::policy {

/// "role:member", "agent:build" and the like. Nobody listed: anyone who is signed in.
struct Who {
  bool anyone = true;
  std::vector<domain::NameId> roles, groups;
  std::vector<std::string> users, agents;
  bool any_agent = false;            ///< "agent:*"
  std::vector<std::string> entries;  ///< as written, sorted

  [[nodiscard]] bool matches(const domain::Subject& s) const noexcept {
    if (anyone) return true;
    for (const auto id : roles) {
      if (domain::has(s.roles, id)) return true;
    }
    for (const auto id : groups) {
      if (domain::has(s.groups, id)) return true;
    }
    if (std::find(users.begin(), users.end(), s.name.view()) != users.end()) return true;
    const std::string_view agent = domain::agent_of(s);
    return !agent.empty() && (any_agent || std::find(agents.begin(), agents.end(), agent) != agents.end());
  }
  [[nodiscard]] bool covers(const Who& o) const noexcept {
    return anyone || (!o.anyone && std::includes(entries.begin(), entries.end(), o.entries.begin(), o.entries.end()));
  }
};

/// A list of globs; none: any name, also the empty one.
struct Names {
  bool any = true;
  bool administration = false;  ///< kAdministration is named literally
  std::uint64_t gates = ~std::uint64_t{0};  ///< of all globs: most names are refused by this alone
  std::vector<Glob> globs;

  void set_gates() noexcept {
    gates = any ? ~std::uint64_t{0} : 0;
    for (const Glob& g : globs) gates |= g.gates();
  }
  [[nodiscard]] bool matches(const Fact& name) const noexcept {
    if (any) return true;
    if ((gates & name.gate) == 0) return false;
    for (const Glob& g : globs) {
      if (g.matches(name)) return true;
    }
    return false;
  }
  [[nodiscard]] bool covers(const Names& o) const noexcept {
    if (any) return true;
    if (o.any) return false;
    return std::all_of(o.globs.begin(), o.globs.end(), [&](const Glob& inner) {
      return std::any_of(globs.begin(), globs.end(), [&](const Glob& g) { return g.covers(inner); });
    });
  }
};

enum class Effect : std::uint8_t { allow, deny };

/// The requirement of a rule that asks for nothing: neutral under domain::stricter().
inline constexpr domain::Requirement kNothing = [] {
  domain::Requirement r;
  r.level = 0;
  r.max_age = Duration::max();
  r.kinds = domain::KindSet::every();
  return r;
}();
/// What a tool call takes that no rule speaks about: the person signs it.
inline constexpr domain::Requirement kUnruledTool = [] {
  domain::Requirement r = kNothing;
  r.confirmation = domain::Confirmation::self;
  r.bound = true;
  return r;
}();

struct Rule {
  Effect effect = Effect::allow;
  Who who;
  Names access_point, operation, model;
  bool of_tools = false;            ///< `tool` is there: it speaks of tool calls, and of nothing else
  Names tool;
  std::vector<Condition> argument;  ///< all must hold; sorted by their text
  Networks network;
  Hours hours;
  std::size_t zone = 0;             ///< index into Compiled::zones where hours are given
  domain::Requirement need = kNothing;
  bool mandate = false;             ///< what it allows may be done under a mandate
  std::vector<std::string> approvers;  ///< as written, sorted: need.approvers
  domain::InlineText<48> label;     ///< the name again, ready to be copied into a decision
  std::string name;
  std::string zone_name;
  int line = 0;

  [[nodiscard]] bool matches_access_point(const Fact& f, bool administration) const noexcept {
    if (administration && effect == Effect::allow) return access_point.administration;
    return access_point.matches(f);
  }
  /// A deny rule that names no tool speaks of tool calls too, unless its operations leave them out.
  [[nodiscard]] bool speaks_of(bool tool_call) const noexcept {
    return tool_call ? of_tools || effect == Effect::deny : !of_tools;
  }
  /// True only if each of these conditions follows from one of the other's.
  [[nodiscard]] bool argument_covers(const Rule& o) const noexcept {
    return std::all_of(argument.begin(), argument.end(), [&](const Condition& wide) {
      return std::any_of(o.argument.begin(), o.argument.end(), [&](const Condition& c) { return wide.follows_from(c); });
    });
  }
  /// Likewise of tools: a deny rule that names none reaches every one.
  [[nodiscard]] bool tools_cover(const Rule& o) const noexcept {
    if (of_tools != o.of_tools) return effect == Effect::deny && o.of_tools && operation.matches(domain::kToolCall);
    return tool.covers(o.tool) && argument_covers(o);
  }
  /// True only if every act that `o` matches is matched by this rule, and every one of which `o` cannot tell
  /// is one of which this one cannot tell or that it matches; both have the same effect.
  [[nodiscard]] bool covers(const Rule& o) const noexcept {
    const bool admin = effect == Effect::deny || access_point.administration || !o.access_point.administration;
    const bool same_zone = hours.always() || zone_name == o.zone_name;
    return admin && same_zone && who.covers(o.who) && access_point.covers(o.access_point) &&
           (o.of_tools || operation.covers(o.operation)) && tools_cover(o) && model.covers(o.model) && network.covers(o.network) &&
           hours.covers(o.hours);
  }
};

/// Which kinds count for the acts that it covers, and in which order they are offered. Like a deny rule
/// it only takes away, so what is left out or a wildcard reaches the administration too.
struct Flow {
  Who who;
  Names access_point;
  int level = 0;                          ///< covers what asks for this much at least
  domain::KindSet kinds;                  ///< with the password, which always counts
  std::vector<domain::FactorKind> order;  ///< as written
  domain::InlineText<48> label;           ///< "flow:NAME"
  std::string name;
  int line = 0;

  /// True only if every act that `o` covers is covered by this one, whatever it asks for.
  [[nodiscard]] bool covers(const Flow& o) const noexcept {
    return level <= o.level && who.covers(o.who) && access_point.covers(o.access_point);
  }
  /// Gives the order where both cover an act: the shorter list, else the first by name.
  [[nodiscard]] bool before(const Flow* o) const noexcept { return o == nullptr || order.size() < o->order.size(); }
};

/// Like a flow it only takes away; but it never reaches the administration.
struct Limit {
  Who who;
  Names access_point;
  domain::Quota terms;
  std::string name;
  int line = 0;

  [[nodiscard]] bool concerns(const domain::Subject& s, const Fact& point) const noexcept {
    return who.matches(s) && access_point.matches(point);
  }
  /// True only if whatever `o` concerns is limited by this one at least as far.
  [[nodiscard]] bool covers(const Limit& o) const noexcept {
    return who.covers(o.who) && access_point.covers(o.access_point) && terms.within(o.terms);
  }
};

/// "signal:new_source": what a decision names as its rule where the signal has raised it.
[[nodiscard]] const domain::InlineText<48>& label_of(domain::Signal s) noexcept;

struct Compiled {
  std::array<domain::Requirement, 4> baseline;  ///< by Sensitivity
  std::array<domain::Requirement, domain::kSignals.size()> signals;  ///< by Signal
  std::vector<Flow> flows;                      ///< in order of names
  std::vector<Rule> denies, allows;             ///< each in order of names
  std::vector<Zone> zones;                      ///< those that rules name, each once
  std::vector<Deadline> deadlines;              ///< in order of role and kind
  std::vector<Limit> quotas;                    ///< in order of names
  bool closed_tools = false;                    ///< a tool call that no rule allows is denied
  std::string canonical;
  Digest digest{};

  [[nodiscard]] const domain::Requirement& base(domain::Sensitivity s) const noexcept {
    const auto i = static_cast<std::size_t>(s);
    return baseline[i < baseline.size() ? i : baseline.size() - 1];
  }
  [[nodiscard]] const domain::Requirement& asked_by(domain::Signal s) const noexcept {
    return signals[static_cast<std::size_t>(s)];
  }
  /// Every rule in order of names.
  [[nodiscard]] std::vector<const Rule*> rules() const;
};

inline constexpr std::array kSensitivities = {domain::Sensitivity::low, domain::Sensitivity::moderate,
                                              domain::Sensitivity::high, domain::Sensitivity::critical};
/// "15m", "12h", "90s": the largest unit that is exact, as the file spells it.
[[nodiscard]] std::string age_text(Duration d);
[[nodiscard]] std::string canonical_text(const Compiled& c);
/// The rule's matchers by key, each with its canonical entries; omitted ones left out.
struct Matcher { std::string_view key; std::vector<std::string> entries; };
[[nodiscard]] std::vector<Matcher> matchers(const Rule& r);
[[nodiscard]] std::vector<Matcher> matchers(const Flow& f);
[[nodiscard]] std::vector<Matcher> matchers(const Limit& q);
/// What differs between two lists of matchers, in words; empty if nothing does.
[[nodiscard]] std::string changes(const std::vector<Matcher>& before, const std::vector<Matcher>& after,
                                  std::initializer_list<std::string_view> keys);
/// As a TOML basic string, and a line of a list of those.
void append_quoted(std::string& out, std::string_view text);
void append_list(std::string& out, std::string_view key, const std::vector<std::string>& entries);

}  // namespace vestibule::policy
