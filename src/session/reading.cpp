// Rows: what they say.
#include <utility>

#include "base/log.hpp"
#include "identity/tending.hpp"
#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
namespace {

constexpr std::string_view kSession =
    "SELECT id, account, created, created_boot, boot_id, ends, last_seen, seen_boot, seen_boot_id, enrol_grant, "
    "factor_management, pending, parent FROM session LEFT JOIN session_family ON session_family.session = session.id";
constexpr std::string_view kProof = "SELECT session, factor, kind, traits, wall, boot, boot_id FROM session_proof";
constexpr std::string_view kHandle =
    "SELECT session_handle.session, audience, created, created_boot, boot_id, ends, account, via, scope, hash, "
    "session_family.session, session_family.access_point, session_family.key, session_handle.access_point, "
    "session_handle.key, session_handle.parent FROM session_handle LEFT JOIN session_family "
    "ON session_family.session = session_handle.session";

// A reading of the boot clock means something under the boot id alone that it was taken under.
BootTime boot_in(const store::Row& row, int value, int boot_id, std::string_view now) {
  return row.text(boot_id) == now ? BootTime(Duration(row.integer(value))) : domain::Proof::no_boot;
}

SessionEntry session_of(const store::Row& row, std::string_view boot_id) {
  SessionEntry s;
  s.user = row.id<UserId>(1);
  s.created = row.time(2);
  s.created_boot = boot_in(row, 3, 4, boot_id);
  s.ends = row.time(5);
  s.live = std::make_shared<Live>();
  s.live->wall.store(row.integer(6));
  s.live->boot.store(boot_in(row, 7, 8, boot_id).time_since_epoch().count());
  s.flags.enrol_grant = row.integer(9) != 0;
  s.flags.factor_management = row.integer(10) != 0;
  s.flags.pending = row.integer(11) != 0;
  if (!row.null(12)) s.parent = row.id<SessionId>(12);
  return s;
}

domain::Proof proof_of(const store::Row& row, std::string_view boot_id) {
  domain::Proof p;
  p.factor = row.id<FactorId>(1);
  p.kind = static_cast<domain::FactorKind>(row.integer(2));
  p.traits = decode_traits(row.integer(3));
  p.wall = row.time(4);
  p.boot = boot_in(row, 5, 6, boot_id);
  return p;
}

std::string with(std::string_view select, std::string_view rest) { return std::string(select).append(rest); }

}  // namespace

// Everything in three scans: a query for each of a million rows would take the start's whole time.
Result<void> Sessions::load(store::Tx& tx) {
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
    auto entry = handle_of(row);
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
  std::vector<HandleKey> unlocked;
  auto some = tx.query("SELECT credential FROM credential_unlock UNION SELECT hash FROM session_handle WHERE parent IS NOT NULL", {}, [&](const store::Row& row) {
    if (const auto key = digest_of(row.blob(0))) unlocked.push_back(*key);
    return true;
  });
  if (!some) return some;
  for (const HandleKey& key : unlocked) {
    auto entry = read_handle(tx, key);
    if (!entry) {
      log::error("a credential cannot be read", {{"detail", entry.error().detail}});
      handles_.erase(key);
      continue;
    }
    if (*entry) put_handle(key, std::move(**entry));
  }
  if (options_.raise_mark) {
    auto mark = tx.one("SELECT wall FROM clock_mark WHERE id = 1", {},
                       [&](const store::Row& row) { options_.raise_mark(row.time(0)); });
    if (!mark) return std::move(mark).error();
  }
  return {};
}

Result<std::optional<SessionEntry>> Sessions::read_session(store::Tx& tx, SessionId id) const {
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

Result<std::optional<HandleEntry>> Sessions::handle_of(const store::Row& row) const {
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
      // A key that cannot be read is one that nobody has.
      if (!row.null(12)) h.grant->bound.key = digest_of(row.blob(12)).value_or(Digest{});
    }
    if (h.is_key() && !row.null(15)) {
      h.grant->parent = digest_of(row.blob(15)).value_or(HandleKey{});
      h.grant->bound.access_point = decltype(Bound::access_point)(row.text(13));
      if (!row.null(14)) h.grant->bound.key = digest_of(row.blob(14)).value_or(Digest{});
    }
  }
  return std::optional<HandleEntry>(std::move(h));
}

Result<std::optional<HandleEntry>> Sessions::read_handle(store::Tx& tx, const HandleKey& key) const {
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

net::Task<Result<std::vector<SessionInfo>>> Sessions::list(UserId user) const {
  auto job = [this, user](store::Tx& tx) -> Result<std::vector<SessionInfo>> {
    std::vector<SessionInfo> found;
    auto rows = tx.query(
        "SELECT id, account, created, last_seen, ends, source, client, (SELECT COUNT(*) FROM session_handle WHERE "
        "session_handle.session = session.id AND session_handle.audience = 2) FROM session ORDER BY created, id",
        {}, [&](const store::Row& row) {
          SessionInfo s;
          s.id = row.id<SessionId>(0);
          s.user = row.id<UserId>(1);
          s.created = row.time(2);
          s.last_seen = row.time(3);
          s.ends = row.time(4);
          s.source = row.text(5);
          s.client = row.text(6);
          s.tokens = static_cast<int>(row.integer(7));
          if (user.is_nil() || s.user == user) found.push_back(std::move(s));
          return true;
        });
    if (!rows) return std::move(rows).error();
    for (SessionInfo& s : found) {
      auto entry = read_session(tx, s.id);
      if (!entry) return std::move(entry).error();
      if (!*entry) continue;
      s.evidence = (*entry)->evidence;
      s.flags = (*entry)->flags;
      auto agents = agents_in(tx, s.id);
      if (!agents) return std::move(agents).error();
      s.agents = std::move(*agents);
    }
    return found;
  };
  auto out = co_await database_.read(std::move(job));
  co_return out;
}

}  // namespace vestibule::session
