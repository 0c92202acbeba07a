// From text to rules: the options are declared once, what they mean together is checked here.
#include <fmt/format.h>

#include "crypto/hash.hpp"
#include "policy/deadlines.hpp"
#include "policy/entries.hpp"
#include "policy/model.hpp"
#include "policy/quotas.hpp"
#include "policy/tools.hpp"
#include "schema/schema.hpp"

namespace vestibule::policy {
namespace {

using schema::Section;
using schema::Type;

struct Defaults { std::string_view level, max_age, confirm; };
constexpr std::array<Defaults, 4> kDefaults = {{{"2", "12h", "none"}, {"2", "1h", "none"}, {"3", "15m", "none"}, {"3", "15m", "self"}}};
constexpr std::array<Defaults, domain::kSignals.size()> kSignalDefaults = {
    {{"2", "15m", "none"}, {"2", "1h", "none"}, {"2", "15m", "none"}, {"2", "15m", "none"}, {"2", "24h", "none"}}};

constexpr Duration kOldest = std::chrono::hours(24);  // no proof may grow older, so it switches a signal off

const schema::Schema& declarations() {
  static const schema::Schema s = [] {
    schema::Schema out;
    const auto requirement = [&](const std::string& table, std::string help, const Defaults& d) {
      out.table(table, std::move(help));
      out.option({.name = table + ".level", .type = Type::integer,
                  .help = "2: two kinds of factor. 3: a phishing-resistant, user-verified, device-bound one.",
                  .fallback = std::string(d.level), .example = "3", .min = "2", .max = "3", .reloadable = true});
      out.option({.name = table + ".max_age", .type = Type::duration, .help = "How old the proof may be.",
                  .fallback = std::string(d.max_age), .example = "15m", .min = "10s", .max = "24h", .reloadable = true});
      out.option({.name = table + ".confirm", .type = Type::choice,
                  .help = "self: the person confirms each act with a factor of its own.",
                  .fallback = std::string(d.confirm), .example = "self", .choices = {"none", "self"}, .reloadable = true});
    };
    for (const auto sensitivity : kSensitivities) {
      const std::string table = "sensitivity." + std::string(name(sensitivity));
      requirement(table, fmt::format("What access points of sensitivity {} ask for before any rule raises it.", name(sensitivity)),
                  kDefaults[static_cast<std::size_t>(sensitivity)]);
      out.option({.name = table + ".push", .type = Type::choice,
                  .help = "digits: a push device is answered by typing six. choice: one number of three will do as well; at sensitivity low only.",
                  .fallback = "digits", .example = "choice", .choices = {"digits", "choice"}, .reloadable = true});
    }
    for (const auto signal : domain::kSignals) {
      requirement("signal." + std::string(name(signal)),
                  fmt::format("What is asked for at least while {}. It raises, and never lowers.", domain::meaning(signal)),
                  kSignalDefaults[static_cast<std::size_t>(signal)]);
    }
    declare_unruled(out);
    out.table("rule[]", "One rule. Matchers that are left out match anything; the order of rules means nothing.");
    const auto text = [&](std::string key, std::string help, std::string example, bool required, Type type,
                          std::vector<std::string> choices) {
      out.option({.name = "rule[]." + std::move(key), .type = type, .help = std::move(help), .example = std::move(example),
                  .choices = std::move(choices), .required = required, .reloadable = true});
    };
    const auto list = [&](std::string key, std::string help, std::string example) {
      out.option({.name = "rule[]." + std::move(key), .type = Type::list, .help = std::move(help),
                  .example = std::move(example), .min = "1", .max = std::to_string(kMaxEntries), .reloadable = true});
    };
    text("name", "Unique; stands in decisions and in the audit log. At most 48 bytes.", "members chat", true, Type::string, {});
    text("effect", "A deny rule that matches wins over every allow rule.", "allow", true, Type::choice, {"allow", "deny"});
    list("who", "role:NAME, group:NAME, user:NAME, or anyone who is signed in.", "[\"role:member\", \"user:alice\"]");
    list("access_point", "Names; * and ? are wildcards. `vestibule` (administration) must be named to be allowed.", "[\"demo\", \"lab-*\"]");
    list("operation", "Operations; * and ? are wildcards.", "[\"chat\", \"models.list\"]");
    list("model", "Models; * and ? are wildcards. An act that names no model matches only \"*\".", "[\"tiny*\"]");
    list("hours", "Hours of the week in `zone`; a span may pass midnight and then belongs to the day it begins on.", "[\"Mon-Fri 08:00-18:00\"]");
    text("zone", "IANA time zone of `hours`.", "Europe/Berlin", false, Type::string, {});
    list("network", "IPv4 or IPv6 networks, or unix for the gateway's own socket.", "[\"10.0.0.0/8\", \"unix\"]");
    out.option({.name = "rule[].level", .type = Type::integer, .help = "Raises the level that is asked for.",
                .example = "3", .min = "2", .max = "3", .reloadable = true});
    out.option({.name = "rule[].max_age", .type = Type::duration, .help = "Asks for a younger proof.",
                .example = "15m", .min = "10s", .max = "24h", .reloadable = true});
    declare_tools(out);
    out.option({.name = "rule[].mandate", .type = Type::boolean,
                .help = "What this rule allows may be done unattended, under a mandate that a person has signed. Never at sensitivity critical.",
                .example = "true", .reloadable = true});
    out.table("flow[]", "Which kinds of factors count, and in which order they are offered. Matchers that are left out match anything.");
    const auto of_flow = [&](std::string key, std::string help, std::string example, schema::Option option) {
      option.name = "flow[]." + std::move(key);
      option.help = std::move(help);
      option.example = std::move(example);
      option.reloadable = true;
      out.option(std::move(option));
    };
    schema::Option entries;
    entries.type = Type::list;
    entries.min = "1";
    entries.max = std::to_string(kMaxEntries);
    schema::Option once;
    once.required = true;
    of_flow("name", "Unique among flows; stands in decisions as flow:NAME. At most 40 bytes.", "administrators", once);
    of_flow("who", "As in a rule.", "[\"role:administrator\"]", entries);
    of_flow("access_point", "As in a rule; wildcards and omission reach `vestibule` too, since a flow only takes away.", "[\"lab-*\"]", entries);
    schema::Option level;
    level.type = Type::integer;
    level.min = "2";
    level.max = "3";
    of_flow("level", "Holds only where this level or a higher one is asked for.", "3", level);
    entries.required = true;
    of_flow("factors", "Second factors that count, the first to be offered first. What is not listed does not count.", "[\"webauthn\", \"totp\"]", entries);
    declare_deadlines(out);
    declare_quotas(out);
    return out;
  }();
  return s;
}

class Reader {
 public:
  Reader(Compiled& out, std::vector<Problem>& problems) : out_(out), problems_(problems) {}

