#pragma once
// The whole house below the portal, served over Unix sockets by two cores, and a small blocking client.

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <map>

#include "factors/tests/world.hpp"
#include "json/value.hpp"
#include "portal/events.hpp"
#include "portal/portal.hpp"
#include "portal/watch.hpp"
#include "wire/server.hpp"

namespace vestibule::testing {

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> fields;  // lower-case names
  std::string body;
  bool whole = false;  // the body came to its proper end
  json::Value json;

  /// The reason of an error, "ok" of a success.
  [[nodiscard]] std::string code() const {
    const json::Value* const error = json.find("error");
    if (error == nullptr) return status >= 200 && status < 300 ? "ok" : "?";
    return error->get_string("code").value_or("?");
  }
  [[nodiscard]] std::string detail() const {
    const json::Value* const error = json.find("error");
    return error == nullptr ? "" : error->get_string("detail").value_or("");
  }
  [[nodiscard]] std::string text(std::string_view key) const { return json.get_string(key).value_or("?"); }
};

/// A reply that goes on: read as it comes.
class Follower {
 public:
  explicit Follower(int fd) : fd_(fd) {}
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;
  ~Follower() { ::close(fd_); }

  /// Reads until this has come; false after `limit`.
  bool until(std::string_view text, std::chrono::milliseconds limit = 5s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (in_.find(text) == std::string::npos) {
      if (!read_some(end)) return false;
    }
    return true;
  }
  /// The connection has been closed, at most `limit` from now.
  bool ended(std::chrono::milliseconds limit = 5s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (read_some(end)) {
    }
    return over_;
  }
  [[nodiscard]] const std::string& text() const noexcept { return in_; }
  void forget() { in_.clear(); }
  [[nodiscard]] std::string field(std::string_view name) const {
    std::string lower = in_.substr(0, in_.find("\r\n\r\n"));
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    const std::size_t at = lower.find("\r\n" + std::string(name) + ": ");
    if (at == std::string::npos) return "";
    const std::size_t from = at + name.size() + 4;
    return in_.substr(from, lower.find("\r\n", from) - from);
  }

 private:
  bool read_some(std::chrono::steady_clock::time_point end) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd p{fd_, POLLIN, 0};
    if (over_ || left.count() <= 0 || ::poll(&p, 1, static_cast<int>(left.count())) <= 0) return false;
    char buffer[16384];
    const ssize_t n = ::read(fd_, buffer, sizeof buffer);
    if (n <= 0) {
      over_ = true;
      return false;
    }
    in_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
  int fd_;
  bool over_ = false;
  std::string in_;
};

class PortalWorld : public FactorWorld {
 public:
  PortalWorld() { options_session.boot_id = "boot-1"; }
  ~PortalWorld() override { close(); }

  struct Person {
    std::string name;
    App app;
    std::string handle;
    std::vector<std::string> recovery;
  };

  /// One request on a connection of its own; the cores take turns.
  HttpReply send(const std::string& raw) {
    HttpReply out;
    const int fd = asked(raw);
    std::string in;
    char buffer[16384];
    for (;;) {
      const ssize_t n = ::read(fd, buffer, sizeof buffer);
      if (n <= 0) break;
      in.append(buffer, static_cast<std::size_t>(n));
    }
    ::close(fd);
    parse(in, out);
    return out;
  }

  HttpReply call(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view handle = {},
                 std::string_view more = {}) {
    std::string raw(method);
    raw.append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: test/1\r\n");
    if (!handle.empty()) raw.append("Authorization: Bearer ").append(handle).append("\r\n");
    if (!body.empty()) {
      if (more.find("Content-Type") == std::string_view::npos) raw.append("Content-Type: application/json\r\n");
      raw.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    }
    raw.append(more).append("\r\n").append(body);
    return send(raw);
  }
  /// A GET whose reply goes on.
  std::unique_ptr<Follower> opened(std::string_view target, std::string_view handle) {
    std::string raw("GET ");
    raw.append(target).append(" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: test/1\r\nAuthorization: Bearer ");
    raw.append(handle).append("\r\n\r\n");
    return std::make_unique<Follower>(asked(raw));
  }
  HttpReply get(std::string_view target, std::string_view handle = {}) { return call("GET", target, {}, handle); }
  HttpReply post(std::string_view target, std::string_view body = {}, std::string_view handle = {}) {
    return call("POST", target, body, handle);
  }
  /// Like post(), with a fresh code of the person's own put into the body.
  HttpReply bound(Person& p, std::string_view target, json::Value body = json::Value(json::Object{})) {
    body.set("code", fresh(p));
    return post(target, body.dump(), p.handle);
  }

