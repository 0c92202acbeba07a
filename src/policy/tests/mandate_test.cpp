// What may be done under a mandate: where a rule says so, and nowhere else.
#include "policy/explanation.hpp"
#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;

TEST(Mandate, WhereARuleSaysSoAndNowhereElse) {
  struct Row {
    const char* name;
    std::string policy;
    Call call;
    bool mandatable;
  };
  const std::string yes = allow("mandate = true");
  const Row rows[] = {
      {"it says so", yes, {.proofs = {}}, true},
      {"it does not", allow(), {.proofs = {}}, false},
      {"it says no", allow("mandate = false"), {.proofs = {}}, false},
      {"one of two says so", allow() + allow("model = [\"tiny*\"]\nmandate = true", "b"), {.proofs = {}}, true},
      {"the one that says so does not match", allow() + allow("model = [\"big\"]\nmandate = true", "b"), {.proofs = {}}, false},
      {"low", yes, {.sensitivity = Sensitivity::low, .proofs = {}}, true},
      {"high", yes, {.sensitivity = Sensitivity::high, .proofs = {}}, true},
      {"critical, whatever a rule says", yes, {.sensitivity = Sensitivity::critical, .proofs = {}}, false},
      {"critical without confirmations", "[sensitivity.critical]\nconfirm = \"none\"\n" + yes, {.sensitivity = Sensitivity::critical, .proofs = {}}, false},
      {"each single act is confirmed", yes + allow("confirm = \"self\"", "b"), {.proofs = {}}, false},
      {"denied", yes + deny(), {.proofs = {}}, false},
      {"the administration", allow("access_point = [\"vestibule\"]\nmandate = true"), {.access_point = "vestibule", .proofs = {}}, false},
      {"nobody", yes, {.proofs = {}, .signed_in = false}, false},
  };
  for (const Row& r : rows) {
    SCOPED_TRACE(r.name);
    const Policy p = must_parse(r.policy);
    const Situated at(r.call);
    const auto d = at.decide(p);
    EXPECT_EQ(d.mandatable, r.mandatable);
    EXPECT_NE(d.outcome, kAllow) << "it is no proof";
    EXPECT_EQ(must_parse(p.canonical()).digest(), p.digest());
  }
}

TEST(Mandate, WhileAChangeWaitsBothMustSaySo) {
  const Policy yes = must_parse(allow("mandate = true"));
  const Policy no = must_parse(allow());
  const Situated at(Call{.proofs = {}});
  const auto both = [&](const Policy& a, const Policy& b) {
    return decide_both(a, &b, at.act, at.subject, at.evidence, at.source, at.now, true).mandatable;
  };
  EXPECT_TRUE(both(yes, yes));
  EXPECT_FALSE(both(yes, no));
  EXPECT_FALSE(both(no, yes));
}

TEST(Mandate, IsExplained) {
  const Policy p = must_parse(allow("mandate = true"));
  const Situated at(Call{.proofs = {}});
  const Explanation e = p.explain(at.act, at.subject, at.evidence, at.source, at.now, true);
  const std::string text = e.text();
  EXPECT_NE(text.find("mandate  will do rule \"a\""), std::string::npos) << text;
  EXPECT_NE(text.find("or, for an API key, a mandate"), std::string::npos) << text;
}

}  // namespace
}  // namespace vestibule::policy
