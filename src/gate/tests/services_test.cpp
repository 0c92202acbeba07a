// What service accounts may do: what they and their sponsors may, and no more.
#include "gate/tests/world.hpp"

#include "identity/service_accounts.hpp"

namespace vestibule::gate {
namespace {

using namespace std::chrono_literals;
using testing::GateWorld;
using testing::Held;
using testing::act_of;

constexpr std::string_view kRules = R"toml(
[[rule]]
name = "members"
effect = "allow"
who = ["role:member"]
operation = ["chat", "embed"]
[[rule]]
name = "batch"
effect = "allow"
who = ["role:batch"]
operation = ["chat", "complete"]
[[rule]]
name = "ops complete"
effect = "allow"
who = ["role:ops"]
operation = ["complete"]
level = 3
[[rule]]
name = "not by crawlers"
effect = "deny"
who = ["user:crawler"]
operation = ["embed"]
[[quota]]
name = "each"
requests = "3/1h"
per = "user"
access_point = ["counted"]
)toml";

class GateServices : public ::testing::Test, public GateWorld {
 protected:
  void SetUp() override {
    policy_text = kRules;
    open();
    alice = person("alice");
    services = std::make_unique<identity::ServiceAccounts>(*database, *users, *log, clock, rng);
  }
  void TearDown() override { services.reset(); }
  UserId make(const std::string& name, std::vector<std::string> roles) {
    auto id = database->write_blocking([&](store::Tx& tx) { return services->create_in(tx, {name, "", roles, alice.id}, actor(alice)); });
    EXPECT_TRUE(id) << (id ? "" : id.error().detail);
    return *id;
  }
  std::string key_for(UserId service, const std::string& name) {
    clock.advance(30s);
    session::KeyWish wish{"k", "{}"};
    wish.service = service;
    wish.service_name = name;
    const session::Identified i = who(alice.handle, session::Audience::control);
    auto made = run(sessions->create_key(i, std::move(wish), session::Answer(Secret(alice.app.code(clock.wall()))), actor(alice)));
    EXPECT_TRUE(made) << (made ? "" : made.error().detail);
    return std::string(made->text.reveal_text());
  }
  void wake(const std::string& key) {
    clock.advance(30s);
    session::UnlockWish w;
    w.credential = who(key).credential;
    w.source = *session::SourceKey::parse("198.51.100.7");
    w.lasts = 1h;
    w.purpose = "test";
    const session::Identified i = who(alice.handle, session::Audience::control);
    ASSERT_TRUE(run(sessions->unlock(i, std::move(w), session::Answer(Secret(alice.app.code(clock.wall()))), actor(alice))));
  }
  Caller calling(const std::string& key, std::string_view from = "198.51.100.7") {
    Caller c;
    c.source = *domain::Source::parse(from);
    c.who = who(key, session::Audience::access, session::Presented::at(c.source, "lab"));
    c.client = "test/1";
    c.request = RequestId::make(rng);
    return c;
  }
  void roles(std::vector<std::string> of) { ASSERT_TRUE(run(users->set_roles(alice.id, std::move(of), administrator()))); }

