// What is offered, what is preferred, and which kinds count as the code of an act.
#include "portal/offers.hpp"

#include <gtest/gtest.h>

#include "factors/tests/authenticator.hpp"
#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using testing::HttpReply;
using testing::kPassword;
using testing::PortalWorld;
using testing::SoftAuthenticator;

constexpr auto kTotp = domain::FactorKind::totp;
constexpr auto kHotp = domain::FactorKind::hotp;
constexpr auto kKey = domain::FactorKind::webauthn;

TEST(Offers, OnlyWhatIsThereAndThePreferredFirst) {
  using Kinds = std::vector<domain::FactorKind>;
  domain::KindSet there;
  there.add(kTotp);
  there.add(kKey);
  EXPECT_EQ(offered({kKey, kTotp, kHotp}, there, {}), (Kinds{kKey, kTotp}));
  EXPECT_EQ(offered({kKey, kTotp, kHotp}, there, kTotp), (Kinds{kTotp, kKey}));
  EXPECT_EQ(offered({kKey, kTotp, kHotp}, there, kHotp), (Kinds{kKey, kTotp})) << "what is gone is not offered";
  EXPECT_EQ(offered({kTotp}, there, kKey), (Kinds{kTotp})) << "what does not satisfy is not preferred into the list";
  EXPECT_EQ(offered({}, there, kKey), Kinds{});
}

TEST(Offers, DisabledOnesAndSyncedPasskeysReachLess) {
  std::vector<factors::FactorInfo> has(3);
  has[0].kind = kTotp;
  has[0].disabled = true;
  has[1].kind = kKey;
  has[1].key.emplace().backup_eligible = true;
  has[2].kind = kHotp;
  EXPECT_FALSE(working(has, 2).has(kTotp));
  EXPECT_TRUE(working(has, 2).has(kKey));
  EXPECT_TRUE(working(has, 2).has(kHotp));
  EXPECT_FALSE(working(has, 3).has(kKey));
  has.push_back(has[1]);
  has[3].key->backup_eligible = false;
  EXPECT_TRUE(working(has, 3).has(kKey));
}

class OffersApiTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override {
    policy_text += R"toml(
[[flow]]
name = "order"
factors = ["totp", "webauthn", "hotp"]
[[flow]]
name = "administration by key"
who = ["role:administrator"]
access_point = ["vestibule"]
level = 2
factors = ["webauthn"]
)toml";
    open();
  }
  static json::Value body(std::initializer_list<std::pair<const char*, std::string>> members) {
    json::Value v{json::Object{}};
    for (const auto& [key, value] : members) v.set(key, value);
    return v;
  }
  void enrol_key(Person& p) {
    HttpReply begun = bound(p, "/v1/factors/webauthn");
    ASSERT_EQ(begun.code(), "ok") << begun.body;
    HttpReply done = post("/v1/factors/" + begun.text("id") + "/confirm", body({{"code", key.create(begun.text("options"))}}).dump(), p.handle);
    ASSERT_EQ(done.code(), "ok") << done.body;
  }
  json::Value touched(const std::string& handle, json::Value into, const std::string& operation, const std::string& about, const char* member) {
    json::Value ask = body({{"kind", "webauthn"}, {"operation", operation}});
    if (!about.empty()) ask.set("object", about);
    HttpReply asked = post("/v1/challenges", ask.dump(), handle);
    EXPECT_EQ(asked.code(), "ok") << asked.body;
    into.set("kind", "webauthn").set("challenge", asked.text("challenge")).set(member, key.get(asked.text("options")));
    return into;
  }
  static std::string joined(const json::Value* list) {
    std::string out;
    if (list == nullptr) return "?";
    for (const json::Value& v : list->items()) out += (out.empty() ? "" : " ") + v.as_string().value_or("?");
    return out;
  }
  std::string second(const Person& p) {
    HttpReply in = post("/v1/sign-in", body({{"name", p.name}, {"password", std::string(kPassword)}}).dump());
    return joined(in.json.find("second"));
  }
  SoftAuthenticator key;
};

