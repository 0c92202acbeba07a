// A choice of numbers on a push device: where it counts, and where nothing makes it count.
#include <algorithm>

#include "policy/compare.hpp"
#include "policy/explanation.hpp"
#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;

const std::string kAllowed = "[sensitivity.low]\npush = \"choice\"\n";

Shown choice(Duration age = 0us) { return {FactorKind::push_choice, age}; }
Shown push(Duration age = 0us) { return {FactorKind::push, age}; }
Call low(std::vector<Shown> proofs, Signals signals = {}, std::string access_point = "demo") {
  return {.access_point = std::move(access_point), .sensitivity = Sensitivity::low, .proofs = std::move(proofs), .signals = signals};
}

TEST(Choice, CountsAtSensitivityLowWhereItIsAllowedAndNowhereElse) {
  struct Row {
    const char* name;
    std::string policy;
    Call call;
    Outcome outcome;
  };
  std::vector<Row> rows = {
      {"allowed", kAllowed + allow(), low({kPassword, choice()}), kAllow},
      {"not allowed", allow(), low({kPassword, choice()}), kStepUp},
      {"said to be digits", "[sensitivity.low]\npush = \"digits\"\n" + allow(), low({kPassword, choice()}), kStepUp},
      {"without the password", kAllowed + allow(), low({choice()}), kStepUp},
      {"lapsed", kAllowed + allow(), low({kPassword, choice(12h + 1s)}), kStepUp},
      {"not quite", kAllowed + allow(), low({kPassword, choice(12h - 1s)}), kAllow},
      {"a rule that asks for a fresher one", kAllowed + allow("max_age = \"15m\""), low({kPassword, choice(16min)}), kStepUp},
      {"a fresh one for that rule", kAllowed + allow("max_age = \"15m\""), low({kPassword, choice(14min)}), kAllow},
      {"a rule of level 3", kAllowed + allow("level = 3"), low({kPassword, choice()}), kStepUp},
      {"a rule's confirmation is not given by it", kAllowed + allow("confirm = \"self\""), low({kPassword, choice()}), Outcome::confirm},
      {"moderate", kAllowed + allow(), {.sensitivity = Sensitivity::moderate, .proofs = {kPassword, choice()}}, kStepUp},
      {"high", kAllowed + allow(), {.sensitivity = Sensitivity::high, .proofs = {kPassword, choice()}}, kStepUp},
      {"critical", kAllowed + allow(), {.sensitivity = Sensitivity::critical, .proofs = {kPassword, choice()}}, kStepUp},
      {"the administration, even if it were of sensitivity low", kAllowed + allow("access_point = [\"vestibule\"]"), low({kPassword, choice()}, {}, "vestibule"), kStepUp},
      {"a flow that lists push", kAllowed + allow() + flow("\"totp\", \"push\""), low({kPassword, choice()}), kAllow},
      {"a flow that does not", kAllowed + allow() + flow("\"totp\""), low({kPassword, choice()}), kStepUp},
      {"a flow gives nothing where it is not allowed", allow() + flow("\"push\""), low({kPassword, choice()}), kStepUp},
      {"two flows, of which one lists push", kAllowed + allow() + flow("\"push\"") + flow("\"totp\"", "", "g"), low({kPassword, choice()}), kStepUp},
      {"digits beside it count at moderate", kAllowed + allow(), {.proofs = {kPassword, push(10min), choice()}}, kAllow},
      {"digits that have lapsed beside it do not", kAllowed + allow(), {.proofs = {kPassword, push(61min), choice()}}, kStepUp},
      {"a clock set back", kAllowed + allow(), {.sensitivity = Sensitivity::low, .proofs = {kPassword, choice()}, .trusted = false}, kStepUp},
      {"two choices are not two factors", kAllowed + allow(), low({choice(), choice()}), kStepUp},
  };
  for (const Signal s : domain::kSignals) {
    const bool off = s == Signal::destructive_tool;  // unless a policy speaks of it
    rows.push_back({"a signal", kAllowed + allow() + (off ? on_signal(s, "max_age = \"1h\"") : ""), low({kPassword, choice()}, Signals().raise(s)), kStepUp});
    rows.push_back({"digits in spite of a signal", kAllowed + allow(), low({kPassword, push()}, Signals().raise(s)), kAllow});
    rows.push_back({"a signal that is switched off", kAllowed + allow() + on_signal(s, "max_age = \"24h\""), low({kPassword, choice()}, Signals().raise(s)), kAllow});
  }
  for (const Row& r : rows) {
    SCOPED_TRACE(r.name);
    const auto d = Situated(r.call).decide(must_parse(r.policy));
    EXPECT_EQ(domain::name(d.outcome), domain::name(r.outcome)) << d.rule.view();
  }
}

