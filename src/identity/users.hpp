#pragma once
// Accounts: who exists, with which roles and groups, and their passwords. Set-up of the first
// administrator, enrolment codes, guessing counters.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "audit/log.hpp"
#include "base/secret.hpp"
#include "base/snapshot_table.hpp"
#include "crypto/handle.hpp"
#include "crypto/password.hpp"
#include "crypto/sealed.hpp"
#include "identity/actor.hpp"
#include "identity/bars.hpp"
#include "identity/guess.hpp"
#include "identity/notices.hpp"
#include "identity/password.hpp"
#include "identity/password_rules.hpp"
#include "identity/user.hpp"
#include "net/blocking_pool.hpp"
#include "store/database.hpp"
#include "store/denials.hpp"

namespace vestibule::identity {

struct Options {
  std::filesystem::path common_passwords = "/usr/share/john/password.lst";
  PasswordRules rules;
  crypto::PasswordCost cost;                     ///< of new hashes; older ones are renewed at sign-in
  std::uint64_t password_memory_kib = 256 * 1024; ///< what all hashing at once may take
  std::size_t password_waiters = 64;              ///< beyond: overloaded
  std::chrono::minutes setup_ttl{30};
  std::chrono::hours enrolment_ttl{24};
  // Guessing (see guess.hpp for what they do)
  int free_guesses = 5;                           ///< for a name from one source, between back-offs
  Duration first_back_off = std::chrono::seconds(30);
  Duration most_back_off = std::chrono::hours(1);
  int free_guesses_name = 20;                     ///< for a name from all sources that never succeeded
  Duration name_interval = std::chrono::seconds(5); ///< then: one such guess in this time, never less
  int free_guesses_source = 30;                   ///< for all names from one source; one is forgiven a minute
  store::Denials* denials = nullptr;              ///< keeps bars that the store refuses; none: memory alone
};

/// Owned by app, made before Database::start(), outlives every task. Thread-safe; tasks run on cores.
/// Functions ending in _in belong into a write job: they change the rows and append the audit record,
/// and memory follows once the job has committed.
class Users {
 public:
  static Result<std::unique_ptr<Users>> open(store::Database& database, const crypto::KeyRing& keys,
                                             const crypto::HandleMint& mint, net::BlockingPool& pool,
                                             audit::Log& log, const Clock& clock, Rng& rng, Options options);
  ~Users();

  // --- looking up: lock-free, no allocation
  /// For routes of administrators; sign-in asks verify_password().
  [[nodiscard]] std::optional<UserId> find(std::string_view name) const noexcept;
  /// Calls f(const User&) if there is such a user. On a core; f must not block or read other tables.
  template <class F>
  bool read(UserId id, F&& f) const {
    return table_.read(id, [&](const Entry& e) { f(e.user); });
  }
  /// asleep: a service account that nobody in good standing answers for.
  enum class Standing : std::uint8_t { good, disabled, unknown, asleep };
  /// Also disabled: one whom disable() has barred although the store could not be written.
  [[nodiscard]] Standing standing(UserId id) const noexcept;
  /// Fills in name, roles and groups, and the sponsor. Same verdict as standing().
  [[nodiscard]] Standing fill(UserId id, domain::Subject& out) const noexcept;
  [[nodiscard]] net::Task<Result<std::vector<User>>> list() const;
  [[nodiscard]] net::Task<Result<User>> get(UserId id) const;
  /// False: the list of common passwords is missing; app and doctor say so.
  [[nodiscard]] bool common_list_loaded() const noexcept { return common_loaded_; }

  // --- passwords
  /// Checks the rules, then hashes. password_weak, invalid_argument (name), overloaded.
  net::Task<Result<PreparedPassword>> prepare(std::string name, Secret password);
  /// Charges first, then verifies. signin_failed for whatever is wrong (no such name, no password,
  /// disabled, wrong), at the same cost; password_locked while guesses are slowed; store_unavailable,
  /// overloaded. The charge is refunded by accept_in(), in the job that opens the session.
  net::Task<Result<Verified>> verify_password(std::string name, Secret password, Actor by);
  /// Refunds and stores a renewed hash. conflict if the account changed since (disabled, password).
  Result<void> accept_in(store::Tx& tx, const Verified& verified, Instant now);
  /// Sets the password of a user whose caller has proved what the route asks for. He gets a notice.
  Result<void> set_password_in(store::Tx& tx, UserId user, const PreparedPassword& password, const Actor& by);
  net::Task<Result<void>> set_password(UserId user, Secret password, Actor by);

