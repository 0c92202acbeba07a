#include <gtest/gtest.h>

#include <thread>

#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using testing::HttpReply;
using testing::kPassword;
using testing::PortalWorld;

class ResetsTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override {
    options_resets.wait = Duration::zero();  // identity's tests have the waiting
    open();
    root = set_up();
    alice = create(root, "alice", "administrator");
    bob = create(root, "bob", "administrator");
    maria = create(root, "maria", "member");
  }
  std::string ask(Person& by, const std::string& whom = "maria") {
    HttpReply reply = bound(by, "/v1/users/" + whom + "/enrolment-code");
    EXPECT_EQ(reply.status, 202) << reply.body;
    EXPECT_EQ(reply.json.find("enrolment_code"), nullptr);
    return reply.text("request");
  }
  HttpReply approve(Person& by, const std::string& id) { return bound(by, "/v1/resets/" + id + "/approve"); }
  HttpReply decline(Person& by, const std::string& id) { return post("/v1/resets/" + id + "/decline", "{}", by.handle); }
  static std::string enrol(const std::string& code) {
    json::Value body;
    body.set("code", code).set("password", "a quite different phrase");
    return body.dump();
  }

  Person root, alice, bob, maria;
};

TEST_F(ResetsTest, TakesTwoUnrelatedAdministrators) {
  const std::string id = ask(alice);
  HttpReply all = get("/v1/resets", root.handle);
  ASSERT_EQ(all.json.find("resets")->items().size(), 1U) << all.body;
  const json::Value& open = all.json.find("resets")->items().front();
  EXPECT_EQ(*open.get_string("id"), id);
  EXPECT_EQ(*open.get_string("user"), "maria");
  EXPECT_EQ(*open.get_string("requested_by"), "alice");
  EXPECT_EQ(approve(alice, id).code(), "not_eligible") << "her own request";
  HttpReply maker = approve(root, id);
  EXPECT_EQ(maker.code(), "not_eligible") << "he made the account that asks";
  EXPECT_EQ(maker.status, 403);
  EXPECT_FALSE(maker.detail().empty());
  EXPECT_EQ(approve(maria, id).code(), "role_required");
  EXPECT_EQ(post("/v1/resets/" + id + "/approve", R"({"code":"000000"})", bob.handle).code(), "code_wrong");
  EXPECT_EQ(get("/v1/me", maria.handle).code(), "ok") << "nothing has happened yet";
  HttpReply done = approve(bob, id);
  ASSERT_EQ(done.code(), "ok") << done.body;
  EXPECT_EQ(approve(bob, id).code(), "not_found") << "once";
  EXPECT_EQ(post("/v1/enrol", enrol(done.text("enrolment_code"))).code(), "ok");
  EXPECT_EQ(get("/v1/me", maria.handle).code(), "password_changed") << "her old session is void";
}

TEST_F(ResetsTest, ThePersonObjects) {
  const std::string id = ask(alice);
  HttpReply me = get("/v1/me", maria.handle);
  ASSERT_EQ(me.json.find("alerts")->items().size(), 1U) << me.body;
  const json::Value& alert = me.json.find("alerts")->items().front();
  EXPECT_EQ(*alert.get_string("kind"), "reset_requested");
  EXPECT_EQ(*alert.get_string("id"), id);
  EXPECT_TRUE(get("/v1/me", alice.handle).json.find("alerts")->items().empty()) << "it is not her account";
  const std::string pending = started("maria");
  EXPECT_TRUE(get("/v1/me", pending).json.find("alerts")->items().empty()) << "a password alone is told nothing";
  Person thief{"maria", {}, pending, {}};
  EXPECT_EQ(decline(thief, id).code(), "mfa_required");
  Person other = create(root, "mallory", "member");
  EXPECT_EQ(decline(other, id).code(), "role_required");
  EXPECT_EQ(decline(maria, id).code(), "ok");
  EXPECT_EQ(approve(bob, id).code(), "not_found");
  EXPECT_EQ(decline(maria, id).code(), "role_required") << "there is none any more that concerns her";
  EXPECT_EQ(decline(bob, id).code(), "not_found");
  EXPECT_EQ(decline(bob, "rst_x").code(), "not_found");
  // Who asked may take it back; any other administrator may decline.
  EXPECT_EQ(decline(alice, ask(alice)).code(), "ok");
  EXPECT_EQ(decline(root, ask(alice)).code(), "ok");
}

