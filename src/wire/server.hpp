#pragma once
// HTTP/1.1 connections of one core.

#include <memory>
#include <unordered_set>

#include "net/listener.hpp"
#include "net/task_group.hpp"
#include "wire/exchange.hpp"

namespace vestibule::wire {

/// Each phase has its limit; the table in docs/reference/limits.md is made from here.
struct ServerOptions {
  http::Limits head{};
  std::chrono::milliseconds handshake{10'000};   ///< TLS
  std::chrono::milliseconds head_time{15'000};   ///< from the first byte of a head to its end
  std::chrono::milliseconds idle{75'000};        ///< between requests
  std::chrono::milliseconds body{30'000};        ///< between two pieces of a request's body
  std::chrono::milliseconds body_total{300'000}; ///< a body that is read whole
  std::chrono::milliseconds write{60'000};       ///< a client that does not take its reply
  std::chrono::milliseconds linger{2'000};       ///< reading on after a refusal, so that it is seen
  std::size_t max_connections = 20'000;          ///< a core; beyond: 503 and Retry-After
  std::size_t body_budget = std::size_t{512} << 20U;  ///< a core: bodies held at one time; beyond: 503
  std::uint64_t drain = 65'536;                  ///< bytes of an unread body that are read away
};

class Connection;

/// Owned by app, one a core; used on it only. Handler outlives it.
class Server {
 public:
  Server(net::Core& core, Handler& handler, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Serves what `listener` accepts; with `tls` set, over TLS. Call on the core, or before it runs.
  void listen(std::unique_ptr<net::Listener> listener, bool tls);
  /// New connections use this context (certificate reload).
  void set_tls(net::TlsContext context) { tls_ = std::move(context); }
  /// Serves one socket.
  void take(net::Socket socket, bool tls);

  /// Graceful: no new connections, idle ones closed, requests under way finish until `limit`; then
  /// the rest is aborted. Returns when no connection is left.
  net::Task<> stop(std::chrono::milliseconds limit);
  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }
  [[nodiscard]] bool stopping() const noexcept { return stopping_; }

 private:
  friend class Connection;
  friend class Exchange;
  net::Task<> serve(net::Socket socket, bool tls);

  net::Core& core_;
  Handler& handler_;
  ServerOptions options_;
  net::TlsContext tls_;
  http::DateCache date_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::unordered_set<Connection*> connections_;
  net::TaskGroup tasks_;
  std::size_t body_bytes_ = 0;  // of bodies held now
  bool stopping_ = false;
};

}  // namespace vestibule::wire
