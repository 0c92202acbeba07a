// The endpoints: which there are, how a request is read and a reply is put.
#include <array>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "gate/source.hpp"
#include "http/chars.hpp"
#include "oauth/call.hpp"
#include "policy/policy.hpp"

namespace vestibule::oauth {
namespace {

using gate::source_of;

Counter g_requests("vestibule_oauth_requests_total", "Requests to the authorization server.");
Counter g_refused("vestibule_oauth_refused_total", "Requests to the authorization server that were refused.");

constexpr std::string_view kForm = "application/x-www-form-urlencoded";

bool is_type(std::string_view value, std::string_view type) noexcept {
  return http::chars::equals_folded(value.substr(0, value.find(';')), type);
}

}  // namespace

struct Server::Endpoint {
  http::Method method;
  std::string_view path;
  Out (Server::*handler)(Call&);
  static constexpr auto kGet = http::Method::get;
  static constexpr auto kPost = http::Method::post;
  static const std::array<Endpoint, 12>& all() {
    static constexpr std::array<Endpoint, 12> kAll = {{
        {kGet, "/.well-known/oauth-authorization-server", &Server::metadata},
        {kGet, "/.well-known/openid-configuration", &Server::metadata},
        {kGet, "/oauth/jwks", &Server::jwks},
        {kGet, "/oauth/authorize", &Server::authorize},
        {kPost, "/oauth/token", &Server::token},
        {kPost, "/oauth/device", &Server::device},
        {kPost, "/oauth/revoke", &Server::revoke},
        {kPost, "/oauth/introspect", &Server::introspect},
        {kPost, "/oauth/register", &Server::register_client},
        {kGet, "/oauth/userinfo", &Server::userinfo},
        {kPost, "/oauth/userinfo", &Server::userinfo},
        {http::Method::head, "/oauth/jwks", &Server::jwks},
    }};
    return kAll;
  }
};

Server::Server(Rooms rooms, Options options)
    : rooms_(rooms),
      options_(std::move(options)),
      seal_(rooms_.keys.derive("oauth-request/v1")),
      signing_(rooms_.database, rooms_.keys),
      assertions_(std::chrono::minutes(6), 65536),
      proofs_(rooms_.clock),
      registrations_(20, std::chrono::hours(1)),
      devices_(30, std::chrono::minutes(10)),
      guesses_(10, std::chrono::minutes(10)),
      documents_(30, std::chrono::minutes(10)),
      asserted_(600, std::chrono::minutes(6)) {}

Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(Rooms rooms, Options options) {
  std::unique_ptr<Server> server(new Server(rooms, std::move(options)));
  Result<void> loaded = server->signing_.load();
  if (!loaded) return std::move(loaded).error();
  return server;
}

bool Server::serves(std::string_view path) noexcept {
  return path.starts_with("/oauth/") || path == "/.well-known/oauth-authorization-server" || path == "/.well-known/openid-configuration";
}

void Server::refused(const net::Peer& peer, Reason reason) noexcept {
  rooms_.gate.refuse_unknown(source_of(peer), reason, policy::kAdministration);
}

net::Task<> Server::serve(wire::Exchange& exchange) {
  g_requests.add();
  Call call(exchange);
  const http::RequestHead& head = exchange.head();
  call.source = source_of(exchange.peer());
  call.program = head.headers.find(http::Known::user_agent).value_or(std::string_view{});
  call.request = rooms_.gate.new_request();
  Reply reply = co_await answer(call);
  if (exchange.begun()) {
    exchange.abort();
    co_return;
  }
  http::HeadWriter out = exchange.start();
  out.status(reply.status);
  if (!reply.body.empty()) out.field("Content-Type", reply.type);
  out.field("Cache-Control", reply.cache == Reply::Cache::never ? "no-store" : "public, max-age=300");
  out.field("X-Request-Id", call.request.text());
  out.field("X-Content-Type-Options", "nosniff");
  out.field("Referrer-Policy", "no-referrer");
  out.field("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox");
  out.field("X-Frame-Options", "DENY");
  if (reply.read == Reply::Read::anywhere) out.field("Access-Control-Allow-Origin", "*");
  if (!reply.location.empty()) out.field("Location", reply.location);
  if (!reply.challenge.empty()) out.field("WWW-Authenticate", reply.challenge);
  if (!reply.allow.empty()) out.field("Allow", reply.allow);
  if (reply.reason != Reason::ok) out.field("Vestibule-Reason", info(reply.reason).code);
  if (reply.status == 503 || reply.status == 429) out.field("Retry-After", std::uint64_t{reply.status == 503 ? 1U : 60U});
  const Result<void> sent = co_await exchange.reply(out, reply.body);
  static_cast<void>(sent);
  wipe(reply.body);  // it may hold tokens
  wipe(reply.location);
}

Server::Out Server::answer(Call& call) {
  const http::RequestHead& head = call.exchange.head();
  const Endpoint* found = nullptr;
  bool path = false;
  for (const Endpoint& e : Endpoint::all()) {
    if (e.path != head.parts.path) continue;
    path = true;
    if (e.method == head.method) found = &e;
  }
  if (found == nullptr) {
    rooms_.gate.refuse_unknown(call.source, path ? Reason::method_not_allowed : Reason::not_found, policy::kAdministration);
    Reply none{path ? 405 : 404, "{}"};
    if (path) none.allow = "GET, POST";
    co_return none;
  }
  Reply reply = co_await (this->*found->handler)(call);
  if (reply.status >= 400) {
    g_refused.add();
    const Reason why = reply.status == 401 ? Reason::credential_unknown : reply.status == 429 ? Reason::overloaded : Reason::invalid_argument;
    if (reply.status < 500) rooms_.gate.refuse_unknown(call.source, why, policy::kAdministration);
  }
  co_return reply;
}

net::Task<Answer<Form>> Server::read_form(Call& call) {
  const http::RequestHead& head = call.exchange.head();
  const auto type = head.headers.find(http::Known::content_type);
  const bool form = type && head.headers.count(http::Known::content_type) == 1 && is_type(*type, kForm);
  if (!form || head.headers.has(http::Known::content_encoding)) {
    co_return Failure{Code::invalid_request, "Content-Type is application/x-www-form-urlencoded"};
  }
  // What stands in an address is logged everywhere.
  if (head.parts.has_query) co_return Failure{Code::invalid_request, "parameters stand in the body"};
  Result<std::string_view> text = co_await call.exchange.read_whole(kMaxForm);
  if (!text) co_return Failure{Code::invalid_request, "the body is too long or did not arrive"};
  auto parsed = Form::parse(*text);
  // The connection's buffer outlives this request, and is no constant: it was read into.
  wipe(const_cast<char*>(text->data()), text->size());
  if (!parsed) co_return Failure{Code::invalid_request, "the form is malformed, or names a parameter twice"};
  co_return std::move(*parsed);
}

Server::Reply Server::refuse(const Call& call, const Failure& failure) const {
  Reply r;
  r.status = status(failure.code);
  json::Writer w;
  w.begin_object().member("error", name(failure.code)).member("error_description", failure.why).end_object();
  r.body = w.take();
  r.reason = failure.reason;
  // RFC 6749 section 5.2: by the scheme that was tried.
  if (failure.code == Code::invalid_client && call.exchange.head().headers.has(http::Known::authorization)) {
    r.challenge = "Basic realm=\"vestibule\"";
  }
  return r;
}

Server::Out Server::jwks(Call&) {
  Reply r;
  r.body = signing_.jwks();
  r.cache = Reply::Cache::while_fresh;
  r.read = Reply::Read::anywhere;
  co_return r;
}

// RFC 8414 and OpenID Connect Discovery: one document for both.
Server::Out Server::metadata(Call&) {
  const std::string& i = options_.issuer;
  json::Writer w;
  const auto list = [&](std::string_view key, std::initializer_list<std::string_view> values) {
    w.key(key).begin_array();
    for (const auto v : values) w.value(v);
    w.end_array();
  };
  w.begin_object().member("issuer", i).member("authorization_endpoint", i + "/oauth/authorize").member("token_endpoint", i + "/oauth/token");
  w.member("device_authorization_endpoint", i + "/oauth/device").member("revocation_endpoint", i + "/oauth/revoke");
  w.member("introspection_endpoint", i + "/oauth/introspect").member("userinfo_endpoint", i + "/oauth/userinfo").member("jwks_uri", i + "/oauth/jwks");
  if (options_.registration == Options::Registration::open) w.member("registration_endpoint", i + "/oauth/register");
  list("response_types_supported", {"code"});
  list("response_modes_supported", {"query"});
  list("grant_types_supported", {"authorization_code", "refresh_token", kDeviceGrant, kServiceGrant});
  list("code_challenge_methods_supported", {"S256"});
  for (const std::string_view e : {"token", "revocation", "introspection"}) {
    const std::string prefix = std::string(e) + "_endpoint_auth_";
    w.key(prefix + "methods_supported").begin_array();
    if (e != "introspection") w.value("none");
    w.value("client_secret_basic").value("client_secret_post").value("private_key_jwt");
    if (e == "token" && !options_.certificate_endpoint.empty()) w.value("self_signed_tls_client_auth");
    w.end_array();
    list(prefix + "signing_alg_values_supported", {"ES256", "RS256", "PS256"});
  }
  list("dpop_signing_alg_values_supported", {"ES256", "RS256", "PS256"});
  if (!options_.certificate_endpoint.empty()) {
    w.member("tls_client_certificate_bound_access_tokens", true);
    w.key("mtls_endpoint_aliases").begin_object().member("token_endpoint", options_.certificate_endpoint).end_object();
  }
  list("scopes_supported", {"openid", "profile", "offline_access"});
  list("acr_values_supported", {"urn:vestibule:level:1", "urn:vestibule:level:2", "urn:vestibule:level:3"});
  list("prompt_values_supported", {"none", "login", "consent"});
  list("subject_types_supported", {"public"});
  list("id_token_signing_alg_values_supported", {"ES256", "RS256"});
  list("claims_supported", {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "preferred_username", "name"});
  w.member("authorization_response_iss_parameter_supported", true).member("client_id_metadata_document_supported", static_cast<bool>(options_.fetch));
  w.member("request_parameter_supported", false).member("request_uri_parameter_supported", false).member("claims_parameter_supported", false);
  w.end_object();
  Reply r;
  r.body = w.take();
  r.cache = Reply::Cache::while_fresh;
  r.read = Reply::Read::anywhere;
  co_return r;
}

std::optional<Resource> Server::resource_at(std::string_view url) const {
  const auto bare = [](std::string_view text) { return text.ends_with('/') ? text.substr(0, text.size() - 1) : text; };
  for (Resource& r : options_.resources()) {
    if (bare(r.url) == bare(url)) return std::move(r);
  }
  return std::nullopt;
}

std::optional<Resource> Server::resource_of(std::string_view point) const {
  for (Resource& r : options_.resources()) {
    if (r.access_point == point) return std::move(r);
  }
  return std::nullopt;
}

Answer<std::string> Server::read_scope(std::string_view scope) const {
  std::string out;
  for (std::string_view rest = scope; !rest.empty();) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view one = rest.substr(0, end);
    if (one != "openid" && one != "profile" && one != "offline_access") return Failure{Code::invalid_scope, "scopes are openid, profile and offline_access; what a token opens, resource says"};
    if (has_scope(out, one)) return Failure{Code::invalid_scope, "a scope is named twice"};
    out.append(out.empty() ? "" : " ").append(one);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

std::int64_t Server::seconds_left(const domain::Evidence& evidence, std::string_view point, Instant now) const {
  const auto resource = resource_of(point);
  if (!resource) return -1;
  const domain::Requirement need = rooms_.gate.policies()->active.baseline(resource->sensitivity);
  const Duration left = domain::time_left(evidence, now, rooms_.clock.trusted(), need.max_age, need.level, need.kinds);
  return std::chrono::duration_cast<std::chrono::seconds>(std::min<Duration>(left, options_.overall)).count();
}

void Server::record(store::Tx& tx, std::string_view operation, const session::Actor& by, std::string_view object, std::string_view note, Instant now) {
  rooms_.log.append(tx, identity::change_record(operation, by, object, note, now));
}

net::Task<Result<void>> Server::sweep() {
  auto job = [this](store::Tx& tx) -> Result<void> {
    const WallTime now = rooms_.clock.wall();
    for (const std::string_view sql : {"DELETE FROM oauth_code WHERE ends < $1", "DELETE FROM oauth_device WHERE ends < $1",
                                       "DELETE FROM oauth_refresh WHERE ends < $1", "DELETE FROM oauth_family WHERE ends < $1"}) {
      // A code that was used is remembered for as long as what it has opened may live.
      auto gone = tx.run(sql, {now});
      if (!gone) return std::move(gone).error();
    }
    auto unused = tx.run("DELETE FROM oauth_client WHERE origin = $1 AND ((last_used = 0 AND created < $2) OR (last_used > 0 AND last_used < $3))",
                         {Origin::registered, now - std::chrono::hours(24), now - std::chrono::hours(24 * 90)});
    if (!unused) return std::move(unused).error();
    return {};
  };
  Result<void> swept = co_await rooms_.database.write(std::move(job));
  co_return swept;
}

}  // namespace vestibule::oauth
