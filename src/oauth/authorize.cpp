// The authorization endpoint, and the person's answer at the portal's consent page.
#include <charconv>

#include "oauth/call.hpp"
#include "oauth/redirect.hpp"

namespace vestibule::oauth {
namespace {

constexpr Duration kCodeLives = std::chrono::seconds(60);

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t v = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc{} || end != text.data() + text.size() || v < 0 || v > 86'400 * 365) return std::nullopt;
  return v;
}

void append_parameter(std::string& out, std::string_view name, std::string_view value) {
  out.push_back(out.find('?') == std::string::npos ? '?' : '&');
  out.append(name).push_back('=');
  append_encoded(out, value);
}

/// To a program on the person's own machine, or where an administrator has said so.
bool may_be_sent(const Client& client, std::string_view redirect) {
  return client.origin == Origin::administrator || !redirect.starts_with("https://");
}

std::string parameters(std::string_view name, std::string_view value) {
  std::string out(name);
  out.push_back('=');
  append_encoded(out, value);
  return out;
}

}  // namespace

std::string Server::redirect_with(const AuthorizationRequest& r, std::string_view answer) const {
  std::string out = r.redirect;
  out.push_back(out.find('?') == std::string::npos ? '?' : '&');
  out.append(answer);
  if (!r.state.empty()) append_parameter(out, "state", r.state);
  append_parameter(out, "iss", options_.issuer);  // RFC 9207: in errors too
  return out;
}