TEST_F(ResetsTest, OneOpenRequestAndACodeThatIsNotSpentOnIt) {
  const std::string id = ask(alice);
  const std::string code = fresh(bob);
  json::Value body;
  body.set("code", code);
  EXPECT_EQ(post("/v1/users/maria/enrolment-code", body.dump(), bob.handle).code(), "conflict");
  HttpReply done = post("/v1/resets/" + id + "/approve", body.dump(), bob.handle);
  EXPECT_EQ(done.code(), "ok") << "the act failed, the code stayed unused: " << done.body;
}

TEST_F(ResetsTest, ApprovedByTwoAtOnceThereIsOneCode) {
  Person carol = create(root, "carol", "administrator");
  const std::string id = ask(alice);
  json::Value one;
  one.set("code", fresh(bob));
  json::Value two;
  two.set("code", carol.app.code(clock.wall()));
  std::vector<std::string> got(2);
  std::thread other([&] { got[1] = post("/v1/resets/" + id + "/approve", two.dump(), carol.handle).code(); });
  got[0] = post("/v1/resets/" + id + "/approve", one.dump(), bob.handle).code();
  other.join();
  EXPECT_EQ(std::ranges::count(got, "ok"), 1) << got[0] << got[1];
  EXPECT_EQ(std::ranges::count(got, "not_found"), 1) << got[0] << got[1];
}

TEST_F(ResetsTest, AFirstEnrolmentTakesOne) {
  HttpReply made = bound(root, "/v1/users", *json::parse(R"({"name":"nina"})"));
  ASSERT_EQ(made.code(), "ok");
  HttpReply again = bound(alice, "/v1/users/nina/enrolment-code");
  EXPECT_EQ(again.status, 200) << "she has no factor that could be taken away";
}

// --- last strong factors, raced

TEST_F(ResetsTest, OfTwoFactorsRemovedAtOnceOneStays) {
  json::Value begin;
  begin.set("code", fresh(maria)).set("label", "tablet");
  HttpReply begun = post("/v1/factors/totp", begin.dump(), maria.handle);
  ASSERT_EQ(begun.code(), "ok") << begun.body;
  const testing::App tablet(begun.text("secret"));
  json::Value confirm;
  confirm.set("code", tablet.code(clock.wall()));
  ASSERT_EQ(post("/v1/factors/" + begun.text("id") + "/confirm", confirm.dump(), maria.handle).code(), "ok");
  std::vector<std::string> ids;
  HttpReply both = get("/v1/factors", maria.handle);
  for (const json::Value& f : both.json.find("factors")->items()) {
    if (*f.get_string("kind") == "totp") ids.push_back(*f.get_string("id"));
  }
  ASSERT_EQ(ids.size(), 2U);
  clock.advance(std::chrono::seconds(60));
  // Each by its own code, so that both are right.
  const std::string phone_id = ids[0] == begun.text("id") ? ids[1] : ids[0];
  json::Value by_phone;
  by_phone.set("code", maria.app.code(clock.wall()));
  json::Value by_tablet;
  by_tablet.set("code", tablet.code(clock.wall()));
  std::vector<std::string> got(2);
  std::thread other([&] { got[1] = post("/v1/factors/" + phone_id + "/remove", by_tablet.dump(), maria.handle).code(); });
  got[0] = post("/v1/factors/" + begun.text("id") + "/remove", by_phone.dump(), maria.handle).code();
  other.join();
  EXPECT_EQ(std::ranges::count(got, "ok"), 1) << got[0] << " " << got[1];
  HttpReply left = get("/v1/factors", maria.handle);
  EXPECT_EQ(left.json.find("factors")->items().size(), 2U) << "one and the recovery codes: " << left.body;
  EXPECT_EQ(entries("factor.remove").size(), 1U);
}

}  // namespace
}  // namespace vestibule::portal
