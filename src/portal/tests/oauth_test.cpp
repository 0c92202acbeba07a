// The authorization server as its clients and people meet it.
#include <gtest/gtest.h>

#include <thread>

#include "portal/tests/oauth_world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;

class OAuthTest : public ::testing::Test, public OAuthWorld {
 protected:
  void SetUp() override {
    open();
    ASSERT_TRUE(server->begin());
    set_up_by_browser();
  }
  void TearDown() override { close(); }
  void grant(HttpReply tokens) {
    access = tokens.text("access_token");
    refresh = tokens.json.get_string("refresh_token").value_or("");
  }
  json::Value id_token(const HttpReply& tokens) {
    const auto jws = crypto::UnverifiedJws::parse(tokens.text("id_token"));
    EXPECT_TRUE(jws);
    const HttpReply jwks = get("/oauth/jwks");
    for (const json::Value& k : jwks.json.find("keys")->items()) {
      if (k.get_string("kid").value_or("") != jws->header().get_string("kid").value_or("?")) continue;
      const auto payload = jws->verify(*crypto::PublicJwk::from(k), crypto::kJwsAlgs);
      EXPECT_TRUE(payload);
      return json::parse(payload.value_or("{}")).value_or(json::Value());
    }
    ADD_FAILURE() << "no such key: " << jwks.body;
    return {};
  }
  std::string access, refresh;
};

TEST_F(OAuthTest, MetadataNamesWhatIsThere) {
  for (const std::string_view path : {"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"}) {
    const HttpReply m = get(path);
    ASSERT_EQ(m.status, 200);
    EXPECT_EQ(m.text("issuer"), kIssuer);
    EXPECT_EQ(m.text("token_endpoint"), std::string(kIssuer) + "/oauth/token");
    EXPECT_EQ(m.json.find("code_challenge_methods_supported")->dump(), R"(["S256"])");
    EXPECT_EQ(m.json.find("response_types_supported")->dump(), R"(["code"])");
    EXPECT_TRUE(*m.json.get_bool("authorization_response_iss_parameter_supported"));
    EXPECT_EQ(m.body.find("implicit"), std::string::npos);
    EXPECT_EQ(m.body.find("\"none\",\"HS"), std::string::npos);
  }
  const HttpReply open_keys = get("/oauth/jwks");
  EXPECT_EQ(open_keys.json.find("keys")->items().size(), 2U) << "the one that signs, and the next one";
  EXPECT_EQ(open_keys.body.find("\"d\""), std::string::npos);
  EXPECT_EQ(post("/oauth/jwks", "{}").status, 405);
  EXPECT_EQ(get("/oauth/tokens").status, 404);
}

TEST_F(OAuthTest, FromCodeToTokenAndNoFurther) {
  const std::string client = public_client();
  const std::string request = request_of(authorize(wish(client)));
  HttpReply page = ask_with("/v1/oauth/consent/look", "request", request);
  ASSERT_EQ(page.code(), "ok") << page.body;
  EXPECT_EQ(page.text("client"), "Editor");
  EXPECT_EQ(page.text("redirect"), "127.0.0.1:5000");
  EXPECT_EQ(page.text("access_point"), "lab");
  HttpReply tokens = tokens_for(client);
  grant(tokens);
  EXPECT_EQ(tokens.text("token_type"), "Bearer");
  EXPECT_EQ(tokens.fields["cache-control"], "no-store");
  EXPECT_GT(*tokens.json.get_int("mfa_expires_in"), 3000);
  ASSERT_EQ(verdict(access), Reason::ok);
  const auto who = sessions->identify(access, session::Audience::access, session::Presented{}, clock.now());
  EXPECT_EQ(who->bound.access_point.view(), "lab");
  EXPECT_EQ(who->subject.name.view(), "root");

  const json::Value id = id_token(tokens);
  EXPECT_EQ(id.get_string("iss").value_or(""), kIssuer);
  EXPECT_EQ(id.get_string("aud").value_or(""), client);
  EXPECT_EQ(id.get_string("nonce").value_or(""), "n-1");
  EXPECT_EQ(id.get_string("acr").value_or(""), "urn:vestibule:level:2");
  EXPECT_EQ(id.get_string("preferred_username").value_or(""), "root");

  // It opens neither the portal nor the control API, nor does the refresh token open anything.
  EXPECT_EQ(sessions->identify(access, session::Audience::control, session::Presented{}, clock.now()).error().code, Reason::credential_audience);
  EXPECT_EQ(verdict(refresh), Reason::credential_audience);
  HttpReply info = call("GET", "/oauth/userinfo", {}, access);
  EXPECT_EQ(info.text("preferred_username"), "root") << info.body;
  EXPECT_EQ(info.text("sub"), id.get_string("sub").value_or(""));
  EXPECT_EQ(call("GET", "/oauth/userinfo", {}, refresh).status, 401);
  // A page that carries the cookie gets nothing more by it.
  EXPECT_EQ(call("GET", "/oauth/userinfo", {}, {}, "Cookie: " + cookie + "\r\n").status, 401);
}