TEST(Choice, TimeLeftIsItsOwn) {
  const Policy p = must_parse(kAllowed + allow());
  EXPECT_EQ(Situated(low({kPassword, choice(2h)})).decide(p).time_left, 10h);
  EXPECT_EQ(Situated(Call{.proofs = {kPassword, push(20min), choice()}}).decide(p).time_left, 40min) << "of moderate";
}

TEST(Choice, WhileAPolicyWaitsBothMustAllowIt) {
  const Policy with = must_parse(kAllowed + allow());
  const Policy without = must_parse(allow());
  const Situated s(low({kPassword, choice()}));
  const auto both = [&](const Policy& a, const Policy& b) {
    return decide_both(a, &b, s.act, s.subject, s.evidence, s.source, s.now, true, s.signals).outcome;
  };
  EXPECT_EQ(both(with, with), kAllow);
  EXPECT_EQ(both(with, without), kStepUp);
  EXPECT_EQ(both(without, with), kStepUp);
  EXPECT_TRUE(with.allows_choice());
  EXPECT_FALSE(without.allows_choice());
}

TEST(Choice, IsOfferedBeforeTheDigitsWhereItWouldDo) {
  const auto offered = [](const std::string& policy, const Call& call) {
    const Policy p = must_parse(policy);
    const Situated s(call);
    auto kinds = p.offer(call.access_point, s.subject, s.decide(p).need);
    std::erase_if(kinds, [](FactorKind k) { return k != FactorKind::push && k != FactorKind::push_choice && k != FactorKind::totp; });
    return kinds;
  };
  using Offers = std::vector<FactorKind>;
  const Offers digits{FactorKind::totp, FactorKind::push};
  EXPECT_EQ(offered(kAllowed + allow(), low({kPassword})), (Offers{FactorKind::totp, FactorKind::push_choice, FactorKind::push}));
  EXPECT_EQ(offered(kAllowed + allow() + flow("\"push\", \"totp\""), low({kPassword})), (Offers{FactorKind::push_choice, FactorKind::push, FactorKind::totp}));
  EXPECT_EQ(offered(kAllowed + allow() + flow("\"totp\""), low({kPassword})), Offers{FactorKind::totp});
  EXPECT_EQ(offered(allow(), low({kPassword})), digits);
  EXPECT_EQ(offered(kAllowed + allow(), {.proofs = {kPassword}}), digits) << "moderate";
  EXPECT_EQ(offered(kAllowed + allow(), low({kPassword}, Signals().raise(Signal::new_source))), digits);
  EXPECT_EQ(offered(kAllowed + allow("access_point = [\"vestibule\"]"), low({kPassword}, {}, "vestibule")), digits);
  const Policy p = must_parse(kAllowed + allow());
  const auto at_sign_in = p.sign_in_order(Situated({}).subject);
  EXPECT_EQ(std::count(at_sign_in.begin(), at_sign_in.end(), FactorKind::push_choice), 0);
}

