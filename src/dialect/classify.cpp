#include "dialect/classify.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "dialect/model_name.hpp"
#include "json/fold_guard.hpp"
#include "json/reader.hpp"

namespace vestibule::dialect {
namespace {

using json::Token;

enum class What : std::uint8_t {
  // members of the body
  model,
  old_model,
  source,
  destination,
  stream,
  array,
  tools,
  functions,
  items,
  store,
  foreign_if_true,
  slot,
  server_tool,
  other_model,
  remote,
  template_arguments,
  // anywhere
  foreign,
  opened,
  free,
  url,
  soft_url,
  object_with_id,
  audio,
  type,
  id,
  role,
  function,
  schema,
};

struct Fields {
  std::vector<std::string_view> names;
  std::vector<What> whats;
  json::FoldGuard guard;
  explicit Fields(std::initializer_list<std::pair<std::string_view, What>> rows)
      : names(names_of(rows)), whats(whats_of(rows)), guard(names) {}
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

 private:
  static std::vector<std::string_view> names_of(std::initializer_list<std::pair<std::string_view, What>> rows) {
    std::vector<std::string_view> out;
    for (const auto& row : rows) out.push_back(row.first);
    return out;
  }
  static std::vector<What> whats_of(std::initializer_list<std::pair<std::string_view, What>> rows) {
    std::vector<What> out;
    for (const auto& row : rows) out.push_back(row.second);
    return out;
  }
};

const Fields kTop{
#define TOP(field, what) {#field, What::what},
#define NESTED(field, what)
#include "dialect/fields.def"
#undef TOP
#undef NESTED
};
const Fields kNested{
#define TOP(field, what)
#define NESTED(field, what) {#field, What::what},
#include "dialect/fields.def"
#undef TOP
#undef NESTED
};

// What a value below the body's members is.
enum class Place : std::uint8_t {
  content,   // anything
  url,       // a URL, or an object with one
  soft_url,  // base64, or a URL
  with_id,   // text, or an object whose id names something the server keeps
  audio,     // soft_url and with_id at once
  items,     // the array of Responses' items
  item,
  tools,  // an array of tools
  tool,
  function,   // the part of a tool that has a schema
  functions,  // an array of functions without a wrapper
};

// Tools that the client runs by itself, whatever the dialect.
constexpr std::array<std::string_view, 2> kClientTools{"function", "custom"};
// Anthropic defines these, the client runs them (the rest is run by the server).
constexpr std::array<std::string_view, 4> kAnthropicClientTools{"bash_", "text_editor_", "computer_", "memory_"};
constexpr std::string_view kKept = "names an object that the server keeps";
// Arguments of chat templates that are switches and nothing else.
constexpr std::array<std::string_view, 4> kTemplateArguments{"enable_thinking", "thinking", "reasoning_effort",
                                                             "thinking_budget"};

// RFC 3986 section 3.1, with white space before it, as lenient clients strip it.
bool has_scheme(std::string_view text) {
  while (!text.empty() && (static_cast<unsigned char>(text.front()) <= 0x20)) text.remove_prefix(1);
  const std::size_t colon = text.substr(0, 32).find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

class Walker {
 public:
  Walker(Kind kind, const Route& route, std::string_view body, const Rules& rules, std::string& scratch)
      : kind_(kind),
        route_(route),
        rules_(rules),
        // What the server runs by itself is asked of nobody: where tool calls are gated it stays closed.
        server_tools_(rules.server_tools && !rules.gated_tools),
        scratch_(scratch),
        reader_(body) {}

  Result<Facts> run() {
    if (!read_body()) return std::move(error_);
    return std::move(facts_);
  }

 private:
  bool refuse(Reason reason, std::string_view field, std::string_view why) {
    error_ = fail(reason, std::string(field).append(": ").append(why));
    return false;
  }
  bool broken() {
    error_ = reader_.error();
    return false;
  }
  bool pass(Token t) { return t == Token::error ? broken() : true; }
  bool skip() { return reader_.skip() ? true : broken(); }
  [[nodiscard]] bool opened(std::string_view operation) const {
    return std::find(rules_.operations.begin(), rules_.operations.end(), operation) != rules_.operations.end();
  }

  // The key just read, judged by its spelling. -2 means refused.
  int field(const Fields& fields) {
    const std::string_view key = reader_.text();
    if (reader_.escaped() && key.find('\0') != std::string_view::npos) {
      error_ = fail(Reason::body_not_json, "a key with a zero byte");
      return json::FoldGuard::kFolded;
    }
    const int known = fields.guard.check(key);
    if (known == json::FoldGuard::kFolded) {
      error_ = fail(Reason::body_not_json, "a key that differs from a known one by its letters' case only");
    }
    return known;
  }

  bool read_body() {
    if (reader_.next() != Token::object_begin) {
      return reader_.token() == Token::error ? broken() : refuse(Reason::body_shape, "body", "must be an object");
    }
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) break;
      if (t == Token::error) return broken();
      const int known = field(kTop);
      if (known == json::FoldGuard::kFolded) return false;
      const auto index = static_cast<std::size_t>(known);
      if (known < 0) {
        if (!value(Place::content)) return false;
      } else if (!member(kTop.names[index], kTop.whats[index])) {
        return false;
      }
    }
    if (reader_.next() != Token::end) return broken();
    return finish();
  }

