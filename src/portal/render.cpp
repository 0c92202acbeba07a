#include "portal/render.hpp"

#include "portal/act.hpp"

namespace vestibule::portal {

json::Writer writer() {
  std::string out;
  out.reserve(4096);
  return json::Writer(std::move(out));
}

void member_time(json::Writer& w, std::string_view name, WallTime time) {
  w.key(name);
  if (time == WallTime{}) {
    w.null();
  } else {
    w.value(rfc3339(time));
  }
}

void member_seconds(json::Writer& w, std::string_view name, Duration time) {
  w.key(name);
  if (time == Duration::max()) {
    w.null();
  } else {
    w.value(std::chrono::duration_cast<std::chrono::seconds>(time).count());
  }
}

void member_evidence(json::Writer& w, const domain::Evidence& evidence, Instant now) {
  w.key("evidence").begin_array();
  for (const domain::Proof& p : evidence) {
    w.begin_object().member("factor", domain::name(p.kind));
    member_seconds(w, "age_s", domain::age(p, now));
    w.end_object();
  }
  w.end_array();
}

void member_names(json::Writer& w, std::string_view name, const domain::NameSet& names) {
  w.key(name).begin_array();
  for (const domain::NameId id : names) w.value(domain::interned(id));
  w.end_array();
}

void member_differences(json::Writer& w, const std::vector<policy::Difference>& differences) {
  w.key("differences").begin_array();
  for (const policy::Difference& d : differences) {
    w.begin_object().member("text", d.text).member("loosens", d.loosens).end_object();
  }
  w.end_array();
}

void value_factor(json::Writer& w, const factors::FactorInfo& f) {
  w.begin_object();
  w.member("id", f.id.text()).member("kind", domain::name(f.kind)).member("label", f.label);
  member_time(w, "created", f.created);
  member_time(w, "last_used", f.last_used);
  w.member("failures", f.failures);
  member_time(w, "locked_until", f.locked_until);
  w.member("disabled", f.disabled).member("codes_left", f.codes_left);
  if (f.key) {
    w.key("key").begin_object().member("synced", f.key->backup_eligible).member("backed_up", f.key->backed_up);
    w.member("aaguid", factors::text(f.key->aaguid)).member("transports", f.key->transports).end_object();
  }
  if (!f.plugin.empty()) w.member("plugin", f.plugin);
  if (f.rings) w.member("rings", *f.rings);
  w.end_object();
}

void member_codes(json::Writer& w, const std::vector<Secret>& codes) {
  w.key("recovery_codes").begin_array();
  for (const Secret& code : codes) w.value(code.reveal_text());
  w.end_array();
}

std::optional<WallTime> parse_time(std::string_view text) {
  using namespace std::chrono;
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < kShape.size() + 1 || text.back() != 'Z') return std::nullopt;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == 'd' ? !digit : text[i] != kShape[i]) return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t n) {
    int v = 0;
    for (std::size_t i = at; i < at + n; ++i) v = v * 10 + (text[i] - '0');
    return v;
  };
  const year_month_day date{year(number(0, 4)), month(static_cast<unsigned>(number(5, 2))),
                            day(static_cast<unsigned>(number(8, 2)))};
  const int h = number(11, 2);
  const int m = number(14, 2);
  const int s = number(17, 2);
  if (!date.ok() || h > 23 || m > 59 || s > 59) return std::nullopt;
  Duration fraction{};
  const std::string_view rest = text.substr(kShape.size(), text.size() - kShape.size() - 1);
  if (!rest.empty()) {
    if (rest[0] != '.' || rest.size() < 2 || rest.size() > 7) return std::nullopt;
    std::int64_t micros = 0;
    for (std::size_t i = 1; i < 7; ++i) {
      const char c = i < rest.size() ? rest[i] : '0';
      if (c < '0' || c > '9') return std::nullopt;
      micros = micros * 10 + (c - '0');
    }
    fraction = Duration(micros);
  }
  return WallTime(time_point_cast<Duration>(sys_days(date)) + hours(h) + minutes(m) + seconds(s) + fraction);
}

}  // namespace vestibule::portal