TEST_F(OAuthTest, ATokenIsForOneAccessPoint) {
  const std::string client = public_client();
  HttpReply tokens = tokens_for(client);
  grant(tokens);
  gate::Caller caller;
  const auto decide = [&](std::string_view point) {
    domain::Act act;
    act.access_point = point;
    act.operation = "chat";
    domain::Decision d;
    cores->on_each([&](net::Core& core) {
      if (core.index() == 0) d = gate->consider(caller, act);
    });
    return d;
  };
  caller.who = *sessions->identify(access, session::Audience::access, session::Presented{}, clock.now());
  EXPECT_NE(decide("lab").reason, Reason::credential_audience);
  EXPECT_EQ(decide("other").reason, Reason::credential_audience);
  EXPECT_EQ(decide("other").outcome, domain::Outcome::deny);
  // Without resource: it says who somebody is, and opens nothing.
  HttpReply nowhere = form("/oauth/token", exchange(client, code_for(wish(client).set("resource", ""))));
  caller.who = *sessions->identify(nowhere.text("access_token"), session::Audience::access, session::Presented{}, clock.now());
  EXPECT_EQ(decide("lab").reason, Reason::credential_audience);
  EXPECT_EQ(call("GET", "/oauth/userinfo", {}, nowhere.text("access_token")).status, 200);
}

TEST_F(OAuthTest, ACodeUsedTwiceEndsWhatItHasOpened) {
  const std::string client = public_client();
  const std::string code = code_for(wish(client));
  HttpReply tokens = form("/oauth/token", exchange(client, code));
  grant(tokens);
  ASSERT_EQ(verdict(access), Reason::ok);
  clock.advance(30min);
  ASSERT_TRUE(run(server->sweep())) << "it is remembered beyond its minute";
  EXPECT_EQ(error_of(form("/oauth/token", exchange(client, code))), "invalid_grant");
  EXPECT_EQ(verdict(access), Reason::credential_unknown);
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(client, refresh))), "invalid_grant");
  EXPECT_FALSE(entries("session.revoke").empty());
}

TEST_F(OAuthTest, ARefreshTokenIsUsedOnce) {
  const std::string client = public_client();
  HttpReply tokens = tokens_for(client);
  grant(tokens);
  HttpReply next = form("/oauth/token", refreshing(client, refresh));
  ASSERT_EQ(error_of(next), "ok") << next.body;
  const std::string second = next.text("refresh_token");
  EXPECT_NE(second, refresh);
  EXPECT_EQ(verdict(next.text("access_token")), Reason::ok);
  // The thief comes late, or the owner after the thief: nobody knows which, so that both are out.
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(client, refresh))), "invalid_grant");
  EXPECT_EQ(verdict(next.text("access_token")), Reason::credential_unknown);
  EXPECT_EQ(verdict(access), Reason::credential_unknown);
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(client, second))), "invalid_grant");
}

TEST_F(OAuthTest, AHundredAtOnceWithOneRefreshToken) {
  const std::string client = public_client();
  HttpReply tokens = tokens_for(client);
  grant(tokens);
  std::atomic<int> won{0};
  std::mutex mutex;
  std::string winner;
  std::vector<std::thread> threads;
  for (int t = 0; t < 10; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        HttpReply r = form("/oauth/token", refreshing(client, refresh));
        if (error_of(r) != "ok") continue;
        ++won;
        const std::lock_guard lock(mutex);
        winner = r.text("refresh_token");
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(won.load(), 1);
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(client, winner))), "invalid_grant") << "the family is dead";
  EXPECT_EQ(verdict(access), Reason::credential_unknown);
}

TEST_F(OAuthTest, AHundredAtOnceWithOneCode) {
  const std::string client = public_client();
  const std::string code = code_for(wish(client));
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 10; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        if (error_of(form("/oauth/token", exchange(client, code))) == "ok") ++won;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(won.load(), 1);
}

TEST_F(OAuthTest, NothingRenewsAProofAndNothingOutlivesItsSession) {
  const std::string client = public_client();
  HttpReply tokens = tokens_for(client);
  grant(tokens);
  const auto before = sessions->identify(access, session::Audience::access, session::Presented{}, clock.now());
  const auto parent_ends = sessions->identify(cookie.substr(cookie.find('=') + 1), session::Audience::control, session::Presented{}, clock.now())->session_ends;
  const auto proof = [](const session::Identified& w) { return (w.evidence.end() - 1)->wall; };
  const WallTime proved = proof(*before);
  // A day of refreshing and using, by the minute.
  int refreshed = 0;
  for (int i = 0; i < 200; ++i) {
    clock.advance(10min);
    HttpReply r = form("/oauth/token", refreshing(client, refresh));
    if (error_of(r) != "ok") {
      EXPECT_EQ(error_of(r), "invalid_grant");
      break;
    }
    ++refreshed;
    grant(r);
    const auto who = sessions->identify(access, session::Audience::access, session::Presented{}, clock.now());
    ASSERT_TRUE(who);
    EXPECT_EQ(proof(*who), proved);
    EXPECT_LE(who->session_ends, parent_ends);
    if (i == 30) {
      EXPECT_EQ(domain::level(who->evidence, clock.now(), true, 1h), 1) << "it has lapsed for whatever asks for an hour";
    }
  }
  EXPECT_GT(refreshed, 100);
  EXPECT_LT(refreshed, 145) << "24 h are over";
  EXPECT_NE(verdict(access), Reason::ok);
}