  /// A code that was not used yet: 30 s later.
  std::string fresh(const Person& p) {
    clock.advance(30s);
    return p.app.code(clock.wall());
  }
  void enrol_totp(Person& p) {
    HttpReply begun = post("/v1/factors/totp", R"({"label":"phone"})", p.handle);
    ASSERT_EQ(begun.code(), "ok") << begun.body;
    p.app = App(begun.text("secret"));
    json::Value code;
    code.set("code", p.app.code(clock.wall()));
    HttpReply done = post("/v1/factors/" + begun.text("id") + "/confirm", code.dump(), p.handle);
    ASSERT_EQ(done.code(), "ok") << done.body;
    for (const json::Value& c : done.json.find("recovery_codes")->items()) p.recovery.push_back(*c.as_string());
  }
  Person set_up(const std::string& name = "root") {
    Person p;
    p.name = name;
    auto token = users->create_setup_token();
    EXPECT_TRUE(token && *token);
    json::Value body;
    body.set("token", (*token)->reveal_text()).set("name", name).set("password", kPassword);
    HttpReply in = post("/v1/setup", body.dump());
    EXPECT_EQ(in.code(), "ok") << in.body;
    p.handle = in.text("handle");
    enrol_totp(p);
    return p;
  }
  /// Created by `by`, signed in by the enrolment code, with a factor.
  Person create(Person& by, const std::string& name, const std::string& role) {
    Person p;
    p.name = name;
    json::Value body;
    json::Value roles;
    roles.push(role);
    body.set("name", name).set("roles", std::move(roles));
    HttpReply made = bound(by, "/v1/users", std::move(body));
    EXPECT_EQ(made.code(), "ok") << made.body;
    json::Value enrol;
    enrol.set("code", made.text("enrolment_code")).set("password", kPassword);
    HttpReply in = post("/v1/enrol", enrol.dump());
    EXPECT_EQ(in.code(), "ok") << in.body;
    p.handle = in.text("handle");
    enrol_totp(p);
    return p;
  }
  /// Admissions of a request; operation "": any.
  std::vector<audit::Entry> admissions(std::string_view operation, const std::string& request) {
    EXPECT_TRUE(database->write_blocking([](store::Tx&) -> Result<void> { return {}; }));  // what the cores have journaled
    auto all = entries(operation);
    std::erase_if(all, [&](const audit::Entry& e) { return e.kind != audit::Kind::admission || e.request != request; });
    return all;
  }
  /// Name and password only: a pending session.
  std::string started(std::string_view name) {
    json::Value body;
    body.set("name", name).set("password", kPassword);
    HttpReply in = post("/v1/sign-in", body.dump());
    EXPECT_EQ(in.code(), "ok") << in.body;
    return in.text("handle");
  }

  void open() override {
    FactorWorld::open();
    gate::Options options_gate;
    options_gate.denials = denials.get();
    gate = std::make_unique<gate::Gate>(*database, *log, *sessions, *factors, clock, rng, *cores, options_gate);
    gate->on_change([this] { events->gate_changed(); });
    auto loaded = gate->load(policy_text, "policy.toml");
    ASSERT_TRUE(loaded) << loaded.error().detail;
    std::vector<access::AccessPoint> points(1);
    points[0].name = "lab";
    points[0].upstreams = {"http://127.0.0.1:1"};
    auto built = access::Catalogue::build(std::move(points), {"localhost"});
    ASSERT_TRUE(built) << built.error().detail;
    catalogue = *built;
    the_portal = std::make_unique<portal::Portal>(services());
    servers.resize(2);
    cores->on_each([this](net::Core& core) {
      const unsigned i = core.index();
      servers[i] = std::make_unique<wire::Server>(core, handler(core), wire::ServerOptions{});
      auto listener = std::make_unique<net::Listener>(core);
      net::Address address;
      address.path = socket_path(i);
      const auto opened = listener->open(address);
      EXPECT_TRUE(opened);
      servers[i]->listen(std::move(listener), false);
    });
  }
  /// What the API stands on here.
  portal::Services services() {
    portal::Services s{*gate, *sessions, *users, *factors, *log, *database, clock, *resets};
    s.version = "0.1.0";
    s.events = events.get();
    s.watch = watch.get();
    s.push_key = "BA";
    s.greet = [this](notify::Subscription, Secret code) {
      const std::lock_guard lock(greeted_mutex);
      greeted.emplace_back(code.reveal_text());
    };
    s.catalogue = [this] { return catalogue; };
    s.has_credential = [this](std::string_view point) { return point == credential_of; };
    s.reload_policy = [this](session::Actor by) { return gate->reload_policy(policy_text, "policy.toml", std::move(by)); };
    s.put_credential_in = [this](store::Tx&, std::string_view point, const Secret& value) -> Result<void> {
      if (credential_fails) return fail(Reason::sealed_unreadable);
      credential_of = value.empty() ? "" : point;
      return {};
    };
    s.rotate_keys = [] { return rotated(); };
    s.key_out_of_use_in = [this](store::Tx&, std::uint32_t) -> Result<void> {
      if (key_in_use) return fail(Reason::conflict, "still in use");
      return {};
    };
    s.retire_key = [this](std::uint32_t id) { return retire(this, id); };
    s.backup = [](std::filesystem::path to) { return backed_up(std::move(to)); };
    return s;
  }
  /// What the servers serve.
  virtual wire::Handler& handler(net::Core&) { return *the_portal; }
  void close() override {
    if (database) {
      cores->on_each([this](net::Core& core) { events->stop(core); });
      for (unsigned i = 0; i < servers.size(); ++i) run(stopped(servers[i].get()), i);
    }
    FactorWorld::close();
    servers.clear();
    the_portal.reset();
    gate.reset();
    events.reset();
  }

