// The held call's side: asking, what memory knows, and the one use.
#include "approval/confirmations.hpp"

#include <algorithm>

#include "approval/confirmation_rows.hpp"
#include "approval/proofs.hpp"
#include "approval/request.hpp"
#include "approval/requests.hpp"
#include "base/log.hpp"
#include "base/packed.hpp"
#include "crypto/hash.hpp"
#include "factors/prompts.hpp"
#include "identity/eligible.hpp"
#include "identity/tending.hpp"

namespace vestibule::approval {
namespace {

constexpr std::size_t kMaxText = 128;  // of words of the caller
constexpr std::size_t kMostArguments = std::size_t{64} << 10U;  // that a person reads and signs
constexpr Duration kLately = std::chrono::hours(1);
constexpr Duration kKeepUnused = std::chrono::hours(24);

crypto::Place place_of(const ConfirmationId& id) { return {"confirmation", "content", as_text(id.bytes)}; }

void cut(std::string& text) {
  if (text.size() > kMaxText) text.resize(kMaxText);
  // The text is signed and shown: what is no UTF-8 would be neither.
  if (!is_utf8(text)) std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) > 0x7e; }, '?');
}

}  // namespace

std::string_view name(Stage stage) noexcept {
  switch (stage) {
    case Stage::waiting: return "waiting";
    case Stage::confirmed: return "confirmed";
    case Stage::dispatched: return "dispatched";
    case Stage::declined: return "declined";
    case Stage::not_me: return "not me";
    case Stage::withheld: return "withheld";
  }
  return "";
}

// --- rows

Bytes packed_need(const domain::Requirement& n) {
  Packer out;
  out.number(1).number(static_cast<std::uint64_t>(n.level)).number(static_cast<std::uint64_t>(n.max_age.count()));
  out.number(static_cast<std::uint64_t>(n.confirmation)).number(n.people).number(n.justification ? 1 : 0).number(n.bound ? 1 : 0);
  out.number(n.apart ? 1 : 0).number(static_cast<std::uint64_t>(kinds_number(n.kinds)));
  const std::vector<std::string> lists = n.approvers.lists();
  out.number(lists.size());
  for (const std::string& list : lists) out.text(list);
  return out.take();
}

domain::Requirement unpacked_need(ByteView raw) {
  Unpacker in(raw);
  const bool known = in.number() == 1;
  domain::Requirement n;
  n.level = static_cast<int>(in.number());
  n.max_age = Duration(static_cast<std::int64_t>(in.number()));
  n.confirmation = static_cast<domain::Confirmation>(in.number());
  n.people = static_cast<std::uint8_t>(in.number());
  n.justification = in.number() != 0;
  n.bound = in.number() != 0;
  n.apart = in.number() != 0;
  n.kinds = kinds_from(static_cast<std::int64_t>(in.number()));
  std::vector<std::string> lists(std::min<std::uint64_t>(in.number(), domain::Approvers::capacity + 1));
  for (std::string& list : lists) list = in.text();
  n.approvers = domain::Approvers::of_lists(lists);
  if (known && in.done()) return n;
  n.level = std::numeric_limits<int>::max();
  n.kinds = {};
  return n;
}

Bytes sealed_content(const crypto::KeyRing& keys, ConfirmationId id, std::string_view action, std::string_view arguments) {
  Packer out;
  out.text(action).text(arguments);
  const Bytes content = out.take();
  return keys.seal(content, place_of(id));
}

ConfirmationRow confirmation_from(const store::Row& row) {
  ConfirmationRow r;
  Confirmation& c = r.confirmation;
  c.id = row.id<ConfirmationId>(0);
  c.account = row.id<UserId>(1);
  c.credential = digest_from(row.blob(2));
  const ByteView sealed = row.blob(3);
  r.sealed.assign(sealed.begin(), sealed.end());
  c.digest = digest_from(row.blob(4));
  c.need = unpacked_need(row.blob(5));
  c.created = row.time(6);
  c.expires = row.time(7);
  c.stage = static_cast<Stage>(row.integer(8));
  c.justification = row.text(9);
  r.group = digest_from(row.blob(10));
  r.source_key = row.text(11);
  r.settled = row.time(12);
  c.access_point = row.text(13);
  c.tool = row.text(14);
  return r;
}

