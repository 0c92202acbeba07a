#include "policy/entries.hpp"

#include <fmt/format.h>

namespace vestibule::policy {
namespace {

template <class T>
void sort_unique(std::vector<T>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

bool printable(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f) return false;
    if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return false;
  }
  return true;
}

void complain(const schema::Section& s, std::string_view key, std::string_view entry, std::string_view why,
              std::vector<Problem>& problems) {
  std::string shown;
  for (const char c : entry.substr(0, 64)) shown.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c);
  if (entry.size() > 64) shown += "...";
  problems.push_back(s.problem(key, fmt::format("\"{}\" {}", shown, why)));
}

void read_name(const schema::Section& s, std::string_view kind, std::size_t most, Taken& taken, std::vector<Problem>& problems) {
  const std::string& n = s.get_string("name");
  const auto problem = [&](std::string message) { problems.push_back(s.problem("name", std::move(message))); };
  if (n.empty() || n.size() > most) {
    problem(fmt::format("needs 1 to {} bytes", most));
  } else if (!printable(n) || n.front() == ' ' || n.back() == ' ') {
    problem("has control characters, or spaces at its ends");
  } else if (const auto [it, fresh] = taken.try_emplace(n, static_cast<int>(s.line_of())); !fresh) {
    problem(fmt::format("is used already by the {} in line {}", kind, it->second));
  }
}

void read_who(const schema::Section& s, Who& who, std::vector<Problem>& problems) {
  if (!s.present("who")) return;
  who.anyone = false;
  bool anyone = false;
  for (const auto& e : s.get_list("who")) {
    const std::size_t colon = e.find(':');
    const std::string_view kind = std::string_view(e).substr(0, colon);
    if (e == "anyone") {
      anyone = true;
      continue;
    }
    if (colon == std::string::npos || (kind != "role" && kind != "group" && kind != "user" && kind != "agent")) {
      complain(s, "who", e, "is none of role:NAME, group:NAME, user:NAME, agent:NAME, anyone", problems);
      continue;
    }
    const std::string_view n = std::string_view(e).substr(colon + 1);
    const std::size_t limit = kind == "user" ? domain::kMaxUserName : kMaxEntry;
    if (n.empty() || n.size() > limit || !printable(n) || n.front() == ' ' || n.back() == ' ') {
      complain(s, "who", e, fmt::format("needs a name of 1 to {} bytes", limit), problems);
    } else if (kind == "agent" && n == "*") {
      who.any_agent = true;
      who.entries.push_back(e);
    } else if (n.find_first_of("*?") != std::string_view::npos) {
      complain(s, "who", e, "has a wildcard: people are named in full; for everybody write anyone", problems);
    } else {
      who.entries.push_back(e);
      if (kind == "role") who.roles.push_back(domain::intern(n));
      if (kind == "group") who.groups.push_back(domain::intern(n));
      if (kind == "user") who.users.emplace_back(n);
      if (kind == "agent") who.agents.emplace_back(n);
    }
  }
  if (anyone) who = Who();
  sort_unique(who.roles);
  sort_unique(who.groups);
  sort_unique(who.users);
  sort_unique(who.agents);
  sort_unique(who.entries);
}

void read_names(const schema::Section& s, std::string_view key, Effect effect, Names& names, std::vector<Problem>& problems) {
  if (!s.present(key)) return;
  names.any = false;
  bool all = false;
  for (const auto& e : s.get_list(key)) {
    if (e.empty() || e.size() > kMaxEntry || !printable(e) || e.find(' ') != std::string::npos) {
      complain(s, key, e, fmt::format("needs 1 to {} bytes without spaces", kMaxEntry), problems);
      continue;
    }
    names.globs.emplace_back(e);
    all |= names.globs.back().any();
    names.administration |= key == "access_point" && e == kAdministration;
  }
  if (all) {  // "*" beside others says "*"; naming the administration says more in an allow rule
    const bool keep = names.administration && effect == Effect::allow;
    names.globs.clear();
    names.any = !keep;
    names.administration = keep;
    if (keep) names.globs = {Glob("*"), Glob(kAdministration)};
  }
  sort_unique(names.globs);
  names.set_gates();
}

}  // namespace vestibule::policy
