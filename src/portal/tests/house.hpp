#pragma once
// The whole house below the portal, served over Unix sockets by two cores.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "approval/definitions.hpp"
#include "approval/mandates.hpp"
#include "approval/requests.hpp"
#include "portal/events.hpp"
#include "portal/portal.hpp"
#include "portal/watch.hpp"
#include "session/tests/world.hpp"
#include "wire/server.hpp"

namespace vestibule::testing {

class PortalHouse : public SessionWorld {
 public:
  ~PortalHouse() override { close(); }

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
  /// The cores take turns.
  [[nodiscard]] std::string socket_of_turn() { return socket_path(turn_++ % 2); }
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
  static net::Task<Result<void>> retire(PortalHouse* world, std::uint32_t id) {
    world->retired = id;
    co_return Result<void>{};
  }
  static net::Task<Result<portal::Services::Rotated>> rotated() { co_return portal::Services::Rotated{2, 7}; }
  static net::Task<Result<std::uint64_t>> backed_up(std::filesystem::path) { co_return std::uint64_t{4096}; }
  [[nodiscard]] std::string socket_path(unsigned core) const { return folder / ("s" + std::to_string(core)); }

  std::atomic<unsigned> turn_{0};
};

}  // namespace vestibule::testing
