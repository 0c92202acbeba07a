#pragma once
// Serves the access points: route, identify, classify, admit, relay. A request walks through
// serve() from top to bottom.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/catalogue.hpp"
#include "crypto/hash.hpp"
#include "dialect/mcp.hpp"
#include "dialect/inspect.hpp"
#include "gate/gate.hpp"
#include "wire/exchange.hpp"
#include "wire/upstream.hpp"

namespace vestibule::proxy {

/// One access point as one core sees it.
struct Target {
  std::vector<std::unique_ptr<wire::Upstream>> upstreams;  ///< of this core, in order of preference
  std::vector<std::string> authorities;                    ///< their Host values
  Secret credential_line;  ///< "Authorization: Bearer ...\r\n"; empty: the upstream asks for none
  std::size_t next = 0;    ///< round robin
};

/// The catalogue with this core's connections; replaced as a whole on reload, old ones live until
/// their last exchange ends.
struct Targets {
  std::shared_ptr<const access::Catalogue> catalogue;
  std::vector<Target> points;  ///< by index of catalogue->points()
};

struct Holding;

/// What differs between the listeners that lead to the access points.
struct Door {
  /// Who asks; empty: the gate's own way, by an access point's token. Any core; must not throw.
  std::function<Result<session::Identified>(const http::RequestHead&)> identify;
  /// Goes with it: fetches what the request shows, where not all is in memory yet (Gate::recall()).
  std::function<net::Task<Result<void>>(const http::RequestHead&)> recall;
  /// Put on every reply. If there are any, nothing of an upstream's head goes on but what its content
  /// is: for an origin that a model server must have no say in.
  std::vector<std::pair<std::string, std::string>> fields;
  /// Where callers are held that lack a proof. Null: they are refused at once.
  const Holding* holding = nullptr;
  /// What MCP servers say of their tools; null: nobody looks.
  approval::Definitions* definitions = nullptr;
  /// Binds the sessions of MCP servers to accounts; null: there are none, every message stands alone.
  const crypto::HmacKey* session_key = nullptr;
  const Clock* clock = nullptr;  ///< goes with it
  /// Names of the gateway's own, "HOST" or "HOST:PORT": no URL of an MCP server's may look as if it led here.
  std::vector<std::string> own_hosts;
};

/// One a core; used on it only.
class Proxy final : public wire::Handler {
 public:
  Proxy(net::Core& core, gate::Gate& gate, Door door = {});
  ~Proxy() override;
  void set_targets(std::shared_ptr<Targets> targets) noexcept {
    targets_ = std::move(targets);
    hosts_.clear();
  }
  [[nodiscard]] const std::shared_ptr<Targets>& targets() const noexcept { return targets_; }

  net::Task<> serve(wire::Exchange& exchange) override;
  void refused(const net::Peer& peer, Reason reason) noexcept override;
  /// The canonical name in a Host field, if it is one that access points are served under. Core; until set_targets().
  [[nodiscard]] const std::string* host(std::string_view raw);

 private:
  struct Request;  // everything about the request under way
  class Relay;
  struct Slot;     // the memory of one request, used again for the next
  class Lease;

  // --- the steps of serve(), in their order: false where it does not go on, and the request tells why
  static bool stop(Request& request, Reason reason, std::string_view hint = {});  ///< that is why; false
  bool find_door(Request& request);
  net::Task<bool> recall(Request& request);
  bool know_caller(Request& request);
  bool find_need(Request& request);
  /// The path alone, before its body.
  net::Task<bool> allows_path(Request& request);
  static bool fits(Request& request);
  net::Task<bool> read_body(Request& request);
  static void take_body(Request& request, std::string_view body);
  static bool classify(Request& request);
  /// Without a wait. False: it was refused, or admit() has to wait.
  bool try_admit(Request& request);
  /// Waits: for the record, or for people, unless it was `held` for them before. True: admitted, or to be asked about once more.
  net::Task<bool> admit(Request& request, bool held);
  static bool take(Request& request, gate::Verdict verdict);
  [[nodiscard]] static gate::Gate::Wait wait_of(const Request& request) noexcept;
  /// What is wrong with a body is told to nobody who may not send one.
  net::Task<> turn_away(Request& request);
  net::Task<> refuse_form(Request& request);
  net::Task<> refuse(Request& request);
  /// RFC 9728: which authorization server gives out tokens for the access point at this path.
  net::Task<> describe(Request& request);
  [[nodiscard]] Result<session::Identified> identify(const Request& request) const;
  /// Nothing: it may go on and is decided about from the beginning.
  net::Task<std::optional<domain::Refusal>> hold(Request& request, const domain::Act& act, domain::Refusal refusal);
  /// Until when people are waited for; from its first reason to wait on.
  [[nodiscard]] std::chrono::steady_clock::time_point held_until(Request& request) const;

  // --- once it is admitted (forward.cpp)
  net::Task<> forward(Request& request);
  void prepare(Request& request);
  static net::Task<bool> connect(Request& request, wire::Upstream& upstream);
  static net::Task<bool> upload(Request& request, net::ErrorCode& ec);
  static bool take_head(Request& request, const http::ResponseHead*& reply);
  [[nodiscard]] Reason standing(const Request& request) const noexcept;
  bool give_up(Request& request);
  std::optional<net::Task<Result<void>>> bring(Request& request, const http::ResponseHead& reply);
  net::Task<> break_off(Request& request);
  [[nodiscard]] bool may_use(const Request& request, std::string_view model) const;
  [[nodiscard]] static std::optional<dialect::ReplyShape> gated_shape(const Request& request, const http::ResponseHead& reply);
  /// What becomes of the tool calls of its reply.
  net::Task<Result<std::vector<dialect::Ruling>>> rule(Request& request, const gate::Admission& admission,
                                                       std::span<const dialect::ToolCall> calls);

  // --- MCP (messages.cpp)
  /// Whose page asks, which session, what the message is; then its call is known.
  bool read_message(Request& request);
  Result<void> understand(Request& request) const;
  /// A call of a tool that lacks a proof waits for it.
  net::Task<bool> prove_for_tool(Request& request);
  /// Decides about the call that the message carries, once the message is admitted. True: it goes on. False: the
  /// client has its answer.
  net::Task<bool> rule_message(Request& request, gate::Admission& admission);
  /// What the tool server is shown of the confirmation that was used.
  net::Task<> fetch_receipt(Request& request, std::string_view confirmation) const;
  /// Of a call that was let through, right before it is sent.
  [[nodiscard]] Reason still_allowed(const Request& request) const noexcept;
  [[nodiscard]] dialect::mcp::Judging judging(Request& request) const;
  net::Task<Result<void>> bring_messages(Request& request, const http::ResponseHead& reply);

  net::Core& core_;
  gate::Gate& gate_;
  Door door_;
  std::shared_ptr<Targets> targets_;
  std::vector<std::unique_ptr<Slot>> spare_;
  // Host values seen, as sent and canonical: parsing one allocates, and there are few.
  std::vector<std::pair<std::string, std::string>> hosts_;
};

}  // namespace vestibule::proxy
