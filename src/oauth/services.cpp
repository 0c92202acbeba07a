// Service accounts at the token endpoint: no client and no person, but an account that shows that it has the private half
// of a key which its people have registered: with a signed statement (RFC 7523 section 2.2), or in the handshake, with a
// certificate of that key (RFC 8705 section 2.2: whoever has signed the certificate says nothing).
#include <algorithm>

#include "oauth/call.hpp"

namespace vestibule::oauth {
namespace {

Failure strange_service() { return {Code::invalid_client, "the service account is not known, or does not show that it is itself"}; }

Failure failure_of(const Error& error) {
  if (error.code == Reason::service_asleep) {
    return {Code::unauthorized_client, "service_asleep: nobody answers for this service account now; a deputy takes over, or an administrator names a sponsor"};
  }
  if (error.code == Reason::user_disabled) return {Code::unauthorized_client, "user_disabled: this service account is disabled"};
  return error.code == Reason::credential_unknown ? strange_service() : ours(error);
}

}  // namespace

Answer<std::string> Server::service_name(const Call& call, const Form& form) const {
  // RFC 6749 section 2.3: one method a request.
  if (call.exchange.head().headers.has(http::Known::authorization) || form.has("client_secret")) {
    return Failure{Code::invalid_client, "client_credentials is for service accounts, which authenticate by private_key_jwt or by certificate"};
  }
  if (form.has("client_assertion")) return assertion_subject(form);
  if (call.exchange.certificate() == nullptr) {
    return Failure{Code::invalid_client, options_.certificate_endpoint.empty()
                                             ? "client_credentials is for service accounts, which authenticate by private_key_jwt"
                                             : "the service account shows neither a client_assertion nor, at mtls_endpoint_aliases, a certificate"};
  }
  if (form.get("client_id").empty()) return Failure{Code::invalid_request, "client_id names the service account"};
  return std::string(form.get("client_id"));
}

Answer<Digest> Server::service_key(const Call& call, const Form& form, const Client& as) {
  if (form.has("client_assertion")) {
    const std::optional<Digest> shown = verify_assertion(as, form.get("client_assertion"));
    if (!shown) return strange_service();
    return *shown;
  }
  const net::PeerCertificate& certificate = *call.exchange.certificate();
  const Result<crypto::PublicJwk> key = crypto::PublicJwk::from_spki(certificate.public_key);
  if (!key) return strange_service();
  const bool known = std::ranges::any_of(as.keys, [&](const crypto::PublicJwk& k) { return k.thumbprint() == key->thumbprint(); });
  if (!known) return strange_service();
  const std::int64_t now = seconds(rooms_.clock.wall());
  if (certificate.not_after <= now) return Failure{Code::invalid_client, "the certificate has expired: make a new one for the same key"};
  if (certificate.not_before > now) return Failure{Code::invalid_client, "the certificate is not valid yet"};
  return key->thumbprint();
}

net::Task<Answer<Server::Granted>> Server::by_service(Call& call, const Form& form) {
  const Answer<std::string> name = service_name(call, form);
  if (!name) co_return name.failure();
  if (form.has("scope")) co_return Failure{Code::invalid_scope, "what a token opens, resource says"};
  if (!form.has("resource")) co_return Failure{Code::invalid_target, "resource names the access point"};
  const auto resource = resource_at(form.get("resource"));
  if (!resource) co_return Failure{Code::invalid_target, "resource is no access point of this gateway"};
  const auto account = rooms_.users.find(*name);
  bool service = false;
  if (account) rooms_.users.read(*account, [&](const identity::User& u) { service = u.service; });
  if (!service) co_return strange_service();
  Result<std::vector<session::ServiceKey>> keys = co_await rooms_.sessions.service_keys(*account);
  if (!keys) co_return ours(keys.error());
  Client as;
  as.id = *name;
  as.auth = ClientAuth::private_key_jwt;
  for (const session::ServiceKey& k : *keys) as.keys.push_back(k.key);
  const Answer<Digest> shown = service_key(call, form, as);
  if (!shown) co_return shown.failure();
  const auto key = std::ranges::find_if(*keys, [&](const session::ServiceKey& k) { return k.key.thumbprint() == *shown; });
  if (key == keys->end()) co_return strange_service();
  const Answer<std::optional<Digest>> dpop = possession(call);
  if (!dpop) co_return dpop.failure();
  // Whoever shows a certificate gets a token that is worth nothing without it, however he has authenticated.
  std::optional<session::Holder> holder;
  if (*dpop) {
    holder = session::Holder{session::Holder::Kind::key, **dpop};
  } else if (const net::PeerCertificate* const certificate = call.exchange.certificate()) {
    holder = session::Holder{session::Holder::Kind::certificate, certificate->sha256};
  }

  session::ServiceTokenWish wish{key->handle, resource->access_point, holder, options_.service_ttl};
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
  out.key = *dpop;
  co_return out;
}

}  // namespace vestibule::oauth