Result<void> unseal(const crypto::KeyRing& keys, ConfirmationRow& r) {
  Result<Secret> content = keys.open(r.sealed, place_of(r.confirmation.id));
  if (!content) return std::move(content).error();
  Unpacker in(content->reveal());
  r.confirmation.action = in.text();
  r.confirmation.arguments = in.text();
  if (!in.done() || digest_of(r.confirmation.action) != r.confirmation.digest) return fail(Reason::sealed_unreadable, "a confirmation's content");
  return {};
}

// --- memory

Confirmations::Confirmations(store::Database& database, const crypto::KeyRing& keys, identity::Users& users, factors::Factors& factors,
                             audit::Log& log, const Clock& clock, Rng& rng, ConfirmationOptions options)
    : database_(database),
      keys_(keys),
      users_(users),
      factors_(factors),
      log_(log),
      clock_(clock),
      rng_(rng),
      options_(std::move(options)) {}

Result<std::unique_ptr<Confirmations>> Confirmations::open(store::Database& database, const crypto::KeyRing& keys, identity::Users& users,
                                                           factors::Factors& factors, audit::Log& log, const Clock& clock, Rng& rng,
                                                           ConfirmationOptions options) {
  std::unique_ptr<Confirmations> c(new Confirmations(database, keys, users, factors, log, clock, rng, std::move(options)));
  auto loaded = database.read_blocking([&](store::Tx& tx) { return c->load(tx); });
  if (!loaded) return std::move(loaded).error();
  database.listen([p = c.get()](store::Tx& tx, std::span<const store::Change> changes) {
    if (std::ranges::none_of(changes, [](const store::Change& one) { return one.topic == kConfirmationTopic; })) return;
    auto again = p->load(tx);
    if (again) return;
    log::error("confirmations could not be read again: none is known", {{"detail", again.error().detail}});
    const std::lock_guard lock(p->mutex_);
    p->known_.clear();
  });
  // What waits dies with the account, and so does what it has signed for others.
  const auto end_all = [](store::Tx& tx, UserId user) -> Result<void> {
    for (const std::string_view sql :
         {"UPDATE confirmation SET stage = 3 WHERE account = $1 AND stage IN (0, 1)",
          // As kNeverCarried.
          "UPDATE confirmation SET carried = 1 WHERE carried IN (0, 2) AND also <> '' AND (account = $1 OR id IN (SELECT confirmation FROM "
          "confirmation_signature WHERE account = $1))",
          "UPDATE confirmation SET stage = 0 WHERE stage = 1 AND id IN (SELECT confirmation FROM confirmation_signature WHERE account = $1)",
          "DELETE FROM confirmation_signature WHERE account = $1 AND confirmation IN (SELECT id FROM confirmation WHERE stage IN (0, 1))"}) {
      auto done = tx.run(sql, {user});
      if (!done) return moved(done);
    }
    tx.changed(kConfirmationTopic, {});
    return {};
  };
  users.on_disable(end_all);
  users.on_handover(end_all);
  users.on_remove(end_all);
  return c;
}

// What is alive is little: minutes of a few people.
Result<void> Confirmations::load(store::Tx& tx) {
  std::unordered_map<ConfirmationId, Known> alive;
  auto found = tx.query("SELECT id, stage, expires FROM confirmation WHERE expires > $1", {clock_.wall()}, [&](const store::Row& row) {
    alive[row.id<ConfirmationId>(0)] = {static_cast<Stage>(row.integer(1)), row.time(2)};
    return true;
  });
  if (!found) return found;
  const std::lock_guard lock(mutex_);
  known_ = std::move(alive);
  return {};
}

std::optional<Stage> Confirmations::stage(ConfirmationId id) const {
  const WallTime now = clock_.wall();
  const std::lock_guard lock(mutex_);
  const auto at = known_.find(id);
  if (at == known_.end() || at->second.expires <= now) return std::nullopt;
  return at->second.stage;
}

// --- asking

