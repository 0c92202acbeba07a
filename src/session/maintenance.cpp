// What goes on beside the requests: last-seen times, revocations that wait for the store, what has expired.
#include "base/log.hpp"
#include "net/signal.hpp"
#include "session/endings.hpp"
#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
namespace {

constexpr Duration kKeepEnded = std::chrono::hours(1);  // so that its client learns why, not only that

}  // namespace

Result<void> Sessions::sweep_in(store::Tx& tx, Instant now) {
  auto seen = memory_.store_seen_in(tx);
  if (!seen) return seen;
  auto used = memory_.store_uses_in(tx);
  if (!used) return used;
  std::vector<std::pair<SessionId, Reason>> over;
  auto listed = tx.query("SELECT id, ends FROM session WHERE ends < $1 OR last_seen < $2",
                         {now.wall - kKeepEnded, now.wall - options_.idle - kKeepEnded}, [&](const store::Row& row) {
                           over.emplace_back(row.id<SessionId>(0), row.time(1) < now.wall ? Reason::session_ended : Reason::session_idle);
                           return true;
                         });
  if (!listed) return listed;
  for (const auto& [id, why] : over) {
    auto ended = records_.end_in(tx, id, why);
    if (!ended) return ended;
  }
  std::vector<HandleKey> keys;
  auto expired = tx.query("DELETE FROM session_handle WHERE ends < $1 RETURNING hash", {now.wall - kKeepEnded},
                          [&](const store::Row& row) {
                            if (const auto key = digest_of(row.blob(0))) keys.push_back(*key);
                            return true;
                          });
  if (!expired) return expired;
  for (const HandleKey& key : keys) {
    auto gone = tx.run("DELETE FROM api_key WHERE hash = $1", {key});
    if (!gone) return std::move(gone).error();
    auto locked = lock_credential_in(tx, key);  // who registers a public key again finds it asleep
    if (!locked) return locked;
    tx.changed(kHandleTopic, key);
  }
  auto told = sweep_ends_in(tx, now.wall);
  if (!told) return told;
  auto locked = sweep_unlocks_in(tx, now.wall);
  if (!locked) return locked;
  return records_.raise_mark_in(tx, now);
}

net::Task<Result<void>> Sessions::maintain_once() {
  const std::vector<Denied::Pending> waiting = denied_.waiting();
  for (const Denied::Pending& p : waiting) {
    auto job = [this, p](store::Tx& tx) -> Result<void> {
      auto revoked = records_.revoke_in(tx, p.what, p.by, p.note, Reason::session_revoked, clock_.now());
      return revoked ? denied_.settle_in(tx, p) : revoked;
    };
    Result<void> done = co_await database_.write(std::move(job));
    if (!done) co_return done;
    denied_.lift(p.what);
  }
  auto job = [this](store::Tx& tx) { return sweep_in(tx, clock_.now()); };
  Result<void> swept = co_await database_.write(std::move(job));
  if (!swept) co_return swept;
  Result<void> users = co_await users_.maintain();
  if (!users) co_return users;
  Result<void> factors = co_await factors_.maintain();
  co_return factors;
}

net::Task<> Sessions::maintain(net::Core& core) {
  constexpr std::chrono::milliseconds look_for_stop{200};
  constexpr int rounds = 50;  // ten seconds
  bool failing = false;
  co_await fill(core);
  while (!stopping_.load()) {
    Result<void> done = co_await maintain_once();
    if (!done && !failing) log::warn("maintenance of sessions fails", {{"detail", done.error().detail}});
    failing = !done;
    for (int i = 0; i < rounds && !stopping_.load(); ++i) co_await net::sleep_for(core, look_for_stop);
  }
}

}  // namespace vestibule::session
