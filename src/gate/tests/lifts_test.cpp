// Stops that several people lift: whose word counts, beside whose, and for how long.
#include "gate/lifts.hpp"

#include "gate/tests/fixture.hpp"

namespace vestibule::gate {
namespace {

using namespace std::chrono_literals;
using testing::GateTest;

class LiftsTest : public GateTest {
 protected:
  void SetUp() override {
    GateTest::SetUp();
    ada = person("ada", {"administrator"});
    bob = person("bob", {"administrator"});
    eve = person("eve", {"administrator"});
    ASSERT_TRUE(stop(StopScope::all, "", ada));
    the_stop = gate->stops().all().front();
  }
  /// How many more are needed; a refusal as its reason.
  std::pair<int, Reason> agree(const Person& p, int people = 2, Duration wait = {}) {
    auto done = database->write_blocking([&](store::Tx& tx) { return agree_in(tx, the_stop, known(p.id), people, wait, clock.wall()); });
    return done ? std::pair(*done, Reason::ok) : std::pair(-1, done.error().code);
  }
  std::size_t agreed() {
    auto all = database->read_blocking([&](store::Tx& tx) { return agreements_in(tx, clock.wall()); });
    EXPECT_TRUE(all);
    return all ? all->size() : 0;
  }
  using Said = std::pair<int, Reason>;
  Person ada, bob, eve;
  Stop the_stop;
};

TEST_F(LiftsTest, TakesTwoWords) {
  EXPECT_EQ(agree(ada), Said(1, Reason::ok));
  EXPECT_EQ(agreed(), 1U);
  EXPECT_EQ(agree(ada), Said(-1, Reason::conflict)) << "one's own second word";
  EXPECT_EQ(agree(bob), Said(0, Reason::ok));
}

TEST_F(LiftsTest, OrThree) {
  EXPECT_EQ(agree(ada, 3), Said(2, Reason::ok));
  EXPECT_EQ(agree(bob, 3), Said(1, Reason::ok));
  EXPECT_EQ(agree(eve, 3), Said(0, Reason::ok));
}

TEST_F(LiftsTest, AWordIsGoodForAnHour) {
  EXPECT_EQ(agree(ada), Said(1, Reason::ok));
  clock.advance(60min);
  EXPECT_EQ(agreed(), 0U);
  EXPECT_EQ(agree(bob), Said(1, Reason::ok));
  EXPECT_EQ(agree(ada), Said(0, Reason::ok)) << "anew";
}

TEST_F(LiftsTest, IsAboutThisVeryStop) {
  EXPECT_EQ(agree(ada), Said(1, Reason::ok));
  clock.advance(1s);
  ASSERT_TRUE(stop(StopScope::all, "", eve));
  EXPECT_EQ(agreed(), 0U);
  EXPECT_EQ(agree(bob), Said(-1, Reason::conflict)) << "of one that is no more";
  the_stop = gate->stops().all().front();
  EXPECT_EQ(agree(bob), Said(1, Reason::ok));
  the_stop.scope = StopScope::user;
  the_stop.target = "mallory";
  EXPECT_EQ(agree(ada), Said(1, Reason::ok)) << "another stop";
}

TEST_F(LiftsTest, WhoIsNoAdministratorAnyMoreHasSaidNothing) {
  EXPECT_EQ(agree(ada), Said(1, Reason::ok));
  ASSERT_TRUE(run(users->set_roles(ada.id, {"member"}, administrator())));
  EXPECT_EQ(agree(bob), Said(1, Reason::ok));
  EXPECT_EQ(agreed(), 1U);
  EXPECT_EQ(agree(ada), Said(-1, Reason::role_required));
}

TEST_F(LiftsTest, WhoIsTooNewIsNoSecondPerson) {
  EXPECT_EQ(agree(ada, 2, 72h), Said(-1, Reason::not_eligible)) << "nor a first one";
  clock.advance(71h);
  const Person eva = person("eva", {"administrator"});
  clock.advance(2h);
  EXPECT_EQ(agree(ada, 2, 72h), Said(1, Reason::ok));
  EXPECT_EQ(agree(eva, 2, 72h), Said(-1, Reason::not_eligible));
  EXPECT_EQ(agree(bob, 2, 72h), Said(0, Reason::ok));
}

TEST_F(LiftsTest, WhatWasSetAnewMeanwhileStays) {
  clock.advance(1s);
  ASSERT_TRUE(stop(StopScope::all, "", eve));
  auto lifted = run(gate->lift(StopScope::all, "", actor(bob), the_stop.since));
  ASSERT_TRUE(lifted);
  EXPECT_FALSE(*lifted);
  EXPECT_TRUE(gate->stops().has(StopScope::all, ""));
  auto stored = database->read_blocking([](store::Tx& tx) { return Stops::load(tx); });
  ASSERT_TRUE(stored);
  EXPECT_TRUE(stored->has(StopScope::all, ""));
  lifted = run(gate->lift(StopScope::all, "", actor(bob), gate->stops().all().front().since));
  EXPECT_TRUE(lifted && *lifted);
  EXPECT_FALSE(gate->stops().has(StopScope::all, ""));
}

TEST_F(LiftsTest, LiftedItIsForgotten) {
  EXPECT_EQ(agree(ada), Said(1, Reason::ok));
  ASSERT_TRUE(lift(StopScope::all, "", bob));
  EXPECT_EQ(agreed(), 0U);
}

}  // namespace
}  // namespace vestibule::gate
