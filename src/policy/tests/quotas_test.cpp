#include "policy/compare.hpp"
#include "policy/explanation.hpp"
#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;

std::string quota(const std::string& rest, const std::string& name = "q") {
  return "[[quota]]\nname = \"" + name + "\"\n" + rest + "\n";
}
const std::string kMinute = "requests = \"60/1m\"\n";

TEST(Quotas, WhatIsWrongIsNamedWithItsLine) {
  struct Wrong {
    const char* name;
    std::string text;
    unsigned line;
    const char* key;
    const char* says;
  };
  const std::vector<Wrong> rows = {
      {"a table", "[quota]\nname = \"a\"\n", 1, "quota", "[[quota]]"},
      {"without a name", "[[quota]]\nrequests = \"1/1s\"\n", 1, "quota[1].name", "required"},
      {"nothing", quota(""), 1, "quota[1]", "limits nothing"},
      {"name too long", quota(kMinute, std::string(41, 'x')), 2, "quota[1].name", "1 to 40 bytes"},
      {"name with a control", quota(kMinute, "a\\u001b"), 2, "quota[1].name", "control"},
      {"name twice", quota(kMinute) + quota(kMinute), 6, "quota[2].name", "by the quota in line 1"},
      {"unknown key", quota("request = \"1/1s\""), 3, "quota[1].request", "did you mean"},
      {"no such bucket", quota(kMinute + "per = \"team\""), 4, "quota[1].per", "not one of"},
      {"rate as a number", quota("requests = 60"), 3, "quota[1].requests", "string"},
      {"rate without a window", quota("requests = \"60\""), 3, "quota[1].requests", "is no rate"},
      {"rate of nothing", quota("requests = \"0/1m\""), 3, "quota[1].requests", "is no rate"},
      {"rate below nothing", quota("requests = \"-1/1m\""), 3, "quota[1].requests", "is no rate"},
      {"rate with a zero before", quota("requests = \"060/1m\""), 3, "quota[1].requests", "is no rate"},
      {"rate with a plus", quota("requests = \"+6/1m\""), 3, "quota[1].requests", "is no rate"},
      {"rate with spaces", quota("requests = \"6 / 1m\""), 3, "quota[1].requests", "is no rate"},
      {"rate with a fraction", quota("requests = \"1.5/1m\""), 3, "quota[1].requests", "is no rate"},
      {"rate too high", quota("tokens = \"1000000001/1m\""), 3, "quota[1].tokens", "is no rate"},
      {"rate far too high", quota("tokens = \"99999999999999999999/1m\""), 3, "quota[1].tokens", "is no rate"},
      {"no unit", quota("tokens = \"5/60\""), 3, "quota[1].tokens", "is no rate"},
      {"unknown unit", quota("tokens = \"5/1w\""), 3, "quota[1].tokens", "is no rate"},
      {"no number of units", quota("tokens = \"5/m\""), 3, "quota[1].tokens", "is no rate"},
      {"no time", quota("tokens = \"5/0s\""), 3, "quota[1].tokens", "is no rate"},
      {"over a week", quota("tokens = \"5/8d\""), 3, "quota[1].tokens", "is no rate"},
      {"a window that overflows", quota("tokens = \"5/99999999999999999d\""), 3, "quota[1].tokens", "is no rate"},
      {"two slashes", quota("tokens = \"5/1/1m\""), 3, "quota[1].tokens", "is no rate"},
      {"empty rate", quota("tokens = \"\""), 3, "quota[1].tokens", "is no rate"},
      {"no stream", quota("streams = 0"), 3, "quota[1].streams", "at least 1"},
      {"the administration", quota(kMinute + "access_point = [\"demo\", \"vestibule\"]"), 4, "quota[1].access_point", "has no quotas"},
      {"who is none", quota(kMinute + "who = [\"team:x\"]"), 4, "quota[1].who", "is none of"},
      {"a rule that takes a quota's word", rule("quota:x", "deny"), 2, "rule[1].name", "must not begin with"},
  };
  for (const Wrong& w : rows) {
    SCOPED_TRACE(w.name);
    const auto parsed = Policy::parse(w.text, "p.toml");
    EXPECT_FALSE(parsed);
    ASSERT_FALSE(parsed.problems.empty());
    EXPECT_EQ(parsed.problems[0].line, w.line) << parsed.text();
    EXPECT_EQ(parsed.problems[0].key, w.key) << parsed.text();
    EXPECT_NE(parsed.problems[0].message.find(w.says), std::string::npos) << parsed.text();
  }
  std::string many;
  for (std::size_t i = 0; i <= kMaxQuotas; ++i) many += quota(kMinute, "q" + std::to_string(i));
  EXPECT_NE(Policy::parse(many, "p.toml").text().find("one quota too many"), std::string::npos);
}

