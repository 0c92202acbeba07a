#include "portal/web.hpp"

#include <gtest/gtest.h>

#include "portal/call.hpp"
#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using testing::HttpReply;
using testing::kPassword;
using testing::PortalWorld;

constexpr Asset kAssets[] = {
    {"/", "text/html; charset=utf-8", "\"page\"", Asset::Keep::never, "<!doctype html><title>page</title>", "gzipped page", {}},
    {"/assets/a-1.js", "text/javascript; charset=utf-8", "\"one\"", Asset::Keep::forever, "plain one", "gzip one", "br one"},
    {"/icon.svg", "image/svg+xml", "\"icon\"", Asset::Keep::checked, "<svg/>", {}, {}},
};

/// Stands for the models: says who asks.
class Models final : public wire::Handler {
 public:
  explicit Models(session::Sessions& sessions, const Clock& clock) : sessions_(sessions), clock_(clock) {}
  net::Task<> serve(wire::Exchange& exchange) override {
    const Result<session::Identified> who = who_asks(exchange.head(), sessions_, clock_);
    const std::string text = who ? std::string(who->subject.name.view()) : std::string(info(who.error().code).code);
    http::HeadWriter out = exchange.start();
    out.status(who ? 200 : 401).field("Content-Type", "text/plain");
    const Result<void> sent = co_await exchange.reply(out, text);
    static_cast<void>(sent);
  }
  void refused(const net::Peer&, Reason) noexcept override {}

 private:
  session::Sessions& sessions_;
  const Clock& clock_;
};

class WebTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override {
    webs.resize(2);
    models.resize(2);
    open();
  }
  void TearDown() override {
    close();
    webs.clear();
  }
  wire::Handler& handler(net::Core& core) override {
    models[core.index()] = std::make_unique<Models>(*sessions, clock);
    WebOptions o;
    o.assets = kAssets;
    o.origins = {"http://localhost:8422"};
    o.known_host = [](std::string_view host) { return host == "localhost"; };
    o.models = models[core.index()].get();
    webs[core.index()] = std::make_unique<Web>(services(), std::move(o));
    return *webs[core.index()];
  }

  /// As the portal's own page asks.
  HttpReply ask(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view more = {}) {
    std::string fields = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\n";
    if (!cookie.empty()) fields += "Cookie: " + cookie + "\r\n";
    if (method == "POST" && body.empty()) body = "{}";
    return call(method, target, body, {}, fields.append(more));
  }
  /// Set-Cookie as a browser takes it.
  void take(HttpReply& reply) {
    const std::string& line = reply.fields["set-cookie"];
    cookie = line.substr(0, line.find(';'));
  }
  void set_up_by_browser() {
    auto token = users->create_setup_token();
    ASSERT_TRUE(token && *token);
    json::Value body;
    body.set("token", (*token)->reveal_text()).set("name", "root").set("password", kPassword);
    HttpReply in = ask("POST", "/v1/setup", body.dump());
    ASSERT_EQ(in.code(), "ok") << in.body;
    take(in);
    HttpReply begun = ask("POST", "/v1/factors/totp", "{}");
    ASSERT_EQ(begun.code(), "ok") << begun.body;
    root.app = testing::App(begun.text("secret"));
    json::Value code;
    code.set("code", root.app.code(clock.wall()));
    ASSERT_EQ(ask("POST", "/v1/factors/" + begun.text("id") + "/confirm", code.dump()).code(), "ok");
  }

  std::vector<std::unique_ptr<Web>> webs;
  std::vector<std::unique_ptr<Models>> models;
  std::string cookie;
  Person root;
};

void expect_safe(HttpReply& reply, const std::string& what) {
  EXPECT_TRUE(reply.fields["content-security-policy"].starts_with("default-src 'none'")) << what;
  EXPECT_EQ(reply.fields["x-content-type-options"], "nosniff") << what;
  EXPECT_EQ(reply.fields["x-frame-options"], "DENY") << what;
  EXPECT_EQ(reply.fields["referrer-policy"], "no-referrer") << what;
  EXPECT_EQ(reply.fields["cross-origin-opener-policy"], "same-origin") << what;
  EXPECT_EQ(reply.fields["cross-origin-resource-policy"], "same-origin") << what;
  EXPECT_NE(reply.fields["permissions-policy"], "") << what;
  EXPECT_EQ(reply.fields.count("access-control-allow-origin"), 0U) << what;
}

