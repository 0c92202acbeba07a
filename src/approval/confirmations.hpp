#pragma once
// Confirmations: a person's factor bound to one exact tool call. Opened when policy asks for one, signed by the
// person (or by others who may), used once, in the transaction in which the call's record is written.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "approval/action.hpp"
#include "audit/log.hpp"
#include "crypto/sealed.hpp"
#include "factors/factors.hpp"
#include "identity/users.hpp"
#include "store/database.hpp"

namespace vestibule::approval {

using identity::Actor;

/// In the store's change feed; the key is an account that it concerns, empty: everybody.
inline constexpr std::string_view kConfirmationTopic = "confirmation";

inline constexpr std::size_t kMostAtOnce = 24;  ///< signed as one list

/// Numbers stand in rows: frozen.
enum class Stage : std::uint8_t {
  waiting = 0,     ///< for a signature, or for more of them
  confirmed = 1,   ///< all signatures are there; not used yet
  dispatched = 2,  ///< used: the call was let out
  declined = 3,
  not_me = 4,      ///< the person says that it was somebody else
  withheld = 5,    ///< used, and stopped or revoked before a byte went out
};
[[nodiscard]] std::string_view name(Stage stage) noexcept;

/// What a held call asks for. id, policy and expires of the action are filled in here.
struct Wanted {
  Action action;                ///< its account: whose call it is; of a service account: the service's
  Digest credential{};          ///< hash of what the call showed
  std::string source_key;
  domain::Requirement need;     ///< of the decision; its confirmation is not none
};

struct Signature {
  UserId user{};
  std::string user_name;
  domain::FactorKind kind{};
  bool bound = false;           ///< it signs the call itself
  WallTime at{};
};

struct Confirmation {
  ConfirmationId id{};
  std::string action;           ///< canonical text: all that is signed
  std::string arguments;        ///< raw, as they would be let out
  Digest digest{};              ///< of the action
  std::string access_point, tool;
  UserId account{};             ///< whose call it is
  Digest credential{};
  domain::Requirement need;
  WallTime created{}, expires{};
  Stage stage = Stage::waiting;
  std::vector<Signature> signatures;
  std::optional<WallTime> ran_before;  ///< when the same call was last let out, within a day
  std::string justification;
};

struct ConfirmationOptions {
  Duration lives = std::chrono::minutes(5);
  Duration lives_others = std::chrono::minutes(30);  ///< what others confirm: they have to be found
  Duration keeps = std::chrono::hours(24 * 90);  ///< what was dispatched, for receipts
  int most = 48;                                 ///< that wait, an account
  int most_of_one = 24;                          ///< of these, by one credential: a thief's flood leaves room for its owner's others
  int most_an_hour = 480;                        ///< that were asked for, an account
  int most_an_hour_of_one = 240;
  int bells = 6;                                 ///< an account, within `bell_window`
  Duration bell_window = std::chrono::minutes(15);
  std::size_t rung = 20;                         ///< people who are rung for one call that others confirm
  Duration refuses = std::chrono::hours(1);      ///< a credential at a source, after "it was not me" or "put it to sleep"
  Duration wait = std::chrono::hours(72);        ///< promise 5: of accounts that are new, reset or were given roles
  /// Takes away what was opened for this credential at this source before; in the job of "it was not me" and
  /// "put it to sleep". May be empty.
  std::function<Result<void>(store::Tx&, const Digest& credential, std::string_view source_key)> shut_in;
};

struct ConfirmationRow;  // private to the room

/// Owned by app, made before Database::start() and after Factors. Thread-safe; functions ending in _in belong
/// into a write job.
class Confirmations {
 public:
  static Result<std::unique_ptr<Confirmations>> open(store::Database& database, const crypto::KeyRing& keys, identity::Users& users,
                                                     factors::Factors& factors, audit::Log& log, const Clock& clock, Rng& rng,
                                                     ConfirmationOptions options);
  Confirmations(const Confirmations&) = delete;
  Confirmations& operator=(const Confirmations&) = delete;