TEST_F(OAuthTest, WhatEndsAFamily) {
  const std::string client = public_client();
  const auto family = [&] {
    HttpReply tokens = tokens_for(client);
    grant(tokens);
    EXPECT_EQ(verdict(access), Reason::ok);
  };
  const auto session_id = [&] { return sessions->identify(cookie.substr(cookie.find('=') + 1), session::Audience::control, session::Presented{}, clock.now())->subject.session; };
  // Signing out: its owner goes, what he has allowed stays.
  family();
  ASSERT_EQ(ask("POST", "/v1/sign-out").code(), "ok");
  EXPECT_EQ(verdict(access), Reason::ok);
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(client, refresh))), "ok");
  // The consenting session revoked.
  sign_in();
  family();
  run(sessions->revoke(session::Revocation::of(session_id()), {}));
  EXPECT_EQ(verdict(access), Reason::credential_unknown);
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(client, refresh))), "invalid_grant");
  // Denied in memory alone, while the store does not work.
  sign_in();
  family();
  sessions->deny(session::Revocation::of(session_id()));
  EXPECT_EQ(verdict(access), Reason::credential_unknown);
  ASSERT_TRUE(run(sessions->maintain_once()));
  // The family itself, by the portal's list.
  sign_in();
  family();
  const SessionId id = sessions->identify(access, session::Audience::access, session::Presented{}, clock.now())->subject.session;
  EXPECT_EQ(ask("POST", "/v1/sessions/" + id.text() + "/revoke").code(), "ok");
  EXPECT_EQ(verdict(access), Reason::credential_unknown);
  // All of the person's.
  family();
  run(sessions->revoke(session::Revocation::all_of(sessions->identify(access, session::Audience::access, session::Presented{}, clock.now())->subject.user), {}));
  EXPECT_EQ(verdict(access), Reason::credential_unknown);
  // A code whose session ended before it was exchanged.
  sign_in();
  const std::string code = code_for(wish(client));
  ASSERT_EQ(ask("POST", "/v1/sign-out").code(), "ok");
  EXPECT_EQ(error_of(form("/oauth/token", exchange(client, code))), "invalid_grant");
}

TEST_F(OAuthTest, WhoeverHeldAGrantIsToldWhyItIsOver) {
  const std::string client = public_client();
  const auto why = [&](const std::string& token) { return form("/oauth/token", refreshing(client, token)).fields["vestibule-reason"]; };
  grant(tokens_for(client));
  const std::string second = form("/oauth/token", refreshing(client, refresh)).text("refresh_token");
  EXPECT_EQ(why(refresh), "token_reused");
  EXPECT_EQ(why(second), "token_reused") << "the owner after the thief";
  grant(tokens_for(client));
  form("/oauth/revoke", Params{{"client_id", client}, {"token", refresh}});
  EXPECT_EQ(why(refresh), "session_revoked");
  EXPECT_EQ(why(refresh), "session_revoked") << "asked again";
  grant(tokens_for(client));
  EXPECT_EQ(form("/oauth/token", refreshing(public_client(), refresh)).fields["vestibule-reason"], "") << "another client hears nothing";
  EXPECT_EQ(why("vr_" + std::string(54, 'A')), "");
  const std::string code = code_for(wish(client));
  ASSERT_EQ(ask("POST", "/v1/sign-out").code(), "ok");
  EXPECT_EQ(form("/oauth/token", exchange(client, code)).fields["vestibule-reason"], "session_revoked");
  clock.advance(options_session.idle + 1min);
  EXPECT_EQ(why(refresh), "session_idle");
}

