#pragma once
// Everything about one request under way. Private to the room.

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "dialect/mcp.hpp"
#include "proxy/proxy.hpp"
#include "proxy/relay.hpp"

namespace vestibule::proxy {

struct Proxy::Request {
  Request(wire::Exchange& e, std::shared_ptr<Targets> t, std::string& head) : exchange(e), targets(std::move(t)), upstream_head(head) {}
  wire::Exchange& exchange;
  std::shared_ptr<Targets> targets;
  const access::AccessPoint* point = nullptr;
  Target* target = nullptr;
  const dialect::Dialect* dialect = &dialect::get(dialect::Kind::http);
  dialect::Face face = dialect::Face::problem;  // in which shape a refusal is put: the route's own
  dialect::Need need;
  std::string decoded;    // the path, if it has escapes
  std::string_view path;  // as the dialect sees it
  gate::Caller caller;
  gate::Gate::Judged judged;
  std::optional<domain::Refusal> refusal;    // why it does not go on; without one there is nobody to tell
  bool describes = false;  // it asks about the door, not for what is behind it
  bool waits = false;      // for something, before it is decided about as a whole
  bool body_here = false;  // it came with the head
  bool malformed = false;  // the refusal is for its form
  bool known = false;  // somebody is signed in: refusals are recorded one by one
  std::chrono::steady_clock::time_point held_until{};  // from when it is held for the first time
  domain::Act act;
  std::string_view body;
  std::string scratch;
  std::optional<dialect::mcp::Message> message;  // of MCP
  std::string session;            // of MCP: the upstream's own name of it; empty: none
  std::string receipt;            // of MCP: of its call's confirmation, as a header has it; empty: none is shown
  Learning learning;              // of MCP: what its server said of its tools
  bool opens_urls = false;        // of MCP: this client shows URLs to its person
  /// Who shows his person where to confirm need not wait, and is not let wait: he asks again. Once.
  [[nodiscard]] bool may_ask() const { return message && opens_urls && message->url_answer.empty() && !message->continues; }
  std::optional<Relay> relay;     // once it is forwarded
  std::string& upstream_head;     // the slot's
  net::Pieces pieces;             // that go upstream
  std::optional<wire::UpstreamCall> call;
  Error failure = fail(Reason::upstream_unreachable);  // why no reply came
  std::unique_ptr<http::RequestHead> plain;  // what goes upstream, where that is not what came
  std::optional<gate::Admission> admission;  // behind what it watches
};

}  // namespace vestibule::proxy
