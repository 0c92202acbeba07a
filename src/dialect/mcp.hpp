#pragma once
// MCP, the Model Context Protocol, over Streamable HTTP: what a client's message asks for, and which of a server's
// messages may reach a client. Pure: no I/O. Revisions 2025-03-26, 2025-06-18 and 2025-11-25 (sessions) and
// 2026-07-28 (stateless), modelcontextprotocol.io/specification.
//
// A message is one JSON object: arrays of them are refused in every revision. What the headers repeat of a body must
// agree with it, since servers may go by either.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "dialect/dialect.hpp"
#include "dialect/inspect.hpp"
#include "http/sse.hpp"
#include "http/url.hpp"

namespace vestibule::dialect::mcp {

/// The operation of all that only keeps a conversation going: initialize, server/discover, ping, notifications,
/// answers, streams.
inline constexpr std::string_view kSession = "mcp.session";
/// The operation of the message that carries a tools/call, which is an act of its own besides.
inline constexpr std::string_view kCarrier = "mcp.call";
/// An operation of messages (kSession, tools/list, resources/read, ...) that an access point can open by name.
[[nodiscard]] bool operation_known(std::string_view operation) noexcept;

enum class Era : std::uint8_t { sessions, stateless };

/// One message of a client's.
struct Message {
  enum class Is : std::uint8_t { request, notification, response };
  Is is = Is::request;
  Era era = Era::sessions;
  bool initialize = false;     ///< its answer may bring a session
  bool opens_urls = false;     ///< it says that the client shows URLs to its person (elicitation in mode "url")
  /// What the client says of the URL that it was asked to open for a confirmation (kConfirm): "accept", "decline",
  /// "cancel"; empty: it was not asked. Says nothing of whether anything was confirmed.
  std::string url_answer;
  /// It brings what its server asked for in an answer before (requestState, inputResponses): a client that is asked
  /// anything else instead forgets that.
  bool continues = false;
  bool resources = false;      ///< of subscriptions/listen: to resources too
  bool listens = false;        ///< its answer is a stream that waits for news
  bool task = false;           ///< its answer would be fetched later, by whoever knows its name
  RouteClass route_class = RouteClass::inference;
  std::string_view operation;  ///< static text
  std::string id;              ///< JSON text as it was sent; empty but of requests
  std::string name;            ///< of a tool or prompt, a resource's URI, a task's id
  /// Of tools/call: JSON text as it was sent; "{}" where none was. What is sent besides and means as much (answers to
  /// what the server asked for, its requestState) is a member kInput of it, so that people see and sign it too.
  std::string arguments;
  std::string parameters;      ///< params.arguments as they came; empty: none
  std::string body;            ///< what to send instead of the message; empty: it goes on as it came

  [[nodiscard]] bool calls_tool() const noexcept { return operation == domain::kToolCall; }
};
/// What the client was given as requestState of this call (operation, name and parameters), as its server has to hear it;
/// nothing: it was not given it for that.
using StateReader = std::function<std::optional<std::string>(const Message& call, std::string_view state)>;
/// Reads one message. Capabilities that would make a server ask for what is not allowed are taken out of it.
/// `states` empty: a requestState goes on as it came. body_not_json, body_shape, invalid_argument (params), mcp_header_mismatch, mcp_version_unsupported (the detail is
/// the version), mcp_method_unknown.
[[nodiscard]] Result<Message> read(const http::Headers& headers, std::string_view body, const ClientRequests& allowed,
                                   const StateReader& states = {});

/// The tools/call that read() has taken, without what nobody is shown who signs it: members of _meta besides the
/// protocol's own (progressToken, "io.modelcontextprotocol/..."). Empty: there are none.
[[nodiscard]] std::string as_signed(std::string_view message);

/// The id of a message that could not be read further, as JSON text; empty: none can be told.
[[nodiscard]] std::string id_of(std::string_view body);

/// The gateway's own among the input requests of an answer (2026-07-28): its answer never reaches the server.
inline constexpr std::string_view kConfirm = "vestibule/confirm";

inline constexpr std::string_view kInput = "vestibule/input";

/// An answer of the gateway's own to a request. `code`: JSON-RPC's; `data`: a JSON value or empty.
[[nodiscard]] std::string error_answer(std::string_view id, int code, std::string_view message, std::string_view data = {});

/// JSON-RPC's code of a refusal.
[[nodiscard]] int code_of(Reason reason) noexcept;
inline constexpr int kRefused = -32003;       ///< in the range that servers define themselves
inline constexpr int kUrlElicitation = -32042;  ///< 2025-11-25: "open this URL, then ask again"

/// How a server's messages are judged.
struct Judging {
  Era era = Era::sessions;
  ClientRequests allowed{};
  /// Whether the caller may know of this tool.
  std::function<bool(std::string_view tool)> shows;
  /// Asked before that, for every tool of a list: whether its definition, the JSON object as it stands, may be seen
  /// by anybody. Empty: it may.
  std::function<bool(std::string_view definition)> looks;
  /// What the client is given in place of a requestState; empty: what the server gave.
  std::function<std::string(std::string_view state)> binds;
  /// Places of the gateway, as place_of() names them: no server's URL may look as if it led here.
  std::vector<std::string> own_hosts;
  bool errors_alone = false;  ///< the status says so: an answer that is none is unreadable
};
/// How own_hosts names the place that a URL leads to: "HOST", or "localhost:PORT" for every spelling of this machine.
[[nodiscard]] std::string place_of(const http::Url& url);

/// What a server sends as the body of one reply, or on a stream of its own.
class Reply {
 public:
  static constexpr std::size_t kMostMessage = std::size_t{16} << 20U;  ///< bytes of one message

  /// ReplyForm::json or events.
  Reply(ReplyForm form, Judging judging) : form_(form), judging_(std::move(judging)), events_(kMostMessage) {}
  /// The next bytes. Appends to `out` what may go on. reply_unreadable, reply_too_large: cut the reply.
  Result<void> feed(std::string_view bytes, std::string& out);
  Result<void> finish(std::string& out);
  /// Bytes that are kept back: of a message that has not ended.
  [[nodiscard]] std::size_t held() const noexcept { return whole_.size() + events_.rest().size(); }

 private:
  enum class Fate : std::uint8_t { pass, drop, replace };
  Result<Fate> judge(std::string_view message, std::string& instead);
  void event(const http::SseEvent& event, std::string& out, Result<void>& status);

  ReplyForm form_;
  Judging judging_;
  http::SseSplitter events_;
  std::string whole_;
};

}  // namespace vestibule::dialect::mcp
