// Opening requests, and what is remembered of those that are alive.
#include "approval/requests.hpp"

#include <algorithm>

#include "approval/rows.hpp"
#include "base/log.hpp"
#include "factors/prompts.hpp"
#include "identity/tending.hpp"

namespace vestibule::approval {
namespace {

constexpr Duration kKeepRequests = std::chrono::hours(1);  // longer than any window that counts them
constexpr std::size_t kMostText = 128;
constexpr int kTries = 4;  // for a code that nobody has

void shorten(std::string& text) {
  if (text.size() > kMostText) text.resize(kMostText);
}

}  // namespace

Requests::Requests(store::Database& database, const crypto::KeyRing& keys, identity::Users& users, audit::Log& log,
                   const Clock& clock, Rng& rng, Options options)
    : database_(database),
      users_(users),
      log_(log),
      clock_(clock),
      rng_(rng),
      options_(std::move(options)),
      key_(keys.derive("approval-code/v1")) {}

Result<std::unique_ptr<Requests>> Requests::open(store::Database& database, const crypto::KeyRing& keys,
                                                 identity::Users& users, audit::Log& log, const Clock& clock, Rng& rng,
                                                 Options options) {
  std::unique_ptr<Requests> r(new Requests(database, keys, users, log, clock, rng, std::move(options)));
  auto loaded = database.read_blocking([&](store::Tx& tx) { return r->load(tx); });
  if (!loaded) return std::move(loaded).error();
  database.listen([p = r.get()](store::Tx& tx, std::span<const store::Change> changes) { p->on_changes(tx, changes); });
  const auto forget = [](store::Tx& tx, UserId user) -> Result<void> {
    for (const std::string_view sql : {"DELETE FROM approval_request WHERE account = $1", "DELETE FROM approval_guess WHERE account = $1"}) {
      auto gone = tx.run(sql, {user});
      if (!gone) return moved(gone);
    }
    tx.changed(kApprovalTopic, user.bytes);
    return {};
  };
  users.on_disable(forget);
  users.on_handover(forget);
  users.on_remove(forget);
  users.on_remove([](store::Tx& tx, UserId user) -> Result<void> {
    for (const std::string_view sql : {"DELETE FROM approval_source WHERE account = $1", "DELETE FROM approval_refusal WHERE account = $1"}) {
      auto gone = tx.run(sql, {user});
      if (!gone) return moved(gone);
    }
    return {};
  });
  return r;
}

// --- the code: made from the id, so that it stands nowhere and is still told to every call that shares it

std::string Requests::code_of(ApprovalId id) const {
  const Digest d = key_.mac({as_bytes("code"), ByteView(id.bytes)});
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 5; ++i) bits = bits << 8U | d[i];
  return code_from(bits);
}

Digest Requests::hidden(std::string_view code) const noexcept { return key_.mac({as_bytes("kept"), as_bytes(code)}); }

// --- memory

Result<void> Requests::load(store::Tx& tx) {
  std::vector<UserId> users;
  auto found = tx.query("SELECT account FROM approval_request UNION SELECT account FROM approval_refusal", {}, [&](const store::Row& row) {
    users.push_back(row.id<UserId>(0));
    return true;
  });
  if (!found) return found;
  {
    const std::lock_guard lock(mutex_);
    of_user_.clear();
  }
  for (const UserId user : users) {
    auto loaded = load_user(tx, user);
    if (!loaded) return loaded;
  }
  return {};
}

Result<void> Requests::load_user(store::Tx& tx, UserId user) {
  OfUser of;
  const WallTime now = clock_.wall();
  auto requests = tx.query("SELECT id, call_group, state, expires FROM approval_request WHERE account = $1 AND expires >= $2", {user, now},
                           [&](const store::Row& row) {
                             Known k;
                             k.id = row.id<ApprovalId>(0);
                             k.group = digest_from(row.blob(1));
                             k.state = static_cast<State>(row.integer(2));
                             k.expires = row.time(3);
                             of.requests.push_back(k);
                             return true;
                           });
  if (!requests) return requests;
  auto refused = tx.query("SELECT credential, source_key, until FROM approval_refusal WHERE account = $1 AND until > $2", {user, now},
                          [&](const store::Row& row) {
                            of.refused.push_back({digest_from(row.blob(0)), std::string(row.text(1)), row.time(2)});
                            return true;
                          });
  if (!refused) return refused;
  const std::lock_guard lock(mutex_);
  if (of.requests.empty() && of.refused.empty()) {
    of_user_.erase(user);
  } else {
    of_user_[user] = std::move(of);
  }
  return {};
}