  // --- the held call
  struct Asked {
    ConfirmationId id{};
    Stage stage = Stage::waiting;
  };
  /// One for each call of a reply, in its order, all or none. One that waits, or is confirmed and not used, for
  /// the same call (Sameness) is found again; what was declined stays so until it expires. body_not_json:
  /// arguments that have no one canonical form; body_too_large: more than a person reads (64 KB); overloaded: too many
  /// wait, or were asked for within the hour; push_not_me: this credential was
  /// disowned here; user_disabled. `by`: the caller, for the record.
  net::Task<Result<std::vector<Asked>>> ask(std::vector<Wanted> calls, Actor by);
  /// From memory; nothing once it has expired.
  [[nodiscard]] std::optional<Stage> stage(ConfirmationId id) const;
  /// In the job that writes the dispatch record. Used by this statement, once, if it is confirmed and has not
  /// expired, these are its raw arguments, this its policy, no more is asked for now, and every signature still counts:
  /// its factor is there, its account stands. confirmation_expired, confirmation_void. Gives what the record names.
  struct Used {
    Digest action{};
    std::vector<domain::Proof> proofs;  ///< of each signature
    bool carries = false;               ///< it may be carried, once let_out() was said of it
  };
  Result<Used> use_in(store::Tx& tx, ConfirmationId id, const Digest& raw_arguments, const Digest& policy,
                      const domain::Requirement& present, Instant now);

  // --- a call of a tool server that was confirmed as a call of a model's reply (carrying.cpp)
  struct Carrying {
    UserId account{};
    Digest credential{};                ///< hash of what the call showed
    std::string source_key;
    ToolPlace place;
    std::string arguments;              ///< JSON text; what counts is its canonical form
    Digest policy{};
    /// Whether calls confirmed there may still be made at `place`: what was signed may name a mapping that the
    /// operator has taken out since. Asked on another thread.
    std::function<bool(const ToolPlace& from)> mapped;
  };
  /// One that its account has had let out from there within its time, whose action names this place and these
  /// arguments, that was not carried yet, and that is good for what is asked for now. Void for ever where since then
  /// somebody has disowned or put to sleep what asked, the account or one that signed was shut out, or the tool has
  /// changed; no more while it is not `mapped`. A look: what decides is carry_in().
  net::Task<Result<std::optional<ConfirmationId>>> find_carried(Carrying call, domain::Requirement present) const;
  /// As use_in(), once: what was signed is good for this call too.
  Result<Used> carry_in(store::Tx& tx, ConfirmationId id, const Carrying& call, const domain::Requirement& present, Instant now);

  /// It was used, and nothing has come in between: from now on it may be carried.
  net::Task<Result<void>> let_out(ConfirmationId id);
  /// It was used, and then kept in after all: no receipt says that it was let out.
  net::Task<Result<void>> withhold(ConfirmationId id);

  // --- people (confirming.cpp); nobody hears of what is neither his nor his to sign: not_found
  /// That wait, of his own, of services that he answers for, and of others that he may sign; the oldest first.
  net::Task<Result<std::vector<Confirmation>>> list(UserId person) const;
  net::Task<Result<Confirmation>> look(UserId person, ConfirmationId id) const;
  /// Those that are to be signed as one list, in this order. not_found, conflict (answered), confirmation_expired.
  Result<std::vector<Confirmation>> waiting_in(store::Tx& tx, UserId person, std::span<const ConfirmationId> ids, Instant now) const;
  /// In the job in which `by`, whose evidence is that of his session, gave `given` for purpose_of() of their
  /// digests. not_eligible (the detail says why), mfa_required (this factor does not count for it), conflict.
  Result<void> sign_in(store::Tx& tx, std::span<const Confirmation> list, const Actor& by, const factors::Given& given,
                       std::string_view justification, Instant now);
  /// Why this person may not sign it; empty if he may.
  Result<std::string> why_not_in(store::Tx& tx, const Confirmation& c, UserId person) const;
  /// What he has signed counts no more; until it is used.
  net::Task<Result<void>> withdraw(ConfirmationId id, Actor by);
  enum class Refusal : std::uint8_t {
    decline,  ///< this call
    sleep,    ///< and nothing more of this credential from there for an hour
    not_me,   ///< and the person is warned
  };
  net::Task<Result<void>> refuse(ConfirmationId id, Refusal how, Actor by);

