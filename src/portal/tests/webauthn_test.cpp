// Security keys and passkeys over the control API.
#include <gtest/gtest.h>

#include <thread>

#include "factors/tests/authenticator.hpp"
#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;
using testing::HttpReply;
using testing::kPassword;
using testing::object;
using testing::PortalWorld;
using testing::SoftAuthenticator;

class WebAuthnApiTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override { open(); }

  /// With a TOTP code as what entitles, or with the grant of the session.
  HttpReply enrol(Person& p, SoftAuthenticator& key, const std::string& label = "blue key") {
    json::Value body = object({{"label", label}});
    if (!p.recovery.empty()) body.set("code", fresh(p));
    HttpReply begun = post("/v1/factors/webauthn", body.dump(), p.handle);
    if (begun.code() != "ok") return begun;
    return post("/v1/factors/" + begun.text("id") + "/confirm", object({{"code", key.create(begun.text("options"))}}).dump(), p.handle);
  }
  HttpReply ask(const std::string& handle, const std::string& operation, const std::string& about = {}) {
    json::Value body = object({{"kind", "webauthn"}, {"operation", operation}});
    if (!about.empty()) body.set("object", about);
    return post("/v1/challenges", body.dump(), handle);
  }
  /// The body with a key's answer to a question about this act.
  json::Value answered(const std::string& handle, SoftAuthenticator& key, json::Value body, const std::string& operation,
                       const std::string& about = {}, const char* member = "code") {
    HttpReply asked = ask(handle, operation, about);
    EXPECT_EQ(asked.code(), "ok") << asked.body;
    body.set("kind", "webauthn").set("challenge", asked.text("challenge")).set(member, key.get(asked.text("options")));
    return body;
  }
  /// The same request a hundred times from twenty threads: how many went well. The others fail as allowed.
  int at_once(std::string_view target, const std::string& body, const std::string& handle,
              std::initializer_list<std::string_view> refusals) {
    std::atomic<int> good{0};
    std::atomic<int> odd{0};
    std::vector<std::thread> all;
    for (int i = 0; i < 20; ++i) {
      all.emplace_back([&] {
        for (int n = 0; n < 5; ++n) {
          const std::string code = post(target, body, handle).code();
          if (code == "ok") {
            ++good;
          } else if (std::find(refusals.begin(), refusals.end(), code) == refusals.end()) {
            ++odd;
          }
        }
      });
    }
    for (auto& t : all) t.join();
    EXPECT_EQ(odd.load(), 0);
    return good.load();
  }
  HttpReply passkey(SoftAuthenticator& key) {
    HttpReply q = post("/v1/sign-in/passkey/begin", "{}");
    EXPECT_EQ(q.code(), "ok") << q.body;
    return post("/v1/sign-in/passkey", object({{"challenge", q.text("challenge")}, {"answer", key.get(q.text("options"))}}).dump());
  }
};

