#include <fstream>
#include <iterator>

#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;

struct Wrong {
  const char* name;
  std::string text;
  unsigned line;
  const char* key;
  const char* says;  // part of the message
};

std::string entries(std::size_t n) {
  std::string out = "[";
  for (std::size_t i = 0; i < n; ++i) out += "\"n" + std::to_string(i) + "\", ";
  return out + "]";
}

// allow(x): line 1 is [[rule]], 2 name, 3 effect, 4 the first of x.
std::vector<Wrong> wrongs() {
  return {
      {"syntax", "[[rule]\n", 1, "", ""},
      {"not UTF-8", "# \xff\n", 1, "", ""},
      {"unknown table", "[rules]\n", 1, "rules", "unknown key; did you mean 'rule'"},
      {"rule as a table", "[rule]\nname = \"a\"\n", 1, "rule", "[[rule]]"},
      {"unknown sensitivity", "[sensitivity.medium]\nlevel = 2\n", 1, "sensitivity.medium", "unknown key"},
      {"unknown key of a sensitivity", "[sensitivity.low]\nmaxage = \"1h\"\n", 2, "sensitivity.low.maxage", "did you mean 'max_age'"},
      {"sensitivity below a second factor", "[sensitivity.low]\nlevel = 1\n", 2, "sensitivity.low.level", "at least 2"},
      {"no such level", "[sensitivity.low]\nlevel = 4\n", 2, "sensitivity.low.level", "at most 3"},
      {"level in quotes", "[sensitivity.low]\nlevel = \"2\"\n", 2, "sensitivity.low.level", "expected an integer"},
      {"age over a day", "[sensitivity.low]\nmax_age = \"25h\"\n", 2, "sensitivity.low.max_age", "at most 24h"},
      {"age of nothing", "[sensitivity.low]\nmax_age = \"9s\"\n", 2, "sensitivity.low.max_age", "at least 10s"},
      {"age without a unit", "[sensitivity.low]\nmax_age = \"3600\"\n", 2, "sensitivity.low.max_age", "expected a duration"},
      {"age as a number", "[sensitivity.low]\nmax_age = 3600\n", 2, "sensitivity.low.max_age", "expected a duration"},
      {"no such confirmation", "[sensitivity.low]\nconfirm = \"twice\"\n", 2, "sensitivity.low.confirm", "not one of"},
      {"high laxer than moderate in level", "[sensitivity.moderate]\nlevel = 3\n\n[sensitivity.high]\nlevel = 2\n", 5, "sensitivity.high.level", "less than sensitivity moderate"},
      {"moderate laxer than low in age", "[sensitivity.low]\nmax_age = \"30m\"\n[sensitivity.moderate]\nmax_age = \"31m\"\n", 4, "sensitivity.moderate.max_age", "less than sensitivity low"},
      {"critical laxer than high in confirmation", "[sensitivity.high]\nconfirm = \"self\"\n[sensitivity.critical]\nconfirm = \"none\"\n", 4, "sensitivity.critical.confirm", "less than sensitivity high"},
      {"name missing", "[[rule]]\neffect = \"allow\"\n", 1, "rule[1].name", "required"},
      {"effect missing", "\n[[rule]]\nname = \"a\"\n", 2, "rule[1].effect", "required"},
      {"name empty", rule("", "allow"), 2, "rule[1].name", "1 to 48 bytes"},
      {"name too long", rule(std::string(49, 'x'), "allow"), 2, "rule[1].name", "1 to 48 bytes"},
      {"name with a control character", rule("a\\u001b[31m", "allow"), 2, "rule[1].name", "control"},
      {"name with a C1 control", rule("a\\u009b31m", "allow"), 2, "rule[1].name", "control"},
      {"name with spaces at its end", rule("a ", "allow"), 2, "rule[1].name", "spaces"},
      {"name default", rule("default", "deny"), 2, "rule[1].name", "taken"},
      {"name of a signal's word", rule("signal:new_source", "allow"), 2, "rule[1].name", "must not begin with"},
      {"name of a flow's word", rule("flow:x", "deny"), 2, "rule[1].name", "must not begin with"},
      {"unknown signal", "[signal.new_moon]\nlevel = 3\n", 1, "signal.new_moon", "unknown key"},
      {"unknown key of a signal", "[signal.new_source]\ncount = 3\n", 2, "signal.new_source.count", "unknown key"},
      {"signal that would lower", "[signal.new_source]\nlevel = 1\n", 2, "signal.new_source.level", "at least 2"},
      {"signal without an age", "[signal.new_source]\nmax_age = \"0s\"\n", 2, "signal.new_source.max_age", "at least 10s"},
      {"flow as a table", "[flow]\nname = \"a\"\n", 1, "flow", "[[flow]]"},
      {"flow without factors", "[[flow]]\nname = \"f\"\n", 1, "flow[1].factors", "required"},
      {"flow without a name", "[[flow]]\nfactors = [\"totp\"]\n", 1, "flow[1].name", "required"},
      {"flow with no factor", flow(""), 3, "flow[1].factors", "at least 1"},
      {"flow with a factor of another world", flow("\"sms\""), 3, "flow[1].factors", "\"sms\" is no second factor: there are webauthn, totp, hotp"},
      {"flow with the password", flow("\"password\", \"totp\""), 3, "flow[1].factors", "always counts"},
      {"flow with recovery codes", flow("\"recovery_code\""), 3, "flow[1].factors", "no second factor"},
      {"flow with a factor twice", flow("\"totp\", \"totp\""), 3, "flow[1].factors", "is there twice"},
      {"flow with a slip", flow("\"TOTP\""), 3, "flow[1].factors", "no second factor"},
      {"flow with a level that everything asks for less of", flow("\"totp\"", "level = 4"), 4, "flow[1].level", "at most 3"},
      {"flow with an unknown key", flow("\"totp\"", "operation = [\"chat\"]"), 4, "flow[1].operation", "unknown key"},
      {"flow for a wildcard of people", flow("\"totp\"", "who = [\"user:*\"]"), 4, "flow[1].who", "wildcard"},
      {"flow with a long name", flow("\"totp\"", "", std::string(41, 'x')), 2, "flow[1].name", "1 to 40 bytes"},
      {"flow of a name that is taken", flow("\"totp\"") + flow("\"totp\""), 6, "flow[2].name", "by the flow in line 1"},
      {"name twice", allow() + allow(), 6, "rule[2].name", "line 1"},
      {"no such effect", rule("a", "permit"), 3, "rule[1].effect", "not one of: allow, deny"},
      {"unknown key of a rule", allow("host = [\"x\"]"), 4, "rule[1].host", "unknown key"},
      {"slip of a key", allow("modle = [\"x\"]"), 4, "rule[1].modle", "did you mean 'model'"},
      {"key twice", allow("level = 3\nlevel = 3"), 5, "", ""},
      {"who empty", allow("who = []"), 4, "rule[1].who", "at least 1"},
      {"who is no list", allow("who = \"role:member\""), 4, "rule[1].who", "expected a list"},
      {"who holds a number", allow("who = [7]"), 4, "rule[1].who", "expected a string in the list"},
      {"who without a kind", allow("who = [\"alice\"]"), 4, "rule[1].who", "\"alice\" is none of role:NAME"},
      {"who of another kind", allow("who = [\"team:x\"]"), 4, "rule[1].who", "is none of"},
      {"who without a name", allow("who = [\"role:\"]"), 4, "rule[1].who", "needs a name"},
      {"who with a wildcard", allow("who = [\"user:*\"]"), 4, "rule[1].who", "wildcard"},
      {"who with a long name", allow("who = [\"user:" + std::string(97, 'x') + "\"]"), 4, "rule[1].who", "1 to 96 bytes"},
      {"access point empty", allow("access_point = []"), 4, "rule[1].access_point", "at least 1"},
      {"access point with an empty name", allow("access_point = [\"demo\", \"\"]"), 4, "rule[1].access_point", "1 to 128 bytes"},
      {"operation empty", allow("operation = []"), 4, "rule[1].operation", "at least 1"},
      {"operation too long", allow("operation = [\"" + std::string(129, 'x') + "\"]"), 4, "rule[1].operation", "1 to 128 bytes"},
      {"operation with a space", allow("operation = [\"chat embed\"]"), 4, "rule[1].operation", "without spaces"},
      {"model empty", allow("model = []"), 4, "rule[1].model", "at least 1"},
      {"model with a control character", allow("model = [\"a\\tb\"]"), 4, "rule[1].model", "\"a?b\" needs"},
      {"too many entries", allow("model = " + entries(101)), 4, "rule[1].model", "at most 100"},
      {"hours empty", allow("hours = []\nzone = \"UTC\""), 4, "rule[1].hours", "at least 1"},
      {"hours without a zone", allow("hours = [\"08:00-18:00\"]"), 4, "rule[1].hours", "needs a zone"},
      {"zone without hours", allow("zone = \"UTC\""), 4, "rule[1].zone", "nothing without hours"},
      {"hours without a dash", allow("zone = \"UTC\"\nhours = [\"08:00\"]"), 5, "rule[1].hours", "no span"},
      {"hours of one digit", allow("zone = \"UTC\"\nhours = [\"8:00-18:00\"]"), 5, "rule[1].hours", "no span"},
      {"hour 25", allow("zone = \"UTC\"\nhours = [\"08:00-25:00\"]"), 5, "rule[1].hours", "no span"},
      {"24:01", allow("zone = \"UTC\"\nhours = [\"08:00-24:01\"]"), 5, "rule[1].hours", "no span"},
      {"minute 60", allow("zone = \"UTC\"\nhours = [\"08:60-18:00\"]"), 5, "rule[1].hours", "no span"},
      {"from 24:00", allow("zone = \"UTC\"\nhours = [\"24:00-06:00\"]"), 5, "rule[1].hours", "no span"},
      {"empty span", allow("zone = \"UTC\"\nhours = [\"08:00-08:00\"]"), 5, "rule[1].hours", "empty span"},
      {"no such day", allow("zone = \"UTC\"\nhours = [\"Mo-Fr 08:00-18:00\"]"), 5, "rule[1].hours", "days that are none"},
      {"days in lower case", allow("zone = \"UTC\"\nhours = [\"mon 08:00-18:00\"]"), 5, "rule[1].hours", "days that are none"},
      {"days with a trailing comma", allow("zone = \"UTC\"\nhours = [\"Mon, 08:00-18:00\"]"), 5, "rule[1].hours", "days that are none"},
      {"two spaces", allow("zone = \"UTC\"\nhours = [\"Mon  08:00-18:00\"]"), 5, "rule[1].hours", "no span"},
      {"no such zone", allow("hours = [\"08:00-18:00\"]\nzone = \"Europe/Atlantis\""), 5, "rule[1].zone", "zone database"},
      {"zone by abbreviation of nothing", allow("hours = [\"08:00-18:00\"]\nzone = \"CEST\""), 5, "rule[1].zone", "zone database"},
      {"zone as a path", allow("hours = [\"08:00-18:00\"]\nzone = \"/etc/localtime\""), 5, "rule[1].zone", "no zone"},
      {"zone climbing out", allow("hours = [\"08:00-18:00\"]\nzone = \"../../../etc/passwd\""), 5, "rule[1].zone", "no zone"},
      {"zone of this machine", allow("hours = [\"08:00-18:00\"]\nzone = \"localtime\""), 5, "rule[1].zone", "no zone"},
      {"zone with leap seconds", allow("hours = [\"08:00-18:00\"]\nzone = \"right/UTC\""), 5, "rule[1].zone", "no zone"},
      {"zone that is a folder", allow("hours = [\"08:00-18:00\"]\nzone = \"Europe\""), 5, "rule[1].zone", "zone database"},
      {"network empty", allow("network = []"), 4, "rule[1].network", "at least 1"},
      {"network by name", allow("network = [\"localhost\"]"), 4, "rule[1].network", "no network"},
      {"network out of range", allow("network = [\"10.0.0.256\"]"), 4, "rule[1].network", "no IPv4 or IPv6"},
      {"network with three numbers", allow("network = [\"10.0.0/8\"]"), 4, "rule[1].network", "no IPv4 or IPv6"},
      {"prefix 33", allow("network = [\"10.0.0.0/33\"]"), 4, "rule[1].network", "/0 to /32"},
      {"prefix 129", allow("network = [\"::/129\"]"), 4, "rule[1].network", "/0 to /128"},
      {"prefix missing", allow("network = [\"10.0.0.0/\"]"), 4, "rule[1].network", "/0 to /32"},
      {"prefix with a sign", allow("network = [\"10.0.0.0/+8\"]"), 4, "rule[1].network", "/0 to /32"},
      {"prefix with a leading zero", allow("network = [\"10.0.0.0/08\"]"), 4, "rule[1].network", "/0 to /32"},
      {"bits beyond the prefix", allow("network = [\"10.0.0.1/8\"]"), 4, "rule[1].network", "write \"10.0.0.0/8\""},
      {"bits beyond the prefix, IPv6", allow("network = [\"2001:db8::1/32\"]"), 4, "rule[1].network", "write \"2001:db8::/32\""},
      {"scope id", allow("network = [\"fe80::1%eth0\"]"), 4, "rule[1].network", "no network"},
      {"rule level 1", allow("level = 1"), 4, "rule[1].level", "at least 2"},
      {"rule level 4", allow("level = 4"), 4, "rule[1].level", "at most 3"},
      {"rule level raises nothing", "[sensitivity.low]\nlevel = 3\n[sensitivity.moderate]\nlevel = 3\n" + allow("level = 2"), 8, "rule[1].level", "raises nothing"},
      {"rule age raises nothing", allow("max_age = \"13h\""), 4, "rule[1].max_age", "older than 12h"},
      {"rule confirm none", allow("confirm = \"none\""), 4, "rule[1].confirm", "name a tool"},
      {"deny with a level", deny("level = 3"), 4, "rule[1].level", "nothing in a deny rule"},
      {"deny with an age", deny("max_age = \"1h\""), 4, "rule[1].max_age", "nothing in a deny rule"},
      {"deny with a mandate", deny("mandate = true"), 4, "rule[1].mandate", "nothing in a deny rule"},
      {"a mandate for what is confirmed", allow("confirm = \"self\"\nmandate = true"), 5, "rule[1].mandate", "each single act is confirmed"},
      {"deny with a confirmation", deny("confirm = \"self\""), 4, "rule[1].confirm", "nothing in a deny rule"},
  };
}