TEST_F(OAuthTest, AProgramGetsATokenOfItsOwnByARefresh) {
  const std::string editor = public_client();
  grant(tokens_for(editor));
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(editor, refresh).set("agent", "builder"))), "unauthorized_client") << "by another name than people know it by";
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(editor, refresh))), "ok") << "nothing was spent";
  const std::string client = "vestibule-cli";
  const auto log_in = [&] {
    const std::string code = code_for(wish(client).set("redirect_uri", "http://127.0.0.1:40123/callback"));
    grant(form("/oauth/token", exchange(client, code).set("redirect_uri", "http://127.0.0.1:40123/callback")));
  };
  log_in();
  const auto as = [&](const std::string& agent) { return refreshing(client, refresh).set("agent", agent); };
  for (const char* bad : {"a b", "a*", "\"", "a\xc3\xbc"}) EXPECT_EQ(error_of(form("/oauth/token", as(bad))), "invalid_request") << bad;
  HttpReply made = form("/oauth/token", as("builder").set("operations", "chat embed").set("models", "tiny*"));
  ASSERT_EQ(error_of(made), "ok") << "nothing of that has spent it: " << made.body;
  const std::string child = made.text("access_token");
  EXPECT_TRUE(child.starts_with("vc_"));
  EXPECT_NE(made.text("refresh_token"), refresh) << "it rotates as ever";
  const auto who = sessions->identify(child, session::Audience::access, session::Presented{}, clock.now());
  ASSERT_TRUE(who);
  EXPECT_EQ(who->subject.via.view(), "agent builder");
  EXPECT_EQ(who->bound.access_point.view(), "lab");
  domain::Act act;
  act.access_point = "lab";
  act.operation = "chat";
  act.model = "tiny-2";
  EXPECT_TRUE(sessions->permits(who->handle, act, {}, clock.now(), policy::Known::whole));
  act.model = "big";
  EXPECT_FALSE(sessions->permits(who->handle, act, {}, clock.now(), policy::Known::whole));
  // It renews nothing and hands nothing on.
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(client, child))), "invalid_grant");
  // The one before is spent, and with it, used again, the program's is over.
  EXPECT_EQ(verdict(access), Reason::ok);
  EXPECT_EQ(error_of(form("/oauth/token", as("builder"))), "invalid_grant");
  EXPECT_EQ(verdict(child), Reason::credential_unknown);
  // So many and no more; who is refused has spent nothing.
  log_in();
  std::size_t made_so_far = 0;
  HttpReply more = form("/oauth/token", as("a0"));
  for (; error_of(more) == "ok" && made_so_far < 1000; more = form("/oauth/token", as("a" + std::to_string(++made_so_far)))) refresh = more.text("refresh_token");
  EXPECT_EQ(made_so_far, options_session.max_tokens);
  EXPECT_EQ(error_of(more), "invalid_request");
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(client, refresh))), "ok");
  // Its client ends it, and no other.
  log_in();
  const std::string next = form("/oauth/token", as("builder")).text("access_token");
  ASSERT_EQ(verdict(next), Reason::ok);
  EXPECT_EQ(error_of(form("/oauth/revoke", Params{{"client_id", public_client()}, {"token", next}})), "unauthorized_client");
  EXPECT_EQ(verdict(next), Reason::ok);
  EXPECT_EQ(form("/oauth/revoke", Params{{"client_id", client}, {"token", next}}).status, 200);
  EXPECT_EQ(verdict(next), Reason::credential_unknown);
  EXPECT_EQ(verdict(access), Reason::ok);
}

TEST_F(OAuthTest, TheCommandLineIsAClientThatNobodyRegisters) {
  const std::string client = "vestibule-cli";
  Params p = wish(client).set("redirect_uri", "http://127.0.0.1:40123/callback");
  for (const char* other : {"http://127.0.0.1:40123/cb", "http://localhost:40123/callback", "https://evil.example.org/callback", "http://[::1]:1/callback"}) {
    EXPECT_EQ(authorize(p.with("redirect_uri", other)).status, 400) << other;
  }
  const std::string request = request_of(authorize(p));
  HttpReply asked = ask_with("/v1/oauth/consent/look", "request", request);
  EXPECT_EQ(asked.text("client"), "Vestibule command line");
  EXPECT_EQ(asked.text("origin"), "built_in");
  HttpReply tokens = form("/oauth/token", exchange(client, code_for(p)).set("redirect_uri", "http://127.0.0.1:40123/callback"));
  ASSERT_EQ(error_of(tokens), "ok") << tokens.body;
  EXPECT_FALSE(tokens.text("refresh_token").empty());
  EXPECT_EQ(verdict(tokens.text("access_token")), Reason::ok);
  EXPECT_EQ(form("/oauth/introspect", Params{{"client_id", client}, {"token", tokens.text("access_token")}}).status, 401) << "it holds no secret";
  EXPECT_EQ(error_of(form("/oauth/device", Params{{"client_id", client}, {"resource", std::string(kLab)}})), "ok");
}

TEST_F(OAuthTest, AskedForAFresherProof) {
  const std::string client = public_client();
  clock.advance(20min);
  const auto allow = [&](const std::string& request) { return ask_with("/v1/oauth/consent/allow", "request", request).code(); };
  std::string request = request_of(authorize(wish(client).set("max_age", "60")));
  EXPECT_EQ(*ask_with("/v1/oauth/consent/look", "request", request).json.get_bool("enough"), false);
  EXPECT_EQ(allow(request), "mfa_lapsed");
  ASSERT_EQ(prove().code(), "ok");
  EXPECT_EQ(allow(request), "ok");
  // prompt=login: after the request, not just recently.
  request = request_of(authorize(wish(client).set("prompt", "login")));
  clock.advance(1s);
  EXPECT_EQ(allow(request), "mfa_lapsed");
  ASSERT_EQ(prove().code(), "ok");
  HttpReply said = ask_with("/v1/oauth/consent/allow", "request", request);
  ASSERT_EQ(said.code(), "ok");
  const HttpReply tokens = form("/oauth/token", exchange(client, parameter(said.text("redirect"), "code")));
  EXPECT_GE(*id_token(tokens).get_int("auth_time"), now_s() - 5);
  // What nobody here can show.
  request = request_of(authorize(wish(client).set("acr_values", "urn:vestibule:level:3")));
  EXPECT_EQ(allow(request), "mfa_lapsed");
  // A session whose sign-in is not finished says yes to nothing.
  cookie.clear();
  json::Value in;
  in.set("name", "root").set("password", kPassword);
  ASSERT_EQ(ask("POST", "/v1/sign-in", in.dump()).code(), "ok");
  EXPECT_EQ(allow(request_of(authorize(wish(client)))), "mfa_required");
  cookie.clear();
  EXPECT_EQ(allow(request_of(authorize(wish(client)))), "credential_missing");
}

