#include "identity/users.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "net/signal.hpp"

namespace vestibule::identity {
namespace {

constexpr std::string_view kTopic = "account";
constexpr std::string_view kColumns =
    "SELECT id, name, display, password IS NOT NULL, disabled, version, created, created_by, roles_changed, "
    "factors_reset, reset_by, password_changed FROM account";

User user_from(const store::Row& row) {
  User u;
  u.id = row.id<UserId>(0);
  u.name = domain::UserName(row.text(1));
  u.display = row.text(2);
  u.has_password = row.integer(3) != 0;
  u.disabled = row.integer(4) != 0;
  u.version = row.integer(5);
  u.created = row.time(6);
  u.created_by = row.id<UserId>(7);
  u.roles_changed = row.time(8);
  u.factors_reset = row.time(9);
  u.reset_by = row.id<UserId>(10);
  u.password_changed = row.time(11);
  return u;
}

void add_label(User& u, std::int64_t kind, std::string_view label) {
  (kind == 1 ? u.roles : u.groups).push_back(domain::intern(label));
}

Result<std::vector<User>> read_all(store::Tx& tx) {
  std::vector<User> out;
  std::unordered_map<UserId, std::size_t> where;
  auto users = tx.query(std::string(kColumns) + " ORDER BY name", {}, [&](const store::Row& row) {
    where.emplace(row.id<UserId>(0), out.size());
    out.push_back(user_from(row));
    return true;
  });
  if (!users) return std::move(users).error();
  auto labels = tx.query("SELECT account, kind, label FROM account_label ORDER BY label", {},
                         [&](const store::Row& row) {
                           const auto at = where.find(row.id<UserId>(0));
                           if (at != where.end()) add_label(out[at->second], row.integer(1), row.text(2));
                           return true;
                         });
  if (!labels) return std::move(labels).error();
  return out;
}

Result<std::size_t> count_administrators(store::Tx& tx) {
  std::size_t n = 0;
  auto found = tx.one("SELECT COUNT(*) FROM account_label WHERE kind = 1 AND label = $1", {domain::role::administrator},
                      [&](const store::Row& row) { n = static_cast<std::size_t>(row.integer(0)); });
  if (!found) return std::move(found).error();
  return n;
}

}  // namespace

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

Users::Users(store::Database& database, const crypto::KeyRing& keys, const crypto::HandleMint& mint,
             net::BlockingPool& pool, audit::Log& log, const Clock& clock, Rng& rng, Options options)
    : database_(database),
      mint_(mint),
      pool_(pool),
      log_(log),
      clock_(clock),
      rng_(rng),
      options_(std::move(options)),
      pepper_(keys.derive("password-pepper/v1")),
      index_key_(keys.derive("identity-index/v1")) {}

Users::~Users() = default;

Result<std::unique_ptr<Users>> Users::open(store::Database& database, const crypto::KeyRing& keys,
                                           const crypto::HandleMint& mint, net::BlockingPool& pool, audit::Log& log,
                                           const Clock& clock, Rng& rng, Options options) {
  std::unique_ptr<Users> users(new Users(database, keys, mint, pool, log, clock, rng, std::move(options)));
  auto common = CommonPasswords::load(users->options_.common_passwords);
  if (common) {
    users->common_ = std::move(*common);
    users->common_loaded_ = true;
  } else {
    log::warn("passwords are not compared with a list of common ones (Debian: install john-data)",
              {{"detail", common.error().detail}});
  }
  auto loaded = database.read_blocking([&](store::Tx& tx) { return users->load(tx); });
  if (!loaded) return std::move(loaded).error();
  database.listen([u = users.get()](store::Tx& tx, std::span<const store::Change> changes) {
    u->on_changes(tx, changes);
  });
  return users;
}

// --- memory

Result<void> Users::load(store::Tx& tx) {
  auto all = read_all(tx);
  if (!all) return std::move(all).error();
  auto administrators = count_administrators(tx);
  if (!administrators) return std::move(administrators).error();
  std::vector<UserId> gone;
  for (const auto& [id, kept] : kept_) {
    if (std::ranges::none_of(*all, [&, wanted = id](const User& u) { return u.id == wanted; })) gone.push_back(id);
  }
  for (const UserId id : gone) drop(id);
  for (User& u : *all) put(std::move(u));
  administrators_.store(*administrators, std::memory_order_relaxed);
  return {};
}

void Users::on_changes(store::Tx& tx, std::span<const store::Change> changes) {
  bool any = false;
  for (const store::Change& c : changes) {
    if (c.topic != kTopic) continue;
    any = true;
    const auto id = UserId::from(c.key);
    if (!id) {
      auto loaded = load(tx);
      if (!loaded) log::error("accounts could not be read again", {{"detail", loaded.error().detail}});
      continue;
    }
    auto user = load_in(tx, *id);
    if (user) {
      put(std::move(*user));
    } else {
      drop(*id);  // gone; and one that cannot be read is denied
    }
  }
  if (!any) return;
  auto administrators = count_administrators(tx);
  if (administrators) administrators_.store(*administrators, std::memory_order_relaxed);
}

void Users::put(User user) {
  Kept& kept = kept_[user.id];
  if (!kept.barred) kept.barred = std::make_shared<std::atomic<bool>>(false);
  // Enabled again, by whichever way: the bar of the disabling goes too.
  if (kept.disabled && !user.disabled) kept.barred->store(false, std::memory_order_release);
  kept.disabled = user.disabled;
  const UserId id = user.id;
  kept.name_key = name_key(user.name.view());
  table_.put(id, Entry{std::move(user), kept.barred});
  by_name_.put(kept.name_key, id);
}

void Users::drop(UserId id) {
  const auto at = kept_.find(id);
  if (at == kept_.end()) return;
  by_name_.erase(at->second.name_key);
  table_.erase(id);
  kept_.erase(at);
}

Digest Users::name_key(std::string_view name) const noexcept {
  return index_key_.mac({as_bytes("name "), as_bytes(name)});
}

Digest Users::source_key(const domain::Source& source) const noexcept {
  const domain::Source v4_prefix{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}, false};
  const bool v4 = std::equal(source.address.begin(), source.address.begin() + 12, v4_prefix.address.begin());
  const std::array<std::uint8_t, 1> kind{static_cast<std::uint8_t>(source.local ? 2 : v4 ? 1 : 0)};
  return index_key_.mac({as_bytes("source "), kind, ByteView(source.address).first(v4 ? 16 : 8)});
}

