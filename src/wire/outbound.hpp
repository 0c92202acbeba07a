#pragma once
// Single requests that the gateway makes by itself, to where a configuration or a user's data points:
// push services, webhooks, factor plug-ins. One connection a request, one deadline for everything, a
// bounded reply, and no redirect is ever followed: where it points was looked at, elsewhere was not.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/url.hpp"
#include "net/connect.hpp"
#include "wire/upstream.hpp"

namespace vestibule::wire {

struct OutboundRequest {
  http::Method method = http::Method::post;
  http::Url url;
  /// Besides Host, Content-Length and User-Agent. A value may be a secret: what was sent is wiped.
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
};

struct OutboundReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;  ///< in order of arrival, names as received
  std::string body;
  /// Value of the first field of that name, case-insensitively; empty if there is none.
  [[nodiscard]] std::string_view field(std::string_view name) const noexcept;
};

struct OutboundOptions {
  net::TlsContext tls;                               ///< net::client_tls(); without it https is refused
  net::Reach reach = net::Reach::internet;
  std::chrono::milliseconds limit{10'000};           ///< from the lookup of the name to the reply's last byte
  std::size_t max_reply = std::size_t{64} << 10U;    ///< bytes of the body; a longer one is upstream_malformed
  std::size_t max_at_once = 64;                      ///< requests under way; beyond: overloaded
};

/// Of one core and used on it alone. Outlives its requests: whoever owns it awaits them.
class Outbound {
 public:
  Outbound(net::Core& core, OutboundOptions options);
  ~Outbound();
  Outbound(const Outbound&) = delete;
  Outbound& operator=(const Outbound&) = delete;

  /// Any status is a reply. upstream_unreachable (also: out of reach, a certificate that does not
  /// verify), upstream_timeout, upstream_malformed, upstream_aborted, overloaded, shutting_down;
  /// request_malformed for a field that cannot be sent.
  net::Task<Result<OutboundReply>> send(OutboundRequest request);
  /// From now on nothing is sent, and what is under way ends at once; what still connects, by its limit.
  void stop() noexcept;
  [[nodiscard]] net::Core& core() noexcept { return core_; }

 private:
  struct Under;  // a request under way
  net::Task<Result<OutboundReply>> exchange(OutboundRequest request, std::string head);

  net::Core& core_;
  OutboundOptions options_;
  Under* first_ = nullptr;
  std::size_t count_ = 0;
  bool stopped_ = false;
};

}  // namespace vestibule::wire
