#include "policy/compare.hpp"

#include <random>

#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;

struct Comparison {
  const char* name;
  std::string before, after;
  std::size_t differences;
  bool loosens;
  const char* says;  // part of the first text
};

std::vector<Comparison> comparisons() {
  const std::string office = "zone = \"UTC\"\nhours = [\"Mon-Fri 08:00-18:00\"]";
  return {
      {"nothing", allow(), "# x\n" + allow(), 0, false, ""},
      {"level falls", "[sensitivity.high]\nlevel = 3\n", "[sensitivity.high]\nlevel = 2\n", 1, true, "sensitivity high: level was 3, is 2"},
      {"level rises", "", "[sensitivity.moderate]\nlevel = 3\n", 1, false, "sensitivity moderate: level was 2, is 3"},
      {"age grows", "", "[sensitivity.moderate]\nmax_age = \"2h\"\n", 1, true, "max_age was 1h, is 2h"},
      {"age shrinks", "", "[sensitivity.low]\nmax_age = \"2h\"\n", 1, false, "max_age was 12h, is 2h"},
      {"confirmation goes", "", "[sensitivity.critical]\nconfirm = \"none\"\n", 1, true, "confirm was self, is none"},
      {"confirmation comes", "", "[sensitivity.high]\nconfirm = \"self\"\n", 1, false, "confirm was none, is self"},
      {"allow added", "", allow(), 1, true, "rule \"a\" (allow) is added"},
      {"allow added inside another", allow(), allow() + allow("model = [\"big\"]\nlevel = 3", "b"), 1, false, "rule \"b\" (allow) is added"},
      {"allow added beside another", allow("model = [\"tiny*\"]"), allow("model = [\"tiny*\"]") + allow("model = [\"big\"]\nlevel = 3", "b"), 1, true, "is added"},
      {"allow of the administration added beside everything", allow(), allow() + allow("access_point = [\"vestibule\"]", "b"), 1, true, "is added"},
      {"plain allow removed", allow(), "", 1, false, "rule \"a\" (allow) is removed"},
      {"raising allow removed", allow() + allow("level = 3", "b"), allow(), 1, true, "rule \"b\" (allow) is removed"},
      {"raising allow removed, another raises as far", allow() + allow("level = 3\nmodel = [\"x\"]", "b") + allow("level = 3", "c"), allow() + allow("level = 3", "c"), 1, false, "removed"},
      {"deny added", allow(), allow() + deny(), 1, false, "rule \"d\" (deny) is added"},
      {"deny removed", allow() + deny(), allow(), 1, true, "rule \"d\" (deny) is removed"},
      {"deny removed that another covers", deny() + deny("model = [\"x\"]", "e"), deny(), 1, false, "removed"},
      {"deny narrowed", deny("model = [\"b*\"]"), deny("model = [\"big\"]"), 1, true, "model adds \"big\"; model drops \"b*\""},
      {"deny widened", deny("model = [\"big\"]"), deny("model = [\"b*\"]"), 1, false, "model adds"},
      {"deny gets hours", deny(), deny(office), 1, true, "hours was anything"},
      {"deny loses hours", deny(office), deny(), 1, false, "is anything"},
      {"renamed", allow("model = [\"x\"]\nlevel = 3"), allow("model = [\"x\"]\nlevel = 3", "b"), 2, false, "rule \"a\" (allow) is removed"},
      {"allow becomes deny", allow(), deny("", "a"), 1, false, "effect was allow, is deny"},
      {"deny becomes allow", deny(), allow("", "d"), 1, true, "effect was deny, is allow"},
      {"allow widened", allow("model = [\"x\"]"), allow("model = [\"x\", \"y\"]"), 1, true, "model adds \"y\""},
      {"allow narrowed", allow("model = [\"x\", \"y\"]"), allow("model = [\"x\"]"), 1, false, "model drops \"y\""},
      {"allow narrowed by a glob", allow("model = [\"*\"]"), allow("model = [\"tiny*\"]"), 1, false, "model was anything, is \"tiny*\""},
      {"raising allow narrowed", allow() + allow("level = 3", "b"), allow() + allow("level = 3\nmodel = [\"x\"]", "b"), 1, true, "model was anything"},
      {"role added", allow("who = [\"role:x\"]"), allow("who = [\"role:x\", \"role:y\"]"), 1, true, "who adds \"role:y\""},
      {"role removed", allow("who = [\"role:x\", \"role:y\"]"), allow("who = [\"role:x\"]"), 1, false, "who drops"},
      {"one role for another", allow("who = [\"role:x\"]"), allow("who = [\"role:y\"]"), 1, true, "who adds"},
      {"network shrinks", allow("network = [\"10.0.0.0/8\"]"), allow("network = [\"10.1.0.0/16\"]"), 1, false, "network adds"},
      {"network grows", allow("network = [\"10.1.0.0/16\"]"), allow("network = [\"10.0.0.0/8\"]"), 1, true, "network adds"},
      {"unix added", allow("network = [\"10.1.0.0/16\"]"), allow("network = [\"10.1.0.0/16\", \"unix\"]"), 1, true, "network adds \"unix\""},
      {"hours shrink", allow(office), allow("zone = \"UTC\"\nhours = [\"Mon-Fri 09:00-17:00\"]"), 1, false, "hours adds"},
      {"hours grow", allow(office), allow("zone = \"UTC\"\nhours = [\"Mon-Sat 08:00-18:00\"]"), 1, true, "hours adds"},
      {"hours come", allow(), allow(office), 1, false, "hours was anything"},
      {"hours go", allow(office), allow(), 1, true, "is anything"},
      {"the zone changes", allow(office), allow("zone = \"Europe/Berlin\"\nhours = [\"Mon-Fri 08:00-18:00\"]"), 1, true, "zone was UTC, is Europe/Berlin"},
      {"rule asks for more", allow("max_age = \"30m\""), allow("max_age = \"10m\""), 1, false, "asked for max_age 30m, asks for max_age 10m"},
      {"rule asks for less", allow("max_age = \"10m\""), allow("max_age = \"30m\""), 1, true, "asks for max_age 30m"},
      {"rule asks for more here and less there", allow("max_age = \"10m\""), allow("level = 3"), 1, true, "asked for"},
      {"rule asks for nothing any more", allow("confirm = \"self\""), allow(), 1, true, "asks for nothing more"},
      {"unattended work is let in", allow(), allow("mandate = true"), 1, true, "rule \"a\": may be done under a mandate"},
      {"unattended work is let in no longer", allow("mandate = true"), allow(), 1, false, "may no longer be done under a mandate"},
      {"a rule with mandates inside one without", allow(), allow() + allow("model = [\"x\"]\nmandate = true", "b"), 1, true, "is added"},
      {"a rule without mandates inside one with", allow("mandate = true"), allow("mandate = true") + allow("model = [\"x\"]", "b"), 1, false, "is added"},
      {"flow added", "", flow("\"totp\""), 1, false, "flow \"f\" is added"},
      {"flow removed", flow("\"totp\""), "", 1, true, "flow \"f\" is removed"},
      {"flow removed that another covers", flow("\"totp\", \"hotp\"") + flow("\"totp\"", "", "g"), flow("\"totp\"", "", "g"), 1, false, "removed"},
      {"flow removed that another covers but lets more count", flow("\"totp\"") + flow("\"totp\", \"hotp\"", "", "g"), flow("\"totp\", \"hotp\"", "", "g"), 1, true, "removed"},
      {"flow lets more count", flow("\"webauthn\""), flow("\"webauthn\", \"totp\""), 1, true, "flow \"f\": factors adds \"totp\""},
      {"flow lets less count", flow("\"webauthn\", \"totp\""), flow("\"webauthn\""), 1, false, "factors drops \"totp\""},
      {"flow lets another count", flow("\"webauthn\""), flow("\"totp\""), 1, true, "factors adds"},
      {"flow in another order", flow("\"webauthn\", \"totp\""), flow("\"totp\", \"webauthn\""), 1, false, "factors are offered in another order"},
      {"flow for fewer people", flow("\"totp\""), flow("\"totp\"", "who = [\"role:x\"]"), 1, true, "who was anything"},
      {"flow for more people", flow("\"totp\"", "who = [\"role:x\"]"), flow("\"totp\"", "who = [\"role:x\", \"role:y\"]"), 1, false, "who adds"},
      {"flow at fewer access points", flow("\"totp\"", "access_point = [\"l*\"]"), flow("\"totp\"", "access_point = [\"lab\"]"), 1, true, "access_point adds"},
      {"flow from level 3 on only", flow("\"webauthn\""), flow("\"webauthn\"", "level = 3"), 1, true, "holds from level 3 on only"},
      {"flow for every level", flow("\"webauthn\"", "level = 3"), flow("\"webauthn\""), 1, false, "holds for every level"},
      {"signal asks for more", "", on_signal(domain::Signal::new_source, "level = 3"), 1, false, "signal new_source: level was 2, is 3"},
      {"signal asks for less", "", on_signal(domain::Signal::many_refusals, "max_age = \"24h\""), 1, true, "signal many_refusals: max_age was 15m, is 24h"},
      {"signal as by default", "", on_signal(domain::Signal::new_client, "max_age = \"60m\""), 0, false, ""},
      {"split in two", allow("model = [\"x\", \"y\"]"), allow("model = [\"x\"]") + allow("model = [\"y\"]", "b"), 2, false, ""},
      {"joined of two: not provable by single rules", allow("model = [\"x\"]") + allow("model = [\"y\"]", "b"), allow("model = [\"x\", \"y\"]"), 2, true, ""},
  };
}

