#pragma once
// HTTP/1.1 to an upstream: keep-alive connections per core, strict about what comes back.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/chunked.hpp"
#include "http/parse.hpp"
#include "net/connect.hpp"

namespace vestibule::wire {

struct UpstreamOptions {
  net::Address address;
  net::TlsContext tls;                           ///< null: plain
  std::string server_name;                       ///< for TLS
  net::Reach reach = net::Reach::anywhere;
  std::chrono::milliseconds connect{5'000};      ///< TLS included
  std::chrono::milliseconds patience{0};         ///< for one that is not there yet: connecting is tried anew
  std::chrono::milliseconds head{300'000};       ///< until the reply's head: models think long
  std::chrono::milliseconds body{300'000};       ///< between two pieces of the reply
  std::chrono::milliseconds write{60'000};
  /// Kept for reuse: below the upstream's own limit, or a request meets the connection's end and cannot be sent again. uvicorn,
  /// Node and cpp-httplib close after 5 s.
  std::chrono::milliseconds idle{4'000};
  std::size_t max_idle = 64;                     ///< a core
  http::Limits head_limits{};
};

class Upstream;

/// One request to the upstream and its reply. Used on one core; goes back to the pool (or closes)
/// when destroyed.
class UpstreamCall {
 public:
  UpstreamCall(UpstreamCall&&) noexcept;
  UpstreamCall& operator=(UpstreamCall&&) = delete;
  ~UpstreamCall();

  /// Sends (more of) the request. An error of a write is not final: the upstream may have answered
  /// early (read_head() tells), and then its answer counts.
  net::Task<net::ErrorCode> send(net::Pieces pieces);
  /// The same if it needs no wait. Nothing: await send() with what is left in `pieces`.
  [[nodiscard]] std::optional<net::ErrorCode> try_send(net::Pieces& pieces) noexcept;
  /// Whether the whole request went out; a connection with a half-sent request is never reused.
  void sent_all() noexcept;
  /// The connection is for this request alone: the upstream may have answered without reading all of it.
  void use_once() noexcept;
  /// The reply's head; 1xx are passed over. Views hold until the call ends. upstream_unreachable if
  /// the connection ended before a byte of the reply (see stale()); upstream_malformed,
  /// upstream_timeout.
  net::Task<Result<const http::ResponseHead*>> read_head(http::Method method);
  /// The same without a coroutine: expect(), then try_head() until it answers; where it does not, fill(), and
  /// where that finds nothing, await wait_to_read().
  void expect(http::Method method) noexcept;
  [[nodiscard]] std::optional<Result<const http::ResponseHead*>> try_head();
  [[nodiscard]] bool fill();
  [[nodiscard]] net::Watched::Wait wait_to_read() noexcept;
  /// After upstream_unreachable: the connection came from the pool and had been closed meanwhile.
  [[nodiscard]] bool stale() const noexcept;
  /// The next piece of the body, empty at the clean end only. A truncated body is upstream_aborted.
  net::Task<Result<std::string_view>> read_body();
  /// The same if it needs no wait. Nothing: await read_body().
  [[nodiscard]] std::optional<Result<std::string_view>> try_read_body();
  [[nodiscard]] bool body_done() const noexcept;
  /// Bytes of the body came with the head.
  [[nodiscard]] bool has_buffered() const noexcept;
  /// Ends the call from outside (revocation, client gone): what waits ends with an error.
  void cancel() noexcept;

 private:
  friend class Upstream;
  struct Link;
  UpstreamCall(Upstream& owner, std::unique_ptr<Link> link);
  Upstream* owner_;
  std::unique_ptr<Link> link_;
};

/// The connections of one core to one upstream. Owned by app or proxy; outlives its calls.
class Upstream {
 public:
  Upstream(net::Core& core, UpstreamOptions options);
  ~Upstream();
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  /// A pooled connection that is still quiet, or a new one. `fresh`: never a pooled one. `over`: nobody waits any
  /// more, so patience ends; may be null.
  net::Task<Result<UpstreamCall>> call(bool fresh = false, const std::function<bool()>* over = nullptr);
  /// A pooled connection that is still quiet, if there is one: no wait.
  [[nodiscard]] std::optional<UpstreamCall> pooled();
  [[nodiscard]] const UpstreamOptions& options() const noexcept { return options_; }
  [[nodiscard]] std::size_t idle() const noexcept { return pool_.size(); }
  /// Closes idle connections (the upstream was restarted or the gateway stops).
  void drop_idle() noexcept;

 private:
  friend class UpstreamCall;
  void give_back(std::unique_ptr<UpstreamCall::Link> link) noexcept;

  net::Core& core_;
  UpstreamOptions options_;
  std::vector<std::unique_ptr<UpstreamCall::Link>> pool_;  // the most recently used last
};

}  // namespace vestibule::wire
