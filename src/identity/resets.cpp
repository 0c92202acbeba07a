// Who may give whom a new start, and with whose consent. Everything is decided within the write job,
// from the rows: two approvals at once make one code, since one statement takes the request away.
#include "identity/resets.hpp"

#include <algorithm>

#include "identity/eligible.hpp"
#include "identity/rows.hpp"

namespace vestibule::identity {
namespace {

constexpr std::string_view kSelectOpen =
    "SELECT reset_request.id, reset_request.account, reset_request.requested_by, person.name, asker.name, "
    "reset_request.at, reset_request.expires FROM reset_request JOIN account person ON person.id = reset_request.account "
    "JOIN account asker ON asker.id = reset_request.requested_by WHERE reset_request.expires >= $1";

Reset reset_from(const store::Row& row) {
  return {row.id<ResetId>(0), row.id<UserId>(1), row.id<UserId>(2), std::string(row.text(3)), std::string(row.text(4)),
          row.time(5), row.time(6)};
}

bool is_administrator(const User& u) { return domain::has(u.roles, domain::intern(domain::role::administrator)); }

}  // namespace

Resets::Resets(store::Database& database, Users& users, audit::Log& log, const Clock& clock, Rng& rng,
               ResetOptions options)
    : database_(database), users_(users), log_(log), clock_(clock), rng_(rng), options_(std::move(options)) {
  const auto gone = [this](store::Tx& tx, UserId user) { return forget_account(tx, user); };
  users.on_remove(gone);
  users.on_disable(gone);
  users.on_demote(gone);
}

void Resets::record(store::Tx& tx, std::string_view operation, const Actor& by, std::string_view object,
                    std::string_view note) const {
  log_.append(tx, change_record(operation, by, object, note, clock_.now()));
}

// What an account has asked for goes with its right to ask; and nobody becomes the only administrator
// who could have looked by shutting the others out first.
Result<void> Resets::forget_account(store::Tx& tx, UserId user) {
  auto gone = tx.run("DELETE FROM reset_request WHERE account = $1 OR requested_by = $1", {user});
  if (!gone) return std::move(gone).error();
  return note_former_administrator(tx, user, clock_.wall());
}

Result<void> note_former_administrator(store::Tx& tx, UserId user, WallTime now) {
  bool was_one = false;
  auto found = tx.one(
      "SELECT 1 FROM account JOIN account_label ON account_label.account = account.id WHERE account.id = $1 AND "
      "account.disabled = 0 AND account.password IS NOT NULL AND account_label.kind = 1 AND account_label.label = $2",
      {user, domain::role::administrator}, [&](const store::Row&) { was_one = true; });
  if (!found) return std::move(found).error();
  if (!was_one) return {};
  auto put = tx.run(
      "INSERT INTO former_administrator (account, at) VALUES ($1, $2) ON CONFLICT (account) DO UPDATE SET at = $2",
      {user, now});
  if (!put) return std::move(put).error();
  return {};
}

Result<bool> Resets::needs_two(store::Tx& tx, UserId user, UserId requester) const {
  auto has = options_.holds(tx, user);
  if (!has) return std::move(has).error();
  if (*has == Holds::none) {
    // A first enrolment, or one that its own issuer begins again. Anybody else's present start is not this
    // administrator's to take.
    bool alone = false;
    auto found = tx.one("SELECT password IS NULL, reset_by FROM account WHERE id = $1", {user}, [&](const store::Row& row) {
      alone = row.integer(0) != 0 || (!row.null(1) && row.id<UserId>(1) == requester);
    });
    if (!found) return std::move(found).error();
    if (alone) return false;
  }
  auto all = read_administrators(tx);
  if (!all) return std::move(all).error();
  for (const User& one : *all) {
    if (one.id == requester || one.disabled) continue;
    auto works = options_.holds(tx, one.id);
    if (!works) return std::move(works).error();
    if (*works == Holds::working) return true;
  }
  return tx.one("SELECT 1 FROM former_administrator WHERE account <> $1 AND at > $2",
                {requester, clock_.wall() - options_.wait}, [](const store::Row&) {});
}

Result<std::string> Resets::why_not(store::Tx& tx, const User& approver, UserId requester, const User& asker,
                                    UserId user) const {
  if (approver.id == requester) return std::string("you asked for it yourself: another administrator approves it");
  if (approver.id == user) return std::string("it is your own reset: another administrator approves it");
  if (!is_administrator(approver) || approver.disabled || users_.standing(approver.id) != Users::Standing::good) {
    return std::string("you are no administrator");
  }
  auto works = options_.holds(tx, approver.id);
  if (!works) return std::move(works).error();
  if (*works != Holds::working) return std::string("you have no factor that works");
  if (too_new(approver, options_.wait, clock_.wall())) {
    return "your account was made, reset or given other roles less than " +
           std::to_string(std::chrono::duration_cast<std::chrono::hours>(options_.wait).count()) + " hours ago";
  }
  if (related(approver, asker)) {
    return std::string("one of you has made or reset the other's account: somebody else approves it");
  }
  return std::string();
}

Result<std::size_t> Resets::count_approvers(store::Tx& tx, UserId requester, UserId user) const {
  auto all = read_administrators(tx);
  if (!all) return std::move(all).error();
  const auto asker = std::ranges::find(*all, requester, &User::id);
  if (asker == all->end()) return std::size_t{0};
  std::size_t n = 0;
  for (const User& one : *all) {
    auto why = why_not(tx, one, requester, *asker, user);
    if (!why) return std::move(why).error();
    if (why->empty()) ++n;
  }
  return n;
}

Result<Resets::Begun> Resets::begin_in(store::Tx& tx, UserId user, const Actor& by) {
  if (by.user == user) return fail(Reason::invalid_argument, "nobody resets himself: another administrator does");
  auto two = needs_two(tx, user, by.user);
  if (!two) return std::move(two).error();
  const WallTime now = clock_.wall();
  Begun out;
  if (!*two) {
    auto code = users_.create_enrolment_code_in(tx, user, by);
    if (!code) return std::move(code).error();
    out.code = std::move(*code);
    return out;
  }
  std::string name;
  bool disabled = false;
  auto found = tx.one("SELECT name, disabled FROM account WHERE id = $1", {user}, [&](const store::Row& row) {
    name = row.text(0);
    disabled = row.integer(1) != 0;
  });
  if (!found) return std::move(found).error();
  if (!*found) return fail(Reason::user_unknown);
  if (disabled) return fail(Reason::user_disabled);
  auto lapsed = tx.run("DELETE FROM reset_request WHERE account = $1 AND expires < $2", {user, now});
  if (!lapsed) return std::move(lapsed).error();
  out.request = ResetId::make(rng_);
  out.expires = now + options_.request_ttl;
  auto put = tx.run(
      "INSERT INTO reset_request (id, account, requested_by, at, expires) VALUES ($1, $2, $3, $4, $5) "
      "ON CONFLICT (account) DO NOTHING",
      {out.request, user, by.user, now, out.expires});
  if (!put) return std::move(put).error();
  if (*put != 1) return fail(Reason::conflict, "a reset of this user is asked for already: another administrator approves or declines it");
  // A code of before would be a way around.
  auto codes = tx.run("DELETE FROM enrolment_code WHERE account = $1", {user});
  if (!codes) return std::move(codes).error();
  auto approvers = count_approvers(tx, by.user, user);
  if (!approvers) return std::move(approvers).error();
  out.approvers = *approvers;
  record(tx, "user.reset_request", by, name, out.request.text());
  const std::string id = out.request.text();
  auto told = users_.notify_in(tx, user, NoticeKind::reset_requested,
                               std::string(by.name.view()) + " asks that your password and factors be reset. If you do not "
                               "want that, decline it: vestibule user decline " + id + ".", now);
  if (!told) return std::move(told).error();
  told = users_.notify_administrators_in(tx, by.user, NoticeKind::reset_requested,
                                         std::string(by.name.view()) + " asks for a reset of " + name +
                                             ". Ask " + name + " whether it is wanted; then: vestibule user approve " + id +
                                             ", or decline.", now);
  if (!told) return std::move(told).error();
  return out;
}

Result<std::optional<Reset>> Resets::take_in(store::Tx& tx, ResetId id) {
  std::optional<Reset> out;
  auto found = tx.one(std::string(kSelectOpen) + " AND reset_request.id = $2", {clock_.wall(), id},
                      [&](const store::Row& row) { out = reset_from(row); });
  if (!found) return std::move(found).error();
  auto gone = tx.run("DELETE FROM reset_request WHERE id = $1", {id});
  if (!gone) return std::move(gone).error();
  if (*gone != 1) out.reset();
  return out;
}

Result<Secret> Resets::approve_in(store::Tx& tx, ResetId id, const Actor& by) {
  auto taken = take_in(tx, id);
  if (!taken) return std::move(taken).error();
  if (!*taken) return fail(Reason::not_found, "no such request: it was answered, or has expired");
  const Reset& reset = **taken;
  auto all = read_administrators(tx);
  if (!all) return std::move(all).error();
  const auto asker = std::ranges::find(*all, reset.requested_by, &User::id);
  if (asker == all->end() || asker->disabled || users_.standing(asker->id) != Users::Standing::good) {
    return fail(Reason::conflict, "whoever asked is no administrator any more");
  }
  const auto approver = std::ranges::find(*all, by.user, &User::id);
  if (approver == all->end()) return fail(Reason::role_required);
  auto why = why_not(tx, *approver, reset.requested_by, *asker, reset.user);
  if (!why) return std::move(why).error();
  if (!why->empty()) return fail(Reason::not_eligible, std::move(*why));
  auto code = users_.create_enrolment_code_in(tx, reset.user, by);
  if (!code) return code;
  record(tx, "user.reset_approve", by, reset.user_name, reset.id.text() + ", asked for by " + reset.requester_name);
  const WallTime now = clock_.wall();
  auto told = users_.notify_in(tx, reset.requested_by, NoticeKind::reset_done,
                               std::string(by.name.view()) + " has approved the reset of " + reset.user_name + ".", now);
  if (!told) return std::move(told).error();
  return code;
}

Result<void> Resets::decline_in(store::Tx& tx, ResetId id, const Actor& by) {
  auto taken = take_in(tx, id);
  if (!taken) return std::move(taken).error();
  if (!*taken) return fail(Reason::not_found, "no such request: it was answered, or has expired");
  const Reset& reset = **taken;
  record(tx, "user.reset_decline", by, reset.user_name, reset.id.text() + ", asked for by " + reset.requester_name);
  const std::string text = std::string(by.name.view()) + " has declined the reset of " + reset.user_name + ".";
  for (const UserId whom : {reset.user, reset.requested_by}) {
    if (whom == by.user) continue;
    auto told = users_.notify_in(tx, whom, NoticeKind::reset_declined, text, clock_.wall());
    if (!told) return told;
  }
  return {};
}

net::Task<Result<void>> Resets::decline(ResetId id, Actor by) {
  auto job = [this, id, by](store::Tx& tx) { return decline_in(tx, id, by); };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}

Result<std::vector<Reset>> Resets::list_in(store::Tx& tx) const {
  std::vector<Reset> out;
  auto listed = tx.query(std::string(kSelectOpen) + " ORDER BY reset_request.at, reset_request.id", {clock_.wall()},
                         [&](const store::Row& row) {
                           out.push_back(reset_from(row));
                           return true;
                         });
  if (!listed) return std::move(listed).error();
  return out;
}

net::Task<Result<std::vector<Reset>>> Resets::list() const {
  auto job = [this](store::Tx& tx) { return list_in(tx); };
  auto out = co_await database_.read(std::move(job));
  co_return out;
}

}  // namespace vestibule::identity
