// A start with very many sessions does not wait for them: requests are served at once, each that brings a credential which
// is not here yet fetches it, and behind them memory fills up, a chunk a write, until all are here.
#include <unordered_map>

#include "base/log.hpp"
#include "net/signal.hpp"
#include "session/memory.hpp"
#include "session/reading.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
namespace {

constexpr std::int64_t kChunk = 500;  // rows that one turn of the feed reads: some milliseconds of the writer's

constexpr std::string_view kSessionsAfter = " WHERE id > $1 ORDER BY id LIMIT $2";
constexpr std::string_view kProofsOf = " WHERE session > $1 AND session <= $2 ORDER BY session, wall";
constexpr std::string_view kHandlesAfter = " WHERE hash > $1 ORDER BY hash LIMIT $2";
// Those that more is to be read of: unlocks, what they have from a key.
constexpr std::string_view kMoreOf =
    "SELECT credential FROM credential_unlock WHERE credential > $1 AND credential <= $2 UNION SELECT hash FROM session_handle WHERE parent IS NOT "
    "NULL AND hash > $1 AND hash <= $2";

}  // namespace

Result<void> Memory::open(store::Tx& tx) {
  std::int64_t some = 0;
  for (const std::string_view table : {"session", "session_handle"}) {
    auto counted = tx.one("SELECT COUNT(*) FROM (SELECT 1 FROM " + std::string(table) + " LIMIT $1) AS some", {options_.at_start + 1},
                          [&](const store::Row& row) { some = std::max(some, row.integer(0)); });
    if (!counted) return std::move(counted).error();
  }
  if (some <= options_.at_start) return load(tx);
  filled_sessions_.emplace();
  return raise_mark(tx);
}

Result<void> Memory::raise_mark(store::Tx& tx) const {
  if (!options_.raise_mark) return {};
  auto mark = tx.one("SELECT wall FROM clock_mark WHERE id = 1", {}, [&](const store::Row& row) { options_.raise_mark(row.time(0)); });
  if (!mark) return std::move(mark).error();
  return {};
}

Result<void> Memory::fill(store::Tx& tx) {
  if (whole()) return {};
  return filled_sessions_ ? fill_sessions(tx) : fill_handles(tx);
}

Result<void> Memory::fill_sessions(store::Tx& tx) {
  std::unordered_map<SessionId, SessionEntry> some;
  const SessionId from = *filled_sessions_;
  SessionId last = from;
  auto rows = tx.query(with(kSession, kSessionsAfter), {from, kChunk}, [&](const store::Row& row) {
    last = row.id<SessionId>(0);
    some.emplace(last, session_of(row, options_.boot_id));
    return true;
  });
  if (!rows) return rows;
  if (some.empty()) {
    filled_sessions_.reset();
    return {};
  }
  auto proofs = tx.query(with(kProof, kProofsOf), {from, last}, [&](const store::Row& row) {
    const auto at = some.find(row.id<SessionId>(0));
    if (at != some.end()) at->second.evidence.add(proof_of(row, options_.boot_id));
    return true;
  });
  if (!proofs) return proofs;
  for (auto& [id, entry] : some) put_session(id, std::move(entry));
  filled_sessions_ = last;
  return {};
}

Result<void> Memory::fill_handles(store::Tx& tx) {
  const HandleKey from = filled_handles_;
  HandleKey last = from;
  std::int64_t read = 0;
  auto rows = tx.query(with(kHandle, kHandlesAfter), {from, kChunk}, [&](const store::Row& row) {
    ++read;
    const auto key = digest_of(row.blob(9));
    if (!key) return true;
    last = *key;
    if (handles_.read(*key, [](const HandleEntry&) {})) return true;  // the feed has brought it, with all that belongs to it
    auto entry = records_.handle_of(row);
    if (!entry) log::error("a credential cannot be read", {{"detail", entry.error().detail}});
    if (entry && *entry) put_handle(*key, std::move(**entry));
    return true;
  });
  if (!rows) return rows;
  auto more = read_more(tx, kMoreOf, {from, last});
  if (!more) return more;
  filled_handles_ = last;
  if (read == 0) whole_.store(true, std::memory_order_release);
  return {};
}

net::Task<> Sessions::fill(net::Core& core) {
  constexpr std::chrono::milliseconds pause{1'000};
  const auto begun = std::chrono::steady_clock::now();
  if (whole()) co_return;
  auto read_on = [](store::Tx& tx) -> Result<void> {
    tx.changed(kFillTopic, {});
    return {};
  };
  while (!whole() && !stopping_.load()) {
    // One turn at a time: what others write goes in between.
    const Result<void> done = co_await database_.write(read_on);
    if (!done || memory_.stuck()) co_await net::sleep_for(core, pause);
  }
  if (!whole()) co_return;  // it is to stop
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
  log::info("all sessions are in memory", {{"sessions", size()}, {"ms", took.count()}});
}

net::Task<Result<void>> Sessions::recall(Secret token) {
  if (whole()) co_return Result<void>{};
  std::optional<HandleKey> key;
  for (const crypto::HandlePrefix prefix : {crypto::kControlSession, crypto::kAccessToken, crypto::kApiKey, crypto::kChildToken}) {
    if (!key) key = mint_.check(token.reveal_text(), prefix);
  }
  if (!key || memory_.handles().read(*key, [](const HandleEntry&) {})) co_return Result<void>{};
  auto job = [k = *key](store::Tx& tx) -> Result<void> {
    SessionId session;
    auto found = tx.one("SELECT session FROM session_handle WHERE hash = $1", {k}, [&](const store::Row& row) { session = row.id<SessionId>(0); });
    if (!found) return std::move(found).error();
    if (!*found) return {};
    // The feed reads both anew: the session first, which holds its credentials.
    if (!session.is_nil()) tx.changed(kSessionTopic, session.bytes);
    tx.changed(kHandleTopic, k);
    return {};
  };
  Result<void> done = co_await database_.write(job);
  co_return done;
}

net::Task<Result<void>> Sessions::recall(SessionId session) {
  if (whole() || memory_.sessions().read(session, [](const SessionEntry&) {})) co_return Result<void>{};
  auto job = [session](store::Tx& tx) -> Result<void> {
    tx.changed(kSessionTopic, session.bytes);
    return {};
  };
  Result<void> done = co_await database_.write(job);
  co_return done;
}

}  // namespace vestibule::session
