// Service accounts at the token endpoint: no client and no person, but an account that shows with a signed
// statement (RFC 7523 section 2.2) that it has the private half of a key which its people have registered.
#include <algorithm>

#include "oauth/call.hpp"

namespace vestibule::oauth {
namespace {

Failure stranger() { return {Code::invalid_client, "the service account is not known, or does not show that it is itself"}; }

Failure failure_of(const Error& error) {
  if (error.code == Reason::service_asleep) {
    return {Code::unauthorized_client, "service_asleep: nobody answers for this service account now; a deputy takes over, or an administrator names a sponsor"};
  }
  if (error.code == Reason::user_disabled) return {Code::unauthorized_client, "user_disabled: this service account is disabled"};
  return error.code == Reason::credential_unknown ? stranger() : ours(error);
}

}  // namespace

net::Task<Answer<Server::Granted>> Server::by_assertion(Call& call, const Form& form) {
  // RFC 6749 section 2.3: one method a request, and this grant has one method.
  if (call.exchange.head().headers.has(http::Known::authorization) || form.has("client_secret") || !form.has("client_assertion")) {
    co_return Failure{Code::invalid_client, "client_credentials is for service accounts, which authenticate by private_key_jwt"};
  }
  if (form.has("scope")) co_return Failure{Code::invalid_scope, "what a token opens, resource says"};
  if (!form.has("resource")) co_return Failure{Code::invalid_target, "resource names the access point"};
  const auto resource = resource_at(form.get("resource"));
  if (!resource) co_return Failure{Code::invalid_target, "resource is no access point of this gateway"};
  const Answer<std::string> subject = assertion_subject(form);
  if (!subject) co_return subject.failure();
  const auto account = rooms_.users.find(*subject);
  bool service = false;
  if (account) rooms_.users.read(*account, [&](const identity::User& u) { service = u.service; });
  if (!service) co_return stranger();
  Result<std::vector<session::ServiceKey>> keys = co_await rooms_.sessions.service_keys(*account);
  if (!keys) co_return ours(keys.error());
  Client as;
  as.id = *subject;
  as.auth = ClientAuth::private_key_jwt;
  for (const session::ServiceKey& k : *keys) as.keys.push_back(k.key);
  const std::optional<Digest> shown = verify_assertion(as, form.get("client_assertion"));
  if (!shown) co_return stranger();
  const auto key = std::ranges::find_if(*keys, [&](const session::ServiceKey& k) { return k.key.thumbprint() == *shown; });
  if (key == keys->end()) co_return stranger();
  const Answer<std::optional<Digest>> dpop = possession(call);
  if (!dpop) co_return dpop.failure();

  session::ServiceTokenWish wish{key->handle, resource->access_point, *dpop, options_.service_ttl};
  session::Actor by = call.actor();
  auto job = [this, wish, by](store::Tx& tx) { return rooms_.sessions.issue_service_token_in(tx, wish, by, rooms_.clock.now()); };
  Result<session::IssuedToken> issued = co_await rooms_.database.write(std::move(job));
  if (!issued) co_return failure_of(issued.error());
  Granted out;
  // What was opened for its key from here says how long the token opens more than level 0.
  const auto at = session::Presented::at(call.source, wish.access_point);
  const Result<session::Identified> who = rooms_.sessions.identify(issued->handle.reveal_text(), session::Audience::access, at, rooms_.clock.now());
  if (who) out.evidence = who->evidence;
  out.access = std::move(issued->handle);
  out.ends = issued->ends;
  out.access_point = wish.access_point;
  out.key = wish.dpop;
  co_return out;
}

}  // namespace vestibule::oauth