net::Task<Result<std::vector<Confirmations::Asked>>> Confirmations::ask(std::vector<Wanted> calls, Actor by) {
  using Out = std::vector<Asked>;
  for (Wanted& w : calls) {
    for (std::string* text : {&w.action.client, &w.action.source, &w.action.via, &w.action.model}) cut(*text);
  }
  auto job = [this, calls = std::move(calls), by = std::move(by)](store::Tx& tx) -> Result<Out> {
    const Instant now = clock_.now();
    if (!clock_.trusted()) return fail(Reason::clock_untrusted);
    Out out;
    for (const Wanted& w : calls) {
      // One for each: what stands twice in one reply is two calls.
      auto asked = ask_in(tx, w, by, now, out);
      if (!asked) return moved(asked);
      out.push_back(*asked);
    }
    return out;
  };
  Result<Out> out = co_await database_.write(std::move(job));
  co_return out;
}

Result<Confirmations::Asked> Confirmations::ask_in(store::Tx& tx, Wanted w, const Actor& by, Instant now, std::span<const Asked> taken) {
  Action& a = w.action;
  switch (users_.standing(a.account)) {
    case identity::Users::Standing::good: break;
    case identity::Users::Standing::asleep: return fail(Reason::service_asleep);
    case identity::Users::Standing::disabled:
    case identity::Users::Standing::unknown: return fail(Reason::user_disabled);
  }
  auto refused = tx.one("SELECT 1 FROM approval_refusal WHERE account = $1 AND credential = $2 AND source_key = $3 AND until > $4",
                        {a.account, w.credential, w.source_key, now.wall}, [](const store::Row&) {});
  if (!refused) return moved(refused);
  if (*refused) return fail(Reason::push_not_me);

  if (a.arguments.size() > kMostArguments) return fail(Reason::body_too_large, "arguments that a person can read");
  const Bytes need = packed_need(w.need);
  const Digest group = group_of({a.account, w.credential, w.source_key, a.access_point, a.model, a.tool, a.arguments, a.also, a.policy, need});
  std::vector<Asked> same;
  auto found = tx.query("SELECT id, stage FROM confirmation WHERE call_group = $1 AND expires > $2 AND stage IN (0, 1, 3) ORDER BY stage DESC, created",
                        {group, now.wall}, [&](const store::Row& row) {
                          same.push_back({row.id<ConfirmationId>(0), static_cast<Stage>(row.integer(1))});
                          return true;
                        });
  if (!found) return moved(found);
  for (const Asked& one : same) {
    // Declined counts for the whole call, however often it stands there.
    if (one.stage == Stage::declined) return one;
    if (std::ranges::any_of(taken, [&](const Asked& t) { return t.id == one.id; })) continue;
    if (one.stage == Stage::waiting) return one;
    // One whose signature counts no more is no answer: it is asked anew.
    auto good = still_in(tx, {one.id, a.account, {}, w.need}, w.need);
    if (good) return one;
    if (good.error().code != Reason::confirmation_void) return moved(good);
  }

  std::int64_t waiting = 0;
  std::int64_t rung = 0;
  std::int64_t lately = 0;
  std::int64_t waiting_of_one = 0;
  std::int64_t lately_of_one = 0;
  // What was made lately has not expired before that: so much the index tells, and the receipts of months are not read.
  auto counted = tx.one(
      "SELECT COUNT(CASE WHEN stage = 0 AND expires > $2 THEN 1 END), COUNT(CASE WHEN rung = 1 AND created > $3 THEN 1 END), COUNT(*), "
      "COUNT(CASE WHEN stage = 0 AND expires > $2 AND credential = $5 THEN 1 END), COUNT(CASE WHEN credential = $5 THEN 1 END) FROM "
      "confirmation WHERE account = $1 AND created > $4 AND expires > $4",
      {a.account, now.wall, now.wall - options_.bell_window, now.wall - kLately, w.credential}, [&](const store::Row& row) {
        waiting = row.integer(0);
        rung = row.integer(1);
        lately = row.integer(2);
        waiting_of_one = row.integer(3);
        lately_of_one = row.integer(4);
      });
  if (!counted) return moved(counted);
  if (waiting >= options_.most || lately >= options_.most_an_hour) return fail(Reason::overloaded, "too many tool calls asked for this account");
  if (waiting_of_one >= options_.most_of_one || lately_of_one >= options_.most_an_hour_of_one) {
    return fail(Reason::overloaded, "too many tool calls asked for by this credential");
  }

  const bool others = w.need.confirmation == domain::Confirmation::people;
  a.id = ConfirmationId::make(rng_);
  a.expires = now.wall + (others ? options_.lives_others : options_.lives);
  auto text = canonical(a);
  if (!text) return moved(text);
  const Digest digest = digest_of(*text);
  const Digest raw = crypto::sha256(as_bytes(a.arguments));
  const Bytes content = sealed_content(keys_, a.id, *text, a.arguments);
  const bool rings = rung < options_.bells;
  auto put = tx.run(
      "INSERT INTO confirmation (id, account, call_group, credential, source_key, access_point, tool, content, digest, raw, policy, need, people, "
      "created, expires, rung, also, stage, settled, justification) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
      "$17, 0, 0, '')",
      {a.id, a.account, group, w.credential, w.source_key, a.access_point, a.tool, content, digest, raw, a.policy, need,
       others ? std::max<int>(w.need.people, 1) : 0, now.wall, a.expires, rings ? 1 : 0,
       a.also ? place_text(*a.also) : std::string()});
  if (!put) return moved(put);
  Confirmation c;
  c.id = a.id;
  c.digest = digest;
  record(tx, "tools.ask", by, c, a.tool + " at " + a.access_point, now);
  auto told = tell_in(tx, a.account, w.need);
  if (!told) return moved(told);
  if (rings) {
    auto bell = others ? ring_approvers_in(tx, a.id, a.account, w.need) : identity::changed_for_in(tx, factors::kBellTopic, a.account);
    if (!bell) return moved(bell);
  }
  return Asked{a.id, Stage::waiting};
}