TEST(Choice, IsASettingOfSensitivityLowAlone) {
  for (const char* sensitivity : {"moderate", "high", "critical"}) {
    const auto r = Policy::parse("# x\n[sensitivity." + std::string(sensitivity) + "]\npush = \"choice\"\n", "policy.toml");
    ASSERT_EQ(r.problems.size(), 1U) << r.text();
    EXPECT_EQ(r.text(), "policy.toml:3:8: sensitivity." + std::string(sensitivity) + ".push: \"choice\" is a guess in three: it is there for sensitivity low alone\n");
    EXPECT_TRUE(Policy::parse("[sensitivity." + std::string(sensitivity) + "]\npush = \"digits\"\n", "policy.toml"));
  }
  for (const char* wrong : {"[sensitivity.low]\npush = \"yes\"\n", "[sensitivity.low]\npush = true\n", "[signal.new_source]\npush = \"choice\"\n",
                            "[[rule]]\nname = \"a\"\neffect = \"allow\"\npush = \"choice\"\n"}) {
    EXPECT_FALSE(Policy::parse(wrong, "policy.toml")) << wrong;
  }
  for (const char* list : {"\"push_choice\"", "\"push\", \"push_choice\""}) {
    const auto r = Policy::parse(flow(list), "policy.toml");
    ASSERT_FALSE(r) << list;
    EXPECT_NE(r.text().find("\"push_choice\" is no factor of its own"), std::string::npos) << r.text();
  }
  EXPECT_FALSE(Policy::parse("[[factor_deadline]]\nrole = \"member\"\nneeds = \"push_choice\"\nby = \"2030-01-01\"\n", "policy.toml"));
}

TEST(Choice, StandsInTheDigestAndLoosens) {
  const Policy with = must_parse(kAllowed + allow());
  const Policy without = must_parse(allow());
  EXPECT_EQ(must_parse(with.canonical()).digest(), with.digest());
  EXPECT_NE(with.digest(), without.digest());
  EXPECT_EQ(must_parse("[sensitivity.low]\npush = \"digits\"\n" + allow()).digest(), without.digest()) << "what is not said was not changed";
  EXPECT_EQ(without.canonical().find("push"), std::string::npos);
  const auto come = compare(without, with);
  ASSERT_EQ(come.size(), 1U);
  EXPECT_EQ(come.front().text, "sensitivity low: push was digits, is choice");
  EXPECT_TRUE(come.front().loosens);
  const auto gone = compare(with, without);
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone.front().text, "sensitivity low: push was choice, is digits");
  EXPECT_FALSE(gone.front().loosens);
  // A signal that is switched off lets it through again, and a flow that lists push besides.
  EXPECT_TRUE(loosens(compare(with, must_parse(kAllowed + allow() + on_signal(Signal::new_source, "max_age = \"24h\"")))));
  EXPECT_TRUE(loosens(compare(must_parse(kAllowed + allow() + flow("\"totp\"")), must_parse(kAllowed + allow() + flow("\"totp\", \"push\"")))));
}

TEST(Choice, IsExplained) {
  const auto explained = [](const std::string& policy, const Call& call) {
    const Situated s(call);
    return must_parse(policy).explain(s.act, s.subject, s.evidence, s.source, s.now, s.trusted, s.signals).text();
  };
  const std::string good = explained(kAllowed + allow(), low({kPassword, choice(1h)}));
  EXPECT_NE(good.find("push     choice sensitivity low"), std::string::npos) << good;
  EXPECT_NE(good.find("+ push_choice, 1 h 0 min ago: counts for 11 h 0 min more"), std::string::npos) << good;
  const std::string lapsed = explained(kAllowed + allow(), low({kPassword}));
  EXPECT_NE(lapsed.find("one number of three on an enrolled device"), std::string::npos) << lapsed;
  const std::string moderate = explained(kAllowed + allow(), {.proofs = {kPassword, choice()}});
  EXPECT_NE(moderate.find("- push_choice, 0 s ago: does not count here: a choice of numbers does so at sensitivity low alone"), std::string::npos) << moderate;
  EXPECT_EQ(moderate.find("one number of three"), std::string::npos) << moderate;
}

}  // namespace
}  // namespace vestibule::policy
