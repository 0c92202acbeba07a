// Accounts made, changed, disabled and removed.
#include <algorithm>

#include "base/log.hpp"
#include "identity/rows.hpp"
#include "identity/tending.hpp"
#include "identity/users.hpp"

namespace vestibule::identity {

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

bool names_administrator(const std::vector<std::string>& roles) {
  return std::ranges::find(roles, domain::role::administrator) != roles.end();
}

std::string now_are(std::string_view what, const std::vector<std::string>& labels, const Actor& by) {
  return "Your " + std::string(what) + " are now: " + (labels.empty() ? "none" : joined(labels)) + ". By " + who(by) + ".";
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
  if (names_administrator(what.roles)) {
    auto told = announce_administrator_in(tx, id, what.name, by);
    if (!told) return std::move(told).error();
  }
  return id;
}

Result<void> Users::announce_administrator_in(store::Tx& tx, UserId user, std::string_view name, const Actor& by) {
  const std::string text = std::string(name) + " is an administrator now, by " + who(by) + ".";
  return notify_administrators_in(tx, user, NoticeKind::roles_changed, text, clock_.wall());
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
  if (before->service) return fail(Reason::conflict, "a service account keeps the roles that its people have accepted");
  const bool was_one = domain::has(before->roles, domain::intern(domain::role::administrator));
  if (!names_administrator(roles)) {
    auto guarded = guard_last_administrator(tx, user);
    if (!guarded) return guarded;
    for (const auto& hook : demote_hooks_) {
      auto done = was_one ? hook(tx, user) : Result<void>{};
      if (!done) return done;
    }
  }
  auto put = put_labels(tx, user, 1, roles);
  if (!put) return put;
  auto dated = tx.run("UPDATE account SET roles_changed = $2 WHERE id = $1", {user, clock_.wall()});
  if (!dated) return std::move(dated).error();
  auto touched = touch(tx, user);
  if (!touched) return touched;
  record(tx, "user.roles", by, before->name.view(), "roles=" + joined(roles));
  auto told = notify_in(tx, user, NoticeKind::roles_changed, now_are("roles", roles, by), clock_.wall());
  if (!told) return told;
  if (was_one || !names_administrator(roles)) return {};
  return announce_administrator_in(tx, user, before->name.view(), by);
}

Result<void> Users::set_groups_in(store::Tx& tx, UserId user, const std::vector<std::string>& groups,
                                  const Actor& by) {
  auto before = load_in(tx, user);
  if (!before) return std::move(before).error();
  if (before->service) return fail(Reason::conflict, "a service account is in no group");
  auto put = put_labels(tx, user, 2, groups);
  if (!put) return put;
  auto dated = tx.run("UPDATE account SET roles_changed = $2 WHERE id = $1", {user, clock_.wall()});
  if (!dated) return std::move(dated).error();
  auto touched = touch(tx, user);
  if (!touched) return touched;
  record(tx, "user.groups", by, before->name.view(), "groups=" + joined(groups));
  return notify_in(tx, user, NoticeKind::roles_changed, now_are("groups", groups, by), clock_.wall());
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
  return disable_noted_in(tx, user, by, {});
}

Result<void> Users::disable_noted_in(store::Tx& tx, UserId user, const Actor& by, std::string_view note) {
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
  record(tx, "user.disable", by, before->name.view(), note);
  return leave_services_in(tx, *before, by);
}

Result<void> Users::hand_over_in(store::Tx& tx, UserId service) {
  for (const auto& hook : handover_hooks_) {
    auto done = hook(tx, service);
    if (!done) return done;
  }
  return touch(tx, service);
}

Result<void> Users::leave_services_in(store::Tx& tx, const User& sponsor, const Actor& by) {
  auto services = sponsored_in(tx, sponsor.id);
  if (!services) return std::move(services).error();
  for (const UserId id : *services) {
    auto service = load_in(tx, id);
    if (!service) return std::move(service).error();
    // What waits for it, and what shows it, looks again.
    auto touched = touch(tx, id);
    if (!touched) return touched;
    const std::string name(service->name.view());
    record(tx, "services.asleep", by, name, "its sponsor " + std::string(sponsor.name.view()) + " has left");
    auto others = tenders_in(tx, id);
    if (!others) return std::move(others).error();
    std::erase(*others, sponsor.id);
    const std::string text = "The service account " + name + " is asleep: its sponsor " + std::string(sponsor.name.view()) +
                             " has left. A deputy who takes over wakes it.";
    for (const UserId person : *others) {
      auto told = notify_in(tx, person, NoticeKind::service_asleep, text, clock_.wall());
      if (!told) return told;
    }
    if (others->empty()) {
      auto told = notify_administrators_in(tx, sponsor.id, NoticeKind::service_asleep, text, clock_.wall());
      if (!told) return told;
    }
  }
  return {};
}

Result<void> Users::enable_in(store::Tx& tx, UserId user, const Actor& by) {
  auto before = load_in(tx, user);
  if (!before) return std::move(before).error();
  auto set = tx.run("UPDATE account SET disabled = 0 WHERE id = $1", {user});
  if (!set) return std::move(set).error();
  auto settled = bars_.settle_all_in(tx, user);
  if (!settled) return settled;
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
  auto left = leave_services_in(tx, *before, by);
  if (!left) return left;
  auto parts = tended_in(tx, user);
  if (!parts) return std::move(parts).error();
  for (const UserId service : *parts) {
    auto handed = hand_over_in(tx, service);
    if (!handed) return handed;
  }
  for (const auto& hook : remove_hooks_) {
    auto done = hook(tx, user);
    if (!done) return done;
  }
  for (const std::string_view sql :
       {"DELETE FROM account WHERE id = $1", "DELETE FROM account_label WHERE account = $1",
        "DELETE FROM enrolment_code WHERE account = $1", "DELETE FROM notice WHERE account = $1",
        "DELETE FROM service WHERE account = $1", "DELETE FROM service_part WHERE service = $1 OR person = $1"}) {
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

void Users::take_up_bars() {
  for (const UserId user : bars_.take_up()) {
    const auto at = kept_.find(user);
    if (at != kept_.end()) at->second.barred->store(true, std::memory_order_release);
  }
}

net::Task<Result<void>> Users::disable(UserId user, Actor by) {
  bar(user, true);
  auto job = [this, user, by](store::Tx& tx) { return disable_in(tx, user, by); };
  Result<void> done = co_await database_.write(std::move(job));
  if (done) co_return done;
  const Reason why = done.error().code;
  if (why == Reason::conflict || why == Reason::user_unknown) {
    bar(user, false);
    co_return done;
  }
  // The store, or a queue in front of it: the bar stays until it is persisted.
  std::function<bool()> enabled = [this, user] { return standing(user) == Standing::good; };
  co_await bars_.keep(user, std::move(by), std::move(enabled));
  co_return done;
}

net::Task<Result<void>> Users::enable(UserId user, Actor by) {
  auto job = [this, user, by](store::Tx& tx) { return enable_in(tx, user, by); };
  Result<void> done = co_await database_.write(std::move(job));
  if (!done) co_return done;
  bars_.forget(user);
  bar(user, false);
  co_return done;
}

net::Task<Result<void>> Users::store_bars() {
  const std::vector<Bars::Bar> waiting = bars_.waiting();
  for (const Bars::Bar& held : waiting) {
    auto job = [this, held](store::Tx& tx) -> Result<void> {
      auto disabled = disable_noted_in(tx, held.user, held.by, held.note);
      return disabled ? bars_.settle_in(tx, held) : disabled;
    };
    Result<void> done = co_await database_.write(std::move(job));
    const bool moot = !done && (done.error().code == Reason::conflict || done.error().code == Reason::user_unknown);
    if (moot) {  // gone meanwhile, or the last administrator: there is nothing to disable
      auto settle = [this, held](store::Tx& tx) { return bars_.settle_in(tx, held); };
      done = co_await database_.write(std::move(settle));
      if (done) bar(held.user, false);
    }
    if (!done) co_return done;
    bars_.forget(held.user);
  }
  co_return Result<void>{};
}

net::Task<Result<void>> Users::maintain() {
  Result<void> stored = co_await store_bars();
  if (!stored) co_return stored;
  auto job = [this](store::Tx& tx) -> Result<void> {
    const WallTime now = clock_.wall();
    constexpr std::chrono::hours kLongest{24 * 60};
    for (const auto& [sql, before] : {std::pair<std::string_view, WallTime>{"DELETE FROM reset_request WHERE expires < $1", now},
                                      {"DELETE FROM former_administrator WHERE at < $1", now - kLongest},
                                      {"DELETE FROM host_recovery WHERE at < $1", now - kLongest}}) {
      auto gone = tx.run(sql, {before});
      if (!gone) return std::move(gone).error();
    }
    return forget_guesses(tx, now);
  };
  auto forgotten = co_await database_.write(std::move(job));
  co_return forgotten;
}

}  // namespace vestibule::identity
