// Memory: what the store's feed puts into the tables and takes out of them, and what goes back to the rows.
#include "session/memory.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "session/rows.hpp"

namespace vestibule::session {

Memory::Memory(const Records& records, const Options& options) : records_(records), options_(options) {}

void Memory::on_changes(store::Tx& tx, std::span<const store::Change> changes) {
  for (const store::Change& c : changes) {
    if (c.topic == kSessionTopic) {
      const auto id = SessionId::from(c.key);
      if (!id) {
        auto loaded = load(tx);
        if (!loaded) log::error("sessions could not be read again", {{"detail", loaded.error().detail}});
        continue;
      }
      auto entry = records_.read_session(tx, *id);
      if (entry && *entry) {
        put_session(*id, std::move(**entry));
      } else {
        drop_session(*id);  // gone; and one that cannot be read is denied
      }
    } else if (c.topic == kFillTopic) {
      auto filled = fill(tx);
      if (!filled) log::error("sessions could not be read on", {{"detail", filled.error().detail}});
      stuck_.store(!filled, std::memory_order_relaxed);
    } else if (c.topic == kHandleTopic) {
      if (const auto key = digest_of(c.key)) take_handle(tx, *key);
    }
  }
}

void Memory::take_handle(store::Tx& tx, const HandleKey& key) {
  auto entry = records_.read_handle(tx, key);
  if (!entry || !*entry) {
    drop_handle(key);
    return;
  }
  const bool has_tokens = (*entry)->is_key() && !(*entry)->grant->parent;
  put_handle(key, std::move(**entry));
  if (!has_tokens) return;
  // What was opened for a service's key, its tokens have.
  std::vector<HandleKey> tokens;
  auto listed = tx.query("SELECT hash FROM session_handle WHERE parent = $1", {key}, [&](const store::Row& row) {
    if (const auto token = digest_of(row.blob(0))) tokens.push_back(*token);
    return true;
  });
  if (!listed) log::error("a service's tokens cannot be read", {{"detail", listed.error().detail}});
  for (const HandleKey& token : tokens) take_handle(tx, token);
}

void Memory::put_session(SessionId id, SessionEntry entry) {
  Kept& kept = kept_[id];
  if (!kept.live) {
    kept.live = entry.live;
  } else {
    entry.live = kept.live;  // activity noted here is newer than the row
  }
  sessions_.put(id, std::move(entry));
  count_.store(kept_.size(), std::memory_order_relaxed);
}

void Memory::put_handle(const HandleKey& key, HandleEntry entry) {
  if (entry.is_key()) {
    std::shared_ptr<KeyUse>& use = uses_[key];
    if (!use) use = std::make_shared<KeyUse>(key);
    entry.grant->use = use;
    handles_.put(key, std::move(entry));
    return;
  }
  const auto at = kept_.find(entry.session);
  if (at == kept_.end()) return;  // its session is gone
  if (std::ranges::find(at->second.handles, key) == at->second.handles.end()) at->second.handles.push_back(key);
  handles_.put(key, std::move(entry));
}

void Memory::drop_session(SessionId id) {
  const auto at = kept_.find(id);
  if (at == kept_.end()) return;
  for (const HandleKey& key : at->second.handles) handles_.erase(key);
  sessions_.erase(id);
  kept_.erase(at);
  count_.store(kept_.size(), std::memory_order_relaxed);
}

void Memory::drop_handle(const HandleKey& key) {
  SessionId session;
  handles_.read(key, [&](const HandleEntry& h) { session = h.session; });
  handles_.erase(key);
  uses_.erase(key);
  const auto at = kept_.find(session);
  if (at != kept_.end()) std::erase(at->second.handles, key);
}

std::shared_ptr<Live> Memory::live(SessionId id) const {
  const auto at = kept_.find(id);
  return at == kept_.end() ? nullptr : at->second.live;
}

void Memory::note_seen(const SessionEntry& session, Instant now) const noexcept {
  Live& live = *session.live;
  live.wall.store(now.wall.time_since_epoch().count(), std::memory_order_relaxed);
  live.boot.store(now.boot.time_since_epoch().count(), std::memory_order_relaxed);
  seen_.add(live);
}

void Memory::note_use(const HandleEntry& key, const domain::Source& source, Instant now) const noexcept {
  if (key.grant->use->note(source, now)) used_.add(*key.grant->use);
}

Result<void> Memory::store_seen_in(store::Tx& tx) {
  const auto all = seen_.take();
  for (auto at = all.begin(); at != all.end(); ++at) {
    const Live& live = **at;
    auto seen = tx.run("UPDATE session SET last_seen = $2, seen_boot = $3, seen_boot_id = $4 WHERE id = $1",
                       {live.id, live.wall.load(), live.boot.load(), options_.boot_id});
    if (seen) continue;
    for (; at != all.end(); ++at) seen_.add(**at);
    return std::move(seen).error();
  }
  return {};
}

Result<void> Memory::store_uses_in(store::Tx& tx) {
  const auto all = used_.take();
  for (auto at = all.begin(); at != all.end(); ++at) {
    const KeyUse::Last last = (*at)->last();
    auto put = tx.run("UPDATE api_key SET last_use = $2, last_source = $3 WHERE hash = $1 OR hash IN (SELECT parent FROM "
                      "session_handle WHERE session_handle.hash = $1)", {(*at)->key, last.at, last.source.text()});
    if (put) continue;
    for (; at != all.end(); ++at) used_.add(**at);
    return std::move(put).error();
  }
  return {};
}

}  // namespace vestibule::session