TEST_F(WebTest, TheHandleIsInTheCookieAndNowhereElse) {
  set_up_by_browser();
  ASSERT_TRUE(cookie.starts_with("__Host-vestibule=vs_")) << cookie;
  const std::string handle = cookie.substr(cookie.find('=') + 1);
  const std::string other = cookie;
  json::Value in;
  in.set("name", "root").set("password", kPassword);
  HttpReply again = ask("POST", "/v1/sign-in", in.dump());
  ASSERT_EQ(again.code(), "ok") << again.body;
  EXPECT_EQ(again.json.find("handle"), nullptr);
  EXPECT_EQ(again.body.find("vs_"), std::string::npos);
  EXPECT_NE(again.fields["set-cookie"].find("; Path=/; Secure; HttpOnly; SameSite=Strict"), std::string::npos);
  take(again);
  EXPECT_NE(cookie, other) << "a new session has a new handle: nobody can have planted it";
  EXPECT_EQ(ask("GET", "/v1/users").code(), "mfa_required");
  json::Value answer;
  answer.set("answer", fresh(root));
  HttpReply proved = ask("POST", "/v1/prove", answer.dump());
  EXPECT_EQ(proved.code(), "ok") << proved.body;
  EXPECT_EQ(proved.fields.count("set-cookie"), 0U);
  EXPECT_EQ(ask("GET", "/v1/users").code(), "ok");

  // The handle itself opens nothing here, and cookie and handle together neither.
  const std::string bearer = "Authorization: Bearer " + handle + "\r\n";
  EXPECT_EQ(ask("GET", "/v1/me", {}, bearer).code(), "credential_malformed");
  EXPECT_EQ(ask("GET", "/v1/me", {}, "X-Api-Key: " + handle + "\r\n").code(), "credential_malformed");
  cookie.clear();
  EXPECT_EQ(ask("GET", "/v1/me", {}, bearer).code(), "credential_malformed");
  EXPECT_EQ(ask("GET", "/v1/me").code(), "credential_missing");
  cookie = "__Host-vestibule=vs_garbage";
  EXPECT_EQ(ask("GET", "/v1/me").code(), "credential_malformed");
  cookie = other + "; " + other;
  EXPECT_EQ(ask("GET", "/v1/me").code(), "credential_malformed");
  cookie = other;
  HttpReply out = ask("POST", "/v1/sign-out");
  EXPECT_NE(out.fields["set-cookie"].find("Max-Age=0"), std::string::npos);
  EXPECT_EQ(ask("GET", "/v1/me").code(), "credential_unknown") << "the session is over, not the cookie alone";
}

TEST_F(WebTest, EveryRouteRefusesOtherSites) {
  set_up_by_browser();
  for (const Route& r : routes()) {
    std::string target(r.path);
    if (const auto at = target.find('{'); at != std::string::npos) target.replace(at, target.find('}') - at + 1, "x");
    const bool reads = r.method == http::Method::get;
    if (reads) target += "?no_such=1";
    const std::string_view method = http::to_text(r.method);
    const std::string_view body = reads ? std::string_view{} : R"({"no such":1})";
    const auto verdict = [&](const std::string& fields) {
      HttpReply reply = call(method, target, body, {}, "Cookie: " + cookie + "\r\n" + fields);
      expect_safe(reply, std::string(method) + " " + target);
      EXPECT_EQ(reply.fields["cache-control"], "no-store") << target;
      return reply.code();
    };
    EXPECT_EQ(verdict("Sec-Fetch-Site: cross-site\r\n"), "cross_site") << target;
    EXPECT_EQ(verdict("Sec-Fetch-Site: same-site\r\nOrigin: http://localhost:8420\r\n"), "cross_site") << target;
    EXPECT_EQ(verdict("Sec-Fetch-Site: none\r\n"), "cross_site") << target;
    EXPECT_EQ(verdict("Origin: http://evil.example\r\n"), "cross_site") << target;
    EXPECT_EQ(verdict("Origin: null\r\n"), "cross_site") << target;
    // What touches the host's files is not there for browsers at all.
    const std::string passed = r.reach == Reach::host ? "not_found" : "invalid_argument";
    EXPECT_EQ(verdict("Sec-Fetch-Site: same-origin\r\n"), passed) << target;
    EXPECT_EQ(verdict("Origin: http://localhost:8422\r\n"), passed) << target;
    if (reads) continue;
    EXPECT_EQ(verdict(""), "cross_site") << target;
    EXPECT_EQ(verdict("Sec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\n"), "cross_site") << target;
    EXPECT_EQ(verdict("Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n"), "cross_site") << target;
  }
}