  [[nodiscard]] bool judged() const {
    return route_.shape == Shape::model_required || route_.shape == Shape::model_optional ||
           route_.shape == Shape::responses;
  }

  // One member of the body: its key has been read.
  bool member(std::string_view name, What what) {
    switch (what) {
      case What::model: return model(name, model_);
      case What::old_model: return route_.shape == Shape::named ? model(name, other_) : value(Place::content);
      case What::source: return route_.shape == Shape::copied ? model(name, model_) : value(Place::content);
      case What::destination: return route_.shape == Shape::copied ? model(name, other_) : value(Place::content);
      case What::stream: return boolean(name, stream_);
      default: break;
    }
    // The bodies of management are the operator's own affair once their route is open.
    if (!judged()) return skip();
    switch (what) {
      case What::array:
        if (!pass(reader_.next())) return false;
        if (reader_.token() == Token::null) return true;
        if (reader_.token() != Token::array_begin) return refuse(Reason::body_shape, name, "must be an array");
        return rest(Place::content);
      case What::tools: return list_of_tools(name, Place::tools);
      case What::functions: return list_of_tools(name, Place::functions);
      case What::items: return value(Place::items);
      case What::store: return boolean(name, store_);
      case What::foreign_if_true: {
        std::optional<bool> set;
        if (!boolean(name, set)) return false;
        return set.value_or(false) && !rules_.server_objects ? foreign(name) : true;
      }
      case What::slot:
        if (!pass(reader_.next())) return false;
        if (reader_.token() == Token::null || reader_.int64() == -1) return true;
        return rules_.server_objects ? skip() : foreign(name);
      case What::server_tool:
        return server_tools_ ? skip() : nothing(Reason::server_tool_denied, name, "run by the server");
      case What::other_model: return nothing(Reason::model_denied, name, "one model a request");
      case What::remote: return nothing(Reason::remote_url_denied, name, "the upstream is not the client's to name");
      case What::template_arguments: return template_arguments(name);
      default: return common(name, what, Place::content, nullptr);
    }
  }

  // What an object may tell of itself.
  struct Seen {
    bool id = false, type = false, role = false;
  };

  // Fields that are judged alike at any depth.
  bool common(std::string_view name, What what, Place place, Seen* seen) {
    switch (what) {
      case What::foreign:
        return rules_.server_objects ? skip() : nothing(Reason::object_foreign, name, kKept);
      case What::opened:
        return opened(std::string("body.").append(name)) ? skip() : nothing(Reason::route_denied, name, "reaches into the server");
      case What::free: return skip();
      case What::url: return value(Place::url);
      case What::soft_url: return value(Place::soft_url);
      case What::object_with_id: return value(Place::with_id);
      case What::audio: return value(Place::audio);
      case What::type: return type(name, place, seen);
      case What::id:
        if (seen != nullptr) seen->id = true;
        if ((place != Place::with_id && place != Place::audio) || rules_.server_objects) return value(Place::content);
        return nothing(Reason::object_foreign, name, kKept);
      case What::role:
        if (seen != nullptr) seen->role = true;
        return value(Place::content);
      case What::function: return value(place == Place::tool ? Place::function : Place::content);
      case What::schema:
        return place == Place::tool || place == Place::function ? skip() : value(Place::content);
      default: return value(Place::content);
    }
  }

  bool foreign(std::string_view name) { return refuse(Reason::object_foreign, name, kKept); }

