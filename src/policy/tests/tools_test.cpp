// Rules on tool calls.
#include "policy/compare.hpp"
#include "policy/condition.hpp"
#include "policy/explanation.hpp"
#include "policy/scope.hpp"
#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;
constexpr auto kDeny = Outcome::deny;
constexpr auto kConfirm = Outcome::confirm;

std::string on(const std::string& tool, const std::string& rest = "") { return "tool = [" + tool + "]\n" + rest; }
const std::string kNone = "confirm = \"none\"\n";
const std::string kTwo = "confirm = \"people\"\npeople = 2\n";

// What the call needs, in short: "none", "self code", "self", "2", "2 apart", ...
std::string brief(const domain::Requirement& r) {
  std::string out = r.confirmation == Confirmation::none ? "none" : r.confirmation == Confirmation::self ? "self" : std::to_string(r.people);
  if (r.confirmation != Confirmation::none && !r.bound) out += " code";
  if (r.apart) out += " apart";
  if (r.justification) out += " reason";
  if (!r.approvers.anybody()) out += " by " + r.approvers.text();
  return out;
}

struct ToolRow {
  const char* name;
  std::string policy;
  Call call;
  Outcome outcome;
  std::string rule;
  std::string need;  // where it is not denied
};

Call call(const std::string& tool, const std::string& arguments = "{}") {
  Call c;
  c.tool = tool;
  c.arguments = arguments;
  return c;
}
Call at_critical(const std::string& tool) {
  Call c = call(tool);
  c.sensitivity = Sensitivity::critical;
  c.proofs = {kPassword, key()};
  return c;
}
template <class Change>
Call with(Call c, Change change) {
  change(c);
  return c;
}