TEST(Parse, EveryErrorHasItsPlace) {
  const auto table = wrongs();
  EXPECT_GE(table.size(), 40U);
  for (const Wrong& w : table) {
    SCOPED_TRACE(w.name);
    const auto r = Policy::parse(w.text, "p.toml");
    ASSERT_FALSE(r);
    ASSERT_EQ(r.problems.size(), 1U) << r.text();
    const Problem& p = r.problems[0];
    EXPECT_EQ(p.file, "p.toml");
    EXPECT_EQ(p.line, w.line) << p.text();
    EXPECT_EQ(p.key, w.key) << p.text();
    EXPECT_NE(p.message.find(w.says), std::string::npos) << p.text();
    EXPECT_TRUE(r.text().starts_with("p.toml:" + std::to_string(w.line) + ":")) << r.text();
  }
}

TEST(Parse, AllProblemsAtOnceInOrderOfLines) {
  const auto r = Policy::parse(allow("who = [\"x\", \"y\"]\nnetwork = [\"z\"]") + deny("level = 3\nzone = \"UTC\"", "default"), "p");
  ASSERT_EQ(r.problems.size(), 6U) << r.text();
  unsigned last = 0;
  for (const auto& p : r.problems) {
    EXPECT_LE(last, p.line);
    last = p.line;
  }
}