TEST(Quotas, TheCanonicalFormIsOneAndParsesBack) {
  const Policy a = must_parse(quota("tokens = \"7200/120m\"\nstreams = 4\nwho = [\"role:b\", \"role:a\", \"role:a\"]\n", "z") + quota(kMinute, "a"));
  const Policy b = must_parse(quota("per = \"user\"\nrequests = \"60/60s\"\n", "a") + quota("who = [\"role:a\", \"role:b\"]\nstreams = 4\ntokens = \"7200/2h\"\n", "z"));
  EXPECT_EQ(a.canonical(), b.canonical());
  EXPECT_TRUE(a.canonical().ends_with(R"([[quota]]
name = "a"
per = "user"
requests = "60/1m"
[[quota]]
name = "z"
per = "user"
tokens = "7200/2h"
streams = 4
who = ["role:a", "role:b"]
)")) << a.canonical();
  EXPECT_EQ(must_parse(a.canonical()).digest(), a.digest());
  EXPECT_NE(must_parse(quota("requests = \"61/1m\"")).digest(), must_parse(quota(kMinute)).digest());
  // A file without quotas has the digest that it had before there were any.
  EXPECT_EQ(must_parse(allow()).canonical().find("quota"), std::string::npos);
  EXPECT_EQ(a.principals(), (std::vector<std::string>{"role:a", "role:b"}));
}

TEST(Quotas, WhomTheyConcern) {
  const Policy p = must_parse(quota(kMinute + "who = [\"role:member\"]\naccess_point = [\"lab-*\"]", "lab") +
                              quota("streams = 2\nper = \"access_point\"", "all") + quota(kMinute + "who = [\"user:bob\"]", "bob"));
  const auto names = [&](const Call& call) {
    const Situated s(call);
    policy::Quotas found;
    p.quotas(s.act, s.subject, found);
    std::string out;
    for (const domain::Quota* q : found) out += std::string(q->name.view()) + " ";
    return out;
  };
  EXPECT_EQ(names({}), "all ");
  EXPECT_EQ(names({.access_point = "lab-1"}), "all lab ");
  EXPECT_EQ(names({.access_point = "lab-1", .roles = {"guest"}}), "all ");
  EXPECT_EQ(names({.user = "bob"}), "all bob ");
  EXPECT_EQ(names({.access_point = "vestibule"}), "") << "whoever stops something must not have to wait";
}

TEST(Quotas, TheSameQuotaOfTwoPoliciesIsOne) {
  const std::string q = quota(kMinute);
  const Policy a = must_parse(allow() + q);
  const Policy b = must_parse(allow("model = [\"x\"]") + quota("requests = \"60/60s\"\nwho = [\"role:member\"]"));
  const Policy c = must_parse(allow() + quota("requests = \"50/1m\""));
  const Situated s{Call{}};
  policy::Quotas found;
  a.quotas(s.act, s.subject, found);
  b.quotas(s.act, s.subject, found);
  EXPECT_EQ(found.size(), 1U);
  c.quotas(s.act, s.subject, found);
  EXPECT_EQ(found.size(), 2U);
}

TEST(Quotas, OneThatGivesMoreLoosens) {
  struct Row {
    const char* name;
    std::string before, after;
    bool loosens;
    const char* says;
  };
  const std::string hour = "requests = \"60/1h\"\n";
  const std::vector<Row> rows = {
      {"added", "", quota(kMinute), false, "quota \"q\" is added"},
      {"removed", quota(kMinute), "", true, "quota \"q\" is removed"},
      {"removed, another covers", quota(kMinute + "who = [\"role:a\"]") + quota(kMinute, "r"), quota(kMinute, "r"), false, "is removed"},
      {"renamed", quota(kMinute), quota(kMinute, "r"), false, "is removed"},
      {"more", quota(kMinute), quota("requests = \"61/1m\""), true, "was 60/1m requests for each user, is 61/1m"},
      {"less", quota(kMinute), quota("requests = \"59/1m\""), false, "is 59/1m"},
      {"slower", quota(kMinute), quota(hour), false, "is 60/1h"},
      {"faster", quota(hour), quota(kMinute), true, "is 60/1m"},
      {"as fast in larger heaps", quota(kMinute), quota("requests = \"3600/1h\""), true, "is 3600/1h"},
      {"as fast in smaller heaps", quota(kMinute), quota("requests = \"1/1s\""), false, "is 1/1s"},
      {"tokens come", quota(kMinute), quota(kMinute + "tokens = \"5/1h\""), false, "5/1h tokens"},
      {"tokens go", quota(kMinute + "tokens = \"5/1h\""), quota(kMinute), true, "5/1h tokens"},
      {"one more stream", quota("streams = 2"), quota("streams = 3"), true, "was 2 streams for each user, is 3"},
      {"one stream fewer", quota("streams = 2"), quota("streams = 1"), false, "is 1 streams"},
      {"counted otherwise", quota(kMinute), quota(kMinute + "per = \"access_point\""), true, "for all at each"},
      {"for fewer people", quota(kMinute), quota(kMinute + "who = [\"role:a\"]"), true, "who was anything"},
      {"for more people", quota(kMinute + "who = [\"role:a\"]"), quota(kMinute), false, "is anything"},
      {"at fewer places", quota(kMinute + "access_point = [\"lab-*\"]"), quota(kMinute + "access_point = [\"lab-1\"]"), true, "access_point"},
      {"at more places", quota(kMinute + "access_point = [\"lab-1\"]"), quota(kMinute + "access_point = [\"lab-*\"]"), false, "access_point"},
  };
  for (const Row& r : rows) {
    SCOPED_TRACE(r.name);
    const auto d = compare(must_parse(r.before), must_parse(r.after));
    ASSERT_FALSE(d.empty());
    EXPECT_EQ(loosens(d), r.loosens);
    EXPECT_NE(d[0].text.find(r.says), std::string::npos) << d[0].text;
  }
}

TEST(Quotas, ExplainedWhereTheActIsNotDenied) {
  const Policy p = must_parse(allow("operation = [\"chat\"]") + quota(kMinute + "streams = 4", "members") + quota("tokens = \"9/1d\"\nper = \"credential\"\nwho = [\"user:bob\"]", "bob"));
  const Situated s{Call{}};
  const Explanation e = p.explain(s.act, s.subject, s.evidence, s.source, s.now, true);
  ASSERT_EQ(e.quotas.size(), 1U);
  EXPECT_EQ(e.quotas[0], "members: 60/1m requests, 4 streams for each user (line 5)");
  EXPECT_NE(e.text().find("\nquotas\n  members: 60/1m"), std::string::npos) << e.text();
  EXPECT_NE(e.json().find("\"quotas\":[\"members: 60/1m"), std::string::npos) << e.json();
  const Situated denied{Call{.operation = "embed"}};
  EXPECT_TRUE(p.explain(denied.act, denied.subject, denied.evidence, denied.source, denied.now, true).quotas.empty());
}

}  // namespace
}  // namespace vestibule::policy
