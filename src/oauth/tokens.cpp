// What becomes of tokens: looked into (RFC 7662), given back (RFC 7009), shown for who somebody is (OIDC).
#include "oauth/call.hpp"

namespace vestibule::oauth {
namespace {

/// {"active":false}: nothing else is said of a token that is none, or none of this client's business.
constexpr std::string_view kInactive = R"({"active":false})";

struct Known {
  std::string client, scope, access_point;
  WallTime ends{};
  bool used = false;
};

}  // namespace

Server::Out Server::introspect(Call& call) {
  Answer<Form> form = co_await read_form(call);
  if (!form) co_return refuse(call, form.failure());
  Answer<Client> client = co_await authenticate(call, *form);
  if (!client) co_return refuse(call, client.failure());
  if (!client->confidential()) co_return refuse(call, {Code::invalid_client, "a client that cannot keep a secret is told of no token"});
  if (!form->has("token")) co_return refuse(call, {Code::invalid_request, "token is missing"});
  const std::string_view token = form->get("token");
  const Instant now = rooms_.clock.now();
  Reply reply;
  reply.body = kInactive;
  SessionId session;
  UserId user;
  domain::Evidence evidence;
  WallTime ends{};
  std::optional<session::Holder> holder;
  std::string name, access_point;
  const auto refresh = rooms_.mint.check(token, crypto::kRefreshToken);
  if (!refresh) {
    const Result<void> recalled = co_await rooms_.sessions.recall(Secret(token));
    if (!recalled) co_return refuse(call, ours(recalled.error()));
    const Result<session::Identified> who = rooms_.sessions.identify(token, session::Audience::access, session::Presented::at(call.source, {}), now);
    if (!who) co_return reply;
    session = who->subject.session;
    user = who->subject.user;
    name = std::string(who->subject.name.view());
    evidence = who->evidence;
    ends = who->session_ends;
    holder = who->bound.holder;
    access_point = std::string(who->bound.access_point.view());
  }
  auto job = [session, refresh](store::Tx& tx) -> Result<std::pair<SessionId, std::optional<Known>>> {
    std::pair<SessionId, std::optional<Known>> out{session, std::nullopt};
    Known k;
    if (refresh) {
      auto found = tx.one("SELECT family, used, ends FROM oauth_refresh WHERE hash = $1", {*refresh}, [&](const store::Row& row) {
        out.first = row.id<SessionId>(0);
        k.used = row.integer(1) != 0;
        k.ends = row.time(2);
      });
      if (!found) return std::move(found).error();
    }
    auto known = tx.one("SELECT client, scope, access_point FROM oauth_family WHERE session = $1", {out.first}, [&](const store::Row& row) {
      k.client = std::string(row.text(0));
      k.scope = std::string(row.text(1));
      k.access_point = std::string(row.text(2));
    });
    if (!known) return std::move(known).error();
    if (*known) out.second = std::move(k);
    return out;
  };
  auto known = co_await rooms_.database.read(std::move(job));
  if (!known) co_return refuse(call, ours(known.error()));
  const std::optional<Known>& k = known->second;
  // Those whom an administrator registered look into all tokens: they guard something. Others into their own.
  const bool mine = k && k->client == client->id;
  if (!mine && client->origin != Origin::administrator) co_return reply;
  if (refresh) {
    if (!k || k->used || k->ends < now.wall) co_return reply;
    const Result<void> recalled = co_await rooms_.sessions.recall(known->first);
    if (!recalled) co_return refuse(call, ours(recalled.error()));
    const auto standing = rooms_.sessions.evidence(known->first, now);
    if (!standing) co_return reply;
    evidence = *standing;
    ends = k->ends;
  }
  json::Writer w;
  w.begin_object().member("active", true).member("iss", options_.issuer);
  if (!user.is_nil()) w.member("sub", user.text()).member("username", name);
  if (k) w.member("client_id", k->client).member("scope", k->scope);
  // RFC 7800: what the sender of each request has to show. A token that is bound to a certificate is a bearer token (RFC 8705).
  const bool certificate = holder && holder->kind == session::Holder::Kind::certificate;
  w.member("token_type", refresh ? "refresh_token" : holder && !certificate ? "DPoP" : "Bearer").member("exp", seconds(ends));
  if (!access_point.empty()) {
    const auto resource = resource_of(access_point);
    w.member("aud", resource ? resource->url : options_.issuer);
    if (const std::int64_t left = seconds_left(evidence, access_point, now); left >= 0) w.member("mfa_expires_in", left);
  }
  member_assurance(w, assure(evidence, now, rooms_.clock.trusted(), options_.overall));
  if (holder) w.key("cnf").begin_object().member(certificate ? "x5t#S256" : "jkt", base64url(holder->digest)).end_object();
  w.end_object();
  reply.body = w.take();
  co_return reply;
}

Server::Out Server::revoke(Call& call) {
  Answer<Form> form = co_await read_form(call);
  if (!form) co_return refuse(call, form.failure());
  Answer<Client> client = co_await authenticate(call, *form);
  if (!client) co_return refuse(call, client.failure());
  if (!form->has("token")) co_return refuse(call, {Code::invalid_request, "token is missing"});
  const auto refresh = rooms_.mint.check(form->get("token"), crypto::kRefreshToken);
  auto access = rooms_.mint.check(form->get("token"), crypto::kAccessToken);
  if (!access) access = rooms_.mint.check(form->get("token"), crypto::kChildToken);  // an agent's, made by a refresh
  if (!refresh && !access) co_return Reply{};  // RFC 7009 section 2.2: what is none is as good as revoked
  SessionId session;
  if (access) {
    const Result<void> recalled = co_await rooms_.sessions.recall(Secret(form->get("token")));
    if (!recalled) co_return refuse(call, ours(recalled.error()));
    const Result<session::Identified> who = rooms_.sessions.identify(form->get("token"), session::Audience::access, session::Presented::at(call.source, {}), rooms_.clock.now());
    if (!who) co_return Reply{};
    session = who->subject.session;
  }
  auto job = [session, refresh, id = client->id](store::Tx& tx) -> Result<std::pair<SessionId, bool>> {
    std::pair<SessionId, bool> out{session, false};
    if (refresh) {
      auto found = tx.one("SELECT family FROM oauth_refresh WHERE hash = $1", {*refresh}, [&](const store::Row& row) { out.first = row.id<SessionId>(0); });
      if (!found) return std::move(found).error();
    }
    auto known = tx.one("SELECT client FROM oauth_family WHERE session = $1", {out.first}, [&](const store::Row& row) { out.second = row.text(0) == id; });
    if (!known) return std::move(known).error();
    if (!*known) out.first = SessionId{};
    return out;
  };
  auto found = co_await rooms_.database.read(std::move(job));
  if (!found) co_return refuse(call, ours(found.error()));
  if (found->first.is_nil()) co_return Reply{};
  if (!found->second) co_return refuse(call, {Code::unauthorized_client, "the token was issued to another client"});
  session::Actor by = call.actor();
  // A refresh token stands for all that came of it.
  session::Revocation what = refresh ? session::Revocation::of(found->first) : session::Revocation::of_handle(*access);
  const auto revoked = co_await rooms_.sessions.revoke(what, std::move(by));
  static_cast<void>(revoked);  // denied at once either way
  co_return Reply{};
}

Server::Out Server::userinfo(Call& call) {
  const http::RequestHead& head = call.exchange.head();
  const auto unauthorized = [&](Code code, std::string_view why) {
    Reply r = refuse(call, {code, why});
    r.status = code == Code::insufficient_scope ? 403 : 401;
    r.challenge = head.headers.has(http::Known::dpop) ? "DPoP algs=\"ES256 RS256 PS256\"" : "Bearer realm=\"vestibule\"";
    r.challenge.append(", error=\"").append(name(code)).append("\"");
    return r;
  };
  const Result<void> recalled = co_await rooms_.gate.recall(head);
  if (!recalled) co_return refuse(call, ours(recalled.error()));
  Result<session::Identified> who = rooms_.gate.identify(head, session::Audience::access, call.source, {});
  if (!who) co_return unauthorized(Code::invalid_token, "the token is none, or has ended");
  gate::Caller caller;
  caller.who = *who;
  caller.source = call.source;
  caller.request = call.request;
  const Result<void> shown = rooms_.gate.show_possession(caller, head, {call.exchange.tls(), call.exchange.certificate()});
  if (!shown) co_return unauthorized(Code::invalid_dpop_proof, "the DPoP proof is not one for this request");
  std::string scope;
  auto job = [session = who->subject.session](store::Tx& tx) -> Result<std::string> {
    std::string out;
    auto known = tx.one("SELECT scope FROM oauth_family WHERE session = $1", {session}, [&](const store::Row& row) { out = std::string(row.text(0)); });
    if (!known) return std::move(known).error();
    return out;
  };
  Result<std::string> allowed = co_await rooms_.database.read(std::move(job));
  if (!allowed) co_return refuse(call, ours(allowed.error()));
  if (!has_scope(*allowed, "openid")) co_return unauthorized(Code::insufficient_scope, "the person was not asked for openid");
  json::Writer w;
  w.begin_object().member("sub", who->subject.user.text());
  if (has_scope(*allowed, "profile")) {
    w.member("preferred_username", who->subject.name.view());
    rooms_.users.read(who->subject.user, [&](const identity::User& u) {
      if (!u.display.empty()) w.member("name", u.display);
    });
  }
  w.end_object();
  Reply reply;
  reply.body = w.take();
  co_return reply;
}

}  // namespace vestibule::oauth
