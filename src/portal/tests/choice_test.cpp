// A choice of numbers over the control API: what it opens, and that nothing else takes it for more.
#include <gtest/gtest.h>

#include "portal/tests/device_world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;
using factors::Verdict;
using testing::Device;
using testing::DeviceWorld;
using testing::HttpReply;

const std::string kKind = "push_choice";
const std::string kDigits = "push = \"digits\"\n";
const std::string kChoice = "push = \"choice\"\n";

class ChoiceApiTest : public ::testing::Test, public DeviceWorld {
 protected:
  void SetUp() override {
    policy_text = policy(kChoice);
    open();
    std::vector<access::AccessPoint> points(2);
    points[0].name = "easy";
    points[0].sensitivity = domain::Sensitivity::low;
    points[1].name = "lab";
    points[1].prefix = "/lab";
    for (access::AccessPoint& p : points) p.upstreams = {"http://127.0.0.1:1"};
    auto built = access::Catalogue::build(std::move(points), {"localhost"});
    ASSERT_TRUE(built);
    catalogue = *built;
    root = set_up();
    alice = create(root, "alice", "member");
    enrol_device(alice, phone);
  }
  static std::string policy(const std::string& push) {
    std::string text(policy::default_policy_text());
    const std::string at = "[sensitivity.low]\n";
    text.insert(text.find(at) + at.size(), push);
    // So that a session is still there when its proof has lapsed.
    const std::string age = "max_age = \"12h\"";
    text.replace(text.find(age), age.size(), "max_age = \"30m\"");
    const std::string moderate = "max_age = \"1h\"";
    return text.replace(text.find(moderate), moderate.size(), "max_age = \"20m\"");
  }
  /// Time goes by; the sessions are used, and nothing is proved.
  void later(Duration d) {
    for (Duration gone{}; gone < d; gone += 10min) {
      clock.advance(10min);
      ASSERT_EQ(get("/v1/me", alice.handle).code(), "ok");
      ASSERT_EQ(get("/v1/me", root.handle).code(), "ok");
    }
  }
  Asked choose(const std::string& operation = "prove", const std::string& object = {}) { return ask(alice.handle, operation, object, kKind); }
  /// "easy" or "lab": "allow", "step_up", ...; and what is offered.
  std::string outcome(const std::string& point) { return about(point).get_string("outcome").value_or("?"); }
  std::vector<std::string> offer(const std::string& point) {
    std::vector<std::string> out;
    const json::Value at = about(point);
    for (const json::Value& k : at.find("offer")->items()) out.push_back(k.as_string().value_or("?"));
    return out;
  }
  json::Value about(const std::string& point) {
    const HttpReply me = get("/v1/me", alice.handle);
    for (const json::Value& p : me.json.find("access_points")->items()) {
      if (p.get_string("name").value_or("") == point) return p;
    }
    ADD_FAILURE() << me.body;
    return json::Value(json::Object{});
  }
  void pick_right() {
    const Asked asked = choose();
    ASSERT_EQ(asked.reply.code(), "ok") << asked.reply.body;
    ASSERT_EQ(answer(phone, asked, Verdict::approve, asked.digits).text("state"), "approved");
    const HttpReply proved = prove(alice.handle, asked, kKind);
    ASSERT_EQ(proved.code(), "ok") << proved.body;
    EXPECT_NE(proved.body.find(R"("factor":"push_choice")"), std::string::npos) << proved.body;
  }
  void put_policy(const std::string& text) {
    policy_text = text;
    ASSERT_EQ(post("/v1/prove", body({{"answer", fresh(root)}}).dump(), root.handle).code(), "ok");
    ASSERT_EQ(post("/v1/policy/reload", "{}", root.handle).code(), "ok");
  }

  Person root, alice;
  Device phone{rng};
};

TEST_F(ChoiceApiTest, OpensWhatIsOfSensitivityLowAndNothingElse) {
  later(40min);
  EXPECT_EQ(outcome("easy"), "step_up");
  EXPECT_EQ(outcome("lab"), "step_up");
  EXPECT_EQ(offer("easy"), (std::vector<std::string>{"totp", "push_choice", "push"}));
  EXPECT_EQ(offer("lab"), (std::vector<std::string>{"totp", "push"}));
  const Asked asked = choose();
  ASSERT_EQ(asked.reply.code(), "ok") << asked.reply.body;
  ASSERT_EQ(asked.digits.size(), 2U);
  const HttpReply seen = inbox(phone);
  const json::Value& prompt = seen.json.find("prompts")->items()[0];
  EXPECT_EQ(prompt.get_string("match").value_or(""), "choose");
  ASSERT_EQ(prompt.find("choices")->items().size(), 3U) << seen.body;
  EXPECT_EQ(answer(phone, asked, Verdict::approve, asked.digits).text("state"), "approved");
  const HttpReply proved = prove(alice.handle, asked, kKind);
  ASSERT_EQ(proved.code(), "ok") << proved.body;
  EXPECT_EQ(proved.json.get_int("level").value_or(-1), 1) << "of the whole: the password alone";
  EXPECT_EQ(prove(alice.handle, asked, kKind).code(), "code_wrong");
  EXPECT_EQ(outcome("easy"), "allow");
  EXPECT_EQ(outcome("lab"), "step_up");
  later(40min);
  EXPECT_EQ(outcome("easy"), "step_up") << "it lapses like others";
}