TEST_F(WebTest, OtherHostsAreRefused) {
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1", "169.254.1.1:8422", "[::1]"}) {
    for (const char* target : {"/", "/v1/health", "/chat/lab/v1/models"}) {
      HttpReply reply = send(std::string("GET ") + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
      EXPECT_EQ(reply.status, 421) << host << target;
      EXPECT_EQ(reply.code(), "host_unknown");
      expect_safe(reply, host);
    }
  }
}

TEST_F(WebTest, ServesTheUserInterface) {
  HttpReply page = call("GET", "/", {}, {}, "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: document\r\nAccept-Encoding: gzip, br\r\n");
  EXPECT_EQ(page.status, 200) << "a link from elsewhere may lead here";
  EXPECT_EQ(page.body, "gzipped page");
  EXPECT_EQ(page.fields["content-encoding"], "gzip");
  EXPECT_EQ(page.fields["cache-control"], "no-store");
  EXPECT_EQ(page.fields.count("etag"), 0U);
  EXPECT_NE(page.fields["content-security-policy"].find("script-src 'self';"), std::string::npos);
  expect_safe(page, "/");
  HttpReply script = call("GET", "/assets/a-1.js", {}, {}, "Accept-Encoding: gzip, br\r\n");
  EXPECT_EQ(script.body, "br one");
  EXPECT_EQ(script.fields["vary"], "Accept-Encoding");
  EXPECT_EQ(script.fields["cache-control"], "public, max-age=31536000, immutable");
  EXPECT_EQ(script.fields["etag"], "W/\"one\"");
  expect_safe(script, "script");
  EXPECT_EQ(call("GET", "/assets/a-1.js").body, "plain one");
  HttpReply kept = call("GET", "/icon.svg", {}, {}, "If-None-Match: W/\"icon\"\r\n");
  EXPECT_EQ(kept.status, 304);
  EXPECT_EQ(kept.body, "");
  HttpReply head = call("HEAD", "/icon.svg");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.fields["content-length"], "6");
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(call("POST", "/", "{}").code(), "method_not_allowed");
  for (const char* target : {"/nothing", "/assets/", "/assets/../icon.svg", "/index.html", "//", "/v1", "/%76%31/me", "/icon.svg/", "/ICON.SVG"}) {
    HttpReply none = call("GET", target);
    EXPECT_GE(none.status, 400) << target;
    EXPECT_NE(none.status, 500) << target;
  }
}

TEST_F(WebTest, ModelsAreForFetchesOfSignedInPeople) {
  set_up_by_browser();
  HttpReply good = ask("POST", "/chat/lab/v1/chat/completions");
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.body, "root");
  EXPECT_EQ(ask("GET", "/chat/lab/v1/models").body, "root");
  EXPECT_EQ(ask("POST", "/chat/lab/v1/chat/completions", "{}", "Authorization: Bearer x\r\n").code(), "credential_malformed");
  // Without a word that this is no navigation there is no answer, so none can be shown as a page.
  const std::string fields = "Cookie: " + cookie + "\r\nSec-Fetch-Site: same-origin\r\n";
  EXPECT_EQ(call("GET", "/chat/lab/v1/models", {}, {}, fields).code(), "cross_site");
  EXPECT_EQ(call("GET", "/chat/lab/v1/models", {}, {}, fields + "Sec-Fetch-Dest: document\r\n").code(), "cross_site");
  EXPECT_EQ(call("POST", "/chat/lab/v1/chat/completions", "{}", {}, "Cookie: " + cookie + "\r\n").code(), "cross_site");
  // A sign-in that is not finished opens nothing.
  json::Value in;
  in.set("name", "root").set("password", kPassword);
  HttpReply pending = ask("POST", "/v1/sign-in", in.dump());
  take(pending);
  EXPECT_EQ(ask("POST", "/chat/lab/v1/chat/completions").body, "mfa_required");
  cookie.clear();
  EXPECT_EQ(ask("POST", "/chat/lab/v1/chat/completions").body, "credential_missing");
}

}  // namespace
}  // namespace vestibule::portal
