// Service accounts at the token endpoint: signed statements, and all that is none.
#include <gtest/gtest.h>

#include "portal/tests/oauth_world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;

struct Claims {
  std::string iss = "crawler", sub = "crawler", aud = std::string(kIssuer), jti = "a1";
  std::int64_t exp_in = 60;
  std::optional<std::int64_t> nbf_in{};
  std::string more{};  ///< members of their own
};

class ServiceGrantTest : public ::testing::Test, public OAuthWorld {
 protected:
  void SetUp() override {
    open();
    ASSERT_TRUE(server->begin());
    set_up_by_browser();
    json::Value body;
    body.set("name", "crawler").set("code", fresh(root));
    ASSERT_EQ(ask("POST", "/v1/services", body.dump()).code(), "ok");
    HttpReply made = register_key("ci", key.open());
    ASSERT_EQ(made.code(), "ok") << made.body;
    key_id = made.text("id");
  }
  void TearDown() override { close(); }
  HttpReply register_key(const std::string& name, const std::string& jwk) {
    json::Value body;
    body.set("name", name).set("service", "crawler").set("jwk", jwk).set("code", fresh(root));
    return ask("POST", "/v1/keys", body.dump());
  }
  std::string assertion(const Claims& c, const ClientKey& by, const std::string& header = R"({"alg":"ES256","typ":"JWT"})") {
    json::Writer w;
    w.begin_object().member("iss", c.iss).member("sub", c.sub).member("jti", c.jti).member("exp", now_s() + c.exp_in);
    if (!c.aud.empty()) w.member("aud", c.aud);
    if (c.nbf_in) w.member("nbf", now_s() + *c.nbf_in);
    w.end_object();
    std::string claims = w.take();
    if (!c.more.empty()) claims.insert(1, c.more + ",");
    return by.sign(header, claims);
  }
  Params wanted(const std::string& signed_text) const {
    return {{"grant_type", "client_credentials"}, {"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
            {"client_assertion", signed_text}, {"resource", std::string(kLab)}};
  }
  HttpReply get(const Claims& c = {}, std::string_view more = {}) { return form("/oauth/token", wanted(assertion(c, key)), more); }

  ClientKey key, thief;
  std::string key_id;
};

TEST_F(ServiceGrantTest, GivesAShortTokenForOneAccessPoint) {
  HttpReply r = get();
  ASSERT_EQ(error_of(r), "ok") << r.body;
  EXPECT_EQ(r.json.get_string("token_type").value_or(""), "Bearer");
  EXPECT_LE(r.json.get_int("expires_in").value_or(0), 600);
  EXPECT_EQ(r.json.find("refresh_token"), nullptr);
  EXPECT_EQ(r.json.find("id_token"), nullptr);
  const std::string token = r.text("access_token");
  const auto who = sessions->identify(token, session::Audience::access, session::Presented{}, clock.now());
  ASSERT_TRUE(who);
  EXPECT_EQ(who->subject.name.view(), "crawler");
  EXPECT_EQ(who->subject.sponsor.name.view(), "root");
  EXPECT_EQ(who->bound.access_point.view(), "lab");
  EXPECT_TRUE(who->evidence.empty()) << "a signature of a machine is no factor";
  EXPECT_EQ(get({.jti = "other"}).status, 200);
  clock.advance(11min);
  EXPECT_EQ(verdict(token), Reason::credential_unknown);
}

TEST_F(ServiceGrantTest, IsBoundToAKeyWhereOneIsShown) {
  ClientKey dpop;
  HttpReply r = get({}, "DPoP: " + proof(dpop, "/oauth/token") + "\r\n");
  ASSERT_EQ(error_of(r), "ok") << r.body;
  EXPECT_EQ(r.json.get_string("token_type").value_or(""), "DPoP");
  const auto who = sessions->identify(r.text("access_token"), session::Audience::access, session::Presented{}, clock.now());
  ASSERT_TRUE(who);
  const session::Holder holder{session::Holder::Kind::key, crypto::PublicJwk::parse(dpop.open())->thumbprint()};
  EXPECT_EQ(who->bound.holder, holder);
  EXPECT_EQ(error_of(get({.jti = "a2"}, "DPoP: " + proof(dpop, "/oauth/other") + "\r\n")), "invalid_dpop_proof");
}

TEST_F(ServiceGrantTest, OneStatementIsOneToken) {
  const std::string once = assertion({}, key);
  ASSERT_EQ(error_of(form("/oauth/token", wanted(once))), "ok");
  EXPECT_EQ(error_of(form("/oauth/token", wanted(once))), "invalid_client");
  EXPECT_EQ(error_of(get({.exp_in = 120})), "invalid_client") << "another statement with the same jti";
}

TEST_F(ServiceGrantTest, WhatIsNoStatementOfItsKeyIsRefused) {
  const std::vector<std::pair<const char*, Claims>> claims = {
      {"another's name as issuer", {.iss = "root", .jti = "r1"}},
      {"another's name as subject", {.sub = "root", .jti = "r2"}},
      {"a person", {.iss = "root", .sub = "root", .jti = "r3"}},
      {"nobody", {.iss = "nobody", .sub = "nobody", .jti = "r4"}},
      {"for another server", {.aud = "https://elsewhere.example.org", .jti = "r5"}},
      {"for the access point", {.aud = std::string(kLab), .jti = "r6"}},
      {"for nobody", {.aud = "", .jti = "r7"}},
      {"for two", {.aud = "", .jti = "r8", .more = R"("aud":["http://localhost:8422","https://elsewhere.example.org"])"}},
      {"expired", {.jti = "r9", .exp_in = -1}},
      {"for a day", {.jti = "r10", .exp_in = 86400}},
      {"not yet", {.jti = "r11", .nbf_in = 60}},
      {"no id", {.jti = ""}},
      {"two expiries", {.jti = "r12", .more = R"("exp":9999999999)"}},
  };
  for (const auto& [name, c] : claims) EXPECT_EQ(error_of(get(c)), "invalid_client") << name;
  EXPECT_EQ(error_of(form("/oauth/token", wanted(assertion({.jti = "t1"}, thief)))), "invalid_client") << "another key";
  const std::vector<std::pair<const char*, std::string>> headers = {
      {"no algorithm", R"({"alg":"none"})"},
      {"a MAC with the public key", R"({"alg":"HS256"})"},
      {"another algorithm than the key's", R"({"alg":"RS256"})"},
      {"an extension that must be understood", R"({"alg":"ES256","crit":["b64"],"b64":false})"},
      {"an algorithm twice", R"({"alg":"none","alg":"ES256"})"},
  };
  int n = 0;
  for (const auto& [name, header] : headers) {
    EXPECT_EQ(error_of(form("/oauth/token", wanted(assertion({.jti = "h" + std::to_string(++n)}, key, header)))), "invalid_client") << name;
  }
  // The signature left out, and what is signed changed.
  const std::string whole = assertion({.jti = "s1"}, key);
  EXPECT_EQ(error_of(form("/oauth/token", wanted(whole.substr(0, whole.rfind('.') + 1)))), "invalid_client");
  const std::string other = assertion({.jti = "s2", .exp_in = 30}, key);
  const std::string mixed = whole.substr(0, whole.rfind('.')) + other.substr(other.rfind('.'));
  EXPECT_EQ(error_of(form("/oauth/token", wanted(mixed))), "invalid_client");
  // A key that the statement itself brings, or points to.
  EXPECT_EQ(error_of(form("/oauth/token", wanted(assertion({.jti = "k1"}, thief, R"({"alg":"ES256","jwk":)" + thief.open() + "}")))), "invalid_client");
  EXPECT_EQ(error_of(form("/oauth/token", wanted(assertion({.jti = "k2"}, thief, R"({"alg":"ES256","jku":"https://evil.example.org/keys"})")))), "invalid_client");
  EXPECT_EQ(error_of(form("/oauth/token", wanted(assertion({.jti = "k3"}, thief, R"({"alg":"ES256","kid":"../../etc/passwd"})")))), "invalid_client");
  EXPECT_EQ(error_of(form("/oauth/token", wanted(assertion({.jti = "k4"}, thief, R"({"alg":"ES256","kid":"' OR 1=1 --"})")))), "invalid_client");
}

TEST_F(ServiceGrantTest, TheRequestSaysOneThing) {
  const auto refused = [&](const char* name, const std::string& value, std::string_view more = {}) {
    return error_of(form("/oauth/token", wanted(assertion({.jti = std::string(name) + value.substr(0, 8)}, key)).with(name, value), more));
  };
  EXPECT_EQ(refused("resource", ""), "invalid_target");
  EXPECT_EQ(refused("resource", "http://localhost:8420/elsewhere"), "invalid_target");
  EXPECT_EQ(refused("scope", "openid"), "invalid_scope");
  EXPECT_EQ(refused("client_id", "root"), "invalid_client");
  EXPECT_EQ(refused("client_secret", "secret"), "invalid_client");
  EXPECT_EQ(refused("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), "invalid_client");
  EXPECT_EQ(refused("client_assertion", ""), "invalid_client");
  EXPECT_EQ(refused("client_id", "crawler", "Authorization: Basic Y3Jhd2xlcjp4\r\n"), "invalid_client");
  EXPECT_EQ(refused("client_id", "crawler"), "ok");
  // A statement of a service opens no person's grant.
  EXPECT_EQ(error_of(form("/oauth/token", wanted(assertion({.jti = "g1"}, key)).with("grant_type", "refresh_token").with("refresh_token", "vr_x"))), "invalid_client");
}

TEST_F(ServiceGrantTest, ARevokedKeyAndASleepingServiceGetNothing) {
  HttpReply r = get();
  const std::string token = r.text("access_token");
  const auto id = users->find("crawler");
  ASSERT_TRUE(run(users->disable(*id, administrator())));
  HttpReply disabled = get({.jti = "d"});
  EXPECT_EQ(error_of(disabled), "unauthorized_client");
  EXPECT_NE(disabled.body.find("user_disabled"), std::string::npos);
  ASSERT_TRUE(run(users->enable(*id, administrator())));
  ASSERT_TRUE(run(service_accounts->dismiss(*id, *users->find("root"), administrator())));
  EXPECT_EQ(verdict(token), Reason::service_asleep);
  HttpReply asleep = get({.jti = "e"});
  EXPECT_EQ(error_of(asleep), "unauthorized_client");
  EXPECT_NE(asleep.body.find("service_asleep"), std::string::npos) << asleep.body;
  ASSERT_EQ(ask("POST", "/v1/keys/" + key_id + "/revoke").code(), "ok");
  EXPECT_EQ(error_of(get({.jti = "f"})), "invalid_client");
  EXPECT_EQ(verdict(token), Reason::credential_unknown);
}

TEST_F(ServiceGrantTest, KeysThatMayNotBeRegistered) {
  EXPECT_EQ(register_key("again", key.open()).code(), "conflict");
  EXPECT_EQ(register_key("mac", R"({"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0"})").code(), "invalid_argument");
  EXPECT_EQ(register_key("odd", "[]").code(), "invalid_argument");
  json::Value own;
  own.set("name", "mine").set("jwk", thief.open()).set("code", fresh(root));
  EXPECT_EQ(ask("POST", "/v1/keys", own.dump()).code(), "invalid_argument") << "a person signs in";
  for (int i = 0; i < 7; ++i) EXPECT_EQ(register_key("k" + std::to_string(i), ClientKey().open()).code(), "ok");
  EXPECT_EQ(register_key("ninth", ClientKey().open()).code(), "conflict");
}

}  // namespace
}  // namespace vestibule::portal