  // --- administration
  struct Create {
    std::string name;
    std::string display;
    std::vector<std::string> roles{std::string(domain::role::member)};
    std::vector<std::string> groups;
  };
  Result<UserId> create_in(store::Tx& tx, const Create& what, const Actor& by);
  Result<void> set_roles_in(store::Tx& tx, UserId user, const std::vector<std::string>& roles, const Actor& by);
  Result<void> set_groups_in(store::Tx& tx, UserId user, const std::vector<std::string>& groups, const Actor& by);
  Result<void> set_display_in(store::Tx& tx, UserId user, std::string_view display, const Actor& by);
  Result<void> disable_in(store::Tx& tx, UserId user, const Actor& by);
  Result<void> enable_in(store::Tx& tx, UserId user, const Actor& by);
  /// Runs what on_remove() registered in the same job.
  Result<void> remove_in(store::Tx& tx, UserId user, const Actor& by);
  net::Task<Result<UserId>> create(Create what, Actor by);
  net::Task<Result<void>> set_roles(UserId user, std::vector<std::string> roles, Actor by);
  net::Task<Result<void>> set_groups(UserId user, std::vector<std::string> groups, Actor by);
  net::Task<Result<void>> set_display(UserId user, std::string display, Actor by);
  /// Bars in memory first, then commits. If the store fails, the bar stays and is kept over the end of
  /// the process, maintain() repeats, and the error tells. The last administrator who is not disabled
  /// cannot be disabled, removed or lose the role: conflict.
  net::Task<Result<void>> disable(UserId user, Actor by);
  net::Task<Result<void>> enable(UserId user, Actor by);
  net::Task<Result<void>> remove(UserId user, Actor by);

  /// What rooms above do in the same job: delete their rows of a user who goes, end the sessions of
  /// one who is disabled. Registered before Database::start().
  using Hook = std::function<Result<void>(store::Tx&, UserId)>;
  void on_remove(Hook hook) { remove_hooks_.push_back(std::move(hook)); }
  void on_disable(Hook hook) { disable_hooks_.push_back(std::move(hook)); }
  /// Of one who ceases to be an administrator by losing the role.
  void on_demote(Hook hook) { demote_hooks_.push_back(std::move(hook)); }
  /// Of a service account for which somebody no longer answers, or somebody else does: what was approved and
  /// signed for it ends.
  void on_handover(Hook hook) { handover_hooks_.push_back(std::move(hook)); }
  /// Runs what on_handover() registered; memory follows.
  Result<void> hand_over_in(store::Tx& tx, UserId service);

  // --- set-up of the first administrator
  /// A new set-up token (older ones are void), or nothing if an administrator exists. Blocking, after
  /// Database::start(); app writes it into a file of mode 0600.
  Result<std::optional<Secret>> create_setup_token();
  [[nodiscard]] bool needs_setup() const noexcept { return administrators_.load(std::memory_order_relaxed) == 0; }
  /// Looks only: setup_done, setup_token. What decides is setup_in().
  net::Task<Result<void>> check_setup_token(Secret token) const;
  /// Consumes the token and creates the administrator. setup_done, setup_token.
  Result<UserId> setup_in(store::Tx& tx, std::string_view token, const PreparedPassword& password, const Actor& by);

  // --- enrolment codes: a new user's first password and first second factor, or a reset
  /// A new code; older ones of the user are void. `by` must not be the user.
  Result<Secret> create_enrolment_code_in(store::Tx& tx, UserId user, const Actor& by);
  /// Once the person has a factor: a code of before would be somebody else's way in.
  static Result<void> void_enrolment_code_in(store::Tx& tx, UserId user);
  net::Task<Result<Secret>> create_enrolment_code(UserId user, Actor by);
  /// Looks only: whose it is, to check the password's rules with the name. credential_unknown.
  net::Task<Result<User>> check_enrolment_code(Secret code) const;
  /// Consumes the code and sets the password. The caller (session) ends all sessions of the user and
  /// removes all factors. credential_unknown, user_disabled.
  Result<UserId> use_enrolment_code_in(store::Tx& tx, std::string_view code, const PreparedPassword& password,
                                       const Actor& by);
  /// Notes the time of a factor reset, for eligibility (promise 5).
  Result<void> note_factor_reset_in(store::Tx& tx, UserId user, WallTime now);

