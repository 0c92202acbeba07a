#pragma once
// A blocking HTTP client for commands: one core behind it, JSON in and out, streams by callback.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "http/head.hpp"
#include "json/value.hpp"
#include "net/listener.hpp"

namespace vestibule::app::cli {

/// Where to call and as whom the far end is known.
struct Endpoint {
  net::Address address;
  std::string authority = "localhost";  ///< value of Host
  bool tls = false;
  std::string ca_file;                  ///< for TLS; empty: the system's authorities

  [[nodiscard]] static Endpoint control(std::string socket);
  /// "http://HOST[:PORT]" or "https://HOST[:PORT]", nothing behind it. invalid_argument.
  [[nodiscard]] static Result<Endpoint> from_url(std::string_view url);
};

struct Reply {
  int status = 0;
  std::string body;          ///< as it came; empty if a sink took it
  json::Value json;          ///< null if the body is no JSON
  std::string reason;        ///< error.code of the body, else the header Vestibule-Reason, else empty
  std::string retry_after;   ///< the header
  std::int64_t expires_in_s = -1;  ///< Vestibule-Expires-In: until the proof lapses; -1: not said
  [[nodiscard]] bool ok() const noexcept { return status >= 200 && status < 300; }
};

struct Request {
  http::Method method = http::Method::get;
  std::string target;        ///< path and query, encoded
  std::string body;          ///< of that type; wiped once it is sent
  std::string_view content_type = "application/json";
  const Secret* bearer = nullptr;
  /// Takes the pieces of a body of status 2xx as they come, in another thread while call() waits;
  /// false ends the call. Empty: the body is kept, up to 64 MiB.
  std::function<bool(std::string_view piece)> sink;
};

/// Owned by one command; used by one thread.
class Client {
 public:
  explicit Client(Endpoint endpoint);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Any status is a reply. upstream_unreachable, upstream_timeout: nobody answers there.
  /// upstream_aborted, upstream_malformed: the reply broke off or is no HTTP. client_gone: the sink
  /// wanted no more. config_invalid: TLS cannot be set up.
  [[nodiscard]] Result<Reply> call(Request request);
  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }

 private:
  struct Machine;
  Endpoint endpoint_;
  std::unique_ptr<Machine> machine_;  // made by the first call
};

/// Percent-encodes what is not unreserved (RFC 3986 section 2.3), for path segments and queries.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace vestibule::app::cli
