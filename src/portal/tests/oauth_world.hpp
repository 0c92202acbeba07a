#pragma once
// The authorization server on the portal's listener, a person in a browser before it, and clients.

#include "crypto/hash.hpp"
#include "crypto/jose.hpp"
#include "crypto/p256.hpp"
#include "oauth/server.hpp"
#include "portal/tests/world.hpp"
#include "portal/web.hpp"

namespace vestibule::portal {

using testing::HttpReply;
using testing::kPassword;
using testing::PortalWorld;

inline constexpr std::string_view kIssuer = "http://localhost:8422";
inline constexpr std::string_view kLab = "http://localhost:8420/lab";
// RFC 7636 appendix B
inline constexpr std::string_view kVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
inline constexpr std::string_view kChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

inline std::string error_of(const HttpReply& r) { return r.json.get_string("error").value_or(r.status < 400 ? "ok" : "?"); }

inline std::string encoded(std::string_view text) {
  std::string out;
  oauth::append_encoded(out, text);
  return out;
}

/// "name=value&..." from pairs; a later pair of the same name takes the place of the earlier, an empty one
/// takes it out.
class Params {
 public:
  Params(std::initializer_list<std::pair<std::string, std::string>> all) {
    for (const auto& [n, v] : all) set(n, v);
  }
  Params& set(const std::string& name, const std::string& value) {
    std::erase_if(all_, [&](const auto& p) { return p.first == name; });
    if (!value.empty()) all_.emplace_back(name, value);
    return *this;
  }
  [[nodiscard]] Params with(const std::string& name, const std::string& value) const {
    Params copy = *this;
    copy.set(name, value);
    return copy;
  }
  [[nodiscard]] std::string text() const {
    std::string out;
    for (const auto& [n, v] : all_) out += (out.empty() ? "" : "&") + n + "=" + encoded(v);
    return out;
  }

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

/// A client's key for DPoP and assertions.
class ClientKey {
 public:
  ClientKey() : key_(std::move(*crypto::JwsKey::generate(crypto::JwsAlg::es256))) {
    const auto raw = json::parse(key_.secret().reveal_text());
    scalar_.emplace(std::move(*crypto::P256Key::from_scalar(Secret(*unbase64url(*raw->get_string("d"))))));
  }
  [[nodiscard]] std::string sign(const std::string& header, const std::string& claims) const {
    const std::string input = base64url(as_bytes(header)) + "." + base64url(as_bytes(claims));
    return input + "." + base64url(scalar_->sign(as_bytes(input)));
  }
  [[nodiscard]] std::string open() const { return key_.public_json(); }

 private:
  crypto::JwsKey key_;
  std::optional<crypto::P256Key> scalar_;
};

class OAuthWorld : public PortalWorld {
 public:
  ~OAuthWorld() override { close(); }
  void close() override {
    PortalWorld::close();
    webs.clear();
    server.reset();
  }
  std::vector<store::Migration> all_migrations() override {
    auto out = PortalWorld::all_migrations();
    out.insert(out.end(), oauth::migrations().begin(), oauth::migrations().end());
    return out;
  }
  wire::Handler& handler(net::Core& core) override {
    const std::lock_guard lock(opening);
    if (!server) {
      oauth::Options o;
      o.issuer = kIssuer;
      o.resources = [] {
        return std::vector<oauth::Resource>{{std::string(kLab), "lab", domain::Sensitivity::moderate},
                                            {"http://localhost:8420/other", "other", domain::Sensitivity::high}};
      };
      if (documents) o.fetch = [this](std::string url) { return fetched(this, std::move(url)); };
      oauth::Rooms rooms{*database, *keys, *mint, *pool, *users, *sessions, *gate, *log, clock, rng};
      auto opened = oauth::Server::open(rooms, std::move(o));
      EXPECT_TRUE(opened);
      server = std::move(*opened);
      webs.resize(2);
    }
    WebOptions o;
    o.origins = {std::string(kIssuer)};
    o.known_host = [](std::string_view host) { return host == "localhost"; };
    o.oauth = server.get();
    portal::Services s = services();
    s.oauth = server.get();
    webs[core.index()] = std::make_unique<Web>(std::move(s), std::move(o));
    return *webs[core.index()];
  }

  // --- a person at a browser
  HttpReply ask(std::string_view method, std::string_view target, std::string_view body = {}) {
    std::string fields = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\n";
    if (!cookie.empty()) fields += "Cookie: " + cookie + "\r\n";
    if (method == "POST" && body.empty()) body = "{}";
    HttpReply reply = call(method, target, body, {}, fields);
    if (const std::string line = reply.fields["set-cookie"]; !line.empty()) cookie = line.substr(0, line.find(';'));
    return reply;
  }
  HttpReply ask_with(std::string_view target, std::string_view member, std::string_view value) {
    json::Value body;
    body.set(member, value);
    return ask("POST", target, body.dump());
  }
  HttpReply prove() { return ask_with("/v1/prove", "answer", fresh(root)); }
  void set_up_by_browser() {
    auto token = users->create_setup_token();
    ASSERT_TRUE(token && *token);
    json::Value body;
    body.set("token", (*token)->reveal_text()).set("name", "root").set("password", kPassword);
    ASSERT_EQ(ask("POST", "/v1/setup", body.dump()).code(), "ok");
    HttpReply begun = ask("POST", "/v1/factors/totp", "{}");
    ASSERT_EQ(begun.code(), "ok") << begun.body;
    root.app = testing::App(begun.text("secret"));
    ASSERT_EQ(ask_with("/v1/factors/" + begun.text("id") + "/confirm", "code", root.app.code(clock.wall())).code(), "ok");
  }
  void sign_in() {
    cookie.clear();
    json::Value in;
    in.set("name", "root").set("password", kPassword);
    ASSERT_EQ(ask("POST", "/v1/sign-in", in.dump()).code(), "ok");
    ASSERT_EQ(prove().code(), "ok");
  }

