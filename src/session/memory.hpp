#pragma once
// Sessions and credentials as every core reads them, without a lock. The store's feed alone writes here.
// Private to the room.

#include <atomic>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/snapshot_table.hpp"
#include "session/entries.hpp"
#include "session/options.hpp"
#include "session/records.hpp"
#include "store/database.hpp"

namespace vestibule::session {

class Memory {
 public:
  Memory(const Records& records, const Options& options);

  // --- any core
  [[nodiscard]] const SnapshotTable<SessionId, SessionEntry>& sessions() const noexcept { return sessions_; }
  [[nodiscard]] const SnapshotTable<HandleKey, HandleEntry, HandleHash>& handles() const noexcept { return handles_; }
  [[nodiscard]] std::size_t size() const noexcept { return count_.load(std::memory_order_relaxed); }

  /// All that lives is here. Set once; until then what is not here may be in the store.
  [[nodiscard]] bool whole() const noexcept { return whole_.load(std::memory_order_acquire); }
  /// The last attempt to read on has failed: whoever asks for the next one waits a little.
  [[nodiscard]] bool stuck() const noexcept { return stuck_.load(std::memory_order_relaxed); }

  /// That it was used; stored later.
  void note_seen(const SessionEntry& session, Instant now) const noexcept;
  void note_use(const HandleEntry& key, const domain::Source& source, Instant now) const noexcept;

  // --- the feed's thread, or start-up
  /// Everything, or, where that would take long, what comes first: the rest is fetched chunk by chunk (kFillTopic).
  Result<void> open(store::Tx& tx);
  Result<void> load(store::Tx& tx);  ///< everything (reading.cpp)
  void on_changes(store::Tx& tx, std::span<const store::Change> changes);

  // --- in write jobs
  /// When this session was last used, which is newer than its row; null for one that is not known here.
  [[nodiscard]] std::shared_ptr<Live> live(SessionId id) const;
  /// What is newer here than in the rows: when sessions were last used, and when and from where keys were.
  Result<void> store_seen_in(store::Tx& tx);
  Result<void> store_uses_in(store::Tx& tx);

 private:
  // What the feed's thread alone keeps of a session.
  struct Kept {
    std::shared_ptr<Live> live;
    std::vector<HandleKey> handles;
  };
  /// The next sessions in order of their ids, then the next credentials in order of their hashes (filling.cpp).
  Result<void> fill(store::Tx& tx);
  Result<void> fill_sessions(store::Tx& tx);
  Result<void> fill_handles(store::Tx& tx);
  /// Credentials of which more is to be read than their row: what was unlocked for them, what they have from a key.
  Result<void> read_more(store::Tx& tx, std::string_view which, std::initializer_list<store::Param> params);
  Result<void> raise_mark(store::Tx& tx) const;
  void put_session(SessionId id, SessionEntry entry);
  void put_handle(const HandleKey& key, HandleEntry entry);
  void take_handle(store::Tx& tx, const HandleKey& key);
  void drop_session(SessionId id);
  void drop_handle(const HandleKey& key);

  const Records& records_;
  const Options& options_;
  SnapshotTable<SessionId, SessionEntry> sessions_;
  SnapshotTable<HandleKey, HandleEntry, HandleHash> handles_;
  std::unordered_map<SessionId, Kept> kept_;
  std::unordered_map<HandleKey, std::shared_ptr<KeyUse>, HandleHash> uses_;  // of API keys
  mutable Newer<Live> seen_;
  mutable Newer<KeyUse> used_;
  std::atomic<std::size_t> count_{0};
  // How far fill() has come; nothing: all sessions are here.
  std::optional<SessionId> filled_sessions_;
  HandleKey filled_handles_{};
  std::atomic<bool> whole_{false}, stuck_{false};
};

}  // namespace vestibule::session
