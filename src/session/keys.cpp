#include "session/keys.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "crypto/hash.hpp"
#include "identity/notices.hpp"
#include "identity/tending.hpp"
#include "session/flow.hpp"
#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
namespace {

using factors::Settled;

std::string seconds(Duration d) { return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count()); }

// It stands in sentences, command lines and purposes.
bool is_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMaxKeyName &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == std::string_view::npos;
}

}  // namespace

std::string purpose_of(const KeyWish& wish) {
  std::string out = wish.service.is_nil() ? std::string("key.create ") : "services.key " + wish.service_name + " ";
  out.append(wish.name).append(" ").append(seconds(wish.ttl)).append(" ").append(wish.scope);
  if (const auto key = crypto::PublicJwk::parse(wish.jwk)) out.append(" jwk ").append(hex(key->thumbprint()));
  return out;
}

Result<bool> is_key_of_in(store::Tx& tx, const HandleKey& credential, UserId account) {
  return tx.one("SELECT 1 FROM api_key WHERE hash = $1 AND account = $2", {credential, account}, [](const store::Row&) {});
}

HandleKey key_of(UserId service, const crypto::PublicJwk& key) noexcept {
  return crypto::sha256({as_bytes("service-key/v1"), ByteView(service.bytes), ByteView(key.thumbprint())});
}

net::Task<Result<CreatedKey>> Sessions::create_key(Identified who, KeyWish wish, Answer answer, Actor by) {
  using Out = Settled<Result<CreatedKey>>;
  if (!is_name(wish.name)) co_return fail(Reason::invalid_argument, "name: 1 to 48 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\"");
  if (wish.ttl < std::chrono::minutes(1) || wish.ttl > kLongestKey) {
    co_return fail(Reason::invalid_argument, "ttl_s: a minute to a year");
  }
  Result<policy::Scope> limits = policy::Scope::parse(wish.scope);
  if (!limits) co_return fail(Reason::invalid_argument, "scope: " + limits.error().detail);
  if (!wish.jwk.empty()) {
    if (wish.service.is_nil()) co_return fail(Reason::invalid_argument, "jwk: a person has no use for one");
    const auto key = crypto::PublicJwk::parse(wish.jwk);
    if (!key) co_return fail(Reason::invalid_argument, "jwk: " + key.error().detail);
    wish.jwk = key->json();
  }
  std::string purpose = purpose_of(wish);
  Actor asking = as(who, by, who.evidence);
  answer = co_await consult(std::move(answer), std::move(purpose), std::move(asking));
  auto job = [this, who, w = std::move(wish), s = std::move(*limits), a = std::move(answer),
              by](store::Tx& tx) mutable -> Result<Out> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    if (session->flags.pending) return fail(Reason::mfa_required, "sign-in is not finished");
    const UserId user = w.service.is_nil() ? who.subject.user : w.service;
    auto tends = identity::tends_in(tx, who.subject.user, user);
    if (!tends) return std::move(tends).error();
    if (!*tends) return fail(Reason::not_found, "you do not act for this account");
    std::int64_t count = 0;
    std::int64_t open = 0;
    auto counted = tx.one("SELECT COUNT(*), COALESCE(SUM(CASE WHEN jwk <> '' THEN 1 ELSE 0 END), 0) FROM api_key WHERE account = $1", {user},
                          [&](const store::Row& row) {
                            count = row.integer(0);
                            open = row.integer(1);
                          });
    if (!counted) return std::move(counted).error();
    if (!w.jwk.empty() && open >= static_cast<std::int64_t>(kMaxPublicKeys)) return fail(Reason::conflict, "there are 8 public keys already: revoke one");
    if (count >= static_cast<std::int64_t>(kMaxKeys)) return fail(Reason::conflict, "there are 64 keys already: revoke one");
    auto taken = tx.one("SELECT 1 FROM api_key WHERE account = $1 AND name = $2", {user, w.name}, [](const store::Row&) {});
    if (!taken) return std::move(taken).error();
    if (*taken) return fail(Reason::conflict, "a key has this name already: revoke it, or choose another");
    Actor self = as(who, by, session->evidence);
    std::optional<Result<factors::Given>> given;
    auto proved = prove_act_in(tx, self, std::move(a), purpose_of(w), now, given);
    if (!proved) return std::move(proved).error();
    if (!*given) return Out{std::move(*given).error()};
    self.evidence.add((*given)->proof);

    CreatedKey out;
    out.id = KeyId::make(rng_);
    out.ends = now.wall + w.ttl;
    crypto::Handle handle;
    if (w.jwk.empty()) {
      handle = mint_.make(crypto::kApiKey, rng_);
    } else {
      handle.hash = key_of(user, *crypto::PublicJwk::parse(w.jwk));
      auto there = tx.one("SELECT 1 FROM session_handle WHERE hash = $1", {handle.hash}, [](const store::Row&) {});
      if (!there) return std::move(there).error();
      if (*there) return fail(Reason::conflict, "jwk: the service has this key already");
    }
    const std::string via = "key " + w.name;
    const std::string_view scope = s.anything() ? std::string_view{} : std::string_view(s.text());
    auto put = tx.run(
        "INSERT INTO session_handle (hash, session, audience, created, created_boot, boot_id, ends, account, via, scope) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        {handle.hash, SessionId{}, Audience::access, now.wall, now.boot.time_since_epoch().count(), options_.boot_id, out.ends,
         user, via, scope});
    if (!put) return std::move(put).error();
    auto named = tx.run("INSERT INTO api_key (id, account, name, hash, jwk) VALUES ($1, $2, $3, $4, $5)",
                        {out.id, user, w.name, handle.hash, w.jwk});
    if (!named) return std::move(named).error();
    out.text = std::move(handle.text);
    tx.changed(kHandleTopic, handle.hash);
    auto heard = identity::changed_for_in(tx, kKeysTopic, user);
    if (!heard) return std::move(heard).error();
    const std::string object = (w.service.is_nil() ? std::string() : "service " + w.service_name + ", ") + via;
    records_.record(tx, audit::Kind::change, "key.create", Reason::ok, self, object, s.text(), now);
    const std::string told = (w.service.is_nil() ? std::string("An API key named ") : "For the service account " + w.service_name + " an API key named ") +
                             w.name + " was created. It is asleep until " + (w.service.is_nil() ? "you wake it" : "somebody who answers for it wakes it") +
                             " for a source.";
    auto noticed = identity::notify_in(tx, rng_, user, identity::NoticeKind::key_created, told, now.wall);
    if (!noticed) return std::move(noticed).error();
    return Out{std::move(out)};
  };
  auto settled = co_await database_.write(std::move(job));
  co_return unsettled(std::move(settled));
}

