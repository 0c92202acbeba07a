#include "policy/suggest.hpp"

#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;
using End = SeenCall::End;

struct SuggestRow {
  const char* name;
  const char* record;
  std::optional<End> end;
};

TEST(Suggest, WhatTheLogSaysOfACall) {
  const SuggestRow rows[] = {
      {"by a rule", R"({"kind":"admission","access_point":"lab","operation":"tools/call","outcome":"allow","reason":"ok","user_name":"anna","object":"rm","note":"client IDE"})", End::released},
      {"signed", R"({"kind":"admission","access_point":"lab","operation":"tools/call","outcome":"allow","reason":"ok","user_name":"anna","object":"rm","note":"action 00ff"})", End::confirmed},
      {"declined", R"({"kind":"refusal","access_point":"lab","operation":"tools/call","outcome":"deny","reason":"confirmation_declined","user_name":"anna","object":"rm"})", End::declined},
      {"expired", R"({"kind":"refusal","access_point":"lab","operation":"tools/call","outcome":"deny","reason":"confirmation_expired","user_name":"anna","object":"rm"})", End::refused},
      {"denied", R"({"kind":"refusal","access_point":"lab","operation":"tools/call","outcome":"deny","reason":"policy_denied","user_name":"anna","object":"rm"})", End::refused},
      {"still asked", R"({"kind":"refusal","access_point":"lab","operation":"tools/call","outcome":"confirm","reason":"confirmation_required","user_name":"anna","object":"rm"})", std::nullopt},
      {"how it ended", R"({"kind":"completion","access_point":"lab","operation":"tools/call","outcome":"allow","reason":"ok","object":"rm"})", std::nullopt},
      {"another operation", R"({"kind":"admission","access_point":"lab","operation":"chat","outcome":"allow","reason":"ok","object":"client IDE"})", std::nullopt},
      {"no tool", R"({"kind":"admission","access_point":"lab","operation":"tools/call","outcome":"allow","reason":"ok"})", std::nullopt},
      {"an erased person", R"({"kind":"admission","access_point":"lab","operation":"tools/call","outcome":"allow","reason":"ok","erased":true})", std::nullopt},
      {"other types", R"({"kind":1,"operation":["tools/call"],"object":{}})", std::nullopt},
      {"no object", R"([1])", std::nullopt},
  };
  for (const SuggestRow& r : rows) {
    SCOPED_TRACE(r.name);
    const auto call = seen_call(*json::parse(r.record));
    ASSERT_EQ(call.has_value(), r.end.has_value());
    if (!call) continue;
    EXPECT_EQ(call->end, *r.end);
    EXPECT_EQ(call->access_point + " " + call->tool + " " + call->user, "lab rm anna");
  }
}

std::string drafted(std::vector<std::pair<SeenCall, int>> calls) {
  Suggestions all;
  for (const auto& [call, n] : calls) {
    for (int i = 0; i < n; ++i) all.add(call);
  }
  return all.toml();
}

TEST(Suggest, DraftsAskForASignatureAndSayTheNumbers) {
  const std::string text = drafted({{{"lab", "read_file", "anna", End::confirmed}, 20},
                                    {{"lab", "read_file", "bob", End::confirmed}, 5},
                                    {{"lab", "transfer", "anna", End::confirmed}, 30},
                                    {{"lab", "transfer", "bob", End::declined}, 1},
                                    {{"den", "read_file", "anna", End::confirmed}, 19},
                                    {{"den", "list", "anna", End::released}, 40}});
  EXPECT_NE(text.find("# read_file at lab: 25 asked for by anna, bob; 25 confirmed, 0 let out by a rule, 0 declined, 0 refused."), std::string::npos) << text;
  EXPECT_NE(text.find("# confirm = \"none\"                   # all 25 were confirmed"), std::string::npos) << text;
  EXPECT_NE(text.find("# Somebody declined 1 of them"), std::string::npos) << text;
  EXPECT_EQ(text.find("all 19 were"), std::string::npos) << "not often enough";
  EXPECT_EQ(text.find("all 40 were"), std::string::npos) << "nobody confirmed those";
  const Policy p = must_parse(text);
  EXPECT_EQ(p.rule_count(), 4U);
  Call call;
  call.access_point = "lab";
  call.tool = "read_file";
  const domain::Decision d = Situated(call).decide(p);
  EXPECT_EQ(d.outcome, Outcome::confirm) << "a draft never lets anything out";
  EXPECT_TRUE(d.need.bound);
  EXPECT_EQ(must_parse(drafted({})).rule_count(), 0U);
}

// Models and callers choose names: none may become a rule, or more than one name, or write in a terminal.
TEST(Suggest, NamesWriteNoRules) {
  const std::string evil = "x\n[[rule]]\nname = \"open\"\neffect = \"allow\"\ntool = [\"*\"]\nconfirm = \"none\"\n#";
  const std::string text = drafted({{{"lab", evil, evil, End::confirmed}, 30},
                                    {{evil, "rm", evil, End::confirmed}, 30},
                                    {{"lab", "*", "anna", End::confirmed}, 30},
                                    {{"lab", "de?ete", "anna", End::confirmed}, 30},
                                    {{"lab", "rm ", "anna", End::confirmed}, 30},
                                    {{"lab", std::string("rm\0", 3), "anna", End::confirmed}, 30},
                                    {{"lab", std::string(200, 'x'), "anna", End::confirmed}, 30},
                                    {{"lab", "\x1b[31mrm", "anna\x1b", End::confirmed}, 30},
                                    {{"lab", "rm\xff", "anna", End::confirmed}, 30},
                                    {{"lab", "quo\"te\\", "anna", End::confirmed}, 30},
                                    {{"lab", "p\xD0\xB0y", "anna", End::confirmed}, 30},
                                    {{"lab", std::string(60, 'y'), "anna", End::confirmed}, 30}});
  const Policy p = must_parse(text);
  EXPECT_EQ(p.rule_count(), 3U) << text;
  for (const char c : text) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  Call call;
  call.access_point = "lab";
  call.tool = "rm";
  EXPECT_EQ(Situated(call).decide(p).rule.view(), "default");
}

TEST(Suggest, IsBounded) {
  Suggestions all;
  for (std::size_t i = 0; i < Suggestions::kMost + 7; ++i) all.add({"lab", "t" + std::to_string(i), "u" + std::to_string(i), End::confirmed});
  const std::string text = all.toml();
  EXPECT_EQ(must_parse(text).rule_count(), Suggestions::kMost);
  EXPECT_NE(text.find("# 7 calls of further tools are left out"), std::string::npos);
  Suggestions one;
  for (int i = 0; i < 1000; ++i) one.add({"lab", "rm", "user" + std::to_string(i), End::declined});
  EXPECT_NE(one.toml().find("and 59 more"), std::string::npos) << one.toml();
}

}  // namespace
}  // namespace vestibule::policy
