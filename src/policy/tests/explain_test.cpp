#include "policy/explanation.hpp"

#include "json/value.hpp"
#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;

Explanation explain(const Policy& p, const Call& c) {
  const Situated s(c);
  return p.explain(s.act, s.subject, s.evidence, s.source, s.now, s.trusted, s.signals);
}
const Explanation::RuleLine& line(const Explanation& e, const std::string& name) {
  for (const auto& r : e.rules) {
    if (r.name == name) return r;
  }
  ADD_FAILURE() << name;
  return e.rules.front();
}
const Explanation::Part& part(const Explanation& e, const std::string& what) {
  for (const auto& p : e.parts) {
    if (p.what == what) return p;
  }
  ADD_FAILURE() << what;
  static const Explanation::Part none;
  return none;
}

TEST(Explain, SaysWhichMatcherDoesNotFit) {
  struct Row { const char* rest; Call call; const char* says; };
  const Row rows[] = {
      {"who = [\"role:auditor\"]", {}, "who: \"alice\" has role:member; the rule asks for role:auditor"},
      {"who = [\"role:auditor\"]", {.roles = {}}, "who: \"alice\" has no role or group; the rule asks for role:auditor"},
      {"access_point = [\"lab-*\"]", {}, "access_point: \"demo\" is not in lab-*"},
      {"access_point = [\"*\"]", {.access_point = "vestibule"}, "access_point: the administration must be named: add \"vestibule\""},
      {"operation = [\"embed\", \"models.*\"]", {}, "operation: \"chat\" is not in embed, models.*"},
      {"model = [\"big*\"]", {}, "model: \"tiny-1\" is not in big*"},
      {"model = [\"big*\"]", {.model = ""}, "model: the act names none; the rule asks for big*"},
      {"network = [\"10.0.0.0/8\"]", {}, "network: 192.0.2.7 is not in 10.0.0.0/8"},
      {"hours = [\"Mon-Fri 08:00-10:00\"]\nzone = \"Europe/Berlin\"", {}, "hours: Mon 11:00 in Europe/Berlin is outside Mon-Fri 08:00-10:00"},
      {"hours = [\"00:00-23:00\"]\nzone = \"UTC\"", {.trusted = false}, "hours: the clock is not trusted, so the hour is not known"},
      {"", {.signed_in = false}, "who: nobody is signed in"},
      {"operation = [\"x\\u0024y\"]", {.operation = "a\x1b[31m\"b"}, "operation: \"a?[31m?b\" is not in x$y"},
  };
  for (const Row& r : rows) {
    const auto e = explain(must_parse(allow(r.rest)), r.call);
    ASSERT_EQ(e.rules.size(), 1U);
    EXPECT_FALSE(e.rules[0].matched);
    EXPECT_EQ(e.rules[0].line, 1);
    ASSERT_EQ(e.rules[0].why_not.size(), 1U) << r.says;
    EXPECT_EQ(e.rules[0].why_not[0], r.says);
    EXPECT_EQ(e.decision.outcome, Outcome::deny);
    ASSERT_EQ(e.remedies.size(), 1U);
  }
}

TEST(Explain, NamesWhoAskedForEachPart) {
  const Policy p = must_parse(allow("", "base") + allow("max_age = \"10m\"", "fresh") + allow("max_age = \"10m\"\nlevel = 2", "also") +
                              allow("confirm = \"self\"", "careful") + allow("level = 3\nmodel = [\"big\"]", "big"));
  const auto e = explain(p, {});
  using List = std::vector<std::string>;
  EXPECT_EQ(part(e, "level").from, (List{"sensitivity moderate", "rule \"also\""}));
  EXPECT_EQ(part(e, "max_age").value, "10m");
  EXPECT_EQ(part(e, "max_age").from, (List{"rule \"also\"", "rule \"fresh\""}));
  EXPECT_EQ(part(e, "confirm").from, List{"rule \"careful\""});
  EXPECT_TRUE(line(e, "fresh").matched);
  EXPECT_FALSE(line(e, "big").matched);
  EXPECT_EQ(e.remedies, List{"confirm this one act with a factor"});
}