TEST_F(ChoiceApiTest, DisplacesNothingThatCountsForMore) {
  const Asked digits = ask(alice.handle);
  ASSERT_EQ(answer(phone, digits, Verdict::approve, digits.digits).text("state"), "approved");
  ASSERT_EQ(prove(alice.handle, digits).code(), "ok");
  EXPECT_EQ(outcome("lab"), "allow");
  pick_right();
  EXPECT_EQ(outcome("lab"), "allow") << "by the digits of the same device";
  later(30min);
  EXPECT_EQ(outcome("lab"), "step_up");
}

TEST_F(ChoiceApiTest, IsRefusedForASignInAndForEveryAct) {
  const std::string pending = started("alice");
  EXPECT_EQ(ask(pending, "prove", {}, kKind).reply.code(), "push_digits");
  EXPECT_EQ(ask(pending, "step-up", {}, kKind).reply.code(), "invalid_argument") << "by its inner name neither";
  EXPECT_EQ(get("/v1/sessions", pending).code(), "mfa_required");
  for (const auto& [operation, object] : std::vector<std::pair<std::string, std::string>>{
           {"factor.add", "totp"}, {"factor.remove", phone.id.text()}, {"factor.recovery_codes", ""}, {"password.change", ""},
           {"signin", ""}, {"users.create", "x member"}, {"policy.approve", "00"}, {"stops.lift", "all"}}) {
    const Asked refused = choose(operation, object);
    EXPECT_EQ(refused.reply.code(), "push_digits") << operation;
    EXPECT_EQ(refused.reply.status, 409);
  }
  EXPECT_TRUE(inbox(phone).json.find("prompts")->items().empty()) << "the device hears nothing of it";
  // A pick that was asked for a step-up is the code of no act.
  const Asked asked = choose();
  ASSERT_EQ(answer(phone, asked, Verdict::approve, asked.digits).text("state"), "approved");
  for (const char* kind : {"push_choice", "push"}) {
    const json::Value code = body({{"code", ""}, {"kind", kind}, {"challenge", asked.id}});
    EXPECT_NE(post("/v1/factors/" + phone.id.text() + "/remove", code.dump(), alice.handle).code(), "ok") << kind;
    EXPECT_NE(post("/v1/recovery-codes", code.dump(), alice.handle).code(), "ok") << kind;
  }
  EXPECT_NE(prove(pending, asked, kKind).code(), "ok");
  EXPECT_EQ(prove(alice.handle, asked, kKind).code(), "ok") << "and all of that has not used it up";
  EXPECT_EQ(post("/v1/preference", body({{"kind", kKind}}).dump(), alice.handle).code(), "factor_missing");
}

TEST_F(ChoiceApiTest, OpensNoAdministration) {
  Device desk(rng);
  enrol_device(root, desk);
  ASSERT_EQ(get("/v1/users", root.handle).code(), "ok");
  later(50min);
  ASSERT_EQ(get("/v1/users", root.handle).code(), "mfa_lapsed");
  const Asked asked = ask(root.handle, "prove", {}, kKind);
  ASSERT_EQ(asked.reply.code(), "ok") << asked.reply.body;
  ASSERT_EQ(answer(desk, asked, Verdict::approve, asked.digits).text("state"), "approved");
  ASSERT_EQ(prove(root.handle, asked, kKind).code(), "ok");
  EXPECT_EQ(get("/v1/users", root.handle).code(), "mfa_lapsed");
  EXPECT_EQ(get("/v1/audit", root.handle).code(), "mfa_lapsed");
}

TEST_F(ChoiceApiTest, ThePolicyIsAskedWhenItIsAskedWhenItIsSpentAndAtEveryAct) {
  later(40min);
  pick_right();
  ASSERT_EQ(outcome("easy"), "allow");
  const Asked open = choose();
  ASSERT_EQ(open.reply.code(), "ok");
  put_policy(policy(kDigits));
  EXPECT_EQ(outcome("easy"), "step_up") << "what was proved counts no more";
  EXPECT_EQ(choose().reply.code(), "push_digits");
  EXPECT_EQ(answer(phone, open, Verdict::approve, open.digits).text("state"), "approved");
  EXPECT_EQ(prove(alice.handle, open, kKind).code(), "push_digits");
  EXPECT_EQ(prove(alice.handle, open).code(), "code_wrong") << "nor as if digits had been typed";
  // To allow it loosens: until somebody approves, both policies hold.
  put_policy(policy(kChoice));
  EXPECT_EQ(choose().reply.code(), "push_digits");
}

}  // namespace
}  // namespace vestibule::portal