TEST(Compare, Table) {
  for (const Comparison& r : comparisons()) {
    SCOPED_TRACE(r.name);
    const auto d = compare(must_parse(r.before), must_parse(r.after));
    ASSERT_EQ(d.size(), r.differences);
    EXPECT_EQ(loosens(d), r.loosens);
    if (d.empty()) continue;
    EXPECT_NE(d[0].text.find(r.says), std::string::npos) << d[0].text;
  }
}

// Property: where compare() sees no loosening, no act of a large sample is allowed that was not, and
// none asks for less. Policies are drawn from a small world, so that rules overlap often.
TEST(Compare, TighteningIsNeverALie) {
  std::mt19937 random(11);
  const auto pick = [&](std::initializer_list<const char*> list) { return std::string(list.begin()[random() % list.size()]); };
  const auto draw = [&] {
    std::string text = pick({"", "", "[sensitivity.moderate]\nmax_age = \"30m\"\n", "[sensitivity.moderate]\nlevel = 3\n"}) +
                       pick({"", "", "[signal.new_source]\nlevel = 3\n", "[signal.new_source]\nmax_age = \"1m\"\n"});
    for (std::size_t i = random() % 4 / 2; i > 0; --i) {
      text += flow(pick({"\"webauthn\"", "\"totp\", \"webauthn\"", "\"hotp\", \"webauthn\", \"totp\""}),
                   pick({"", "", "who = [\"role:a\"]\n", "who = [\"group:g\", \"user:u\"]\n"}) +
                       pick({"", "", "access_point = [\"demo\"]\n", "access_point = [\"*e*\"]\n"}) + pick({"", "", "level = 3\n"}),
                   pick({"f", "g"}) + std::to_string(i));
    }
    const std::size_t n = random() % 4;
    for (std::size_t i = 0; i < n; ++i) {
      const bool is_allow = random() % 3 != 0;
      std::string body = pick({"", "", "who = [\"role:a\"]\n", "who = [\"role:a\", \"user:u\"]\n", "who = [\"group:g\"]\n"}) +
                         pick({"", "", "model = [\"m*\"]\n", "model = [\"m1\"]\n", "model = [\"m?\", \"n\"]\n", "model = [\"*1\"]\n"}) +
                         pick({"", "", "", "access_point = [\"vestibule\"]\n", "access_point = [\"*\", \"vestibule\"]\n", "access_point = [\"demo\"]\n"}) +
                         pick({"", "", "network = [\"10.0.0.0/8\"]\n", "network = [\"10.1.0.0/16\", \"unix\"]\n", "network = [\"::/0\"]\n"}) +
                         pick({"", "", "hours = [\"08:00-18:00\"]\nzone = \"UTC\"\n", "hours = [\"Mon 09:00-17:00\"]\nzone = \"UTC\"\n", "hours = [\"08:00-18:00\"]\nzone = \"Asia/Tokyo\"\n"});
      if (is_allow) body += pick({"", "", "", "level = 3\n", "max_age = \"10m\"\n", "confirm = \"self\"\n", "mandate = true\n"});
      text += rule(pick({"p", "q", "r"}) + std::to_string(i), is_allow ? "allow" : "deny", body);
    }
    return must_parse(text);
  };
  std::vector<Call> calls;
  for (const char* ap : {"demo", "vestibule"}) {
    for (const char* model : {"m1", "m22", "n", ""}) {
      for (const char* source : {"10.1.0.1", "10.2.0.1", "2001:db8::1", "unix"}) {
        for (const char* when : {"2026-11-23T10:00:00Z", "2026-11-23T08:30:00Z", "2026-11-24T23:30:00Z"}) {
          calls.push_back({.access_point = ap, .model = model, .user = "u", .roles = {}, .source = source, .when = when});
          calls.push_back({.access_point = ap, .model = model, .roles = {"a"}, .groups = {"g"}, .source = source, .when = when, .trusted = source[0] != 'u'});
        }
      }
    }
  }
  std::vector<Situated> situations;
  for (Call c : calls) {
    situations.emplace_back(c);
    c.signals.raise(domain::Signal::new_source);
    situations.emplace_back(c);
  }
  int tightenings = 0;
  for (int round = 0; round < 2000; ++round) {
    const Policy a = draw();
    const Policy b = draw();
    if (a.digest() == b.digest() || loosens(compare(a, b))) continue;
    ++tightenings;
    for (const Situated& s : situations) {
      const auto before = s.decide(a);
      const auto after = s.decide(b);
      if (after.outcome == Outcome::deny) continue;
      ASSERT_NE(before.outcome, Outcome::deny) << a.canonical() << "---\n" << b.canonical();
      ASSERT_EQ(stricter(after.need, before.need), after.need) << a.canonical() << "---\n" << b.canonical();
      ASSERT_TRUE(before.mandatable || !after.mandatable) << a.canonical() << "---\n" << b.canonical();
    }
  }
  EXPECT_GT(tightenings, 50);
}

}  // namespace
}  // namespace vestibule::policy
