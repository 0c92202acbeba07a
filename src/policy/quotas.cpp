#include "policy/quotas.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>

#include "crypto/hash.hpp"
#include "policy/entries.hpp"
#include "policy/pair_up.hpp"

namespace vestibule::policy {
namespace {

using domain::Per;

constexpr std::array kPers = {Per::user, Per::credential, Per::access_point};
constexpr std::uint64_t kMostCount = 1'000'000'000;
constexpr Duration kLongest = std::chrono::hours(24 * 7);
constexpr std::int64_t kMostStreams = 100'000;

// "60/1m": so many, in a whole number of s, m, h or d.
std::optional<domain::Rate> rate_from(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash + 2 >= text.size()) return std::nullopt;
  const auto number = [](std::string_view digits) -> std::optional<std::uint64_t> {
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.front() == '0') return std::nullopt;
    return n;
  };
  const auto count = slash == 0 ? std::nullopt : number(text.substr(0, slash));
  const auto units = number(text.substr(slash + 1, text.size() - slash - 2));
  const std::size_t unit = std::string_view("smhd").find(text.back());
  if (!count || !units || unit == std::string_view::npos || *count > kMostCount) return std::nullopt;
  constexpr std::array<std::uint64_t, 4> kSeconds{1, 60, 3600, 86'400};
  if (*units > 604'800 / kSeconds[unit]) return std::nullopt;
  domain::Rate r;
  r.count = *count;
  r.window = std::chrono::seconds(*units * kSeconds[unit]);
  return r.window <= kLongest ? std::optional(r) : std::nullopt;
}

void read_rate(const schema::Section& s, std::string_view key, domain::Rate& out, std::vector<Problem>& problems) {
  if (!s.present(key)) return;
  const auto rate = rate_from(s.get_string(key));
  if (!rate) {
    complain(s, key, s.get_string(key),
             "is no rate: write as many as you allow, at most 1000000000, and in how much time, 1s to 7d, such as \"60/1m\"",
             problems);
    return;
  }
  out = *rate;
  out.text = domain::InlineText<24>(fmt::format("{}/{}", out.count, age_text(out.window)));
}

// All that a bucket depends on: another quota by this is one with buckets of its own.
std::string identity(const Limit& q) {
  std::string out = "name = ";
  append_quoted(out, q.name);
  out += fmt::format("\nper = \"{}\"\n", domain::name(q.terms.per));
  if (q.terms.requests.given()) out += fmt::format("requests = \"{}\"\n", q.terms.requests.text.view());
  if (q.terms.tokens.given()) out += fmt::format("tokens = \"{}\"\n", q.terms.tokens.text.view());
  if (q.terms.streams > 0) out += fmt::format("streams = {}\n", q.terms.streams);
  return out;
}

std::string limits_text(const domain::Quota& q) {
  std::string out;
  const auto add = [&](std::string part) { out += (out.empty() ? "" : ", ") + part; };
  if (q.requests.given()) add(fmt::format("{} requests", q.requests.text.view()));
  if (q.tokens.given()) add(fmt::format("{} tokens", q.tokens.text.view()));
  if (q.streams > 0) add(fmt::format("{} streams", q.streams));
  switch (q.per) {
    case Per::user: return out + " for each user";
    case Per::credential: return out + " for each credential of a user";
    case Per::access_point: return out + " for all at each access point";
  }
  return out;
}

bool kept(const Limit& before, const Compiled& after) {
  return std::any_of(after.quotas.begin(), after.quotas.end(), [&](const Limit& q) { return q.covers(before); });
}

void read_quota(const schema::Section& s, Taken& taken, Compiled& out, std::vector<Problem>& problems) {
  Limit q;
  q.line = static_cast<int>(s.line_of());
  q.name = s.get_string("name");
  read_name(s, "quota", kMaxQuotaName, taken, problems);
  read_who(s, q.who, problems);
  read_names(s, "access_point", Effect::deny, q.access_point, problems);
  if (q.access_point.administration) {
    complain(s, "access_point", kAdministration, "has no quotas: whoever may stop something must not have to wait", problems);
  }
  for (const Per per : kPers) {
    if (s.get_string("per") == domain::name(per)) q.terms.per = per;
  }
  read_rate(s, "requests", q.terms.requests, problems);
  read_rate(s, "tokens", q.terms.tokens, problems);
  if (s.present("streams")) q.terms.streams = static_cast<std::uint32_t>(s.get_integer("streams"));
  if (!s.present("requests") && !s.present("tokens") && !s.present("streams")) {
    problems.push_back(s.problem("", "limits nothing: give requests, tokens or streams"));
  }
  q.terms.name = domain::InlineText<40>(q.name);
  q.terms.label = domain::InlineText<48>("quota:" + q.name);
  const Digest digest = crypto::sha256(as_bytes(identity(q)));
  std::memcpy(&q.terms.id, digest.data(), sizeof q.terms.id);
  out.quotas.push_back(std::move(q));
}

}  // namespace

void declare_quotas(schema::Schema& out) {
  using schema::Type;
  out.table("quota[]", "How much somebody may use in how much time, and how many acts may be under way at a time.");
  const auto option = [&](schema::Option o) {
    o.name = "quota[]." + o.name;
    o.reloadable = true;
    out.option(std::move(o));
  };
  const std::string most = std::to_string(kMaxEntries);
  option({.name = "name", .type = Type::string, .help = "Unique among quotas; refusals name it. At most 40 bytes.",
          .example = "members", .required = true});
  option({.name = "who", .type = Type::list, .help = "As in a rule.", .example = "[\"role:member\"]", .min = "1", .max = most});
  option({.name = "access_point", .type = Type::list, .help = "As in a rule; `vestibule` has no quotas.",
          .example = "[\"demo\"]", .min = "1", .max = most});
  option({.name = "per", .type = Type::choice, .help = "Whose bucket it is: each user's, each credential's of a user, or one of all at each access point.",
          .fallback = "user", .example = "credential", .choices = {"user", "credential", "access_point"}});
  option({.name = "requests", .type = Type::string, .help = "So many acts in so much time.", .example = "60/1m"});
  option({.name = "tokens", .type = Type::string, .help = "So many tokens, of prompts and answers together.", .example = "100000/1h"});
  option({.name = "streams", .type = Type::integer, .help = "So many acts under way at a time, streamed or not.",
          .example = "4", .min = "1", .max = std::to_string(kMostStreams)});
}

void read_quotas(const schema::Document& document, Compiled& out, std::vector<Problem>& problems) {
  const auto& sections = document.sections("quota");
  if (sections.size() > kMaxQuotas) {
    problems.push_back(sections[kMaxQuotas].problem("", fmt::format("is one quota too many: at most {}", kMaxQuotas)));
    return;
  }
  Taken taken;
  for (const schema::Section& s : sections) read_quota(s, taken, out, problems);
  std::sort(out.quotas.begin(), out.quotas.end(), [](const Limit& a, const Limit& b) { return a.name < b.name; });
}

void append_quotas(std::string& out, const Compiled& c) {
  for (const Limit& q : c.quotas) {
    out.append("[[quota]]\n").append(identity(q));
    for (const Matcher& m : matchers(q)) append_list(out, m.key, m.entries);
  }
}

void compare_quotas(const Compiled& before, const Compiled& after, std::vector<Difference>& out) {
  pair_up(before.quotas, after.quotas,
          [&](const Limit& x) { out.push_back({fmt::format("quota \"{}\" is removed", x.name), !kept(x, after)}); },
          [&](const Limit& y) { out.push_back({fmt::format("quota \"{}\" is added", y.name), false}); },
          [&](const Limit& x, const Limit& y) {
            std::string what = changes(matchers(x), matchers(y), {"who", "access_point"});
            if (x.terms.id != y.terms.id) {
              what += (what.empty() ? "" : "; ") + fmt::format("was {}, is {}", limits_text(x.terms), limits_text(y.terms));
            }
            if (!what.empty()) out.push_back({fmt::format("quota \"{}\": {}", x.name, what), !kept(x, after)});
          });
}

std::vector<std::string> quota_lines(const Compiled& c, const domain::Act& act, const domain::Subject& subject) {
  std::vector<std::string> out;
  if (act.access_point == kAdministration) return out;
  const Fact point(act.access_point);
  for (const Limit& q : c.quotas) {
    if (q.concerns(subject, point)) out.push_back(fmt::format("{}: {} (line {})", q.name, limits_text(q.terms), q.line));
  }
  return out;
}

}  // namespace vestibule::policy
