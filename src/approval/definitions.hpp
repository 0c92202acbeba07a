#pragma once
// What tool servers say of their tools, as it was first seen or last accepted. A tool whose definition is another
// one than that sleeps: it is listed to nobody and cannot be called, until an administrator has looked ("rug pull":
// a server that is trusted first and rewrites its words to the model later).

#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "approval/definition.hpp"
#include "audit/log.hpp"
#include "base/clock.hpp"
#include "identity/actor.hpp"
#include "identity/users.hpp"
#include "net/task.hpp"
#include "store/database.hpp"

namespace vestibule::approval {

using identity::Actor;

/// One tool as people see it.
struct KnownTool {
  std::string access_point, tool;
  Digest accepted{};          ///< fingerprint of what may be called
  std::string accepted_text;  ///< of one tool only, see find(); may be empty after a crash at its first sight
  WallTime since{};           ///< when it was first seen or accepted
  std::string by;             ///< who accepted it; empty: nobody, it was the first sight
  bool asleep = false;
  Digest shown{};             ///< asleep: fingerprint of what the server says now
  std::string shown_text;     ///< as accepted_text; empty also if it is too long to be accepted
  WallTime changed{};         ///< when it fell asleep
};

/// Something that look() has learnt and that is not stored yet.
struct Sighting {
  std::string access_point;
  Definition definition;
  bool first = false;           ///< nobody knew it before
  Digest accepted{};            ///< what may be called as before
  std::uint64_t revision = 0;   ///< later ones win, however they reach the store
};

/// Owned by app, made before Database::start(); outlives gate and proxies. Thread-safe. Memory decides; the store
/// follows.
class Definitions {
 public:
  static constexpr std::size_t kMostTools = 2'000;                           ///< of an access point
  static constexpr std::size_t kMostBytes = std::size_t{16} << 20U;  ///< of their texts when first seen

  static Result<std::unique_ptr<Definitions>> open(store::Database& database, identity::Users& users, audit::Log& log, const Clock& clock);
  Definitions(const Definitions&) = delete;
  Definitions& operator=(const Definitions&) = delete;

  /// Whether a tool may be shown that its server defines so. What was not known before is trusted, what has changed
  /// sleeps from this moment on; both, and what somebody else has brought and is not stored yet, are added to `news`,
  /// which goes to keep() before anything of the answer goes out. False also for what cannot be read, or is more than
  /// is kept (the log says so, once a minute). One answer may name a tool twice: look at all of it before any is shown.
  [[nodiscard]] bool look(std::string_view access_point, std::string_view definition, std::vector<Sighting>& news);
  /// Stores what was learnt, records first sights and what fell asleep, and tells administrators of the latter. `by`:
  /// whose request brought it. On failure nothing of it may be shown: first sights are forgotten and what sleeps sleeps
  /// on, so that both are news again the next time.
  net::Task<Result<void>> keep(std::vector<Sighting> news, Actor by);

  /// Takes a lock for a moment: for acts that name a tool.
  [[nodiscard]] bool asleep(std::string_view access_point, std::string_view tool) const noexcept;
  /// Whether its server says that it destroys, as the definition has it that may be called. Takes a lock for a moment.
  [[nodiscard]] bool destructive(std::string_view access_point, std::string_view tool) const noexcept;
  /// How many sleep. Looks at all: for people who ask for the gateway's state.
  [[nodiscard]] std::size_t sleeping() const noexcept;

  /// By access point and name; empty: of all. Without texts.
  net::Task<Result<std::vector<KnownTool>>> list(std::string access_point) const;
  /// With its texts. not_found.
  net::Task<Result<KnownTool>> find(std::string access_point, std::string tool) const;
  /// In the job in which `by` gave a proof for this: the tool may be called again as `digest` says. not_found;
  /// conflict: it is awake, too long to be read, or its server says something else by now. Confirmations of its calls that
  /// are not used yet expire: they were given for something else. Gives what accepted() is told once the job has committed.
  Result<std::uint64_t> accept_in(store::Tx& tx, std::string_view access_point, std::string_view tool, const Digest& digest, const Actor& by);
  /// Wakes it, unless its server has said anything else meanwhile.
  void accepted(std::string_view access_point, std::string_view tool, const Digest& digest, std::uint64_t revision);

 private:
  struct Entry {
    Digest accepted{}, shown{};
    bool asleep = false;
    bool stored = false;         // its first sight
    bool destructive = false, shown_destructive = false;
    std::uint64_t revision = 0;  // of what was learnt last
    std::size_t bytes = 0;       // of the text that was first seen
  };
  struct Shelf {  // of one access point
    std::map<std::string, Entry, std::less<>> tools;
    std::size_t bytes = 0;
  };
  Definitions(store::Database& database, identity::Users& users, audit::Log& log, const Clock& clock);
  Result<void> load(store::Tx& tx);
  /// False: of what seemed to be a first sight the store knows another one. Then it is a change.
  Result<bool> put_in(store::Tx& tx, const Sighting& s, const Actor& by, Instant now);
  Result<void> put_change_in(store::Tx& tx, const Sighting& s, const Actor& by, Instant now);
  /// What memory makes of a write. Under the lock.
  void learn(const Sighting& s, bool stored, bool agreed);
  void record(store::Tx& tx, std::string_view operation, const Actor& by, const Sighting& s, Instant now) const;

  store::Database& database_;
  identity::Users& users_;
  audit::Log& log_;
  const Clock& clock_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, Shelf, std::less<>> shelves_;
  std::uint64_t revision_ = 0;
};

}  // namespace vestibule::approval
