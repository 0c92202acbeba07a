// What comes from outside: forms, Basic credentials, addresses, a client's description of itself.
#include <gtest/gtest.h>

#include "oauth/assurance.hpp"
#include "oauth/client.hpp"
#include "oauth/form.hpp"
#include "oauth/redirect.hpp"
#include "oauth/request.hpp"
#include "oauth/throttle.hpp"

namespace vestibule::oauth {
namespace {

using namespace std::chrono_literals;

TEST(Form, OneReadingOrNone) {
  const auto f = Form::parse("grant_type=refresh_token&scope=openid+profile&x=%C3%A9&empty=");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->get("grant_type"), "refresh_token");
  EXPECT_EQ(f->get("scope"), "openid profile");
  EXPECT_EQ(f->get("x"), "\xC3\xA9");
  EXPECT_FALSE(f->has("empty")) << "RFC 6749 section 3.1: as if it were not there";
  EXPECT_TRUE(Form::parse(""));
  for (const std::string_view text :
       {"a=1&a=2", "a=1&%61=2", "a=&a=1", "a", "a=1&", "&a=1", "a=1&&b=2", "=1", "a=%", "a=%4", "a=%zz", "a=%00", "a=%0a", "a=%ff", "a=b c", "a=\xC3\xA9",
        "a=1\r\n", "a=%7f"}) {
    EXPECT_FALSE(Form::parse(text)) << text;
  }
  std::string many;
  for (int i = 0; i <= 40; ++i) many += "a" + std::to_string(i) + "=1&";
  many.pop_back();
  EXPECT_FALSE(Form::parse(many));
  EXPECT_FALSE(Form::parse("a=" + std::string(kMaxForm, 'x')));
}

TEST(Form, BasicCredentials) {
  const auto basic = [](std::string_view text) { return parse_basic("Basic " + base64(as_bytes(text))); };
  const auto good = basic("client%3A1:se%2Bcret");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->id, "client:1");
  EXPECT_EQ(good->secret.reveal_text(), "se+cret");
  EXPECT_TRUE(parse_basic("bAsIc " + base64(as_bytes("a:b"))));
  for (const std::string_view text : {"noColon", ":secret", "id:", "id:%", "id:%00", "id: x", "id:\n"}) EXPECT_FALSE(basic(text)) << text;
  for (const std::string_view text : {"", "Basic", "Basic ", "Bearer YTpi", "Basic YTpi=", "Basic !!!!", "BasicYTpi"}) EXPECT_FALSE(parse_basic(text)) << text;
}

TEST(Redirect, WhatMayBeRegistered) {
  const auto ok = [](std::string_view uri, Confidentiality c = Confidentiality::open) { return valid_redirect(uri, c); };
  for (const std::string_view uri : {"https://app.example.org/cb", "https://app.example.org:8443/cb?x=1", "http://127.0.0.1/cb", "http://localhost:3000/cb",
                                     "http://[::1]:9/cb", "com.example.app:/cb", "com.example.app://cb/x"}) {
    EXPECT_TRUE(ok(uri)) << uri;
  }
  EXPECT_FALSE(ok("com.example.app:/cb", Confidentiality::confidential));
  for (const std::string_view uri :
       {"", "/cb", "http://app.example.org/cb", "http://127.0.0.1.evil.org/cb", "http://localhost.evil.org/cb", "https://app.example.org/cb#x", "https://app.example.org/*",
        "https://*.example.org/cb", "https://user@app.example.org/cb", "https://app.example.org\\@evil.org/", "https://APP.example.org/cb", "javascript:alert(1)",
        "javascript:/x", "data:text/html,x", "myapp:/cb", "vbscript:/x", "file:///etc/passwd", "com.example.app:cb", ".com:/x", "com..x:/x", "com.:/x",
        "https://app.example.org/a b", "https://app.example.org/\xC3\xA9", "https://app.example.org/../x", "//app.example.org/cb", "http://2130706433/cb", "http://127.1/cb"}) {
    EXPECT_FALSE(ok(uri)) << uri;
  }
  EXPECT_FALSE(ok("https://a.org/" + std::string(1024, 'x')));
}

