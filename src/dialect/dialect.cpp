#include "dialect/dialect.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "dialect/classify.hpp"
#include "dialect/mcp.hpp"
#include "dialect/model_name.hpp"
#include "dialect/models.hpp"
#include "dialect/render.hpp"
#include "dialect/routes.hpp"
#include "http/chars.hpp"

namespace vestibule::dialect {
namespace {

using http::chars::equals_folded;
using http::chars::trimmed;

constexpr std::array<std::string_view, 7> kDialectNames{"openai", "anthropic", "ollama", "llamacpp", "vllm", "http", "mcp"};

// A model's words without a chat's structure, or an answer kept by the server and given out on a route of its own:
// a call in them is seen by nobody. And llama.cpp's own tools, called past the model.
constexpr std::array<std::string_view, 9> kUninspected{"complete",     "invoke",         "chat.stored",   "responses.stored", "streams",
                                                       "batches.read", "batches.create", "conversations", "server_tools"};

// application/json, with no parameter but charset=utf-8 (RFC 8259 has none; clients send it).
bool is_json(std::string_view value) noexcept {
  const std::size_t semicolon = value.find(';');
  if (!equals_folded(trimmed(value.substr(0, semicolon)), "application/json")) return false;
  if (semicolon == std::string_view::npos) return true;
  const std::string_view parameter = trimmed(value.substr(semicolon + 1));
  return equals_folded(parameter, "charset=utf-8") || equals_folded(parameter, "charset=\"utf-8\"");
}

// With the boundary that it is divided by (RFC 2046 section 5.1.1): without one a server answers before it has read the body.
bool is_form(std::string_view value) noexcept {
  std::size_t end = value.find(';');
  if (!equals_folded(trimmed(value.substr(0, end)), "multipart/form-data")) return false;
  while (end != std::string_view::npos) {
    value.remove_prefix(end + 1);
    end = value.find(';');
    const std::string_view parameter = trimmed(value.substr(0, end));
    const std::size_t equals = parameter.find('=');
    if (equals != std::string_view::npos && equals + 1 < parameter.size() && equals_folded(parameter.substr(0, equals), "boundary")) return true;
  }
  return false;
}

bool encoded(const http::Headers& headers) noexcept {
  if (!headers.has(http::Known::content_encoding)) return false;
  return std::any_of(headers.begin(), headers.end(), [](const http::HeaderField& f) {
    return f.known == http::Known::content_encoding && !equals_folded(f.value, "identity");
  });
}

// The path itself, or below it.
bool under(std::string_view path, std::string_view prefix) noexcept {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

Result<void> judge_query(Query rule, std::string_view query) {
  if (query.empty() || rule == Query::any) return {};
  static constexpr std::array<std::string_view, 1> kBeta{"beta"};
  static constexpr std::array<std::string_view, 3> kPage{"limit", "before_id", "after_id"};
  std::span<const std::string_view> names;
  if (rule == Query::beta) names = kBeta;
  if (rule == Query::page) names = kPage;
  http::QueryReader reader(query);
  http::QueryParam param;
  unsigned seen = 0;
  for (;;) {
    const auto step = reader.next(param);
    if (step == http::QueryReader::Step::end) return {};
    const auto at = std::find(names.begin(), names.end(), param.name);
    if (step == http::QueryReader::Step::bad || at == names.end()) break;
    const unsigned bit = 1U << static_cast<unsigned>(at - names.begin());
    if ((seen & bit) != 0 || (rule == Query::beta && param.value != "true")) break;
    seen |= bit;
  }
  return fail(Reason::request_malformed, "a query that this operation does not take");
}

// The five that have routes of their own.
class Tabled final : public Dialect {
 public:
  explicit Tabled(Kind kind) : kind_(kind), table_(kind) {}

  Kind kind() const noexcept override { return kind_; }

  Result<Need> need(http::Method method, std::string_view path, std::string_view query,
                    const Rules& rules) const override {
    const RouteTable::Match match = table_.find(method, path);
    if (!match.path_known) return fail(Reason::route_unknown);
    if (match.route == nullptr) return fail(Reason::method_not_allowed);
    const Route& r = *match.route;
    if (r.route_class == RouteClass::sensitive || r.route_class == RouteClass::administrative) {
      const auto& open = rules.operations;
      if (std::find(open.begin(), open.end(), r.operation) == open.end()) return fail(Reason::route_denied);
    }
    if (rules.gated_tools && std::find(kUninspected.begin(), kUninspected.end(), r.operation) != kUninspected.end()) {
      return fail(Reason::tools_gated);
    }
    Result<void> fit = judge_query(r.query, query);
    if (!fit) return std::move(fit).error();
    return Need{r.operation, r.route_class, r.body, r.reply, face(path)};
  }

  Result<void> check_head(const Need& need, const http::Headers& headers) const override {
    if (encoded(headers)) return fail(Reason::content_encoding);
    if (need.body == BodyRule::none) return {};
    const std::size_t types = headers.count(http::Known::content_type);
    if (types > 1) return fail(Reason::content_type, "sent twice");
    const auto type = headers.find(http::Known::content_type);
    if (!type) {
      // Ollama's own clients send none; management calls have no body more often than not; and an
      // upload of raw bytes needs none.
      const bool open = need.route_class == RouteClass::sensitive || need.route_class == RouteClass::administrative;
      if (kind_ == Kind::ollama || open) return {};
      return fail(Reason::content_type);
    }
    if (need.body == BodyRule::whole) return is_json(*type) ? Result<void>{} : fail(Reason::content_type);
    // What is relayed unread must not be what other routes would have had to classify.
    if (need.route_class == RouteClass::inference && !is_form(*type)) {
      return fail(Reason::content_type, "this operation takes multipart/form-data");
    }
    return {};
  }

  Result<Facts> classify(const Need& need, std::string_view path, std::string_view body, const Rules& rules,
                         std::string& scratch) const override {
    const Route* route = table_.find(need, path);
    if (route == nullptr) return fail(Reason::internal, "classify() without need()");
    if (need.body == BodyRule::whole) return classify_body(kind_, *route, body, rules, scratch);
    if (need.body == BodyRule::stream) {
      if (need.route_class == RouteClass::inference && !rules.models.empty()) {
        return fail(Reason::model_denied, "model: unread in an upload, and only listed models are open here");
      }
      return Facts{};
    }
    Facts facts;
    std::string_view name;
    if (match_pattern(route->path, path, name) && !name.empty()) {
      Result<std::string_view> canonical = canonical_model(kind_, name, scratch);
      if (!canonical) return std::move(canonical).error();
      if (!model_listed(kind_, rules, *canonical)) return fail(Reason::model_denied, "model: not open here");
      facts.model = *canonical;
    }
    return facts;
  }

  // Ollama, llama.cpp and vLLM serve OpenAI's and Anthropic's routes beside their own.
  Face face(std::string_view path) const noexcept override {
    if (kind_ == Kind::openai || kind_ == Kind::anthropic) return face();
    if (under(path, "/v1/messages") || path == "/v1/complete") return Face::anthropic;
    if (under(path, "/v1")) return Face::openai;
    if (under(path, "/api")) return Face::ollama;
    return face();
  }
  Face face() const noexcept override {
    switch (kind_) {
      case Kind::openai:
      case Kind::llamacpp:
      case Kind::vllm: return Face::openai;
      case Kind::anthropic: return Face::anthropic;
      case Kind::ollama: return Face::ollama;
      case Kind::http:
      case Kind::mcp: break;
    }
    return Face::problem;
  }
  Result<std::string> filter_models(std::string_view body,
                                    const std::function<bool(std::string_view)>& allowed) const override {
    return filter_list(kind_, body, allowed);
  }

 private:
  Kind kind_;
  RouteTable table_;
};

// Anything behind HTTP: every path is relayed, told apart by whether the method asks for a change.
class Generic final : public Dialect {
 public:
  Kind kind() const noexcept override { return Kind::http; }

  Result<Need> need(http::Method method, std::string_view, std::string_view, const Rules&) const override {
    const bool reads = method == http::Method::get || method == http::Method::head || method == http::Method::options;
    return reads ? Need{"http.read", RouteClass::read, BodyRule::stream, ReplyRule::opaque, Face::problem}
                 : Need{"http.write", RouteClass::inference, BodyRule::stream, ReplyRule::opaque, Face::problem};
  }
  Result<void> check_head(const Need&, const http::Headers&) const override { return {}; }
  Result<Facts> classify(const Need&, std::string_view, std::string_view, const Rules& rules,
                         std::string&) const override {
    // A list of models was meant to narrow something that cannot be seen here.
    if (!rules.models.empty()) return fail(Reason::model_denied, "model: unknown to this kind of access point");
    return Facts{};
  }
  Face face(std::string_view) const noexcept override { return Face::problem; }
  Face face() const noexcept override { return Face::problem; }
  Result<std::string> filter_models(std::string_view, const std::function<bool(std::string_view)>&) const override {
    return fail(Reason::upstream_malformed, "no list of models");
  }
};

// One endpoint; which operation a message is, mcp::read() finds out, by head and body.
class Mcp final : public Dialect {
 public:
  Kind kind() const noexcept override { return Kind::mcp; }

  Result<Need> need(http::Method method, std::string_view path, std::string_view query, const Rules&) const override {
    if (path != "/") return fail(Reason::route_unknown);
    if (!query.empty()) return fail(Reason::request_malformed, "a query that this operation does not take");
    switch (method) {
      case http::Method::post: return Need{mcp::kSession, RouteClass::inference, BodyRule::whole, ReplyRule::messages, Face::mcp};
      case http::Method::get: return Need{mcp::kSession, RouteClass::read, BodyRule::none, ReplyRule::messages, Face::mcp};
      case http::Method::delete_: return Need{mcp::kSession, RouteClass::read, BodyRule::none, ReplyRule::messages, Face::mcp};
      default: return fail(Reason::method_not_allowed);
    }
  }
  Result<void> check_head(const Need& need, const http::Headers& headers) const override {
    if (encoded(headers)) return fail(Reason::content_encoding);
    if (need.body == BodyRule::none) return {};
    const auto type = headers.find(http::Known::content_type);
    if (headers.count(http::Known::content_type) != 1 || !is_json(*type)) return fail(Reason::content_type);
    return {};
  }
  Result<Facts> classify(const Need&, std::string_view, std::string_view, const Rules&, std::string&) const override {
    return Facts{};
  }
  Face face(std::string_view) const noexcept override { return Face::mcp; }
  Face face() const noexcept override { return Face::mcp; }
  Result<std::string> filter_models(std::string_view, const std::function<bool(std::string_view)>&) const override {
    return fail(Reason::upstream_malformed, "no list of models");
  }
};

}  // namespace

Rendered Dialect::render(const domain::Refusal& refusal, Face face, std::string_view id) { return render_refusal(face, refusal, id); }

std::string Dialect::render_cut(const domain::Refusal& refusal, Face face) { return render_end(face, refusal); }

std::string_view name(Kind kind) noexcept { return kDialectNames[static_cast<std::size_t>(kind)]; }

std::optional<Kind> kind_from(std::string_view name) noexcept {
  const auto at = std::find(kDialectNames.begin(), kDialectNames.end(), name);
  if (at == kDialectNames.end()) return std::nullopt;
  return static_cast<Kind>(at - kDialectNames.begin());
}

bool operation_known(Kind kind, std::string_view operation) noexcept {
  if (kind == Kind::http) return operation == "http.read" || operation == "http.write";
  if (kind == Kind::mcp) return mcp::operation_known(operation);
  if (operation.starts_with("body.")) return opens_field(operation.substr(5));
  const unsigned bit = 1U << static_cast<unsigned>(kind);
  return std::any_of(all_routes().begin(), all_routes().end(),
                     [=](const Route& r) { return (r.kinds & bit) != 0 && r.operation == operation; });
}

const Dialect& get(Kind kind) noexcept {
  static const Tabled openai(Kind::openai);
  static const Tabled anthropic(Kind::anthropic);
  static const Tabled ollama(Kind::ollama);
  static const Tabled llamacpp(Kind::llamacpp);
  static const Tabled vllm(Kind::vllm);
  static const Generic http;
  static const Mcp mcp;
  switch (kind) {
    case Kind::openai: return openai;
    case Kind::anthropic: return anthropic;
    case Kind::ollama: return ollama;
    case Kind::llamacpp: return llamacpp;
    case Kind::vllm: return vllm;
    case Kind::mcp: return mcp;
    case Kind::http: break;
  }
  return http;
}

}  // namespace vestibule::dialect
