// API keys over the control API.
#include <gtest/gtest.h>

#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;
using testing::HttpReply;
using testing::PortalWorld;

class KeysApiTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override { open(); }
  static json::Value body(std::initializer_list<std::pair<const char*, std::string>> members) {
    json::Value v{json::Object{}};
    for (const auto& [key, value] : members) v.set(key, value);
    return v;
  }
  static json::Value wake(const std::string& source, std::int64_t lasts = 3600) {
    json::Value v = body({{"source", source}});
    v.set("lasts_s", lasts);
    return v;
  }
  /// The one key of a list.
  static const json::Value& only(const HttpReply& list) {
    static const json::Value none;
    const json::Value* keys = list.json.find("keys");
    EXPECT_TRUE(keys != nullptr && keys->items().size() == 1) << list.body;
    return keys != nullptr && !keys->items().empty() ? keys->items()[0] : none;
  }
};

TEST_F(KeysApiTest, FromCreationToRevocation) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  EXPECT_EQ(post("/v1/keys", body({{"name", "nightly"}, {"code", "000000"}}).dump(), alice.handle).code(), "code_wrong");
  HttpReply made = bound(alice, "/v1/keys", body({{"name", "nightly"}, {"scope", R"({"models":["b","a"]})"}}));
  ASSERT_EQ(made.code(), "ok") << made.body;
  const std::string key = made.text("key");
  const std::string id = made.text("id");
  EXPECT_TRUE(key.starts_with("vk_") && key.size() == 57) << "what secret scanners look for: vk_[A-Za-z0-9_-]{54}";
  EXPECT_EQ(bound(alice, "/v1/keys", body({{"name", "nightly"}})).code(), "conflict");
  HttpReply list = get("/v1/keys", alice.handle);
  EXPECT_EQ(list.body.find(key), std::string::npos) << "shown once";
  EXPECT_EQ(only(list).find("scope")->dump(), R"({"models":["a","b"]})");
  EXPECT_TRUE(only(list).find("last_use")->is_null());
  EXPECT_TRUE(only(list).find("unlocks")->items().empty());

  ASSERT_EQ(bound(alice, "/v1/keys/" + id + "/unlock", wake("2001:db8:1:2::7")).code(), "ok");
  EXPECT_EQ(only(get("/v1/keys", alice.handle)).find("unlocks")->items()[0].get_string("source").value_or(""), "2001:db8:1:2::/64");
  const auto asleep_then = sessions->identify(key, session::Audience::access, {}, clock.now());
  ASSERT_TRUE(asleep_then);
  EXPECT_TRUE(asleep_then->evidence.empty());
  clock.advance(61s);
  const auto at = session::Presented::at(*domain::Source::parse("2001:db8:1:2:3::9"), "lab");
  EXPECT_EQ(sessions->identify(key, session::Audience::access, at, clock.now())->evidence.size(), 2U);
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(only(get("/v1/keys", alice.handle)).get_string("last_source").value_or(""), "2001:db8:1:2:3::9");

  EXPECT_EQ(post("/v1/keys/" + id + "/sleep", "{}", alice.handle).code(), "ok");
  EXPECT_TRUE(sessions->identify(key, session::Audience::access, at, clock.now())->evidence.empty());
  EXPECT_EQ(post("/v1/keys/" + id + "/revoke", "{}", alice.handle).code(), "ok");
  EXPECT_EQ(sessions->identify(key, session::Audience::access, at, clock.now()).error().code, Reason::credential_unknown);
  EXPECT_TRUE(get("/v1/keys", alice.handle).json.find("keys")->items().empty());
  for (const char* op : {"key.create", "key.sleep", "session.revoke", "credential.unlock"}) {
    const auto recorded = entries(op);
    ASSERT_EQ(recorded.size(), 1U) << op;
    EXPECT_EQ(recorded[0].object, "key nightly") << op;
    EXPECT_EQ(recorded[0].user_name, "alice") << op;
  }
  EXPECT_EQ(bound(alice, "/v1/keys", body({{"name", "nightly"}})).code(), "ok") << "the name is free again";
}

TEST_F(KeysApiTest, SomebodyElses) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Person bob = create(root, "bob", "member");
  const std::string id = bound(alice, "/v1/keys", body({{"name", "nightly"}})).text("id");
  ASSERT_FALSE(id.empty());
  for (Person* p : {&bob, &root}) {
    EXPECT_EQ(bound(*p, "/v1/keys/" + id + "/unlock", wake("192.0.2.1")).code(), "not_found") << p->name;
    EXPECT_EQ(post("/v1/keys/" + id + "/sleep", "{}", p->handle).code(), "not_found") << p->name;
  }
  EXPECT_EQ(post("/v1/keys/" + id + "/revoke", "{}", bob.handle).code(), "role_required");
  EXPECT_EQ(get("/v1/keys?user=alice", bob.handle).code(), "role_required");
  EXPECT_EQ(get("/v1/keys?all=1", bob.handle).code(), "role_required");
  HttpReply seen = get("/v1/keys?user=alice", root.handle);
  EXPECT_EQ(only(seen).get_string("owner").value_or(""), "alice");
  EXPECT_EQ(post("/v1/keys/" + id + "/revoke", "{}", root.handle).code(), "ok");
  EXPECT_TRUE(get("/v1/keys", alice.handle).json.find("keys")->items().empty());
}