Result<std::vector<KeyInfo>> Records::read_keys(store::Tx& tx, UserId user, KeyId id) const {
  std::vector<KeyInfo> out;
  auto rows = tx.query(
      "SELECT k.id, k.account, k.name, k.hash, k.last_use, k.last_source, h.created, h.ends, h.scope, k.jwk FROM api_key k JOIN "
      "session_handle h ON h.hash = k.hash ORDER BY h.created, k.id",
      {}, [&](const store::Row& row) {
        KeyInfo k;
        k.id = row.id<KeyId>(0);
        k.user = row.id<UserId>(1);
        if ((!user.is_nil() && k.user != user) || (!id.is_nil() && k.id != id)) return true;
        k.name = row.text(2);
        k.handle = digest_of(row.blob(3)).value_or(HandleKey{});
        if (row.integer(4) != 0) k.last_use = row.time(4);
        k.last_source = row.text(5);
        k.created = row.time(6);
        k.ends = row.time(7);
        if (!row.text(8).empty()) {
          // One that cannot be read opens nothing: it is listed, to be revoked.
          if (auto scope = policy::Scope::parse(row.text(8))) k.scope = std::move(*scope);
        }
        k.jwk = row.text(9);
        out.push_back(std::move(k));
        return true;
      });
  if (!rows) return std::move(rows).error();
  for (KeyInfo& k : out) {
    auto unlocks = tx.query("SELECT source, access_point, purpose, made, ends FROM credential_unlock WHERE credential = $1 "
                            "ORDER BY made, source, access_point",
                            {k.handle}, [&](const store::Row& row) {
                              k.unlocks.push_back({std::string(row.text(0)), std::string(row.text(1)), std::string(row.text(2)),
                                                   row.time(3), row.time(4)});
                              return true;
                            });
    if (!unlocks) return std::move(unlocks).error();
    const WallTime now = clock_.wall();
    std::erase_if(k.unlocks, [&](const KeyUnlock& u) { return u.ends < now; });
  }
  return out;
}