void Requests::on_changes(store::Tx& tx, std::span<const store::Change> changes) {
  for (const store::Change& c : changes) {
    if (c.topic != kApprovalTopic) continue;
    const auto user = UserId::from(c.key);
    auto loaded = user ? load_user(tx, *user) : load(tx);
    if (!loaded) log::error("requests for approval could not be read again", {{"detail", loaded.error().detail}});
  }
}

std::optional<Requests::Asked> Requests::known(const Ask& ask, const Digest& group, WallTime now) const {
  const std::lock_guard lock(mutex_);
  const auto at = of_user_.find(ask.user);
  if (at == of_user_.end()) return std::nullopt;
  for (const Refused& r : at->second.refused) {
    if (r.credential == ask.credential && r.source_key == ask.source_key && r.until > now) return Asked{State::not_me};
  }
  for (const Known& k : at->second.requests) {
    if (k.group != group || k.expires < now) continue;
    if (k.state == State::waiting) return Asked{k.state, k.id, shown(code_of(k.id))};
    if (k.state == State::declined) return Asked{k.state, k.id};
  }
  return std::nullopt;
}

std::optional<State> Requests::state(UserId user, ApprovalId id) const {
  const WallTime now = clock_.wall();
  const std::lock_guard lock(mutex_);
  const auto at = of_user_.find(user);
  if (at == of_user_.end()) return std::nullopt;
  for (const Known& k : at->second.requests) {
    if (k.id == id && k.expires >= now) return k.state;
  }
  return std::nullopt;
}

// --- a call that was refused

/// A job on its way, which whoever asked for it may cease to wait for.
struct Requests::Opening {
  explicit Opening(net::Core& core) : done(core) {}
  net::Signal done;
  std::optional<Result<Asked>> result;
};

net::Task<Result<Requests::Asked>> Requests::ask(Ask ask, Actor by) {
  shorten(ask.client);
  shorten(ask.credential_name);
  const Digest group = group_of(ask);
  if (std::optional<Asked> there = known(ask, group, clock_.wall())) co_return std::move(*there);
  if (database_.health() != store::Health::ok) co_return fail(Reason::store_unavailable);
  net::Core& core = *net::Core::current();
  std::unique_ptr<net::TaskGroup>& tasks = opening_[core.index()];
  if (!tasks) tasks = std::make_unique<net::TaskGroup>(core);
  auto opening = std::make_shared<Opening>(core);
  tasks->spawn(open_one(opening, std::move(ask), group, std::move(by)));
  if (!opening->result) {
    const bool told = co_await opening->done.wait(options_.patience);
    static_cast<void>(told);  // the result says
  }
  if (!opening->result) co_return fail(Reason::store_unavailable, "the store is slow");
  co_return std::move(*opening->result);
}

net::Task<> Requests::open_one(std::shared_ptr<Opening> opening, Ask ask, Digest group, Actor by) {
  auto job = [this, a = std::move(ask), group, by](store::Tx& tx) { return open_in(tx, a, group, by, clock_.now()); };
  Result<Asked> opened = co_await database_.write(std::move(job));
  opening->result.emplace(std::move(opened));
  opening->done.notify_all();
}

net::Task<> Requests::join(net::Core& core) {
  net::TaskGroup* const tasks = opening_[core.index()].get();
  if (tasks != nullptr) co_await tasks->join();
}

// Another call may have asked for the same between the look at memory and this job.
Result<std::optional<Requests::Asked>> Requests::same_in(store::Tx& tx, const Ask& ask, const Digest& group, WallTime now) const {
  std::optional<Asked> out;
  auto refused = tx.one("SELECT 1 FROM approval_refusal WHERE account = $1 AND credential = $2 AND source_key = $3 AND until > $4",
                        {ask.user, ask.credential, ask.source_key, now}, [&](const store::Row&) { out = Asked{State::not_me}; });
  if (!refused) return moved(refused);
  if (*refused) return out;
  auto same = tx.one(
      "SELECT id, state FROM approval_request WHERE account = $1 AND call_group = $2 AND expires >= $3 AND state IN ($4, $5) ORDER BY state",
      {ask.user, group, now, State::waiting, State::declined}, [&](const store::Row& row) {
        Asked a{static_cast<State>(row.integer(1)), row.id<ApprovalId>(0)};
        if (a.state == State::waiting) a.code = shown(code_of(a.id));
        out = std::move(a);
      });
  if (!same) return moved(same);
  return out;
}