TEST_F(KeysApiTest, Refused) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  for (const std::string& name : {std::string(), std::string("two words"), std::string("a/b"), std::string("n\xc3\xa4me"), std::string(49, 'a')}) {
    EXPECT_EQ(bound(alice, "/v1/keys", body({{"name", name}})).code(), "invalid_argument") << name;
  }
  for (const char* scope : {"", "x", "[]", R"({"models":[]})", R"({"model":["a"]})", R"({"networks":["everywhere"]})"}) {
    EXPECT_EQ(bound(alice, "/v1/keys", body({{"name", "k"}, {"scope", scope}})).code(), "invalid_argument") << scope;
  }
  json::Value long_lived = body({{"name", "k"}});
  long_lived.set("ttl_s", std::int64_t{366} * 24 * 3600);
  EXPECT_EQ(bound(alice, "/v1/keys", long_lived).code(), "invalid_argument");
  const std::string id = bound(alice, "/v1/keys", body({{"name", "k"}})).text("id");
  for (const char* source : {"", "everywhere", "10.0.0.0/8", "2001:db8::1/64"}) {
    EXPECT_EQ(bound(alice, "/v1/keys/" + id + "/unlock", wake(source)).code(), "invalid_argument") << source;
  }
  EXPECT_EQ(bound(alice, "/v1/keys/" + id + "/unlock", wake("192.0.2.1", 12 * 3600 + 1)).code(), "invalid_argument");
  EXPECT_EQ(bound(alice, "/v1/keys/" + id + "/unlock", wake("192.0.2.1", 0)).code(), "invalid_argument");
  json::Value nowhere = wake("192.0.2.1");
  nowhere.set("access_point", "nowhere");
  EXPECT_EQ(bound(alice, "/v1/keys/" + id + "/unlock", nowhere).code(), "invalid_argument");
  EXPECT_EQ(bound(alice, "/v1/keys/x/unlock", wake("192.0.2.1")).code(), "not_found");
  EXPECT_EQ(bound(alice, "/v1/keys/" + session::KeyId{}.text() + "/unlock", wake("192.0.2.1")).code(), "not_found");
}

TEST_F(KeysApiTest, FoundByAStranger) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  const std::string key = bound(alice, "/v1/keys", body({{"name", "nightly"}})).text("key");
  const std::string other = bound(alice, "/v1/keys", body({{"name", "other"}})).text("key");
  std::string forged = key;
  forged[10] = forged[10] == 'a' ? 'b' : 'a';
  const std::string unknown(mint->make(crypto::kApiKey, rng).text.reveal_text());
  const std::string session_handle = alice.handle;
  std::string answer;
  for (const std::string& text : {forged, unknown, std::string("rubbish"), std::string(), session_handle, key, key}) {
    HttpReply reply = post("/v1/keys/found", body({{"key", text}}).dump());
    EXPECT_EQ(reply.code(), "ok") << text;
    if (answer.empty()) answer = reply.body;
    EXPECT_EQ(reply.body, answer) << "one answer for all";
  }
  EXPECT_EQ(sessions->identify(key, session::Audience::access, {}, clock.now()).error().code, Reason::credential_unknown);
  EXPECT_TRUE(sessions->identify(other, session::Audience::access, {}, clock.now()));
  EXPECT_EQ(get("/v1/me", session_handle).code(), "ok") << "only keys are found";
  const auto recorded = entries("session.revoke");
  ASSERT_EQ(recorded.size(), 1U) << "once";
  EXPECT_EQ(recorded[0].object, "key nightly");
  HttpReply notices = get("/v1/notices", alice.handle);
  EXPECT_NE(notices.body.find("key nightly was handed in"), std::string::npos) << notices.body;
}

TEST_F(KeysApiTest, AKeyIsNoWayIntoTheControlApi) {
  Person root = set_up();
  const std::string key = bound(root, "/v1/keys", body({{"name", "nightly"}})).text("key");
  for (const char* path : {"/v1/me", "/v1/keys", "/v1/users", "/v1/sessions"}) {
    EXPECT_EQ(get(path, key).code(), "credential_audience") << path;
  }
  EXPECT_EQ(post("/v1/keys", body({{"name", "more"}, {"code", fresh(root)}}).dump(), key).code(), "credential_audience");
}

}  // namespace
}  // namespace vestibule::portal