std::vector<ToolRow> tool_rows() {
  const std::string transfer = allow(on("\"transfer\"", "argument = [\"amount <= 100\"]\n" + kNone), "small") +
                               allow(on("\"transfer\"", "argument = [\"amount > 100\"]\n" + kTwo), "large");
  const std::string both = allow() + allow(on("\"*\"", kNone), "t");
  return {
      // --- which rules speak of a call
      {"no rules: the person signs", "", call("rm"), kConfirm, "default", "self"},
      {"an allow rule that names no tool says nothing", allow(), call("rm"), kConfirm, "default", "self"},
      {"not even of the operation", allow("operation = [\"tools/call\"]"), call("rm"), kConfirm, "default", "self"},
      {"nor does what it asks for count", allow("max_age = \"10s\""), with(call("rm"), [](Call& c) { c.proofs = {kPassword, totp(5min)}; }), kConfirm, "default", "self"},
      {"an allow rule that names it", allow(on("\"rm\"", kNone)), call("rm"), kAllow, "a", "none"},
      {"confirm left out is self", allow(on("\"rm\"")), call("rm"), kConfirm, "a", "self"},
      {"every tool by name", allow(on("\"*\"", kNone)), call("rm"), kAllow, "a", "none"},
      {"a rule on tools allows nothing else", allow(on("\"*\"", kNone)), {}, kDeny, "default", ""},
      {"a deny rule on tools denies nothing else", allow() + deny(on("\"*\"")), {}, kAllow, "a", "none"},
      {"deny that names it", both + deny(on("\"rm\"")), call("rm"), kDeny, "d", ""},
      {"deny that names nothing", both + deny(), call("rm"), kDeny, "d", ""},
      {"deny of a person", both + deny("who = [\"user:alice\"]"), call("rm"), kDeny, "d", ""},
      {"deny of the operation", both + deny("operation = [\"tools/call\"]"), call("rm"), kDeny, "d", ""},
      {"deny of operations like it", both + deny("operation = [\"tools/*\"]"), call("rm"), kDeny, "d", ""},
      {"deny of another operation", both + deny("operation = [\"embed\"]"), call("rm"), kAllow, "t", "none"},
      {"deny of the model", both + deny("model = [\"tiny*\"]"), call("rm"), kDeny, "d", ""},
      {"deny at another access point", both + deny("access_point = [\"lab\"]\n" + on("\"rm\"")), call("rm"), kAllow, "t", "none"},
      {"an allow rule of somebody else", allow(on("\"rm\"", kNone + "who = [\"role:x\"]")), call("rm"), kConfirm, "default", "self"},
      {"closed by default", deny(on("\"*\"")) + allow(on("\"rm\"", kNone)), call("rm"), kDeny, "d", ""},
      {"nobody signed in", allow(on("\"*\"", kNone)), with(call("rm"), [](Call& c) { c.signed_in = false; }), kDeny, "default", ""},
      {"the administration has no tools", allow(on("\"*\"", kNone + "access_point = [\"vestibule\"]")), with(call("rm"), [](Call& c) { c.access_point = "vestibule"; }), kDeny, "default", ""},
      {"lapsed first", allow(on("\"rm\"", kNone)), with(call("rm"), [](Call& c) { c.proofs = {kPassword, totp(2h)}; }), kStepUp, "a", "none"},
      {"lapsed without a rule", "", with(call("rm"), [](Call& c) { c.proofs = {kPassword, totp(2h)}; }), kStepUp, "default", "self"},
      {"closed: no rule", "[tools]\nunruled = \"deny\"\n", call("rm"), kDeny, "default", ""},
      {"closed: another name", "[tools]\nunruled = \"deny\"\n" + allow(on("\"delete_file\"", kNone)), call("Delete_file"), kDeny, "default", ""},
      {"closed: a rule", "[tools]\nunruled = \"deny\"\n" + allow(on("\"rm\"", kNone)), call("rm"), kAllow, "a", "none"},
      {"closed: what cannot be told", "[tools]\nunruled = \"deny\"\n" + allow(on("\"rm\"", kTwo + "argument = [\"a = 1\"]")), call("rm"), kDeny, "default", ""},
      {"closed: other acts are not", "[tools]\nunruled = \"deny\"\n" + allow(), {}, kAllow, "a", "none"},
      // --- names are bytes
      {"a pattern", allow(on("\"delete_*\"", kNone)), call("delete_file"), kAllow, "a", "none"},
      {"case counts", both + deny(on("\"delete_*\"")), call("Delete_file"), kAllow, "t", "none"},
      {"a name that no rule matches asks a person", allow(on("\"delete_file\"", kNone)), call("Delete_file"), kConfirm, "default", "self"},
      {"a Cyrillic a", allow(on("\"transfer\"", kNone)), call("tr\xD0\xB0nsfer"), kConfirm, "default", "self"},
      {"a space at the end", allow(on("\"transfer\"", kNone)), call("transfer "), kConfirm, "default", "self"},
      {"a NUL at the end", allow(on("\"transfer\"", kNone)), call(std::string("transfer\0", 9)), kConfirm, "default", "self"},
      {"a prefix is no match", allow(on("\"transfer\"", kNone)), call("transfe"), kConfirm, "default", "self"},
      {"a name of no sane length", allow(on("\"*\"", kNone)), call(std::string(kMaxFact + 1, 'x')), kDeny, "default", ""},
      // --- arguments
      {"small", transfer, call("transfer", R"({"amount":100})"), kAllow, "small", "none"},
      {"large", transfer, call("transfer", R"({"amount":100.00000000000000000001})"), kConfirm, "large", "2"},
      {"what cannot be told allows nothing, and asks for all", transfer, call("transfer", R"({"amount":"100"})"), kConfirm, "large", "2"},
      {"missing", transfer, call("transfer"), kConfirm, "large", "2"},
      {"given twice", transfer, call("transfer", R"({"amount":1,"amount":1000})"), kConfirm, "large", "2"},
      {"under another case", transfer, call("transfer", R"({"amount":1,"Amount":1000})"), kConfirm, "large", "2"},
      {"no object", transfer, call("transfer", "[1]"), kConfirm, "large", "2"},
      {"beyond a double", transfer, call("transfer", R"({"amount":1e400})"), kConfirm, "large", "2"},
      {"of one that asks for nothing nothing is asked", allow(on("\"rm\"", kNone + "argument = [\"a = 1\"]")), call("rm"), kConfirm, "default", "self"},
      {"one that cannot be told raises what another allows", allow(on("\"rm\"", kNone), "a") + allow(on("\"rm\"", kTwo + "argument = [\"a = 1\"]"), "b"), call("rm"), kConfirm, "b", "2"},
      {"one that does not hold does not", allow(on("\"rm\"", kNone), "a") + allow(on("\"rm\"", kTwo + "argument = [\"a = 1\"]"), "b"), call("rm", R"({"a":2})"), kAllow, "a", "none"},
      {"deny that holds", both + deny(on("\"rm\"", "argument = [\"path under /etc\"]")), call("rm", R"({"path":"/etc/x"})"), kDeny, "d", ""},
      {"deny that does not", both + deny(on("\"rm\"", "argument = [\"path under /etc\"]")), call("rm", R"({"path":"/srv/x"})"), kAllow, "t", "none"},
      {"deny that cannot be told", both + deny(on("\"rm\"", "argument = [\"path under /etc\"]")), call("rm", R"({"path":"/srv/../etc/x"})"), kDeny, "d", ""},
      {"deny of a field that is missing", both + deny(on("\"rm\"", "argument = [\"path under /etc\"]")), call("rm"), kDeny, "d", ""},
      {"deny of two of which one does not hold", both + deny(on("\"rm\"", "argument = [\"path under /etc\", \"force = true\"]")), call("rm", R"({"force":false})"), kAllow, "t", "none"},
      // --- how it is confirmed: the strictest of everything
      {"a code", allow(on("\"rm\"", "confirm_with = \"code\"")), call("rm"), kConfirm, "a", "self code"},
      {"a code and a signature", allow(on("\"rm\"", "confirm_with = \"code\"")) + allow(on("\"*\""), "b"), call("rm"), kConfirm, "b", "self"},
      {"none and self", allow(on("\"rm\"", kNone)) + allow(on("\"*\""), "b"), call("rm"), kConfirm, "b", "self"},
      {"people", allow(on("\"rm\"", kTwo + "approvers = [\"user:bob\", \"role:treasurer\"]")), call("rm"), kConfirm, "a", "2 by role:treasurer or user:bob"},
      {"people of two lists", allow(on("\"rm\"", kTwo + "approvers = [\"role:treasurer\"]")) + allow(on("\"*\"", "confirm = \"people\"\npeople = 3\napprovers = [\"group:board\"]"), "b"), call("rm"), kConfirm, "b", "3 by role:treasurer; and group:board"},
      {"the same list twice", allow(on("\"rm\"", kTwo + "approvers = [\"role:x\"]")) + allow(on("\"*\"", kTwo + "approvers = [\"role:x\", \"role:x\"]"), "b"), call("rm"), kConfirm, "a", "2 by role:x"},
      {"a reason", allow(on("\"rm\"", "justification = true")), call("rm"), kConfirm, "a", "self reason"},
      {"a level", allow(on("\"rm\"", kNone + "level = 3")), call("rm"), kStepUp, "a", "none"},
      {"critical: a floor, and apart", allow(on("\"rm\"", kNone)), at_critical("rm"), kConfirm, "a", "self apart"},
      {"critical without a rule", "", at_critical("rm"), kConfirm, "default", "self apart"},
      {"critical: no code whatever a rule says", allow(on("\"rm\"", "confirm_with = \"code\"")), at_critical("rm"), kConfirm, "a", "self apart"},
      {"critical that asks for no confirmation", "[sensitivity.critical]\nconfirm = \"none\"\n" + allow(on("\"rm\"", kNone)), at_critical("rm"), kAllow, "a", "none"},
      {"a signal wants a signature", on_signal(Signal::new_source, "confirm = \"self\"") + allow(on("\"rm\"", kNone)), with(call("rm"), [](Call& c) { c.signals.raise(Signal::new_source); }), kConfirm, "signal:new_source", "self"},
      // --- the clock
      {"hours of an allow rule while the clock is wrong", allow(on("\"rm\"", kNone + "hours = [\"00:00-23:00\"]\nzone = \"UTC\"")), with(call("rm"), [](Call& c) { c.trusted = false; }), kDeny, "a", ""},
      {"outside its hours it says nothing", allow(on("\"rm\"", kNone + "hours = [\"11:00-12:00\"]\nzone = \"UTC\"")), call("rm"), kConfirm, "default", "self"},
  };
}