TEST_F(WebAuthnApiTest, FromEnrolmentToSignInByPasskey) {
  Person root = set_up();
  SoftAuthenticator key;
  EXPECT_EQ(post("/v1/factors/webauthn", "{}", root.handle).code(), "factor_exists") << "an existing factor entitles";
  HttpReply done = enrol(root, key);
  ASSERT_EQ(done.code(), "ok") << done.body;
  const json::Value* factor = done.json.find("factor");
  EXPECT_EQ(factor->get_string("kind").value_or(""), "webauthn");
  EXPECT_EQ(factor->get_string("label").value_or(""), "blue key");
  HttpReply list = get("/v1/factors", root.handle);
  const json::Value* listed = nullptr;
  for (const json::Value& f : list.json.find("factors")->items()) {
    if (f.get_string("kind").value_or("") == "webauthn") listed = f.find("key");
  }
  ASSERT_NE(listed, nullptr) << list.body;
  EXPECT_FALSE(listed->get_bool("synced").value_or(true));
  EXPECT_EQ(listed->get_string("transports").value_or(""), "usb,nfc");

  // The second step of a sign-in, and a step-up.
  const std::string pending = started("root");
  json::Value step = answered(pending, key, json::Value(json::Object{}), "prove", {}, "answer");
  EXPECT_EQ(post("/v1/prove", step.dump(), started("root")).code(), "code_wrong") << "another session's question";
  HttpReply proved = post("/v1/prove", step.dump(), pending);
  ASSERT_EQ(proved.code(), "ok") << proved.body;
  EXPECT_EQ(proved.json.get_int("level").value_or(-1), 3);
  EXPECT_EQ(post("/v1/prove", step.dump(), pending).code(), "code_wrong") << "replayed";
  step = answered(pending, key, json::Value(json::Object{}), "prove", {}, "answer");
  EXPECT_EQ(post("/v1/prove", step.dump(), pending).code(), "ok");

  // One step, without a name or password.
  HttpReply in = passkey(key);
  ASSERT_EQ(in.code(), "ok") << in.body;
  EXPECT_EQ(in.text("name"), "root");
  EXPECT_FALSE(in.json.get_bool("pending").value_or(true));
  const std::string handle = in.text("handle");
  EXPECT_EQ(in.text("ends"), rfc3339(clock.wall() + 12h)) << "level 3: twelve hours";
  HttpReply me = get("/v1/me", handle);
  EXPECT_EQ(me.json.get_int("level").value_or(-1), 3);
  EXPECT_FALSE(me.json.find("flags")->get_bool("pending").value_or(true));
  EXPECT_EQ(me.json.find("evidence")->items().size(), 1U);
  EXPECT_EQ(get("/v1/users", handle).code(), "ok");
  EXPECT_EQ(post("/v1/tokens", "{}", handle).code(), "ok");

  // Acts in that session take the key, too: it is its first factor.
  json::Value body = object({{"name", "carol"}});
  body.set("roles", json::Value(json::Array{"member"}));
  EXPECT_EQ(post("/v1/users", answered(handle, key, body, "users.create", "carol member").dump(), handle).code(), "ok");
  EXPECT_EQ(post("/v1/recovery-codes", answered(handle, key, json::Value(json::Object{}), "factor.recovery_codes").dump(), handle).code(), "ok");
  EXPECT_EQ(post("/v1/password", answered(handle, key, object({{"old", std::string(kPassword)}, {"new", "quite another pass phrase"}}), "password.change").dump(), handle).code(), "ok");
  clock.advance(1h);
  EXPECT_EQ(get("/v1/me", handle).json.get_int("level").value_or(-1), 3);
  clock.advance(1s);
  EXPECT_EQ(get("/v1/users", handle).code(), "mfa_lapsed");
  step = answered(handle, key, json::Value(json::Object{}), "prove", {}, "answer");
  EXPECT_EQ(post("/v1/prove", step.dump(), handle).code(), "ok");
  EXPECT_EQ(get("/v1/users", handle).code(), "ok");

  std::vector<std::string> notes;
  for (const audit::Entry& e : entries("signin.start")) notes.push_back(e.note);
  EXPECT_NE(std::find(notes.begin(), notes.end(), "by a passkey alone"), notes.end());
}

TEST_F(WebAuthnApiTest, AnAnswerIsForTheActThatItsQuestionNamed) {
  Person root = set_up();
  create(root, "alice", "member");
  SoftAuthenticator key;
  ASSERT_EQ(enrol(root, key).code(), "ok");
  const auto roles = [](const char* role) {
    json::Value v;
    v.set("roles", json::Value(json::Array{role}));
    return v;
  };
  struct Row {
    const char *name, *operation, *about, *expected;
  };
  for (const Row& row : {Row{"another role", "users.roles", "alice member", "code_wrong"},
                         Row{"another user", "users.roles", "root administrator", "code_wrong"},
                         Row{"another operation", "users.groups", "alice administrator", "code_wrong"},
                         Row{"a step-up", "prove", "", "code_wrong"},
                         Row{"words moved", "users.roles", "alice", "code_wrong"},
                         Row{"this very act", "users.roles", "alice administrator", "ok"}}) {
    const json::Value body = answered(root.handle, key, roles("administrator"), row.operation, row.about);
    EXPECT_EQ(post("/v1/users/alice/roles", body.dump(), root.handle).code(), row.expected) << row.name;
    if (std::string_view(row.expected) == "ok") {
      EXPECT_EQ(post("/v1/users/alice/roles", body.dump(), root.handle).code(), "code_wrong") << "sent twice";
    } else {
      json::Value fresh_code = object({{"answer", fresh(root)}});
      EXPECT_EQ(post("/v1/prove", fresh_code.dump(), root.handle).code(), "ok");
      ASSERT_EQ(post("/v1/prove", answered(root.handle, key, json::Value(json::Object{}), "prove", {}, "answer").dump(), root.handle).code(), "ok");
    }
  }
  // Where the act fails, question and answer stay good for it.
  const json::Value taken = answered(root.handle, key, object({{"name", "alice"}}), "users.create", "alice member");
  EXPECT_EQ(post("/v1/users", [&] { json::Value b = taken; b.set("roles", json::Value(json::Array{"member"})); return b.dump(); }(), root.handle).code(), "user_exists");
}

