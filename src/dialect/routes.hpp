#pragma once
// The route tables (routes.def) and how a path is looked up in them. Private to the room.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "dialect/dialect.hpp"

namespace vestibule::dialect {

/// How a body that is read whole is judged.
enum class Shape : std::uint8_t {
  nothing,         ///< no body is read
  model_required,  ///< an inference body: every rule, and a model must be named
  model_optional,  ///< the same, but the server has a model of its own choice
  responses,       ///< as model_required, and the reply is stored unless the body says otherwise
  named,           ///< Ollama's management bodies: `model`, or `name` as its old spelling
  copied,          ///< Ollama's copy: `source` and `destination` are both models
  opened,          ///< opened by the operator by name: JSON or empty, a `model` is still judged
};

enum class Query : std::uint8_t {
  none,  ///< any query is refused
  beta,  ///< `beta=true`, which Anthropic's clients add
  page,  ///< `limit`, `before_id`, `after_id`
  any,
};

struct Route {
  std::uint8_t kinds = 0;    ///< bit k: served by Kind k
  std::uint8_t methods = 0;  ///< bit m: http::Method m
  std::string_view path;     ///< `{m}`: one segment, a model's name; `{x}`: one segment; `{*}`: the rest
  std::string_view operation;
  RouteClass route_class = RouteClass::administrative;
  Shape shape = Shape::nothing;
  BodyRule body = BodyRule::none;
  ReplyRule reply = ReplyRule::opaque;
  Query query = Query::none;
  bool streams = false;  ///< the reply is a stream unless the body says otherwise
};

/// Every row, of all kinds, in the order of routes.def.
[[nodiscard]] const std::vector<Route>& all_routes();

/// One kind's rows. Immutable once built.
class RouteTable {
 public:
  explicit RouteTable(Kind kind);

  struct Match {
    const Route* route = nullptr;
    bool path_known = false;  ///< some row has the path, whatever the method
  };
  [[nodiscard]] Match find(http::Method method, std::string_view path) const noexcept;
  /// The row that gave this need, found again by path.
  [[nodiscard]] const Route* find(const Need& need, std::string_view path) const noexcept;

 private:
  template <class F>
  void each(std::string_view path, F&& f) const noexcept;

  static constexpr std::size_t kSizes = 64;  // exact paths are shorter
  std::vector<Route> exact_;                 // by size of the path
  std::array<std::uint8_t, kSizes + 1> first_{};
  std::vector<Route> patterns_;
};

/// True if the path has the form of the pattern; `model` is set to the `{m}` segment if there is one.
[[nodiscard]] bool match_pattern(std::string_view pattern, std::string_view path, std::string_view& model) noexcept;

}  // namespace vestibule::dialect
