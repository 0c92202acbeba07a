#include "policy/deadline.hpp"

#include "policy/compare.hpp"
#include "policy/explanation.hpp"
#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;

std::string deadline(const std::string& role = "administrator", const std::string& needs = "webauthn",
                     const std::string& by = "2026-03-01") {
  return "[[factor_deadline]]\nrole = \"" + role + "\"\nneeds = \"" + needs + "\"\nby = \"" + by + "\"\n";
}

Policy parsed(const std::string& text) {
  auto result = Policy::parse(text, "policy.toml");
  EXPECT_TRUE(result) << result.text();
  return *result.policy;
}

domain::Subject somebody(std::string_view role) {
  domain::Subject s;
  s.user.bytes[0] = 1;
  s.roles.push_back(domain::intern(role));
  return s;
}

TEST(Deadline, HoldsFromTheEndOfItsDay) {
  const Policy p = parsed(deadline());
  ASSERT_EQ(p.deadlines().size(), 1U);
  const auto none = [](FactorKind) { return false; };
  const auto admin = somebody("administrator");
  EXPECT_EQ(overdue(p.deadlines(), admin, at("2026-03-01T23:59:59Z"), none), nullptr);
  const Deadline* d = overdue(p.deadlines(), admin, at("2026-03-02T00:00:00Z"), none);
  ASSERT_NE(d, nullptr);
  EXPECT_EQ(text(*d), "role administrator needs webauthn since 2026-03-01");
  EXPECT_EQ(overdue(p.deadlines(), somebody("member"), at("2026-03-02T00:00:00Z"), none), nullptr);
  const auto key = [](FactorKind k) { return k == FactorKind::webauthn; };
  EXPECT_EQ(overdue(p.deadlines(), admin, at("2027-01-01T00:00:00Z"), key), nullptr);
  const auto app = [](FactorKind k) { return k == FactorKind::totp; };
  EXPECT_NE(overdue(p.deadlines(), admin, at("2027-01-01T00:00:00Z"), app), nullptr) << "another kind";
}

TEST(Deadline, EachOneMustBeMet) {
  const Policy p = parsed(deadline() + deadline("administrator", "totp", "2026-05-01") + deadline("member", "totp", "2026-01-31"));
  const auto key = [](FactorKind k) { return k == FactorKind::webauthn; };
  EXPECT_EQ(overdue(p.deadlines(), somebody("administrator"), at("2026-05-01T12:00:00Z"), key), nullptr);
  EXPECT_NE(overdue(p.deadlines(), somebody("administrator"), at("2026-05-02T12:00:00Z"), key), nullptr);
}

TEST(Deadline, WhatIsWrongIsToldByLineAndKey) {
  struct Row {
    std::string text, says;
  };
  for (const Row& r : std::vector<Row>{
           {deadline("administrator", "password"), "factor_deadline[1].needs: is no kind"},
           {deadline("administrator", "recovery_code"), "factor_deadline[1].needs: is no kind"},
           {deadline("administrator", "telepathy"), "factor_deadline[1].needs: is no kind"},
           {deadline("administrator", "totp", "2026-02-30"), "factor_deadline[1].by: is no day"},
           {deadline("administrator", "totp", "2026-3-1"), "factor_deadline[1].by: is no day"},
           {deadline("administrator", "totp", "2026-03-01T00:00:00Z"), "factor_deadline[1].by: is no day"},
           {deadline("An Admin"), "factor_deadline[1].role: is no role"},
           {deadline() + deadline("administrator", "webauthn", "2027-01-01"), "a deadline for this kind already"},
           {"[[factor_deadline]]\nrole = \"member\"\n", "needs"}}) {
    const ParseResult result = Policy::parse(r.text, "policy.toml");
    EXPECT_FALSE(result) << r.text;
    EXPECT_NE(result.text().find(r.says), std::string::npos) << result.text();
  }
  std::string many;
  for (std::size_t i = 0; i <= kMaxDeadlines; ++i) many += deadline("r" + std::to_string(i));
  EXPECT_FALSE(Policy::parse(many, "policy.toml"));
}

TEST(Deadline, OneThatNobodyCanMeetIsRefused) {
  domain::KindSet codes;
  codes.add(FactorKind::totp);
  EXPECT_TRUE(Policy::parse(deadline("member", "totp"), "policy.toml", codes));
  const ParseResult key = Policy::parse("\n" + deadline("member", "webauthn"), "policy.toml", codes);
  EXPECT_FALSE(key);
  EXPECT_TRUE(key.text().starts_with("policy.toml:4:")) << key.text();
  EXPECT_NE(key.text().find("factor_deadline[1].needs: nobody can enrol webauthn here: there is no portal"), std::string::npos) << key.text();
  const ParseResult plugin = Policy::parse(deadline("member", "external"), "policy.toml", codes);
  EXPECT_NE(plugin.text().find("no plug-in is configured"), std::string::npos) << plugin.text();
}

TEST(Deadline, CanonicalTextParsesBackWhateverTheOrder) {
  const std::string a = deadline() + deadline("member", "totp", "2026-01-31");
  const std::string b = deadline("member", "totp", "2026-01-31") + "# x\n" + deadline();
  EXPECT_EQ(parsed(a).digest(), parsed(b).digest());
  EXPECT_EQ(parsed(parsed(a).canonical()).digest(), parsed(a).digest());
  EXPECT_NE(parsed(a).digest(), parsed(deadline()).digest());
}

TEST(Deadline, TakingAwayOrPuttingOffLoosens) {
  struct Row {
    const char* name;
    std::string before, after;
    bool loosens;
  };
  for (const Row& r : std::vector<Row>{
           {"added", "", deadline(), false},
           {"removed", deadline(), "", true},
           {"later", deadline(), deadline("administrator", "webauthn", "2026-03-02"), true},
           {"earlier", deadline(), deadline("administrator", "webauthn", "2026-02-28"), false},
           {"another kind", deadline(), deadline("administrator", "totp"), true},
           {"another role", deadline(), deadline("member"), true}}) {
    const auto differences = compare(parsed(r.before), parsed(r.after));
    EXPECT_FALSE(differences.empty()) << r.name;
    EXPECT_EQ(loosens(differences), r.loosens) << r.name;
  }
}

TEST(Deadline, TheExplanationSaysWhatToDo) {
  const Policy p = parsed(deadline());
  Explanation e;
  e.decision.outcome = Outcome::allow;
  e.remedies = {"something"};
  explain_overdue(e, p.deadlines().front());
  EXPECT_EQ(e.decision.outcome, Outcome::deny);
  EXPECT_EQ(e.decision.reason, Reason::factor_overdue);
  EXPECT_NE(e.text().find("role administrator needs webauthn since 2026-03-01: enrol one"), std::string::npos) << e.text();
}

}  // namespace
}  // namespace vestibule::policy