TEST_F(OffersApiTest, ThePolicysOrderThenTheLastUsedThenTheChosen) {
  Person root = set_up();
  EXPECT_EQ(second(root), "totp");
  enrol_key(root);
  EXPECT_EQ(second(root), "totp webauthn");
  const std::string pending = started("root");
  EXPECT_EQ(post("/v1/preference", R"({"kind":"webauthn"})", pending).code(), "mfa_required");
  EXPECT_EQ(post("/v1/prove", touched(pending, body({}), "prove", {}, "answer").dump(), pending).code(), "ok");
  EXPECT_EQ(second(root), "webauthn totp");
  // A later step-up with another changes nothing; only the sign-in does, or the wish.
  EXPECT_EQ(post("/v1/prove", body({{"answer", fresh(root)}}).dump(), pending).code(), "ok");
  EXPECT_EQ(second(root), "webauthn totp");
  EXPECT_EQ(post("/v1/preference", R"({"kind":"totp"})", pending).code(), "ok");
  EXPECT_EQ(second(root), "totp webauthn");
  HttpReply me = get("/v1/me", pending);
  EXPECT_EQ(joined(me.json.find("second")), "totp webauthn");
  EXPECT_EQ(joined(me.json.find("access_points")->items()[0].find("offer")), "totp webauthn");
  EXPECT_EQ(joined(me.json.find("signals")), "") << "nothing is known here, so nothing is new";
  for (const char* kind : {"hotp", "password", "recovery_code"}) {
    EXPECT_EQ(post("/v1/preference", body({{"kind", kind}}).dump(), pending).code(), "factor_missing") << kind;
  }
  EXPECT_EQ(post("/v1/preference", R"({"kind":"sms"})", pending).code(), "invalid_argument");
  // A wrong answer, or none, leaves it as it was.
  const std::string other = started("root");
  EXPECT_EQ(post("/v1/prove", body({{"answer", "000000"}}).dump(), other).code(), "code_wrong");
  EXPECT_EQ(second(root), "totp webauthn");
}

TEST_F(OffersApiTest, AnActTakesTheKindsThatCountForIt) {
  Person root = set_up();
  // Codes alone administer nothing here, and the offer says that there is nothing to prove it with.
  HttpReply refused = get("/v1/users", root.handle);
  EXPECT_EQ(refused.code(), "mfa_required");
  EXPECT_NE(refused.detail().find("administration by key"), std::string::npos) << refused.body;
  enrol_key(root);
  EXPECT_EQ(get("/v1/users", root.handle).code(), "ok") << "the new key's first answer counts";
  EXPECT_EQ(bound(root, "/v1/users", body({{"name", "alice"}})).code(), "mfa_required") << "a code does not count for the act itself";
  EXPECT_EQ(post("/v1/users", touched(root.handle, body({{"name", "alice"}}), "users.create", "alice member", "code").dump(), root.handle).code(), "ok");
  // What was refused was not charged.
  HttpReply held = get("/v1/factors", root.handle);
  for (const json::Value& f : held.json.find("factors")->items()) EXPECT_EQ(f.get_int("failures").value_or(-1), 0);
}

TEST_F(OffersApiTest, ExplainTakesSignals) {
  Person root = set_up();
  HttpReply why = post("/v1/policy/explain", R"({"access_point":"lab","operation":"chat","signals":["new_source","prompt_flood"]})", root.handle);
  ASSERT_EQ(why.code(), "ok") << why.body;
  EXPECT_EQ(joined(why.json.find("explanation")->find("signals")), "new_source prompt_flood");
  EXPECT_NE(why.text("text").find("max_age  15m   signal new_source, signal prompt_flood"), std::string::npos) << why.text("text");
  EXPECT_EQ(post("/v1/policy/explain", R"({"access_point":"lab","operation":"chat","signals":["x"]})", root.handle).code(), "invalid_argument");
  EXPECT_EQ(post("/v1/policy/explain", R"({"access_point":"lab","operation":"chat","signals":[]})", root.handle).code(), "ok");
}

}  // namespace
}  // namespace vestibule::portal