TEST_F(OAuthTest, TheRequestIsWhatWasAsked) {
  const std::string client = public_client();
  const std::string request = request_of(authorize(wish(client)));
  std::string other = request;
  other[40] = other[40] == 'A' ? 'B' : 'A';
  EXPECT_EQ(ask_with("/v1/oauth/consent/allow", "request", other).code(), "not_found");
  HttpReply no = ask_with("/v1/oauth/consent/decline", "request", request);
  EXPECT_EQ(parameter(no.text("redirect"), "error"), "access_denied");
  EXPECT_EQ(parameter(no.text("redirect"), "iss"), kIssuer);
  EXPECT_EQ(parameter(no.text("redirect"), "state"), "st&te");
  clock.advance(11min);
  EXPECT_EQ(ask_with("/v1/oauth/consent/allow", "request", request).code(), "not_found");
  // Not by a form of another site, nor with a token in place of the cookie.
  EXPECT_EQ(call("POST", "/v1/oauth/consent/allow", R"({"request":"x"})", {}, "Sec-Fetch-Site: cross-site\r\nCookie: " + cookie + "\r\n").code(), "cross_site");
}

TEST_F(OAuthTest, TokensThatAreBoundToAKey) {
  const std::string client = public_client();
  const ClientKey key, thief;
  const auto dpop = [](const std::string& p) { return "DPoP: " + p + "\r\n"; };
  HttpReply tokens = form("/oauth/token", exchange(client, code_for(wish(client))), dpop(proof(key, "/oauth/token")));
  ASSERT_EQ(error_of(tokens), "ok") << tokens.body;
  EXPECT_EQ(tokens.text("token_type"), "DPoP");
  grant(tokens);
  const auto info = [&](const std::string& scheme, const std::string& more) {
    return call("GET", "/oauth/userinfo", {}, {}, "Authorization: " + scheme + " " + access + "\r\n" + more).status;
  };
  const std::string good = proof(key, "/oauth/userinfo", "GET", access);
  EXPECT_EQ(info("DPoP", dpop(good)), 200);
  EXPECT_EQ(info("DPoP", dpop(good)), 401) << "the same proof again";
  EXPECT_EQ(info("DPoP", ""), 401) << "no proof";
  EXPECT_EQ(info("Bearer", ""), 401) << "stolen, as a bearer token";
  EXPECT_EQ(info("Bearer", dpop(proof(key, "/oauth/userinfo", "GET", access))), 401);
  EXPECT_EQ(info("DPoP", dpop(proof(thief, "/oauth/userinfo", "GET", access))), 401) << "another's key";
  EXPECT_EQ(info("DPoP", dpop(proof(key, "/oauth/userinfo", "POST", access))), 401);
  EXPECT_EQ(info("DPoP", dpop(proof(key, "/oauth/other", "GET", access))), 401);
  EXPECT_EQ(info("DPoP", dpop(proof(key, "/oauth/userinfo", "GET", "vt_other"))), 401);
  EXPECT_EQ(info("DPoP", dpop(proof(key, "/oauth/userinfo", "GET"))), 401) << "no ath";
  EXPECT_EQ(info("DPoP", dpop(proof(key, "/oauth/userinfo", "GET", access, 500))), 401);
  EXPECT_EQ(info("DPoP", dpop(proof(key, "/oauth/userinfo", "GET", access)) + dpop(proof(key, "/oauth/userinfo", "GET", access))), 401);
  // The gate lets nobody in who has not shown the key.
  gate::Caller caller;
  caller.who = *sessions->identify(access, session::Audience::access, session::Presented{}, clock.now());
  domain::Act act;
  act.access_point = "lab";
  act.operation = "chat";
  domain::Decision d;
  cores->on_each([&](net::Core& core) {
    if (core.index() == 0) d = gate->consider(caller, act);
  });
  EXPECT_EQ(d.reason, Reason::credential_malformed);
  EXPECT_EQ(d.outcome, domain::Outcome::deny);
  // A stolen refresh token is worth nothing without the key, and its owner keeps it.
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(client, refresh))), "invalid_dpop_proof");
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(client, refresh), dpop(proof(thief, "/oauth/token")))), "invalid_dpop_proof");
  HttpReply next = form("/oauth/token", refreshing(client, refresh), dpop(proof(key, "/oauth/token")));
  EXPECT_EQ(error_of(next), "ok") << next.body;
  EXPECT_EQ(next.text("token_type"), "DPoP");
  // A bearer token under the other scheme.
  HttpReply bearer = tokens_for(client);
  grant(bearer);
  EXPECT_EQ(info("DPoP", dpop(proof(key, "/oauth/userinfo", "GET", access))), 401);
  EXPECT_EQ(info("Bearer", ""), 200);
  // A code that was asked for with the key's thumbprint.
  const std::string jkt = base64url(crypto::PublicJwk::parse(key.open())->thumbprint());
  const std::string code = code_for(wish(client).set("dpop_jkt", jkt));
  EXPECT_EQ(error_of(form("/oauth/token", exchange(client, code), dpop(proof(thief, "/oauth/token")))), "invalid_dpop_proof");
}