TEST(Parse, Limits) {
  std::string text;
  for (std::size_t i = 0; i < kMaxRules; ++i) text += allow("", "r" + std::to_string(i));
  EXPECT_EQ(must_parse(text).rule_count(), kMaxRules);
  const auto r = Policy::parse(text + allow("", "one more"), "p");
  ASSERT_EQ(r.problems.size(), 1U);
  EXPECT_EQ(r.problems[0].key, "rule[1001]");
  EXPECT_FALSE(Policy::parse(std::string(kMaxPolicyText + 1, '\n'), "p"));
  EXPECT_EQ(must_parse(allow("model = " + entries(100))).rule_count(), 1U);
  EXPECT_EQ(must_parse(rule(std::string(48, 'x'), "allow")).rule_count(), 1U);
  std::string spans;
  for (int i = 0; i < 100; ++i) {
    const std::string h = std::to_string(10 + i / 8);
    spans += std::string("\"") + (i % 2 == 0 ? "Mon,Tue " : "Tue ") + h + ":" + std::to_string(10 + 6 * (i % 8)) + "-" + h + ":" + std::to_string(13 + 6 * (i % 8)) + "\",";
  }
  const Policy fine = must_parse(allow("zone = \"UTC\"\nhours = [" + spans + "]"));
  EXPECT_TRUE(Policy::parse(fine.canonical(), "canonical"));
}