TEST(Redirect, ExactlyButForTheLoopbackPort) {
  const std::vector<std::string> known = {"https://app.example.org/cb", "http://127.0.0.1/cb", "com.example.app:/cb"};
  for (const std::string_view uri : {"https://app.example.org/cb", "http://127.0.0.1/cb", "http://127.0.0.1:51234/cb", "com.example.app:/cb"}) {
    EXPECT_TRUE(matches_redirect(known, uri)) << uri;
  }
  for (const std::string_view uri :
       {"", "https://app.example.org/cb/", "https://app.example.org/CB", "https://app.example.org/cb?x", "https://app.example.org:444/cb", "http://app.example.org/cb",
        "https://app.example.org.evil.org/cb", "http://127.0.0.1:51234/cb2", "http://127.0.0.1:51234/cb?x=1", "http://localhost:51234/cb", "http://[::1]/cb",
        "https://127.0.0.1/cb", "http://127.0.0.1:99999/cb", "http://127.0.0.1:1@evil.org/cb", "com.example.app:/cb2", "http://127.0.0.1:5/cb#f"}) {
    EXPECT_FALSE(matches_redirect(known, uri)) << uri;
  }
  EXPECT_EQ(redirect_host("https://app.example.org:8443/cb"), "app.example.org:8443");
  EXPECT_EQ(redirect_host("com.example.app:/cb"), "com.example.app:");
}

TEST(Pkce, S256Alone) {
  // RFC 7636 appendix B
  constexpr std::string_view kVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  constexpr std::string_view kChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
  EXPECT_TRUE(valid_challenge(kChallenge));
  EXPECT_TRUE(verify_pkce(kChallenge, kVerifier));
  EXPECT_FALSE(verify_pkce(kVerifier, kVerifier)) << "plain";
  EXPECT_FALSE(verify_pkce(kChallenge, std::string(kVerifier) + "x"));
  EXPECT_FALSE(verify_pkce(kChallenge, ""));
  EXPECT_FALSE(verify_pkce(kChallenge, std::string(129, 'a')));
  EXPECT_FALSE(valid_challenge(""));
  EXPECT_FALSE(valid_challenge(std::string(kChallenge) + "="));
  EXPECT_FALSE(valid_challenge(std::string(42, 'a') + "+"));
}

Code code_of(std::string_view text, Origin origin = Origin::registered) {
  const auto c = parse_client(text, origin);
  return c ? Code::access_denied : c.failure().code;  // access_denied: it was read
}