Result<Requests::Asked> Requests::open_in(store::Tx& tx, Ask ask, const Digest& group, const Actor& by, Instant now) {
  switch (users_.standing(ask.user)) {
    case identity::Users::Standing::good: break;
    case identity::Users::Standing::asleep: return fail(Reason::service_asleep);
    case identity::Users::Standing::disabled:
    case identity::Users::Standing::unknown: return fail(Reason::user_disabled);
  }
  auto same = same_in(tx, ask, group, now.wall);
  if (!same) return moved(same);
  if (*same) return std::move(**same);

  auto old = tx.run("DELETE FROM approval_request WHERE expires < $1", {now.wall - kKeepRequests});
  if (!old) return moved(old);
  auto over = tx.run("DELETE FROM approval_refusal WHERE until <= $1", {now.wall});
  if (!over) return moved(over);

  // A stranger's flood leaves room for those that come from where the owner works.
  auto familiar = tx.one("SELECT 1 FROM approval_source WHERE account = $1 AND source_key = $2", {ask.user, ask.source_key}, [](const store::Row&) {});
  if (!familiar) return moved(familiar);
  std::int64_t waiting = 0;
  std::int64_t strangers = 0;
  auto counted = tx.one(
      "SELECT COUNT(*), COALESCE(SUM(CASE WHEN known_source = 0 THEN 1 ELSE 0 END), 0) FROM approval_request WHERE account = $1 AND "
      "state = $2 AND expires >= $3",
      {ask.user, State::waiting, now.wall}, [&](const store::Row& row) {
        waiting = row.integer(0);
        strangers = row.integer(1);
      });
  if (!counted) return moved(counted);
  if (waiting >= options_.most || (!*familiar && strangers >= options_.most_unknown)) return fail(Reason::overloaded, "too many requests wait");

  Request r;
  r.ask = std::move(ask);
  r.created = now.wall;
  r.expires = now.wall + options_.lives;
  r.known_source = *familiar;
  bool rings = false;
  if (*familiar) {
    auto may = may_ring_in(tx, r.ask.user, now.wall);
    if (!may) return moved(may);
    rings = *may;
  }
  bool put = false;
  for (int i = 0; i < kTries && !put; ++i) {
    r.id = ApprovalId::make(rng_);
    auto inserted = tx.run(
        "INSERT INTO approval_request (id, code, call_group, account, credential, credential_name, source_key, source, client, access_point, "
        "operation, level, max_age, kinds, created, expires, known_source, rung, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
        "$11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT DO NOTHING",
        {r.id, hidden(code_of(r.id)), group, r.ask.user, r.ask.credential, r.ask.credential_name, r.ask.source_key, r.ask.source, r.ask.client,
         r.ask.access_point, r.ask.operation, r.ask.need.level, r.ask.need.max_age, kinds_number(r.ask.need.kinds), r.created, r.expires,
         r.known_source ? 1 : 0, rings ? 1 : 0, r.state});
    if (!inserted) return moved(inserted);
    put = *inserted == 1;
  }
  if (!put) return fail(Reason::overloaded, "no code is free");
  record(tx, "approvals.ask", by, r, now);
  auto heard = identity::changed_for_in(tx, kApprovalTopic, r.ask.user);
  if (!heard) return moved(heard);
  // A source that nothing was ever approved for gets its place in the inbox; whoever stole a credential
  // rings no bell with it.
  auto rung = rings ? identity::changed_for_in(tx, factors::kBellTopic, r.ask.user) : Result<void>{};
  if (!rung) return moved(rung);
  return Asked{State::waiting, r.id, shown(code_of(r.id))};
}

Result<bool> Requests::may_ring_in(store::Tx& tx, UserId user, WallTime now) const {
  std::int64_t rung = 0;
  auto counted = tx.one("SELECT COUNT(*) FROM approval_request WHERE account = $1 AND rung = 1 AND created > $2", {user, now - options_.bell_window},
                        [&](const store::Row& row) { rung = row.integer(0); });
  if (!counted) return moved(counted);
  return rung < options_.bells;
}

void Requests::record(store::Tx& tx, std::string_view operation, const Actor& by, const Request& request, Instant now) const {
  const std::string object = request.id.text();
  const std::string note = object_of(request);
  log_.append(tx, identity::change_record(operation, by, object, note, now));
}

}  // namespace vestibule::approval