std::optional<UserId> Users::find(std::string_view name) const noexcept {
  std::optional<UserId> out;
  if (!valid_name(name)) return out;
  by_name_.read(name_key(name), [&](const UserId& id) { out = id; });
  return out;
}

Users::Standing Users::standing(UserId id) const noexcept {
  Standing out = Standing::unknown;
  table_.read(id, [&](const Entry& e) {
    out = e.user.disabled || e.barred->load(std::memory_order_acquire) ? Standing::disabled : Standing::good;
  });
  return out;
}

Users::Standing Users::fill(UserId id, domain::Subject& out) const noexcept {
  Standing standing = Standing::unknown;
  table_.read(id, [&](const Entry& e) {
    standing = e.user.disabled || e.barred->load(std::memory_order_acquire) ? Standing::disabled : Standing::good;
    out.user = e.user.id;
    out.name = e.user.name;
    out.roles = e.user.roles;
    out.groups = e.user.groups;
  });
  return standing;
}

net::Task<Result<std::vector<User>>> Users::list() const {
  auto job = [](store::Tx& tx) { return read_all(tx); };
  auto all = co_await database_.read(std::move(job));
  co_return all;
}

net::Task<Result<User>> Users::get(UserId id) const {
  auto job = [this, id](store::Tx& tx) { return load_in(tx, id); };
  auto user = co_await database_.read(std::move(job));
  co_return user;
}

Result<User> Users::load_in(store::Tx& tx, UserId id) const {
  User user;
  auto found = tx.one(std::string(kColumns) + " WHERE id = $1", {id}, [&](const store::Row& row) { user = user_from(row); });
  if (!found) return std::move(found).error();
  if (!*found) return fail(Reason::user_unknown);
  auto labels = tx.query("SELECT kind, label FROM account_label WHERE account = $1 ORDER BY label", {id},
                         [&](const store::Row& row) {
                           add_label(user, row.integer(0), row.text(1));
                           return true;
                         });
  if (!labels) return std::move(labels).error();
  return user;
}