TEST(ClientMetadata, IsReadStrictly) {
  const auto c = parse_client(
      R"({"client_name":"Editor","redirect_uris":["http://127.0.0.1/cb"],"grant_types":["authorization_code","refresh_token"],
          "token_endpoint_auth_method":"none","response_types":["code"],"contacts":["x"],"id_token_signed_response_alg":"RS256"})",
      Origin::registered);
  ASSERT_TRUE(c) << c.failure().why;
  EXPECT_EQ(c->name, "Editor");
  EXPECT_TRUE(c->refresh);
  EXPECT_FALSE(c->device);
  EXPECT_EQ(c->auth, ClientAuth::none);
  EXPECT_EQ(c->id_token_alg, crypto::JwsAlg::rs256);
  json::Writer w;
  w.begin_object();
  write_client(w, *c);
  w.end_object();
  const auto again = parse_client(w.text(), Origin::registered);
  ASSERT_TRUE(again) << again.failure().why;
  EXPECT_EQ(again->redirects, c->redirects);
  EXPECT_EQ(again->refresh, c->refresh);

  for (const std::string_view text :
       {"", "[]", "{", R"({"redirect_uris":["https://a.org/"],"redirect_uris":["https://b.org/"]})", R"({"redirect_uris":["https://a.org/"],"grant_types":["implicit"]})",
        R"({"redirect_uris":["https://a.org/"],"grant_types":["password"]})", R"({"redirect_uris":["https://a.org/"],"grant_types":[]})",
        R"({"redirect_uris":["https://a.org/"],"grant_types":["refresh_token"]})", R"({"redirect_uris":["https://a.org/"],"response_types":["token"]})",
        R"({"redirect_uris":["https://a.org/"],"token_endpoint_auth_method":"client_secret_jwt"})", R"({"redirect_uris":["https://a.org/"],"token_endpoint_auth_method":7})",
        R"({"redirect_uris":["https://a.org/"],"token_endpoint_auth_method":"private_key_jwt"})", R"({"redirect_uris":["https://a.org/"],"jwks_uri":"http://169.254.169.254/"})",
        R"({"redirect_uris":["https://a.org/"],"jwks":{"keys":[{"kty":"oct","k":"AA"}]}})", R"({"redirect_uris":["https://a.org/"],"jwks":{}})",
        R"({"redirect_uris":["https://a.org/"],"client_name":""})", R"({"redirect_uris":["https://a.org/"],"client_name":"a\u202eb"})",
        R"({"redirect_uris":["https://a.org/"],"client_name":"a\nb"})", R"({"redirect_uris":["https://a.org/"],"client_name":7})",
        R"({"redirect_uris":["https://a.org/"],"client_name":"a\u200bb"})", R"({"redirect_uris":["https://a.org/"],"id_token_signed_response_alg":"none"})",
        R"({"redirect_uris":["https://a.org/"],"id_token_signed_response_alg":"HS256"})"}) {
    EXPECT_EQ(code_of(text), Code::invalid_client_metadata) << text;
  }
  for (const std::string_view text : {"{}", R"({"redirect_uris":[]})", R"({"redirect_uris":"https://a.org/"})", R"({"redirect_uris":["http://a.org/"]})",
                                      R"({"redirect_uris":[7]})", R"({"redirect_uris":["com.example.app:/cb"]})"}) {
    EXPECT_EQ(code_of(text), Code::invalid_redirect_uri) << text;
  }
  EXPECT_EQ(code_of(std::string(kMaxClientMetadata + 1, ' ')), Code::invalid_client_metadata);
}