  void read(const schema::Document& doc) {
    for (const auto s : kSensitivities) {
      domain::Requirement& base = out_.baseline[static_cast<std::size_t>(s)];
      const std::string table = fmt::format("sensitivity.{}.", name(s));
      base = read_requirement(doc, table);
      base.kinds = domain::KindSet::ordinary();
      if (doc.get_string(table + "push") != "choice") continue;
      if (s == domain::Sensitivity::low) {
        base.kinds.add(domain::FactorKind::push_choice);
      } else {
        problems_.push_back(doc.problem(table + "push", "\"choice\" is a guess in three: it is there for sensitivity low alone"));
      }
    }
    for (std::size_t i = 1; i < kSensitivities.size(); ++i) {
      const auto above = kSensitivities[i];
      const auto below = kSensitivities[i - 1];
      if (stricter(out_.base(above), out_.base(below)) == out_.base(above)) continue;
      const auto& a = out_.base(above);
      const auto& b = out_.base(below);
      const std::string_view part = a.level < b.level ? "level" : a.max_age > b.max_age ? "max_age" : "confirm";
      problems_.push_back(doc.problem(fmt::format("sensitivity.{}.{}", name(above), part),
                                      fmt::format("asks for less than sensitivity {} does", name(below))));
    }
    const auto& rules = doc.sections("rule");
    if (rules.size() > kMaxRules) {
      problems_.push_back(rules[kMaxRules].problem("", fmt::format("is one rule too many: at most {}", kMaxRules)));
      return;
    }
    for (const auto s : domain::kSignals) {
      domain::Requirement& asked = out_.signals[static_cast<std::size_t>(s)];
      asked = read_requirement(doc, fmt::format("signal.{}.", name(s)));
      // What is out of the ordinary is not answered by a guess. One that is switched off asks for nothing.
      const bool off = asked.level <= 2 && asked.max_age >= kOldest && asked.confirmation == domain::Confirmation::none;
      if (!off) asked.kinds = domain::KindSet::ordinary();
    }
    read_unruled(doc, out_);
    for (const Section& r : rules) read_rule(r);
    const auto& flows = doc.sections("flow");
    if (flows.size() > kMaxFlows) {
      problems_.push_back(flows[kMaxFlows].problem("", fmt::format("is one flow too many: at most {}", kMaxFlows)));
      return;
    }
    taken_.clear();
    for (const Section& f : flows) read_flow(f);
    std::sort(out_.flows.begin(), out_.flows.end(), [](const Flow& a, const Flow& b) { return a.name < b.name; });
    const auto by_name = [](const Rule& a, const Rule& b) { return a.name < b.name; };
    std::sort(out_.denies.begin(), out_.denies.end(), by_name);
    std::sort(out_.allows.begin(), out_.allows.end(), by_name);
  }

