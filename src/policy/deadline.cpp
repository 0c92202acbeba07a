#include "policy/deadline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "policy/deadlines.hpp"
#include "policy/explanation.hpp"

namespace vestibule::policy {
namespace {

// The end of the day "2026-03-01", UTC.
std::optional<WallTime> end_of_day(std::string_view text) {
  using namespace std::chrono;
  constexpr std::string_view shape = "dddd-dd-dd";
  if (text.size() != shape.size()) return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == 'd' ? !digit : text[i] != '-') return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t n) {
    int v = 0;
    for (std::size_t i = at; i < at + n; ++i) v = v * 10 + (text[i] - '0');
    return v;
  };
  const year_month_day date{year(number(0, 4)), month(static_cast<unsigned>(number(5, 2))),
                            day(static_cast<unsigned>(number(8, 2)))};
  if (!date.ok()) return std::nullopt;
  return WallTime(time_point_cast<Duration>(sys_days(date) + days(1)));
}

// A kind that can be enrolled for itself.
std::optional<domain::FactorKind> enrollable(std::string_view name) {
  const auto kind = domain::factor_kind_from(name);
  if (!kind || *kind == domain::FactorKind::password || *kind == domain::FactorKind::recovery_code || domain::enrolled_as(*kind) != *kind) {
    return std::nullopt;
  }
  return kind;
}

std::string_view what_it_takes(domain::FactorKind kind) {
  return kind == domain::FactorKind::external ? "no plug-in is configured" : "there is no portal";
}

bool good_role(std::string_view role) {
  return !role.empty() && role.size() <= kMaxEntry && std::ranges::all_of(role, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

auto key(const Deadline& d) { return std::tie(d.role, d.needs); }

std::string title(const Deadline& d) { return fmt::format("deadline of role {} for {}", d.role, domain::name(d.needs)); }

}  // namespace

std::string text(const Deadline& d) {
  return fmt::format("role {} needs {} since {}", d.role, domain::name(d.needs), d.by);
}

void explain_overdue(Explanation& e, const Deadline& d) {
  e.decision.outcome = domain::Outcome::deny;
  e.decision.reason = Reason::factor_overdue;
  e.decision.time_left = Duration::zero();
  e.remedies.assign(1, fmt::format("{}: enrol one; nothing else is open until then", text(d)));
}

void declare_deadlines(schema::Schema& out) {
  using schema::Type;
  out.table("factor_deadline[]",
            "After a day, whoever has a role must have a kind of factor enrolled: until then a session of his can do nothing "
            "but enrol it (`factor_overdue`). Before it, people are warned; `vestibule coverage` counts.");
  out.option({.name = "factor_deadline[].role", .type = Type::string, .help = "Whom it concerns.",
              .example = "administrator", .min = "1", .max = std::to_string(kMaxEntry), .required = true, .reloadable = true});
  out.option({.name = "factor_deadline[].needs", .type = Type::string, .help = "Kind of factor, e.g. webauthn, totp, hotp.",
              .example = "webauthn", .required = true, .reloadable = true});
  out.option({.name = "factor_deadline[].by", .type = Type::string, .help = "The last day on which it may be missing (UTC).",
              .example = "2026-03-01", .required = true, .reloadable = true});
}

void read_deadlines(const schema::Document& document, domain::KindSet here, Compiled& out, std::vector<Problem>& problems) {
  const auto& sections = document.sections("factor_deadline");
  if (sections.size() > kMaxDeadlines) {
    problems.push_back(sections[kMaxDeadlines].problem("", fmt::format("is one too many: at most {}", kMaxDeadlines)));
    return;
  }
  for (const schema::Section& s : sections) {
    Deadline d;
    d.role = s.get_string("role");
    d.by = s.get_string("by");
    const auto needs = enrollable(s.get_string("needs"));
    const auto over = end_of_day(d.by);
    if (!good_role(d.role)) problems.push_back(s.problem("role", "is no role: letters a-z, digits, _ and -"));
    if (!needs) problems.push_back(s.problem("needs", "is no kind of factor that is enrolled"));
    if (needs && !here.has(*needs)) {
      problems.push_back(s.problem("needs", fmt::format("nobody can enrol {} here: {}", domain::name(*needs), what_it_takes(*needs))));
    }
    if (!over) problems.push_back(s.problem("by", "is no day: write it as \"2026-03-01\""));
    if (!good_role(d.role) || !needs || !over) continue;
    d.needs = *needs;
    d.over = *over;
    d.role_id = domain::intern(d.role);
    if (std::ranges::any_of(out.deadlines, [&](const Deadline& o) { return key(o) == key(d); })) {
      problems.push_back(s.problem("", "this role has a deadline for this kind already"));
      continue;
    }
    out.deadlines.push_back(std::move(d));
  }
  std::ranges::sort(out.deadlines, [](const Deadline& a, const Deadline& b) { return key(a) < key(b); });
}

void append_deadlines(std::string& out, const Compiled& c) {
  // Nothing that is written here needs quoting: see good_role().
  for (const Deadline& d : c.deadlines) {
    out += fmt::format("[[factor_deadline]]\nrole = \"{}\"\nneeds = \"{}\"\nby = \"{}\"\n", d.role, domain::name(d.needs), d.by);
  }
}

void compare_deadlines(const Compiled& before, const Compiled& after, std::vector<Difference>& out) {
  const auto find = [](const Compiled& c, const Deadline& wanted) -> const Deadline* {
    for (const Deadline& d : c.deadlines) {
      if (key(d) == key(wanted)) return &d;
    }
    return nullptr;
  };
  for (const Deadline& d : before.deadlines) {
    const Deadline* const now = find(after, d);
    if (now == nullptr) {
      out.push_back({title(d) + " is removed", true});
    } else if (now->over != d.over) {
      out.push_back({fmt::format("{}: by was {}, is {}", title(d), d.by, now->by), now->over > d.over});
    }
  }
  for (const Deadline& d : after.deadlines) {
    if (find(before, d) == nullptr) out.push_back({title(d) + " is added", false});
  }
}

}  // namespace vestibule::policy
