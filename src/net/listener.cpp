#include "net/listener.hpp"

#include <arpa/inet.h>
#include <boost/asio/error.hpp>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "base/log.hpp"

namespace vestibule::net {
namespace {

Error os_error(const std::string& what) {
  return fail(Reason::config_invalid, what + ": " + std::strerror(errno));
}

constexpr int kAcceptsInARow = 16;

void no_delay(const Socket& socket) {
  const int on = 1;
  ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on Unix sockets
}

// SO_REUSEPORT lets any program of the same user listen on the port as well, and the kernel then deals connections out among
// them: a second gateway would get some of the first one's. A socket without it can be bound only where nobody listens.
Result<void> unused(const Address& address, const sockaddr* sa, socklen_t size) {
  const Socket probe(::socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe.is_open()) return os_error("socket");
  const int on = 1;
  ::setsockopt(probe.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // what has just ended is nobody
  if (sa->sa_family == AF_INET6) ::setsockopt(probe.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(probe.fd(), sa, size) == 0) return {};
  if (errno != EADDRINUSE) return os_error("cannot listen on " + address.text());
  return fail(Reason::config_invalid, "cannot listen on " + address.text() + ": something listens there already; end it, or configure another port"
                                                                                     " (an address of this very configuration that covers it, such as 0.0.0.0, counts too)");
}

}  // namespace

bool Address::is_loopback() const {
  if (is_unix() || host == "localhost") return true;
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == 127;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string Address::text() const {
  if (is_unix()) return "unix:" + path.string();
  return (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> Address::parse(std::string_view text) {
  const auto bad = [&](const char* why) {
    return fail(Reason::config_invalid, "address \"" + std::string(text) + "\": " + why);
  };
  Address a;
  if (text.starts_with("unix:")) {
    a.path = std::string(text.substr(5));
    if (!a.path.is_absolute()) return bad("a Unix socket needs an absolute path");
    if (a.path.native().size() >= sizeof(sockaddr_un::sun_path)) return bad("the socket's path is too long (107 bytes at most)");
    return a;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad("expected HOST:PORT or unix:/PATH");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad("an IPv6 address stands in brackets: [::1]:8420");
  }
  if (host.empty()) return bad("the host is missing");
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), a.port);
  if (ec != std::errc() || end != port.data() + port.size()) return bad("the port is not a number from 0 to 65535");
  a.host = std::string(host);
  return a;
}

Result<void> Listener::open(const Address& address, int backlog) {
  sockaddr_storage sa{};
  socklen_t size = 0;
  if (address.is_unix()) {
    auto& un = reinterpret_cast<sockaddr_un&>(sa);
    un.sun_family = AF_UNIX;
    std::strncpy(un.sun_path, address.path.c_str(), sizeof un.sun_path - 1);
    size = sizeof un;
    struct stat st {};
    if (::lstat(address.path.c_str(), &st) == 0) {
      if (!S_ISSOCK(st.st_mode)) return fail(Reason::config_invalid, address.path.string() + " exists and is no socket");
      ::unlink(address.path.c_str());  // the data directory's lock says that nobody else serves it
    }
  } else {
    const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
    auto& v4 = reinterpret_cast<sockaddr_in&>(sa);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(sa);
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
      v4.sin_family = AF_INET;
      v4.sin_port = htons(address.port);
      size = sizeof v4;
    } else if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(address.port);
      size = sizeof v6;
    } else {
      return fail(Reason::config_invalid, "cannot listen on " + address.text() + ": give an IP address");
    }
  }
  if (!address.is_unix() && address.port != 0 && core_.index() == 0) {
    if (Result<void> r = unused(address, reinterpret_cast<const sockaddr*>(&sa), size); !r) return r;
  }
  Socket socket(::socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) return os_error("socket");
  const int on = 1;
  if (!address.is_unix()) {
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (sa.ss_family == AF_INET6) ::setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  const mode_t before = ::umask(0177);
  const int bound = ::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&sa), size);
  ::umask(before);
  if (bound != 0) return os_error("cannot listen on " + address.text());
  if (::listen(socket.fd(), backlog) != 0) return os_error("listen");
  socket_ = std::make_unique<Watched>(core_.poller(), std::move(socket));
  if (!socket_->is_open()) return fail(Reason::config_invalid, "epoll does not take the socket of " + address.text());
  if (address.is_unix()) unlink_ = address.path;
  return {};
}

std::uint16_t Listener::port() const {
  sockaddr_storage sa{};
  socklen_t size = sizeof sa;
  if (!socket_ || ::getsockname(socket_->fd(), reinterpret_cast<sockaddr*>(&sa), &size) != 0) return 0;
  if (sa.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(sa).sin_port);
  if (sa.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(sa).sin6_port);
  return 0;
}

Task<> Listener::run(std::function<void(Socket)> on_accept) {
  int in_a_row = 0;
  while (socket_ && socket_->is_open()) {
    if (++in_a_row > kAcceptsInARow) {  // those that are connected have their turn too
      in_a_row = 0;
      co_await socket_->next_turn();
      continue;
    }
    Socket accepted(::accept4(socket_->fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (accepted.is_open()) {
      no_delay(accepted);
      on_accept(std::move(accepted));
      continue;
    }
    switch (errno) {
      case EAGAIN: {
        socket_->drained();
        in_a_row = 0;
        const bool open = co_await socket_->wait_readable();
        if (!open) co_return;
        break;
      }
      // What Linux passes on of a connection that has gone again, accept(2).
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
      case ENETDOWN:
      case EHOSTUNREACH:
      case ENETUNREACH: break;
      default:
        log::warn("accept failed", {{"error", std::strerror(errno)}});
        co_await sleep_for(core_, std::chrono::milliseconds(100));
    }
  }
}

void Listener::close() noexcept {
  if (socket_) socket_->close();
  if (!unlink_.empty()) {
    ::unlink(unlink_.c_str());
    unlink_.clear();
  }
}

}  // namespace vestibule::net
