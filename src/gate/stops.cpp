#include "gate/stops.hpp"

#include <algorithm>

#include "gate/lifts.hpp"

namespace vestibule::gate {

std::string_view name(StopScope scope) noexcept {
  switch (scope) {
    case StopScope::all: return "all";
    case StopScope::access_point: return "access_point";
    case StopScope::user: return "user";
    case StopScope::agent: return "agent";
    case StopScope::client: return "client";
    case StopScope::tool: return "tool";
    case StopScope::tools: return "tools";
  }
  return "all";
}

bool has_target(StopScope scope) noexcept { return scope != StopScope::all && scope != StopScope::tools; }

std::optional<StopScope> stop_scope_from(std::string_view text) noexcept {
  for (const StopScope s : {StopScope::all, StopScope::access_point, StopScope::user, StopScope::agent, StopScope::client,
                            StopScope::tool, StopScope::tools}) {
    if (name(s) == text) return s;
  }
  return std::nullopt;
}

void pack(Packer& out, const Stop& stop) {
  out.text(name(stop.scope)).text(stop.target).number(static_cast<std::uint64_t>(stop.since.time_since_epoch().count()));
  out.text(stop.by).text(stop.why);
}

std::optional<Stop> unpack_stop(Unpacker& in) {
  const auto scope = stop_scope_from(in.text());
  if (!scope) in.refuse();
  Stop s;
  s.scope = scope.value_or(StopScope::all);
  s.target = in.text();
  s.since = WallTime(Duration(static_cast<std::int64_t>(in.number())));
  s.by = in.text();
  s.why = in.text();
  if (has_target(s.scope) == s.target.empty()) in.refuse();
  if (in.failed()) return std::nullopt;
  return s;
}

namespace {

// A service names the key behind its own name: "service crawler, key nightly".
bool is_client(std::string_view via, std::string_view client) noexcept {
  constexpr std::string_view kBehind = ", ";
  if (!via.ends_with(client)) return false;
  const std::string_view before = via.substr(0, via.size() - client.size());
  return before.empty() || before.ends_with(kBehind);
}

bool is_tool(const domain::Act& act, std::string_view target) noexcept {
  if (act.tool.empty() || !target.ends_with(act.tool)) return false;
  std::string_view place = target.substr(0, target.size() - act.tool.size());
  if (!place.ends_with('/')) return false;
  place.remove_suffix(1);
  return place == "*" || place == act.access_point;
}

}  // namespace

bool Stops::covers(const domain::Act& act, const domain::Subject& subject) const noexcept {
  return std::any_of(all_.begin(), all_.end(), [&](const Stop& s) {
    switch (s.scope) {
      case StopScope::all: return true;
      case StopScope::access_point: return s.target == act.access_point;
      case StopScope::user: return s.target == subject.name.view();
      case StopScope::agent: return domain::agent_of(subject) == s.target;
      case StopScope::client: return is_client(subject.via.view(), s.target);
      case StopScope::tool: return is_tool(act, s.target);
      case StopScope::tools: return domain::is_tool_call(act);
    }
    return true;
  });
}

bool Stops::has(StopScope scope, std::string_view target) const noexcept {
  return std::any_of(all_.begin(), all_.end(), [&](const Stop& s) { return s.scope == scope && s.target == target; });
}

Stops Stops::with(Stop stop) const {
  Stops out = without(stop.scope, stop.target);
  out.all_.push_back(std::move(stop));
  return out;
}

Stops Stops::without(StopScope scope, std::string_view target) const {
  Stops out = *this;
  std::erase_if(out.all_, [&](const Stop& s) { return s.scope == scope && s.target == target; });
  return out;
}

Result<Stops> Stops::load(store::Tx& tx) {
  Stops out;
  auto r = tx.query("SELECT scope, target, since, by_name, why FROM emergency_stop ORDER BY since", {},
                    [&](const store::Row& row) {
                      // An unknown scope (a newer writer) stops everything: closed when in doubt.
                      const auto scope = stop_scope_from(row.text(0)).value_or(StopScope::all);
                      out.all_.push_back({scope, std::string(row.text(1)), row.time(2), std::string(row.text(3)),
                                          std::string(row.text(4))});
                      return true;
                    });
  if (!r) return std::move(r).error();
  return out;
}

Result<void> Stops::put_in(store::Tx& tx, const Stop& stop) {
  auto forgotten = forget_agreements_in(tx, stop.scope, stop.target);
  if (!forgotten) return forgotten;
  auto r = tx.run(
      "INSERT INTO emergency_stop (scope, target, since, by_name, why) VALUES ($1, $2, $3, $4, $5) "
      "ON CONFLICT (scope, target) DO UPDATE SET since = $3, by_name = $4, why = $5",
      {name(stop.scope), stop.target, stop.since, stop.by, stop.why});
  if (!r) return std::move(r).error();
  return {};
}

Result<bool> Stops::remove_in(store::Tx& tx, StopScope scope, std::string_view target, std::optional<WallTime> since) {
  auto r = tx.run("DELETE FROM emergency_stop WHERE scope = $1 AND target = $2 AND (since = $3 OR $4 = 1)",
                  {name(scope), target, since.value_or(WallTime{}), since ? 0 : 1});
  if (!r) return std::move(r).error();
  if (*r > 0) {
    auto forgotten = forget_agreements_in(tx, scope, target);
    if (!forgotten) return std::move(forgotten).error();
  }
  return *r > 0;
}

}  // namespace vestibule::gate