TEST_F(OAuthTest, ClientsThatHoldASecretOrAKey) {
  const std::string basic = register_client(R"({"client_name":"Server","redirect_uris":["http://127.0.0.1/cb"],"grant_types":["authorization_code","refresh_token"]})");
  const std::string its = secret;
  ASSERT_TRUE(its.starts_with("vo_"));
  const auto header = [](const std::string& id, const std::string& s) { return "Authorization: Basic " + base64(as_bytes(id + ":" + s)) + "\r\n"; };
  HttpReply tokens = form("/oauth/token", exchange(basic, code_for(wish(basic))).set("client_id", ""), header(basic, its));
  ASSERT_EQ(error_of(tokens), "ok") << tokens.body;
  HttpReply wrong = form("/oauth/token", exchange(basic, "x").set("client_id", ""), header(basic, "vo_wrong"));
  EXPECT_EQ(error_of(wrong), "invalid_client");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_TRUE(wrong.fields["www-authenticate"].starts_with("Basic"));
  EXPECT_EQ(error_of(form("/oauth/token", exchange(basic, "x"))), "invalid_client") << "without its secret";
  EXPECT_EQ(error_of(form("/oauth/token", exchange(basic, "x").set("client_secret", its))), "invalid_client") << "by another method";
  EXPECT_EQ(error_of(form("/oauth/token", exchange(basic, "x").set("client_secret", its), header(basic, its))), "invalid_request");
  EXPECT_EQ(error_of(form("/oauth/token", exchange("client_other", "x"), header(basic, its))), "invalid_client");

  const ClientKey key, thief;
  const std::string jwt = register_client(R"({"client_name":"Job","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[)" +
                                          key.open() + "]}}");
  struct Claims {
    std::string iss{}, sub{}, aud = std::string(kIssuer), jti = "a1";
    std::int64_t exp = 60;
    std::string header = R"({"alg":"ES256","typ":"JWT"})";
  };
  const auto assertion = [&](const Claims& c, const ClientKey& by) {
    json::Writer w;
    w.begin_object().member("iss", c.iss.empty() ? jwt : c.iss).member("sub", c.sub.empty() ? jwt : c.sub).member("aud", c.aud);
    w.member("jti", c.jti).member("exp", now_s() + c.exp).end_object();
    return by.sign(c.header, w.text());
  };
  const auto with = [&](const std::string& text) {
    Params p = exchange(jwt, "va_none");
    p.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer").set("client_assertion", text);
    return error_of(form("/oauth/token", p));
  };
  const std::string once = assertion({}, key);
  EXPECT_EQ(with(once), "invalid_grant") << "it is itself; the code is none";
  EXPECT_EQ(with(once), "invalid_client") << "the same assertion again";
  EXPECT_EQ(with(assertion({.aud = std::string(kIssuer) + "/oauth/token", .jti = "a2"}, key)), "invalid_grant");
  const std::vector<std::pair<const char*, Claims>> bad = {
      {"another's audience", {.aud = "https://evil.example.org", .jti = "b"}}, {"over", {.jti = "c", .exp = -1}},     {"without end", {.jti = "d", .exp = 3600}},
      {"another issuer", {.iss = "x", .jti = "e"}},                           {"another client", {.sub = basic, .jti = "f"}}, {"no id", {.jti = ""}},
      {"no signature", {.jti = "g", .header = R"({"alg":"none"})"}},           {"a MAC", {.jti = "h", .header = R"({"alg":"HS256"})"}},
      {"another algorithm", {.jti = "i", .header = R"({"alg":"RS256"})"}},     {"critical", {.jti = "j", .header = R"({"alg":"ES256","crit":["x"]})"}}};
  for (const auto& [name, claims] : bad) EXPECT_EQ(with(assertion(claims, key)), "invalid_client") << name;
  EXPECT_EQ(with(assertion({.jti = "k"}, thief)), "invalid_client");
  EXPECT_EQ(with("x.y.z"), "invalid_client");
}

TEST_F(OAuthTest, WhoLooksIntoTokens) {
  const std::string client = public_client();
  HttpReply tokens = tokens_for(client);
  grant(tokens);
  json::Value add;
  add.set("metadata", R"({"client_name":"Guard","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"client_secret_post"})");
  add.set("code", fresh(root));
  HttpReply guard = ask("POST", "/v1/clients", add.dump());
  ASSERT_EQ(guard.code(), "ok") << guard.body;
  const Params as_guard{{"client_id", guard.text("client_id")}, {"client_secret", guard.text("client_secret")}};
  HttpReply in = form("/oauth/introspect", as_guard.with("token", access));
  EXPECT_TRUE(in.json.get_bool("active").value_or(false)) << in.body;
  EXPECT_EQ(in.text("aud"), kLab);
  EXPECT_EQ(in.text("client_id"), client);
  EXPECT_EQ(in.text("acr"), "urn:vestibule:level:2");
  EXPECT_EQ(in.text("username"), "root");
  EXPECT_GT(*in.json.get_int("mfa_expires_in"), 0);
  // The truth of this moment.
  clock.advance(59min);
  in = form("/oauth/introspect", as_guard.with("token", access));
  EXPECT_LT(*in.json.get_int("mfa_expires_in"), 300);
  EXPECT_TRUE(form("/oauth/introspect", as_guard.with("token", refresh)).json.get_bool("active").value_or(false));
  for (const std::string& none : {std::string("x"), std::string("vt_") + std::string(54, 'A'), cookie.substr(cookie.find('=') + 1)}) {
    EXPECT_EQ(form("/oauth/introspect", as_guard.with("token", none)).body, R"({"active":false})");
  }
  // Whoever registered himself is told of nobody else's tokens, and who keeps no secret of none.
  register_client(R"({"client_name":"Nosy","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"client_secret_post"})");
  EXPECT_EQ(error_of(form("/oauth/introspect", {{"client_id", client}, {"token", access}})), "invalid_client");
  EXPECT_EQ(error_of(form("/oauth/introspect", {{"token", access}})), "invalid_client");

  // Given back.
  EXPECT_EQ(error_of(form("/oauth/revoke", as_guard.with("token", access))), "unauthorized_client") << "it is not the guard's to revoke";
  EXPECT_EQ(form("/oauth/revoke", {{"client_id", client}, {"token", "x"}}).status, 200) << "RFC 7009: unknown ones too";
  EXPECT_EQ(form("/oauth/revoke", {{"client_id", client}, {"token", access}}).status, 200);
  EXPECT_EQ(verdict(access), Reason::credential_unknown);
  HttpReply next = form("/oauth/token", refreshing(client, refresh));
  ASSERT_EQ(error_of(next), "ok") << "its refresh token stays";
  grant(next);
  EXPECT_EQ(form("/oauth/revoke", {{"client_id", client}, {"token", refresh}}).status, 200);
  EXPECT_EQ(verdict(access), Reason::credential_unknown) << "the refresh token takes its access tokens along";
  EXPECT_EQ(form("/oauth/introspect", as_guard.with("token", refresh)).body, R"({"active":false})");

  // The client removed.
  HttpReply again = tokens_for(client);
  grant(again);
  json::Value gone;
  gone.set("client", client).set("code", fresh(root));
  EXPECT_EQ(ask("POST", "/v1/clients/remove", gone.dump()).code(), "ok");
  EXPECT_EQ(verdict(access), Reason::credential_unknown);
  EXPECT_EQ(authorize(wish(client)).status, 400);
  HttpReply list = ask("GET", "/v1/clients");
  EXPECT_NE(list.body.find("Guard"), std::string::npos);
  EXPECT_EQ(list.body.find("\"secret"), std::string::npos);
}