  // --- a client
  HttpReply form(std::string_view path, const Params& p, std::string_view more = {}) { return raw_form(path, p.text(), more); }
  HttpReply raw_form(std::string_view path, std::string_view body, std::string_view more = {}) {
    std::string fields(more);
    if (fields.find("Content-Type") == std::string::npos) fields += "Content-Type: application/x-www-form-urlencoded\r\n";
    return call("POST", path, body, {}, fields);
  }
  std::string register_client(std::string_view metadata) {
    HttpReply r = call("POST", "/oauth/register", metadata);
    EXPECT_EQ(r.status, 201) << r.body;
    secret = r.json.get_string("client_secret").value_or("");
    return r.text("client_id");
  }
  std::string public_client() {
    return register_client(R"({"client_name":"Editor","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none",
      "grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"]})");
  }
  Params wish(const std::string& client) const {
    return {{"client_id", client}, {"redirect_uri", "http://127.0.0.1:5000/cb"}, {"response_type", "code"}, {"code_challenge", std::string(kChallenge)},
            {"code_challenge_method", "S256"}, {"state", "st&te"}, {"resource", std::string(kLab)}, {"scope", "openid profile"}, {"nonce", "n-1"}};
  }
  HttpReply authorize(const Params& p) { return call("GET", "/oauth/authorize?" + p.text()); }
  /// The sealed request that the browser carries to the consent page.
  std::string request_of(HttpReply reply) {
    const std::string to = reply.fields["location"];
    const std::string page = std::string(kIssuer) + "/#/consent/";
    EXPECT_EQ(reply.status, 302) << reply.body;
    EXPECT_TRUE(to.starts_with(page)) << to;
    return to.starts_with(page) ? to.substr(page.size()) : "";
  }
  static std::string parameter(const std::string& url, const std::string& name) {
    const auto target = http::parse_url(url);
    if (!target) return "?";
    const std::size_t q = target->target.find('?');
    const auto f = oauth::Form::parse(q == std::string::npos ? "" : target->target.substr(q + 1));
    return f ? std::string(f->get(name)) : "?";
  }
  /// A code, the person having said yes.
  std::string code_for(const Params& p) {
    HttpReply said = ask_with("/v1/oauth/consent/allow", "request", request_of(authorize(p)));
    EXPECT_EQ(said.code(), "ok") << said.body;
    EXPECT_EQ(parameter(said.text("redirect"), "iss"), kIssuer);
    EXPECT_EQ(parameter(said.text("redirect"), "state"), "st&te");
    return parameter(said.text("redirect"), "code");
  }
  static Params exchange(const std::string& client, const std::string& code) {
    return {{"grant_type", "authorization_code"}, {"client_id", client}, {"code", code}, {"redirect_uri", "http://127.0.0.1:5000/cb"},
            {"code_verifier", std::string(kVerifier)}};
  }
  static Params refreshing(const std::string& client, const std::string& token) {
    return {{"grant_type", "refresh_token"}, {"client_id", client}, {"refresh_token", token}};
  }
  HttpReply tokens_for(const std::string& client) {
    HttpReply r = form("/oauth/token", exchange(client, code_for(wish(client))));
    EXPECT_EQ(error_of(r), "ok") << r.body;
    return r;
  }
  Reason verdict(const std::string& token) {
    const auto r = sessions->identify(token, session::Audience::access, session::Presented{}, clock.now());
    return r ? Reason::ok : r.error().code;
  }
  std::int64_t now_s() const { return std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count(); }
  std::string proof(const ClientKey& key, std::string_view path, std::string_view method = "POST", std::string_view token = {}, int late = 0) {
    json::Writer w;
    w.begin_object().member("jti", "j" + std::to_string(++jti)).member("htm", method).member("htu", "http://localhost" + std::string(path));
    w.member("iat", now_s() - late);
    if (!token.empty()) w.member("ath", base64url(crypto::sha256(as_bytes(token))));
    w.end_object();
    return key.sign(R"({"typ":"dpop+jwt","alg":"ES256","jwk":)" + key.open() + "}", w.text());
  }
  static net::Task<Result<std::string>> fetched(OAuthWorld* world, std::string url) {
    ++world->fetches;
    const auto at = world->served.find(url);
    if (at == world->served.end()) co_return fail(Reason::upstream_unreachable);
    co_return at->second;
  }

  std::unique_ptr<oauth::Server> server;
  std::vector<std::unique_ptr<Web>> webs;
  std::mutex opening;
  std::string cookie, secret;
  Person root;
  bool documents = false;
  std::map<std::string, std::string> served;
  std::atomic<int> fetches{0};
  int jti = 0;
};

}  // namespace vestibule::portal