TEST(Tools, WhatIsDecided) {
  for (const ToolRow& r : tool_rows()) {
    SCOPED_TRACE(r.name);
    const Policy p = must_parse(r.policy);
    const Situated s(r.call);
    const domain::Decision d = s.decide(p);
    EXPECT_EQ(name(d.outcome), name(r.outcome));
    EXPECT_EQ(d.rule.view(), r.rule);
    EXPECT_EQ(r.outcome == kDeny ? "" : brief(d.need), r.need);
    EXPECT_FALSE(d.mandatable);
    const Policy again = must_parse(p.canonical());
    EXPECT_EQ(hex(again.digest()), hex(p.digest()));
    EXPECT_EQ(s.decide(again).need, d.need);
    const Explanation why = p.explain(s.act, s.subject, s.evidence, s.source, s.now, s.trusted, s.signals);
    EXPECT_EQ(why.decision.outcome, d.outcome);
    EXPECT_EQ(decide_both(p, &again, s.act, s.subject, s.evidence, s.source, s.now, s.trusted, s.signals).need, d.need);
  }
}

TEST(Tools, AnOperationOfToolsNamesItsTool) {
  const Policy p = must_parse(allow() + allow(on("\"*\"", kNone), "t"));
  Situated s(call("rm"));
  EXPECT_EQ(s.decide(p).outcome, kAllow);
  s.act.operation = "chat";
  EXPECT_EQ(s.decide(p).outcome, kDeny) << "a tool call says that it is one";
  s.act.operation = domain::kToolCall;
  s.act.tool = {};
  EXPECT_EQ(s.decide(p).outcome, kDeny) << "and what it calls";
}