 private:
  static domain::Requirement read_requirement(const schema::Document& doc, const std::string& table) {
    domain::Requirement b = kNothing;
    b.level = static_cast<int>(doc.get_integer(table + "level"));
    b.max_age = doc.get_duration(table + "max_age");
    if (doc.get_string(table + "confirm") == "self") b.confirmation = domain::Confirmation::self;
    return b;
  }

  void read_rule(const Section& s) {
    Rule r;
    r.line = static_cast<int>(s.line_of());
    r.effect = s.get_string("effect") == "allow" ? Effect::allow : Effect::deny;
    r.name = s.get_string("name");
    r.label = domain::InlineText<48>(r.name);
    read_name(s, "rule", kMaxRuleName, taken_, problems_);
    if (r.name == "default") problem(s, "name", "\"default\" is taken: it stands for no rule in the log");
    for (const std::string_view taken : {"signal:", "flow:", "quota:"}) {
      if (r.name.starts_with(taken)) problem(s, "name", fmt::format("must not begin with \"{}\": it stands for one in the log", taken));
    }
    read_who(s, r.who, problems_);
    read_names(s, "access_point", r.effect, r.access_point, problems_);
    read_names(s, "operation", r.effect, r.operation, problems_);
    read_names(s, "model", r.effect, r.model, problems_);
    if (s.present("network")) {
      for (const auto& e : s.get_list("network")) {
        const auto added = r.network.add(e);
        if (!added) complain(s, "network", e, added.error().detail);
      }
      r.network.normalise();
    }
    read_hours(s, r);
    read_tools(s, r, problems_);
    read_need(s, r);
    (r.effect == Effect::allow ? out_.allows : out_.denies).push_back(std::move(r));
  }

  void read_flow(const Section& s) {
    Flow f;
    f.line = static_cast<int>(s.line_of());
    f.name = s.get_string("name");
    f.label = domain::InlineText<48>("flow:" + f.name);
    read_name(s, "flow", kMaxFlowName, taken_, problems_);
    read_who(s, f.who, problems_);
    read_names(s, "access_point", Effect::deny, f.access_point, problems_);
    if (s.present("level") && s.get_integer("level") > 2) f.level = 3;  // 2 is what everything asks for
    f.kinds.add(domain::FactorKind::password);
    for (const auto& e : s.get_list("factors")) {
      const auto kinds = domain::second_factors();
      const auto kind = domain::factor_kind_from(e);
      if (kind == domain::FactorKind::push_choice) {
        complain(s, "factors", e, "is no factor of its own: list push; sensitivity low says whether a choice will do");
      } else if (kind && f.kinds.has(*kind)) {
        complain(s, "factors", e, *kind == domain::FactorKind::password ? "always counts as the first factor: leave it out" : "is there twice");
      } else if (!kind || std::find(kinds.begin(), kinds.end(), *kind) == kinds.end()) {
        std::string known;
        for (const auto k : kinds) known.append(known.empty() ? "" : ", ").append(domain::name(k));
        complain(s, "factors", e, "is no second factor: there are " + known);
      } else {
        f.kinds.add(*kind);
        f.order.push_back(*kind);
        // A flow only takes away: whether a choice of numbers counts, the sensitivity says.
        if (*kind == domain::FactorKind::push) f.kinds.add(domain::FactorKind::push_choice);
      }
    }
    out_.flows.push_back(std::move(f));
  }

