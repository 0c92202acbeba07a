// What a service gets that has shown one of its public keys: a token of its own, for one access point, worth
// what was opened for the key.
#include <algorithm>

#include "session/flow.hpp"
#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {

net::Task<Result<std::vector<ServiceKey>>> Sessions::service_keys(UserId service) const {
  auto job = [this, service](store::Tx& tx) -> Result<std::vector<ServiceKey>> {
    std::vector<ServiceKey> out;
    auto rows = tx.query("SELECT k.hash, k.jwk FROM api_key k JOIN session_handle h ON h.hash = k.hash WHERE k.account = $1 AND k.jwk <> '' "
                         "AND h.ends > $2 ORDER BY h.created DESC",
                         {service, clock_.wall()}, [&](const store::Row& row) {
                           const auto handle = digest_of(row.blob(0));
                           auto key = crypto::PublicJwk::parse(row.text(1));
                           if (handle && key) out.push_back({*handle, std::move(*key)});
                           return true;
                         });
    if (!rows) return std::move(rows).error();
    return out;
  };
  Result<std::vector<ServiceKey>> out = co_await database_.read(std::move(job));
  co_return out;
}

Result<IssuedToken> Sessions::issue_service_token_in(store::Tx& tx, const ServiceTokenWish& wish, Actor by, Instant now) {
  auto key = records_.read_handle(tx, wish.key);
  if (!key) return std::move(key).error();
  // As identify() judges the key itself: it may have been revoked since it was looked up.
  if (!*key || !(*key)->is_key() || (*key)->grant->parent || (*key)->over(now)) return fail(Reason::credential_unknown);
  const HandleEntry& k = **key;
  domain::Subject service;
  switch (users_.fill(k.owner, service)) {
    case identity::Users::Standing::good: break;
    case identity::Users::Standing::disabled: return fail(Reason::user_disabled);
    case identity::Users::Standing::unknown: return fail(Reason::credential_unknown);
    case identity::Users::Standing::asleep: return fail(Reason::service_asleep);
  }
  if (!is_service(service) || denied_.covers({}, k.owner, wish.key) || denied_.covers({}, service.sponsor.user, {})) {
    return fail(Reason::credential_unknown);
  }
  auto room = records_.make_room_in(tx, "parent = $1", {wish.key});
  if (!room) return std::move(room).error();
  crypto::Handle handle = mint_.make(crypto::kAccessToken, rng_);
  const WallTime ends = std::min(now.wall + std::min(wish.ttl, options_.token_ttl), k.ends);
  const std::string_view scope = k.grant->scope.anything() ? std::string_view{} : std::string_view(k.grant->scope.text());
  const Bytes holder = wish.holder ? packed(*wish.holder) : Bytes{};
  const store::Param held = wish.holder ? store::Param(holder) : store::Param(nullptr);
  auto put = tx.run(
      "INSERT INTO session_handle (hash, session, audience, created, created_boot, boot_id, ends, account, via, scope, access_point, key, "
      "parent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
      {handle.hash, SessionId{}, Audience::access, now.wall, now.boot.time_since_epoch().count(), options_.boot_id, ends, k.owner,
       k.grant->via.view(), scope, wish.access_point, held, wish.key});
  if (!put) return std::move(put).error();
  tx.changed(kHandleTopic, handle.hash);
  by.user = service.sponsor.user;
  by.name = service.sponsor.name;
  const std::string object = records_.named(k.owner, by.user, std::string(k.grant->via.view()));
  records_.record(tx, audit::Kind::sign_in, "token.issue", Reason::ok, by, object, wish.access_point, now);
  return IssuedToken{std::move(handle.text), ends};
}

}  // namespace vestibule::session
