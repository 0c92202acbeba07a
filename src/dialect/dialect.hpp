#pragma once
// A dialect knows one family of model servers: which routes they have, what a request's body asks
// for, and in which shape their clients expect errors. Pure: no I/O. What it does not know is denied.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/act.hpp"
#include "http/head.hpp"

namespace vestibule::dialect {

enum class Kind : std::uint8_t { openai, anthropic, ollama, llamacpp, vllm, http, mcp };
[[nodiscard]] std::string_view name(Kind kind) noexcept;
[[nodiscard]] std::optional<Kind> kind_from(std::string_view name) noexcept;

/// How dangerous a route is by itself (shared/surfaces: P, R, I, S, A). S and A are denied unless
/// the access point opens the operation by name.
enum class RouteClass : std::uint8_t { probe, read, inference, sensitive, administrative };

enum class BodyRule : std::uint8_t {
  none,    ///< a body is refused
  whole,   ///< JSON, read whole up to the limit and classified
  stream,  ///< relayed piece by piece, unread (uploads of the generic dialect, audio)
};

enum class ReplyRule : std::uint8_t {
  opaque,  ///< relayed
  usage,   ///< relayed, observed for token counts (JSON, SSE or NDJSON)
  models,  ///< a list of models: read whole, filtered to what the caller may use
  messages,  ///< of an MCP server, each looked at (mcp.hpp)
};

/// What an MCP server may ask of a client; taken out of its messages otherwise.
struct ClientRequests {
  bool sampling = false;     ///< its model's words
  bool elicitation = false;  ///< something of its person
  bool roots = false;        ///< which folders it works in
};

/// What the access point's operator has opened or narrowed.
struct Rules {
  std::vector<std::string> models;      ///< globs over canonical names; empty: any
  std::vector<std::string> operations;  ///< sensitive and administrative operations that are open
  bool remote_urls = false;             ///< content parts may name remote URLs (the server fetches)
  bool server_objects = false;          ///< stored responses, conversations, files, client-chosen slots
  bool server_tools = false;            ///< tools that the server runs by itself; closed all the same if gated
  /// Tool calls in replies are acts of their own (inspect.hpp). Then closed: server tools, and every operation that
  /// gives out a model's words in a form in which calls cannot be found: need() says tools_gated.
  bool gated_tools = false;
  ClientRequests client_requests{};
};

/// The shape in which a client of a route reads errors. It follows the route, not the server: one that
/// speaks several languages is asked in each by clients that know only that one.
enum class Face : std::uint8_t {
  openai,     ///< {"error":{"message","type","param","code"}}
  anthropic,  ///< {"type":"error","error":{"type","message"},"request_id"}
  ollama,     ///< {"error":"text"}
  problem,    ///< RFC 9457
  text,       ///< the sentence alone, for programs that show it to a person
  mcp,        ///< JSON-RPC: {"jsonrpc","id","error":{"code","message","data"}}
};

/// What the path alone says; known before the body is read.
struct Need {
  std::string_view operation;  ///< static text: "chat", "embed", "models.list", ...
  RouteClass route_class = RouteClass::administrative;
  BodyRule body = BodyRule::none;
  ReplyRule reply = ReplyRule::opaque;
  Face face = Face::problem;   ///< as face() says of the path
};

/// What the body says.
struct Facts {
  std::string_view model;   ///< canonical; a view into the body, the path or `scratch`
  bool stream = false;      ///< the reply will be a stream
  std::uint16_t tools = 0;  ///< tools offered
};

/// A reply of the gateway's own in the caller's shape.
struct Rendered {
  int status = 500;
  std::string_view content_type;
  std::string body;
};

/// Counts tokens in a reply as it passes: feed() sees every piece, counts() the result. Looks at the
/// first and last kilobytes only; never alters or delays a byte; a few dozen nanoseconds a piece.
class UsageObserver {
 public:
  struct Counts {
    std::uint32_t input_tokens = 0;
    std::uint32_t output_tokens = 0;
  };
  void feed(std::string_view piece) noexcept;
  /// Zero where the server did not say.
  [[nodiscard]] Counts counts() const noexcept;
  /// The same of a reply that came in one piece: nothing is kept.
  [[nodiscard]] static Counts counts_of(std::string_view whole) noexcept;

