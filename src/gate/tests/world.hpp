#pragma once
// The rooms below the gate, the gate itself with its sweeps running on two cores, people with
// tokens, and acts that are held until the test lets go of them.

#include <cstring>
#include <deque>
#include <thread>

#include "approval/requests.hpp"
#include "gate/gate.hpp"
#include "http/parse.hpp"
#include "session/tests/world.hpp"

namespace vestibule::testing {

inline constexpr std::string_view kPolicy = R"toml(
[[rule]]
name = "members"
effect = "allow"
who = ["role:member"]
operation = ["chat", "embed", "models.list"]
[[rule]]
name = "administrators"
effect = "allow"
who = ["role:administrator"]
access_point = ["*", "vestibule"]
)toml";
inline constexpr std::string_view kNoChat = R"toml(
[[rule]]
name = "no chat"
effect = "deny"
operation = ["chat"]
)toml";
inline constexpr std::string_view kComplete = R"toml(
[[rule]]
name = "members complete"
effect = "allow"
who = ["role:member"]
operation = ["complete"]
)toml";

/// Notes what happens to it.
class LiveSpy final : public gate::Live {
 public:
  void cut(Reason reason) noexcept override {
    why = reason;
    ++cuts;
  }
  bool caller_present() noexcept override { return present.load(); }
  std::atomic<int> cuts{0};
  std::atomic<Reason> why{Reason::ok};
  std::atomic<bool> present{true};
};

/// An act under way on a core; let go of it there.
struct Held {
  std::optional<gate::Admission> admission;
  LiveSpy live;
};

inline domain::Act act_of(std::string_view operation, std::string_view model = "tiny", std::string_view point = "lab") {
  domain::Act a;
  a.access_point = point;
  a.operation = operation;
  a.model = model;
  return a;
}

class GateWorld : public SessionWorld {
 public:
  GateWorld() { options_gate.sweep = 50ms; }
  ~GateWorld() override { close(); }

  struct Person {
    UserId id{};
    App app;
    std::string handle;  ///< vs_
    std::string token;   ///< vt_
  };

  session::Identified who(std::string_view text, session::Audience audience = session::Audience::access,
                          const session::Presented& at = {}) {
    auto r = sessions->identify(text, audience, at, clock.now());
    EXPECT_TRUE(r) << (r ? "" : info(r.error().code).code);
    return r ? *r : session::Identified{};
  }
  gate::Caller caller(const Person& p) {
    gate::Caller c;
    c.who = who(p.token);
    c.source = *domain::Source::parse("198.51.100.7");
    c.client = "test/1";
    c.request = RequestId::make(rng);
    return c;
  }
  session::Actor actor(const Person& p) {
    return session::actor_of(who(p.handle, session::Audience::control), *domain::Source::parse("198.51.100.7"), "test/1",
                             RequestId::make(rng));
  }
  /// Password and TOTP proved just now, and a token.
  Person person(const std::string& name, std::vector<std::string> roles = {"member"}) {
    Person p;
    p.id = make_user(name, std::move(roles));
    auto code = run(users->create_enrolment_code(p.id, administrator()));
    EXPECT_TRUE(code);
    const domain::Source source = *domain::Source::parse("198.51.100.7");
    auto in = run(sessions->with_enrolment_code(std::move(*code), Secret(kPassword), source, "test/1"));
    EXPECT_TRUE(in) << (in ? "" : in.error().detail);
    p.handle = in->handle.reveal_text();
    const session::Identified i = who(p.handle, session::Audience::control);
    auto pending = run(sessions->begin_enrolment(i, session::FactorKind::totp, "phone", {}, {}));
    EXPECT_TRUE(pending) << (pending ? "" : pending.error().detail);
    p.app = App(pending->secret.reveal_text(), pending->parameters);
    auto confirmed = run(sessions->confirm_enrolment(i, pending->id, Secret(p.app.code(clock.wall())), {}));
    EXPECT_TRUE(confirmed) << (confirmed ? "" : confirmed.error().detail);
    auto token = run(sessions->issue_token(who(p.handle, session::Audience::control), 24h, {}));
    EXPECT_TRUE(token) << (token ? "" : token.error().detail);
    p.token = token->handle.reveal_text();
    return p;
  }
  Reason prove(const Person& p) {
    const session::Identified i = who(p.handle, session::Audience::control);
    auto r = run(sessions->prove(i, session::FactorKind::totp, Secret(p.app.code(clock.wall())), actor(p)));
    return r ? Reason::ok : r.error().code;
  }
  factors::Attempt attempt(const Person& p, std::string_view code) {
    factors::Attempt a;
    a.answer = Secret(code);
    a.by = actor(p);
    return a;
  }

