#include <gtest/gtest.h>

#include "factors/factors.hpp"
#include "identity/recovery.hpp"
#include "portal/coverage.hpp"
#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using testing::HttpReply;
using testing::PortalWorld;

class DeadlinesTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override {
    policy_text += "\n[[rule]]\nname = \"staff\"\neffect = \"allow\"\nwho = [\"role:staff\"]\n" +
                   deadline("staff", "webauthn", -1) + deadline("administrator", "webauthn", 20) +
                   deadline("auditor", "totp", -1);
    open();
    root = set_up();
    alice = create(root, "alice", "staff");
    audrey = create(root, "audrey", "auditor");
  }
  std::string day(int from_now) const { return rfc3339(clock.wall() + std::chrono::hours(24 * from_now)).substr(0, 10); }
  std::string deadline(const std::string& role, const std::string& needs, int from_now) const {
    return "\n[[factor_deadline]]\nrole = \"" + role + "\"\nneeds = \"" + needs + "\"\nby = \"" + day(from_now) + "\"\n";
  }
  /// A key, as far as a row says.
  void give_key(const std::string& name) {
    const UserId user = *users->find(name);
    const FactorId id = FactorId::make(rng);
    ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) -> Result<void> {
      auto put = tx.run("INSERT INTO factor (id, account, kind, label, created, confirmed) VALUES ($1, $2, 4, 'key', $3, 1)",
                        {id, user, clock.wall()});
      if (!put) return std::move(put).error();
      tx.changed(factors::kFactorTopic, user.bytes);
      return {};
    }));
  }

  Person root, alice, audrey;
};

TEST_F(DeadlinesTest, WhoIsOverdueCanDoNothingButEnrol) {
  HttpReply me = get("/v1/me", alice.handle);
  ASSERT_EQ(me.code(), "ok") << me.body;
  const auto deadlines = me.json.find("deadlines")->items();
  ASSERT_EQ(deadlines.size(), 1U) << me.body;
  EXPECT_EQ(*deadlines[0].get_string("needs"), "webauthn");
  EXPECT_FALSE(*deadlines[0].get_bool("met"));
  EXPECT_EQ(*me.json.find("access_points")->items()[0].get_string("reason"), "factor_overdue");
  EXPECT_EQ(*me.json.find("access_points")->items()[0].get_string("outcome"), "deny");
  HttpReply token = post("/v1/tokens", "{}", alice.handle);
  EXPECT_EQ(token.code(), "factor_overdue");
  EXPECT_EQ(token.status, 403);
  EXPECT_NE(token.detail().find("role staff needs webauthn since"), std::string::npos) << token.body;
  for (const char* target : {"/v1/sessions", "/v1/notices"}) EXPECT_EQ(get(target, alice.handle).code(), "factor_overdue") << target;
  EXPECT_EQ(bound(alice, "/v1/recovery-codes").code(), "factor_overdue");
  // What leads out stays open.
  EXPECT_EQ(get("/v1/factors", alice.handle).code(), "ok");
  json::Value begin;
  begin.set("code", fresh(alice));
  HttpReply begun = post("/v1/factors/webauthn", begin.dump(), alice.handle);
  EXPECT_EQ(begun.code(), "ok") << begun.body;
  EXPECT_EQ(post("/v1/sign-out", "{}", alice.handle).code(), "ok");

  // Another session, with the key at last.
  alice.handle = started("alice");
  json::Value answer;
  answer.set("answer", fresh(alice));
  ASSERT_EQ(post("/v1/prove", answer.dump(), alice.handle).code(), "ok");
  EXPECT_EQ(post("/v1/tokens", "{}", alice.handle).code(), "factor_overdue");
  give_key("alice");
  EXPECT_EQ(post("/v1/tokens", "{}", alice.handle).code(), "ok");
  EXPECT_TRUE(*get("/v1/me", alice.handle).json.find("deadlines")->items()[0].get_bool("met"));
}

TEST_F(DeadlinesTest, BeforeTheDayItIsAWarningAndOthersAreNotMeant) {
  HttpReply me = get("/v1/me", root.handle);
  const auto deadlines = me.json.find("deadlines")->items();
  ASSERT_EQ(deadlines.size(), 1U) << me.body;
  EXPECT_EQ(*deadlines[0].get_string("by"), day(20));
  EXPECT_FALSE(*deadlines[0].get_bool("met"));
  EXPECT_EQ(get("/v1/users", root.handle).code(), "ok");
  EXPECT_TRUE(*get("/v1/me", audrey.handle).json.find("deadlines")->items()[0].get_bool("met"));
  EXPECT_EQ(get("/v1/users", audrey.handle).code(), "ok") << "she has what her role needs";
}

