#include <gtest/gtest.h>

#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using testing::HttpReply;
using testing::kPassword;
using testing::object;
using testing::PortalWorld;

class NoticesTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override { open(); }

  /// The kinds of the person's notices, the oldest first.
  std::vector<std::string> kinds(const Person& p) {
    std::vector<std::string> out;
    HttpReply reply = get("/v1/notices", p.handle);
    EXPECT_EQ(reply.code(), "ok") << reply.body;
    for (const json::Value& n : reply.json.find("notices")->items()) out.insert(out.begin(), *n.get_string("kind"));
    return out;
  }
  /// Marks all as seen.
  void see(const Person& p) {
    json::Value ids(json::Array{});
    const HttpReply all = get("/v1/notices", p.handle);
    for (const json::Value& n : all.json.find("notices")->items()) ids.push(*n.get_string("id"));
    json::Value body;
    body.set("ids", std::move(ids));
    EXPECT_EQ(post("/v1/notices/seen", body.dump(), p.handle).code(), "ok");
  }};

using Seen = std::vector<std::string>;

TEST_F(NoticesTest, WhoeverHidesAWarningShowsHimself) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  const HttpReply all = get("/v1/notices", root.handle);
  const std::string id = *all.json.find("notices")->items().front().get_string("id");
  const auto records = [&] { return entries("notices.seen"); };
  ASSERT_TRUE(records().empty());
  const std::string body = R"({"ids":[")" + id + R"("]})";
  EXPECT_EQ(post("/v1/notices/seen", body, alice.handle).code(), "ok");
  EXPECT_TRUE(records().empty()) << "another's notice: nothing happened";
  EXPECT_EQ(post("/v1/notices/seen", body, root.handle).code(), "ok");
  EXPECT_EQ(post("/v1/notices/seen", body, root.handle).code(), "ok");
  ASSERT_EQ(records().size(), 1U) << "once";
  EXPECT_EQ(records().front().object, id);
}

TEST_F(NoticesTest, EveryChangeOfOnesFactorsLeavesOne) {
  Person root = set_up();
  EXPECT_EQ(kinds(root), (Seen{"factor_added"}));
  Person alice = create(root, "alice", "member");
  EXPECT_EQ(kinds(alice), (Seen{"factor_added"}));
  EXPECT_EQ(kinds(root).size(), 1U) << "another's matters are another's";

  HttpReply begun = post("/v1/factors/totp", object({{"code", fresh(alice)}, {"label", "tablet"}}).dump(), alice.handle);
  ASSERT_EQ(begun.code(), "ok") << begun.body;
  const testing::App tablet(begun.text("secret"));
  const std::string path = "/v1/factors/" + begun.text("id");
  EXPECT_EQ(kinds(alice).size(), 1U) << "begun is not added";
  ASSERT_EQ(post(path + "/confirm", object({{"code", tablet.code(clock.wall())}}).dump(), alice.handle).code(), "ok");
  HttpReply all = get("/v1/notices", alice.handle);
  const json::Value& newest = all.json.find("notices")->items().front();
  EXPECT_EQ(*newest.get_string("text"), "A factor was added: totp \"tablet\", from unix.");
  EXPECT_FALSE(*newest.get_bool("seen"));
  ASSERT_EQ(bound(alice, path + "/remove").code(), "ok");
  ASSERT_EQ(bound(alice, "/v1/recovery-codes").code(), "ok");
  json::Value change = object({{"old", std::string(kPassword)}, {"new", "a quite different phrase"}, {"code", fresh(alice)}});
  ASSERT_EQ(post("/v1/password", change.dump(), alice.handle).code(), "ok");
  EXPECT_EQ(kinds(alice), (Seen{"factor_added", "factor_added", "factor_removed", "recovery_renewed", "password_changed"}));

  json::Value roles;
  roles.set("roles", json::Value(json::Array{"auditor"}));
  ASSERT_EQ(bound(root, "/v1/users/alice/roles", roles).code(), "ok");
  EXPECT_EQ(kinds(alice).back(), "roles_changed");
}

TEST_F(NoticesTest, WrongCodesAreToldOnce) {
  Person root = set_up();
  see(root);
  for (int i = 0; i < 12; ++i) {
    post("/v1/prove", object({{"answer", root.app.wrong(clock.wall())}}).dump(), root.handle);
    clock.advance(std::chrono::seconds(61));
  }
  EXPECT_EQ(kinds(root), (Seen{"factor_added", "factor_locked"}));
}

class DisabledTest : public NoticesTest {
 protected:
  void SetUp() override {
    options_factors.disable_after = 3;
    open();
  }
};

TEST_F(DisabledTest, AFactorThatIsDisabledByMisuseIsTold) {
  Person root = set_up();
  clock.advance(std::chrono::seconds(1));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(post("/v1/prove", object({{"answer", root.app.wrong(clock.wall())}}).dump(), root.handle).code(), "code_wrong");
  }
  EXPECT_EQ(kinds(root), (Seen{"factor_added", "factor_disabled"}));
  ASSERT_EQ(entries("factor.disable").size(), 1U);
  EXPECT_EQ(entries("factor.disable")[0].reason, "factor_locked");
}

TEST_F(NoticesTest, RecoveryCodesAreToldAndThatFewAreLeft) {
  Person root = set_up();
  for (std::size_t i = 0; i < 7; ++i) {
    Person again = root;
    again.handle = started("root");
    ASSERT_EQ(post("/v1/prove", object({{"kind", "recovery_code"}, {"answer", root.recovery[i]}}).dump(), again.handle).code(),
              "ok");
    const bool few = i == 6;
    EXPECT_EQ(kinds(root).size(), 1 + i + 1 + (few ? 1 : 0));
    const Seen now = kinds(root);
    EXPECT_EQ(std::ranges::count(now, "recovery_few"), few ? 1 : 0) << i;
  }
  HttpReply all = get("/v1/notices", root.handle);
  EXPECT_NE(all.body.find("Only 3 recovery codes are left"), std::string::npos) << all.body;
}

TEST_F(NoticesTest, OnlyWhoIsSignedInWhollyReadsAndOnlyHisOwn) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  const std::string pending = started("alice");
  EXPECT_EQ(get("/v1/notices", pending).code(), "mfa_required");
  EXPECT_EQ(post("/v1/notices/seen", R"({"ids":[]})", pending).code(), "mfa_required");
  const std::string id = *get("/v1/notices", alice.handle).json.find("notices")->items().front().get_string("id");
  json::Value body;
  body.set("ids", json::Value(json::Array{id.c_str()}));
  EXPECT_EQ(post("/v1/notices/seen", body.dump(), root.handle).code(), "ok") << "and changes nothing";
  EXPECT_FALSE(*get("/v1/notices", alice.handle).json.find("notices")->items().front().get_bool("seen"));
  see(alice);
  EXPECT_TRUE(*get("/v1/notices", alice.handle).json.find("notices")->items().front().get_bool("seen"));
  EXPECT_EQ(post("/v1/notices/seen", R"({"ids":["x"]})", alice.handle).code(), "invalid_argument");
  EXPECT_EQ(post("/v1/notices/seen", R"({})", alice.handle).code(), "invalid_argument");
}

}  // namespace
}  // namespace vestibule::portal