// Left and right say the same; the pairs beside them do not.
TEST(Parse, DigestIsOfTheMeaning) {
  struct Pair { const char* name; std::string a, b; bool same; };
  const Pair pairs[] = {
      {"comments", "# x\n" + allow(), allow(), true},
      {"order of keys", allow("level = 3\nmodel = [\"x\"]"), allow("model = [\"x\"]\nlevel = 3"), true},
      {"order of rules", allow() + deny(), deny() + allow(), true},
      {"order of entries", allow("model = [\"x\", \"y\"]"), allow("model = [\"y\", \"x\"]"), true},
      {"doubled entries", allow("who = [\"role:x\", \"role:x\"]"), allow("who = [\"role:x\"]"), true},
      {"defaults written out", "[sensitivity.low]\nlevel = 2\nmax_age = \"12h\"\nconfirm = \"none\"\n", "", true},
      {"units", allow("max_age = \"60m\""), allow("max_age = \"1h\""), true},
      {"anyone", allow("who = [\"anyone\"]"), allow(), true},
      {"star", allow("model = [\"a\", \"*\"]"), allow(), true},
      {"double star", allow("model = [\"a**\"]"), allow("model = [\"a*\"]"), true},
      {"escapes", allow("model = [\"\\u0061\"]"), allow("model = ['a']"), true},
      {"inline tables", "rule = [{name = \"a\", effect = \"allow\"}]", allow(), true},
      {"split hours", allow("zone = \"UTC\"\nhours = [\"08:00-12:00\", \"12:00-18:00\"]"), allow("zone = \"UTC\"\nhours = [\"08:00-18:00\"]"), true},
      {"always", allow("zone = \"UTC\"\nhours = [\"00:00-24:00\"]"), allow(), true},
      {"nested networks", allow("network = [\"10.0.0.0/8\", \"10.1.0.0/16\"]"), allow("network = [\"10.0.0.0/8\"]"), true},
      {"administration beside a star", allow("access_point = [\"*\", \"vestibule\"]"), allow(), false},
      {"administration beside a star, denied", deny("access_point = [\"*\", \"vestibule\"]"), deny(), true},
      {"another name", allow("", "b"), allow(), false},
      {"another effect", deny("", "a"), allow(), false},
      {"another zone", allow("zone = \"UTC\"\nhours = [\"08:00-18:00\"]"), allow("zone = \"Europe/Berlin\"\nhours = [\"08:00-18:00\"]"), false},
      {"another age", allow("max_age = \"60s\""), allow("max_age = \"61s\""), false},
      {"another sensitivity", "[sensitivity.low]\nmax_age = \"11h\"\n", "", false},
      {"entry in another list", allow("model = [\"x\"]"), allow("operation = [\"x\"]"), false},
      {"quotes in names", rule("a\\\" b", "allow"), rule("a\\\\ b", "allow"), false},
  };
  for (const Pair& p : pairs) {
    SCOPED_TRACE(p.name);
    const Policy a = must_parse(p.a);
    const Policy b = must_parse(p.b);
    EXPECT_EQ(a.digest() == b.digest(), p.same) << a.canonical() << "---\n" << b.canonical();
    EXPECT_EQ(must_parse(a.canonical()).canonical(), a.canonical());
    EXPECT_EQ(must_parse(b.canonical()).digest(), b.digest());
  }
}