TEST_F(OAuthTest, ADeviceAndItsPerson) {
  const std::string client = public_client();
  const Params wanted{{"client_id", client}, {"scope", "openid"}, {"resource", std::string(kLab)}};
  HttpReply begun = form("/oauth/device", wanted);
  ASSERT_EQ(error_of(begun), "ok") << begun.body;
  const std::string user_code = begun.text("user_code");
  EXPECT_EQ(begun.text("verification_uri"), std::string(kIssuer) + "/#/device");
  const auto poll = [&] {
    clock.advance(6s);
    return form("/oauth/token", {{"grant_type", std::string(oauth::kDeviceGrant)}, {"client_id", client}, {"device_code", begun.text("device_code")}});
  };
  EXPECT_EQ(error_of(poll()), "authorization_pending");
  EXPECT_EQ(error_of(form("/oauth/token", {{"grant_type", std::string(oauth::kDeviceGrant)}, {"client_id", client}, {"device_code", begun.text("device_code")}})), "slow_down");
  clock.advance(10s);
  std::string typed = user_code;
  for (char& c : typed) c = static_cast<char>(std::tolower(c));
  HttpReply page = ask_with("/v1/oauth/device/look", "user_code", typed);
  EXPECT_EQ(page.text("client"), "Editor") << page.body;
  EXPECT_EQ(page.text("source"), "unix");
  // A click is no proof: it takes a factor for this very act, once.
  EXPECT_NE(ask_with("/v1/oauth/device/allow", "user_code", user_code).code(), "ok");
  json::Value allow;
  allow.set("user_code", user_code).set("code", "000000");
  EXPECT_EQ(ask("POST", "/v1/oauth/device/allow", allow.dump()).code(), "code_wrong");
  EXPECT_EQ(error_of(poll()), "authorization_pending");
  allow.set("code", fresh(root));
  EXPECT_EQ(ask("POST", "/v1/oauth/device/allow", allow.dump()).code(), "ok");
  clock.advance(20s);
  HttpReply tokens = poll();
  ASSERT_EQ(error_of(tokens), "ok") << tokens.body;
  EXPECT_EQ(verdict(tokens.text("access_token")), Reason::ok);
  EXPECT_EQ(error_of(poll()), "invalid_grant") << "once";

  // No.
  begun = form("/oauth/device", wanted);
  EXPECT_EQ(ask_with("/v1/oauth/device/decline", "user_code", begun.text("user_code")).code(), "ok");
  EXPECT_EQ(error_of(poll()), "access_denied");
  // Nobody answers.
  begun = form("/oauth/device", wanted);
  clock.advance(11min);
  EXPECT_EQ(error_of(poll()), "expired_token");
  EXPECT_EQ(ask_with("/v1/oauth/device/look", "user_code", begun.text("user_code")).code(), "not_found");
  // Guesses are counted by person, right ones are not.
  for (int i = 0; i < 9; ++i) EXPECT_EQ(ask_with("/v1/oauth/device/look", "user_code", "BCDF-GHJK").code(), "not_found");
  EXPECT_EQ(ask_with("/v1/oauth/device/look", "user_code", "BCDF-GHJK").code(), "factor_locked");
}

