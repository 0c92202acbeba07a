// Push devices over the control API: enrolment, prompts, waiting on both sides, and "it was not me".
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "portal/act_text.hpp"
#include "portal/tests/device_world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;
using testing::Device;
using testing::DeviceWorld;
using testing::HttpReply;
using testing::kPassword;
using testing::kSubscription;

class DevicesApiTest : public ::testing::Test, public DeviceWorld {
 protected:
  void SetUp() override { open(); }
};

TEST_F(DevicesApiTest, FromEnrolmentToASignInThatWaits) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Device phone(rng);
  enrol_device(alice, phone, kSubscription);
  const std::string pending = started("alice");
  HttpReply empty = inbox(phone);
  ASSERT_EQ(empty.code(), "ok") << empty.body;
  EXPECT_TRUE(empty.json.find("prompts")->items().empty());

  // The device waits for something to be asked, the screen for the answer.
  auto heard = std::async(std::launch::async, [&] { return inbox(phone, empty.text("version")); });
  std::this_thread::sleep_for(200ms);
  const Asked asked = ask(pending);
  ASSERT_EQ(asked.reply.code(), "ok") << asked.reply.body;
  ASSERT_EQ(asked.digits.size(), 6U);
  ASSERT_EQ(heard.wait_for(10s), std::future_status::ready);
  HttpReply prompts = heard.get();
  ASSERT_EQ(prompts.json.find("prompts")->items().size(), 1U) << prompts.body;
  const json::Value& prompt = prompts.json.find("prompts")->items()[0];
  EXPECT_EQ(prompt.get_string("what").value_or(""), "Sign in to your account.");
  EXPECT_EQ(prompt.get_string("operation").value_or(""), "signin");
  EXPECT_EQ(prompt.get_string("user").value_or(""), "alice");
  EXPECT_EQ(prompt.get_string("source").value_or(""), "unix");
  EXPECT_EQ(prompt.get_string("client").value_or(""), "test/1");
  EXPECT_EQ(prompt.get_string("match").value_or(""), "type");
  EXPECT_EQ(prompts.body.find(asked.digits), std::string::npos) << "the number is on the other screen alone";

  auto told = std::async(std::launch::async, [&] { return wait(pending, asked); });
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(answer(phone, asked, factors::Verdict::approve, asked.digits).text("state"), "approved");
  ASSERT_EQ(told.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(told.get().text("state"), "approved");
  HttpReply proved = prove(pending, asked);
  ASSERT_EQ(proved.code(), "ok") << proved.body;
  EXPECT_EQ(proved.json.get_int("level").value_or(0), 2);
  EXPECT_EQ(prove(pending, asked).code(), "code_wrong");
  EXPECT_EQ(wait(pending, asked).text("state"), "expired");
  EXPECT_EQ(answer(phone, asked, factors::Verdict::approve, asked.digits).code(), "conflict");
}

TEST_F(DevicesApiTest, ManyScreensThatWaitTakeNoSeatFromTheDevices) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Device phone(rng);
  enrol_device(alice, phone);
  const std::string pending = started("alice");
  const Asked asked = ask(pending);
  ASSERT_EQ(asked.reply.code(), "ok") << asked.reply.body;
  std::vector<std::future<HttpReply>> screens;
  for (int i = 0; i < 20; ++i) screens.push_back(std::async(std::launch::async, [&] { return wait(pending, asked); }));
  std::this_thread::sleep_for(500ms);
  auto heard = std::async(std::launch::async, [&, version = inbox(phone).text("version")] { return inbox(phone, version); });
  EXPECT_EQ(heard.wait_for(500ms), std::future_status::timeout) << "nothing new to hear yet";
  EXPECT_EQ(answer(phone, asked, factors::Verdict::decline).text("state"), "declined");
  EXPECT_EQ(heard.get().code(), "ok");
  std::map<std::string, int> codes;
  for (auto& screen : screens) ++codes[screen.get().code()];
  EXPECT_EQ(codes["ok"], 16) << "eight a core";
  EXPECT_EQ(codes["overloaded"], 4);
}

