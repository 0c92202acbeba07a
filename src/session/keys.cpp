#include "session/keys.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "identity/notices.hpp"
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
  return "key.create " + wish.name + " " + seconds(wish.ttl) + " " + wish.scope;
}

net::Task<Result<CreatedKey>> Sessions::create_key(Identified who, KeyWish wish, Answer answer, Actor by) {
  using Out = Settled<Result<CreatedKey>>;
  if (!is_name(wish.name)) co_return fail(Reason::invalid_argument, "name: 1 to 48 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\"");
  if (wish.ttl < std::chrono::minutes(1) || wish.ttl > kLongestKey) {
    co_return fail(Reason::invalid_argument, "ttl_s: a minute to a year");
  }
  Result<policy::Scope> limits = policy::Scope::parse(wish.scope);
  if (!limits) co_return fail(Reason::invalid_argument, "scope: " + limits.error().detail);
  std::string purpose = purpose_of(wish);
  Actor asking = as(who, by, who.evidence);
  answer = co_await consult(std::move(answer), std::move(purpose), std::move(asking));
  auto job = [this, who, w = std::move(wish), s = std::move(*limits), a = std::move(answer),
              by](store::Tx& tx) mutable -> Result<Out> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    if (session->flags.pending) return fail(Reason::mfa_required, "sign-in is not finished");
    const UserId user = who.subject.user;
    std::int64_t count = 0;
    auto counted = tx.one("SELECT COUNT(*) FROM api_key WHERE account = $1", {user}, [&](const store::Row& row) { count = row.integer(0); });
    if (!counted) return std::move(counted).error();
    if (count >= static_cast<std::int64_t>(kMaxKeys)) return fail(Reason::conflict, "there are 64 keys already: revoke one");
    auto taken = tx.one("SELECT 1 FROM api_key WHERE account = $1 AND name = $2", {user, w.name}, [](const store::Row&) {});
    if (!taken) return std::move(taken).error();
    if (*taken) return fail(Reason::conflict, "a key has this name already: revoke it, or choose another");
    Actor self = as(who, by, session->evidence);
    std::optional<Result<domain::Proof>> proof;
    auto proved = prove_act_in(tx, self, std::move(a), purpose_of(w), now, proof);
    if (!proved) return std::move(proved).error();
    if (!*proof) return Out{std::move(*proof).error()};
    self.evidence.add(**proof);

    CreatedKey out;
    out.id = KeyId::make(rng_);
    out.ends = now.wall + w.ttl;
    crypto::Handle handle = mint_.make(crypto::kApiKey, rng_);
    const std::string via = "key " + w.name;
    const std::string_view scope = s.anything() ? std::string_view{} : std::string_view(s.text());
    auto put = tx.run(
        "INSERT INTO session_handle (hash, session, audience, created, created_boot, boot_id, ends, account, via, scope) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        {handle.hash, SessionId{}, Audience::access, now.wall, now.boot.time_since_epoch().count(), options_.boot_id, out.ends,
         user, via, scope});
    if (!put) return std::move(put).error();
    auto named = tx.run("INSERT INTO api_key (id, account, name, hash) VALUES ($1, $2, $3, $4)", {out.id, user, w.name, handle.hash});
    if (!named) return std::move(named).error();
    out.text = std::move(handle.text);
    tx.changed(kHandleTopic, handle.hash);
    tx.changed(kKeysTopic, user.bytes);
    record(tx, audit::Kind::change, "key.create", Reason::ok, self, via, s.text(), now);
    const std::string told = "An API key named " + w.name + " was created. It is asleep until you wake it for a source.";
    auto noticed = identity::notify_in(tx, rng_, user, identity::NoticeKind::key_created, told, now.wall);
    if (!noticed) return std::move(noticed).error();
    return Out{std::move(out)};
  };
  auto settled = co_await database_.write(std::move(job));
  co_return unsettled(std::move(settled));
}

Result<std::vector<KeyInfo>> Sessions::read_keys(store::Tx& tx, UserId user, KeyId id) const {
  std::vector<KeyInfo> out;
  auto rows = tx.query(
      "SELECT k.id, k.account, k.name, k.hash, k.last_use, k.last_source, h.created, h.ends, h.scope FROM api_key k JOIN "
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
  auto job = [this, user](store::Tx& tx) { return read_keys(tx, user, KeyId{}); };
  auto out = co_await database_.read(std::move(job));
  co_return out;
}

net::Task<Result<KeyInfo>> Sessions::key(KeyId id) const {
  auto job = [this, id](store::Tx& tx) { return read_keys(tx, UserId{}, id); };
  Result<std::vector<KeyInfo>> found = co_await database_.read(std::move(job));
  if (!found) co_return std::move(found).error();
  if (id.is_nil() || found->empty()) co_return fail(Reason::not_found, "no such key");
  co_return std::move(found->front());
}

net::Task<Result<void>> Sessions::sleep_key(Identified who, KeyId id, Actor by) {
  auto job = [this, who, id, by](store::Tx& tx) -> Result<void> {
    const Instant now = clock_.now();
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    auto found = read_keys(tx, who.subject.user, id);
    if (!found) return std::move(found).error();
    if (id.is_nil() || found->empty()) return fail(Reason::not_found, "no such key");
    const KeyInfo& k = found->front();
    auto locked = lock_credential_in(tx, k.handle);
    if (!locked) return locked;
    tx.changed(kKeysTopic, k.user.bytes);
    record(tx, audit::Kind::change, "key.sleep", Reason::ok, as(who, by, session->evidence), "key " + k.name, {}, now);
    return {};
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

net::Task<> Sessions::found_key(Secret text, Actor by) {
  const std::optional<HandleKey> key = mint_.check(text.reveal_text(), crypto::kApiKey);
  if (!key) co_return;
  const std::optional<Owned> whose = owner(*key);
  if (!whose) co_return;
  const Revoked gone = co_await revoke(Revocation::of_handle(*key), by);
  static_cast<void>(gone);  // denied in any case
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

Result<void> Sessions::store_uses_in(store::Tx& tx) {
  for (const auto& [key, use] : uses_) {
    const std::optional<KeyUse::Last> last = use->take();
    if (!last) continue;
    auto put = tx.run("UPDATE api_key SET last_use = $2, last_source = $3 WHERE hash = $1", {key, last->at, last->source.text()});
    if (!put) {
      use->give_back();
      return std::move(put).error();
    }
  }
  return {};
}

}  // namespace vestibule::session
