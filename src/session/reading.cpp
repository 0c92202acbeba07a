// Rows: what they say.
#include <unordered_map>
#include <utility>

#include "base/log.hpp"
#include "identity/tending.hpp"
#include "session/reading.hpp"
#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
// Everything in three scans: a query for each of a million rows would take the start's whole time.
Result<void> Memory::load(store::Tx& tx) {
  std::unordered_map<SessionId, SessionEntry> sessions;
  auto rows = tx.query(kSession, {}, [&](const store::Row& row) {
    sessions.emplace(row.id<SessionId>(0), session_of(row, options_.boot_id));
    return true;
  });
  if (!rows) return rows;
  auto proofs = tx.query(with(kProof, " ORDER BY wall"), {}, [&](const store::Row& row) {
    const auto at = sessions.find(row.id<SessionId>(0));
    if (at != sessions.end()) at->second.evidence.add(proof_of(row, options_.boot_id));
    return true;
  });
  if (!proofs) return proofs;
  std::vector<SessionId> gone;
  for (const auto& [id, kept] : kept_) {
    if (!sessions.contains(id)) gone.push_back(id);
  }
  for (const SessionId id : gone) drop_session(id);
  for (auto& [id, entry] : sessions) put_session(id, std::move(entry));

  auto keys = std::exchange(uses_, {});  // those that are left over have lost their row
  auto handles = tx.query(kHandle, {}, [&](const store::Row& row) {
    const auto key = digest_of(row.blob(9));
    if (!key) return true;
    auto entry = records_.handle_of(row);
    if (!entry) {  // its time zone is gone, say: it opens nothing, and all others do
      log::error("a credential cannot be read", {{"detail", entry.error().detail}});
      return true;
    }
    if (const auto at = keys.find(*key); at != keys.end()) uses_.insert(keys.extract(at));
    if (*entry) put_handle(*key, std::move(**entry));
    return true;
  });
  if (!handles) return handles;
  for (const auto& [key, use] : keys) handles_.erase(key);
  auto more = read_more(tx, "SELECT credential FROM credential_unlock UNION SELECT hash FROM session_handle WHERE parent IS NOT NULL", {});
  if (!more) return more;
  auto mark = raise_mark(tx);
  if (!mark) return mark;
  whole_.store(true, std::memory_order_release);
  return {};
}

Result<void> Memory::read_more(store::Tx& tx, std::string_view which, std::initializer_list<store::Param> params) {
  std::vector<HandleKey> some;
  auto listed = tx.query(which, params, [&](const store::Row& row) {
    if (const auto key = digest_of(row.blob(0))) some.push_back(*key);
    return true;
  });
  if (!listed) return listed;
  for (const HandleKey& key : some) {
    auto entry = records_.read_handle(tx, key);
    if (!entry) {
      log::error("a credential cannot be read", {{"detail", entry.error().detail}});
      handles_.erase(key);
      continue;
    }
    if (*entry) put_handle(key, std::move(**entry));
  }
  return {};
}

Result<std::optional<SessionEntry>> Records::read_session(store::Tx& tx, SessionId id) const {
  std::optional<SessionEntry> out;
  auto found = tx.one(with(kSession, " WHERE id = $1"), {id},
                      [&](const store::Row& row) { out = session_of(row, options_.boot_id); });
  if (!found) return std::move(found).error();
  if (!out) return out;
  auto proofs = tx.query(with(kProof, " WHERE session = $1 ORDER BY wall"), {id}, [&](const store::Row& row) {
    out->evidence.add(proof_of(row, options_.boot_id));
    return true;
  });
  if (!proofs) return std::move(proofs).error();
  return out;
}

