#pragma once
// The proxy of two cores over TCP, in front of a scripted upstream.

#include <map>

#include "access/catalogue.hpp"
#include "gate/tests/world.hpp"
#include "proxy/proxy.hpp"
#include "wire/server.hpp"
#include "wire/tests/world.hpp"

namespace vestibule::testing {

using wire::Plug;
using wire::ScriptedUpstream;

inline constexpr std::string_view kCredential = "sk-upstream-secret";
inline constexpr std::string_view kChat = R"({"model":"tiny-1","messages":[{"role":"user","content":"hi"}]})";

struct Reply {
  int status = 0;
  std::multimap<std::string, std::string> fields;  // lower-case names
  std::string body;
  std::string raw;
  [[nodiscard]] std::string field(const std::string& name) const {
    const auto at = fields.find(name);
    return at == fields.end() ? "" : at->second;
  }
  [[nodiscard]] std::string reason() const { return field("vestibule-reason"); }
};

inline Reply parse_head(const std::string& head) {
  Reply out;
  out.raw = head;
  if (head.size() < 12 || !head.starts_with("HTTP/1.1 ")) return out;
  out.status = std::atoi(head.c_str() + 9);
  std::size_t at = head.find("\r\n") + 2;
  while (at < head.size()) {
    const std::size_t end = head.find("\r\n", at);
    if (end == std::string::npos || end == at) break;
    std::string line = head.substr(at, end - at);
    const std::size_t colon = line.find(": ");
    std::string name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    out.fields.emplace(name, colon == std::string::npos ? "" : line.substr(colon + 2));
    at = end + 2;
  }
  return out;
}

/// Reads one request off the plug: head and body (a body of these tests ends with "]}"). Empty at
/// the connection's end.
inline std::string read_request(Plug& plug) {
  std::string head = plug.until("\r\n\r\n", 60'000);
  if (!head.ends_with("\r\n\r\n")) return {};
  if (head.find("\r\nContent-Length: 0\r\n") != std::string::npos) return head;
  if (head.find("\r\nContent-Length: ") != std::string::npos) head += plug.until("]}");
  return head;
}

class ProxyWorld : public GateWorld {
 public:
  using Script = std::function<void(Plug&, int)>;
  /// The script is chosen before open().
  ProxyWorld() = default;
  ~ProxyWorld() override { close(); }

  /// Answers every request with these bytes until the gateway closes.
  static Script answering(std::string reply) {
    return [reply = std::move(reply)](Plug& plug, int) {
      while (!read_request(plug).empty()) plug.send(reply);
    };
  }
  static std::string ok(std::string_view body, std::string_view more = {}) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(more) + "\r\n" + std::string(body);
  }

  void open_with(Script script) {
    upstream = std::make_unique<ScriptedUpstream>([script = std::move(script)](Plug& plug, int n) { script(plug, n); });
    open();
  }
  void open() override {
    GateWorld::open();
    const std::string at = "127.0.0.1:" + std::to_string(upstream->address().port);
    std::vector<access::AccessPoint> points(4);
    points[0].name = "lab";
    points[0].upstreams = {"http://" + at};
    points[0].rules.models = {"tiny-*", "big-*"};
    points[1] = points[0];
    points[1].name = "high";
    points[1].prefix = "/high";
    points[1].sensitivity = domain::Sensitivity::high;
    points[2] = points[0];
    points[2].name = "down";
    points[2].prefix = "/down";
    points[3] = points[0];
    points[3].name = "prefixed";
    points[3].prefix = "/lab";
    points[3].upstream_prefix = "/api";
    points[3].max_stream = std::chrono::seconds(1);
    for (access::AccessPoint& point : points) change(point);
    auto built = access::Catalogue::build(std::move(points), {"localhost"});
    ASSERT_TRUE(built) << built.error().detail;
    catalogue = *built;
    proxies.resize(2);
    servers.resize(2);
    cores->on_each([&](net::Core& core) {
      const unsigned i = core.index();
      auto targets = std::make_shared<proxy::Targets>();
      targets->catalogue = catalogue;
      for (const access::AccessPoint& point : catalogue->points()) {
        proxy::Target& t = targets->points.emplace_back();
        wire::UpstreamOptions o;
        o.address = upstream->address();
        if (point.name == "down") o.address.port = 1;
        o.head = upstream_head;
        t.upstreams.push_back(std::make_unique<wire::Upstream>(core, o));
        t.authorities.push_back("model.internal:8080");
        t.credential_line = Secret("Authorization: Bearer " + std::string(kCredential) + "\r\n");
      }
      proxies[i] = std::make_unique<proxy::Proxy>(core, *gate, door());
      proxies[i]->set_targets(std::move(targets));
      servers[i] = std::make_unique<wire::Server>(core, *proxies[i], wire::ServerOptions{});
      auto listener = std::make_unique<net::Listener>(core);
      net::Address a;
      a.host = "127.0.0.1";
      EXPECT_TRUE(listener->open(a));
      ports[i] = listener->port();
      servers[i]->listen(std::move(listener), false);
    });
  }
  void close() override {
    if (database && !servers.empty()) {
      for (unsigned i = 0; i < 2; ++i) run(stop_task(servers[i].get()), i);
      cores->on_each([&](net::Core& core) {
        servers[core.index()].reset();
        proxies[core.index()].reset();
      });
      servers.clear();
      proxies.clear();
    }
    GateWorld::close();
  }

  std::string request(std::string_view method, std::string_view target, std::string_view token, std::string_view body = {},
                      std::string_view more = {}) {
    std::string raw(method);
    raw.append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test/1\r\n");
    if (!token.empty()) raw.append("Authorization: Bearer ").append(token).append("\r\n");
    if (!body.empty()) {
      raw.append("Content-Type: application/json\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\n");
    }
    return raw.append(more).append("\r\n").append(body);
  }
  /// One request on a connection of its own; the reply to its end.
  Reply send(const std::string& raw, unsigned core = 0) {
    Plug plug = Plug::to(ports[core]);
    EXPECT_TRUE(plug.send(raw));
    Reply out = parse_head(plug.until("\r\n\r\n"));
    const std::string length = out.field("content-length");
    if (!length.empty()) {
      while (out.body.size() < std::stoul(length)) {
        const std::string piece = plug.until(std::string_view("}"), 2000);
        out.body += piece;
        if (piece.empty() || piece.back() == '>') break;
      }
    } else {
      out.body = plug.until("0\r\n\r\n");
    }
    return out;
  }
  Reply chat(const Person& p, std::string_view body = kChat, std::string_view more = {}) {
    return send(request("POST", "/v1/chat/completions", p.token, body, more));
  }

  std::unique_ptr<ScriptedUpstream> upstream;
  std::shared_ptr<const access::Catalogue> catalogue;
  std::vector<std::unique_ptr<proxy::Proxy>> proxies;
  std::vector<std::unique_ptr<wire::Server>> servers;
  std::uint16_t ports[2] = {0, 0};
  std::chrono::milliseconds upstream_head{300'000};  ///< until its reply's head

 protected:
  virtual proxy::Door door() { return {}; }
  virtual void change(access::AccessPoint&) {}

 private:
  static net::Task<bool> stop_task(wire::Server* server) {
    co_await server->stop(std::chrono::milliseconds(200));
    co_return true;
  }
};

}  // namespace vestibule::testing
