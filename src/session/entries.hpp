#pragma once
// What memory holds of sessions and credentials: immutable entries of the tables that every core reads.
// Private to the room.

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "domain/evidence.hpp"
#include "policy/scope.hpp"
#include "session/newer.hpp"
#include "session/session.hpp"

namespace vestibule::session {

/// What changes without the store's feed: when a session was last used.
struct Live : Listed<Live> {
  explicit Live(SessionId session) noexcept : id(session) {}
  const SessionId id;
  std::atomic<std::int64_t> wall{0};
  std::atomic<std::int64_t> boot{kNoBoot};
  std::atomic<Reason> over{Reason::ok};  // was found ended or idle: stays so
  static constexpr std::int64_t kNoBoot = BootTime::min().time_since_epoch().count();
};

struct SessionEntry {
  UserId user{};
  WallTime created{}, ends{};
  BootTime created_boot = domain::Proof::no_boot;
  Flags flags;
  domain::Evidence evidence;
  std::shared_ptr<Live> live;
  SessionId parent{};  ///< of a token family: the session whose owner consented
};

/// When and from where a key was last used. Noted on the path of requests, at most once a minute; whoever
/// comes while another notes lets it be.
class KeyUse : public Listed<KeyUse> {
 public:
  explicit KeyUse(const HandleKey& of) noexcept : key(of) {}
  const HandleKey key;
  struct Last {
    WallTime at{};
    domain::Source source{};
  };
  /// True: it is newer than its row now.
  [[nodiscard]] bool note(const domain::Source& source, Instant now) noexcept;
  [[nodiscard]] Last last() noexcept;

 private:
  std::atomic<std::int64_t> noted_{0};
  std::atomic_flag busy_;
  Last last_;
};

/// Evidence for one credential at one source: the proof given for that very act, and what the person who
/// gave it knew.
struct Unlock {
  SourceKey source;
  std::string access_point;  ///< empty: every one
  WallTime made{}, ends{};
  BootTime made_boot = domain::Proof::no_boot;
  std::array<domain::Proof, 2> proofs{};
  std::size_t count = 0;
};

/// What a credential has beyond a name of its session. Not changed once it is in the table.
struct Grant {
  domain::Via via;
  policy::Scope scope;
  Bound bound;  ///< of a token family, or of a service's token
  std::optional<HandleKey> parent;  ///< of a service's token: the key that it was got with, whose unlocks count
  std::vector<Unlock> unlocks;
  UserId sponsor{};  ///< of a service's credential: who answered for it when the unlocks were read
  std::shared_ptr<KeyUse> use;  ///< of an API key
};

struct HandleEntry {
  SessionId session{};  ///< nil: an API key, or what a service got with one; no session stands behind it
  UserId owner{};       ///< of such a one
  Audience audience{};
  WallTime created{}, ends{};
  BootTime created_boot = domain::Proof::no_boot;
  std::unique_ptr<Grant> grant;  ///< null: nothing of the kind
  [[nodiscard]] bool is_key() const noexcept { return session.is_nil(); }
  [[nodiscard]] bool over(Instant now) const noexcept;
};

/// The greater of both clocks' elapsed times, never negative (promise 3).
[[nodiscard]] Duration elapsed(WallTime wall, BootTime boot, Instant now) noexcept;
/// Adds proofs; a younger one of the same factor and kind stays.
void add_younger(domain::Evidence& evidence, std::span<const domain::Proof> proofs, Instant now) noexcept;
/// Adds what unlocks give to a caller who comes so.
void add_unlocked(domain::Evidence& evidence, std::span<const Unlock> unlocks, const Presented& at, Instant now) noexcept;

}  // namespace vestibule::session
