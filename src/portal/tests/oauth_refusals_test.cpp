// What clients, and those who would like to be one, are refused: a row each, with the error that it gets.
#include <gtest/gtest.h>

#include "portal/tests/oauth_world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;

class RefusalTest : public ::testing::Test, public OAuthWorld {
 protected:
  void SetUp() override {
    open();
    ASSERT_TRUE(server->begin());
    set_up_by_browser();
    client = public_client();
    other = public_client();
  }
  void TearDown() override { close(); }
  std::string client, other;
};

// --- the authorization endpoint: shown where nobody knows whose address it is, redirected where it is known.
struct Asked {
  const char* name;
  const char* parameter;
  std::string value;
  const char* error;  ///< "": shown, and sent nowhere
};

TEST_F(RefusalTest, AtTheAuthorizationEndpoint) {
  const std::vector<Asked> rows = {
      {"no client", "client_id", "", ""},
      {"a client that nobody knows", "client_id", "client_aaaaaaaaaaaaaaaaaaaaaaaaaa", ""},
      {"SQL for a client", "client_id", "' OR 1=1 --", ""},
      {"no redirect of its own: another site", "redirect_uri", "https://evil.example.org/cb", ""},
      {"open redirect: another path", "redirect_uri", "http://127.0.0.1:5000/cb/../x", ""},
      {"open redirect: a longer path", "redirect_uri", "http://127.0.0.1:5000/cbx", ""},
      {"open redirect: a query", "redirect_uri", "http://127.0.0.1:5000/cb?next=https://evil.example.org", ""},
      {"open redirect: user information", "redirect_uri", "http://127.0.0.1:5000@evil.example.org/cb", ""},
      {"open redirect: a backslash", "redirect_uri", "http://127.0.0.1\\@evil.example.org/cb", ""},
      {"open redirect: a fragment", "redirect_uri", "http://127.0.0.1:5000/cb#x", ""},
      {"open redirect: another scheme", "redirect_uri", "https://127.0.0.1/cb", ""},
      {"open redirect: a script", "redirect_uri", "javascript:alert(1)", ""},
      {"loopback by another name", "redirect_uri", "http://localhost:5000/cb", ""},
      {"loopback in six octets", "redirect_uri", "http://[::1]:5000/cb", ""},
      {"a port that is none", "redirect_uri", "http://127.0.0.1:70000/cb", ""},
      {"a host that begins like loopback", "redirect_uri", "http://127.0.0.1.evil.example.org/cb", ""},
      {"the implicit grant", "response_type", "token", "unsupported_response_type"},
      {"the hybrid flow", "response_type", "code id_token", "unsupported_response_type"},
      {"no response type", "response_type", "", "unsupported_response_type"},
      {"an answer in the fragment", "response_mode", "fragment", "invalid_request"},
      {"an answer in a form", "response_mode", "form_post", "invalid_request"},
      {"PKCE left out", "code_challenge", "", "invalid_request"},
      {"PKCE downgraded", "code_challenge_method", "plain", "invalid_request"},
      {"PKCE downgraded by silence", "code_challenge_method", "", "invalid_request"},
      {"PKCE in another case", "code_challenge_method", "s256", "invalid_request"},
      {"a challenge that is too short", "code_challenge", "abc", "invalid_request"},
      {"a challenge with padding", "code_challenge", std::string(kChallenge) + "=", "invalid_request"},
      {"a scope that is none", "scope", "openid admin", "invalid_scope"},
      {"a scope twice", "scope", "openid openid", "invalid_scope"},
      {"another's resource", "resource", "https://api.example.org/", "invalid_target"},
      {"the portal as a resource", "resource", std::string(kIssuer), "invalid_target"},
      {"administration as a resource", "resource", "vestibule", "invalid_target"},
      {"a resource by name", "resource", "lab", "invalid_target"},
      {"a level that is none", "acr_values", "urn:mace:incommon:iap:silver", "unmet_authentication_requirements"},
      {"an age that is none", "max_age", "-1", "invalid_request"},
      {"an age in words", "max_age", "1h", "invalid_request"},
      {"an age beyond numbers", "max_age", "99999999999999999999", "invalid_request"},
      {"nobody to ask", "prompt", "none", "interaction_required"},
      {"nobody to ask, and somebody", "prompt", "none login", "interaction_required"},
      {"a prompt that is none", "prompt", "create", "invalid_request"},
      {"a request object", "request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported"},
      {"a request elsewhere", "request_uri", "http://169.254.169.254/", "request_uri_not_supported"},
      {"a key that is none", "dpop_jkt", "abc", "invalid_request"},
      {"an endless nonce", "nonce", std::string(513, 'n'), "invalid_request"},
  };
  for (const Asked& row : rows) {
    HttpReply r = authorize(wish(client).set(row.parameter, row.value));
    if (std::string_view(row.error).empty()) {
      EXPECT_EQ(r.status, 400) << row.name;
      EXPECT_EQ(r.fields.count("location"), 0U) << row.name << ": " << r.fields["location"];
      continue;
    }
    const std::string to = r.fields["location"];
    EXPECT_EQ(r.status, 302) << row.name << r.body;
    EXPECT_TRUE(to.starts_with("http://127.0.0.1:5000/cb?")) << row.name << ": " << to;
    EXPECT_EQ(parameter(to, "error"), row.error) << row.name;
    EXPECT_EQ(parameter(to, "state"), "st&te") << row.name;
    EXPECT_EQ(parameter(to, "iss"), kIssuer) << row.name << ": RFC 9207, in errors too";
    EXPECT_EQ(parameter(to, "code"), "") << row.name;
  }
  // As a query that can be read in two ways.
  const std::string good = wish(client).text();
  for (const std::string& query : {good + "&client_id=" + other, good + "&redirect_uri=https%3A%2F%2Fevil.example.org%2F", good + "&%72edirect_uri=x", good + "&state=%0d%0aSet-Cookie:x"}) {
    HttpReply r = call("GET", "/oauth/authorize?" + query);
    EXPECT_EQ(r.status, 400) << query;
    EXPECT_EQ(r.fields.count("location"), 0U);
    EXPECT_EQ(r.fields.count("set-cookie"), 0U);
  }
  // A stranger's own site: nobody is sent there but by a person's answer.
  const std::string site = register_client(R"({"client_name":"Site","redirect_uris":["https://evil.example.org/cb"],"token_endpoint_auth_method":"none"})");
  const Params there = wish(site).set("redirect_uri", "https://evil.example.org/cb");
  HttpReply shown = authorize(there.with("scope", "nonsense"));
  EXPECT_EQ(shown.status, 400);
  EXPECT_EQ(shown.fields.count("location"), 0U);
  EXPECT_FALSE(request_of(authorize(there)).empty());
  EXPECT_EQ(call("POST", "/oauth/authorize", "{}").status, 405);
  EXPECT_EQ(call("GET", "/oauth/authorize").status, 400);
}

// --- the token endpoint
struct Exchanged {
  const char* name;
  const char* parameter;
  std::string value;
  const char* error;
};

TEST_F(RefusalTest, AtTheTokenEndpoint) {
  const std::vector<Exchanged> rows = {
      {"no grant", "grant_type", "", "invalid_request"},
      {"the password grant", "grant_type", "password", "unsupported_grant_type"},
      {"the client's own grant, which is for service accounts", "grant_type", "client_credentials", "invalid_client"},
      {"the implicit grant", "grant_type", "implicit", "unsupported_grant_type"},
      {"an assertion as a grant", "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type"},
      {"no code", "code", "", "invalid_request"},
      {"a code that is none", "code", "va_x", "invalid_grant"},
      {"a code of the right form", "code", "va_" + std::string(54, 'A'), "invalid_grant"},
      {"no client", "client_id", "", "invalid_client"},
      {"a client that nobody knows", "client_id", "client_zzz", "invalid_client"},
      {"another client's code", "client_id", other, "invalid_grant"},
      {"no verifier", "code_verifier", "", "invalid_grant"},
      {"another verifier", "code_verifier", std::string(43, 'a'), "invalid_grant"},
      {"the challenge as verifier", "code_verifier", std::string(kChallenge), "invalid_grant"},
      {"a short verifier", "code_verifier", "abc", "invalid_grant"},
      {"another redirect", "redirect_uri", "http://127.0.0.1:5001/cb", "invalid_grant"},
      {"another site's redirect", "redirect_uri", "https://evil.example.org/cb", "invalid_grant"},
      {"another resource", "resource", "http://localhost:8420/other", "invalid_target"},
      {"a resource that is none", "resource", "https://api.example.org", "invalid_target"},
      {"a secret that it does not have", "client_secret", "vo_x", "invalid_client"},
      {"half an assertion", "client_assertion", "a.b.c", "invalid_client"},
  };
  for (const Exchanged& row : rows) {
    const std::string code = code_for(wish(client));
    HttpReply r = form("/oauth/token", exchange(client, code).set(row.parameter, row.value));
    EXPECT_EQ(error_of(r), row.error) << row.name << ": " << r.body;
    EXPECT_EQ(r.status, std::string_view(row.error) == "invalid_client" ? 401 : 400) << row.name;
    EXPECT_EQ(r.body.find("access_token"), std::string::npos) << row.name;
    EXPECT_EQ(r.fields["cache-control"], "no-store") << row.name;
  }
  // A code is spent by the first who shows it, right or wrong; an expired one anyway.
  const std::string spent = code_for(wish(client));
  EXPECT_EQ(error_of(form("/oauth/token", exchange(client, spent).set("code_verifier", std::string(43, 'x')))), "invalid_grant");
  EXPECT_EQ(error_of(form("/oauth/token", exchange(client, spent))), "invalid_grant");
  const std::string late = code_for(wish(client));
  clock.advance(61s);
  EXPECT_EQ(error_of(form("/oauth/token", exchange(client, late))), "invalid_grant");

  // As bytes that can be read in two ways.
  const std::string good = exchange(client, code_for(wish(client))).text();
  EXPECT_EQ(error_of(raw_form("/oauth/token", good + "&grant_type=authorization_code")), "invalid_request");
  EXPECT_EQ(error_of(raw_form("/oauth/token", good + "&")), "invalid_request");
  EXPECT_EQ(error_of(raw_form("/oauth/token", good + "&x=%ff")), "invalid_request");
  EXPECT_EQ(error_of(raw_form("/oauth/token", good, "Content-Type: application/json\r\n")), "invalid_request");
  EXPECT_EQ(error_of(raw_form("/oauth/token", good, "Content-Type: text/plain\r\n")), "invalid_request");
  EXPECT_EQ(error_of(raw_form("/oauth/token?code=x", good)), "invalid_request") << "nothing in the address";
  EXPECT_EQ(error_of(raw_form("/oauth/token", std::string(20'000, 'a'))), "invalid_request");
  EXPECT_EQ(error_of(raw_form("/oauth/token", good, "Authorization: Bearer vt_x\r\n")), "invalid_client");
  EXPECT_EQ(error_of(raw_form("/oauth/token", good, "Authorization: Basic !!!\r\n")), "invalid_client");
  EXPECT_EQ(call("GET", "/oauth/token?" + good).status, 405);
  EXPECT_EQ(error_of(raw_form("/oauth/token", good)), "ok") << "all that has spent nothing";
}

TEST_F(RefusalTest, RefreshTokensOfOthers) {
  HttpReply tokens = tokens_for(client);
  const std::string refresh = tokens.text("refresh_token");
  const auto with = [&](const char* parameter, const std::string& value) { return error_of(form("/oauth/token", refreshing(client, refresh).set(parameter, value))); };
  EXPECT_EQ(with("client_id", other), "invalid_grant");
  EXPECT_EQ(with("scope", "openid offline_access"), "invalid_scope") << "more than was allowed";
  EXPECT_EQ(with("resource", "http://localhost:8420/other"), "invalid_target");
  EXPECT_EQ(with("refresh_token", tokens.text("access_token")), "invalid_grant");
  EXPECT_EQ(with("refresh_token", "vr_" + std::string(54, 'A')), "invalid_grant");
  EXPECT_EQ(with("refresh_token", cookie.substr(cookie.find('=') + 1)), "invalid_grant") << "a stolen portal cookie is no refresh token";
  EXPECT_EQ(with("scope", "openid"), "ok") << "nothing of that has spent it";
}

TEST_F(RefusalTest, AtTheRegistration) {
  const auto reg = [&](std::string_view body, std::string_view more = {}) { return error_of(call("POST", "/oauth/register", body, {}, more)); };
  EXPECT_EQ(reg(R"({"redirect_uris":["http://evil.example.org/cb"]})"), "invalid_redirect_uri");
  EXPECT_EQ(reg(R"({"redirect_uris":["http://169.254.169.254/latest"]})"), "invalid_redirect_uri");
  EXPECT_EQ(reg(R"({"redirect_uris":["https://a.example.org/cb"],"jwks_uri":"http://169.254.169.254/"})"), "invalid_client_metadata");
  EXPECT_EQ(reg(R"({"redirect_uris":["https://a.example.org/cb"],"jwks_uri":"https://a.example.org/keys"})"), "invalid_client_metadata");
  EXPECT_EQ(reg(R"({"redirect_uris":["https://a.example.org/cb"],"redirect_uris":[]})"), "invalid_client_metadata");
  EXPECT_EQ(reg("redirect_uris=x", "Content-Type: application/x-www-form-urlencoded\r\n"), "invalid_client_metadata");
  EXPECT_EQ(reg(std::string(oauth::kMaxClientMetadata + 1, ' ')), "invalid_client_metadata");
  // It cannot choose who it is, or say that it is somebody's.
  HttpReply r = call("POST", "/oauth/register", R"({"client_id":"mine","client_secret":"mine","origin":"administrator","redirect_uris":["http://127.0.0.1/cb"]})");
  EXPECT_EQ(r.status, 201);
  EXPECT_NE(r.text("client_id"), "mine");
  EXPECT_NE(r.text("client_secret"), "mine");
  EXPECT_NE(ask("GET", "/v1/clients").body.find("\"origin\":\"registered\""), std::string::npos);
  EXPECT_EQ(ask("GET", "/v1/clients").body.find("\"origin\":\"administrator\""), std::string::npos);
}

TEST_F(RefusalTest, NothingOfItIsThePortals) {
  HttpReply tokens = tokens_for(client);
  const std::string access = tokens.text("access_token");
  // Machines never approve: neither an access token nor a refresh token reaches the consent page's routes.
  for (const std::string& token : {access, tokens.text("refresh_token")}) {
    for (const char* path : {"/v1/oauth/consent/allow", "/v1/oauth/device/allow", "/v1/clients", "/v1/me"}) {
      HttpReply r = call("POST", path, R"({"request":"x"})", token, "Sec-Fetch-Site: same-origin\r\n");
      EXPECT_GE(r.status, 400) << path;
      r = call("POST", path, R"({"request":"x"})", {}, "Sec-Fetch-Site: same-origin\r\nCookie: __Host-vestibule=" + token + "\r\n");
      EXPECT_GE(r.status, 400) << path;
    }
  }
  // Another host's name for this gateway is none.
  EXPECT_EQ(send("GET /oauth/jwks HTTP/1.1\r\nHost: evil.example.org\r\nConnection: close\r\n\r\n").status, 421);
}

}  // namespace
}  // namespace vestibule::portal