Result<void> Confirmations::tell_in(store::Tx& tx, UserId account, const domain::Requirement& need) const {
  // Who may sign for others is nobody in particular.
  if (need.confirmation == domain::Confirmation::people) tx.changed(kConfirmationTopic, {});
  return identity::changed_for_in(tx, kConfirmationTopic, account);
}

// --- the one use

Result<Confirmations::Used> Confirmations::use_in(store::Tx& tx, ConfirmationId id, const Digest& raw_arguments, const Digest& policy,
                                                  const domain::Requirement& present, Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  Taken t;
  t.id = id;
  bool carries = false;
  auto taken = tx.one(
      "UPDATE confirmation SET stage = 2, settled = $4, carried = CASE WHEN carried = 0 AND also <> '' THEN $5 ELSE carried END WHERE id = $1 AND "
      "stage = 1 AND raw = $2 AND policy = $3 AND expires > $4 RETURNING digest, account, need, carried",
      {id, raw_arguments, policy, now.wall, kNotYetCarried}, [&](const store::Row& row) {
        carries = row.integer(3) == kNotYetCarried;
        t.action = digest_from(row.blob(0));
        t.account = row.id<UserId>(1);
        t.need = unpacked_need(row.blob(2));
      });
  if (!taken) return moved(taken);
  if (!*taken) {
    bool expired = false;
    auto why = tx.one("SELECT expires FROM confirmation WHERE id = $1", {id}, [&](const store::Row& row) { expired = row.time(0) <= now.wall; });
    if (!why) return moved(why);
    return fail(expired ? Reason::confirmation_expired : Reason::confirmation_void);
  }
  auto used = still_in(tx, t, present);
  if (!used) return used;
  used->carries = carries;
  auto told = tell_in(tx, t.account, t.need);
  if (!told) return moved(told);
  return used;
}