  // A value that must be null or an empty list or object.
  bool nothing(Reason reason, std::string_view field, std::string_view why) {
    const Token t = reader_.next();
    if (t == Token::null) return true;
    if (t == Token::error) return broken();
    if (begins()) {
      const Token end = reader_.next();
      if (end == Token::array_end || end == Token::object_end) return true;
      if (end == Token::error) return broken();
    }
    return refuse(reason, field, why);
  }
  [[nodiscard]] bool begins() const {
    return reader_.token() == Token::array_begin || reader_.token() == Token::object_begin;
  }

  bool boolean(std::string_view name, std::optional<bool>& out) {
    switch (reader_.next()) {
      case Token::boolean_true: out = true; return true;
      case Token::boolean_false: out = false; return true;
      case Token::null: return true;
      case Token::error: return broken();
      default: return refuse(Reason::body_shape, name, "must be true or false");
    }
  }

  struct Name {
    std::string_view text;
    bool given = false;
    bool copied = false;
    std::string copy;
  };
  bool model(std::string_view field, Name& out) {
    switch (reader_.next()) {
      case Token::null: return true;
      case Token::string: break;
      case Token::error: return broken();
      default: return refuse(Reason::body_shape, field, "must be a string");
    }
    out.given = true;
    out.text = reader_.text();
    if (reader_.escaped()) {  // the view dies with the next token
      out.copy = std::string(out.text);
      out.copied = true;
    }
    return true;
  }

