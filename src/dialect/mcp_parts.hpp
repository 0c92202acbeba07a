#pragma once
// The two halves of a client's message, each as it stands. Private to the room.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/mcp.hpp"
#include "json/fold_guard.hpp"

namespace vestibule::dialect::mcp {

/// The members of a JSON-RPC message (2.0, sections 4 and 5), by their places in kMessageKeys.
enum MessageKey : int { kJsonrpc, kId, kMethod, kParams, kResult, kError };
inline constexpr std::array<std::string_view, 6> kMessageKeys{"jsonrpc", "id", "method", "params", "result", "error"};
inline const json::FoldGuard kMessageGuard{kMessageKeys};

/// What the headers say of the message.
struct Head {
  std::optional<std::string_view> version;  ///< MCP-Protocol-Version
  std::optional<std::string> method, name;  ///< Mcp-Method, Mcp-Name; decoded
  std::vector<std::string> parameters;      ///< values of Mcp-Param-*; decoded
};
/// mcp_header_mismatch: spelt or sent so that two servers might read two things.
[[nodiscard]] Result<Head> read_head(const http::Headers& headers);

/// A piece of the body that is sent otherwise.
struct Patch {
  std::size_t begin, end;
  std::string text;
};

/// What the body says, of whatever method it is.
struct Body {
  std::string jsonrpc, method;
  std::string id;                        ///< JSON text; empty: none
  std::string name, uri, task_id;        ///< of params
  std::string meta_version;              ///< of params._meta
  std::string arguments;                 ///< JSON text; empty: none
  std::string answers, state;            ///< inputResponses but the gateway's own, requestState: JSON text; empty: none
  std::size_t state_at = 0;              ///< where that state stands
  std::string url_answer;                ///< what is said of the gateway's own question
  bool has_method = false, has_result = false, has_error = false, has_params = false;
  bool has_name = false, has_uri = false, has_task_id = false, has_capabilities = false;
  bool task = false;                     ///< params.task
  bool continues = false;                ///< answers or state
  bool other = false;                    ///< a member of params that is none of these
  bool resources = false;                ///< a subscription to resources
  bool opens_urls = false;               ///< a capability
  std::vector<Patch> patches;            ///< in the order of the text
};
/// body_not_json, body_shape. Capabilities that are not `allowed`, and the answer to the gateway's own question, are
/// among the patches.
[[nodiscard]] Result<Body> read_body(std::string_view text, const ClientRequests& allowed);

}  // namespace vestibule::dialect::mcp