  // --- notices (notices.hpp)
  /// For whoever changes what an account proves itself with. Within the job of that change.
  Result<void> notify_in(store::Tx& tx, UserId account, NoticeKind kind, std::string_view text, WallTime now);
  /// The same for every enabled administrator but this one.
  Result<void> notify_administrators_in(store::Tx& tx, UserId but, NoticeKind kind, std::string_view text, WallTime now);
  [[nodiscard]] net::Task<Result<std::vector<Notice>>> notices(UserId account) const;
  /// By their owner. Each that was not seen before leaves a record: whoever hides a warning shows himself.
  net::Task<Result<void>> mark_seen(Actor by, std::vector<NoticeId> ids);

  /// Writes bars that the store refused before; forgets guesses older than a day. Called by
  /// session's maintenance about every 10 s.
  net::Task<Result<void>> maintain();

 private:
  struct Entry {
    User user;
    std::shared_ptr<std::atomic<bool>> barred;
  };
  struct DigestHash {
    std::size_t operator()(const Digest& d) const noexcept {
      std::size_t h = 0;
      std::memcpy(&h, d.data(), sizeof h);
      return h;
    }
  };
  // What the feed's thread alone knows of a user.
  struct Kept {
    std::shared_ptr<std::atomic<bool>> barred;
    Digest name_key{};
    bool disabled = false;
  };
  class Slot;
  struct Guess;

  Users(store::Database& database, const crypto::KeyRing& keys, const crypto::HandleMint& mint,
        net::BlockingPool& pool, audit::Log& log, const Clock& clock, Rng& rng, Options options);
  Result<void> load(store::Tx& tx);
  void take_up_bars();
  Result<void> disable_noted_in(store::Tx& tx, UserId user, const Actor& by, std::string_view note);
  net::Task<Result<void>> store_bars();
  void on_changes(store::Tx& tx, std::span<const store::Change> changes);
  void put(User user);
  void drop(UserId id);
  [[nodiscard]] Digest name_key(std::string_view name) const noexcept;
  [[nodiscard]] Digest source_key(const domain::Source& source) const noexcept;
  Result<Guess> charge_in(store::Tx& tx, std::string_view name, const domain::Source& source, WallTime now);
  net::Task<Result<Slot>> take_slot();
  void bar(UserId user, bool barred) noexcept;
  Result<User> load_in(store::Tx& tx, UserId user) const;
  Result<void> guard_last_administrator(store::Tx& tx, UserId user) const;
  Result<void> put_labels(store::Tx& tx, UserId user, int kind, const std::vector<std::string>& labels) const;
  Result<void> touch(store::Tx& tx, UserId user) const;
  /// The services of a sponsor who is disabled or removed fall asleep: who could wake them is told.
  Result<void> leave_services_in(store::Tx& tx, const User& sponsor, const Actor& by);
  Result<void> store_password_in(store::Tx& tx, UserId user, const PreparedPassword& password, const Actor& by);
  /// Whoever becomes an administrator is told of to all the others.
  Result<void> announce_administrator_in(store::Tx& tx, UserId user, std::string_view name, const Actor& by);
  void record(store::Tx& tx, std::string_view operation, const Actor& by, std::string_view object,
              std::string_view note) const;

  store::Database& database_;
  const crypto::HandleMint& mint_;
  net::BlockingPool& pool_;
  audit::Log& log_;
  const Clock& clock_;
  Rng& rng_;
  Options options_;
  Secret pepper_;
  crypto::HmacKey index_key_;
  CommonPasswords common_;
  bool common_loaded_ = false;
  SnapshotTable<UserId, Entry> table_;  // written by the store's feed alone, as the next two
  SnapshotTable<Digest, UserId, DigestHash> by_name_;
  std::unordered_map<UserId, Kept> kept_;
  std::atomic<std::size_t> administrators_{0};
  std::vector<Hook> remove_hooks_, disable_hooks_, demote_hooks_, handover_hooks_;
  std::atomic<std::int64_t> hashing_{0}, waiting_{0};
  Bars bars_;
};

/// Migrations of this room.
[[nodiscard]] std::span<const store::Migration> migrations();

/// Restore hook: enrolment codes and the set-up token are void.
Result<void> void_after_restore(store::Tx& tx);
/// The clock ran ahead and is right at `now`: what lapses or counts by times after it (codes, waits for
/// guesses, dates that make an account ineligible) lapses, or counts from now on.
Result<void> accept_clock(store::Tx& tx, WallTime now);

}  // namespace vestibule::identity