  bool list_of_tools(std::string_view name, Place place) {
    if (!pass(reader_.next())) return false;
    if (reader_.token() == Token::null) return true;
    if (reader_.token() != Token::array_begin) return refuse(Reason::body_shape, name, "must be an array");
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::array_end) return true;
      if (t == Token::error) return broken();
      if (t != Token::object_begin) return refuse(Reason::body_shape, name, "must hold objects");
      if (facts_.tools < 65535) ++facts_.tools;
      if (!object(place == Place::tools ? Place::tool : Place::function)) return false;
    }
  }

  bool type(std::string_view name, Place place, Seen* seen) {
    if (!pass(reader_.next())) return false;
    if (seen != nullptr) seen->type = reader_.token() != Token::null;
    if (place == Place::tool) {
      if (reader_.token() == Token::null || server_tools_) return rest(Place::content);
      if (reader_.token() != Token::string) return refuse(Reason::body_shape, "tools.type", "must be a string");
      const std::string_view text = reader_.text();
      if (std::find(kClientTools.begin(), kClientTools.end(), text) != kClientTools.end()) return true;
      if (route_.path.starts_with("/v1/messages") &&
          std::any_of(kAnthropicClientTools.begin(), kAnthropicClientTools.end(),
                      [text](std::string_view prefix) { return text.starts_with(prefix); })) {
        return true;
      }
      return refuse(Reason::server_tool_denied, "tools", "only tools that the client runs");
    }
    if (reader_.token() == Token::string && !rules_.server_objects && reader_.text() == "item_reference") return foreign(name);
    return rest(Place::content);
  }

  bool template_arguments(std::string_view name) {
    if (opened("body.chat_template_kwargs")) return skip();
    if (!pass(reader_.next())) return false;
    if (reader_.token() == Token::null) return true;
    if (reader_.token() != Token::object_begin) return refuse(Reason::body_shape, name, "must be an object");
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) return true;
      if (t == Token::error) return broken();
      const std::string_view key = reader_.text();
      if (std::find(kTemplateArguments.begin(), kTemplateArguments.end(), key) == kTemplateArguments.end()) {
        return refuse(Reason::route_denied, name, "only switches for thinking");
      }
      const Token v = reader_.next();
      if (v == Token::error) return broken();
      if (begins()) return refuse(Reason::body_shape, name, "must hold plain values");
    }
  }

  bool value(Place place) { return pass(reader_.next()) && rest(place); }

  // A value whose first token has been read.
  bool rest(Place place) {
    switch (reader_.token()) {
      case Token::object_begin: return object(place);
      case Token::array_begin: {
        const Place each = place == Place::items ? Place::item : place;
        for (;;) {
          const Token t = reader_.next();
          if (t == Token::array_end) return true;
          if (t == Token::error) return broken();
          if (!rest(each)) return false;
        }
      }
      case Token::string: return text(place);
      case Token::error: return broken();
      default: return true;
    }
  }

  bool text(Place place) {
    if (rules_.remote_urls) return true;
    switch (place) {
      case Place::url:
        // Only in this spelling is it a data URL to every server.
        if (!reader_.text().starts_with("data:")) return refuse(Reason::remote_url_denied, "url", "must begin with data:");
        return true;
      case Place::soft_url:
      case Place::audio: {
        const std::string_view text = reader_.text();
        if (has_scheme(text) && !text.starts_with("data:")) return refuse(Reason::remote_url_denied, "url", "must begin with data:");
        return true;
      }
      default: return true;
    }
  }

  // An object whose begin has been read.
  bool object(Place place) {
    Seen seen;
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) break;
      if (t == Token::error) return broken();
      const int known = field(kNested);
      if (known == json::FoldGuard::kFolded) return false;
      const auto index = static_cast<std::size_t>(known);
      if (known < 0) {
        if (!value(Place::content)) return false;
      } else if (!common(kNested.names[index], kNested.whats[index], place, &seen)) {
        return false;
      }
    }
    // Responses take an item that has nothing but an id for a reference to a stored one.
    if ((place == Place::item || place == Place::items) && seen.id && !seen.type && !seen.role && !rules_.server_objects) return foreign("input.id");
    return true;
  }

  // The canonical name, or nothing with error_ set.
  std::optional<std::string_view> judge(Name& name, std::string_view field, std::string& buffer) {
    if (name.copied) {
      buffer = std::move(name.copy);
      name.text = buffer;
    }
    Result<std::string_view> canonical = canonical_model(kind_, name.text, buffer);
    if (!canonical) {
      error_ = std::move(canonical).error();
      return std::nullopt;
    }
    if (!model_listed(kind_, rules_, *canonical)) {
      refuse(Reason::model_denied, field, "not open here");
      return std::nullopt;
    }
    return *canonical;
  }

  bool finish() {
    facts_.stream = stream_.value_or(route_.streams);
    if (store_.has_value() || route_.shape == Shape::responses) {
      const bool stores = kind_ == Kind::openai || kind_ == Kind::vllm || kind_ == Kind::anthropic;
      if (stores && !rules_.server_objects && store_.value_or(route_.shape == Shape::responses)) {
        return store_.has_value() ? refuse(Reason::object_foreign, "store", "the server would keep the answer")
                                  : refuse(Reason::object_foreign, "store", "missing, and then the server keeps the answer: send \"store\": false");
      }
    }
    // An empty string is no name to llama.cpp and vLLM.
    if (kind_ == Kind::llamacpp && model_.given && model_.text.empty()) model_.given = false;
    std::string second;
    if (route_.shape == Shape::named && other_.given) {
      if (!model_.given) {
        std::swap(model_, other_);
      } else if (model_.text != other_.text) {
        return refuse(Reason::body_shape, "name", "differs from model");
      }
    } else if (route_.shape == Shape::copied && other_.given) {
      if (!judge(other_, "destination", second)) return false;
    }
    if (!model_.given) return without_model();
    const auto canonical = judge(model_, "model", scratch_);
    if (!canonical) return false;
    facts_.model = *canonical;
    return true;
  }

  bool without_model() {
    const bool required = route_.shape == Shape::named || route_.shape == Shape::copied ||
                          ((route_.shape == Shape::model_required || route_.shape == Shape::responses) && kind_ != Kind::llamacpp);
    if (required) return refuse(Reason::body_shape, route_.shape == Shape::copied ? "source" : "model", "missing");
    if (!rules_.models.empty() && route_.shape != Shape::opened) {
      return refuse(Reason::model_denied, "model", "missing, and only listed models are open here");
    }
    return true;
  }

  Kind kind_;
  const Route& route_;
  const Rules& rules_;
  const bool server_tools_;
  std::string& scratch_;
  json::Reader reader_;
  Facts facts_;
  Error error_;
  Name model_;
  Name other_;
  std::optional<bool> stream_;
  std::optional<bool> store_;
};

}  // namespace

bool opens_field(std::string_view name) noexcept {
  for (const Fields* fields : {&kTop, &kNested}) {
    const int at = fields->guard.check(name);
    if (at < 0) continue;
    const What what = fields->whats[static_cast<std::size_t>(at)];
    if (what == What::opened || what == What::template_arguments) return true;
  }
  return false;
}

Result<Facts> classify_body(Kind kind, const Route& route, std::string_view body, const Rules& rules,
                            std::string& scratch) {
  if (body.empty() && route.shape == Shape::opened) return Facts{};
  return Walker(kind, route, body, rules, scratch).run();
}

}  // namespace vestibule::dialect