Result<Confirmations::Used> Confirmations::still_in(store::Tx& tx, const Taken& t, const domain::Requirement& present,
                                                    std::vector<UserId>* signers) const {
  const domain::Requirement& need = t.need;
  // Roles, hours, signals: more may be asked for than when it was signed.
  if (!(domain::stricter(need, present) == need)) return fail(Reason::confirmation_void, "more is asked for now");
  // What was signed must still count: a factor that was lost, an account that was shut out, rights that were
  // taken away since.
  struct One {
    UserId user{};
    FactorId factor{};
    domain::Evidence evidence;
  };
  std::vector<One> all;
  auto read = tx.query("SELECT account, factor, proofs, at FROM confirmation_signature WHERE confirmation = $1 ORDER BY at, account", {t.id},
                       [&](const store::Row& row) {
                         all.push_back({row.id<UserId>(0), row.id<FactorId>(1), unpacked(row.blob(2), row.time(3))});
                         return true;
                       });
  if (!read) return moved(read);
  Used used;
  used.action = t.action;
  std::size_t good = 0;
  for (const One& one : all) {
    auto counts = factors_.counts_in(tx, one.user, one.factor);
    if (!counts) return moved(counts);
    if (!*counts || (signers == nullptr && users_.standing(one.user) != identity::Users::Standing::good)) continue;
    auto why = why_not_in(tx, t.account, need, one.user);
    if (!why) return moved(why);
    if (!why->empty()) continue;
    ++good;
    if (signers != nullptr) signers->push_back(one.user);
    for (const domain::Proof& p : one.evidence) used.proofs.push_back(p);
  }
  if (good < signatures(need)) return fail(Reason::confirmation_void, "a signature counts no more");
  return used;
}

net::Task<Result<void>> Confirmations::let_out(ConfirmationId id) {
  auto job = [id](store::Tx& tx) -> Result<void> {
    auto done = tx.run("UPDATE confirmation SET carried = 0 WHERE id = $1 AND stage = $2 AND carried = $3", {id, Stage::dispatched, kNotYetCarried});
    if (!done) return moved(done);
    return {};
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

net::Task<Result<void>> Confirmations::withhold(ConfirmationId id) {
  auto job = [id](store::Tx& tx) -> Result<void> {
    auto done = tx.run("UPDATE confirmation SET stage = $2 WHERE id = $1 AND stage = $3", {id, Stage::withheld, Stage::dispatched});
    if (!done) return moved(done);
    tx.changed(kConfirmationTopic, {});
    return {};
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

// --- upkeep

Result<void> Confirmations::sweep_in(store::Tx& tx, WallTime now) const {
  const WallTime unused = now - kKeepUnused;
  const WallTime old = now - options_.keeps;
  for (const std::string_view sql :
       {"DELETE FROM confirmation_signature WHERE confirmation IN (SELECT id FROM confirmation WHERE (stage <> 2 AND expires < $1) OR expires < $2)",
        "DELETE FROM confirmation WHERE (stage <> 2 AND expires < $1) OR expires < $2"}) {
    auto gone = tx.run(sql, {unused, old});
    if (!gone) return moved(gone);
  }
  return {};
}

net::Task<Result<void>> Confirmations::maintain() {
  auto job = [this](store::Tx& tx) { return sweep_in(tx, clock_.wall()); };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

Result<std::int64_t> Confirmations::reseal_in(store::Tx& tx) const {
  std::vector<std::pair<ConfirmationId, Bytes>> stale;
  auto rows = tx.query("SELECT id, content FROM confirmation", {}, [&](const store::Row& row) {
    const ByteView blob = row.blob(1);
    if (!keys_.is_current(blob)) stale.emplace_back(row.id<ConfirmationId>(0), Bytes(blob.begin(), blob.end()));
    return true;
  });
  if (!rows) return moved(rows);
  for (const auto& [id, blob] : stale) {
    auto fresh = keys_.reseal(blob, place_of(id));
    if (!fresh) return moved(fresh);
    auto put = tx.run("UPDATE confirmation SET content = $2 WHERE id = $1", {id, *fresh});
    if (!put) return moved(put);
  }
  return static_cast<std::int64_t>(stale.size());
}

Result<std::int64_t> Confirmations::sealed_by(store::Tx& tx, std::uint32_t key) const {
  std::int64_t n = 0;
  auto rows = tx.query("SELECT content FROM confirmation", {}, [&](const store::Row& row) {
    if (crypto::KeyRing::sealed_by(row.blob(0)).value_or(key) == key) ++n;
    return true;
  });
  if (!rows) return moved(rows);
  return n;
}

void Confirmations::record(store::Tx& tx, std::string_view operation, const Actor& by, const Confirmation& about, std::string_view note,
                           Instant now, audit::Log::Cover cover) const {
  const std::string object = about.id.text();
  log_.append(tx, identity::change_record(operation, by, object, note, now), cover);
}

}  // namespace vestibule::approval
