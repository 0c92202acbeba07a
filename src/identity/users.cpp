// Opening, and what all cores read.
#include "identity/users.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "identity/rows.hpp"

namespace vestibule::identity {

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
      index_key_(keys.derive("identity-index/v1")),
      bars_(options_.denials) {}

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
  users->take_up_bars();
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
  std::optional<UserId> sponsor;
  const auto look = [&](const Entry& e) {
    out = e.user.disabled || e.barred->load(std::memory_order_acquire) ? Standing::disabled : Standing::good;
    if (e.user.service) sponsor = e.user.sponsor;
  };
  table_.read(id, look);
  if (!sponsor || out != Standing::good) return out;
  // One read after the other: nothing of the table is kept meanwhile.
  const UserId person = *sponsor;
  sponsor.reset();
  out = Standing::unknown;
  table_.read(person, look);
  return out == Standing::good && !sponsor ? Standing::good : Standing::asleep;
}

Users::Standing Users::fill(UserId id, domain::Subject& out) const noexcept {
  Standing standing = Standing::unknown;
  bool service = false;
  table_.read(id, [&](const Entry& e) {
    standing = e.user.disabled || e.barred->load(std::memory_order_acquire) ? Standing::disabled : Standing::good;
    out.user = e.user.id;
    out.name = e.user.name;
    out.roles = e.user.roles;
    out.groups = e.user.groups;
    service = e.user.service;
    out.sponsor.user = e.user.sponsor;
  });
  if (!service || standing != Standing::good) return standing;
  standing = Standing::asleep;
  table_.read(out.sponsor.user, [&](const Entry& e) {
    out.sponsor.name = e.user.name;
    if (!e.user.service && !e.user.disabled && !e.barred->load(std::memory_order_acquire)) standing = Standing::good;
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

}  // namespace vestibule::identity