  // --- receipts (receipts.cpp, receipt.hpp): of what was confirmed; not_found also where nobody has, or the records are
  // erased, conflict while no checkpoint covers them
  /// For whoever asked, signed or may sign.
  net::Task<Result<std::string>> receipt(UserId person, ConfirmationId id) const;
  /// For the gateway, which shows it to the tool server.
  net::Task<Result<std::string>> receipt(ConfirmationId id) const;

  // --- upkeep
  net::Task<Result<void>> maintain();
  /// Rings once more for what others have not confirmed when half of its time is over. Every few seconds.
  net::Task<Result<void>> remind();
  /// As Factors' functions of these names.
  Result<std::int64_t> reseal_in(store::Tx& tx) const;
  Result<std::int64_t> sealed_by(store::Tx& tx, std::uint32_t key) const;

 private:
  struct Known {
    Stage stage{};
    WallTime expires{};
  };
  /// What was used, as its row had it.
  struct Taken {
    ConfirmationId id{};
    UserId account{};
    Digest action{};
    domain::Requirement need;
  };
  Confirmations(store::Database& database, const crypto::KeyRing& keys, identity::Users& users, factors::Factors& factors,
                audit::Log& log, const Clock& clock, Rng& rng, ConfirmationOptions options);
  Result<void> load(store::Tx& tx);
  Result<Asked> ask_in(store::Tx& tx, Wanted wanted, const Actor& by, Instant now, std::span<const Asked> taken);
  /// Whether all that was signed still counts, and no more is asked for than was then. confirmation_void.
  /// `signers`: adds whose signatures those are, and does not ask whether they are in good standing: for readers, since
  /// memory is for the cores and the writer.
  Result<Used> still_in(store::Tx& tx, const Taken& taken, const domain::Requirement& present, std::vector<UserId>* signers = nullptr) const;
  /// Rings those who are named as approvers, may sign and have not (approvers.cpp).
  Result<void> ring_approvers_in(store::Tx& tx, ConfirmationId id, UserId account, const domain::Requirement& need) const;
  Result<std::string> receipt_in(store::Tx& tx, const Confirmation& c) const;
  Result<void> sweep_in(store::Tx& tx, WallTime now) const;
  Result<void> sleep_in(store::Tx& tx, const ConfirmationRow& row, Refusal how, const Actor& by, Instant now);
  Result<std::string> why_not_in(store::Tx& tx, UserId account, const domain::Requirement& need, UserId person) const;
  Result<void> tell_in(store::Tx& tx, UserId account, const domain::Requirement& need) const;
  Result<bool> sees_in(store::Tx& tx, const Confirmation& c, UserId person) const;
  Result<Confirmation> seen_in(store::Tx& tx, UserId person, ConfirmationId id) const;
  Result<std::optional<Confirmation>> read_in(store::Tx& tx, ConfirmationId id) const;
  Result<void> signatures_in(store::Tx& tx, Confirmation& c) const;
  void record(store::Tx& tx, std::string_view operation, const Actor& by, const Confirmation& about, std::string_view note, Instant now,
              audit::Log::Cover cover = audit::Log::Cover::in_time) const;

  store::Database& database_;
  const crypto::KeyRing& keys_;
  identity::Users& users_;
  factors::Factors& factors_;
  audit::Log& log_;
  const Clock& clock_;
  Rng& rng_;
  ConfirmationOptions options_;
  mutable std::mutex mutex_;  // only calls that are held come here
  std::unordered_map<ConfirmationId, Known> known_;  // what is alive; by the store's feed
};

}  // namespace vestibule::approval