Result<std::optional<HandleEntry>> Records::handle_of(const store::Row& row) const {
  HandleEntry h;
  h.session = row.id<SessionId>(0);
  h.audience = static_cast<Audience>(row.integer(1));
  h.created = row.time(2);
  h.created_boot = boot_in(row, 3, 4, options_.boot_id);
  h.ends = row.time(5);
  h.owner = row.id<UserId>(6);
  const std::string_view via = row.text(7);
  const std::string_view scope = row.text(8);
  if (h.is_key() && h.owner.is_nil()) return std::optional<HandleEntry>{};
  const bool family = !row.null(10) && h.audience == Audience::access;
  if (h.is_key() || family || !via.empty() || !scope.empty()) {
    h.grant = std::make_unique<Grant>();
    h.grant->via = domain::Via(via);
    if (!scope.empty()) {
      auto parsed = policy::Scope::parse(scope);
      if (!parsed) return std::move(parsed).error();
      h.grant->scope = std::move(*parsed);
    }
    if (family) {
      h.grant->bound.access_point = decltype(Bound::access_point)(row.text(11));
      if (!row.null(12)) h.grant->bound.holder = holder_of(row.blob(12));
    }
    if (h.is_key() && !row.null(15)) {
      h.grant->parent = digest_of(row.blob(15)).value_or(HandleKey{});
      h.grant->bound.access_point = decltype(Bound::access_point)(row.text(13));
      if (!row.null(14)) h.grant->bound.holder = holder_of(row.blob(14));
    }
  }
  return std::optional<HandleEntry>(std::move(h));
}

Result<std::optional<HandleEntry>> Records::read_handle(store::Tx& tx, const HandleKey& key) const {
  Result<std::optional<HandleEntry>> out = std::optional<HandleEntry>{};
  auto found = tx.one(with(kHandle, " WHERE hash = $1"), {key}, [&](const store::Row& row) { out = handle_of(row); });
  if (!found) return std::move(found).error();
  if (!out || !*out || (*out)->audience != Audience::access) return out;
  auto unlocks = read_unlocks(tx, (*out)->grant && (*out)->grant->parent ? *(*out)->grant->parent : key);
  if (!unlocks) return std::move(unlocks).error();
  if (unlocks->empty()) return out;
  HandleEntry& h = **out;
  if (!h.grant) h.grant = std::make_unique<Grant>();
  h.grant->unlocks = std::move(*unlocks);
  if (h.is_key()) {
    auto sponsor = identity::sponsor_in(tx, h.owner);
    if (!sponsor) return std::move(sponsor).error();
    h.grant->sponsor = *sponsor;
  }
  return out;
}

net::Task<Result<std::optional<UserId>>> Sessions::owner(SessionId session) const {
  auto job = [session](store::Tx& tx) -> Result<std::optional<UserId>> {
    std::optional<UserId> out;
    auto found = tx.one("SELECT account FROM session WHERE id = $1", {session}, [&](const store::Row& row) { out = row.id<UserId>(0); });
    if (!found) return std::move(found).error();
    return out;
  };
  Result<std::optional<UserId>> out = co_await database_.read(std::move(job));
  co_return out;
}

net::Task<Result<std::vector<SessionInfo>>> Sessions::list(UserId user) const {
  auto job = [this, user](store::Tx& tx) -> Result<std::vector<SessionInfo>> {
    std::vector<SessionInfo> found;
    const auto take = [&](const store::Row& row) {
      SessionInfo s;
      s.id = row.id<SessionId>(0);
      s.user = row.id<UserId>(1);
      s.created = row.time(2);
      s.last_seen = row.time(3);
      s.ends = row.time(4);
      s.source = row.text(5);
      s.client = row.text(6);
      s.tokens = static_cast<int>(row.integer(7));
      found.push_back(std::move(s));
      return true;
    };
    constexpr std::string_view kListed =
        "SELECT id, account, created, last_seen, ends, source, client, (SELECT COUNT(*) FROM session_handle WHERE "
        "session_handle.session = session.id AND session_handle.audience = 2) FROM session";
    auto rows = user.is_nil() ? tx.query(with(kListed, " ORDER BY created, id"), {}, take)
                              : tx.query(with(kListed, " WHERE account = $1 ORDER BY created, id"), {user}, take);
    if (!rows) return std::move(rows).error();
    for (SessionInfo& s : found) {
      auto entry = records_.read_session(tx, s.id);
      if (!entry) return std::move(entry).error();
      if (!*entry) continue;
      s.evidence = (*entry)->evidence;
      s.flags = (*entry)->flags;
      auto agents = records_.agents_in(tx, s.id);
      if (!agents) return std::move(agents).error();
      s.agents = std::move(*agents);
    }
    return found;
  };
  auto out = co_await database_.read(std::move(job));
  co_return out;
}

}  // namespace vestibule::session