TEST(ClientMetadata, ADocumentIsNamedByItsAddress) {
  EXPECT_EQ(code_of(R"({"client_id":"https://app.example.org/client.json","client_name":"App","redirect_uris":["http://127.0.0.1/cb"]})", Origin::document),
            Code::access_denied);
  for (const std::string_view text : {R"({"client_name":"App","redirect_uris":["http://127.0.0.1/cb"]})",
                                      R"({"client_id":"https://app.example.org/","client_name":"App","redirect_uris":["http://127.0.0.1/cb"]})",
                                      R"({"client_id":"https://app.example.org/c","redirect_uris":["http://127.0.0.1/cb"]})",
                                      R"({"client_id":"https://app.example.org/c","client_name":"App","redirect_uris":["http://127.0.0.1/cb"],"client_secret":"x"})",
                                      R"({"client_id":"https://app.example.org/c","client_name":"App","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"client_secret_basic"})"}) {
    EXPECT_EQ(code_of(text, Origin::document), Code::invalid_client_metadata) << text;
  }
  EXPECT_TRUE(is_document_address("https://app.example.org/client.json"));
  for (const std::string_view id : {"http://app.example.org/c", "https://app.example.org", "https://app.example.org/", "https://app.example.org/c?x=1", "https://app.example.org/c#f",
                                    "https://u@app.example.org/c", "https://APP.example.org/c", "https://app.example.org/./c", "client_abc"}) {
    EXPECT_FALSE(is_document_address(id)) << id;
  }
}

TEST(RequestSeal, OpensWhatItSealedAndNothingElse) {
  CountingRng rng;
  const RequestSeal seal{Secret(Bytes(32, 5))};
  AuthorizationRequest r;
  r.client = "client_x";
  r.redirect = "https://a.org/cb";
  r.state = "s";
  r.max_age_s = -1;
  r.level = 3;
  r.asked = WallTime(1000s);
  const std::string text = seal.seal(r, rng);
  const auto back = seal.open(text, WallTime(1001s));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->client, r.client);
  EXPECT_EQ(back->redirect, r.redirect);
  EXPECT_EQ(back->max_age_s, -1);
  EXPECT_EQ(back->level, 3);
  EXPECT_NE(seal.seal(r, rng), text);
  EXPECT_FALSE(seal.open(text, WallTime(1000s) + kRequestLives + 1s));
  EXPECT_FALSE(seal.open(text, WallTime(0s))) << "a clock set back";
  for (std::size_t i = 0; i < text.size(); i += 7) {
    std::string changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(seal.open(changed, WallTime(1001s))) << i;
  }
  for (const std::string_view none : {"", "A", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}) EXPECT_FALSE(seal.open(none, WallTime(1001s)));
  EXPECT_FALSE(RequestSeal{Secret(Bytes(32, 6))}.open(text, WallTime(1001s)));
}

TEST(Assurance, SaysWhatWasProved) {
  using domain::FactorKind;
  const Instant now{WallTime(100'000s), BootTime(100'000s)};
  const auto proof = [&](FactorKind kind, Duration ago, std::uint8_t id) {
    domain::Proof p;
    p.kind = kind;
    p.traits = domain::traits_of(kind);
    p.factor = FactorId{{id}};
    p.wall = now.wall - ago;
    p.boot = now.boot - ago;
    return p;
  };
  domain::Evidence e;
  e.add(proof(FactorKind::password, 5h, 1));
  Assurance a = assure(e, now, true, 24h);
  EXPECT_EQ(a.level, 1);
  EXPECT_EQ(a.auth_time, now.wall - 5h);
  EXPECT_EQ(a.amr, (std::vector<std::string_view>{"pwd"}));
  e.add(proof(FactorKind::totp, 10min, 2));
  a = assure(e, now, true, 24h);
  EXPECT_EQ(a.level, 2);
  EXPECT_EQ(a.auth_time, now.wall - 10min) << "what is known does not age";
  EXPECT_EQ(a.amr, (std::vector<std::string_view>{"pwd", "otp", "mfa"}));
  domain::Proof key = proof(FactorKind::webauthn, 1h, 3);
  key.traits.user_verified = key.traits.phishing_resistant = key.traits.device_bound = true;
  e.add(key);
  a = assure(e, now, true, 24h);
  EXPECT_EQ(a.level, 3);
  EXPECT_EQ(a.auth_time, now.wall - 1h) << "the younger code does not carry level 3";
  a = assure(e, now, false, 24h);
  EXPECT_EQ(a.level, 1) << "a clock set back";
  EXPECT_EQ(a.amr, (std::vector<std::string_view>{"pwd"}));
  EXPECT_EQ(level_from("urn:vestibule:level:3 urn:vestibule:level:2"), 2);
  EXPECT_EQ(level_from("urn:mace:incommon:iap:silver"), std::nullopt);
  EXPECT_EQ(level_from("urn:vestibule:level:22"), std::nullopt);
}

TEST(Throttle, CountsByWhom) {
  Throttle t(2, 60s);
  const WallTime t0(1000s);
  EXPECT_TRUE(t.charge("a", t0));
  EXPECT_TRUE(t.charge("a", t0));
  EXPECT_FALSE(t.charge("a", t0));
  EXPECT_TRUE(t.charge("b", t0));
  t.refund("a");
  EXPECT_TRUE(t.charge("a", t0 + 30s));
  EXPECT_FALSE(t.charge("a", t0 + 60s));
  EXPECT_TRUE(t.charge("a", t0 + 61s));
}

}  // namespace
}  // namespace vestibule::oauth