 private:
  static constexpr std::size_t kKeep = 1024;
  std::size_t seen_ = 0;
  std::size_t head_size_ = 0;
  std::size_t tail_size_ = 0;
  char head_[kKeep];
  char tail_[kKeep * 2];
};

/// Stateless and immutable: one instance serves all cores.
class Dialect {
 public:
  virtual ~Dialect() = default;
  [[nodiscard]] virtual Kind kind() const noexcept = 0;

  /// `path`: decoded once, without the access point's prefix. route_unknown, route_denied,
  /// method_not_allowed, request_malformed (a query that the route does not take), tools_gated.
  [[nodiscard]] virtual Result<Need> need(http::Method method, std::string_view path, std::string_view query,
                                          const Rules& rules) const = 0;
  /// Content-Type, Content-Encoding and the like, before the body is read: content_type,
  /// content_encoding. (The generic dialect takes any.)
  [[nodiscard]] virtual Result<void> check_head(const Need& need, const http::Headers& headers) const = 0;
  /// Reads the body's facts: body_not_json (also BOM, duplicate keys, keys that fold onto a known
  /// one, invalid UTF-8, trailing bytes), body_shape, model_denied (name outside rules.models),
  /// object_foreign, remote_url_denied, server_tool_denied. `scratch` backs views that the body
  /// cannot. Error::detail may be shown: it names fields, never values.
  [[nodiscard]] virtual Result<Facts> classify(const Need& need, std::string_view path, std::string_view body,
                                               const Rules& rules, std::string& scratch) const = 0;
  /// The shape of a refusal on this path, also where no route has it. `path` as for need().
  [[nodiscard]] virtual Face face(std::string_view path) const noexcept = 0;
  /// The shape where no path is known yet.
  [[nodiscard]] virtual Face face() const noexcept = 0;
  /// The refusal in its shape, before the first byte of a reply. Never echoes a credential. `id`: of Face::mcp, the
  /// id of the message that is refused as JSON text; empty: none is known.
  [[nodiscard]] static Rendered render(const domain::Refusal& refusal, Face face, std::string_view id = {});
  [[nodiscard]] Rendered render(const domain::Refusal& refusal) const { return render(refusal, face()); }
  /// A last piece for a stream that is cut after it began (SSE error event, NDJSON error line), or
  /// empty where the shape has none. The connection is aborted after it all the same.
  [[nodiscard]] static std::string render_cut(const domain::Refusal& refusal, Face face);
  [[nodiscard]] std::string render_cut(const domain::Refusal& refusal) const { return render_cut(refusal, face()); }
  /// The list with only those models for which allowed(canonical name) holds. upstream_malformed if
  /// it is not such a list.
  [[nodiscard]] virtual Result<std::string> filter_models(
      std::string_view body, const std::function<bool(std::string_view)>& allowed) const = 0;
};

/// The dialect of a kind; lives as long as the process.
[[nodiscard]] const Dialect& get(Kind kind) noexcept;

/// True if rules.operations of this kind can mean something by it: an operation, or "body." and a
/// field of requests that is refused unless opened ("body.chat_template").
[[nodiscard]] bool operation_known(Kind kind, std::string_view operation) noexcept;

/// True if rules.models lets this canonical name pass. Names that say where a model runs (Ollama's
/// `:cloud`) pass only if the list has them letter for letter.
[[nodiscard]] bool model_listed(Kind kind, const Rules& rules, std::string_view canonical) noexcept;

/// `*` any run, `?` one character. At most pattern times text steps, and both are short.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text) noexcept;

}  // namespace vestibule::dialect
