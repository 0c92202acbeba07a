#include "net/listener.hpp"

#include <arpa/inet.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "base/log.hpp"

namespace vestibule::net {
namespace {

struct Fd {
  int fd;
  ~Fd() {
    if (fd >= 0) ::close(fd);
  }
  int release() {
    const int f = fd;
    fd = -1;
    return f;
  }
};

Error os_error(const std::string& what) {
  return fail(Reason::config_invalid, what + ": " + std::strerror(errno));
}

void no_delay(Socket& socket) {
  const int on = 1;
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on Unix sockets
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
  Fd fd{::socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (fd.fd < 0) return os_error("socket");
  const int on = 1;
  if (!address.is_unix()) {
    ::setsockopt(fd.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd.fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (sa.ss_family == AF_INET6) ::setsockopt(fd.fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  const mode_t before = ::umask(0177);
  const int bound = ::bind(fd.fd, reinterpret_cast<const sockaddr*>(&sa), size);
  ::umask(before);
  if (bound != 0) return os_error("cannot listen on " + address.text());
  if (::listen(fd.fd, backlog) != 0) return os_error("listen");
  ErrorCode ec;
  acceptor_.assign(asio::generic::stream_protocol(sa.ss_family, 0), fd.release(), ec);
  if (ec) return fail(Reason::config_invalid, ec.message());
  if (address.is_unix()) unlink_ = address.path;
  return {};
}

std::uint16_t Listener::port() const {
  ErrorCode ec;
  const auto ep = acceptor_.local_endpoint(ec);
  if (ec) return 0;
  if (ep.protocol().family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(ep.data())->sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6*>(ep.data())->sin6_port);
}

Task<> Listener::run(std::function<void(Socket)> on_accept) {
  while (acceptor_.is_open()) {
    auto [ec, socket] = co_await acceptor_.async_accept(use_task);
    if (ec) {
      if (!acceptor_.is_open()) break;
      if (ec == asio::error::connection_aborted) continue;
      log::warn("accept failed", {{"error", ec.message()}});
      co_await sleep_for(core_, std::chrono::milliseconds(100));
      continue;
    }
    no_delay(socket);
    on_accept(std::move(socket));
  }
}

void Listener::close() noexcept {
  ErrorCode ignored;
  acceptor_.close(ignored);
  if (!unlink_.empty()) {
    ::unlink(unlink_.c_str());
    unlink_.clear();
  }
}

namespace {
struct ConnectLimit final : Deadline {
  explicit ConnectLimit(Socket& s) : socket(s) {}
  void expired() noexcept override {
    hit = true;
    ErrorCode ignored;
    socket.close(ignored);
    if (resolver != nullptr) resolver->cancel();
  }
  Socket& socket;
  asio::ip::basic_resolver<asio::ip::tcp, Executor>* resolver = nullptr;
  bool hit = false;
};
}  // namespace

Task<Result<Socket>> connect(Core& core, Address address, std::chrono::milliseconds limit) {
  Socket socket(core.executor());
  ConnectLimit deadline(socket);
  core.deadlines().arm(deadline, limit);
  ErrorCode last = asio::error::host_not_found;
  if (address.is_unix()) {
    auto [ec] = co_await socket.async_connect(
        asio::generic::stream_protocol::endpoint(asio::local::stream_protocol::endpoint(address.path.string())), use_task);
    if (!ec) co_return std::move(socket);
    last = ec;
  } else {
    asio::ip::basic_resolver<asio::ip::tcp, Executor> resolver(core.executor());
    deadline.resolver = &resolver;
    asio::ip::basic_resolver<asio::ip::tcp, Executor>::results_type found;
    ErrorCode parse_error;
    const auto literal = asio::ip::make_address(address.host, parse_error);
    if (!parse_error) {
      found = decltype(found)::create(asio::ip::tcp::endpoint(literal, address.port), address.host, "");
    } else {
      auto [ec, names] = co_await resolver.async_resolve(address.host, std::to_string(address.port), use_task);
      if (ec) last = ec;
      found = std::move(names);
    }
    deadline.resolver = nullptr;
    for (const auto& entry : found) {
      if (deadline.hit) break;
      ErrorCode ignored;
      socket.close(ignored);
      auto [ec] = co_await socket.async_connect(asio::generic::stream_protocol::endpoint(entry.endpoint()), use_task);
      if (!ec) {
        no_delay(socket);
        co_return std::move(socket);
      }
      last = ec;
    }
  }
  if (deadline.hit) co_return fail(Reason::upstream_timeout, "connecting to " + address.text() + " took too long");
  co_return fail(Reason::upstream_unreachable, "cannot connect to " + address.text() + ": " + last.message());
}

}  // namespace vestibule::net