  Person alice;
  std::unique_ptr<identity::ServiceAccounts> services;
};

TEST_F(GateServices, MayWhatBothMay) {
  const std::string k = key_for(make("crawler", {"batch"}), "crawler");
  EXPECT_EQ(ask(calling(k), act_of("chat")), Reason::key_asleep);
  wake(k);
  EXPECT_EQ(ask(calling(k), act_of("chat")), Reason::ok);
  EXPECT_EQ(ask(calling(k, "203.0.113.66"), act_of("chat")), Reason::key_asleep) << "a thief elsewhere";
  EXPECT_EQ(ask(calling(k), act_of("complete")), Reason::policy_no_rule) << "its sponsor may not";
  EXPECT_EQ(ask(caller(alice), act_of("embed")), Reason::ok);
  EXPECT_EQ(ask(calling(k), act_of("embed")), Reason::policy_denied) << "it may not itself";
  const auto admitted = entries_of(audit::Kind::admission, "chat");
  ASSERT_EQ(admitted.size(), 1U);
  EXPECT_EQ(admitted[0].user_name, "alice");
  EXPECT_EQ(admitted[0].object, "service crawler, key k");
  EXPECT_EQ(entries_of(audit::Kind::completion, "chat").front().object, "service crawler, key k");
}

TEST_F(GateServices, TheStricterRequirementCounts) {
  const std::string k = key_for(make("crawler", {"batch"}), "crawler");
  wake(k);
  roles({"member", "ops"});
  const Caller c = calling(k);
  EXPECT_EQ(considered(c, act_of("complete")), Reason::key_asleep) << "level 3, for its sponsor's sake";
  EXPECT_EQ(ask(c, act_of("chat")), Reason::ok);
}

TEST_F(GateServices, ASponsorWhoLosesTheRoleTakesItAlongAtTheNextCall) {
  const std::string k = key_for(make("crawler", {"batch"}), "crawler");
  wake(k);
  const Caller before = calling(k);
  EXPECT_EQ(ask(before, act_of("chat")), Reason::ok);
  roles({"visitor"});
  EXPECT_EQ(ask(before, act_of("chat")), Reason::policy_no_rule) << "even for a caller who was identified before";
  roles({"member"});
  EXPECT_EQ(ask(calling(k), act_of("chat")), Reason::ok);
}

TEST_F(GateServices, WhatRunsIsCutWithItsSponsor) {
  const std::string k = key_for(make("crawler", {"batch"}), "crawler");
  wake(k);
  const Caller c = calling(k);
  Held held;
  ASSERT_EQ(hold(held, c, act_of("chat")), Reason::ok);
  ASSERT_TRUE(run(users->disable(alice.id, administrator())));
  EXPECT_TRUE(soon([&] { return held.live.cuts == 1; }));
  EXPECT_EQ(held.live.why, Reason::revoked_in_flight);
  let_go(held);
  EXPECT_EQ(ask(c, act_of("chat")), Reason::service_asleep);
}

TEST_F(GateServices, WhatRunsIsCutWithItsSponsorsRole) {
  const std::string k = key_for(make("crawler", {"batch"}), "crawler");
  wake(k);
  Held held;
  ASSERT_EQ(hold(held, calling(k), act_of("chat")), Reason::ok);
  roles({"visitor"});
  EXPECT_TRUE(soon([&] { return held.live.cuts == 1; }));
  EXPECT_EQ(held.live.why, Reason::revoked_in_flight);
  let_go(held);
}

TEST_F(GateServices, WhatRunsIsCutWhenAnotherAnswersForIt) {
  const UserId crawler = make("crawler", {"batch"});
  const std::string k = key_for(crawler, "crawler");
  wake(k);
  const Caller before = calling(k);
  Held held;
  ASSERT_EQ(hold(held, before, act_of("chat")), Reason::ok);
  const Person bob = person("bob");
  const Person root = person("root", {"administrator"});
  const auto in = [&](auto job) { ASSERT_TRUE(database->write_blocking(job)); };
  in([&](store::Tx& tx) { return services->offer_in(tx, crawler, bob.id, identity::Part::sponsor, actor(root)); });
  in([&](store::Tx& tx) {
    const std::string purpose = identity::accept_purpose(*services->look_in(tx, crawler), identity::Part::sponsor, "bob");
    return services->accept_in(tx, crawler, identity::Part::sponsor, purpose, actor(bob));
  });
  EXPECT_TRUE(soon([&] { return held.live.cuts == 1; })) << "alice is in good standing, and answers for it no more";
  let_go(held);
  EXPECT_EQ(ask(before, act_of("chat")), Reason::service_asleep) << "nor may who was identified before";
  EXPECT_EQ(ask(calling(k), act_of("chat")), Reason::key_asleep);
}

TEST_F(GateServices, StopsOfEitherNameShutItOut) {
  const std::string k = key_for(make("crawler", {"batch"}), "crawler");
  wake(k);
  for (const std::string name : {"crawler", "alice"}) {
    Held held;
    ASSERT_EQ(hold(held, calling(k), act_of("chat")), Reason::ok);
    Stop stop;
    stop.scope = StopScope::user;
    stop.target = name;
    ASSERT_TRUE(run(gate->stop(stop, actor(alice))));
    EXPECT_TRUE(soon([&] { return held.live.why == Reason::stopped; })) << name;
    let_go(held);
    EXPECT_EQ(ask(calling(k), act_of("chat")), Reason::stopped) << name;
    ASSERT_TRUE(run(gate->lift(StopScope::user, name, actor(alice))));
  }
  EXPECT_EQ(ask(calling(k), act_of("chat")), Reason::ok);
}

TEST_F(GateServices, QuotasCountEachServiceByItself) {
  const std::string one = key_for(make("crawler", {"batch"}), "crawler");
  const std::string two = key_for(make("indexer", {"batch"}), "indexer");
  wake(one);
  wake(two);
  const domain::Act act = act_of("chat", "tiny", "counted");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(calling(one), act), Reason::ok);
  EXPECT_EQ(ask(calling(one), act), Reason::quota_exceeded);
  EXPECT_EQ(ask(calling(two), act), Reason::ok);
  EXPECT_EQ(ask(caller(alice), act), Reason::ok) << "its sponsor's own is another";
}

}  // namespace
}  // namespace vestibule::gate
