#pragma once
// Two cores, a server on core 0, and blocking sockets on the test's own thread.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>

#include "wire/server.hpp"
#include "wire/upstream.hpp"

namespace vestibule::wire {

/// A blocking client socket with a time limit on every read.
class Plug {
 public:
  explicit Plug(int fd) : fd_(fd) {}
  static Plug to(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    return Plug(fd);
  }
  Plug(Plug&& o) noexcept : fd_(o.fd_), got_(std::move(o.got_)) { o.fd_ = -1; }
  Plug(const Plug&) = delete;
  ~Plug() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  [[nodiscard]] int fd() const { return fd_; }
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// Reads until `mark` is there (giving everything up to and with it), the end, or 5 s.
  std::string until(std::string_view mark, int ms = 5000) {
    for (;;) {
      if (const auto at = got_.find(mark); at != std::string::npos && !mark.empty()) {
        std::string out = got_.substr(0, at + mark.size());
        got_.erase(0, out.size());
        return out;
      }
      pollfd p{fd_, POLLIN, 0};
      if (::poll(&p, 1, ms) <= 0) return take("<timeout>");
      char buf[4096];
      const ssize_t n = ::recv(fd_, buf, sizeof buf, 0);
      if (n == 0) return take("<eof>");
      if (n < 0) return take("<reset>");
      got_.append(buf, static_cast<std::size_t>(n));
    }
  }
  /// A request's head, and its body read away: a socket that is closed with bytes unread resets its peer,
  /// who may lose the reply over it.
  std::string request(int ms = 5000) {
    std::string head = until("\r\n\r\n", ms);
    const auto at = head.find("\r\nContent-Length: ");
    std::size_t left = at == std::string::npos ? 0 : std::stoul(head.substr(at + 18));
    while (left > got_.size()) {
      pollfd p{fd_, POLLIN, 0};
      char buf[4096];
      const ssize_t n = ::poll(&p, 1, ms) <= 0 ? 0 : ::recv(fd_, buf, sizeof buf, 0);
      if (n <= 0) return head + "<broken off>";
      got_.append(buf, static_cast<std::size_t>(n));
    }
    got_.erase(0, left);
    return head;
  }
  /// So many bytes; fewer if they do not come.
  std::string exactly(std::size_t n, int ms = 5000) {
    while (got_.size() < n) {
      pollfd p{fd_, POLLIN, 0};
      char buf[65536];
      const ssize_t r = ::poll(&p, 1, ms) <= 0 ? 0 : ::recv(fd_, buf, sizeof buf, 0);
      if (r <= 0) return take("");
      got_.append(buf, static_cast<std::size_t>(r));
    }
    std::string out = got_.substr(0, n);
    got_.erase(0, n);
    return out;
  }
  /// Everything until the end; "<eof>", "<reset>" or "<timeout>" is appended.
  std::string rest(int ms = 5000) { return until("", ms); }

 private:
  std::string take(const char* how) {
    std::string out = std::move(got_) + how;
    got_.clear();
    return out;
  }
  int fd_;
  std::string got_;
};

/// A listening socket on a thread that plays `script` with each connection, one after the other.
class ScriptedUpstream {
 public:
  explicit ScriptedUpstream(std::function<void(Plug&, int)> script) : script_(std::move(script)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    socklen_t n = sizeof a;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &n);
    port_ = ntohs(a.sin_port);
    thread_ = std::thread([this] {
      for (int i = 0;; ++i) {
        const int c = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
        if (c < 0) return;
        ++connections;
        players_.emplace_back([this, c, i] {
          Plug plug(c);
          script_(plug, i);
        });
      }
    });
  }
  ~ScriptedUpstream() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
    for (auto& p : players_) p.join();
  }
  [[nodiscard]] net::Address address() const {
    net::Address a;
    a.host = "127.0.0.1";
    a.port = port_;
    return a;
  }
  std::atomic<int> connections{0};

 private:
  std::function<void(Plug&, int)> script_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
  std::vector<std::thread> players_;
};

/// A handler made of a plain function that returns a task.
class TestHandler final : public Handler {
 public:
  using Function = net::Task<> (*)(Exchange&, void*);
  TestHandler(Function f, void* arg) : f_(f), arg_(arg) {}
  net::Task<> serve(Exchange& e) override { return f_(e, arg_); }
  void refused(const net::Peer&, Reason r) noexcept override { last_refused = r; }
  std::atomic<Reason> last_refused{Reason::ok};

 private:
  Function f_;
  void* arg_;
};

/// Cores, one server, its port. Ends gracefully.
class World {
 public:
  World(TestHandler::Function f, void* arg = nullptr, ServerOptions options = {}, net::TlsContext tls = {})
      : handler(f, arg), cores(2), server(std::make_unique<Server>(cores.at(0), handler, options)) {
    auto listener = std::make_unique<net::Listener>(cores.at(0));
    net::Address a;
    a.host = "127.0.0.1";
    EXPECT_TRUE(listener->open(a));
    port = listener->port();
    if (tls) server->set_tls(tls);
    server->listen(std::move(listener), tls != nullptr);
    cores.start();
  }
  ~World() {
    stop(std::chrono::milliseconds(500));
    cores.stop();
  }
  void stop(std::chrono::milliseconds limit) {
    if (stopped_) return;
    stopped_ = true;
    std::promise<void> done;
    cores.at(0).post([&] {
      net::asio::co_spawn(cores.at(0).executor(), server->stop(limit), [&](std::exception_ptr e) {
        EXPECT_FALSE(e);
        done.set_value();
      });
    });
    done.get_future().wait();
  }
  /// Runs a task on core 0 and waits for it.
  void run(net::Task<> task) {
    std::promise<void> done;
    cores.at(0).post([&] {
      net::asio::co_spawn(cores.at(0).executor(), std::move(task), [&](std::exception_ptr e) {
        EXPECT_FALSE(e);
        done.set_value();
      });
    });
    done.get_future().wait();
  }
  TestHandler handler;
  net::Cores cores;
  std::unique_ptr<Server> server;
  std::uint16_t port = 0;

 private:
  bool stopped_ = false;
};

}  // namespace vestibule::wire
