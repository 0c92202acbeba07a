#include "net/connect.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <vector>

#include "net/blocking_pool.hpp"

namespace vestibule::net {
namespace {

/// One line of the registries: a network and the length of its prefix.
struct Network4 {
  std::uint32_t address;
  unsigned bits;
};

// RFC 6890 and what came later: everything of IPv4 that is no public host.
constexpr std::array kSpecial4 = {
    Network4{0x00000000, 8},  Network4{0x0A000000, 8},  Network4{0x64400000, 10}, Network4{0x7F000000, 8},
    Network4{0xA9FE0000, 16}, Network4{0xAC100000, 12}, Network4{0xC0000000, 24}, Network4{0xC0000200, 24},
    Network4{0xC0586300, 24}, Network4{0xC0A80000, 16}, Network4{0xC6120000, 15}, Network4{0xC6336400, 24},
    Network4{0xCB007100, 24}, Network4{0xE0000000, 3},
};

bool is_public4(std::uint32_t address) noexcept {
  for (const Network4& n : kSpecial4) {
    if ((address ^ n.address) >> (32 - n.bits) == 0) return false;
  }
  return true;
}

std::uint32_t word(const std::uint8_t* at) noexcept {
  return std::uint32_t{at[0]} << 24U | std::uint32_t{at[1]} << 16U | std::uint32_t{at[2]} << 8U | at[3];
}

bool is_public6(const in6_addr& address) noexcept {
  const std::uint8_t* const a = address.s6_addr;
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  constexpr std::array<std::uint8_t, 12> nat64{0, 0x64, 0xFF, 0x9B};
  if (std::memcmp(a, mapped.data(), mapped.size()) == 0 || std::memcmp(a, nat64.data(), nat64.size()) == 0) {
    return is_public4(word(a + 12));
  }
  if ((a[0] & 0xE0U) != 0x20) return false;           // only 2000::/3 is given out
  const std::uint32_t first = word(a);
  if (first >> 9U == 0x20010000U >> 9U) return false;  // 2001::/23: protocols, Teredo
  if (first == 0x20010DB8U) return false;              // documentation
  if (first >> 16U == 0x2002U) return false;           // 6to4
  return first >> 12U != 0x3FFF0U;                     // documentation, 3fff::/20
}

}  // namespace

bool is_public(const sockaddr_storage& address) noexcept {
  if (address.ss_family == AF_INET) {
    return is_public4(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
  }
  return address.ss_family == AF_INET6 && is_public6(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

namespace {

struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = 0;
};

/// What a lookup and the one who waits for it share; whoever is last frees it.
struct Lookup {
  explicit Lookup(Core& core) : done(core) {}
  Signal done;  // on the core
  bool ended = false;
  int error = 0;
  std::vector<Endpoint> found;
};

std::vector<Endpoint> look_up(const std::string& host, std::uint16_t port, int& error) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  std::vector<Endpoint> out;
  if (error != 0) return out;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    Endpoint e;
    if (a->ai_addrlen > sizeof e.address) continue;
    std::memcpy(&e.address, a->ai_addr, a->ai_addrlen);
    e.size = a->ai_addrlen;
    out.push_back(e);
  }
  ::freeaddrinfo(list);
  return out;
}

std::optional<Endpoint> literal(const Address& address) {
  Endpoint e;
  if (address.is_unix()) {
    auto& un = reinterpret_cast<sockaddr_un&>(e.address);
    un.sun_family = AF_UNIX;
    if (address.path.native().size() >= sizeof un.sun_path) return std::nullopt;
    std::memcpy(un.sun_path, address.path.c_str(), address.path.native().size() + 1);
    e.size = sizeof un;
    return e;
  }
  auto& v4 = reinterpret_cast<sockaddr_in&>(e.address);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(e.address);
  if (inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    e.size = sizeof v4;
    return e;
  }
  if (inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    e.size = sizeof v6;
    return e;
  }
  return std::nullopt;
}

struct ConnectLimit final : Deadline {
  explicit ConnectLimit(Watched& w) : watched(w) {}
  void expired() noexcept override { watched.close(); }
  Watched& watched;
};

std::chrono::milliseconds until(std::chrono::steady_clock::time_point end) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
}

/// RFC 6761 section 6.3: these names are this machine, whatever a resolver or a missing /etc/hosts says.
bool is_localhost(std::string_view host) noexcept { return host == "localhost" || host.ends_with(".localhost"); }

std::vector<Endpoint> loopback(std::uint16_t port) {
  std::vector<Endpoint> out;
  for (const char* const host : {"127.0.0.1", "::1"}) {
    if (const std::optional<Endpoint> e = literal(Address{host, port, {}})) out.push_back(*e);
  }
  return out;
}

/// 0 and a connected socket, or errno; ETIMEDOUT at the end of the time.
Task<int> connect_to(Core& core, Endpoint to, std::chrono::steady_clock::time_point end, Socket& out) {
  for (;;) {
    if (until(end).count() <= 0) co_return ETIMEDOUT;
    Socket socket(::socket(to.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.is_open()) co_return errno;
    const int on = 1;
    ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on Unix sockets
    if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&to.address), to.size) == 0) {
      out = std::move(socket);
      co_return 0;
    }
    if (errno == EAGAIN) {  // a Unix socket whose queue is full
      co_await sleep_for(core, std::chrono::milliseconds(10));
      continue;
    }
    if (errno != EINPROGRESS) co_return errno;
    Watched watched(core.poller(), std::move(socket));
    ConnectLimit limit(watched);
    core.deadlines().arm(limit, until(end));
    const bool open = co_await watched.wait_writable();
    if (!open) co_return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(watched.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) out = watched.take();
    co_return error;
  }
}

}  // namespace

