#pragma once
// Moves one admitted act's bytes, and can be cut.

#include <functional>

#include "approval/definitions.hpp"
#include "dialect/dialect.hpp"
#include "dialect/inspect.hpp"
#include "gate/gate.hpp"
#include "proxy/proxy.hpp"
#include "wire/exchange.hpp"
#include "wire/upstream.hpp"

namespace vestibule::proxy {

/// What a reply tells of its server's tools, and whose request brought it.
struct Learning {
  std::vector<approval::Sighting> news;
  std::optional<session::Actor> by;  // where there may be news
};

class Proxy::Relay final : public gate::Live {
 public:
  Relay(wire::Exchange& exchange, const Door& door) : exchange_(exchange), door_(door) {}

  void use(wire::UpstreamCall& call) noexcept { call_ = &call; }
  void drop() noexcept { call_ = nullptr; }

  /// The request's body, piece by piece. upstream_unreachable: the upstream stopped taking it.
  net::Task<Result<void>> upload();
  /// The reply as it comes. begin(): its head, and what has come with it, which try_stream() sends; where that says nothing, there
  /// is something to wait for, in stream(). The first two need no wait, and most replies no more than them.
  [[nodiscard]] Result<void> begin(const http::ResponseHead& reply, const domain::Decision& decision, RequestId request, bool observe);
  [[nodiscard]] std::optional<Result<void>> try_stream();
  net::Task<Result<void>> stream();
  /// A list of models, whole, with those only that are allowed.
  net::Task<Result<void>> models(const dialect::Dialect& dialect, const http::ResponseHead& reply,
                                 const dialect::Rules& rules, std::function<bool(std::string_view)> allowed,
                                 const domain::Decision& decision, RequestId request);

  /// The reply as its inspector lets it out: text as it comes, tool calls once `rule` has decided about all of
  /// them, when the upstream has nothing more to say.
  using Ruler = std::function<net::Task<Result<std::vector<dialect::Ruling>>>(std::span<const dialect::ToolCall>)>;
  net::Task<Result<void>> inspect(const http::ResponseHead& reply, const domain::Decision& decision, RequestId request,
                                  dialect::ReplyShape shape, Ruler rule);
  /// An MCP server's messages, each as `judging` lets it pass. `session`: writes the client's name of the server's
  /// session. What `judging` learns is stored before anything goes out that it was learnt from.
  using Naming = std::function<std::string(std::string_view)>;
  net::Task<Result<void>> messages(const http::ResponseHead& reply, const domain::Decision& decision, RequestId request,
                                   dialect::mcp::Judging judging, Naming session, Learning& learning);
  /// A word to a client that waits, where the protocol has one that means nothing.
  net::Task<> reassure();
  /// The signal is told when this is cut; null: no longer.
  void tell_when_cut(net::Signal* signal) noexcept { cut_signal_ = signal; }

  [[nodiscard]] Reason cut_reason() const noexcept { return cut_; }
  [[nodiscard]] bool event_stream() const noexcept { return event_stream_; }
  [[nodiscard]] dialect::UsageObserver::Counts usage() const noexcept { return observed_ ? observer_.counts() : usage_; }

  // gate::Live
  void cut(Reason reason) noexcept override;
  bool caller_present() noexcept override { return !exchange_.gone(); }

 private:
  void reply_fields(http::HeadWriter& out, const http::ResponseHead& head, bool replaced) const;
  /// With the head before the first bytes. try_put(): nothing if it has to wait, for flush(); a plain function, for what comes often.
  net::Task<Result<void>> put(http::HeadWriter& head, std::string_view bytes);
  std::optional<Result<void>> try_put(http::HeadWriter& head, std::string_view bytes);
  net::Task<Result<void>> flush();
  net::Task<Result<void>> keep(Learning& learning);
  /// The body of an error that is neither JSON nor a stream; it goes on if nobody could take it for either.
  net::Task<Result<void>> error_page(http::HeadWriter& head);
  /// What came, in one reply or as the end of one that has begun.
  net::Task<Result<void>> last(http::HeadWriter& head, std::string_view bytes);

  wire::Exchange& exchange_;
  const Door& door_;
  wire::UpstreamCall* call_ = nullptr;
  std::optional<http::HeadWriter> head_;  // of a reply that goes as it comes, with how its body is framed and what of it is here
  http::Framing framing_;
  std::string_view first_;
  bool unsent_ = false;  // not all of that went out at once
  dialect::UsageObserver observer_;
  dialect::UsageObserver::Counts usage_;  // of a reply that came in one piece
  bool observed_ = false;
  Reason cut_ = Reason::ok;
  net::Signal* cut_signal_ = nullptr;
  bool writing_ = false;  // the client does not take what it is sent
  bool event_stream_ = false;
};

}  // namespace vestibule::proxy
