#pragma once
// The whole house below the portal, served over Unix sockets by two cores.

#include "approval/definitions.hpp"
#include "approval/mandates.hpp"
#include "approval/requests.hpp"
#include "portal/events.hpp"
#include "portal/portal.hpp"
#include "portal/tests/http_client.hpp"
#include "portal/watch.hpp"
#include "session/tests/world.hpp"
#include "wire/server.hpp"

namespace vestibule::testing {

class PortalWorld : public SessionWorld {
 public:
  ~PortalWorld() override { close(); }

  struct Person {
    std::string name;
    App app;
    std::string handle;
    std::vector<std::string> recovery;
  };

  /// One request on a connection of its own; the cores take turns.
  HttpReply send(const std::string& raw) { return HttpReply::of(sent(socket_of_turn(), raw)); }
  HttpReply call(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view handle = {},
                 std::string_view more = {}) {
    return send(request_text(method, target, body, handle, more));
  }
  /// A GET whose reply goes on.
  std::unique_ptr<Follower> opened(std::string_view target, std::string_view handle) {
    return std::make_unique<Follower>(sent(socket_of_turn(), request_text("GET", target, {}, handle, {})));
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
    SessionWorld::open();
    gate::Options options_gate;
    options_gate.denials = denials.get();
    options_gate.definitions = definitions.get();
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
    s.mandates = mandates.get();
    s.definitions = definitions.get();
    s.lift_people = lift_people;
    s.approval_wait = Duration::zero();
    s.service_accounts = service_accounts.get();
    s.watch = watch.get();
    s.approvals = approvals.get();
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
    SessionWorld::close();
    servers.clear();
    the_portal.reset();
    gate.reset();
    events.reset();
  }

  int lift_people = 1;
  std::string policy_text{policy::default_policy_text()};
  identity::ResetOptions options_resets;
  std::unique_ptr<identity::Resets> resets;
  std::unique_ptr<identity::ServiceAccounts> service_accounts;
  std::unique_ptr<approval::Mandates> mandates;
  std::unique_ptr<approval::Definitions> definitions;
  std::unique_ptr<portal::Events> events;
  std::unique_ptr<gate::Gate> gate;
  std::shared_ptr<const access::Catalogue> catalogue;
  std::unique_ptr<portal::Watch> watch;
  std::unique_ptr<approval::Requests> approvals;
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
    auto out = SessionWorld::all_migrations();
    const auto of_gate = gate::Gate::migrations();
    out.insert(out.end(), of_gate.begin(), of_gate.end());
    out.insert(out.end(), approval::migrations().begin(), approval::migrations().end());
    return out;
  }
  void open_rooms_above() override {
    SessionWorld::open_rooms_above();
    options_resets.holds = [](store::Tx& tx, UserId user) { return factors::strong_factor_of(tx, user, {}); };
    resets = std::make_unique<identity::Resets>(*database, *users, *log, clock, rng, options_resets);
    service_accounts = std::make_unique<identity::ServiceAccounts>(*database, *users, *log, clock, rng);
    auto opened = approval::Mandates::open(*database, *users, *factors, *log, clock, rng);
    ASSERT_TRUE(opened) << opened.error().detail;
    mandates = std::move(*opened);
    auto defined = approval::Definitions::open(*database, *users, *log, clock);
    ASSERT_TRUE(defined) << defined.error().detail;
    definitions = std::move(*defined);
    events = std::make_unique<portal::Events>(*database, *sessions, *log);
    watch = std::make_unique<portal::Watch>(*database, factors::kPromptTopic);
    approval::Options asking;
    asking.shut_in = [](store::Tx& tx, const approval::Request& request) {
      return session::lock_in(tx, request.ask.credential, *session::SourceKey::parse(request.ask.source_key));
    };
    auto approving = approval::Requests::open(*database, *keys, *users, *log, clock, rng, std::move(asking));
    ASSERT_TRUE(approving) << approving.error().detail;
    approvals = std::move(*approving);
  }
  void close_rooms_above() override {
    watch.reset();
    approvals.reset();
    gate.reset();
    definitions.reset();
    mandates.reset();
    service_accounts.reset();
    resets.reset();
    SessionWorld::close_rooms_above();
  }

 private:
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
  [[nodiscard]] std::string socket_of_turn() { return socket_path(turn_++ % 2); }
  [[nodiscard]] std::string socket_path(unsigned core) const { return folder / ("s" + std::to_string(core)); }

  std::atomic<unsigned> turn_{0};
};

}  // namespace vestibule::testing