TEST(Tools, MandatesOnlyWhereNothingIsConfirmed) {
  const Policy p = must_parse(allow(on("\"read\"", kNone + "mandate = true")));
  EXPECT_TRUE(Situated(call("read")).decide(p).mandatable);
  EXPECT_FALSE(Situated(call("write")).decide(p).mandatable);
  const Policy other = must_parse(allow(on("\"read\"", kNone + "mandate = true")) + allow(on("\"*\""), "b"));
  EXPECT_FALSE(Situated(call("read")).decide(other).mandatable);
}

TEST(Tools, ApproversStandOnEveryList) {
  const Policy p = must_parse(allow(on("\"rm\"", kTwo + "approvers = [\"role:treasurer\", \"user:bob\"]")) +
                              allow(on("\"*\"", kTwo + "approvers = [\"group:board\"]"), "b"));
  const domain::Approvers all = Situated(call("rm")).decide(p).need.approvers;
  const auto may = [&](Call c) { return all.admits(Situated(std::move(c)).subject); };
  EXPECT_TRUE(may({.user = "carol", .roles = {"treasurer"}, .groups = {"board"}}));
  EXPECT_TRUE(may({.user = "bob", .groups = {"board"}}));
  EXPECT_FALSE(may({.user = "bob"}));
  EXPECT_FALSE(may({.user = "carol", .roles = {"treasurer"}}));
  EXPECT_FALSE(may({.user = "carol", .groups = {"board", "treasurer"}})) << "a group is no role";
  EXPECT_FALSE(may({.user = "role:treasurer", .groups = {"board"}}));
  EXPECT_FALSE(may({.user = "carol", .roles = {"treasurer"}, .groups = {"board"}, .signed_in = false}));
  EXPECT_TRUE(Situated(call("other")).decide(p).need.approvers.admits(Situated({.groups = {"board"}}).subject));
  EXPECT_EQ(p.principals(), (std::vector<std::string>{"group:board", "role:treasurer", "user:bob"}));
}

TEST(Tools, TooManyListsAtOnceLeaveNobody) {
  std::string text;
  for (std::size_t i = 0; i <= domain::Approvers::capacity; ++i) {
    const std::string n = std::to_string(i);
    text += allow(on("\"*\"", kTwo + "approvers = [\"role:r" + n + "\"]"), "r" + n);
  }
  Call everything{.roles = {}};
  for (std::size_t i = 0; i <= domain::Approvers::capacity; ++i) everything.roles.push_back("r" + std::to_string(i));
  const domain::Approvers all = Situated(call("rm")).decide(must_parse(text)).need.approvers;
  EXPECT_TRUE(all.nobody());
  EXPECT_FALSE(all.admits(Situated(everything).subject));
  EXPECT_EQ(all.with(domain::Approvers::of(std::vector<std::string>{"role:r0"})), all);
}