TEST_F(DevicesApiTest, AnActIsConfirmedByTheDeviceThatWasShownIt) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Device phone(rng);
  enrol_device(alice, phone);
  HttpReply listed = get("/v1/factors", alice.handle);
  std::string totp;
  for (const json::Value& f : listed.json.find("factors")->items()) {
    if (f.get_string("kind").value_or("") == "totp") totp = f.get_string("id").value_or("");
  }
  const auto remove = [&](const std::string& id, const Asked& asked) {
    return post("/v1/factors/" + id + "/remove", body({{"code", ""}, {"kind", "push"}, {"challenge", asked.id}}).dump(), alice.handle);
  };
  const Asked other = ask(alice.handle, "factor.remove", phone.id.text());
  EXPECT_EQ(answer(phone, other, factors::Verdict::approve, other.digits).text("state"), "approved");
  EXPECT_EQ(remove(totp, other).code(), "code_wrong") << "approved for another act";
  const Asked asked = ask(alice.handle, "factor.remove", totp);
  EXPECT_EQ(inbox(phone).json.find("prompts")->items()[0].get_string("what").value_or(""),
            "Remove the factor " + totp + " from your account.");
  EXPECT_EQ(answer(phone, asked, factors::Verdict::approve, asked.digits).text("state"), "approved");
  EXPECT_EQ(remove(totp, asked).code(), "ok");
}

TEST_F(DevicesApiTest, AWrongNumberAndARefusalDecline) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Device phone(rng);
  enrol_device(alice, phone);
  const std::string pending = started("alice");
  Asked asked = ask(pending);
  EXPECT_EQ(answer(phone, asked, factors::Verdict::approve, asked.digits == "111111" ? "222222" : "111111").text("state"), "declined");
  EXPECT_EQ(wait(pending, asked).text("state"), "declined");
  EXPECT_EQ(prove(pending, asked).code(), "code_wrong");
  asked = ask(pending);
  EXPECT_EQ(answer(phone, asked, factors::Verdict::decline).text("state"), "declined");
  EXPECT_EQ(wait(pending, asked).text("state"), "declined");
  EXPECT_EQ(get("/v1/me", pending).code(), "ok") << "the session goes on";
}

TEST_F(DevicesApiTest, AnEndedSessionLeavesNoQuestion) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Device phone(rng);
  enrol_device(alice, phone);
  const auto questions = [&] {
    std::int64_t n = 0;
    auto counted = database->write_blocking([&](store::Tx& tx) {
      return tx.one("SELECT COUNT(*) FROM factor_challenge", {}, [&](const store::Row& row) { n = row.integer(0); });
    });
    EXPECT_TRUE(counted);
    return n;
  };
  const std::string pending = started("alice");
  ASSERT_EQ(ask(pending).reply.code(), "ok");
  EXPECT_EQ(questions(), 1);
  ASSERT_EQ(post("/v1/sign-out", "{}", pending).code(), "ok");
  EXPECT_EQ(questions(), 0);
  EXPECT_TRUE(inbox(phone).json.find("prompts")->items().empty());
}

TEST_F(DevicesApiTest, ASecondSessionIsToldToWait) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Device phone(rng);
  enrol_device(alice, phone);
  const std::string first = started("alice");
  const std::string second = started("alice");
  const Asked asked = ask(first);
  ASSERT_EQ(asked.reply.code(), "ok");
  const Asked refused = ask(second);
  EXPECT_EQ(refused.reply.code(), "push_busy");
  EXPECT_EQ(refused.reply.status, 429);
  EXPECT_EQ(refused.reply.fields.at("retry-after"), "30");
  EXPECT_EQ(inbox(phone).json.find("prompts")->items().size(), 1U);
  // Whoever gives up makes room.
  EXPECT_EQ(post("/v1/sign-out", "{}", first).code(), "ok");
  EXPECT_TRUE(inbox(phone).json.find("prompts")->items().empty());
  EXPECT_EQ(ask(second).reply.code(), "ok");
}

TEST_F(DevicesApiTest, ItWasNotMeEndsTheSessionAndItsSourceSleeps) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Device phone(rng);
  enrol_device(alice, phone);
  const std::string pending = started("alice");
  const Asked asked = ask(pending);
  auto told = std::async(std::launch::async, [&] { return wait(pending, asked); });
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(answer(phone, asked, factors::Verdict::not_me).text("state"), "declined");
  ASSERT_EQ(told.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(told.get().code(), "session_ended") << "it learns no more than that";
  EXPECT_EQ(get("/v1/me", pending).code(), "credential_unknown");
  EXPECT_EQ(prove(pending, asked).code(), "credential_unknown");
  EXPECT_EQ(get("/v1/me", alice.handle).code(), "ok") << "other sessions go on";
  const auto answers = entries("push.answer");
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].reason, "push_not_me");
  EXPECT_EQ(answers[0].user_name, "alice");
  EXPECT_FALSE(entries("session.revoke").empty());
  HttpReply notices = get("/v1/notices", alice.handle);
  EXPECT_NE(notices.body.find(R"("kind":"not_me")"), std::string::npos) << notices.body;
  // All of the tests come from one socket: alice's right password is refused there like a wrong one.
  EXPECT_EQ(post("/v1/sign-in", body({{"name", "alice"}, {"password", std::string(kPassword)}}).dump()).code(), "signin_failed");
  EXPECT_EQ(post("/v1/sign-in", body({{"name", "root"}, {"password", std::string(kPassword)}}).dump()).code(), "ok");
  clock.advance(1h + 1s);
  EXPECT_EQ(post("/v1/sign-in", body({{"name", "alice"}, {"password", std::string(kPassword)}}).dump()).code(), "ok");
}

