#pragma once
// Listening sockets and outgoing connections.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"

namespace vestibule::net {

/// Where to listen or connect: "127.0.0.1:8420", "[::1]:8420", "unix:/run/x.sock", and for
/// connecting also "name:port".
struct Address {
  std::string host;            ///< without brackets; empty for a Unix socket
  std::uint16_t port = 0;
  std::filesystem::path path;  ///< of a Unix socket
  [[nodiscard]] bool is_unix() const noexcept { return host.empty(); }
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] std::string text() const;
  /// config_invalid with what is wrong.
  static Result<Address> parse(std::string_view text);
};

/// One listening socket of one core. TCP ones share their port by SO_REUSEPORT, that of core 0 first: it is refused where
/// anybody else listens. A Unix one belongs to one core, replaces a stale file, and is made with mode 0600.
class Listener {
 public:
  explicit Listener(Core& core) : core_(core) {}
  /// Blocking; before the cores start or on the core. Port 0 picks a free one: see port().
  Result<void> open(const Address& address, int backlog = 1024);
  [[nodiscard]] std::uint16_t port() const;
  /// Accepts until close(); each socket goes to `on_accept` on this core. Running out of descriptors
  /// is logged and waited out.
  Task<> run(std::function<void(Socket)> on_accept);
  void close() noexcept;
  [[nodiscard]] Core& core() noexcept { return core_; }

 private:
  Core& core_;
  std::unique_ptr<Watched> socket_;
  std::filesystem::path unlink_;
};

/// Connects; names are resolved off the core's thread. The deadline covers all of it.
/// upstream_unreachable or upstream_timeout.
Task<Result<Socket>> connect(Core& core, Address address, std::chrono::milliseconds limit);

}  // namespace vestibule::net