TEST_F(OAuthTest, KeysTurn) {
  const std::string client = public_client();
  const HttpReply before = tokens_for(client);
  const auto kids = [&] {
    std::vector<std::string> out;
    const HttpReply listed = get("/oauth/jwks");
    for (const json::Value& k : listed.json.find("keys")->items()) out.push_back(k.get_string("kid").value_or(""));
    std::sort(out.begin(), out.end());
    return out;
  };
  const auto old = kids();
  json::Value body;
  body.set("code", fresh(root));
  ASSERT_EQ(ask("POST", "/v1/oauth/keys/rotate", body.dump()).code(), "ok");
  EXPECT_EQ(kids().size(), 3U);
  EXPECT_FALSE(id_token(before).is_null()) << "what was signed before still verifies";
  const HttpReply after = tokens_for(client);
  const auto kid = crypto::UnverifiedJws::parse(after.text("id_token"))->header().get_string("kid").value_or("?");
  EXPECT_NE(std::find(old.begin(), old.end(), kid), old.end()) << "published before it signed";
  EXPECT_NE(kid, crypto::UnverifiedJws::parse(before.text("id_token"))->header().get_string("kid").value_or("?"));
  // The master key turns as well.
  auto moved = database->write_blocking([&](store::Tx& tx) -> Result<std::int64_t> {
    auto adopted = keys->adopt({2, Secret(Bytes(32, 2))});
    EXPECT_TRUE(adopted);
    EXPECT_EQ(oauth::keys_sealed_by(tx, 1).value_or(0), 3);
    auto n = oauth::reseal_keys(tx, *keys);
    EXPECT_EQ(oauth::keys_sealed_by(tx, 1).value_or(-1), 0);
    return n;
  });
  EXPECT_EQ(moved.value_or(0), 3);
  // RS256 for those who register for it.
  const std::string rsa = register_client(R"({"client_name":"Old","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none","id_token_signed_response_alg":"RS256"})");
  const HttpReply tokens = tokens_for(rsa);
  EXPECT_EQ(crypto::UnverifiedJws::parse(tokens.text("id_token"))->alg(), crypto::JwsAlg::rs256);
  EXPECT_EQ(id_token(tokens).get_string("aud").value_or(""), rsa);
}

class DocumentTest : public OAuthTest {
 protected:
  void SetUp() override {
    documents = true;
    OAuthTest::SetUp();
  }
};

TEST_F(DocumentTest, AClientIsDescribedAtItsOwnAddress) {
  const std::string id = "https://app.example.org/client.json";
  served[id] = R"({"client_id":")" + id + R"(","client_name":"App","redirect_uris":["http://127.0.0.1/cb"],"grant_types":["authorization_code","refresh_token"]})";
  served["https://evil.example.org/c"] = served[id];
  served["https://evil.example.org/long"] = std::string(oauth::kMaxClientMetadata + 1, ' ');
  HttpReply tokens = tokens_for(id);
  EXPECT_EQ(verdict(tokens.text("access_token")), Reason::ok);
  EXPECT_EQ(fetches.load(), 1) << "read once, and kept for a while";
  EXPECT_EQ(error_of(form("/oauth/token", refreshing(id, tokens.text("refresh_token")))), "ok");
  for (const char* other : {"https://evil.example.org/c", "https://evil.example.org/long", "https://gone.example.org/c", "http://app.example.org/client.json",
                            "https://app.example.org/client.json?x", "https://127.0.0.1", "file:///etc/passwd"}) {
    EXPECT_EQ(authorize(wish(other)).status, 400) << other;
  }
  const int before = fetches.load();
  for (int i = 0; i < 40; ++i) authorize(wish("https://gone.example.org/c" + std::to_string(i)));
  EXPECT_LE(fetches.load() - before, 30) << "a stranger does not send the gateway about without end";
}

TEST_F(OAuthTest, StrangersRegisterWithinBounds) {
  int accepted = 0;
  for (int i = 0; i < 25; ++i) {
    const HttpReply r = call("POST", "/oauth/register", R"({"client_name":"x","redirect_uris":["http://127.0.0.1/cb"]})");
    if (r.status == 201) ++accepted;
    EXPECT_TRUE(r.status == 201 || r.status == 429) << r.status;
  }
  EXPECT_EQ(accepted, 20);
  clock.advance(25h);
  ASSERT_TRUE(run(server->sweep()));
  sign_in();
  EXPECT_EQ(ask("GET", "/v1/clients").json.find("clients")->items().size(), 0U) << "those that nobody has used go";
}

}  // namespace
}  // namespace vestibule::portal
