#include <gtest/gtest.h>

#include "gate/quotas.hpp"
#include "gate/tests/world.hpp"

namespace vestibule::gate {
namespace {

using namespace std::chrono_literals;
using audit::Kind;
using testing::act_of;
using testing::GateWorld;
using testing::Held;
using testing::kPolicy;

std::string quota(const std::string& rest, const std::string& name = "members") {
  return "[[quota]]\nname = \"" + name + "\"\n" + rest + "\n";
}

class GateQuotas : public ::testing::Test, public GateWorld {
 protected:
  void with(const std::string& quotas) {
    policy_text += quotas;
    open();
  }
  void used(const Caller& c, std::uint32_t tokens, unsigned core = 0) {
    Held held;
    ASSERT_EQ(hold(held, c, act_of("chat"), core), Reason::ok);
    held.admission->completion().output_tokens = tokens;
    let_go(held, core);
  }
};

TEST_F(GateQuotas, ExactlySoManyOverBothCoresAndOneRecordAMinute) {
  with(quota("requests = \"5/1h\""));
  Person p = person("alice");
  Person bob = person("bob");
  const Caller c = caller(p);
  int admitted = 0;
  for (unsigned i = 0; i < 100; ++i) {
    const Reason r = ask(c, act_of("chat"), i % 2);
    if (r == Reason::ok) ++admitted; else EXPECT_EQ(r, Reason::quota_exceeded);
  }
  EXPECT_EQ(admitted, 5);
  EXPECT_EQ(ask(caller(bob), act_of("chat"), 1), Reason::ok) << "one who is greedy starves no other";
  EXPECT_EQ(entries_of(Kind::admission, "chat").size(), 6U);
  const auto refusals = entries_of(Kind::refusal, "chat");
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0].user_name, "alice");
  EXPECT_EQ(refusals[0].reason, "quota_exceeded");
  EXPECT_EQ(refusals[0].rule, "quota:members");
  EXPECT_EQ(refusals[0].note, "quota \"members\": 5/1h requests");
  clock.advance(60s);
  EXPECT_EQ(ask(c, act_of("chat")), Reason::quota_exceeded);
  const auto more = entries_of(Kind::refusal, "chat");
  ASSERT_EQ(more.size(), 2U);
  EXPECT_NE(more.back().note.find("94 more since"), std::string::npos) << more.back().note;
}

TEST_F(GateQuotas, AClockThatIsSetBackOrForthGivesNothing) {
  with(quota("requests = \"1/1h\""));
  Person p = person("alice");
  const Caller c = caller(p);
  EXPECT_EQ(ask(c, act_of("chat")), Reason::ok);
  const WallTime noon = clock.wall();
  clock.set_wall(noon + 5min);
  EXPECT_EQ(ask(c, act_of("chat")), Reason::quota_exceeded);
  clock.set_wall(noon);
  EXPECT_EQ(ask(c, act_of("chat"), 1), Reason::quota_exceeded);
}

TEST_F(GateQuotas, ASeatIsFreeWhenTheAdmissionGoes) {
  with(quota("streams = 2"));
  Person p = person("alice");
  const Caller c = caller(p);
  Held a, b;
  ASSERT_EQ(hold(a, c, act_of("chat"), 0), Reason::ok);
  ASSERT_EQ(hold(b, c, act_of("chat"), 1), Reason::ok);
  EXPECT_EQ(ask(c, act_of("chat"), 1), Reason::quota_exceeded);
  let_go(a, 0);
  EXPECT_EQ(ask(c, act_of("chat"), 1), Reason::ok);
  EXPECT_EQ(ask(c, act_of("chat"), 0), Reason::ok);
  let_go(b, 1);
}

TEST_F(GateQuotas, TokensAreChargedAtTheEnd) {
  with(quota("tokens = \"1000/1000s\""));
  Person p = person("alice");
  const Caller c = caller(p);
  used(c, 900);
  used(c, 300, 1);
  EXPECT_EQ(ask(c, act_of("chat")), Reason::quota_exceeded);
  clock.advance(201s);
  EXPECT_EQ(ask(c, act_of("chat"), 1), Reason::ok);
}