TEST(Tools, WhatIsWrongIsTold) {
  struct Wrong { const char* name; std::string text; const char* key; const char* says; };
  std::string many = "argument = [";
  for (std::size_t i = 0; i <= kMaxConditions; ++i) many += "\"a" + std::to_string(i) + " = 1\", ";
  const Wrong table[] = {
      {"argument without a tool", allow("argument = [\"a = 1\"]"), "argument", "needs a tool"},
      {"operation and tool", allow(on("\"x\"", "operation = [\"chat\"]")), "operation", "means nothing"},
      {"an argument that is none", allow(on("\"x\"", "argument = [\"amount>1\"]")), "argument", "needs a space"},
      {"an argument with a control character", deny(on("\"x\"", "argument = [\"a matches \\u001b[\"]")), "argument", "control"},
      {"an argument too long", deny(on("\"x\"", "argument = [\"a matches " + std::string(kMaxEntry, 'x') + "\"]")), "argument", "at most"},
      {"too many arguments", deny(on("\"x\"", many + "]")), "argument", "at most 16"},
      {"a tool with a space", allow(on("\"x \"")), "tool", "without spaces"},
      {"no tool", allow("tool = []"), "tool", "at least 1"},
      {"confirm none of other acts", allow("confirm = \"none\""), "confirm", "name a tool"},
      {"people for other acts", allow(kTwo), "confirm", "name a tool"},
      {"people without a number", allow(on("\"x\"", "confirm = \"people\"")), "confirm", "people = N"},
      {"nobody", allow(on("\"x\"", "confirm = \"people\"\npeople = 0")), "people", "at least 1"},
      {"six people", allow(on("\"x\"", "confirm = \"people\"\npeople = 6")), "people", "at most 5"},
      {"a number without people", allow(on("\"x\"", "people = 2")), "people", "confirm = \"people\""},
      {"approvers without people", allow(on("\"x\"", "approvers = [\"role:x\"]")), "approvers", "confirm = \"people\""},
      {"an agent approves", allow(on("\"x\"", kTwo + "approvers = [\"agent:x\"]")), "approvers", "is none of"},
      {"anyone approves", allow(on("\"x\"", kTwo + "approvers = [\"anyone\"]")), "approvers", "is none of"},
      {"an approver without a name", allow(on("\"x\"", kTwo + "approvers = [\"role:\"]")), "approvers", "needs a name"},
      {"approvers by wildcard", allow(on("\"x\"", kTwo + "approvers = [\"role:*\"]")), "approvers", "wildcard"},
      {"a code for nothing", allow(on("\"x\"", kNone + "confirm_with = \"code\"")), "confirm_with", "has it confirmed"},
      {"a code for other acts", allow("confirm = \"self\"\nconfirm_with = \"code\""), "confirm_with", "has it confirmed"},
      {"a reason for nothing", allow(on("\"x\"", kNone + "justification = true")), "justification", "has it confirmed"},
      {"a mandate that is confirmed", allow(on("\"x\"", "mandate = true")), "mandate", "confirmed"},
      {"deny with confirm", deny(on("\"x\"", "confirm = \"self\"")), "confirm", "deny rule"},
      {"deny with people", deny(on("\"x\"", "people = 2")), "people", "deny rule"},
      {"deny with approvers", deny(on("\"x\"", "approvers = [\"role:x\"]")), "approvers", "deny rule"},
      {"deny with a reason", deny(on("\"x\"", "justification = true")), "justification", "deny rule"},
  };
  for (const Wrong& w : table) {
    SCOPED_TRACE(w.name);
    const auto r = Policy::parse(w.text, "policy.toml");
    ASSERT_FALSE(r);
    EXPECT_EQ(r.problems.front().key, "rule[1]." + std::string(w.key));
    EXPECT_NE(r.problems.front().message.find(w.says), std::string::npos) << r.text();
  }
}

