#include "access/catalogue.hpp"

#include <algorithm>
#include <string>

namespace vestibule::access {
namespace {

bool valid_prefix(std::string_view prefix) noexcept {
  if (prefix.empty()) return true;
  if (prefix.front() != '/' || prefix.back() == '/') return false;
  bool after_slash = false;
  for (const char c : prefix) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (!plain && c != '/') return false;
    if (c == '/' && after_slash) return false;
    after_slash = c == '/';
  }
  return prefix.find("/.") == std::string_view::npos;
}

bool valid_field_name(std::string_view name) noexcept {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

// A credential there would change what the request is.
bool taken_field(std::string_view name) noexcept {
  using http::Known;
  switch (http::known_field(name)) {
    case Known::host:
    case Known::content_length:
    case Known::content_type:
    case Known::content_encoding:
    case Known::transfer_encoding:
    case Known::connection:
    case Known::expect:
    case Known::te:
    case Known::trailer:
    case Known::upgrade:
      return true;
    default: return false;
  }
}

// "/lab" matches "/lab" and "/lab/x", not "/labor".
bool prefix_matches(std::string_view prefix, std::string_view path) noexcept {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace

bool AccessPoint::closed(bool has_credential) const noexcept {
  if (spawn || private_upstream || has_credential) return true;
  return !upstreams.empty() && std::all_of(upstreams.begin(), upstreams.end(),
                                           [](const std::string& u) { return u.starts_with("unix:"); });
}

Result<std::shared_ptr<const Catalogue>> Catalogue::build(std::vector<AccessPoint> points, std::vector<std::string> hosts) {
  std::string problems;
  const auto problem = [&](const AccessPoint& p, std::string_view what) {
    problems.append(problems.empty() ? "" : "\n").append("access_point.").append(p.name).append(": ").append(what);
  };
  std::vector<std::pair<const Carry*, const std::string*>> carried;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const AccessPoint& p = points[i];
    if (!valid_prefix(p.prefix)) {
      problem(p, "prefix \"" + p.prefix + "\" must begin with '/', not end with it, and hold plain segments only");
    }
    if (!valid_prefix(p.upstream_prefix)) problem(p, "upstream_prefix \"" + p.upstream_prefix + "\": as for prefix");
    if (p.upstreams.empty() && !p.spawn) problem(p, "give upstreams or spawn");
    if (!valid_field_name(p.credential_header)) problem(p, "credential_header is not a header name");
    if (taken_field(p.credential_header)) problem(p, "credential_header " + p.credential_header + " has another meaning");
    if (p.credential_scheme.find_first_of("\r\n") != std::string::npos) problem(p, "credential_scheme holds a line end");
    for (const std::string& operation : p.rules.operations) {
      if (!dialect::operation_known(p.kind, operation)) {
        problem(p, "operations: \"" + operation + "\" is nothing that the kind " + std::string(dialect::name(p.kind)) + " has");
      }
    }
    if (p.kind == dialect::Kind::mcp && p.upstreams.size() > 1) problem(p, "upstreams: a session lives at one server: give one");
    if (p.kind == dialect::Kind::mcp && !p.rules.models.empty()) problem(p, "models: there are none behind the kind mcp");
    if (p.kind == dialect::Kind::http && !p.rules.models.empty()) {
      problem(p, "models: the kind http does not look into requests and cannot tell models apart");
    }
    if (!p.host.empty() && std::find(hosts.begin(), hosts.end(), p.host) == hosts.end()) {
      problem(p, "host \"" + p.host + "\" is not among server.hosts");
    }
    for (const Carry& c : p.carries) {
      const auto from = std::find_if(points.begin(), points.end(), [&](const AccessPoint& one) { return one.name == c.from; });
      if (p.kind != dialect::Kind::mcp) problem(p, "carries: only of the kind mcp, whose tools can be called");
      if (from == points.end()) problem(p, "carries: there is no access point \"" + c.from + "\"");
      if (from != points.end() && (from->kind == dialect::Kind::mcp || !from->rules.gated_tools)) {
        problem(p, "carries: in replies of \"" + c.from + "\" no tool call is confirmed");
      }
      for (const auto& [other, by] : carried) {
        if (other->from == c.from && (other->tool == c.tool || other->tool == "*" || c.tool == "*")) {
          problem(p, "carries: \"" + c.from + "/" + c.tool + "\" is carried by access_point." + *by + " already");
        }
      }
      carried.emplace_back(&c, &p.name);
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (points[j].name == p.name) problem(p, "the name is used twice");
      if (points[j].host == p.host && points[j].prefix == p.prefix) {
        problem(p, "has the same host and prefix as access_point." + points[j].name + ": give one of them a prefix");
      }
    }
  }
  if (!problems.empty()) return fail(Reason::config_invalid, std::move(problems));
  auto out = std::shared_ptr<Catalogue>(new Catalogue());
  out->points_ = std::move(points);
  out->hosts_ = std::move(hosts);
  return std::shared_ptr<const Catalogue>(std::move(out));
}

bool Catalogue::known_host(std::string_view canonical_host) const noexcept {
  return std::find(hosts_.begin(), hosts_.end(), canonical_host) != hosts_.end();
}

std::optional<Catalogue::Route> Catalogue::route(std::string_view canonical_host, std::string_view path) const noexcept {
  const AccessPoint* best = nullptr;
  std::size_t index = 0;
  for (std::size_t i = 0; i < points_.size(); ++i) {
    const AccessPoint& p = points_[i];
    if (!p.host.empty() && p.host != canonical_host) continue;
    if (!prefix_matches(p.prefix, path)) continue;
    if (best != nullptr) {
      const bool better_host = !p.host.empty() && best->host.empty();
      const bool same_host = p.host.empty() == best->host.empty();
      if (!better_host && !(same_host && p.prefix.size() > best->prefix.size())) continue;
    }
    best = &p;
    index = i;
  }
  if (best == nullptr) return std::nullopt;
  std::string_view rest = path.substr(best->prefix.size());
  if (rest.empty()) rest = "/";
  return Route{best, index, rest};
}

const AccessPoint* Catalogue::find(std::string_view name) const noexcept {
  for (const AccessPoint& p : points_) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

std::optional<Catalogue::Place> Catalogue::carried(std::string_view from, std::string_view tool) const noexcept {
  for (const AccessPoint& p : points_) {
    for (const Carry& c : p.carries) {
      if (c.from == from && (c.tool == "*" || c.tool == tool)) return Place{&p, c.as.empty() ? tool : std::string_view(c.as)};
    }
  }
  return std::nullopt;
}

}  // namespace vestibule::access
