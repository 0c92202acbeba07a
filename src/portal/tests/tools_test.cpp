// The API of tools that have changed: who may look, what is signed, what is refused.
#include <gtest/gtest.h>

#include <algorithm>

#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

class ToolsApiTest : public testing::PortalWorld, public ::testing::Test {
 protected:
  ~ToolsApiTest() override { close(); }
  void SetUp() override {
    file = folder / "tools.db";
    open();
    root = set_up();
    see(R"({"name":"add","description":"adds"})");
    see(R"({"name":"list/all"})");
  }
  void see(std::string_view definition) {
    std::vector<approval::Sighting> news;
    static_cast<void>(definitions->look("lab", definition, news));
    ASSERT_TRUE(run(definitions->keep(std::move(news), known(*users->find(root.name)))));
  }
  json::Value one(std::string_view tool = "add") {
    const testing::HttpReply reply = get("/v1/tools?access_point=lab&tool=" + std::string(tool), root.handle);
    EXPECT_EQ(reply.code(), "ok") << reply.body;
    const auto tools = reply.json.find("tools")->items();
    EXPECT_EQ(tools.size(), 1U);
    return tools.empty() ? json::Value() : tools[0];
  }
  static json::Value accepting(std::string_view digest, std::string_view tool = "add", std::string_view point = "lab") {
    json::Value v;
    v.set("access_point", point).set("tool", tool).set("digest", digest);
    return v;
  }

  Person root;
};

TEST_F(ToolsApiTest, LooksAndAcceptsWhatWasShown) {
  EXPECT_EQ(one().get_string("state").value_or(""), "awake");
  EXPECT_TRUE(one().find("by")->is_null());
  EXPECT_EQ(one("list%2Fall").get_string("tool").value_or(""), "list/all");
  const std::string first = one().get_string("accepted").value_or("");
  EXPECT_EQ(bound(root, "/v1/tools/accept", accepting(first)).code(), "conflict") << "awake";

  see(R"({"name":"add","description":"adds, and reads your keys"})");
  const json::Value changed = one();
  EXPECT_EQ(changed.get_string("state").value_or(""), "asleep");
  EXPECT_EQ(changed.get_string("accepted_text").value_or(""), R"({"description":"adds","name":"add"})");
  EXPECT_EQ(changed.get_string("shown_text").value_or(""), R"({"description":"adds, and reads your keys","name":"add"})");
  testing::HttpReply why = post("/v1/policy/explain", R"({"access_point":"lab","tool":"add"})", root.handle);
  EXPECT_NE(why.text("text").find("This tool is asleep"), std::string::npos) << why.body;
  const testing::HttpReply all = get("/v1/tools", root.handle);
  ASSERT_EQ(all.json.find("tools")->items().size(), 2U) << all.body;
  EXPECT_EQ(all.body.find("reads your keys"), std::string::npos) << "texts are for who looks at one";

  const std::string shown = changed.get_string("shown").value_or("");
  EXPECT_EQ(bound(root, "/v1/tools/accept", accepting(first)).code(), "conflict");
  EXPECT_EQ(bound(root, "/v1/tools/accept", accepting("00")).code(), "invalid_argument");
  EXPECT_EQ(bound(root, "/v1/tools/accept", accepting(shown, "sub")).code(), "not_found");
  EXPECT_EQ(bound(root, "/v1/tools/accept", accepting(shown, "add", "elsewhere")).code(), "not_found");
  json::Value wrong = accepting(shown);
  wrong.set("code", "000000");
  EXPECT_NE(post("/v1/tools/accept", wrong.dump(), root.handle).code(), "ok");
  EXPECT_EQ(one().get_string("state").value_or(""), "asleep");

  EXPECT_EQ(bound(root, "/v1/tools/accept", accepting(shown)).code(), "ok");
  EXPECT_FALSE(definitions->asleep("lab", "add"));
  EXPECT_EQ(one().get_string("state").value_or(""), "awake");
  EXPECT_EQ(one().get_string("by").value_or(""), "root");
  EXPECT_EQ(bound(root, "/v1/tools/accept", accepting(shown)).code(), "conflict") << "once";
  EXPECT_EQ(std::ranges::count(entries("tools.accept"), audit::Kind::change, &audit::Entry::kind), 1);
  why = post("/v1/policy/explain", R"({"access_point":"lab","tool":"add"})", root.handle);
  EXPECT_EQ(why.text("text").find("asleep"), std::string::npos) << why.body;
}

TEST_F(ToolsApiTest, IsNobodysBusinessWhoHasNoSuchRole) {
  Person alice = create(root, "alice", "member");
  Person carol = create(root, "carol", "auditor");
  see(R"({"name":"add","description":"other"})");
  const std::string shown = one().get_string("shown").value_or("");
  EXPECT_EQ(get("/v1/tools", alice.handle).code(), "role_required");
  EXPECT_EQ(get("/v1/tools", carol.handle).code(), "ok");
  EXPECT_EQ(get("/v1/tools").status, 401);
  EXPECT_EQ(bound(alice, "/v1/tools/accept", accepting(shown)).code(), "role_required");
  EXPECT_EQ(bound(carol, "/v1/tools/accept", accepting(shown)).code(), "role_required");
  EXPECT_EQ(post("/v1/tools/accept", accepting(shown).dump(), root.handle).code(), "invalid_argument") << "no code";
  EXPECT_EQ(get("/v1/tools?tool=add", root.handle).code(), "invalid_argument");
  EXPECT_EQ(get("/v1/tools?access_point=lab&tool=none", root.handle).code(), "not_found");
  EXPECT_TRUE(definitions->asleep("lab", "add"));
}

}  // namespace
}  // namespace vestibule::portal