TEST(Explain, SaysWhatWouldHelp) {
  struct Row { std::string policy; Call call; const char* says; };
  const Row rows[] = {
      {allow() + deny("model = [\"tiny*\"]", "no tiny"), {}, "rule \"no tiny\" (line 5) denies this"},
      {allow("model = [\"x\"]\nwho = [\"role:y\"]", "far") + allow("model = [\"x\"]", "near"), {}, "rule \"near\" (line 6) is near: model:"},
      {"", {}, "no allow rule at all"},
      {allow(), {.proofs = {kPassword}}, "prove level 2: factors of two different kinds"},
      {allow("level = 3"), {}, "prove level 3: a phishing-resistant factor"},
      {allow(), {.proofs = {kPassword, totp(2h)}}, "prove the second factor again: for level 2 it may be 1h old"},
      {allow(), {.trusted = false}, "set the clock right"},
  };
  for (const Row& r : rows) {
    const auto e = explain(must_parse(r.policy), r.call);
    ASSERT_FALSE(e.remedies.empty()) << r.says;
    EXPECT_NE(e.remedies[0].find(r.says), std::string::npos) << e.remedies[0];
  }
  EXPECT_TRUE(explain(must_parse(allow()), {}).remedies.empty());
  EXPECT_EQ(explain(must_parse(allow("confirm = \"self\"")), {.proofs = {}}).remedies.size(), 3U);
}

TEST(Explain, ProofsHaveTheirAges) {
  const auto e = explain(must_parse(allow("max_age = \"10m\"")), {.proofs = {kPassword, totp(12min), totp(4min), {FactorKind::recovery_code}}});
  ASSERT_EQ(e.proofs.size(), 4U);
  EXPECT_TRUE(e.proofs[0].counts);
  EXPECT_EQ(e.proofs[1].why, "lapsed: older than 10m by 2 min 0 s");
  EXPECT_FALSE(e.proofs[1].counts);
  EXPECT_EQ(e.proofs[2].why, "counts for 6 min 0 s more");
  EXPECT_FALSE(e.proofs[3].counts);
  EXPECT_EQ(e.level, 2);
}

TEST(Explain, TextAndJson) {
  const Policy p = must_parse(std::string(default_policy_text()));
  const auto e = explain(p, {.proofs = {kPassword, totp(62min)}});
  // The kinds that there are stand in the last line.
  std::string text = e.text(Explanation::Rules::matching);
  const std::size_t last = text.find("  would satisfy: a passkey or a security key, a code from an authenticator app, ");
  ASSERT_NE(last, std::string::npos) << text;
  EXPECT_TRUE(text.ends_with(", proved within the last 1 h\n")) << text;
  text.resize(last);
  EXPECT_EQ(text,
            R"("alice" (role:member) asks for "chat" of "tiny-1" at "demo" (sensitivity moderate) from 192.0.2.7 at 2026-11-23T10:00:00Z
-> step_up: mfa_lapsed (rule "members use models")

rules
  + allow "members use models" (line 43)

needed
  level    2     sensitivity moderate
  max_age  1h    sensitivity moderate

proved (level 1)
  + password, 0 s ago: something known: counts as long as the session lives
  - totp, 1 h 2 min ago: lapsed: older than 1h by 2 min 0 s

what would help
  prove the second factor again: for level 2 it may be 1h old at most
)");
  EXPECT_NE(e.text().find("- allow \"auditors read\""), std::string::npos);
  for (const Call& c : {Call{}, Call{.proofs = {}}, Call{.operation = "\x01\xff"}}) {
    const auto parsed = json::parse(explain(p, c).json());
    ASSERT_TRUE(parsed) << explain(p, c).json();
  }
  EXPECT_NE(e.json().find("\"reason\":\"mfa_lapsed\",\"rule\":\"members use models\""), std::string::npos) << e.json();
}

// explain() and decide() must not disagree: the rules marked as matching are those that decided.
TEST(Explain, AgreesWithTheDecision) {
  const Policy p = must_parse(std::string(default_policy_text()) + allow("hours = [\"00:00-12:00\"]\nzone = \"UTC\"\nlevel = 3", "h") + deny("hours = [\"09:00-11:00\"]\nzone = \"UTC\"\nmodel = [\"x\"]"));
  for (const char* role : {"member", "administrator", "auditor", "none"}) {
    for (const char* model : {"x", "y"}) {
      for (const bool trusted : {true, false}) {
        const auto e = explain(p, {.model = model, .roles = {role}, .trusted = trusted});
        bool denied = false;
        bool allowed = false;
        for (const auto& r : e.rules) (r.allow ? allowed : denied) |= r.matched;
        EXPECT_EQ(e.decision.outcome == Outcome::deny, denied || !allowed) << e.text();
      }
    }
  }
}

}  // namespace
}  // namespace vestibule::policy
