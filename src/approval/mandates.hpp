#pragma once
// Mandates: what a person has signed ahead, with a factor bound to its text, that one API key may do while
// nobody attends. Evidence of its own kind: it opens what it names, as often as it says, and renews nothing.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "approval/mandate.hpp"
#include "audit/log.hpp"
#include "factors/factors.hpp"
#include "identity/users.hpp"
#include "store/database.hpp"

namespace vestibule::approval {

using identity::Actor;

/// In the store's change feed; the key is the owner.
inline constexpr std::string_view kMandateTopic = "mandate";

struct MandateInfo {
  MandateId id{};
  UserId owner{};
  MandateForm form;
  std::int64_t calls_left = 0, tokens_left = 0;
  WallTime made{};
  bool revoked = false;
  domain::Evidence evidence;  ///< what was proved when it was signed
};

/// The right to one call, counted already.
struct Drawn {
  Digest credential{};
  MandateId id{};
  domain::InlineText<48> label;  ///< "mandate:NAME"
};

/// Owned by app, made before Database::start() and after Factors. Thread-safe; functions ending in _in
/// belong into a write job.
class Mandates {
 public:
  static constexpr std::size_t kMost = 32;  ///< that are not over, an account

  static Result<std::unique_ptr<Mandates>> open(store::Database& database, identity::Users& users, factors::Factors& factors,
                                                audit::Log& log, const Clock& clock, Rng& rng);
  Mandates(const Mandates&) = delete;
  Mandates& operator=(const Mandates&) = delete;

  // --- the owner
  /// In the job in which `by`, whose evidence is his session's, gave `proof` for terms.purpose(). What counts
  /// later is this proof, and what he said he knows. mfa_required, push_digits, conflict (too many).
  Result<MandateId> sign_in(store::Tx& tx, const MandateTerms& terms, const Actor& by, const domain::Proof& proof, Instant now);
  /// One action, at once: in memory first. not_found unless it is `owner`'s; nil: anybody's.
  net::Task<Result<void>> revoke(MandateId id, UserId owner, Actor by);
  net::Task<Result<std::vector<MandateInfo>>> list(UserId owner) const;  ///< nil: all; for a week after their end

  // --- the gate
  /// Is there one that may cover this, as far as the act is known? No promise.
  [[nodiscard]] bool might(const Digest& credential, const domain::Act& act, const domain::Source& source,
                           const domain::Requirement& need, WallTime now, policy::Known known) const;
  /// Counts one call down, durably; nothing if no mandate covers it and has one left.
  net::Task<Result<std::optional<Drawn>>> draw(Digest credential, domain::Act act, domain::Source source, domain::Requirement need,
                                               Instant now);
  /// May what was admitted under it go on?
  [[nodiscard]] bool stands(const Drawn& drawn, WallTime now) const;
  /// Tokens of a call that has ended: counted at once, stored with the next call or settle().
  void spend(const Drawn& drawn, std::uint64_t tokens) noexcept;
  net::Task<Result<void>> settle();
  /// For the one who was refused: why the key's mandates do not cover this; empty if it has none.
  [[nodiscard]] std::string why_not(const Digest& credential, const domain::Act& act, const domain::Source& source,
                                    const domain::Requirement& need, WallTime now, policy::Known known) const;

 private:
  struct Entry {
    MandateId id{};
    UserId owner{};
    FactorId factor{};
    MandateTerms terms;
    domain::Evidence evidence;
    Instant made{};
    std::int64_t calls_left = 0, tokens_left = 0;  // as stored
    std::int64_t unsettled = 0;                    // tokens spent, not stored yet
    bool revoked = false;
  };
  Mandates(store::Database& database, factors::Factors& factors, audit::Log& log, const Clock& clock, Rng& rng);
  Result<void> load(store::Tx& tx);
  [[nodiscard]] Result<void> rows(store::Tx& tx, UserId owner, const std::function<void(Entry)>& row) const;
  void on_changes(store::Tx& tx, std::span<const store::Change> changes);
  [[nodiscard]] std::string why_not(const Entry& e, const domain::Act& act, const domain::Source& source,
                                    const domain::Requirement& need, WallTime now, policy::Known known) const;
  void record(store::Tx& tx, std::string_view operation, const Actor& by, const Entry& about, std::string_view note, Instant now) const;

  store::Database& database_;
  factors::Factors& factors_;
  audit::Log& log_;
  const Clock& clock_;
  Rng& rng_;
  // Off the path of requests that a proof lets in: only a key's call that lacks one comes here.
  mutable std::mutex mutex_;
  using Place = std::pair<Digest, MandateId>;
  std::map<Place, Entry> entries_;  // of a credential beside each other; by the feed, and revocations before it
  /// Those of one credential. Under mutex_.
  template <class F>
  void each(const Digest& credential, F f) const {
    for (auto at = entries_.lower_bound({credential, MandateId{}}); at != entries_.end() && at->first.first == credential; ++at) {
      f(at->second);
    }
  }
};

}  // namespace vestibule::approval
