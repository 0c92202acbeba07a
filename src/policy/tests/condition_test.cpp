#include "policy/condition.hpp"

#include <gtest/gtest.h>

#include <string>

namespace vestibule::policy {
namespace {

constexpr auto kNo = Truth::no;
constexpr auto kUnknown = Truth::unknown;
constexpr auto kYes = Truth::yes;

Condition must(std::string_view text) {
  auto c = Condition::parse(text);
  if (!c) {
    ADD_FAILURE() << text << ": " << c.error().detail;
    c = Condition::parse("x = 1");
  }
  return std::move(*c);
}

struct ConditionRow {
  const char* condition;
  std::string arguments;
  Truth truth;
};

std::vector<ConditionRow> condition_rows() {
  const std::string deep = std::string(70, '[') + std::string(70, ']');
  return {
      // --- numbers, exactly
      {"amount > 100", R"({"amount":100.01})", kYes},
      {"amount > 100", R"({"amount":100})", kNo},
      {"amount > 100", R"({"amount":100.00000000000000000001})", kYes},
      {"amount > 100", R"({"amount":1e2})", kNo},
      {"amount > 100", R"({"amount":1.0001E+2})", kYes},
      {"amount > 100", R"({"amount":99.99999999999999999999})", kNo},
      {"amount > 9007199254740992", R"({"amount":9007199254740993})", kYes},
      {"amount > 100", R"({"amount":1e400})", kUnknown},
      {"amount > 100", R"({"amount":1e-401})", kUnknown},
      {"amount > 100", R"({"amount":1e99999999999999999999})", kUnknown},
      {"amount > 100", R"({"amount":"101"})", kUnknown},
      {"amount > 100", R"({"amount":true})", kUnknown},
      {"amount > 100", R"({"amount":null})", kUnknown},
      {"amount > 100", R"({"amount":[101]})", kUnknown},
      {"amount > 100", R"({"amount":{"value":101}})", kUnknown},
      {"amount > 100", R"({"amount":-101})", kNo},
      {"amount >= 0", R"({"amount":-0})", kYes},
      {"amount = 0", R"({"amount":-0.0e5})", kYes},
      {"amount < 0", R"({"amount":-0})", kNo},
      {"amount < -1.5", R"({"amount":-1.50001})", kYes},
      {"amount <= 0.05", R"({"amount":0.050})", kYes},
      {"amount = 100", R"({"amount":100.0})", kYes},
      {"amount != 100", R"({"amount":1e2})", kNo},
      {"amount > 100", "{\"amount\":" + std::string(128, '9') + "}", kYes},
      {"amount > 100", "{\"amount\":" + std::string(129, '9') + "}", kUnknown},
      // --- fields
      {"amount > 100", R"({})", kUnknown},
      {"amount > 100", R"({"amount":1,"amount":1000})", kUnknown},
      {"amount > 100", R"({"amount":1,"\u0061mount":1000})", kUnknown},
      {"amount > 100", R"({"\u0061mount":1000})", kYes},
      {"amount > 100", R"({"amount":1,"Amount":1000})", kUnknown},
      {"amount > 100", R"({"AMOUNT":1000})", kUnknown},
      {"amount > 100", R"({"amount":1,"amount\u0000":1000})", kUnknown},
      {"tasks > 1", "{\"tasks\":2,\"ta\xC5\xBFks\":0}", kUnknown},
      {"tasks > 1", "{\"tasks\":2,\"t\xD0\xB0sks\":0}", kYes},
      {"amount > 100", R"({"x":{"amount":1},"amount":101})", kYes},
      {"amount > 100", R"({"x":{"amount":101}})", kUnknown},
      {"a.b.c = 1", R"({"a":{"b":{"c":1}}})", kYes},
      {"a.b.c = 1", R"({"a":{"x":{"c":1},"b":{"d":{"c":2},"c":1}}})", kYes},
      {"a.b = 1", R"({"a":[{"b":1}]})", kUnknown},
      {"a.b = 1", R"({"a":{"c":[{"b":2}],"b":1}})", kYes},
      {"a.b = 1", R"({"a":{"c":{"b":2}},"b":1})", kUnknown},
      {"a.b = 1", R"({"a":{},"x":{"b":1}})", kUnknown},
      {"a.b = 1", R"({"A":{"b":2},"a":{"b":1}})", kUnknown},
      {"a.b = 1", R"({"a":{"b":1,"B":2}})", kUnknown},
      {"a.b = 1", R"({"a.b":1})", kUnknown},
      {R"("a.b" = 1)", R"({"a.b":1})", kYes},
      {R"("a.b" = 1)", R"({"a":{"b":1}})", kUnknown},
      {R"("a\"b".c = 1)", R"({"a\"b":{"c":1}})", kYes},
      {R"("a\\b" = 1)", R"({"a\\b":1})", kYes},
      {R"("odd key"."$x" = true)", R"({"odd key":{"$x":true}})", kYes},
      // --- arguments that are not to be trusted
      {"a = 1", R"([{"a":1}])", kUnknown},
      {"a = 1", R"("a")", kUnknown},
      {"a = 1", "", kUnknown},
      {"a = 1", R"({"a":1)", kUnknown},
      {"a = 1", R"({"a":1} x)", kUnknown},
      {"a = 1", R"({"a":1,})", kUnknown},
      {"a = 2", R"({"a":1,"z":"\ud800"})", kUnknown},
      {"a = 1", "\xEF\xBB\xBF{\"a\":1}", kUnknown},
      {"a = 1", "{\"a\":1,\"z\":\"\xff\"}", kUnknown},
      {"a = 1", "{\"z\":" + deep + ",\"a\":1}", kUnknown},
      {"a = 1", R"({"z":[[[[{"a":2}]]]],"a":1})", kYes},
      // --- text and truth values
      {R"(mode = "dry")", R"({"mode":"dry"})", kYes},
      {R"(mode = "dry")", R"({"mode":"Dry"})", kNo},
      {R"(mode = "dry")", R"({"mode":"dry "})", kNo},
      {R"(mode = "dry")", R"({"mode":"dr\u0079"})", kYes},
      {R"(mode = "dry")", R"({"mode":"dry\u0000"})", kUnknown},
      {R"(mode != "dry")", R"({"mode":"wet"})", kYes},
      {R"(mode != "dry")", R"({"mode":5})", kUnknown},
      {R"(mode = "say \"x\"")", R"({"mode":"say \"x\""})", kYes},
      {R"(mode = "")", R"({"mode":""})", kYes},
      {R"(n = "1")", R"({"n":1})", kUnknown},
      {"recursive = true", R"({"recursive":true})", kYes},
      {"recursive = true", R"({"recursive":false})", kNo},
      {"recursive != true", R"({"recursive":false})", kYes},
      {"recursive = true", R"({"recursive":"true"})", kUnknown},
      {"recursive = true", R"({"recursive":1})", kUnknown},
      // --- globs
      {"name matches report-*", R"({"name":"report-7"})", kYes},
      {"name matches report-*", R"({"name":"Report-7"})", kNo},
      {"name matches r?n", "{\"name\":\"r\xC3\xBCn\"}", kYes},
      {"name not matches report-*", R"({"name":"x"})", kYes},
      {"name not matches report-*", R"({"name":["x"]})", kUnknown},
      {"name matches a b*", R"({"name":"a bc"})", kYes},
      {"name matches *", "{\"name\":\"" + std::string(4096, 'x') + "\"}", kYes},
      {"name matches *", "{\"name\":\"" + std::string(4097, 'x') + "\"}", kUnknown},
      // --- folders: what may be read in two ways is in none, and outside of none
      {"path under /srv/data", R"({"path":"/srv/data/x"})", kYes},
      {"path under /srv/data", R"({"path":"/srv/data"})", kYes},
      {"path under /srv/data", R"({"path":"/srv/data/"})", kYes},
      {"path under /srv/data", R"({"path":"/srv/database"})", kNo},
      {"path under /srv/data", R"({"path":"/srv"})", kNo},
      {"path under /srv/data", R"({"path":"/SRV/data/x"})", kNo},
      {"path under /srv/data", R"({"path":"/srv/data/../../etc/passwd"})", kUnknown},
      {"path under /etc", R"({"path":"/srv/../etc/passwd"})", kUnknown},
      {"path not under /etc", R"({"path":"/srv/../etc/passwd"})", kUnknown},
      {"path not under /etc", R"({"path":"/srv/x"})", kYes},
      {"path under /srv/data", R"({"path":"/srv/data/./x"})", kUnknown},
      {"path under /srv/data", R"({"path":"/srv//data/x"})", kUnknown},
      {"path under /srv/data", R"({"path":"//srv/data/x"})", kUnknown},
      {"path under /", R"({"path":"//"})", kUnknown},
      {"path under /", R"({"path":"/etc"})", kYes},
      {"path under /srv/data", R"({"path":"/srv/data/.."})", kUnknown},
      {"path under /srv/data", R"({"path":"/srv/data/..x"})", kYes},
      {"path under /srv/data", R"({"path":"srv/data/x"})", kUnknown},
      {"path under /srv/data", R"({"path":"~/x"})", kUnknown},
      {"path under /srv/data", R"({"path":"/srv/data/~root"})", kUnknown},
      {"path under /srv/data", R"({"path":"/srv/data/%2e%2e/x"})", kUnknown},
      {"path under /srv/data", R"({"path":"/srv/data/..\\x"})", kUnknown},
      {"path under /srv/data", R"({"path":"/srv/data/x\u0000/../.."})", kUnknown},
      {"path under /srv/data", R"({"path":"/srv/data/x\n"})", kUnknown},
      {"path under /srv/data", R"({"path":"\/srv\/data\/x"})", kYes},
      {"path under /srv/data", R"({"path":""})", kUnknown},
      {"path under /srv/data", R"({"path":["/srv/data/x"]})", kUnknown},
      // --- recipients
      {"to domain example.org", R"({"to":"anna@example.org"})", kYes},
      {"to domain example.org", R"({"to":"anna@EXAMPLE.org"})", kYes},
      {"to domain EXAMPLE.org", R"({"to":"example.org"})", kYes},
      {"to domain example.org", R"({"to":"anna@mail.example.org"})", kNo},
      {"to domain .example.org", R"({"to":"anna@mail.example.org"})", kYes},
      {"to domain .example.org", R"({"to":"anna@example.org"})", kYes},
      {"to domain .example.org", R"({"to":"anna@badexample.org"})", kNo},
      {"to not domain .example.org", R"({"to":"x@evil.test"})", kYes},
      {"to domain example.org", R"({"to":"anna@example.org.evil.test"})", kNo},
      {"to domain example.org", R"({"to":"x@evil.test, anna@example.org"})", kUnknown},
      {"to domain example.org", R"({"to":"x@evil.test;anna@example.org"})", kUnknown},
      {"to domain example.org", R"({"to":"x@evil.test@example.org"})", kUnknown},
      {"to domain example.org", R"({"to":"x%evil.test@example.org"})", kUnknown},
      {"to domain example.org", R"({"to":"evil.test!x@example.org"})", kUnknown},
      {"to domain example.org", R"({"to":"<x@evil.test> anna@example.org"})", kUnknown},
      {"to domain example.org", R"({"to":"\"x@evil.test\"@example.org"})", kUnknown},
      {"to domain example.org", "{\"to\":\"anna@ex\xD0\xB0mple.org\"}", kUnknown},
      {"to domain example.org", R"({"to":"anna@example.org."})", kUnknown},
      {"to domain example.org", R"({"to":"anna@example.org\n"})", kUnknown},
      {"to domain example.org", R"({"to":"@example.org"})", kUnknown},
      {"to domain example.org", R"({"to":"https://example.org/x"})", kUnknown},
      {"to domain example.org", R"({"to":["anna@example.org"]})", kUnknown},
  };
}

TEST(Condition, HoldsOrNotOrCannotBeTold) {
  for (const ConditionRow& r : condition_rows()) {
    SCOPED_TRACE(std::string(r.condition) + " of " + r.arguments.substr(0, 200));
    const std::vector<Condition> all{must(r.condition)};
    EXPECT_EQ(judge(all, r.arguments), r.truth);
    const std::vector<Condition> again{must(all.front().text())};
    EXPECT_EQ(again.front().text(), all.front().text()) << "one spelling";
    EXPECT_EQ(judge(again, r.arguments), r.truth);
  }
}

TEST(Condition, AllTogether) {
  const auto of = [](std::vector<std::string_view> texts, std::string_view arguments) {
    std::vector<Condition> all;
    for (const auto t : texts) all.push_back(must(t));
    return judge(all, arguments);
  };
  EXPECT_EQ(of({"a = 1", "b.c = 2", "b.d = 3"}, R"({"b":{"d":3,"c":2},"a":1})"), kYes);
  EXPECT_EQ(of({"a = 1", "b.c = 2"}, R"({"a":1})"), kUnknown);
  EXPECT_EQ(of({"a = 2", "b.c = 2"}, R"({"a":1})"), kNo) << "one that does not hold is enough";
  EXPECT_EQ(of({"a > 0", "a < 10"}, R"({"a":5})"), kYes);
  EXPECT_EQ(of({"a > 0", "a.b = 1"}, R"({"a":{"b":1}})"), kUnknown);
  EXPECT_EQ(of({"a = 2"}, R"({"a":1,"b":1,"b":1})"), kUnknown) << "not even no, of what is not JSON";
}

TEST(Condition, WhatIsNoneIsRefused) {
  struct Wrong { const char* text; const char* says; };
  const Wrong table[] = {
      {"", "needs a field"}, {" amount > 1", "needs a field"}, {"amount", "needs one of"}, {"amount >", "needs a value"},
      {"amount > ", "needs a value"}, {"amount>100", "needs a space"}, {"amount => 1", "needs one of"}, {"amount > 100 ", "no space at the end"},
      {"amount > abc", "needs a number"}, {"amount > \"1\"", "needs a number"}, {"amount > 01", "needs a number"}, {"amount > +1", "needs a number"},
      {"amount > .5", "needs a number"}, {"amount > 5.", "needs a number"}, {"amount > 1e401", "needs a number"}, {"amount > 0x10", "needs a number"},
      {"amount > 1 2", "needs a number"}, {"mode = dry", "in quotes"}, {"mode = \"dry", "quotes do not end"}, {"mode = \"dry\" x", "quotes do not end where it ends"},
      {"mode = \"a\\n\"", "another escape"}, {"mode = TRUE", "in quotes"}, {"mode not = \"x\"", "belongs before"}, {"amount not > 1", "belongs before"},
      {"mode not", "needs one of"}, {"path under srv", "needs a folder"}, {"path under /srv/../x", "needs a folder"}, {"path under /srv//x", "needs a folder"},
      {"path under /srv /", "end in a space"},
      {"path under ~/x", "needs a folder"}, {"path under //", "needs a folder"}, {"to domain x@example.org", "needs a host"}, {"to domain example.org.", "needs a host"},
      {"to domain .", "needs a host"}, {"to domain ..org", "needs a host"}, {"to domain ex\xC3\xA4mple.org", "needs a host"}, {"a..b = 1", "needs a field"},
      {".a = 1", "needs a field"}, {"a. = 1", "needs a field"}, {"\"a = 1", "quotes do not end"}, {"\"\" = 1", "needs a field"}, {"\"a\"b = 1", "needs a space"},
      {"\xC3\xA4 = 1", "needs a field"}, {"\"\xC3\xA4\" = 1", "needs a field"}, {"a$b = 1", "needs a space"}, {"a[0] = 1", "needs a space"},
      {"a.b.c.d.e.f.g.h.i = 1", "more than 8 keys"},
  };
  for (const Wrong& w : table) {
    SCOPED_TRACE(w.text);
    const auto c = Condition::parse(w.text);
    ASSERT_FALSE(c);
    EXPECT_NE(c.error().detail.find(w.says), std::string::npos) << c.error().detail;
  }
  EXPECT_TRUE(Condition::parse(std::string(kMaxKey, 'a') + " = 1"));
  EXPECT_FALSE(Condition::parse(std::string(kMaxKey + 1, 'a') + " = 1"));
}

TEST(Condition, OneFollowsFromAnother) {
  struct Pair { const char* wide; const char* narrow; bool follows; };
  const Pair table[] = {
      {"a > 1", "a > 1", true}, {"a > 1", "a > 2", true}, {"a > 2", "a > 1", false}, {"a > 1", "a >= 1", false}, {"a >= 1", "a > 1", true},
      {"a > 1", "a = 1", false}, {"a >= 1", "a = 1", true}, {"a > 1", "a = 2", true}, {"a < 2", "a < 1", true}, {"a < 1", "a < 2", false},
      {"a <= 1", "a < 1", true}, {"a < 1", "a <= 1", false}, {"a = 1", "a = 1.0", true}, {"a != 1", "a = 2", false}, {"a > 1", "b > 1", false},
      {"a > 1", "a < 1", false}, {"a = \"x\"", "a = \"x\"", true}, {"a = \"x\"", "a = \"y\"", false}, {"a = true", "a = 1", false},
      {"a matches b*", "a matches bc*", true}, {"a matches bc*", "a matches b*", false}, {"a not matches bc*", "a not matches b*", true},
      {"a not matches b*", "a not matches bc*", false}, {"a matches b*", "a not matches b*", false}, {"a matches *", "a = \"x\"", false},
      {"a under /srv", "a under /srv/data", true}, {"a under /srv/data", "a under /srv", false}, {"a under /srv", "a under /srvx", false},
      {"a not under /srv/data", "a not under /srv", true}, {"a under /", "a under /srv", true}, {"a domain .org", "a domain x.org", true},
      {"a domain .org", "a domain .x.org", true}, {"a domain x.org", "a domain .x.org", false}, {"a domain .x.org", "a domain .org", false},
      {"a not domain x.org", "a not domain .org", true}, {"a not domain .org", "a not domain x.org", false},
  };
  for (const Pair& p : table) {
    SCOPED_TRACE(std::string(p.wide) + " from " + p.narrow);
    EXPECT_EQ(must(p.wide).follows_from(must(p.narrow)), p.follows);
  }
}

}  // namespace
}  // namespace vestibule::policy
