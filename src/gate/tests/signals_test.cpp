// Flows and signals at the gate: what is known of a person reaches the decision, the caller and the record.
#include "gate/tests/world.hpp"

namespace vestibule::gate {
namespace {

using testing::act_of;
using testing::GateWorld;
using testing::Held;
using namespace std::chrono_literals;

constexpr std::string_view kMore = R"toml(
[signal.new_source]
max_age = "1m"
[signal.new_client]
max_age = "10m"
[signal.many_refusals]
level = 3
)toml";

class SignalsTest : public ::testing::Test, public GateWorld {
 protected:
  void SetUp() override {
    policy_text = std::string(kMore) + policy_text;
    open();
    alice = person("alice");
    // Known for long where she is: her next proof is weeks after the first.
    clock.advance(1min);
    EXPECT_EQ(prove(alice), Reason::ok);
    clock.advance(25h);
    session_again(alice);
  }
  void TearDown() override { close(); }
  std::vector<store::Migration> all_migrations() override {
    auto out = GateWorld::all_migrations();
    const auto of_risk = risk::migrations();
    out.insert(out.end(), of_risk.begin(), of_risk.end());
    return out;
  }
  void open_rooms_above() override {
    GateWorld::open_rooms_above();
    auto opened = risk::History::open(*database, *users, *factors, clock, {});
    ASSERT_TRUE(opened) << opened.error().detail;
    history = std::move(*opened);
    options_gate.history = history.get();
  }
  void close_rooms_above() override {
    GateWorld::close_rooms_above();
    history.reset();
  }
  void session_again(Person& p) {
    const domain::Source home = *domain::Source::parse("198.51.100.7");
    auto in = run(sessions->start("alice", Secret(testing::kPassword), home, "test/1"));
    ASSERT_TRUE(in) << in.error().detail;
    p.handle = in->handle.reveal_text();
    ASSERT_EQ(prove(p), Reason::ok);
    auto token = run(sessions->issue_token(who(p.handle, session::Audience::control), 24h, {}));
    ASSERT_TRUE(token) << token.error().detail;
    p.token = token->handle.reveal_text();
  }
  Caller from(const char* source, std::string_view client = "test/1") {
    Caller c = caller(alice);
    c.source = *domain::Source::parse(source);
    c.client = client;
    return c;
  }
  domain::Refusal refused(const Caller& c, const domain::Act& act) { return run(refusal_task(gate.get(), c, act)); }
  static net::Task<domain::Refusal> refusal_task(Gate* gate, Caller c, domain::Act act) {
    Verdict v = co_await gate->admit(c, act);
    if (auto* r = std::get_if<domain::Refusal>(&v)) co_return std::move(*r);
    domain::Refusal none;
    none.reason = Reason::ok;
    co_return none;
  }

  std::unique_ptr<risk::History> history;
  Person alice;
};

TEST_F(SignalsTest, ATokenThatTurnsUpElsewhereNeedsAFreshProof) {
  clock.advance(2min);
  EXPECT_EQ(ask(from("198.51.100.200"), act_of("chat")), Reason::ok) << "a neighbour of the usual place";
  const domain::Refusal r = refused(from("203.0.113.5"), act_of("chat"));
  EXPECT_EQ(r.reason, Reason::mfa_lapsed);
  EXPECT_EQ(r.need.max_age, 1min);
  EXPECT_NE(r.hint.find("the network is new"), std::string::npos) << r.hint;
  // Both records name what decided.
  const auto refusals = entries_of(audit::Kind::refusal, "chat");
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0].rule, "signal:new_source");
  EXPECT_EQ(refusals[0].reason, "mfa_lapsed");
  ASSERT_EQ(prove(alice), Reason::ok);
  EXPECT_EQ(ask(from("203.0.113.5"), act_of("chat")), Reason::ok);
  const auto admissions = entries_of(audit::Kind::admission, "chat");
  ASSERT_EQ(admissions.size(), 2U);
  EXPECT_TRUE(std::any_of(admissions.begin(), admissions.end(), [](const auto& e) { return e.rule == "signal:new_source"; }));
}