TEST_F(WebAuthnApiTest, AHundredRequestsWithOneAnswerSucceedOnce) {
  Person root = set_up();
  SoftAuthenticator key;
  ASSERT_EQ(enrol(root, key).code(), "ok");
  HttpReply q = post("/v1/sign-in/passkey/begin", "{}");
  const std::string sign_in = object({{"challenge", q.text("challenge")}, {"answer", key.get(q.text("options"))}}).dump();
  EXPECT_EQ(at_once("/v1/sign-in/passkey", sign_in, {}, {"signin_failed"}), 1);
  const std::string proof = answered(root.handle, key, json::Value(json::Object{}), "prove", {}, "answer").dump();
  EXPECT_EQ(at_once("/v1/prove", proof, root.handle, {"code_wrong", "factor_locked"}), 1);
}

TEST_F(WebAuthnApiTest, StrangersLearnNothingAndLockNobodyOut) {
  Person root = set_up();
  SoftAuthenticator key;
  ASSERT_EQ(enrol(root, key).code(), "ok");
  SoftAuthenticator stranger;
  stranger.user = Bytes(16, 3);
  SoftAuthenticator impostor;
  impostor.set_id(key.id());
  impostor.user = Bytes(16, 3);
  const HttpReply unknown = passkey(stranger);
  const HttpReply known = passkey(impostor);
  EXPECT_EQ(unknown.code(), "signin_failed");
  EXPECT_EQ(unknown.status, 401);
  EXPECT_EQ(unknown.body.size(), known.body.size());
  EXPECT_EQ(unknown.detail(), "");
  EXPECT_EQ(known.detail(), "");
  for (int i = 0; i < 30; ++i) EXPECT_EQ(passkey(impostor).code(), "signin_failed");
  EXPECT_EQ(passkey(key).code(), "ok");
  EXPECT_EQ(post("/v1/sign-in/passkey", R"({"challenge":"x","answer":"y"})").code(), "signin_failed");
  EXPECT_EQ(post("/v1/sign-in/passkey", R"({"challenge":"x"})").code(), "invalid_argument");
  EXPECT_EQ(post("/v1/users/root/disable", "{}", root.handle).code(), "conflict");
}

TEST_F(WebAuthnApiTest, ADisabledPersonsPasskeyOpensNothing) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  SoftAuthenticator key;
  ASSERT_EQ(enrol(alice, key).code(), "ok");
  ASSERT_EQ(passkey(key).code(), "ok");
  ASSERT_EQ(post("/v1/users/alice/disable", "{}", root.handle).code(), "ok");
  EXPECT_EQ(passkey(key).code(), "signin_failed");
}

TEST_F(WebAuthnApiTest, ACopiedKeyIsDisabledAndWhatItProvedIsVoid) {
  Person root = set_up();
  SoftAuthenticator key;
  ASSERT_EQ(enrol(root, key).code(), "ok");
  HttpReply in = passkey(key);
  const std::string handle = in.text("handle");
  EXPECT_EQ(get("/v1/me", handle).json.get_int("level").value_or(-1), 3);
  key.steps = 0;
  HttpReply noticed = post("/v1/prove", answered(root.handle, key, json::Value(json::Object{}), "prove", {}, "answer").dump(), root.handle);
  EXPECT_EQ(noticed.code(), "factor_cloned") << noticed.body;
  EXPECT_EQ(get("/v1/me", handle).json.get_int("level").value_or(-1), 0) << "in every session";
  EXPECT_EQ(passkey(key).code(), "signin_failed");
  EXPECT_EQ(ask(root.handle, "prove").code(), "factor_missing");
  EXPECT_EQ(entries("factor.disable").size(), 1U);
}

TEST_F(WebAuthnApiTest, ACredentialIsBoundByItsValue) {
  Person root = set_up();
  SoftAuthenticator key;
  ASSERT_EQ(enrol(root, key).code(), "ok");
  const auto about = [](const std::string& value) { return "set lab " + hex(crypto::sha256(as_bytes(value))); };
  const char* path = "/v1/access-points/lab/credential";
  const auto put = [&](const std::string& value, const std::string& object_of_proof) {
    return post(path, answered(root.handle, key, object({{"value", value}}), "access.credential", object_of_proof).dump(), root.handle).code();
  };
  EXPECT_EQ(put("sk-of-the-thief", about("sk-of-the-owner")), "code_wrong");
  EXPECT_EQ(put("", about("sk-of-the-owner")), "code_wrong") << "nor does it remove";
  EXPECT_EQ(put("sk-of-the-owner", "set lab"), "code_wrong");
  EXPECT_EQ(credential_of, "");
  EXPECT_EQ(put("sk-of-the-owner", about("sk-of-the-owner")), "ok");
  EXPECT_EQ(credential_of, "lab");
  EXPECT_EQ(put("", "remove lab"), "ok");
  for (const audit::Entry& e : entries("factor.prove")) EXPECT_EQ(e.note.find(about("sk-of-the-owner").substr(8)), std::string::npos);
}