TEST_F(DeadlinesTest, CoverageCountsWhoHasIt) {
  HttpReply reply = get("/v1/coverage", audrey.handle);
  ASSERT_EQ(reply.code(), "ok") << reply.body;
  std::map<std::string, std::string> by_role;
  for (const json::Value& r : reply.json.find("rules")->items()) by_role[*r.get_string("role")] = r.dump();
  ASSERT_EQ(by_role.size(), 3U) << reply.body;
  EXPECT_NE(by_role["staff"].find(R"("users":1,"covered":0,"missing":["alice"])"), std::string::npos) << by_role["staff"];
  EXPECT_NE(by_role["auditor"].find(R"("users":1,"covered":1,"missing":[])"), std::string::npos) << by_role["auditor"];
  EXPECT_EQ(get("/v1/coverage", alice.handle).code(), "factor_overdue");
  const std::string of_staff = R"("role":"staff","needs":"webauthn","by":")" + day(-1) + "\",";
  give_key("alice");
  reply = get("/v1/coverage", audrey.handle);
  EXPECT_NE(reply.body.find(of_staff + R"("users":1,"covered":1,"missing":[])"), std::string::npos) << reply.body;
  // Who is shut out does not count.
  ASSERT_EQ(post("/v1/users/alice/disable", "{}", root.handle).code(), "ok");
  reply = get("/v1/coverage", audrey.handle);
  EXPECT_NE(reply.body.find(of_staff + R"("users":0,"covered":0,"missing":[])"), std::string::npos) << reply.body;
}

TEST_F(DeadlinesTest, ExplainSaysSo) {
  HttpReply why = post("/v1/policy/explain", R"({"user":"alice","access_point":"lab","operation":"chat"})", root.handle);
  ASSERT_EQ(why.code(), "ok") << why.body;
  EXPECT_EQ(*why.json.find("explanation")->get_string("reason"), "factor_overdue");
  EXPECT_NE(why.body.find("role staff needs webauthn since"), std::string::npos) << why.body;
}

TEST_F(DeadlinesTest, TheHostsRecoveryIsShownToEveryAdministratorFor30Days) {
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return identity::recover_in(tx, *mint, rng, "audrey", clock.wall()); }));
  const auto alerts = [&](const Person& p) {
    HttpReply me = get("/v1/me", p.handle);
    return me.json.find("alerts")->items().size();
  };
  EXPECT_EQ(alerts(root), 1U);
  EXPECT_EQ(alerts(audrey), 1U) << "whom it concerns";
  EXPECT_EQ(alerts(alice), 0U);
  HttpReply me = get("/v1/me", root.handle);
  EXPECT_EQ(*me.json.find("alerts")->items()[0].get_string("kind"), "host_recovery");
  EXPECT_EQ(*me.json.find("alerts")->items()[0].get_string("until"), rfc3339(clock.wall() + identity::kRecoveryShown));
}

TEST_F(DeadlinesTest, TheGaugesCountByRole) {
  Coverage coverage(*users, *factors);
  const auto says = [&](const std::string& line) { return write_prometheus().find("\n" + line + "\n") != std::string::npos; };
  ASSERT_TRUE(run(coverage.measure()));
  EXPECT_TRUE(says("vestibule_role_users{role=\"staff\"} 1")) << write_prometheus();
  EXPECT_TRUE(says("vestibule_role_users_covered{role=\"staff\"} 1"));
  const UserId user = *users->find("alice");
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) -> Result<void> {
    auto off = tx.run("UPDATE factor SET disabled = 1 WHERE account = $1 AND kind <> 3", {user});
    if (!off) return std::move(off).error();
    tx.changed(factors::kFactorTopic, user.bytes);
    return {};
  }));
  ASSERT_TRUE(run(coverage.measure()));
  EXPECT_TRUE(says("vestibule_role_users{role=\"staff\"} 1")) << write_prometheus();
  EXPECT_TRUE(says("vestibule_role_users_covered{role=\"staff\"} 0")) << "recovery codes are no factor";
  ASSERT_EQ(bound(root, "/v1/users/alice/remove").code(), "ok");
  ASSERT_TRUE(run(coverage.measure()));
  EXPECT_EQ(write_prometheus().find("role=\"staff\""), std::string::npos) << "nobody has it any more";
}

}  // namespace
}  // namespace vestibule::portal
