// The token endpoint: a code, a refresh token or a device's code for tokens.
#include "oauth/call.hpp"
#include "oauth/redirect.hpp"

namespace vestibule::oauth {
namespace {

Failure spent(std::string_view why) { return {Code::invalid_grant, why}; }

/// A session that does not stand any more ends the grant; other trouble is ours. Why it ended, its holder is told.
Failure over(store::Tx& tx, SessionId session, const Error& error) {
  if (info(error.code).status == 503) return ours(error);
  Failure out = spent("what this was granted in has ended: ask the person anew");
  const auto why = session::Sessions::why_ended_in(tx, session.bytes);
  out.reason = why && *why ? **why : error.code;
  return out;
}

std::optional<Digest> digest_in(const store::Row& row, int column) {
  return row.null(column) ? std::optional<Digest>{} : digest_from(row.blob(column));
}

}  // namespace

Answer<std::optional<Digest>> Server::possession(const Call& call) {
  const http::RequestHead& head = call.exchange.head();
  if (!head.headers.has(http::Known::dpop)) return std::optional<Digest>{};
  const Result<std::string_view> proof = gate::Dpop::field(head.headers);
  if (!proof) return Failure{Code::invalid_dpop_proof, "exactly one DPoP field is asked for"};
  const Result<Digest> key = proofs_.check(*proof, {http::to_text(head.method), head.host, head.parts.path, call.exchange.tls()});
  if (!key && key.error().code == Reason::overloaded) return ours(key.error());
  if (!key) return Failure{Code::invalid_dpop_proof, "the DPoP proof is not one for this request, of now, used once"};
  return std::optional<Digest>(*key);
}

// Within a job: the tokens of a family as it stands. Nothing that was proved becomes younger by it.
Result<Server::Granted> Server::tokens_in(store::Tx& tx, SessionId family, const FamilyOf& of, const session::Actor& by, Instant now) {
  auto evidence = rooms_.sessions.evidence_in(tx, family, now);
  if (!evidence) return std::move(evidence).error();
  auto issued = rooms_.sessions.issue_family_token_in(tx, family, options_.access_ttl, by, now);
  if (!issued) return std::move(issued).error();
  Granted out;
  out.access = std::move(issued->handle);
  out.ends = issued->ends;
  out.scope = of.scope;
  out.access_point = of.access_point;
  out.nonce = of.nonce;
  out.key = of.key;
  out.user = of.user;
  out.evidence = *evidence;
  return out;
}

namespace {

Result<Secret> put_refresh_in(store::Tx& tx, const crypto::HandleMint& mint, Rng& rng, SessionId family) {
  crypto::Handle refresh = mint.make(crypto::kRefreshToken, rng);
  auto put = tx.run("INSERT INTO oauth_refresh (hash, family, ends) SELECT $1, session, ends FROM oauth_family WHERE session = $2", {refresh.hash, family});
  if (!put) return std::move(put).error();
  if (*put != 1) return fail(Reason::session_ended);
  return std::move(refresh.text);
}

}  // namespace

Result<Server::Granted> Server::grant_in(store::Tx& tx, const FamilyOf& of, const session::Actor& by, Instant now) {
  session::FamilyWish wish;
  wish.parent = of.parent;
  wish.user = of.user;
  wish.client = of.client_name;
  wish.access_point = of.access_point;
  wish.key = of.key;
  auto family = rooms_.sessions.open_family_in(tx, wish, by, now);
  if (!family) return std::move(family).error();
  const store::Param key = of.key ? store::Param(*of.key) : store::Param(nullptr);
  auto put = tx.run("INSERT INTO oauth_family (session, account, client, scope, access_point, key, ends) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    {*family, of.user, of.client, of.scope, of.access_point, key, now.wall + options_.overall});
  if (!put) return std::move(put).error();
  auto out = tokens_in(tx, *family, of, by, now);
  if (!out) return out;
  out->family = *family;
  return out;
}

net::Task<Answer<Server::Granted>> Server::by_code(Call& call, const Form& form, const Client& client, std::optional<Digest> key) {
  using R = Answer<Granted>;
  const auto hash = rooms_.mint.check(form.get("code"), crypto::kAuthorizationCode);
  if (!hash) co_return spent("this is no code of ours");
  struct Wanted {
    Digest hash;
    std::string verifier, redirect, resource;
  };
  Wanted asked{*hash, std::string(form.get("code_verifier")), std::string(form.get("redirect_uri")), std::string(form.get("resource"))};
  const session::Actor by = call.actor();
  // An inner refusal commits: a code that was shown once is spent, whatever else is wrong with the request.
  auto job = [this, asked = std::move(asked), client, key, by](store::Tx& tx) -> Result<R> {
    const Instant now = rooms_.clock.now();
    FamilyOf of;
    std::string redirect, challenge;
    std::optional<Digest> bound;
    WallTime ends{};
    auto taken = tx.one(
        "UPDATE oauth_code SET used = 1 WHERE hash = $1 AND used = 0 "
        "RETURNING client, client_name, redirect, challenge, nonce, scope, access_point, key, parent, account, ends",
        {asked.hash}, [&](const store::Row& row) {
          of.client = std::string(row.text(0));
          of.client_name = std::string(row.text(1));
          redirect = std::string(row.text(2));
          challenge = std::string(row.text(3));
          of.nonce = std::string(row.text(4));
          of.scope = std::string(row.text(5));
          of.access_point = std::string(row.text(6));
          bound = digest_in(row, 7);
          of.parent = row.id<SessionId>(8);
          of.user = row.id<UserId>(9);
          ends = row.time(10);
        });
    if (!taken) return std::move(taken).error();
    if (!*taken) {
      SessionId family;
      auto reused = tx.one("SELECT family FROM oauth_code WHERE hash = $1", {asked.hash},
                           [&](const store::Row& row) { family = row.id<SessionId>(0); });
      if (!reused) return std::move(reused).error();
      if (*reused && !family.is_nil()) {
        // Twice in hand: whoever has it besides the client may have been the first.
        auto ended = rooms_.sessions.end_family_in(tx, family, by, "its authorization code was used twice", Reason::token_reused, now);
        if (!ended) return std::move(ended).error();
      }
      return R(spent("the code is not known, has expired or was used already"));
    }
    const bool same_redirect = asked.redirect.empty() ? client.redirects.size() == 1 : asked.redirect == redirect;
    if (now.wall > ends) return R(spent("the code is not known, has expired or was used already"));
    if (of.client != client.id) return R(spent("the code was given to another client"));
    if (!same_redirect) return R(spent("redirect_uri is not the one of the authorization request"));
    if (!verify_pkce(challenge, asked.verifier)) return R(spent("code_verifier does not fit"));
    if (bound && bound != key) return R(Failure{Code::invalid_dpop_proof, "the code is bound to another key"});
    if (!asked.resource.empty()) {
      const auto resource = resource_at(asked.resource);
      if (!resource || resource->access_point != of.access_point) return R(Failure{Code::invalid_target, "resource is not the one that was allowed"});
    }
    of.key = key;
    auto out = grant_in(tx, of, by, now);
    if (!out) {
      if (info(out.error().code).status == 503) return std::move(out).error();
      return R(over(tx, of.parent, out.error()));
    }
    if (client.refresh) {
      auto refresh = put_refresh_in(tx, rooms_.mint, rooms_.rng, out->family);
      if (!refresh) return std::move(refresh).error();
      out->refresh = std::move(*refresh);
    }
    // Remembered for as long as what it has opened may live.
    auto kept = tx.run("UPDATE oauth_code SET family = $2, ends = $3 WHERE hash = $1", {asked.hash, out->family, now.wall + options_.overall});
    if (!kept) return std::move(kept).error();
    return R(std::move(*out));
  };
  Result<R> done = co_await rooms_.database.write(std::move(job));
  if (!done) co_return ours(done.error());
  co_return std::move(*done);
}

net::Task<Answer<Server::Granted>> Server::by_refresh(Call& call, const Form& form, const Client& client, std::optional<Digest> key) {
  using R = Answer<Granted>;
  const auto hash = rooms_.mint.check(form.get("refresh_token"), crypto::kRefreshToken);
  if (!hash) co_return spent("this is no refresh token of ours");
  if (!client.refresh) co_return Failure{Code::unauthorized_client, "this client has not registered for refresh_token"};
  struct Wanted {
    Digest hash;
    std::string scope, resource;
    AgentWish agent;
  };
  // An agent's name stands in policy and log where the client's would, which is the one that a person was asked about.
  if (form.has("agent") && client.id != kCommandLine) co_return Failure{Code::unauthorized_client, "agents are named by the command line alone"};
  AgentWish agent{std::string(form.get("agent")), std::string(form.get("operations")), std::string(form.get("models"))};
  Wanted asked{*hash, std::string(form.get("scope")), std::string(form.get("resource")), std::move(agent)};
  const session::Actor by = call.actor();
  auto job = [this, asked = std::move(asked), client, key, by](store::Tx& tx) -> Result<R> {
    const Instant now = rooms_.clock.now();
    SessionId family;
    bool used = false;
    auto found = tx.one("SELECT family, used FROM oauth_refresh WHERE hash = $1", {asked.hash}, [&](const store::Row& row) {
      family = row.id<SessionId>(0);
      used = row.integer(1) != 0;
    });
    if (!found) return std::move(found).error();
    FamilyOf of;
    auto known = tx.one("SELECT client, scope, access_point, key, account FROM oauth_family WHERE session = $1", {family}, [&](const store::Row& row) {
      of.client = std::string(row.text(0));
      of.scope = std::string(row.text(1));
      of.access_point = std::string(row.text(2));
      of.key = digest_in(row, 3);
      of.user = row.id<UserId>(4);
    });
    if (!known) return std::move(known).error();
    // Another client learns nothing and spends nothing: it cannot have been sent this token.
    if (!*found || !*known || of.client != client.id) return R(spent("the refresh token is not known, or has ended"));
    // Whoever has the token and not the key has stolen it; it stays the client's.
    if (of.key && of.key != key) return R(Failure{Code::invalid_dpop_proof, "the refresh token is bound to another key"});
    for (std::string_view rest = asked.scope; !rest.empty();) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      if (!has_scope(of.scope, rest.substr(0, end))) return R(Failure{Code::invalid_scope, "more than was allowed"});
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (!asked.resource.empty()) {
      const auto resource = resource_at(asked.resource);
      if (!resource || resource->access_point != of.access_point) return R(Failure{Code::invalid_target, "resource is not the one that was allowed"});
    }
    std::optional<session::DelegationWish> wish;
    if (!asked.agent.agent.empty()) {
      Answer<session::DelegationWish> read = delegation_of(asked.agent, of.access_point, options_.access_ttl);
      if (!read) return R(read.failure());
      wish = std::move(*read);
    }
    // The changed row decides, of however many that come at once.
    auto rotated = tx.run("UPDATE oauth_refresh SET used = 1 WHERE hash = $1 AND used = 0", {asked.hash});
    if (!rotated) return std::move(rotated).error();
    if (used || *rotated != 1) {
      // Whoever comes second hears why; if it had ended before, he hears of that.
      const auto before = session::Sessions::why_ended_in(tx, family.bytes);
      auto ended = rooms_.sessions.end_family_in(tx, family, by, "its refresh token was used twice", Reason::token_reused, now);
      if (!ended) return std::move(ended).error();
      Failure reused = spent("the refresh token was used already: everything that came of it has ended");
      reused.reason = before && *before ? **before : Reason::token_reused;
      return R(reused);
    }
    auto out = wish ? agent_in(tx, family, of, *wish, by, now) : tokens_in(tx, family, of, by, now);
    if (!out) {
      // Too many agents at work: nothing is spent, since nothing takes its place.
      if (info(out.error().code).status == 503 || out.error().code == Reason::conflict) return std::move(out).error();
      return R(over(tx, family, out.error()));
    }
    out->family = family;
    auto refresh = put_refresh_in(tx, rooms_.mint, rooms_.rng, family);
    if (!refresh) return std::move(refresh).error();
    out->refresh = std::move(*refresh);
    auto noted = used_client_in(tx, client.id, now.wall);
    if (!noted) return std::move(noted).error();
    return R(std::move(*out));
  };
  Result<R> done = co_await rooms_.database.write(std::move(job));
  if (!done && done.error().code == Reason::conflict) co_return Failure{Code::invalid_request, "too many agents of this login are at work"};
  if (!done) co_return ours(done.error());
  co_return std::move(*done);
}

net::Task<Answer<Server::Granted>> Server::by_device(Call& call, const Form& form, const Client& client, std::optional<Digest> key) {
  using R = Answer<Granted>;
  const auto hash = rooms_.mint.check(form.get("device_code"), crypto::kDeviceCode);
  if (!hash) co_return spent("this is no device code of ours");
  const session::Actor by = call.actor();
  auto job = [this, h = *hash, client, key, by](store::Tx& tx) -> Result<R> {
    const Instant now = rooms_.clock.now();
    FamilyOf of;
    std::int64_t state = 0;
    Duration pause{};
    WallTime polled{}, ends{};
    auto found = tx.one(
        "SELECT client, client_name, scope, access_point, state, polled, pause, ends, parent, account FROM oauth_device WHERE hash = $1", {h},
        [&](const store::Row& row) {
          of.client = std::string(row.text(0));
          of.client_name = std::string(row.text(1));
          of.scope = std::string(row.text(2));
          of.access_point = std::string(row.text(3));
          state = row.integer(4);
          polled = row.time(5);
          pause = Duration(row.integer(6));
          ends = row.time(7);
          of.parent = row.id<SessionId>(8);
          of.user = row.id<UserId>(9);
        });
    if (!found) return std::move(found).error();
    if (!*found || of.client != client.id) return R(spent("the device code is not known"));
    if (now.wall > ends) return R(Failure{Code::expired_token, "nobody has answered in time: begin anew"});
    if (now.wall - polled < pause) {
      auto slower = tx.run("UPDATE oauth_device SET polled = $2, pause = $3 WHERE hash = $1", {h, now.wall, pause + std::chrono::seconds(5)});
      if (!slower) return std::move(slower).error();
      return R(Failure{Code::slow_down, "ask five seconds less often"});
    }
    if (state == 0) {
      auto noted = tx.run("UPDATE oauth_device SET polled = $2 WHERE hash = $1", {h, now.wall});
      if (!noted) return std::move(noted).error();
      return R(Failure{Code::authorization_pending, "the person has not answered yet"});
    }
    auto taken = tx.run("DELETE FROM oauth_device WHERE hash = $1", {h});
    if (!taken) return std::move(taken).error();
    if (*taken != 1) return R(spent("the device code is not known"));
    if (state != 1) return R(Failure{Code::access_denied, "the person said no"});
    of.key = key;
    auto out = grant_in(tx, of, by, now);
    if (!out) {
      if (info(out.error().code).status == 503) return std::move(out).error();
      return R(over(tx, of.parent, out.error()));
    }
    if (client.refresh) {
      auto refresh = put_refresh_in(tx, rooms_.mint, rooms_.rng, out->family);
      if (!refresh) return std::move(refresh).error();
      out->refresh = std::move(*refresh);
    }
    return R(std::move(*out));
  };
  Result<R> done = co_await rooms_.database.write(std::move(job));
  if (!done) co_return ours(done.error());
  co_return std::move(*done);
}

Server::Out Server::token(Call& call) {
  Answer<Form> form = co_await read_form(call);
  if (!form) co_return refuse(call, form.failure());
  const std::string_view grant = form->get("grant_type");
  if (grant == kServiceGrant) {
    Answer<Granted> own = co_await by_service(call, *form);
    if (!own) co_return refuse(call, own.failure());
    const Client nobody;
    Reply reply = co_await granted(call, nobody, std::move(*own));
    co_return reply;
  }
  Answer<Client> client = co_await authenticate(call, *form);
  if (!client) co_return refuse(call, client.failure());
  const bool known = grant == "authorization_code" || grant == "refresh_token" || grant == kDeviceGrant;
  if (grant.empty()) co_return refuse(call, {Code::invalid_request, "grant_type is missing"});
  if (!known) co_return refuse(call, {Code::unsupported_grant_type, "grant_type is authorization_code, refresh_token, device_code or client_credentials"});
  const std::string_view needed = grant == "authorization_code" ? "code" : grant == "refresh_token" ? "refresh_token" : "device_code";
  if (!form->has(needed)) co_return refuse(call, {Code::invalid_request, "what is to be exchanged is missing"});
  if (grant == kDeviceGrant && !client->device) co_return refuse(call, {Code::unauthorized_client, "this client has not registered for device_code"});
  if (grant == "authorization_code" && !form->has("code_verifier")) co_return refuse(call, {Code::invalid_grant, "code_verifier is missing"});
  // What is garbage spends no memory on its proof.
  const crypto::HandlePrefix prefix = grant == "authorization_code" ? crypto::kAuthorizationCode
                                      : grant == "refresh_token"    ? crypto::kRefreshToken
                                                                    : crypto::kDeviceCode;
  if (!rooms_.mint.check(form->get(needed), prefix)) co_return refuse(call, {Code::invalid_grant, "this is none of ours"});
  Answer<std::optional<Digest>> key = possession(call);
  if (!key) co_return refuse(call, key.failure());
  Answer<Granted> out = Failure{};
  if (grant == "authorization_code") {
    out = co_await by_code(call, *form, *client, *key);
  } else if (grant == "refresh_token") {
    out = co_await by_refresh(call, *form, *client, *key);
  } else {
    out = co_await by_device(call, *form, *client, *key);
  }
  if (!out) co_return refuse(call, out.failure());
  Reply reply = co_await granted(call, *client, std::move(*out));
  co_return reply;
}

Server::Out Server::granted(const Call& call, const Client& client, Granted g) {
  const Instant now = rooms_.clock.now();
  const auto lives = [&](WallTime ends) { return std::max<std::int64_t>(seconds(ends) - seconds(now.wall), 0); };
  UserId user = g.user;
  json::Writer w{[] {
    std::string room;
    room.reserve(4096);  // without growing: no copy of a token is left behind
    return room;
  }()};
  w.begin_object().member("access_token", g.access.reveal_text()).member("token_type", g.key ? "DPoP" : "Bearer");
  w.member("expires_in", lives(g.ends)).member("scope", g.scope);
  if (!g.refresh.empty()) w.member("refresh_token", g.refresh.reveal_text());
  // When the second factor lapses for what the token is for: tokens live on, and open nothing more then.
  if (const std::int64_t left = seconds_left(g.evidence, g.access_point, now); left >= 0) w.member("mfa_expires_in", left);
  if (has_scope(g.scope, "openid") && !user.is_nil()) {
    json::Writer claims;
    claims.begin_object().member("iss", options_.issuer).member("sub", user.text()).member("aud", client.id);
    claims.member("iat", seconds(now.wall)).member("exp", seconds(std::min(g.ends, now.wall + options_.access_ttl)));
    member_assurance(claims, assure(g.evidence, now, rooms_.clock.trusted(), options_.overall));
    if (!g.nonce.empty()) claims.member("nonce", g.nonce);
    if (has_scope(g.scope, "profile")) {
      rooms_.users.read(user, [&](const identity::User& u) {
        claims.member("preferred_username", u.name.view());
        if (!u.display.empty()) claims.member("name", u.display);
      });
    }
    claims.end_object();
    Result<std::string> signed_text = signing_.sign(client.id_token_alg, claims.text());
    if (!signed_text) co_return refuse(call, ours(signed_text.error()));
    w.member("id_token", *signed_text);
  }
  w.end_object();
  Reply reply;
  reply.body = w.take();
  co_return reply;
}

}  // namespace vestibule::oauth
