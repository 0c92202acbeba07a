// Passwords: hashing within a bound of memory, guessing, sign-in's first step.
#include "base/log.hpp"
#include "identity/rows.hpp"
#include "identity/users.hpp"
#include "net/signal.hpp"

namespace vestibule::identity {

/// The right to run one Argon2; given back by the destructor.
class Users::Slot {
 public:
  explicit Slot(std::atomic<std::int64_t>& count) : count_(&count) {}
  Slot(Slot&& o) noexcept : count_(std::exchange(o.count_, nullptr)) {}
  Slot& operator=(Slot&& o) noexcept {
    std::swap(count_, o.count_);
    return *this;
  }
  ~Slot() {
    if (count_ != nullptr) count_->fetch_sub(1);
  }

 private:
  std::atomic<std::int64_t>* count_;
};

/// What the charging job found out. `verified` is what becomes of it if the password is right.
struct Users::Guess {
  Verified verified;
  bool known = false;
  bool disabled = false;
  std::string hash;  // empty: no such user, or no password
};

net::Task<Result<Users::Slot>> Users::take_slot() {
  const auto most = static_cast<std::int64_t>(
      std::max<std::uint64_t>(1, options_.password_memory_kib / std::max<std::uint32_t>(1, options_.cost.memory_kib)));
  net::Core* core = net::Core::current();
  if (core == nullptr) co_return fail(Reason::internal, "hashing is asked for on a core");
  if (waiting_.fetch_add(1) >= static_cast<std::int64_t>(options_.password_waiters)) {
    waiting_.fetch_sub(1);
    co_return fail(Reason::overloaded, "too many passwords wait to be hashed");
  }
  for (int round = 0; round < 50; ++round) {  // of 200 ms at least: ten seconds
    if (hashing_.fetch_add(1) < most) {
      waiting_.fetch_sub(1);
      co_return Slot(hashing_);
    }
    hashing_.fetch_sub(1);
    co_await net::sleep_for(*core, std::chrono::milliseconds(200));
  }
  waiting_.fetch_sub(1);
  co_return fail(Reason::overloaded, "no memory for hashing in time");
}

net::Task<Result<PreparedPassword>> Users::prepare(std::string name, Secret password) {
  if (!valid_name(name)) co_return fail(Reason::invalid_argument, "name: 1 to 64 of a-z 0-9 . _ - @ +");
  Result<void> good = check_password(password.reveal_text(), name, options_.rules, common_);
  if (!good) co_return std::move(good).error();
  Result<Slot> slot = co_await take_slot();
  if (!slot) co_return std::move(slot).error();
  auto work = [this, p = std::move(password)] {
    return crypto::hash_password(p.reveal_text(), pepper_.reveal(), options_.cost, rng_);
  };
  Result<Result<std::string>> hashed = co_await pool_.run(std::move(work));
  if (!hashed) co_return std::move(hashed).error();
  if (!*hashed) co_return std::move(*hashed).error();
  co_return PreparedPassword(std::move(name), std::move(**hashed));
}

Result<Users::Guess> Users::charge_in(store::Tx& tx, std::string_view name, const domain::Source& source,
                                      WallTime now) {
  Guess g;
  g.verified.name_key_ = name_key(name);
  g.verified.source_key_ = source_key(source);
  const GuessLimits limits{options_.free_guesses,      options_.first_back_off, options_.most_back_off,
                           options_.free_guesses_name, options_.name_interval,  options_.free_guesses_source};
  auto charged = charge_guess(tx, limits, g.verified.name_key_, g.verified.source_key_, now);
  if (!charged) return std::move(charged).error();
  g.verified.charged_name_ = *charged;
  auto found = tx.one("SELECT id, password, disabled, version FROM account WHERE name = $1", {name},
                      [&](const store::Row& row) {
                        g.known = true;
                        g.verified.user_ = row.id<UserId>(0);
                        if (!row.null(1)) g.hash = row.text(1);
                        g.disabled = row.integer(2) != 0;
                        g.verified.version_ = row.integer(3);
                      });
  if (!found) return std::move(found).error();
  return g;
}

net::Task<Result<Verified>> Users::verify_password(std::string name, Secret password, Actor by) {
  auto job = [this, name, source = by.source](store::Tx& tx) {
    return charge_in(tx, name, source, clock_.wall());
  };
  Result<Guess> guess = co_await database_.write(std::move(job));
  if (!guess) {
    if (guess.error().code == Reason::password_locked) {
      log_.refuse_unauthenticated(by.source, Reason::password_locked, "vestibule");
    }
    co_return std::move(guess).error();
  }
  Result<Slot> slot = co_await take_slot();
  struct Outcome {
    bool right = false;
    std::string rehash;
  };
  Result<Outcome> outcome = fail(Reason::overloaded);
  if (slot) {
    // Whoever is not there, or has no password, costs one hash all the same.
    auto work = [this, p = std::move(password), hash = guess->hash]() -> Outcome {
      Outcome o;
      if (hash.empty()) {
        o.right = crypto::verify_no_password(p.reveal_text(), pepper_.reveal(), options_.cost);
        return o;
      }
      o.right = crypto::verify_password(p.reveal_text(), hash, pepper_.reveal());
      if (o.right && crypto::needs_rehash(hash, options_.cost)) {
        auto fresh = crypto::hash_password(p.reveal_text(), pepper_.reveal(), options_.cost, rng_);
        if (fresh) o.rehash = std::move(*fresh);
      }
      return o;
    };
    outcome = co_await pool_.run(std::move(work));
  } else {
    outcome = std::move(slot).error();
  }
  if (!outcome) {
    // Nobody looked at the password: the charge goes back. If that fails, the guess stays counted.
    auto undo = [v = guess->verified](store::Tx& tx) {
      return refund_guess(tx, v.name_key_, v.source_key_, v.charged_name_, std::nullopt);
    };
    Result<void> refunded = co_await database_.write(std::move(undo));
    if (!refunded) log::warn("a guess that was not looked at stays counted", {{"detail", refunded.error().detail}});
    co_return std::move(outcome).error();
  }
  if (!outcome->right || !guess->known || guess->disabled || standing(guess->verified.user_) != Standing::good) {
    log_.refuse_unauthenticated(by.source, Reason::signin_failed, "vestibule");
    if (guess->known) {
      audit::Record r;
      r.kind = audit::Kind::sign_in;
      r.now = clock_.now();
      r.at = r.now.wall;
      r.request = by.request;
      r.access_point = "vestibule";
      r.operation = "signin.password";
      r.outcome = domain::Outcome::deny;
      r.reason = guess->disabled && outcome->right ? Reason::user_disabled : Reason::signin_failed;
      r.user = guess->verified.user_;
      r.user_name = name;
      r.source = by.source;
      r.client = by.client;
      auto submitted = log_.submit(r, store::Urgency::soon);
      if (!submitted) log::warn("a failed sign-in is not in the audit log", {{"detail", submitted.error().detail}});
    }
    co_return fail(Reason::signin_failed);
  }
  Verified v = std::move(guess->verified);
  const Instant now = clock_.now();
  v.proof_ = domain::Proof{domain::FactorKind::password, domain::traits_of(domain::FactorKind::password),
                           password_factor(v.user_), now.wall, now.boot};
  v.rehash_ = std::move(outcome->rehash);
  co_return v;
}

Result<void> Users::accept_in(store::Tx& tx, const Verified& v, Instant now) {
  bool stands = false;
  auto found = tx.one("SELECT disabled, version FROM account WHERE id = $1", {v.user_}, [&](const store::Row& row) {
    stands = row.integer(0) == 0 && row.integer(1) == v.version_;
  });
  if (!found) return std::move(found).error();
  if (!stands) return fail(Reason::conflict, "the account changed during sign-in");
  auto refunded = refund_guess(tx, v.name_key_, v.source_key_, v.charged_name_, now.wall);
  if (!refunded) return refunded;
  if (!v.rehash_.empty()) {
    auto renewed = tx.run("UPDATE account SET password = $2 WHERE id = $1", {v.user_, v.rehash_});
    if (!renewed) return std::move(renewed).error();
  }
  return {};
}

Result<void> Users::set_password_in(store::Tx& tx, UserId user, const PreparedPassword& password, const Actor& by) {
  auto stored = store_password_in(tx, user, password, by);
  if (!stored) return stored;
  return notify_in(tx, user, NoticeKind::password_changed, "Your password was changed, from " + by.source.text() + ".",
                   clock_.wall());
}

Result<void> Users::store_password_in(store::Tx& tx, UserId user, const PreparedPassword& password, const Actor& by) {
  const WallTime now = clock_.wall();
  // The rules were checked with this name.
  auto set = tx.run("UPDATE account SET password = $3, password_changed = $4 WHERE id = $1 AND name = $2 AND NOT EXISTS "
                    "(SELECT 1 FROM service WHERE service.account = account.id)",
                    {user, password.name_, password.hash_, now});
  if (!set) return std::move(set).error();
  if (*set != 1) return fail(Reason::user_unknown);
  auto touched = touch(tx, user);
  if (!touched) return touched;
  record(tx, "user.password", by, password.name_, {});
  return {};
}

net::Task<Result<void>> Users::set_password(UserId user, Secret password, Actor by) {
  Result<User> account = co_await get(user);
  if (!account) co_return std::move(account).error();
  std::string name(account->name.view());
  Result<PreparedPassword> prepared = co_await prepare(std::move(name), std::move(password));
  if (!prepared) co_return std::move(prepared).error();
  auto job = [this, user, p = std::move(*prepared), by](store::Tx& tx) {
    return set_password_in(tx, user, p, by);
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

}  // namespace vestibule::identity