net::Task<Result<std::vector<KeyInfo>>> Sessions::keys(UserId user) const {
  auto job = [this, user](store::Tx& tx) { return records_.read_keys(tx, user, KeyId{}); };
  auto out = co_await database_.read(std::move(job));
  co_return out;
}

net::Task<Result<KeyInfo>> Sessions::key(KeyId id) const {
  auto job = [this, id](store::Tx& tx) { return records_.read_keys(tx, UserId{}, id); };
  Result<std::vector<KeyInfo>> found = co_await database_.read(std::move(job));
  if (!found) co_return std::move(found).error();
  if (id.is_nil() || found->empty()) co_return fail(Reason::not_found, "no such key");
  co_return std::move(found->front());
}

net::Task<Result<KeyInfo>> Sessions::tended_key(UserId person, KeyId id) const {
  auto job = [this, person, id](store::Tx& tx) { return records_.tended_key_in(tx, person, id); };
  Result<KeyInfo> found = co_await database_.read(std::move(job));
  co_return found;
}

Result<KeyInfo> Records::tended_key_in(store::Tx& tx, UserId person, KeyId id) const {
  auto found = read_keys(tx, UserId{}, id);
  if (!found) return std::move(found).error();
  if (id.is_nil() || found->empty()) return fail(Reason::not_found, "no such key");
  auto tends = identity::tends_in(tx, person, found->front().user);
  if (!tends) return std::move(tends).error();
  if (!*tends) return fail(Reason::not_found, "no such key");
  return std::move(found->front());
}

net::Task<Result<void>> Sessions::sleep_key(Identified who, KeyId id, Actor by) {
  auto job = [this, who, id, by](store::Tx& tx) -> Result<void> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    auto found = records_.tended_key_in(tx, who.subject.user, id);
    if (!found) return std::move(found).error();
    const KeyInfo& k = *found;
    auto locked = lock_credential_in(tx, k.handle);
    if (!locked) return locked;
    auto heard = identity::changed_for_in(tx, kKeysTopic, k.user);
    if (!heard) return heard;
    records_.record(tx, audit::Kind::change, "key.sleep", Reason::ok, as(who, by, session->evidence), records_.named(k.user, who.subject.user, "key " + k.name), {}, now);
    return {};
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

net::Task<> Sessions::found_key(Secret text, Actor by) {
  const std::optional<HandleKey> key = mint_.check(text.reveal_text(), crypto::kApiKey);
  if (!key) co_return;
  const Result<void> recalled = co_await recall(Secret(text.reveal_text()));
  const std::optional<Owned> whose = owner(*key);
  if (!whose && recalled) co_return;
  const Revoked gone = co_await revoke(Revocation::of_handle(*key), by);
  static_cast<void>(gone);  // denied in any case
  if (!whose) co_return;
  auto job = [this, w = *whose, by](store::Tx& tx) {
    const std::string told = "Your API " + w.via + " was handed in from " + by.source.text() +
                             " as found, and is revoked. Look where it could have leaked, and what it was used for.";
    return identity::notify_in(tx, rng_, w.user, identity::NoticeKind::key_found, told, clock_.wall());
  };
  const Result<void> noticed = co_await database_.write(std::move(job));
  if (!noticed) log::error("the owner of a key that was found could not be told", {{"detail", noticed.error().detail}});
}

Result<void> remove_keys_in(store::Tx& tx, UserId user) {
  std::vector<HandleKey> gone;
  auto rows = tx.query("DELETE FROM session_handle WHERE account = $1 RETURNING hash", {user}, [&](const store::Row& row) {
    if (const auto key = digest_of(row.blob(0))) gone.push_back(*key);
    return true;
  });
  if (!rows) return rows;
  for (const HandleKey& key : gone) tx.changed(kHandleTopic, key);
  auto forgotten = tx.run("DELETE FROM api_key WHERE account = $1", {user});
  if (!forgotten) return std::move(forgotten).error();
  return {};
}

}  // namespace vestibule::session