  std::string policy_text{policy::default_policy_text()};
  session::Options options_session;
  identity::ResetOptions options_resets;
  std::unique_ptr<identity::Resets> resets;
  std::unique_ptr<session::Sessions> sessions;
  std::unique_ptr<portal::Events> events;
  std::unique_ptr<gate::Gate> gate;
  std::shared_ptr<const access::Catalogue> catalogue;
  std::unique_ptr<portal::Watch> watch;
  std::unique_ptr<portal::Portal> the_portal;
  std::vector<std::unique_ptr<wire::Server>> servers;
  std::string credential_of;
  bool credential_fails = false;
  bool key_in_use = false;
  std::uint32_t retired = 0;
  std::mutex greeted_mutex;
  std::vector<std::string> greeted;  // what first messages to push devices said

 protected:
  std::vector<store::Migration> all_migrations() override {
    auto out = FactorWorld::all_migrations();
    out.insert(out.end(), session::migrations().begin(), session::migrations().end());
    const auto of_gate = gate::Gate::migrations();
    out.insert(out.end(), of_gate.begin(), of_gate.end());
    return out;
  }
  void open_rooms_above() override {
    FactorWorld::open_rooms_above();
    options_resets.holds = [](store::Tx& tx, UserId user) { return factors::strong_factor_of(tx, user); };
    resets = std::make_unique<identity::Resets>(*database, *users, *log, clock, rng, options_resets);
    options_session.denials = denials.get();
    auto opened = session::Sessions::open(*database, *mint, *users, *factors, *log, clock, rng, options_session);
    ASSERT_TRUE(opened) << opened.error().detail;
    sessions = std::move(*opened);
    events = std::make_unique<portal::Events>(*database, *sessions, *log);
    watch = std::make_unique<portal::Watch>(*database, factors::kPromptTopic);
  }
  void close_rooms_above() override {
    watch.reset();
    gate.reset();
    sessions.reset();
    resets.reset();
    FactorWorld::close_rooms_above();
  }

 private:
  /// A connection on which this has been sent.
  int asked(const std::string& raw) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un sa{};
    sa.sun_family = AF_UNIX;
    const std::string path = socket_path(turn_++ % 2);
    path.copy(sa.sun_path, sizeof sa.sun_path - 1);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&sa), sizeof sa) != 0) ADD_FAILURE() << "connect";
    std::size_t sent = 0;
    while (sent < raw.size()) {
      const ssize_t n = ::send(fd, raw.data() + sent, raw.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;  // refused before the body's end: the reply is there all the same
      sent += static_cast<std::size_t>(n);
    }
    return fd;
  }
  static net::Task<bool> stopped(wire::Server* server) {
    co_await server->stop(std::chrono::milliseconds(1000));
    co_return true;
  }
  static net::Task<Result<void>> retire(PortalWorld* world, std::uint32_t id) {
    world->retired = id;
    co_return Result<void>{};
  }
  static net::Task<Result<portal::Services::Rotated>> rotated() { co_return portal::Services::Rotated{2, 7}; }
  static net::Task<Result<std::uint64_t>> backed_up(std::filesystem::path) { co_return std::uint64_t{4096}; }
  [[nodiscard]] std::string socket_path(unsigned core) const { return folder / ("s" + std::to_string(core)); }

  static void parse(const std::string& in, HttpReply& out) {
    const std::size_t end = in.find("\r\n\r\n");
    if (end == std::string::npos || in.size() < 12) return;
    out.status = std::stoi(in.substr(9, 3));
    std::size_t at = in.find("\r\n") + 2;
    while (at < end + 2) {
      const std::size_t eol = in.find("\r\n", at);
      const std::string line = in.substr(at, eol - at);
      const std::size_t colon = line.find(": ");
      std::string name = line.substr(0, colon);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      if (colon != std::string::npos) out.fields[name] = line.substr(colon + 2);
      at = eol + 2;
    }
    std::string rest = in.substr(end + 4);
    if (out.fields["transfer-encoding"] == "chunked") {
      std::size_t p = 0;
      for (;;) {
        const std::size_t eol = rest.find("\r\n", p);
        if (eol == std::string::npos) break;
        const std::size_t size = std::stoul(rest.substr(p, eol - p), nullptr, 16);
        if (size == 0) {
          out.whole = true;
          break;
        }
        out.body += rest.substr(eol + 2, size);
        p = eol + 2 + size + 2;
      }
    } else {
      out.body = std::move(rest);
      out.whole = std::to_string(out.body.size()) == out.fields["content-length"];
    }
    if (auto json = json::parse(out.body)) out.json = std::move(*json);
  }

  std::atomic<unsigned> turn_{0};
};

}  // namespace vestibule::testing
