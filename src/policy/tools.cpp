#include "policy/tools.hpp"

#include <fmt/format.h>

#include "policy/entries.hpp"

namespace vestibule::policy {
namespace {

using domain::Confirmation;
using schema::Section;
using schema::Type;

void read_conditions(const Section& s, Rule& r, std::vector<Problem>& problems) {
  if (!s.present("argument")) return;
  const auto& entries = s.get_list("argument");
  for (const std::string& e : entries) {
    if (e.size() > kMaxEntry || !printable(e)) {
      complain(s, "argument", e, fmt::format("needs at most {} bytes without control characters", kMaxEntry), problems);
      continue;
    }
    Result<Condition> condition = Condition::parse(e);
    if (!condition) {
      complain(s, "argument", e, condition.error().detail, problems);
    } else {
      r.argument.push_back(std::move(*condition));
    }
  }
  const auto text = [](const Condition& c) -> const std::string& { return c.text(); };
  std::ranges::sort(r.argument, {}, text);
  const auto doubled = std::ranges::unique(r.argument, {}, text);
  r.argument.erase(doubled.begin(), doubled.end());
}

void read_approvers(const Section& s, Rule& r, std::vector<Problem>& problems) {
  for (const std::string& e : s.get_list("approvers")) {
    const std::size_t colon = std::min(e.find(':'), e.size());
    const std::string_view kind = std::string_view(e).substr(0, colon);
    const std::string_view name = std::string_view(e).substr(std::min(colon + 1, e.size()));
    const std::size_t limit = kind == "user" ? domain::kMaxUserName : kMaxEntry;
    if (kind != "role" && kind != "group" && kind != "user") {
      complain(s, "approvers", e, "is none of role:NAME, group:NAME, user:NAME", problems);
    } else if (name.empty() || name.size() > limit || !printable(name) || name.front() == ' ' || name.back() == ' ') {
      complain(s, "approvers", e, fmt::format("needs a name of 1 to {} bytes", limit), problems);
    } else if (name.find_first_of("*?") != std::string_view::npos) {
      complain(s, "approvers", e, "has a wildcard: people are named in full; for anybody who is eligible leave approvers out", problems);
    } else {
      r.approvers.push_back(e);
    }
  }
  std::ranges::sort(r.approvers);
  const auto doubled = std::ranges::unique(r.approvers);
  r.approvers.erase(doubled.begin(), doubled.end());
  r.need.approvers = domain::Approvers::of(r.approvers);
}

void read_confirmation(const Section& s, Rule& r, std::vector<Problem>& problems) {
  const auto problem = [&](std::string_view key, std::string message) { problems.push_back(s.problem(key, std::move(message))); };
  const std::string_view confirm = s.present("confirm") ? std::string_view(s.get_string("confirm")) : r.of_tools ? "self" : "none";
  if (s.present("confirm") && !r.of_tools && confirm != "self") {
    problem("confirm", "\"none\" and \"people\" are for rules that name a tool; \"self\" is for every rule");
  }
  domain::Requirement& need = r.need;
  need.confirmation = confirm == "none" ? Confirmation::none : confirm == "self" ? Confirmation::self : Confirmation::people;
  const bool people = need.confirmation == Confirmation::people;
  if (people && !s.present("people")) problem("confirm", "needs people = N: how many of them must sign");
  if (people && s.present("people")) need.people = static_cast<std::uint8_t>(s.get_integer("people"));
  for (const std::string_view key : {"people", "approvers"}) {
    if (s.present(key) && !people) problem(key, "means nothing without confirm = \"people\"");
  }
  if (people && s.present("approvers")) read_approvers(s, r, problems);
  const bool asked = r.of_tools && need.confirmation != Confirmation::none;
  for (const std::string_view key : {"confirm_with", "justification"}) {
    if (s.present(key) && !asked) problem(key, "means nothing but in a rule that names a tool and has it confirmed");
  }
  need.bound = asked && !(s.present("confirm_with") && s.get_string("confirm_with") == "code");
  need.justification = asked && s.present("justification") && s.get_boolean("justification");
}

}  // namespace

void declare_tools(schema::Schema& out) {
  const auto option = [&](schema::Option o) {
    o.name = "rule[]." + o.name;
    o.reloadable = true;
    out.option(std::move(o));
  };
  const std::string most = std::to_string(kMaxEntries);
  option({.name = "tool", .type = Type::list, .help = "Tools that a model's reply asks for; * and ? are wildcards. A rule that has this speaks of tool calls and of nothing else.",
          .example = "[\"delete_*\", \"transfer\"]", .min = "1", .max = most});
  option({.name = "argument", .type = Type::list,
          .help = "Conditions on the tool's arguments, FIELD OPERATOR VALUE; all must hold. What cannot be told allows nothing, and is denied by a deny rule.",
          .example = "[\"amount > 100\", \"path under /srv/data\", \"to domain example.org\"]", .min = "1", .max = std::to_string(kMaxConditions)});
  option({.name = "confirm", .type = Type::choice,
          .help = "self: the person confirms each act with a factor of its own. In a rule that names a tool it is so if this is left out; there may be none, and people: as many as `people` says, none of them the one who asks.",
          .example = "self", .choices = {"none", "self", "people"}});
  option({.name = "people", .type = Type::integer, .help = "How many must sign, with confirm = \"people\".", .example = "2",
          .min = "1", .max = std::to_string(kMaxPeople)});
  option({.name = "approvers", .type = Type::list, .help = "Who of those that are eligible may sign: role:NAME, group:NAME or user:NAME. Left out: all of them.",
          .example = "[\"role:treasurer\"]", .min = "1", .max = most});
  option({.name = "confirm_with", .type = Type::choice,
          .help = "signature: by a factor that signs this very call (the default). code: a code from an authenticator app will do as well; it says nothing of what it is for.",
          .example = "code", .choices = {"signature", "code"}});
  option({.name = "justification", .type = Type::boolean, .help = "Whoever confirms a tool call gives a reason, which is kept.", .example = "true"});
}

void declare_unruled(schema::Schema& out) {
  out.table("tools", "Tool calls in general.");
  out.option({.name = "tools.unruled", .type = Type::choice,
              .help = "What becomes of a tool call that no allow rule allows. confirm: the person signs it. deny: it is denied.",
              .fallback = "confirm", .example = "deny", .choices = {"confirm", "deny"}, .reloadable = true});
}

void read_unruled(const schema::Document& doc, Compiled& out) { out.closed_tools = doc.get_string("tools.unruled") == "deny"; }

void append_unruled(std::string& out, const Compiled& c) {
  if (c.closed_tools) out += "[tools]\nunruled = \"deny\"\n";
}

void read_tools(const Section& s, Rule& r, std::vector<Problem>& problems) {
  const auto problem = [&](std::string_view key, std::string message) { problems.push_back(s.problem(key, std::move(message))); };
  r.of_tools = s.present("tool");
  read_names(s, "tool", r.effect, r.tool, problems);
  read_conditions(s, r, problems);
  if (r.of_tools && s.present("operation")) problem("operation", "means nothing in a rule that names a tool: leave it out");
  if (!r.of_tools && s.present("argument")) problem("argument", "needs a tool: for every one write tool = [\"*\"]");
  if (r.effect == Effect::allow) return read_confirmation(s, r, problems);
  for (const std::string_view key : {"confirm", "people", "approvers", "confirm_with", "justification"}) {
    if (s.present(key)) problem(key, "means nothing in a deny rule: leave it out");
  }
}

void append_confirmation(std::string& out, const Rule& r) {
  if (r.effect == Effect::deny) return;
  switch (r.need.confirmation) {
    case Confirmation::none:
      if (r.of_tools) out += "confirm = \"none\"\n";
      return;
    case Confirmation::self: out += "confirm = \"self\"\n"; break;
    case Confirmation::people: out += fmt::format("confirm = \"people\"\npeople = {}\n", r.need.people); break;
  }
  if (!r.approvers.empty()) append_list(out, "approvers", r.approvers);
  if (r.of_tools && !r.need.bound) out += "confirm_with = \"code\"\n";
  if (r.need.justification) out += "justification = true\n";
}

std::vector<std::string> texts_of(const std::vector<Condition>& conditions) {
  std::vector<std::string> out;
  for (const Condition& c : conditions) out.push_back(c.text());
  return out;
}

std::string confirm_text(const domain::Requirement& need) {
  switch (need.confirmation) {
    case Confirmation::none: return "none";
    case Confirmation::self: return "self";
    case Confirmation::people: return need.people == 1 ? "1 person" : fmt::format("{} people", need.people);
  }
  return "people";
}

}  // namespace vestibule::policy
