#include "policy/hours.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

namespace vestibule::policy {
namespace {

constexpr int kDay = 24 * 60;
constexpr std::array<std::string_view, 7> kDays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

std::optional<int> day_of(std::string_view text) {
  const auto it = std::find(kDays.begin(), kDays.end(), text);
  if (it == kDays.end()) return std::nullopt;
  return static_cast<int>(it - kDays.begin());
}

// "08:00" to minutes; "24:00" is 1440.
std::optional<int> clock(std::string_view t) {
  const auto digit = [&](std::size_t i) { return t[i] >= '0' && t[i] <= '9'; };
  if (t.size() != 5 || t[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4)) return std::nullopt;
  const int h = (t[0] - '0') * 10 + (t[1] - '0');
  const int m = (t[3] - '0') * 10 + (t[4] - '0');
  if (m > 59 || h > 24 || (h == 24 && m > 0)) return std::nullopt;
  return h * 60 + m;
}

// "Mon-Fri", "Sat,Sun", "Fri-Mon" to a set of days.
std::optional<std::array<bool, 7>> days_of(std::string_view text) {
  std::array<bool, 7> set{};
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    const std::size_t dash = part.find('-');
    const auto first = day_of(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : day_of(part.substr(dash + 1));
    if (!first || !last) return std::nullopt;
    for (int d = *first;; d = (d + 1) % 7) {
      set[static_cast<std::size_t>(d)] = true;
      if (d == *last) break;
    }
    if (comma == std::string_view::npos) return set;
    text.remove_prefix(comma + 1);
  }
}

std::string days_text(unsigned mask) {
  std::string out;
  for (unsigned d = 0; d < 7;) {
    if ((mask >> d & 1U) == 0) {
      ++d;
      continue;
    }
    unsigned last = d;
    while (last + 1 < 7 && (mask >> (last + 1) & 1U) != 0) ++last;
    if (!out.empty()) out.push_back(',');
    out.append(kDays[d]);
    if (last > d) out.append(last == d + 1 ? "," : "-").append(kDays[last]);
    d = last + 1;
  }
  return out;
}

std::string clock_text(int minute) { return fmt::format("{:02}:{:02}", minute / 60, minute % 60); }

}  // namespace

Result<Zone> Zone::load(std::string_view name) {
  const auto wrong = [&](std::string why) { return fail(Reason::config_invalid, std::move(why)); };
  const bool plain = !name.empty() && name.size() <= 64 && name.front() != '/' &&
                     name.find("..") == std::string_view::npos &&
                     name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
                         std::string_view::npos;
  // Names that are files of the database, but mean another thing on each machine or count leap
  // seconds, are no zones to write rules in.
  constexpr std::array<std::string_view, 3> machine = {"localtime", "posixrules", "Factory"};
  const bool odd = name.starts_with("right/") || name.starts_with("posix/") || name.starts_with("Fixed/") ||
                   std::find(machine.begin(), machine.end(), name) != machine.end();
  if (!plain || odd) return wrong("is no zone of the IANA database: write one like \"Europe/Berlin\" or \"UTC\"");
  Zone z;
  z.name_ = name;
  if (!cctz::load_time_zone(z.name_, &z.zone_)) {
    return wrong("is not in this machine's zone database (package tzdata): write one like \"Europe/Berlin\" or \"UTC\"");
  }
  return z;
}

int Zone::minute(WallTime t) const noexcept {
  const auto s = std::chrono::floor<cctz::seconds>(t);
  const std::int64_t local = s.time_since_epoch().count() + zone_.lookup(s).offset;
  // 1970-01-01 was a Thursday: three days after Monday.
  constexpr std::int64_t week = std::int64_t{kWeek} * 60;
  const std::int64_t within = ((local + 3 * 86400) % week + week) % week;
  return static_cast<int>(within / 60);
}

std::string week_text(int minute) {
  return fmt::format("{} {}", kDays[static_cast<std::size_t>(minute / kDay)], clock_text(minute % kDay));
}

Result<void> Hours::add(std::string_view text) {
  const auto wrong = [&](std::string why) { return fail(Reason::config_invalid, std::move(why)); };
  std::string_view span = text;
  std::optional<std::array<bool, 7>> on;
  if (const std::size_t space = text.find(' '); space != std::string_view::npos) {
    on = days_of(text.substr(0, space));
    span = text.substr(space + 1);
    if (!on) return wrong("has days that are none: write Mon Tue Wed Thu Fri Sat Sun, \"Mon-Fri\" or \"Sat,Sun\"");
  } else {
    on.emplace().fill(true);
  }
  const std::size_t dash = span.find('-');
  const auto from = clock(span.substr(0, dash));
  const auto to = dash == std::string_view::npos ? std::nullopt : clock(span.substr(dash + 1));
  if (!from || !to || *from == kDay) {
    return wrong("is no span of hours: write \"Mon-Fri 08:00-18:00\", or \"22:00-06:00\" for every night");
  }
  if (*from == *to) return wrong("is an empty span: for whole days write \"Sat 00:00-24:00\"");
  for (int d = 0; d < 7; ++d) {
    if (!(*on)[static_cast<std::size_t>(d)]) continue;
    const int begin = d * kDay + *from;
    const int end = d * kDay + (*to > *from ? *to : *to + kDay);
    spans_.emplace_back(begin, std::min(end, kWeek));
    if (end > kWeek) spans_.emplace_back(0, end - kWeek);
  }
  always_ = false;
  return {};
}

void Hours::normalise() {
  std::sort(spans_.begin(), spans_.end());
  std::vector<std::pair<int, int>> merged;
  for (const auto& s : spans_) {
    if (!merged.empty() && s.first <= merged.back().second) {
      merged.back().second = std::max(merged.back().second, s.second);
    } else {
      merged.push_back(s);
    }
  }
  spans_ = std::move(merged);
  if (spans_.size() == 1 && spans_[0] == std::pair{0, kWeek}) *this = Hours();
}

bool Hours::contains(int minute) const noexcept {
  if (always_) return true;
  for (const auto& [from, to] : spans_) {
    if (minute < from) return false;
    if (minute < to) return true;
  }
  return false;
}

bool Hours::covers(const Hours& o) const noexcept {
  if (always_) return true;
  if (o.always_) return false;
  return std::all_of(o.spans_.begin(), o.spans_.end(), [&](const auto& inner) {
    return std::any_of(spans_.begin(), spans_.end(), [&](const auto& s) {
      return s.first <= inner.first && inner.second <= s.second;
    });
  });
}

std::vector<std::string> Hours::entries() const {
  std::map<std::pair<int, int>, unsigned> by_span;
  for (const auto& [from, to] : spans_) {
    for (int at = from; at < to;) {
      const int d = at / kDay;
      const int end = std::min(to, (d + 1) * kDay);
      by_span[{at - d * kDay, end - d * kDay}] |= 1U << d;
      at = end;
    }
  }
  std::vector<std::string> out;
  for (const auto& [span, mask] : by_span) {
    out.push_back(fmt::format("{}{}{}-{}", mask == 0x7f ? "" : days_text(mask), mask == 0x7f ? "" : " ",
                              clock_text(span.first), clock_text(span.second)));
  }
  return out;
}

}  // namespace vestibule::policy
