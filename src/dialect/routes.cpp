#include "dialect/routes.hpp"

#include <algorithm>
#include <stdexcept>

namespace vestibule::dialect {
namespace {

constexpr std::uint8_t bit(Kind k) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(k)); }
constexpr std::uint8_t bit(http::Method m) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(m)); }

std::vector<Route> read_table() {
  constexpr unsigned O = bit(Kind::openai);
  constexpr unsigned A = bit(Kind::anthropic);
  constexpr unsigned L = bit(Kind::ollama);
  constexpr unsigned C = bit(Kind::llamacpp);
  constexpr unsigned V = bit(Kind::vllm);
  constexpr unsigned GET = bit(http::Method::get);
  constexpr unsigned HEAD = bit(http::Method::head);
  constexpr unsigned POST = bit(http::Method::post);
  constexpr unsigned DELETE = bit(http::Method::delete_);
  constexpr auto P = RouteClass::probe;
  constexpr auto R = RouteClass::read;
  constexpr auto I = RouteClass::inference;
  constexpr auto S = RouteClass::sensitive;
  constexpr auto A_ = RouteClass::administrative;
  return {
#define ROUTE(kinds, methods, path, operation, cls, shape, body, reply, query, streams)                          \
  Route{static_cast<std::uint8_t>(kinds), static_cast<std::uint8_t>(methods), path, operation, cls, Shape::shape, \
        BodyRule::body, ReplyRule::reply, Query::query, streams},
#include "dialect/routes.def"
#undef ROUTE
  };
}

}  // namespace

const std::vector<Route>& all_routes() {
  static const std::vector<Route> routes = read_table();
  return routes;
}

bool match_pattern(std::string_view pattern, std::string_view path, std::string_view& model) noexcept {
  while (!pattern.empty()) {
    if (pattern.front() != '{') {
      if (path.empty() || path.front() != pattern.front()) return false;
      pattern.remove_prefix(1);
      path.remove_prefix(1);
      continue;
    }
    const bool is_model = pattern.starts_with("{m}");
    if (path.empty() || path.front() == '/') return false;
    if (pattern.starts_with("{*}")) return true;
    const std::size_t size = std::min(path.find('/'), path.size());
    if (is_model) model = path.substr(0, size);
    pattern.remove_prefix(3);
    path.remove_prefix(size);
  }
  return path.empty();
}

RouteTable::RouteTable(Kind kind) {
  for (const Route& r : all_routes()) {
    if ((r.kinds & bit(kind)) == 0) continue;
    const bool pattern = r.path.find('{') != std::string_view::npos;
    if (!pattern && r.path.size() >= kSizes) throw std::logic_error("route too long");
    (pattern ? patterns_ : exact_).push_back(r);
  }
  std::sort(exact_.begin(), exact_.end(),
            [](const Route& a, const Route& b) { return a.path.size() < b.path.size(); });
  for (std::size_t size = 0, at = 0; size <= kSizes; ++size) {
    while (at < exact_.size() && exact_[at].path.size() < size) ++at;
    first_[size] = static_cast<std::uint8_t>(at);
  }
}

// Calls f(route) for each row with this path until it returns true; exact rows come first, and a
// path that has one is never read as a pattern ("/v1/responses/input_tokens" is no stored response).
template <class F>
void RouteTable::each(std::string_view path, F&& f) const noexcept {
  bool exact = false;
  if (path.size() < kSizes) {
    for (std::size_t i = first_[path.size()]; i < first_[path.size() + 1]; ++i) {
      if (exact_[i].path != path) continue;
      exact = true;
      if (f(exact_[i])) return;
    }
  }
  if (exact) return;
  std::string_view model;
  for (const Route& r : patterns_) {
    if (match_pattern(r.path, path, model) && f(r)) return;
  }
}

RouteTable::Match RouteTable::find(http::Method method, std::string_view path) const noexcept {
  Match match;
  each(path, [&](const Route& r) {
    match.path_known = true;
    if ((r.methods & bit(method)) == 0) return false;
    match.route = &r;
    return true;
  });
  return match;
}

const Route* RouteTable::find(const Need& need, std::string_view path) const noexcept {
  const Route* found = nullptr;
  each(path, [&](const Route& r) {
    if (r.operation != need.operation || r.body != need.body || r.reply != need.reply) return false;
    found = &r;
    return true;
  });
  return found;
}

}  // namespace vestibule::dialect