  void read_hours(const Section& s, Rule& r) {
    const bool hours = s.present("hours");
    if (hours != s.present("zone")) {
      problem(s, hours ? "hours" : "zone", hours ? "needs a zone, such as zone = \"Europe/Berlin\"" : "means nothing without hours");
      return;
    }
    if (!hours) return;
    for (const auto& e : s.get_list("hours")) {
      const auto added = r.hours.add(e);
      if (!added) complain(s, "hours", e, added.error().detail);
    }
    r.hours.normalise();
    r.zone_name = s.get_string("zone");
    const auto known = std::find_if(out_.zones.begin(), out_.zones.end(), [&](const Zone& z) { return z.name() == r.zone_name; });
    r.zone = static_cast<std::size_t>(known - out_.zones.begin());
    if (known == out_.zones.end()) {
      auto zone = Zone::load(r.zone_name);
      if (!zone) return complain(s, "zone", r.zone_name, zone.error().detail);
      out_.zones.push_back(std::move(*zone));
    }
    if (r.hours.entries().size() > kMaxEntries) {
      problem(s, "hours", fmt::format("make more than {} different spans of single days", kMaxEntries));
    }
  }

  void read_need(const Section& s, Rule& r) {
    if (r.effect == Effect::deny) {
      for (const std::string_view key : {"level", "max_age", "mandate"}) {
        if (s.present(key)) problem(s, key, "means nothing in a deny rule: leave it out");
      }
      return;
    }
    const domain::Requirement& least = out_.base(domain::Sensitivity::low);
    if (s.present("level")) {
      r.need.level = static_cast<int>(s.get_integer("level"));
      if (r.need.level < least.level) problem(s, "level", fmt::format("raises nothing: every sensitivity asks for {} at least", least.level));
    }
    if (s.present("max_age")) {
      r.need.max_age = s.get_duration("max_age");
      if (r.need.max_age > least.max_age) problem(s, "max_age", fmt::format("raises nothing: no sensitivity lets a proof grow older than {}", age_text(least.max_age)));
    }
    r.mandate = s.present("mandate") && s.get_boolean("mandate");
    if (r.mandate && r.need.confirmation != domain::Confirmation::none) {
      problem(s, "mandate", "means nothing where each single act is confirmed: leave it or confirm out");
    }
  }

  void problem(const Section& s, std::string_view key, std::string message) {
    problems_.push_back(s.problem(key, std::move(message)));
  }
  void complain(const Section& s, std::string_view key, std::string_view entry, std::string_view why) {
    policy::complain(s, key, entry, why, problems_);
  }

  Compiled& out_;
  std::vector<Problem>& problems_;
  Taken taken_;
};

}  // namespace

ParseResult Policy::parse(std::string_view text, std::string_view file, domain::KindSet enrollable) {
  ParseResult result;
  const auto doc = declarations().parse(text, file, &result.problems);
  if (!doc) return result;
  auto compiled = std::make_shared<Compiled>();
  Reader(*compiled, result.problems).read(*doc);
  read_deadlines(*doc, enrollable, *compiled, result.problems);
  read_quotas(*doc, *compiled, result.problems);
  if (result.problems.empty()) {
    compiled->canonical = canonical_text(*compiled);
    if (compiled->canonical.size() > kMaxPolicyText) {
      result.problems.push_back({std::string(file), 0, 0, "", "is too large once written out in full: at most 1 MiB"});
    }
  }
  std::stable_sort(result.problems.begin(), result.problems.end(), [](const Problem& a, const Problem& b) { return a.line < b.line; });
  if (!result.problems.empty()) return result;
  compiled->digest = crypto::sha256(as_bytes(compiled->canonical));
  result.policy.emplace(Policy(std::move(compiled)));
  return result;
}

std::string ParseResult::text() const {
  std::string out;
  for (const Problem& p : problems) out.append(p.text()).push_back('\n');
  return out;
}

std::string reference_markdown() { return declarations().reference_markdown(); }

}  // namespace vestibule::policy
