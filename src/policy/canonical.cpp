#include <fmt/format.h>

#include "policy/deadlines.hpp"
#include "policy/model.hpp"
#include "policy/quotas.hpp"
#include "policy/tools.hpp"

namespace vestibule::policy {
namespace {

std::vector<std::string> entries_of(const Names& n) {
  std::vector<std::string> out;
  for (const Glob& g : n.globs) out.push_back(g.text());
  return out;
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {  // a TOML basic string
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);  // the parser lets no control character in
  }
  out.push_back('"');
}

void append_list(std::string& out, std::string_view key, const std::vector<std::string>& entries) {
  out.append(key).append(" = [");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out.append(", ");
    append_quoted(out, entries[i]);
  }
  out.append("]\n");
}

std::string age_text(Duration d) {
  using namespace std::chrono;
  const auto n = d.count();
  if (n % 3'600'000'000 == 0) return fmt::format("{}h", duration_cast<hours>(d).count());
  if (n % 60'000'000 == 0) return fmt::format("{}m", duration_cast<minutes>(d).count());
  if (n % 1'000'000 == 0) return fmt::format("{}s", duration_cast<seconds>(d).count());
  return fmt::format("{}ms", duration_cast<milliseconds>(d).count());
}

std::vector<const Rule*> Compiled::rules() const {
  std::vector<const Rule*> out;
  for (const Rule& r : denies) out.push_back(&r);
  for (const Rule& r : allows) out.push_back(&r);
  std::sort(out.begin(), out.end(), [](const Rule* a, const Rule* b) { return a->name < b->name; });
  return out;
}

std::vector<Matcher> matchers(const Rule& r) {
  std::vector<Matcher> out;
  if (!r.who.anyone) out.push_back({"who", r.who.entries});
  if (!r.access_point.any) out.push_back({"access_point", entries_of(r.access_point)});
  if (!r.operation.any) out.push_back({"operation", entries_of(r.operation)});
  // "*" says here that the rule speaks of tools.
  if (r.of_tools) out.push_back({"tool", r.tool.any ? std::vector<std::string>{"*"} : entries_of(r.tool)});
  if (!r.argument.empty()) out.push_back({"argument", texts_of(r.argument)});
  if (!r.model.any) out.push_back({"model", entries_of(r.model)});
  if (!r.network.anywhere()) out.push_back({"network", r.network.entries()});
  if (!r.hours.always()) out.push_back({"hours", r.hours.entries()});
  return out;
}

std::vector<Matcher> matchers(const Flow& f) {
  std::vector<Matcher> out;
  if (!f.who.anyone) out.push_back({"who", f.who.entries});
  if (!f.access_point.any) out.push_back({"access_point", entries_of(f.access_point)});
  std::vector<std::string> factors;
  for (const auto kind : f.order) factors.emplace_back(domain::name(kind));
  out.push_back({"factors", std::move(factors)});
  return out;
}

std::vector<Matcher> matchers(const Limit& q) {
  std::vector<Matcher> out;
  if (!q.who.anyone) out.push_back({"who", q.who.entries});
  if (!q.access_point.any) out.push_back({"access_point", entries_of(q.access_point)});
  return out;
}

std::string canonical_text(const Compiled& c) {
  std::string out;
  const auto row = [&](std::string_view table, std::string_view name, const domain::Requirement& r) {
    out += fmt::format("[{}.{}]\nlevel = {}\nmax_age = \"{}\"\nconfirm = \"{}\"\n", table, name, r.level,
                       age_text(r.max_age), r.confirmation == domain::Confirmation::none ? "none" : "self");
  };
  for (const auto s : kSensitivities) {
    row("sensitivity", name(s), c.base(s));
    if (c.base(s).kinds.has(domain::FactorKind::push_choice)) out.append("push = \"choice\"\n");
  }
  for (const auto s : domain::kSignals) {
    // Younger than the form: a policy that does not speak of it keeps its digest.
    const domain::Requirement& r = c.asked_by(s);
    const bool off = r.level == 2 && r.max_age == std::chrono::hours(24) && r.confirmation == domain::Confirmation::none;
    if (s != domain::Signal::destructive_tool || !off) row("signal", name(s), r);
  }
  append_unruled(out, c);
  for (const Flow& f : c.flows) {
    out.append("[[flow]]\nname = ");
    append_quoted(out, f.name);
    out.push_back('\n');
    for (const Matcher& m : matchers(f)) append_list(out, m.key, m.entries);
    if (f.level > 0) out += fmt::format("level = {}\n", f.level);
  }
  for (const Rule* r : c.rules()) {
    out.append("[[rule]]\nname = ");
    append_quoted(out, r->name);
    out.append(r->effect == Effect::allow ? "\neffect = \"allow\"\n" : "\neffect = \"deny\"\n");
    for (const Matcher& m : matchers(*r)) append_list(out, m.key, m.entries);
    if (!r->hours.always()) out += fmt::format("zone = \"{}\"\n", r->zone_name);
    if (r->need.level > 0) out += fmt::format("level = {}\n", r->need.level);
    if (r->need.max_age != kNothing.max_age) out += fmt::format("max_age = \"{}\"\n", age_text(r->need.max_age));
    append_confirmation(out, *r);
    if (r->mandate) out += "mandate = true\n";
  }
  append_deadlines(out, c);
  append_quotas(out, c);
  return out;
}

}  // namespace vestibule::policy
