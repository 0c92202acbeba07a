// Lifting a stop by two: at the API, with accounts that one administrator has made.
#include <gtest/gtest.h>

#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using testing::HttpReply;

class LiftsApiTest : public testing::PortalWorld, public ::testing::Test {
 protected:
  ~LiftsApiTest() override { close(); }
  void SetUp() override {
    file = folder / "lifts.db";
    lift_people = 2;
    open();
    root = set_up();
    alice = create(root, "alice", "administrator");
    bob = create(root, "bob", "administrator");
    ASSERT_EQ(post("/v1/stops", R"({"scope":"tools","why":"odd calls"})", root.handle).code(), "ok");
  }
  HttpReply lift(Person& p) { return bound(p, "/v1/stops/lift", *json::parse(R"({"scope":"tools"})")); }
  std::size_t in_force() { return gate->stops().all().size(); }

  Person root, alice, bob;
};

TEST_F(LiftsApiTest, OnePersonsWordLiftsNothing) {
  HttpReply first = lift(alice);
  ASSERT_EQ(first.code(), "ok") << first.body;
  EXPECT_FALSE(first.json.get_bool("lifted").value_or(true));
  EXPECT_EQ(first.json.get_int("needed").value_or(0), 1);
  EXPECT_EQ(in_force(), 1U);
  EXPECT_EQ(lift(alice).code(), "conflict");
  EXPECT_EQ(lift(root).code(), "not_eligible") << "he has made her account";
  EXPECT_EQ(in_force(), 1U);
  HttpReply list = get("/v1/stops", bob.handle);
  EXPECT_EQ(list.json.get_int("lift_people").value_or(0), 2);
  EXPECT_EQ(list.json.find("stops")->items()[0].find("agreed")->items()[0].get_string("by").value_or(""), "alice") << list.body;
  EXPECT_EQ(entries("stop.agree").size(), 1U);
  HttpReply second = lift(bob);
  ASSERT_EQ(second.code(), "ok") << second.body;
  EXPECT_TRUE(second.json.get_bool("lifted").value_or(false));
  EXPECT_EQ(in_force(), 0U);
  EXPECT_FALSE(lift(alice).json.get_bool("lifted").value_or(true)) << "there is none";
}

}  // namespace
}  // namespace vestibule::portal