// --- passwords

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
  const WallTime now = clock_.wall();
  // The rules were checked with this name.
  auto set = tx.run("UPDATE account SET password = $3, password_changed = $4 WHERE id = $1 AND name = $2",
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

// --- administration

Result<void> Users::touch(store::Tx& tx, UserId user) const {
  auto touched = tx.run("UPDATE account SET version = version + 1 WHERE id = $1", {user});
  if (!touched) return std::move(touched).error();
  if (*touched != 1) return fail(Reason::user_unknown);
  tx.changed(kTopic, user.bytes);
  return {};
}

void Users::record(store::Tx& tx, std::string_view operation, const Actor& by, std::string_view object,
                   std::string_view note) const {
  log_.append(tx, change_record(operation, by, object, note, clock_.now()));
}

Result<void> Users::put_labels(store::Tx& tx, UserId user, int kind, const std::vector<std::string>& labels) const {
  if (labels.size() > (kind == 1 ? kMaxRoles : kMaxGroups)) return fail(Reason::invalid_argument, "too many");
  auto gone = tx.run("DELETE FROM account_label WHERE account = $1 AND kind = $2", {user, kind});
  if (!gone) return std::move(gone).error();
  for (const std::string& label : labels) {
    if (!valid_label(label)) return fail(Reason::invalid_argument, "a label is 1 to 32 of a-z 0-9 _ -: " + label);
    auto put = tx.run("INSERT INTO account_label (account, kind, label) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                      {user, kind, label});
    if (!put) return std::move(put).error();
  }
  return {};
}

namespace {

std::string joined(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& l : labels) out.append(out.empty() ? "" : ",").append(l);
  return out;
}

}  // namespace

Result<UserId> Users::create_in(store::Tx& tx, const Create& what, const Actor& by) {
  if (!valid_name(what.name)) return fail(Reason::invalid_argument, "name: 1 to 64 of a-z 0-9 . _ - @ +");
  if (what.display.size() > kMaxDisplay || !is_utf8(what.display)) {
    return fail(Reason::invalid_argument, "display: at most 256 bytes of UTF-8");
  }
  const UserId id = UserId::make(rng_);
  const WallTime now = clock_.wall();
  // A nil creator (set-up, the CLI of the operator) is stored as nil: it is nobody's own creation.
  auto made = tx.run(
      "INSERT INTO account (id, name, display, created, created_by, roles_changed) VALUES ($1, $2, $3, $4, $5, $4) "
      "ON CONFLICT (name) DO NOTHING",
      {id, what.name, what.display, now, by.user});
  if (!made) return std::move(made).error();
  if (*made != 1) return fail(Reason::user_exists);
  auto roles = put_labels(tx, id, 1, what.roles);
  if (!roles) return std::move(roles).error();
  auto groups = put_labels(tx, id, 2, what.groups);
  if (!groups) return std::move(groups).error();
  tx.changed(kTopic, id.bytes);
  record(tx, "user.create", by, what.name, "roles=" + joined(what.roles) + " groups=" + joined(what.groups));
  return id;
}

Result<void> Users::guard_last_administrator(store::Tx& tx, UserId user) const {
  bool is_one = false;
  std::int64_t others = 0;
  auto counted = tx.query(
      "SELECT account.id FROM account JOIN account_label ON account_label.account = account.id "
      "WHERE account_label.kind = 1 AND account_label.label = $1 AND account.disabled = 0",
      {domain::role::administrator}, [&](const store::Row& row) {
        if (row.id<UserId>(0) == user) {
          is_one = true;
        } else {
          ++others;
        }
        return true;
      });
  if (!counted) return counted;
  if (is_one && others == 0) return fail(Reason::conflict, "this is the last administrator");
  return {};
}

Result<void> Users::set_roles_in(store::Tx& tx, UserId user, const std::vector<std::string>& roles, const Actor& by) {
  auto before = load_in(tx, user);
  if (!before) return std::move(before).error();
  if (std::ranges::find(roles, domain::role::administrator) == roles.end()) {
    auto guarded = guard_last_administrator(tx, user);
    if (!guarded) return guarded;
  }
  auto put = put_labels(tx, user, 1, roles);
  if (!put) return put;
  auto dated = tx.run("UPDATE account SET roles_changed = $2 WHERE id = $1", {user, clock_.wall()});
  if (!dated) return std::move(dated).error();
  auto touched = touch(tx, user);
  if (!touched) return touched;
  record(tx, "user.roles", by, before->name.view(), "roles=" + joined(roles));
  return {};
}

Result<void> Users::set_groups_in(store::Tx& tx, UserId user, const std::vector<std::string>& groups,
                                  const Actor& by) {
  auto before = load_in(tx, user);
  if (!before) return std::move(before).error();
  auto put = put_labels(tx, user, 2, groups);
  if (!put) return put;
  auto dated = tx.run("UPDATE account SET roles_changed = $2 WHERE id = $1", {user, clock_.wall()});
  if (!dated) return std::move(dated).error();
  auto touched = touch(tx, user);
  if (!touched) return touched;
  record(tx, "user.groups", by, before->name.view(), "groups=" + joined(groups));
  return {};
}

Result<void> Users::set_display_in(store::Tx& tx, UserId user, std::string_view display, const Actor& by) {
  if (display.size() > kMaxDisplay || !is_utf8(display)) {
    return fail(Reason::invalid_argument, "display: at most 256 bytes of UTF-8");
  }
  auto before = load_in(tx, user);
  if (!before) return std::move(before).error();
  auto set = tx.run("UPDATE account SET display = $2 WHERE id = $1", {user, display});
  if (!set) return std::move(set).error();
  auto touched = touch(tx, user);
  if (!touched) return touched;
  record(tx, "user.display", by, before->name.view(), {});
  return {};
}

Result<void> Users::disable_in(store::Tx& tx, UserId user, const Actor& by) {
  auto before = load_in(tx, user);
  if (!before) return std::move(before).error();
  auto guarded = guard_last_administrator(tx, user);
  if (!guarded) return guarded;
  for (const auto& hook : disable_hooks_) {
    auto done = hook(tx, user);
    if (!done) return done;
  }
  auto set = tx.run("UPDATE account SET disabled = 1 WHERE id = $1", {user});
  if (!set) return std::move(set).error();
  auto touched = touch(tx, user);
  if (!touched) return touched;
  record(tx, "user.disable", by, before->name.view(), {});
  return {};
}

Result<void> Users::enable_in(store::Tx& tx, UserId user, const Actor& by) {
  auto before = load_in(tx, user);
  if (!before) return std::move(before).error();
  auto set = tx.run("UPDATE account SET disabled = 0 WHERE id = $1", {user});
  if (!set) return std::move(set).error();
  auto touched = touch(tx, user);
  if (!touched) return touched;
  record(tx, "user.enable", by, before->name.view(), {});
  return {};
}

Result<void> Users::remove_in(store::Tx& tx, UserId user, const Actor& by) {
  auto before = load_in(tx, user);
  if (!before) return std::move(before).error();
  auto guarded = guard_last_administrator(tx, user);
  if (!guarded) return guarded;
  for (const auto& hook : remove_hooks_) {
    auto done = hook(tx, user);
    if (!done) return done;
  }
  for (const std::string_view sql :
       {"DELETE FROM account WHERE id = $1", "DELETE FROM account_label WHERE account = $1",
        "DELETE FROM enrolment_code WHERE account = $1"}) {
    auto gone = tx.run(sql, {user});
    if (!gone) return std::move(gone).error();
  }
  tx.changed(kTopic, user.bytes);
  record(tx, "user.remove", by, before->name.view(), {});
  return {};
}

net::Task<Result<UserId>> Users::create(Create what, Actor by) {
  auto job = [this, w = std::move(what), by](store::Tx& tx) { return create_in(tx, w, by); };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}
net::Task<Result<void>> Users::set_roles(UserId user, std::vector<std::string> roles, Actor by) {
  auto job = [this, user, r = std::move(roles), by](store::Tx& tx) { return set_roles_in(tx, user, r, by); };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}
net::Task<Result<void>> Users::set_groups(UserId user, std::vector<std::string> groups, Actor by) {
  auto job = [this, user, g = std::move(groups), by](store::Tx& tx) { return set_groups_in(tx, user, g, by); };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}
net::Task<Result<void>> Users::set_display(UserId user, std::string display, Actor by) {
  auto job = [this, user, d = std::move(display), by](store::Tx& tx) { return set_display_in(tx, user, d, by); };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}
net::Task<Result<void>> Users::remove(UserId user, Actor by) {
  auto job = [this, user, by](store::Tx& tx) { return remove_in(tx, user, by); };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}

void Users::bar(UserId user, bool barred) noexcept {
  table_.read(user, [&](const Entry& e) { e.barred->store(barred, std::memory_order_release); });
}

net::Task<Result<void>> Users::disable(UserId user, Actor by) {
  bar(user, true);
  auto job = [this, user, by](store::Tx& tx) { return disable_in(tx, user, by); };
  Result<void> done = co_await database_.write(std::move(job));
  if (done) co_return done;
  switch (done.error().code) {
    case Reason::conflict:
    case Reason::user_unknown: bar(user, false); break;
    default: {  // the store, or a queue in front of it: the bar stays until it is persisted
      const std::lock_guard lock(bars_mutex_);
      bars_.emplace_back(user, by);
      has_bars_.store(true);
    }
  }
  co_return done;
}

net::Task<Result<void>> Users::enable(UserId user, Actor by) {
  auto job = [this, user, by](store::Tx& tx) { return enable_in(tx, user, by); };
  Result<void> done = co_await database_.write(std::move(job));
  if (!done) co_return done;
  {
    const std::lock_guard lock(bars_mutex_);
    std::erase_if(bars_, [&](const auto& b) { return b.first == user; });
    has_bars_.store(!bars_.empty());
  }
  bar(user, false);
  co_return done;
}

net::Task<Result<void>> Users::maintain() {
  if (has_bars_.load()) {
    std::vector<std::pair<UserId, Actor>> bars;
    {
      const std::lock_guard lock(bars_mutex_);
      bars = bars_;
    }
    for (const auto& [user, by] : bars) {
      auto job = [this, user = user, by = by](store::Tx& tx) { return disable_in(tx, user, by); };
      Result<void> done = co_await database_.write(std::move(job));
      const bool settled = done || done.error().code == Reason::conflict || done.error().code == Reason::user_unknown;
      if (!settled) co_return done;
      if (!done) bar(user, false);
      const std::lock_guard lock(bars_mutex_);
      std::erase_if(bars_, [&](const auto& b) { return b.first == user; });
      has_bars_.store(!bars_.empty());
    }
  }
  auto job = [this](store::Tx& tx) { return forget_guesses(tx, clock_.wall()); };
  auto forgotten = co_await database_.write(std::move(job));
  co_return forgotten;
}

// --- set-up and enrolment codes

Result<std::optional<Secret>> Users::create_setup_token() {
  return database_.write_blocking([this](store::Tx& tx) -> Result<std::optional<Secret>> {
    auto administrators = count_administrators(tx);
    if (!administrators) return std::move(administrators).error();
    auto gone = tx.run("DELETE FROM setup_token");
    if (!gone) return std::move(gone).error();
    if (*administrators != 0) return std::optional<Secret>{};
    crypto::Handle token = mint_.make(crypto::kEnrolmentCode, rng_);
    auto put = tx.run("INSERT INTO setup_token (hash, expires) VALUES ($1, $2)",
                      {token.hash, clock_.wall() + options_.setup_ttl});
    if (!put) return std::move(put).error();
    record(tx, "setup.token", Actor{}, {}, {});
    return std::optional<Secret>(std::move(token.text));
  });
}

net::Task<Result<void>> Users::check_setup_token(Secret token) const {
  if (!needs_setup()) co_return fail(Reason::setup_done);
  const std::optional<Digest> hash = mint_.check(token.reveal_text(), crypto::kEnrolmentCode);
  if (!hash) co_return fail(Reason::setup_token);
  auto job = [this, h = *hash](store::Tx& tx) {
    return tx.one("SELECT 1 FROM setup_token WHERE hash = $1 AND expires >= $2", {h, clock_.wall()},
                  [](const store::Row&) {});
  };
  auto found = co_await database_.read(std::move(job));
  if (!found) co_return std::move(found).error();
  if (!*found) co_return fail(Reason::setup_token);
  co_return Result<void>{};
}

Result<UserId> Users::setup_in(store::Tx& tx, std::string_view token, const PreparedPassword& password,
                               const Actor& by) {
  auto administrators = count_administrators(tx);
  if (!administrators) return std::move(administrators).error();
  if (*administrators != 0) return fail(Reason::setup_done);
  const std::optional<Digest> hash = mint_.check(token, crypto::kEnrolmentCode);
  if (!hash) return fail(Reason::setup_token);
  auto used = tx.run("DELETE FROM setup_token WHERE hash = $1 AND expires >= $2", {*hash, clock_.wall()});
  if (!used) return std::move(used).error();
  if (*used != 1) return fail(Reason::setup_token);
  auto rest = tx.run("DELETE FROM setup_token");
  if (!rest) return std::move(rest).error();
  Create what;
  what.name = password.name_;
  what.roles = {std::string(domain::role::administrator), std::string(domain::role::member)};
  Actor self = by;
  auto id = create_in(tx, what, self);
  if (!id) return std::move(id).error();
  self.user = *id;
  self.name = domain::UserName(password.name_);
  auto set = set_password_in(tx, *id, password, self);
  if (!set) return std::move(set).error();
  return *id;
}

Result<Secret> Users::create_enrolment_code_in(store::Tx& tx, UserId user, const Actor& by) {
  auto account = load_in(tx, user);
  if (!account) return std::move(account).error();
  if (account->disabled) return fail(Reason::user_disabled);
  if (by.user == user) return fail(Reason::invalid_argument, "nobody resets himself: another administrator does");
  auto gone = tx.run("DELETE FROM enrolment_code WHERE account = $1", {user});
  if (!gone) return std::move(gone).error();
  crypto::Handle code = mint_.make(crypto::kEnrolmentCode, rng_);
  auto put = tx.run("INSERT INTO enrolment_code (hash, account, issued_by, expires) VALUES ($1, $2, $3, $4)",
                    {code.hash, user, by.user, clock_.wall() + options_.enrolment_ttl});
  if (!put) return std::move(put).error();
  record(tx, "user.enrolment_code", by, account->name.view(), {});
  return std::move(code.text);
}

net::Task<Result<Secret>> Users::create_enrolment_code(UserId user, Actor by) {
  auto job = [this, user, by](store::Tx& tx) { return create_enrolment_code_in(tx, user, by); };
  auto code = co_await database_.write(std::move(job));
  co_return code;
}

net::Task<Result<User>> Users::check_enrolment_code(Secret code) const {
  const std::optional<Digest> hash = mint_.check(code.reveal_text(), crypto::kEnrolmentCode);
  if (!hash) co_return fail(Reason::credential_unknown);
  auto job = [this, h = *hash](store::Tx& tx) -> Result<User> {
    UserId id;
    auto found = tx.one("SELECT account FROM enrolment_code WHERE hash = $1 AND expires >= $2", {h, clock_.wall()},
                        [&](const store::Row& row) { id = row.id<UserId>(0); });
    if (!found) return std::move(found).error();
    if (!*found) return fail(Reason::credential_unknown);
    return load_in(tx, id);
  };
  auto user = co_await database_.read(std::move(job));
  co_return user;
}

Result<UserId> Users::use_enrolment_code_in(store::Tx& tx, std::string_view code, const PreparedPassword& password,
                                            const Actor& by) {
  const std::optional<Digest> hash = mint_.check(code, crypto::kEnrolmentCode);
  if (!hash) return fail(Reason::credential_unknown);
  const WallTime now = clock_.wall();
  UserId user;
  UserId issuer;
  auto used = tx.one("DELETE FROM enrolment_code WHERE hash = $1 AND expires >= $2 RETURNING account, issued_by",
                     {*hash, now}, [&](const store::Row& row) {
                       user = row.id<UserId>(0);
                       issuer = row.id<UserId>(1);
                     });
  if (!used) return std::move(used).error();
  if (!*used) return fail(Reason::credential_unknown);
  auto account = load_in(tx, user);
  if (!account) return std::move(account).error();
  if (account->disabled || standing(user) == Standing::disabled) return fail(Reason::user_disabled);
  auto dated = tx.run("UPDATE account SET factors_reset = $2, reset_by = $3 WHERE id = $1", {user, now, issuer});
  if (!dated) return std::move(dated).error();
  Actor self = by;
  self.user = user;
  self.name = account->name;
  record(tx, "user.enrolment_used", self, account->name.view(), "issued by " + issuer.text());
  auto set = set_password_in(tx, user, password, self);
  if (!set) return std::move(set).error();
  return user;
}

Result<void> Users::note_factor_reset_in(store::Tx& tx, UserId user, WallTime now) {
  auto dated = tx.run("UPDATE account SET factors_reset = $2, reset_by = $1 WHERE id = $1", {user, now});
  if (!dated) return std::move(dated).error();
  return touch(tx, user);
}

}  // namespace vestibule::identity