TEST_F(SignalsTest, AClientIsNewUntilADayAfterItWasLetIn) {
  clock.advance(11min);
  EXPECT_EQ(ask(from("198.51.100.7", "sdk/1"), act_of("chat")), Reason::mfa_lapsed);
  EXPECT_TRUE(history->unheard(alice.id, "sdk/1")) << "who was not let in is not written down";
  EXPECT_EQ(ask(from("198.51.100.7"), act_of("chat")), Reason::ok);
  ASSERT_EQ(prove(alice), Reason::ok);
  EXPECT_EQ(ask(from("198.51.100.7", "sdk/1"), act_of("chat")), Reason::ok);
  EXPECT_TRUE(soon([&] { return !history->unheard(alice.id, "sdk/9"); })) << "the sweep writes it down";
  EXPECT_TRUE(history->signals(alice.id, *domain::Source::parse("198.51.100.7"), "sdk/2", clock.now()).has(domain::Signal::new_client));
  clock.advance(24h);
  EXPECT_TRUE(history->signals(alice.id, *domain::Source::parse("198.51.100.7"), "sdk/2", clock.now()).none());
}

TEST_F(SignalsTest, WhoTriesWhatHeMayNotIsAskedForMore) {
  for (std::size_t i = 0; i + 1 < risk::kManyRefusals; ++i) {
    EXPECT_EQ(ask(from("198.51.100.7"), act_of(i % 2 == 0 ? "model.load" : "complete")), Reason::policy_no_rule);
  }
  EXPECT_EQ(ask(from("198.51.100.7"), act_of("chat")), Reason::ok);
  EXPECT_EQ(ask(from("198.51.100.7"), act_of("complete")), Reason::policy_no_rule);
  const domain::Refusal r = refused(from("198.51.100.7"), act_of("chat"));
  EXPECT_EQ(r.reason, Reason::mfa_required);
  EXPECT_EQ(r.need.level, 3);
  clock.advance(10min + 1s);
  EXPECT_EQ(ask(from("198.51.100.7"), act_of("chat")), Reason::ok);
}

TEST_F(SignalsTest, ALapsedClientThatTriesAgainAndAgainCountsNothing) {
  clock.advance(31min);
  EXPECT_EQ(ask(from("198.51.100.7"), act_of("chat")), Reason::ok);  // the session is in use
  clock.advance(31min);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(from("198.51.100.7"), act_of("chat")), Reason::mfa_lapsed);
  session_again(alice);
  EXPECT_EQ(ask(from("198.51.100.7"), act_of("chat")), Reason::ok);
}

TEST_F(SignalsTest, OneRefusedHereIsNothingToAnother) {
  Person bob = person("bob");
  Caller c = caller(bob);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ask(c, act_of("complete")), Reason::policy_no_rule);
  EXPECT_EQ(ask(from("198.51.100.7"), act_of("chat")), Reason::ok) << "not even from the same address";
}

// What was let in under a signal is judged by it when the policy changes.
TEST_F(SignalsTest, APolicyThatTightensASignalCutsWhatItNoLongerLetsIn) {
  Held here;
  Held away;
  ASSERT_EQ(hold(here, from("198.51.100.7"), act_of("chat")), Reason::ok);
  ASSERT_EQ(hold(away, from("203.0.113.5"), act_of("chat")), Reason::ok);
  std::string text = policy_text;
  text.replace(text.find("max_age = \"1m\""), 14, "level = 3");
  auto read = run(gate->reload_policy(text, "policy.toml", actor(alice)));
  ASSERT_TRUE(read) << read.error().detail;
  // It asks for more in one part and for less in the other: it waits, and meanwhile both hold.
  EXPECT_TRUE(read->staged);
  EXPECT_EQ(away.live.cuts, 1);
  EXPECT_EQ(away.live.why, Reason::revoked_in_flight);
  EXPECT_EQ(here.live.cuts, 0);
  let_go(here);
  let_go(away);
}

TEST_F(SignalsTest, AFlowSaysWhatCounts) {
  const std::string text = policy_text + R"toml(
[[flow]]
name = "keys only"
factors = ["webauthn"]
)toml";
  Held held;
  ASSERT_EQ(hold(held, from("198.51.100.7"), act_of("chat")), Reason::ok);
  auto read = run(gate->reload_policy(text, "policy.toml", actor(alice)));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_FALSE(read->staged) << "it only takes away";
  EXPECT_EQ(held.live.cuts, 1);
  let_go(held);
  const domain::Refusal r = refused(from("198.51.100.7"), act_of("chat"));
  EXPECT_EQ(r.reason, Reason::mfa_required);
  EXPECT_NE(r.hint.find("keys only"), std::string::npos);
  const auto refusals = entries_of(audit::Kind::refusal, "chat");
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0].rule, "flow:keys only");
  EXPECT_EQ(refusals[0].level, 1) << "the level that counts";
  auto back = run(gate->reload_policy(policy_text, "policy.toml", actor(alice)));
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->staged) << "to let it count again a person has to approve";
}

}  // namespace
}  // namespace vestibule::gate