TEST_F(WebAuthnApiTest, AKeyMayBeTheFirstFactor) {
  Person p;
  auto token = users->create_setup_token();
  HttpReply in = post("/v1/setup", object({{"token", std::string((*token)->reveal_text())}, {"name", "root"}, {"password", std::string(kPassword)}}).dump());
  p.handle = in.text("handle");
  SoftAuthenticator key;
  HttpReply done = enrol(p, key);
  ASSERT_EQ(done.code(), "ok") << done.body;
  EXPECT_EQ(done.json.find("recovery_codes")->items().size(), 10U);
  EXPECT_EQ(get("/v1/me", p.handle).json.get_int("level").value_or(-1), 3);
  HttpReply again = post("/v1/sign-in", object({{"name", "root"}, {"password", std::string(kPassword)}}).dump());
  EXPECT_EQ(again.json.find("second")->items()[0].as_string().value_or(""), "webauthn");
  EXPECT_TRUE(again.json.get_bool("pending").value_or(false));
  HttpReply spare = post("/v1/factors/webauthn", answered(p.handle, key, object({{"label", "spare"}, {"resident", "required"}}), "factor.add", "webauthn").dump(), p.handle);
  ASSERT_EQ(spare.code(), "ok") << spare.body;
  EXPECT_NE(spare.text("options").find(R"("residentKey":"required")"), std::string::npos);
  // The last one stays.
  std::string id;
  HttpReply list = get("/v1/factors", p.handle);
  for (const json::Value& f : list.json.find("factors")->items()) {
    if (f.get_string("kind").value_or("") == "webauthn") id = *f.get_string("id");
  }
  EXPECT_EQ(post("/v1/factors/" + id + "/remove", answered(p.handle, key, json::Value(json::Object{}), "factor.remove", id).dump(), p.handle).code(), "factor_last");
}

TEST_F(WebAuthnApiTest, FormIsStrict) {
  Person root = set_up();
  SoftAuthenticator key;
  EXPECT_EQ(ask(root.handle, "prove").code(), "factor_missing") << "nothing that could answer";
  ASSERT_EQ(enrol(root, key).code(), "ok");
  struct Row {
    const char *path, *body, *member;
  };
  for (const Row& row : {Row{"/v1/challenges", R"({"kind":"webauthn"})", "operation"},
                         Row{"/v1/challenges", R"({"kind":"key","operation":"prove"})", "kind"},
                         Row{"/v1/challenges", R"({"kind":"totp","operation":"prove"})", "kind"},
                         Row{"/v1/challenges", R"({"kind":"webauthn","operation":""})", "operation"},
                         Row{"/v1/challenges", R"({"kind":"webauthn","operation":"users create"})", "operation"},
                         Row{"/v1/factors/webauthn", R"({"resident":"yes"})", "resident"},
                         Row{"/v1/factors/webauthn", R"({"code":"x","kind":"recovery_code"})", "kind"},
                         Row{"/v1/factors/webauthn", R"({"code":"x","kind":"webauthn","challenge":"chl_x"})", "challenge"},
                         Row{"/v1/prove", R"({"kind":"password","answer":"x"})", "kind"},
                         Row{"/v1/prove", R"({"kind":"webauthn","answer":"x","challenge":"fac_x"})", "challenge"}}) {
    HttpReply reply = post(row.path, row.body, root.handle);
    EXPECT_EQ(reply.code(), "invalid_argument") << row.body;
    EXPECT_EQ(reply.detail().substr(0, std::string_view(row.member).size()), row.member) << row.body << reply.detail();
  }
  EXPECT_EQ(post("/v1/prove", R"({"kind":"webauthn","answer":"x"})", root.handle).code(), "code_wrong") << "no question";
  // A pending session may ask, for its own next step only.
  const std::string pending = started("root");
  EXPECT_EQ(ask(pending, "prove").code(), "ok");
  const json::Value act = answered(pending, key, object({{"name", "eve"}}), "users.create", "eve member");
  EXPECT_EQ(post("/v1/users", act.dump(), pending).code(), "mfa_required");
  HttpReply large = post("/v1/challenges", object({{"kind", "webauthn"}, {"operation", "x"}, {"object", std::string(5000, 'x')}}).dump(), root.handle);
  EXPECT_EQ(large.code(), "invalid_argument");
}

}  // namespace
}  // namespace vestibule::portal
