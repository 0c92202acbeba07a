// Who the client is: looked up, and authenticated by the one method that it has registered.
#include <algorithm>

#include "crypto/hash.hpp"
#include "oauth/call.hpp"

namespace vestibule::oauth {
namespace {

constexpr std::string_view kAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr json::Limits kClaims{crypto::kMaxJws, 6, 256, 64, 32};
constexpr std::int64_t kLongest = 300;  // seconds: remembered as used for longer

Failure stranger() { return {Code::invalid_client, "the client is not known, or does not show that it is itself"}; }

/// RFC 7523 section 3, number 3: this server, by its name or this endpoint's; nobody else besides.
bool is_for(const json::Value& claims, std::string_view issuer) {
  const json::Value* const aud = claims.find("aud");
  if (aud == nullptr) return false;
  const json::Value* one = aud;
  if (aud->is_array()) {
    if (aud->items().size() != 1) return false;
    one = aud->items().data();
  }
  const auto text = one->as_string();
  return text && (*text == issuer || *text == std::string(issuer) + "/oauth/token");
}

}  // namespace

net::Task<Answer<Client>> Server::find_client(std::string id) {
  if (id.size() > 512) co_return stranger();
  if (id == kCommandLine) co_return command_line();
  if (is_document_address(id)) {
    Answer<Client> described = co_await document_client(std::move(id));
    co_return described;
  }
  auto job = [id = std::move(id)](store::Tx& tx) { return find_client_in(tx, id); };
  Result<std::optional<Client>> found = co_await rooms_.database.read(std::move(job));
  if (!found) co_return ours(found.error());
  if (!*found) co_return stranger();
  co_return std::move(**found);
}

net::Task<Answer<Client>> Server::document_client(std::string url) {
  const WallTime now = rooms_.clock.wall();
  {
    const std::lock_guard lock(mutex_);
    const auto at = known_documents_.find(url);
    if (at != known_documents_.end() && now - at->second.fetched < std::chrono::minutes(10)) co_return at->second.client;
  }
  if (!options_.fetch) co_return stranger();
  std::string address = url;
  Result<std::string> text = co_await options_.fetch(std::move(address));
  if (!text) co_return stranger();
  Answer<Client> client = parse_client(*text, Origin::document);
  if (!client) co_return client;
  if (client->id != url) co_return stranger();  // somebody else's description
  const std::lock_guard lock(mutex_);
  constexpr std::size_t kMost = 256;
  if (known_documents_.size() >= kMost) {
    known_documents_.erase(std::min_element(known_documents_.begin(), known_documents_.end(), [](const auto& a, const auto& b) {
      return a.second.fetched < b.second.fetched;
    }));
  }
  known_documents_.insert_or_assign(url, Document{*client, now});
  co_return client;
}

Answer<std::string> Server::assertion_subject(const Form& form) const {
  if (form.get("client_assertion_type") != kAssertion) return stranger();
  const std::string_view text = form.get("client_assertion");
  const auto jws = crypto::UnverifiedJws::parse(text);
  if (!jws) return stranger();
  // Not believed yet: it says whose key to try.
  const std::size_t first = text.find('.');
  const auto payload = unbase64url(text.substr(first + 1, text.rfind('.') - first - 1));
  if (!payload) return stranger();
  const auto claims = json::parse(as_text(*payload), kClaims);
  if (!claims) return stranger();
  const auto sub = claims->get_string("sub");
  if (!sub || sub->empty()) return stranger();
  if (form.has("client_id") && form.get("client_id") != *sub) return stranger();
  return *sub;
}

std::optional<Digest> Server::verify_assertion(const Client& client, std::string_view text) {
  const auto jws = crypto::UnverifiedJws::parse(text);
  if (!jws) return std::nullopt;
  const auto kid = jws->header().get_string("kid");
  for (const crypto::PublicJwk& key : client.keys) {
    if (kid && !key.kid().empty() && *kid != key.kid()) continue;
    const auto payload = jws->verify(key, crypto::kJwsAlgs);
    if (!payload) continue;
    const auto claims = json::parse(*payload, kClaims);
    if (!claims) return std::nullopt;
    const std::int64_t now = seconds(rooms_.clock.wall());
    const auto exp = claims->get_int("exp");
    const auto jti = claims->get_string("jti");
    const bool early = claims->find("nbf") != nullptr && claims->get_int("nbf").value_or(now + 100) > now + 10;
    if (claims->get_string("iss").value_or("") != client.id || claims->get_string("sub").value_or("") != client.id) return std::nullopt;
    if (!is_for(*claims, options_.issuer) || !exp || *exp <= now || *exp > now + kLongest || early) return std::nullopt;
    if (!jti || jti->empty() || jti->size() > 256) return std::nullopt;
    // No client fills the memory that all share.
    if (!asserted_.charge(client.id, rooms_.clock.wall())) return std::nullopt;
    const Digest id = crypto::sha256({as_bytes(client.id), ByteView(key.thumbprint()), as_bytes(*jti)});
    if (assertions_.use(id, rooms_.clock.wall()) != gate::SingleUse::Seen::first) return std::nullopt;
    return key.thumbprint();
  }
  return std::nullopt;
}

net::Task<Answer<Client>> Server::authenticate(Call& call, const Form& form) {
  const http::Headers& headers = call.exchange.head().headers;
  const bool header = headers.has(http::Known::authorization);
  const bool secret = form.has("client_secret");
  const bool assertion = form.has("client_assertion") || form.has("client_assertion_type");
  // RFC 6749 section 2.3: one method a request.
  if ((header ? 1 : 0) + (secret ? 1 : 0) + (assertion ? 1 : 0) > 1 || headers.count(http::Known::authorization) > 1) {
    co_return Failure{Code::invalid_request, "a client authenticates by one method"};
  }
  std::string id(form.get("client_id"));
  ClientAuth method = ClientAuth::none;
  Secret given;
  if (header) {
    auto basic = parse_basic(*headers.find(http::Known::authorization));
    if (!basic) co_return stranger();
    if (!id.empty() && id != basic->id) co_return stranger();
    id = std::move(basic->id);
    given = std::move(basic->secret);
    method = ClientAuth::basic;
  } else if (secret) {
    given = Secret(form.get("client_secret"));
    method = ClientAuth::post;
  } else if (assertion) {
    Answer<std::string> subject = assertion_subject(form);
    if (!subject) co_return subject.failure();
    id = std::move(*subject);
    method = ClientAuth::private_key_jwt;
  }
  if (id.empty()) co_return stranger();
  if (is_document_address(id) && !documents_.charge(call.source.text(), rooms_.clock.wall())) co_return stranger();
  Answer<Client> client = co_await find_client(std::move(id));
  if (!client) co_return client;
  if (client->auth != method) co_return stranger();
  switch (method) {
    case ClientAuth::none: break;
    case ClientAuth::basic:
    case ClientAuth::post: {
      const Digest hash = crypto::sha256(given.reveal());
      if (!client->secret || !equal_constant_time(hash, *client->secret)) co_return stranger();
      break;
    }
    case ClientAuth::private_key_jwt:
      if (!verify_assertion(*client, form.get("client_assertion"))) co_return stranger();
      break;
  }
  co_return client;
}

}  // namespace vestibule::oauth