  /// Asks for an act on a core; what is admitted goes on in `held`.
  Reason hold(Held& held, const gate::Caller& c, const domain::Act& act, unsigned core = 0,
              std::chrono::milliseconds limit = 1h) {
    return run(hold_task(gate.get(), &held, c, act, limit), core);
  }
  /// Asks for an act that ends at once.
  Reason ask(const gate::Caller& c, const domain::Act& act, unsigned core = 0) {
    Held held;
    const Reason r = hold(held, c, act, core);
    let_go(held, core);
    return r;
  }
  void let_go(Held& held, unsigned core = 0) { run(let_go_task(&held), core); }
  Reason considered(const gate::Caller& c, const domain::Act& act, unsigned core = 0) {
    return run(consider_task(gate.get(), c, act), core);
  }
  /// Commits what the cores have journaled so far.
  void flush() {
    auto r = database->write_blocking([](store::Tx&) -> Result<void> { return {}; });
    EXPECT_TRUE(r);
  }
  std::vector<audit::Entry> entries_of(audit::Kind kind, std::string_view operation) {
    flush();
    auto all = entries(operation);
    std::erase_if(all, [&](const audit::Entry& e) { return e.kind != kind; });
    return all;
  }
  static bool soon(const std::function<bool()>& f, std::chrono::milliseconds limit = 1s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end) {
      if (f()) return true;
      std::this_thread::sleep_for(5ms);
    }
    return f();
  }

  void open() override {
    SessionWorld::open();
    options_gate.denials = denials.get();
    options_gate.mandates = mandates.get();
    gate = std::make_unique<gate::Gate>(*database, *log, *sessions, *factors, clock, rng, *cores, options_gate);
    auto loaded = gate->load(policy_text, "policy.toml");
    ASSERT_TRUE(loaded) << loaded.error().detail;
    for (unsigned i = 0; i < cores->size(); ++i) sweeps_.push_back(spawn(sweep_task(gate.get(), &cores->at(i)), i));
    sweeps_.push_back(spawn(persist_task(gate.get(), &cores->at(0))));
  }
  void close() override {
    if (database && gate) {
      cores->on_each([this](net::Core& core) { gate->stop_sweeping(core); });
      for (auto& s : sweeps_) s.get();
      sweeps_.clear();
    }
    SessionWorld::close();
  }

  std::string policy_text{kPolicy};
  gate::Options options_gate;
  std::unique_ptr<approval::Mandates> mandates;
  std::unique_ptr<gate::Gate> gate;

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
    auto opened = approval::Mandates::open(*database, *users, *factors, *log, clock, rng);
    ASSERT_TRUE(opened) << opened.error().detail;
    mandates = std::move(*opened);
  }
  void close_rooms_above() override {
    gate.reset();
    mandates.reset();
    SessionWorld::close_rooms_above();
  }

 private:
  static net::Task<bool> sweep_task(gate::Gate* gate, net::Core* core) {
    co_await gate->sweep(*core);
    co_return true;
  }
  static net::Task<bool> persist_task(gate::Gate* gate, net::Core* core) {
    co_await gate->persist(*core);
    co_return true;
  }
  static net::Task<Reason> hold_task(gate::Gate* gate, Held* held, gate::Caller c, domain::Act act,
                                     std::chrono::milliseconds limit) {
    gate::Verdict verdict = co_await gate->admit(c, act);
    if (const auto* refusal = std::get_if<domain::Refusal>(&verdict)) co_return refusal->reason;
    held->admission.emplace(std::move(std::get<gate::Admission>(verdict)));
    held->admission->completion().reason = Reason::ok;
    held->admission->completion().status = 200;
    held->admission->watch(held->live, limit);
    co_return Reason::ok;
  }
  static net::Task<bool> let_go_task(Held* held) {
    held->admission.reset();
    co_return true;
  }
  static net::Task<Reason> consider_task(gate::Gate* gate, gate::Caller c, domain::Act act) {
    const domain::Decision d = gate->consider(c, act);
    co_return d.outcome == domain::Outcome::allow ? Reason::ok : d.reason;
  }

  std::vector<std::future<bool>> sweeps_;
};

}  // namespace vestibule::testing