// The digest stands in audit records: it must not change by accident from one release to the next.
TEST(Parse, CanonicalFormIsFrozen) {
  EXPECT_EQ(must_parse(flow("\"webauthn\", \"totp\"", "level = 2", "z") + flow("\"webauthn\"", "level = 3\nwho = [\"role:m\"]\naccess_point = [\"b\", \"a\"]") +
                       on_signal(domain::Signal::new_source, "level = 3\nconfirm = \"self\"") + allow("who = [\"role:m\"]\nmodel = [\"b*\", \"a\"]\nhours = [\"Fri 22:00-06:00\"]\nzone = \"UTC\"\nlevel = 3\nmax_age = \"90s\"\nconfirm = \"self\"")).canonical(),
            R"([sensitivity.low]
level = 2
max_age = "12h"
confirm = "none"
[sensitivity.moderate]
level = 2
max_age = "1h"
confirm = "none"
[sensitivity.high]
level = 3
max_age = "15m"
confirm = "none"
[sensitivity.critical]
level = 3
max_age = "15m"
confirm = "self"
[signal.new_source]
level = 3
max_age = "15m"
confirm = "self"
[signal.new_client]
level = 2
max_age = "1h"
confirm = "none"
[signal.prompt_flood]
level = 2
max_age = "15m"
confirm = "none"
[signal.many_refusals]
level = 2
max_age = "15m"
confirm = "none"
[[flow]]
name = "f"
who = ["role:m"]
access_point = ["a", "b"]
factors = ["webauthn"]
level = 3
[[flow]]
name = "z"
factors = ["webauthn", "totp"]
[[rule]]
name = "a"
effect = "allow"
who = ["role:m"]
model = ["a", "b*"]
hours = ["Sat 00:00-06:00", "Fri 22:00-24:00"]
zone = "UTC"
level = 3
max_age = "90s"
confirm = "self"
)");
}