TEST_F(GateQuotas, EachCredentialOfAPersonIsCountedByItself) {
  with(quota("requests = \"1/1h\"\nper = \"credential\""));
  Person p = person("alice");
  Caller own = caller(p);
  Caller key = own;
  key.who.subject.via = domain::Via("key nightly");
  EXPECT_EQ(ask(own, act_of("chat")), Reason::ok);
  EXPECT_EQ(ask(key, act_of("chat"), 1), Reason::ok);
  EXPECT_EQ(ask(own, act_of("chat"), 1), Reason::quota_exceeded);
  EXPECT_EQ(ask(key, act_of("chat")), Reason::quota_exceeded);
}

TEST_F(GateQuotas, WhatIsDeniedCostsNothing) {
  with(quota("requests = \"1/1h\""));
  Person p = person("alice");
  const Caller c = caller(p);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(c, act_of("complete")), Reason::policy_no_rule);
  EXPECT_EQ(ask(c, act_of("chat")), Reason::ok);
  EXPECT_EQ(ask(c, act_of("complete")), Reason::policy_no_rule) << "the policy speaks first";
}

TEST_F(GateQuotas, ALargerOneWaitsForApprovalASmallerOneDoesNot) {
  with(quota("requests = \"2/1h\""));
  Person root = person("root", {"administrator"});
  Person p = person("alice");
  const Caller c = caller(p);
  const std::string policy(kPolicy);
  auto larger = run(gate->reload_policy(policy + quota("requests = \"9/1h\""), "policy.toml", actor(root)));
  ASSERT_TRUE(larger && larger->staged);
  int admitted = 0;
  for (unsigned i = 0; i < 20; ++i) admitted += ask(c, act_of("chat"), i % 2) == Reason::ok ? 1 : 0;
  EXPECT_EQ(admitted, 2) << "both hold while one waits";
  clock.advance(30s);
  auto approved = run(gate->approve_policy(*larger->staged, attempt(root, root.app.code(clock.wall()))));
  ASSERT_TRUE(approved);
  while (ask(c, act_of("chat")) == Reason::ok) ++admitted;
  EXPECT_EQ(admitted, 9) << "what was used counts in the one that waited too";
  auto smaller = run(gate->reload_policy(policy + quota("requests = \"1/1h\""), "policy.toml", actor(root)));
  ASSERT_TRUE(smaller);
  EXPECT_FALSE(smaller->staged);
  EXPECT_EQ(ask(c, act_of("chat")), Reason::ok);
  EXPECT_EQ(ask(c, act_of("chat"), 1), Reason::quota_exceeded);
}

TEST_F(GateQuotas, WithoutAPlaceNobodyNewIsLetIn) {
  options_gate.quotas.max_buckets = 1;
  with(quota("requests = \"100/1h\""));
  Person p = person("alice");
  Person q = person("bob");
  EXPECT_EQ(ask(caller(p), act_of("chat")), Reason::ok);
  EXPECT_EQ(ask(caller(q), act_of("chat"), 1), Reason::overloaded);
  EXPECT_EQ(ask(caller(p), act_of("chat"), 1), Reason::ok);
}

TEST(TokensOf, WhatIsNotToldIsEstimated) {
  domain::Act act;
  act.body_bytes = 4000;
  Completion c;
  c.reason = Reason::ok;
  c.status = 200;
  c.input_tokens = 10;
  c.output_tokens = 4'000'000'000;
  EXPECT_EQ(tokens_of(c, act), 4'000'000'010U);
  c.input_tokens = c.output_tokens = 0;
  c.reply_bytes = 400;
  EXPECT_EQ(tokens_of(c, act), 1100U);
  act.stream = true;
  c.reply_bytes = 12'800;
  EXPECT_EQ(tokens_of(c, act), 1100U);
  c.reason = Reason::client_gone;  // left without looking at the numbers
  c.status = 499;
  EXPECT_EQ(tokens_of(c, act), 1100U);
  c.reason = Reason::ok;
  c.status = 400;
  EXPECT_EQ(tokens_of(c, act), 0U) << "the model never ran";
  c.reason = Reason::upstream_unreachable;
  c.status = 502;
  EXPECT_EQ(tokens_of(c, act), 0U);
  c.reason = Reason::ok;
  c.status = 200;
  act.body_bytes = 0;  // a list of models
  EXPECT_EQ(tokens_of(c, act), 0U);
}

}  // namespace
}  // namespace vestibule::gate