TEST_F(DevicesApiTest, NobodyIsAskedWithoutThePassword) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Device phone(rng);
  enrol_device(alice, phone);
  EXPECT_EQ(ask("").reply.code(), "credential_missing");
  const std::string token = post("/v1/tokens", "{}", alice.handle).text("token");
  EXPECT_EQ(ask(token).reply.code(), "credential_audience");
  EXPECT_EQ(ask(root.handle).reply.code(), "factor_missing");
  EXPECT_TRUE(inbox(phone).json.find("prompts")->items().empty());
}

TEST_F(DevicesApiTest, StrangersAndMalformedCallsGetNothing) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Device phone(rng);
  enrol_device(alice, phone);
  const Asked asked = ask(alice.handle);
  Device stranger(rng);
  stranger.id = FactorId::make(rng);
  EXPECT_EQ(inbox(stranger).code(), "credential_unknown");
  EXPECT_EQ(answer(stranger, asked, factors::Verdict::approve, asked.digits).code(), "credential_unknown");
  stranger.id = phone.id;
  EXPECT_EQ(inbox(stranger).code(), "credential_unknown");
  const std::string time = std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(clock.wall().time_since_epoch()).count());
  const auto raw = [&](const std::string& device, const std::string& when, const std::string& signature) {
    return post("/v1/devices/inbox", R"({"device":")" + device + R"(","time":)" + when + R"(,"signature":")" + signature + "\"}").code();
  };
  const std::string signature = base64url(phone.inbox(clock.wall()).signature);
  EXPECT_EQ(raw(phone.id.text(), time, signature), "ok");
  EXPECT_EQ(raw("fac_x", time, signature), "credential_unknown");
  EXPECT_EQ(raw(phone.id.text(), "-1", signature), "credential_unknown");
  EXPECT_EQ(raw(phone.id.text(), "\"" + time + "\"", signature), "invalid_argument");
  EXPECT_EQ(raw(phone.id.text(), time, "AAAA"), "credential_unknown");
  EXPECT_EQ(raw(phone.id.text(), time, base64url(Bytes(64, 0))), "credential_unknown");
  clock.advance(61s);
  EXPECT_EQ(raw(phone.id.text(), time, signature), "credential_unknown") << "overheard, and too late";
}

TEST_F(DevicesApiTest, EnrolmentTakesAKeyAndAPushServiceAlone) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Device phone(rng);
  const auto refused = [&](json::Value wish) { return bound(alice, "/v1/factors/push", std::move(wish)).detail(); };
  EXPECT_EQ(refused(body({{"public_key", base64url(Bytes(65, 4))}})), "public_key: an uncompressed point of P-256 in base64url");
  EXPECT_EQ(refused(body({{"public_key", phone.public_key() + "="}})), "public_key: an uncompressed point of P-256 in base64url");
  EXPECT_EQ(refused(body({{"public_key", phone.public_key()}, {"subscription", "{}"}})), "subscription: not a PushSubscriptionJSON");
  std::string elsewhere = kSubscription;
  elsewhere.replace(elsewhere.find("fcm.googleapis.com"), 18, "internal.example.x");
  EXPECT_EQ(refused(body({{"public_key", phone.public_key()}, {"subscription", elsewhere}})),
            "subscription: its endpoint is no push service that is open here");
  EXPECT_TRUE(greeted.empty());
  EXPECT_EQ(post("/v1/factors/push", body({{"public_key", phone.public_key()}}).dump(), alice.handle).code(), "factor_exists");
  EXPECT_EQ(get("/v1/push/key", alice.handle).text("application_server_key"), "BA");
}

TEST(ActText, KnownActsAreSentencesAndOthersStandAsTheyAre) {
  EXPECT_EQ(act_text("signin", ""), "Sign in to your account.");
  EXPECT_EQ(act_text("users.create", "mallory administrator"), "Create a user: mallory administrator.");
  EXPECT_EQ(act_text("tools/call", "delete_file x"), "Confirm: tools/call delete_file x");
  EXPECT_EQ(act_text("signin", "something more"), "Confirm: signin something more") << "no word of it is left out";
  EXPECT_EQ(act_text("factor.remove", ""), "Confirm: factor.remove");
}

}  // namespace
}  // namespace vestibule::portal
