#include "policy/scope.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "json/value.hpp"
#include "json/writer.hpp"
#include "policy/policy.hpp"

namespace vestibule::policy {
namespace {

constexpr std::string_view kLists = "models.list";  // the proxy leaves out what may not be used

Error wrong(std::string_view list, std::string_view entry, std::string_view why) {
  return fail(Reason::invalid_argument, std::string(list) + ": \"" + std::string(entry.substr(0, kMaxEntry)) + "\" " + std::string(why));
}

Result<void> check_entries(std::string_view list, const std::vector<std::string>& entries) {
  if (entries.size() > kMaxEntries) return fail(Reason::invalid_argument, std::string(list) + ": too many entries");
  for (const std::string& e : entries) {
    const bool control = std::ranges::any_of(e, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (e.empty() || e.size() > kMaxEntry || control || !is_utf8(e)) return wrong(list, e, "is no entry of such a list");
  }
  return {};
}

Result<std::vector<Glob>> globs(std::string_view list, const std::vector<std::string>& entries) {
  auto fit = check_entries(list, entries);
  if (!fit) return std::move(fit).error();
  std::vector<Glob> out;
  out.reserve(entries.size());
  for (const std::string& e : entries) out.emplace_back(e);
  if (std::ranges::any_of(out, &Glob::any)) return std::vector<Glob>{};
  std::ranges::sort(out, {}, &Glob::text);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

bool one_matches(const std::vector<Glob>& globs, std::string_view name) noexcept {
  if (globs.empty()) return true;
  if (name.size() > kMaxFact) return false;
  const Fact fact(name);
  return std::ranges::any_of(globs, [&](const Glob& g) { return g.matches(fact); });
}

bool all_covered(const std::vector<Glob>& outer, const std::vector<Glob>& inner) noexcept {
  if (outer.empty()) return true;
  if (inner.empty()) return false;
  return std::ranges::all_of(inner, [&](const Glob& i) {
    return std::ranges::any_of(outer, [&](const Glob& o) { return o.covers(i); });
  });
}

std::vector<std::string> texts(const std::vector<Glob>& globs) {
  std::vector<std::string> out;
  out.reserve(globs.size());
  for (const Glob& g : globs) out.push_back(g.text());
  return out;
}

}  // namespace

Result<Scope> Scope::compile(const ScopeForm& form) {
  Scope out;
  auto points = globs("access_points", form.access_points);
  if (!points) return std::move(points).error();
  out.access_points_ = std::move(*points);
  auto operations = globs("operations", form.operations);
  if (!operations) return std::move(operations).error();
  out.operations_ = std::move(*operations);
  auto models = globs("models", form.models);
  if (!models) return std::move(models).error();
  out.models_ = std::move(*models);
  auto networks = check_entries("networks", form.networks);
  if (!networks) return std::move(networks).error();
  for (const std::string& e : form.networks) {
    const auto added = out.networks_.add(e);
    if (!added) return wrong("networks", e, added.error().detail);
  }
  out.networks_.normalise();
  auto hours = check_entries("hours", form.hours);
  if (!hours) return std::move(hours).error();
  for (const std::string& e : form.hours) {
    const auto added = out.hours_.add(e);
    if (!added) return wrong("hours", e, added.error().detail);
  }
  out.hours_.normalise();
  if (form.hours.empty() != form.zone.empty()) {
    return fail(Reason::invalid_argument, "zone: hours need a time zone, such as Europe/Berlin, and it means nothing without them");
  }
  if (!form.zone.empty()) {
    auto named = check_entries("zone", {form.zone});
    if (!named) return std::move(named).error();
    Result<Zone> zone = Zone::load(form.zone);
    if (!zone) return wrong("zone", form.zone, zone.error().detail);
    if (!out.hours_.always()) out.zone_ = std::move(*zone);
  }
  out.write_text();
  if (out.text_.size() > kMaxScopeText) return fail(Reason::invalid_argument, "the scope is too long");
  return out;
}

Result<Scope> Scope::parse(std::string_view text) {
  if (text.size() > kMaxScopeText) return fail(Reason::invalid_argument, "the scope is too long");
  const Result<json::Value> value = json::parse(text);
  if (!value) return fail(Reason::invalid_argument, value.error().detail);
  if (!value->is_object()) return fail(Reason::invalid_argument, "a scope is an object");
  ScopeForm form;
  for (const json::Member& m : value->members()) {
    if (m.key == "zone") {
      Result<std::string> zone = m.value.as_string();
      if (!zone) return std::move(zone).error();
      form.zone = std::move(*zone);
      continue;
    }
    std::vector<std::string>* list = m.key == "access_points" ? &form.access_points
                                     : m.key == "operations"  ? &form.operations
                                     : m.key == "models"      ? &form.models
                                     : m.key == "networks"    ? &form.networks
                                     : m.key == "hours"       ? &form.hours
                                                              : nullptr;
    if (list == nullptr) return fail(Reason::invalid_argument, "a scope knows no such member: " + m.key);
    if (!m.value.is_array() || m.value.items().empty()) {
      return fail(Reason::invalid_argument, m.key + ": a list with entries, or left out");
    }
    if (m.value.items().size() > kMaxEntries) return fail(Reason::invalid_argument, m.key + ": too many entries");
    for (const json::Value& v : m.value.items()) {
      Result<std::string> entry = v.as_string();
      if (!entry) return std::move(entry).error();
      list->push_back(std::move(*entry));
    }
  }
  return compile(form);
}

ScopeForm Scope::form() const {
  ScopeForm out;
  out.access_points = texts(access_points_);
  out.operations = texts(operations_);
  out.models = texts(models_);
  if (!networks_.anywhere()) out.networks = networks_.entries();
  if (!hours_.always()) out.hours = hours_.entries();
  if (zone_) out.zone = zone_->name();
  return out;
}

void Scope::write_text() {
  const ScopeForm f = form();
  json::Writer w;
  w.begin_object();
  const auto list = [&](std::string_view key, const std::vector<std::string>& entries) {
    if (entries.empty()) return;
    w.key(key).begin_array();
    for (const std::string& e : entries) w.value(e);
    w.end_array();
  };
  list("access_points", f.access_points);
  list("hours", f.hours);
  list("models", f.models);
  list("networks", f.networks);
  list("operations", f.operations);
  if (!f.zone.empty()) w.member("zone", f.zone);
  w.end_object();
  text_ = w.take();
}

bool Scope::permits(const domain::Act& act, const domain::Source& source, std::optional<WallTime> now,
                    Known known) const noexcept {
  // The operation that carried a tool call was permitted already, with the request that it answers.
  const bool operation = domain::is_tool_call(act) || one_matches(operations_, act.operation);
  if (!one_matches(access_points_, act.access_point) || !operation) return false;
  const bool unnamed = act.model.empty() && (known == Known::path || act.operation == kLists);
  if (!models_.empty() && !unnamed && (act.model.empty() || !one_matches(models_, act.model))) return false;
  if (!networks_.anywhere() && !networks_.matches(source)) return false;
  return hours_.always() || (now && zone_ && hours_.contains(zone_->minute(*now)));
}

bool Scope::covers(const Scope& other) const noexcept {
  const bool hours = hours_.always() || (!other.hours_.always() && zone_ && other.zone_ && zone_->name() == other.zone_->name() &&
                                         hours_.covers(other.hours_));
  return hours && all_covered(access_points_, other.access_points_) && all_covered(operations_, other.operations_) &&
         all_covered(models_, other.models_) &&
         (networks_.anywhere() || (!other.networks_.anywhere() && networks_.covers(other.networks_)));
}

}  // namespace vestibule::policy
