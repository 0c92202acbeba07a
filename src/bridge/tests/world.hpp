#pragma once
// A bridge over a Unix socket, and HTTP clients of it on the test's own thread.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "bridge/bridge.hpp"
#include "wire/tests/world.hpp"

namespace vestibule::bridge {

struct Reply {
  int status = 0;
  std::string head;
  std::string body;
  [[nodiscard]] std::string session() const {
    const auto at = head.find("Mcp-Session-Id: ");
    return at == std::string::npos ? std::string() : head.substr(at + 16, head.find('\r', at) - at - 16);
  }
};

inline wire::Plug plug(const std::filesystem::path& socket) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::strncpy(a.sun_path, socket.c_str(), sizeof a.sun_path - 1);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0) << socket;
  return wire::Plug(fd);
}

struct Ask {
  std::string method = "POST";
  std::string body = {};
  std::string session = {};
  std::string version = "2025-11-25";
  std::string type = "application/json";
};

inline std::string text_of(const Ask& ask) {
  std::string out = ask.method + " /mcp HTTP/1.1\r\nHost: localhost\r\nMCP-Protocol-Version: " + ask.version + "\r\n";
  if (!ask.session.empty()) out += "Mcp-Session-Id: " + ask.session + "\r\n";
  if (!ask.body.empty()) out += "Content-Type: " + ask.type + "\r\nContent-Length: " + std::to_string(ask.body.size()) + "\r\n";
  return out + "\r\n" + ask.body;
}

/// A whole reply; of a stream all of it, to its clean end.
inline Reply read_reply(wire::Plug& p, int ms = 8000) {
  Reply r;
  r.head = p.until("\r\n\r\n", ms);
  if (r.head.size() > 12) r.status = std::atoi(r.head.c_str() + 9);
  if (r.head.find("Transfer-Encoding: chunked") != std::string::npos) {
    for (;;) {
      const std::string line = p.until("\r\n", ms);
      const std::size_t size = std::strtoul(line.c_str(), nullptr, 16);
      if (!line.ends_with("\r\n") || size == 0) break;
      std::string chunk = p.exactly(size + 2, ms);
      if (chunk.size() < size + 2) break;
      r.body.append(chunk, 0, size);
    }
  } else if (const auto at = r.head.find("Content-Length: "); at != std::string::npos) {
    r.body = p.exactly(std::strtoul(r.head.c_str() + at + 16, nullptr, 10), ms);
  }
  return r;
}

inline std::string call(std::string_view id, std::string_view tool, std::string_view arguments = "null", std::string_view meta = "{}") {
  std::string out(R"({"jsonrpc":"2.0","id":)");
  out.append(id).append(R"(,"method":"tools/call","params":{"name":")").append(tool).append(R"(","arguments":)").append(arguments);
  return out.append(R"(,"_meta":)").append(meta).append("}}");
}

inline constexpr const char* kInitialize = R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{}})";

class World {
 public:
  explicit World(Options o = {}) {
    char name[] = "/tmp/vestibule-bridge-XXXXXX";
    dir = ::mkdtemp(name);
    o.socket = dir / "b.sock";
    if (o.command.empty()) o.command = {"/usr/bin/python3", std::filesystem::absolute("src/bridge/tests/server.py").string()};
    if (o.gateway < 0) o.gateway = ::getpid();
    socket = o.socket;
    bridge.emplace(cores.at(0), std::move(o));
    const Result<void> r = bridge->listen();
    EXPECT_TRUE(r) << r.error().detail;
    cores.start();
  }
  ~World() {
    std::promise<void> done;
    cores.at(0).post([&] {
      net::asio::co_spawn(cores.at(0).executor(), bridge->stop(), [&](std::exception_ptr e) {
        EXPECT_FALSE(e);
        done.set_value();
      });
    });
    EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
    cores.stop();
    std::filesystem::remove_all(dir);
  }
  Reply send(const Ask& ask) {
    wire::Plug p = plug(socket);
    p.send(text_of(ask));  // what is refused by its length is not taken to its end
    return read_reply(p);
  }
  std::string open() {
    const Reply r = send({.body = kInitialize});
    EXPECT_EQ(r.status, 200) << r.head << r.body;
    EXPECT_EQ(r.session().size(), 32U) << r.head;
    return r.session();
  }

  std::filesystem::path dir;
  std::filesystem::path socket;
  net::Cores cores{1};
  std::optional<Bridge> bridge;
};

}  // namespace vestibule::bridge