// Every example of the page about the language is right.
TEST(Parse, ExamplesOfTheDocumentation) {
  std::ifstream in("docs/policy.md");
  const std::string page((std::istreambuf_iterator<char>(in)), {});
  const std::string fence = "```toml\n";
  std::size_t examples = 0;
  for (std::size_t i = page.find(fence); i != std::string::npos; i = page.find(fence, i + 1)) {
    const std::size_t begin = i + fence.size();
    must_parse(page.substr(begin, page.find("```", begin) - begin));
    ++examples;
  }
  EXPECT_GE(examples, 5U);
}

TEST(Parse, DefaultPolicyAndReference) {
  const Policy p = must_parse(std::string(default_policy_text()));
  EXPECT_EQ(p.rule_count(), 4U);
  EXPECT_EQ(p.principals(), (std::vector<std::string>{"role:administrator", "role:auditor", "role:member"}));
  EXPECT_EQ(p.baseline(Sensitivity::high).level, 3);
  // The rules in its comments are right as well.
  std::string with_examples(default_policy_text());
  std::size_t at_example = with_examples.find("# More to take from");
  ASSERT_NE(at_example, std::string::npos);
  at_example = with_examples.find('\n', at_example);
  for (std::size_t i = with_examples.find("\n# ", at_example); i != std::string::npos; i = with_examples.find("\n# ", i + 1)) with_examples.erase(i + 1, 2);
  EXPECT_EQ(must_parse(with_examples).rule_count(), 10U);
  EXPECT_NE(reference_markdown().find("access_point"), std::string::npos);
}

}  // namespace
}  // namespace vestibule::policy
