// What the owner sees and says of requests. One answer counts: the statement that changes the state decides.
#include <algorithm>
#include <tuple>

#include "approval/requests.hpp"
#include "approval/rows.hpp"
#include "identity/tending.hpp"

namespace vestibule::approval {
namespace {

constexpr std::string_view kColumns =
    "id, account, credential, credential_name, source_key, source, client, access_point, operation, level, max_age, kinds, created, expires, "
    "known_source, state";

Request request_from(const store::Row& row) {
  Request r;
  r.id = row.id<ApprovalId>(0);
  r.ask.user = row.id<UserId>(1);
  r.ask.credential = digest_from(row.blob(2));
  r.ask.credential_name = row.text(3);
  r.ask.source_key = row.text(4);
  r.ask.source = row.text(5);
  r.ask.client = row.text(6);
  r.ask.access_point = row.text(7);
  r.ask.operation = row.text(8);
  r.ask.need.level = static_cast<int>(row.integer(9));
  r.ask.need.max_age = Duration(row.integer(10));
  r.ask.need.kinds = kinds_from(row.integer(11));
  r.created = row.time(12);
  r.expires = row.time(13);
  r.known_source = row.integer(14) != 0;
  r.state = static_cast<State>(row.integer(15));
  return r;
}

std::string select(std::string_view where) { return "SELECT " + std::string(kColumns) + " FROM approval_request WHERE " + std::string(where); }

}  // namespace

net::Task<Result<std::vector<Request>>> Requests::list(UserId user) const {
  auto job = [this, user](store::Tx& tx) -> Result<std::vector<Request>> {
    std::vector<Request> out;
    auto accounts = identity::tended_in(tx, user);
    if (!accounts) return moved(accounts);
    accounts->push_back(user);
    for (const UserId account : *accounts) {
      auto rows = tx.query(select("account = $1 AND state = $2 AND expires >= $3"), {account, State::waiting, clock_.wall()},
                           [&](const store::Row& row) {
                             out.push_back(request_from(row));
                             return true;
                           });
      if (!rows) return moved(rows);
    }
    std::ranges::sort(out, [](const Request& a, const Request& b) { return std::tie(a.created, a.id.bytes) < std::tie(b.created, b.id.bytes); });
    return out;
  };
  Result<std::vector<Request>> out = co_await database_.read(std::move(job));
  co_return out;
}

Result<std::optional<Request>> Requests::read_in(store::Tx& tx, UserId user, ApprovalId id) const {
  std::optional<Request> out;
  auto found = tx.one(select("id = $1"), {id}, [&](const store::Row& row) { out = request_from(row); });
  if (!found) return moved(found);
  if (!out) return out;
  auto mine = identity::tends_in(tx, user, out->ask.user);
  if (!mine) return moved(mine);
  if (!*mine) out.reset();
  return out;
}

net::Task<Result<Request>> Requests::look(UserId user, ApprovalId id) const {
  auto job = [this, user, id](store::Tx& tx) { return waiting_in(tx, user, id, clock_.now()); };
  Result<Request> out = co_await database_.read(std::move(job));
  co_return out;
}

Result<Request> Requests::waiting_in(store::Tx& tx, UserId user, ApprovalId id, Instant now) const {
  auto found = read_in(tx, user, id);
  if (!found) return moved(found);
  if (!*found || (*found)->expires < now.wall) return fail(Reason::not_found, "no such request, or it has expired");
  if ((*found)->state != State::waiting) return fail(Reason::conflict, "it was answered");
  return std::move(**found);
}

// Charged before it is looked at, refunded if it was one. Codes of others are as good as none, so what a
// guesser could find is his own; the limit keeps him from trying whether there is something else.
net::Task<Result<Request>> Requests::find(UserId user, std::string typed) {
  using Out = std::optional<Request>;
  auto job = [this, user, t = std::move(typed)](store::Tx& tx) -> Result<Out> {
    const WallTime now = clock_.wall();
    auto begun = tx.run("DELETE FROM approval_guess WHERE account = $1 AND since <= $2", {user, now - options_.guess_window});
    if (!begun) return moved(begun);
    std::int64_t wrong = 0;
    auto charged = tx.one(
        "INSERT INTO approval_guess (account, wrong, since) VALUES ($1, 1, $2) ON CONFLICT (account) DO UPDATE SET "
        "wrong = approval_guess.wrong + 1 RETURNING wrong",
        {user, now}, [&](const store::Row& row) { wrong = row.integer(0); });
    if (!charged) return moved(charged);
    if (wrong > options_.guesses) return fail(Reason::factor_locked, "too many codes that were none");
    Out out;
    const auto code = parse_code(t);
    if (!code) return out;
    auto found = tx.one(select("code = $1 AND expires >= $2"), {hidden(*code), now}, [&](const store::Row& row) { out = request_from(row); });
    if (!found) return moved(found);
    if (!out) return out;
    auto mine = identity::tends_in(tx, user, out->ask.user);
    if (!mine) return moved(mine);
    if (!*mine) return Out{};
    auto refunded = tx.run("UPDATE approval_guess SET wrong = wrong - 1 WHERE account = $1", {user});
    if (!refunded) return moved(refunded);
    return out;
  };
  Result<Out> found = co_await database_.write(std::move(job));
  if (!found) co_return std::move(found).error();
  if (!*found) co_return fail(Reason::not_found, "no request of yours has this code, or it has expired");
  co_return std::move(**found);
}

Result<void> Requests::approve_in(store::Tx& tx, const Request& request, const Actor& by, Instant now) {
  auto decided = tx.run("UPDATE approval_request SET state = $3 WHERE id = $1 AND account = $2 AND state = $4 AND expires >= $5",
                        {request.id, request.ask.user, State::approved, State::waiting, now.wall});
  if (!decided) return moved(decided);
  if (*decided != 1) return fail(Reason::conflict);
  auto familiar = tx.run("INSERT INTO approval_source (account, source_key, at) VALUES ($1, $2, $3) ON CONFLICT (account, source_key) DO UPDATE SET at = $3",
                         {request.ask.user, request.ask.source_key, now.wall});
  if (!familiar) return moved(familiar);
  record(tx, kApprove, by, request, now);
  return identity::changed_for_in(tx, kApprovalTopic, request.ask.user);
}

net::Task<Result<void>> Requests::decline(ApprovalId id, Actor by) {
  auto job = [this, id, by](store::Tx& tx) -> Result<void> {
    const Instant now = clock_.now();
    auto request = waiting_in(tx, by.user, id, now);
    if (!request) return moved(request);
    auto decided = tx.run("UPDATE approval_request SET state = $2 WHERE id = $1 AND state = $3", {id, State::declined, State::waiting});
    if (!decided) return moved(decided);
    if (*decided != 1) return fail(Reason::conflict);
    record(tx, "approvals.decline", by, *request, now);
    return identity::changed_for_in(tx, kApprovalTopic, request->ask.user);
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

net::Task<Result<void>> Requests::not_me(ApprovalId id, Actor by) {
  auto find = [this, id, user = by.user](store::Tx& tx) -> Result<Request> {
    auto found = read_in(tx, user, id);
    if (!found) return moved(found);
    if (!*found) return fail(Reason::not_found, "no such request");
    return std::move(**found);
  };
  Result<Request> about = co_await database_.read(std::move(find));
  if (!about) co_return std::move(about).error();
  const Ask& ask = about->ask;
  const WallTime until = clock_.wall() + options_.refuses;
  {
    const std::lock_guard lock(mutex_);
    OfUser& of = of_user_[ask.user];
    of.refused.push_back({ask.credential, ask.source_key, until});
    for (Known& k : of.requests) {
      if (k.id == id) k.state = State::not_me;
    }
  }
  auto job = [this, r = *about, until, by](store::Tx& tx) -> Result<void> {
    const Instant now = clock_.now();
    auto over = tx.run("UPDATE approval_request SET state = $4 WHERE account = $1 AND credential = $2 AND source_key = $3 AND state <> $4",
                       {r.ask.user, r.ask.credential, r.ask.source_key, State::not_me});
    if (!over) return moved(over);
    auto refused = tx.run(
        "INSERT INTO approval_refusal (account, credential, source_key, until) VALUES ($1, $2, $3, $4) ON CONFLICT (account, credential, "
        "source_key) DO UPDATE SET until = $4",
        {r.ask.user, r.ask.credential, r.ask.source_key, until});
    if (!refused) return moved(refused);
    auto forgotten = tx.run("DELETE FROM approval_source WHERE account = $1 AND source_key = $2", {r.ask.user, r.ask.source_key});
    if (!forgotten) return moved(forgotten);
    if (options_.shut_in) {
      auto shut = options_.shut_in(tx, r);
      if (!shut) return shut;
    }
    const std::string text = "Somebody asked with your " + r.ask.credential_name + " from " + r.ask.source +
                             ", and you said that it was not you. It opens nothing there for an hour; revoke it if you cannot tell who has it.";
    auto told = users_.notify_in(tx, r.ask.user, identity::NoticeKind::not_me, text, now.wall);
    if (!told) return told;
    record(tx, "approvals.not_me", by, r, now);
    return identity::changed_for_in(tx, kApprovalTopic, r.ask.user);
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

}  // namespace vestibule::approval