TEST(Tools, ASpellingMeansNothing) {
  const auto digest = [](const std::string& text) { return hex(must_parse(text).digest()); };
  const std::string one = allow(on("\"b\", \"a\"", "argument = [\"a = 1\", \"b  =  2\"]\nconfirm = \"self\""));
  EXPECT_EQ(digest(one), digest(allow(on("\"a\", \"b\", \"a\"", "argument = ['\"b\" = 2', \"a = 1\", \"a = 1\"]\nconfirm_with = \"signature\"\njustification = false"))));
  EXPECT_NE(digest(one), digest(allow(on("\"a\", \"b\"", "argument = [\"a = 1\"]"))));
  EXPECT_NE(digest(allow(on("\"*\"", kNone))), digest(allow()));
  EXPECT_NE(digest(deny(on("\"*\""))), digest(deny()));
  const std::string odd = allow(on("\"x\"", R"(argument = ['"say \"x\\\"".b = "c\\d"'])"));
  EXPECT_EQ(hex(must_parse(must_parse(odd).canonical()).digest()), digest(odd));
}

struct Change {
  const char* name;
  std::string before, after;
  bool loosens;
  const char* says;
};

TEST(Tools, WhatLoosens) {
  const std::string people = "confirm = \"people\"\npeople = ";
  const Change table[] = {
      {"a tool is let out", "", allow(on("\"x\"", kNone)), true, "is added"},
      {"what every tool takes anyway", "", allow(on("\"x\"")), false, "is added"},
      {"more than that", "", allow(on("\"x\"", kTwo)), false, "is added"},
      {"a code instead of a signature", "", allow(on("\"x\"", "confirm_with = \"code\"")), true, "is added"},
      {"a deny goes", deny(on("\"x\"")), "", true, "is removed"},
      {"a deny goes that another covers", deny(on("\"x\"")) + deny("", "e"), deny("", "e"), false, "is removed"},
      {"a deny goes that a deny of the operation covers", deny(on("\"x\"")) + deny("operation = [\"tools/*\"]", "e"), deny("operation = [\"tools/*\"]", "e"), false, "is removed"},
      {"a deny goes that one of other operations does not cover", deny(on("\"x\"")) + deny("operation = [\"chat\"]", "e"), deny("operation = [\"chat\"]", "e"), true, "is removed"},
      {"a deny of all becomes one of tools", deny(), deny(on("\"*\"")), true, "tool was anything"},
      {"a deny of tools becomes one of all", deny(on("\"*\"")), deny(), false, "is anything"},
      {"a deny gets narrower", deny(on("\"x*\"")), deny(on("\"xy\"")), true, "tool adds"},
      {"a deny gets wider", deny(on("\"xy\"")), deny(on("\"x*\"")), false, "tool adds"},
      {"a deny gets a condition", deny(on("\"x\"")), deny(on("\"x\"", "argument = [\"a > 1\"]")), true, "argument was anything"},
      {"a deny loses a condition", deny(on("\"x\"", "argument = [\"a > 1\", \"b = 2\"]")), deny(on("\"x\"", "argument = [\"a > 1\"]")), false, "argument drops \"b = 2\""},
      {"a deny reaches further", deny(on("\"x\"", "argument = [\"a > 100\"]")), deny(on("\"x\"", "argument = [\"a > 50\"]")), false, "argument adds"},
      {"a deny reaches less far", deny(on("\"x\"", "argument = [\"a > 50\"]")), deny(on("\"x\"", "argument = [\"a > 100\"]")), true, "argument adds"},
      {"conditions that cannot be compared", deny(on("\"x\"", "argument = [\"a > 50\"]")), deny(on("\"x\"", "argument = [\"b > 50\"]")), true, "argument adds"},
      {"tools are opened", "[tools]\nunruled = \"deny\"\n", "", true, "tools: unruled was deny, is confirm"},
      {"tools are closed", "", "[tools]\nunruled = \"deny\"\n", false, "tools: unruled was confirm, is deny"},
      {"a door in a closed wall", "[tools]\nunruled = \"deny\"\n", "[tools]\nunruled = \"deny\"\n" + allow(on("\"x\"")), true, "is added"},
      {"self to none", allow(on("\"x\"")), allow(on("\"x\"", kNone)), true, "asked for confirm self, asks for nothing more"},
      {"none to self", allow(on("\"x\"", kNone)), allow(on("\"x\"")), false, "asks for confirm self"},
      {"signature to code", allow(on("\"x\"")), allow(on("\"x\"", "confirm_with = \"code\"")), true, "a code will do"},
      {"code to signature", allow(on("\"x\"", "confirm_with = \"code\"")), allow(on("\"x\"")), false, "asks for confirm self"},
      {"fewer people", allow(on("\"x\"", people + "3")), allow(on("\"x\"", people + "2")), true, "asks for confirm 2 people"},
      {"more people", allow(on("\"x\"", people + "1")), allow(on("\"x\"", people + "2")), false, "confirm 1 person"},
      {"people to self", allow(on("\"x\"", people + "1")), allow(on("\"x\"")), true, "asks for confirm self"},
      {"more approvers", allow(on("\"x\"", kTwo + "approvers = [\"role:a\"]")), allow(on("\"x\"", kTwo + "approvers = [\"role:a\", \"role:b\"]")), true, "of role:a or role:b"},
      {"fewer approvers", allow(on("\"x\"", kTwo + "approvers = [\"role:a\", \"role:b\"]")), allow(on("\"x\"", kTwo + "approvers = [\"role:b\"]")), false, "of role:b"},
      {"anybody approves", allow(on("\"x\"", kTwo + "approvers = [\"role:a\"]")), allow(on("\"x\"", kTwo)), true, "of role:a"},
      {"not anybody approves", allow(on("\"x\"", kTwo)), allow(on("\"x\"", kTwo + "approvers = [\"role:a\"]")), false, "of role:a"},
      {"no reason any more", allow(on("\"x\"", "justification = true")), allow(on("\"x\"")), true, "a reason"},
      {"more tools let out", allow(on("\"x\"", kNone)), allow(on("\"x\", \"y\"", kNone)), true, "tool adds \"y\""},
      {"fewer tools let out", allow(on("\"x\", \"y\"", kNone)), allow(on("\"x\"", kNone)), false, "tool drops \"y\""},
      {"fewer tools asked about", allow(on("\"x*\"")) + allow(on("\"*\"", kNone), "b"), allow(on("\"xy\"")) + allow(on("\"*\"", kNone), "b"), true, "tool adds"},
      {"let out under wider conditions", allow(on("\"x\"", kNone + "argument = [\"a < 10\"]")), allow(on("\"x\"", kNone + "argument = [\"a < 20\"]")), true, "argument adds"},
      {"let out under narrower conditions", allow(on("\"x\"", kNone + "argument = [\"a < 10\"]")), allow(on("\"x\"", kNone + "argument = [\"a < 5\", \"b = 1\"]")), false, "argument adds"},
      {"a rule on tools that opens everything else", allow(on("\"x\"", kNone)), allow(), true, "is anything"},
  };
  for (const Change& c : table) {
    SCOPED_TRACE(c.name);
    const auto d = compare(must_parse(c.before), must_parse(c.after));
    ASSERT_FALSE(d.empty());
    EXPECT_EQ(loosens(d), c.loosens);
    EXPECT_NE(d.front().text.find(c.says), std::string::npos) << d.front().text;
  }
}

// What compare() calls a tightening is none that lets anything through sooner: every pair of these policies over
// every one of these calls.
TEST(Tools, ATighteningOpensNothing) {
  const std::vector<std::string> tools = {"\"x\"", "\"x*\"", "\"*\""};
  const std::vector<std::string> conditions = {"", "argument = [\"a > 10\"]\n", "argument = [\"a > 5\"]\n", "argument = [\"a <= 10\"]\n", "argument = [\"a > 10\", \"p under /etc\"]\n"};
  const std::vector<std::string> needs = {kNone, "", "confirm_with = \"code\"\n", kTwo, kTwo + "approvers = [\"role:a\"]\n"};
  std::vector<std::string> texts = {""};
  for (const auto& t : tools) {
    for (const auto& c : conditions) {
      for (const auto& n : needs) texts.push_back(allow(on(t, c + n)));
      texts.push_back(deny(on(t, c)));
    }
  }
  for (std::size_t i = 0, n = texts.size(); i < n; i += 5) texts.push_back("[tools]\nunruled = \"deny\"\n" + texts[i]);
  std::vector<Situated> calls;
  for (const char* tool : {"x", "xy", "z"}) {
    for (const char* arguments : {"{}", R"({"a":4})", R"({"a":7})", R"({"a":11})", R"({"a":"11"})", R"({"a":11,"p":"/etc"})", R"({"a":11,"p":"/srv"})", R"({"a":11,"p":"/srv/.."})", R"({"a":4,"p":7})", "[]"}) {
      calls.emplace_back(call(tool, arguments));
    }
  }
  std::vector<Policy> policies;
  for (const auto& t : texts) policies.push_back(must_parse(t));
  std::vector<std::vector<domain::Decision>> said;
  for (const Policy& p : policies) {
    said.emplace_back();
    for (const Situated& s : calls) said.back().push_back(s.decide(p));
  }
  std::size_t tightenings = 0;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    for (std::size_t j = 0; j < policies.size(); ++j) {
      if (loosens(compare(policies[i], policies[j]))) continue;
      ++tightenings;
      for (std::size_t k = 0; k < calls.size(); ++k) {
        const domain::Decision& before = said[i][k];
        const domain::Decision& after = said[j][k];
        if (after.outcome == kDeny) continue;
        domain::Requirement least = before.need;
        least.approvers = after.need.approvers;  // compared as lists: ApproversStandOnEveryList
        ASSERT_TRUE(before.outcome != kDeny && stricter(after.need, least) == after.need)
            << texts[i] << "---\n" << texts[j] << calls[k].act.tool << " " << calls[k].act.arguments;
      }
    }
  }
  EXPECT_GT(tightenings, 500U);
}

TEST(Tools, AScopeLooksAtPlaceAndModelOnly) {
  const Situated s(call("rm"));
  const auto permits = [&](std::string_view form) { return Scope::parse(form)->permits(s.act, s.source, s.now.wall, Known::whole); };
  EXPECT_TRUE(permits(R"({"operations":["chat"]})")) << "the operation that carried it was permitted";
  EXPECT_FALSE(permits(R"({"access_points":["lab"]})"));
  EXPECT_FALSE(permits(R"({"models":["big"]})"));
  EXPECT_FALSE(permits(R"({"networks":["10.0.0.0/8"]})"));
  EXPECT_FALSE(permits(R"({"hours":["11:00-12:00"],"zone":"UTC"})"));
  EXPECT_TRUE(permits(R"({"access_points":["demo"],"models":["tiny*"],"hours":["09:00-11:00"],"zone":"UTC"})"));
}

TEST(Tools, Explained) {
  const Policy p = must_parse(allow("", "chat") + allow(on("\"transfer\"", "argument = [\"amount <= 100\"]\n" + kNone), "small") +
                              allow(on("\"transfer\"", "argument = [\"amount > 100\"]\n" + kTwo + "approvers = [\"role:treasurer\"]\njustification = true"), "large") +
                              deny(on("\"transfer\"", "argument = [\"to domain evil.test\"]"), "never"));
  const auto text = [&](const std::string& tool, const std::string& arguments) {
    const Situated s(call(tool, arguments));
    const Explanation e = p.explain(s.act, s.subject, s.evidence, s.source, s.now, true);
    EXPECT_FALSE(e.json().empty());
    return e.text();
  };
  const auto expect = [](const std::string& said, std::initializer_list<const char*> parts) {
    for (const char* part : parts) EXPECT_NE(said.find(part), std::string::npos) << part << "\nis not in\n" << said;
  };
  expect(text("transfer", R"({"amount":250,"to":"a@b.test"})"),
         {"asks for tool \"transfer\" of \"tiny-1\"", "-> confirm: confirmation_required (rule \"large\")", "+ allow \"large\"",
          "argument: amount <= 100 does not hold", "tool: to allow a tool call, a rule must name the tool",
          "argument: to domain evil.test does not hold", "confirm  2 people rule \"large\"", "a signature rule \"large\"", "role:treasurer", "have 2 other people confirm this one act"});
  expect(text("transfer", R"({"amount":"250","to":"a@b.test"})"), {"- allow \"large\"", "argument: amount > 100 cannot be told", "2 people"});
  expect(text("transfer", R"({"amount":1})"), {"-> deny: policy_denied (rule \"never\")", "argument: to domain evil.test cannot be told", "it denies what cannot be told"});
  expect(text("rm", "{}"), {"tool: \"rm\" is not in transfer", "confirm  self  no rule allows this tool call", "confirm this one act with a factor"});
  const Situated chat({});
  expect(p.explain(chat.act, chat.subject, chat.evidence, chat.source, chat.now, true).text(), {"tool: the rule speaks of tool calls, and this is none"});
}

}  // namespace
}  // namespace vestibule::policy