Answer<AuthorizationRequest> Server::read_request(const Form& f, const Client& client) const {
  AuthorizationRequest r;
  r.client = client.id;
  r.client_name = client.name;
  r.origin = static_cast<std::uint8_t>(client.origin);
  if (f.has("request")) return Failure{Code::request_not_supported, "parameters stand in the query"};
  if (f.has("request_uri")) return Failure{Code::request_uri_not_supported, "parameters stand in the query"};
  if (f.get("response_type") != "code") return Failure{Code::unsupported_response_type, "response_type is code"};
  if (f.has("response_mode") && f.get("response_mode") != "query") return Failure{Code::invalid_request, "response_mode is query"};
  if (!client.code) return Failure{Code::unauthorized_client, "this client has not registered for authorization_code"};
  // PKCE is for every client, and no other way than S256: one that is left out is a downgrade.
  if (f.get("code_challenge_method") != "S256" || !valid_challenge(f.get("code_challenge"))) {
    return Failure{Code::invalid_request, "code_challenge with code_challenge_method=S256 is asked for"};
  }
  r.challenge = f.get("code_challenge");
  if (f.get("state").size() > 2048 || f.get("nonce").size() > 512) return Failure{Code::invalid_request, "state or nonce is too long"};
  r.nonce = f.get("nonce");
  Answer<std::string> scope = read_scope(f.get("scope"));
  if (!scope) return scope.failure();
  r.scope = std::move(*scope);
  if (f.has("resource")) {
    const auto resource = resource_at(f.get("resource"));
    if (!resource) return Failure{Code::invalid_target, "resource names no access point of this gateway"};
    r.access_point = resource->access_point;
  } else if (has_scope(r.scope, "openid")) {
    r.access_point = kNowhere;
  } else {
    return Failure{Code::invalid_target, "resource says for which access point the token is to be"};
  }
  if (f.has("acr_values")) {
    const auto level = level_from(f.get("acr_values"));
    if (!level) return Failure{Code::unmet_authentication_requirements, "acr_values are urn:vestibule:level:1 to 3"};
    r.level = *level;
  }
  if (f.has("max_age")) {
    const auto age = whole(f.get("max_age"));
    if (!age) return Failure{Code::invalid_request, "max_age is a number of seconds"};
    r.max_age_s = *age;
  }
  bool login = false;
  for (std::string_view rest = f.get("prompt"); !rest.empty();) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view one = rest.substr(0, end);
    // Nobody is let in unasked, so that without a page there is no answer.
    if (one == "none") return Failure{Code::interaction_required, "a person is asked each time"};
    if (one == "login") {
      login = true;
    } else if (one != "consent" && one != "select_account") {
      return Failure{Code::invalid_request, "prompt is none, login, consent or select_account"};
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (login) r.max_age_s = 0;
  // Freshness is that of a second factor: what is known does not age.
  if (r.max_age_s >= 0) r.level = std::max(r.level, 2);
  if (f.has("dpop_jkt")) {
    const auto jkt = unbase64url(f.get("dpop_jkt"));
    if (!jkt || jkt->size() != 32) return Failure{Code::invalid_request, "dpop_jkt is a thumbprint"};
    r.key = f.get("dpop_jkt");
  }
  r.asked = rooms_.clock.wall();
  return r;
}

Server::Out Server::authorize(Call& call) {
  const auto show = [](std::string_view why) {
    Reply r;
    r.status = 400;
    r.type = "text/plain; charset=utf-8";
    r.body = "Vestibule does not go on with this request, and sends nobody anywhere: ";
    r.body.append(why).append(".\n");
    return r;
  };
  const http::RequestHead& head = call.exchange.head();
  auto form = Form::parse(head.parts.query);
  if (!form) co_return show("the query is malformed, or names a parameter twice");
  // Who asks, and where the answer goes: before both are known to belong together nothing is redirected.
  std::string id(form->get("client_id"));
  if (id.empty()) co_return show("client_id is missing");
  if (is_document_address(id) && !documents_.charge(call.source.text(), rooms_.clock.wall())) co_return show("too many clients were asked for from here");
  Answer<Client> client = co_await find_client(std::move(id));
  if (!client) co_return show("client_id names no client that is known here");
  std::string redirect(form->get("redirect_uri"));
  if (redirect.empty() && client->redirects.size() == 1) redirect = client->redirects.front();
  if (!matches_redirect(client->redirects, redirect)) co_return show("redirect_uri is not one that this client has registered");

  Answer<AuthorizationRequest> request = read_request(*form, *client);
  // RFC 9700 section 4.11.2: whoever registers himself must not make this host send people to his own, unasked.
  if (!request && !may_be_sent(*client, redirect)) co_return show(request.failure().why);
  AuthorizationRequest to;
  if (request) to = *request;
  to.redirect = redirect;
  to.state = std::string(form->get("state").substr(0, 2048));
  Reply reply;
  reply.status = 302;
  if (request) {
    reply.location = options_.issuer + "/#/consent/" + seal_.seal(to, rooms_.rng);
  } else {
    std::string answer = parameters("error", name(request.failure().code));
    answer.append("&").append(parameters("error_description", request.failure().why));
    reply.location = redirect_with(to, answer);
  }
  co_return reply;
}

// --- at the consent page

bool Server::suffices(const domain::Evidence& evidence, int level, std::int64_t max_age_s, WallTime asked, Instant now) const {
  Duration limit = options_.overall;
  if (max_age_s > 0) limit = std::min<Duration>(limit, std::chrono::seconds(max_age_s));
  // After the request, not with it.
  if (max_age_s == 0) limit = std::max(now.wall - asked - Duration(1), Duration::zero());
  return domain::level(evidence, now, rooms_.clock.trusted(), limit) >= level;
}

net::Task<Result<Asked>> Server::look(std::string text, session::Identified who) {
  const Instant now = rooms_.clock.now();
  const auto r = seal_.open(text, now.wall);
  if (!r) co_return fail(Reason::not_found, "the request is over");
  Asked out;
  out.client = r->client_name;
  out.client_id = r->client;
  out.origin = static_cast<Origin>(r->origin);
  out.redirect = redirect_host(r->redirect);
  if (r->access_point != kNowhere) out.access_point = r->access_point;
  out.scope = r->scope;
  out.level = r->level;
  out.enough = suffices(who.evidence, r->level, r->max_age_s, r->asked, now);
  out.until = who.session_ends;
  co_return out;
}

net::Task<Result<std::string>> Server::allow(std::string text, session::Identified who, session::Actor by) {
  auto job = [this, text = std::move(text), who, by](store::Tx& tx) -> Result<std::string> {
    const Instant now = rooms_.clock.now();
    const auto r = seal_.open(text, now.wall);
    if (!r) return fail(Reason::not_found, "the request is over");
    if (who.flags.pending) return fail(Reason::mfa_required, "sign-in is not finished");
    auto evidence = rooms_.sessions.evidence_in(tx, who.subject.session, now);
    if (!evidence) return std::move(evidence).error();
    if (!suffices(*evidence, r->level, r->max_age_s, r->asked, now)) return fail(Reason::mfa_lapsed, "the client asks for a fresher proof");
    if (r->access_point != kNowhere && !resource_of(r->access_point)) return fail(Reason::not_found, "the access point is no more");
    const crypto::Handle code = rooms_.mint.make(crypto::kAuthorizationCode, rooms_.rng);
    const auto key = r->key.empty() ? std::optional<Bytes>{} : unbase64url(r->key);
    const store::Param bound = key ? store::Param(*key) : store::Param(nullptr);
    auto put = tx.run(
        "INSERT INTO oauth_code (hash, client, client_name, redirect, challenge, nonce, scope, access_point, key, parent, account, ends) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        {code.hash, r->client, r->client_name, r->redirect, r->challenge, r->nonce, r->scope, r->access_point, bound,
         who.subject.session, who.subject.user, now.wall + kCodeLives});
    if (!put) return std::move(put).error();
    auto used = used_client_in(tx, r->client, now.wall);
    if (!used) return std::move(used).error();
    const std::string note = r->access_point + " for " + redirect_host(r->redirect);
    record(tx, "client.consent", by, r->client, note, now);
    return redirect_with(*r, parameters("code", code.text.reveal_text()));
  };
  Result<std::string> done = co_await rooms_.database.write(std::move(job));
  co_return done;
}

net::Task<Result<std::string>> Server::decline(std::string text, session::Identified who, session::Actor by) {
  static_cast<void>(who);
  auto job = [this, text = std::move(text), by](store::Tx& tx) -> Result<std::string> {
    const Instant now = rooms_.clock.now();
    const auto r = seal_.open(text, now.wall);
    if (!r) return fail(Reason::not_found, "the request is over");
    record(tx, "client.decline", by, r->client, r->access_point, now);
    return redirect_with(*r, parameters("error", name(Code::access_denied)));
  };
  Result<std::string> done = co_await rooms_.database.write(std::move(job));
  co_return done;
}

}  // namespace vestibule::oauth