Task<Result<Socket>> connect(Core& core, Address address, std::chrono::milliseconds limit) {
  return connect(core, std::move(address), limit, Reach::anywhere);
}

Task<Result<Socket>> connect(Core& core, Address address, std::chrono::milliseconds limit, Reach reach) {
  const auto end = std::chrono::steady_clock::now() + limit;
  std::string why;
  std::vector<Endpoint> found;
  if (const std::optional<Endpoint> e = literal(address)) {
    found.push_back(*e);
  } else if (is_localhost(address.host)) {
    found = loopback(address.port);
  } else {
    // A lookup cannot be called off: one that outlives the limit ends by itself, and nobody waits.
    auto lookup = std::make_shared<Lookup>(core);
    const bool accepted = core.names().submit([lookup, &core, host = address.host, port = address.port] {
      int error = 0;
      auto list = std::make_shared<std::vector<Endpoint>>(look_up(host, port, error));
      core.post([lookup, list, error] {
        lookup->found = std::move(*list);
        lookup->error = error;
        lookup->ended = true;
        lookup->done.notify_all();
      });
    });
    if (!accepted) co_return fail(Reason::upstream_unreachable, "too many names are being looked up");
    if (!lookup->ended) co_await lookup->done.wait(limit);
    if (!lookup->ended) co_return fail(Reason::upstream_timeout, "looking up " + address.host + " took too long");
    if (lookup->error != 0) why = ::gai_strerror(lookup->error);
    found = lookup->found;
  }
  for (const Endpoint& e : found) {
    if (reach == Reach::internet && !is_public(e.address)) {
      why = "it is no public address";
      continue;
    }
    Socket socket;
    const int error = co_await connect_to(core, e, end, socket);
    if (error == 0) co_return std::move(socket);
    if (error == ETIMEDOUT && until(end).count() <= 0) {
      co_return fail(Reason::upstream_timeout, "connecting to " + address.text() + " took too long");
    }
    why = std::strerror(error);
  }
  co_return fail(Reason::upstream_unreachable, "cannot connect to " + address.text() + ": " + why);
}

}  // namespace vestibule::net
