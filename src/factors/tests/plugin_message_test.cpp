#include "factors/plugin_message.hpp"

#include <gtest/gtest.h>

#include "json/value.hpp"

namespace vestibule::factors {
namespace {

const crypto::HmacKey& key() {
  static const crypto::HmacKey k(as_bytes("0123456789abcdef0123456789abcdef"));
  return k;
}

PluginRequest request(PluginOperation operation) {
  PluginRequest r;
  r.operation = operation;
  r.plugin = "words";
  r.factor.bytes[0] = 1;
  r.user.bytes[0] = 2;
  r.account = "ada";
  r.question.bytes[0] = 3;
  r.binding[0] = 0xab;
  r.answer = "otter \"7\"";
  r.time = WallTime(std::chrono::seconds(1'764'120'000));
  return r;
}

TEST(PluginMessage, ARequestSaysWhatIsNeededAndNoMore) {
  struct Row {
    PluginOperation operation;
    const char* members;
  };
  for (const Row& row : {Row{PluginOperation::enrol, "version nonce time operation plugin factor user name binding"},
                         Row{PluginOperation::confirm, "version nonce time operation plugin factor user name binding answer"},
                         Row{PluginOperation::begin, "version nonce time operation plugin factor user name binding question"},
                         Row{PluginOperation::verify, "version nonce time operation plugin factor user name binding question answer"},
                         Row{PluginOperation::remove, "version nonce time operation plugin factor user name"}}) {
    const auto body = json::parse(write_plugin_request(request(row.operation), "abc"));
    ASSERT_TRUE(body);
    std::string members;
    for (const json::Member& m : body->members()) members += (members.empty() ? "" : " ") + m.key;
    EXPECT_EQ(members, row.members);
    EXPECT_EQ(body->get_string("operation").value_or(""), name(row.operation));
    EXPECT_EQ(body->get_int("time").value_or(0), 1'764'120'000);
    EXPECT_EQ(body->get_string("nonce").value_or(""), "abc");
    const bool answers = row.operation == PluginOperation::confirm || row.operation == PluginOperation::verify;
    EXPECT_EQ(body->get_string("answer").value_or(""), answers ? "otter \"7\"" : "");
  }
}

TEST(PluginMessage, SignaturesAreThoseOfTheDocument) {
  // printf ... | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
  EXPECT_EQ(sign_plugin_request(key(), "{}"),
            hex(crypto::hmac_sha256(as_bytes("0123456789abcdef0123456789abcdef"), as_bytes("vestibule/factor-plugin/request/v1\n{}"))));
  EXPECT_EQ(sign_plugin_reply(key(), "abc", "{}"),
            hex(crypto::hmac_sha256(as_bytes("0123456789abcdef0123456789abcdef"), as_bytes("vestibule/factor-plugin/reply/v1\nabc\n{}"))));
  EXPECT_EQ(sign_plugin_request(key(), "{}"), "20a0c60c702f7d946db3969d1513e7946846aa3fe61dca4e13b90c301d875597");
}

TEST(PluginMessage, OnlyWhatIsSignedForThisRequestIsRead) {
  const std::string body = R"({"version":1,"verdict":"yes"})";
  const std::string good = sign_plugin_reply(key(), "nonce-1", body);
  ASSERT_TRUE(open_plugin_reply(key(), "nonce-1", good, body));
  EXPECT_TRUE(open_plugin_reply(key(), "nonce-1", good, body)->yes);
  const crypto::HmacKey other(as_bytes("another key of thirty-two bytes.."));
  struct Row {
    const char* name;
    std::string nonce, signature, body;
  };
  for (const Row& row : {Row{"replayed to another request", "nonce-2", good, body},
                         Row{"no signature", "nonce-1", "", body},
                         Row{"cut short", "nonce-1", good.substr(0, 32), body},
                         Row{"not hex", "nonce-1", std::string(64, 'z'), body},
                         Row{"another key", "nonce-1", sign_plugin_reply(other, "nonce-1", body), body},
                         Row{"the gateway's own words", "nonce-1", sign_plugin_request(key(), body), body},
                         Row{"a changed body", "nonce-1", good, R"({"version":1,"verdict":"yes" })"},
                         Row{"oversized", "nonce-1", good, body + std::string(kMaxPluginReply, ' ')}}) {
    const auto r = open_plugin_reply(key(), row.nonce, row.signature, row.body);
    ASSERT_FALSE(r) << row.name;
    EXPECT_EQ(r.error().code, Reason::plugin_failed) << row.name;
  }
}

TEST(PluginMessage, RepliesAreReadStrictly) {
  for (const char* good : {R"({"version":1,"verdict":"yes"})", R"({"verdict":"no","version":1})",
                           R"({"version":1,"verdict":"yes","text":"Seventh word.\nHurry."})"}) {
    EXPECT_TRUE(parse_plugin_reply(good)) << good;
  }
  EXPECT_EQ(parse_plugin_reply(R"({"version":1,"verdict":"yes","text":"\u00e9"})")->text, "\u00e9");
  for (const char* bad : {"", "{}", "[]", "null", "yes", R"({"version":1})", R"({"verdict":"yes"})", R"({"version":2,"verdict":"yes"})",
                          R"({"version":"1","verdict":"yes"})", R"({"version":1,"verdict":true})", R"({"version":1,"verdict":"YES"})",
                          R"({"version":1,"verdict":"maybe"})", R"({"version":1,"verdict":"no","verdict":"yes"})",
                          R"({"version":1,"verdict":"yes","level":3})", R"({"version":1,"verdict":"yes","text":7})",
                          R"({"version":1,"verdict":"yes","text":"\u001b[2J"})", R"({"version":1,"verdict":"yes","text":"\u0000"})",
                          R"({"version":1,"verdict":"yes","text":{}})", R"({"version":1,"verdict":"yes"}x)",
                          R"({"version":1.0,"verdict":"yes"})", "\xef\xbb\xbf{\"version\":1,\"verdict\":\"yes\"}"}) {
    const auto r = parse_plugin_reply(bad);
    ASSERT_FALSE(r) << bad;
    EXPECT_EQ(r.error().code, Reason::plugin_failed) << bad;
  }
  EXPECT_FALSE(parse_plugin_reply(R"({"version":1,"verdict":"yes","text":")" + std::string(kMaxPluginText + 1, 'a') + "\"}"));
}

}  // namespace
}  // namespace vestibule::factors
