#include "approval/mandates.hpp"

#include <algorithm>

#include "approval/proofs.hpp"
#include "approval/rows.hpp"
#include "base/counters.hpp"
#include "base/log.hpp"
#include "base/packed.hpp"
#include "crypto/hash.hpp"
#include "identity/tending.hpp"

namespace vestibule::approval {
namespace {

Counter g_drawn("vestibule_mandate_calls_total", "Calls admitted under a mandate.");

constexpr Duration kKeep = std::chrono::hours(24 * 7);  // after its end, for its owner to read

}  // namespace

Mandates::Mandates(store::Database& database, factors::Factors& factors, audit::Log& log, const Clock& clock, Rng& rng)
    : database_(database), factors_(factors), log_(log), clock_(clock), rng_(rng) {}

Result<std::unique_ptr<Mandates>> Mandates::open(store::Database& database, identity::Users& users, factors::Factors& factors,
                                                 audit::Log& log, const Clock& clock, Rng& rng) {
  std::unique_ptr<Mandates> m(new Mandates(database, factors, log, clock, rng));
  auto loaded = database.read_blocking([&](store::Tx& tx) { return m->load(tx); });
  if (!loaded) return std::move(loaded).error();
  database.listen([p = m.get()](store::Tx& tx, std::span<const store::Change> changes) { p->on_changes(tx, changes); });
  const auto end_all = [](store::Tx& tx, UserId user) -> Result<void> {
    auto gone = tx.run("DELETE FROM mandate WHERE account = $1", {user});
    if (!gone) return moved(gone);
    tx.changed(kMandateTopic, user.bytes);
    return {};
  };
  users.on_disable(end_all);
  const auto end_for = [](store::Tx& tx, UserId service) -> Result<void> {
    auto ended = tx.run("UPDATE mandate SET revoked = 1 WHERE service = $1", {service});
    if (!ended) return moved(ended);
    tx.changed(kMandateTopic, {});
    return {};
  };
  users.on_handover(end_for);
  users.on_disable(end_for);
  users.on_remove(end_for);
  users.on_remove(end_all);
  return m;
}

// --- memory: the feed's thread, or start-up

Result<void> Mandates::rows(store::Tx& tx, UserId owner, const std::function<void(Entry)>& each) const {
  return tx.query(
      "SELECT id, account, name, credential, credential_name, scope, max_body, calls, tokens, calls_left, tokens_left, starts, ends, "
      "made, revoked, factor, proofs, service FROM mandate WHERE account = $1 OR $2 = 1 ORDER BY made, id",
      {owner, owner.is_nil() ? 1 : 0}, [&](const store::Row& row) {
        Entry e;
        e.id = row.id<MandateId>(0);
        e.owner = row.id<UserId>(1);
        MandateForm& f = e.terms.form_;
        f.name = row.text(2);
        f.credential = digest_from(row.blob(3));
        f.credential_name = row.text(4);
        auto scope = policy::Scope::parse(row.text(5));
        if (!scope) {
          log::error("a mandate cannot be read: it counts no more", {{"id", e.id.text()}, {"detail", scope.error().detail}});
          return true;
        }
        f.scope = scope->form();
        e.terms.scope_ = std::move(*scope);
        f.max_body = row.integer(6);
        f.calls = row.integer(7);
        f.tokens = row.integer(8);
        e.calls_left = row.integer(9);
        e.tokens_left = row.integer(10);
        f.starts = row.time(11);
        f.ends = row.time(12);
        e.made.wall = row.time(13);
        e.revoked = row.integer(14) != 0;
        e.factor = row.id<FactorId>(15);
        e.evidence = unpacked(row.blob(16), e.made.wall);
        f.service = row.id<UserId>(17);
        each(std::move(e));
        return true;
      });
}

Result<void> Mandates::load(store::Tx& tx) {
  std::map<Place, Entry> found;
  const WallTime now = clock_.wall();
  auto read = rows(tx, {}, [&](Entry e) {
    if (e.terms.form().ends + kLongestWindow <= now) return;  // what was admitted in time may still run
    const Place place{e.terms.form().credential, e.id};
    found.emplace(place, std::move(e));
  });
  if (!read) return read;
  const std::lock_guard lock(mutex_);
  for (auto& [place, e] : found) {
    const auto before = entries_.find(place);
    if (before == entries_.end()) continue;
    e.unsettled = before->second.unsettled;
    e.revoked |= before->second.revoked;  // perhaps not stored yet
  }
  entries_ = std::move(found);
  return {};
}

void Mandates::on_changes(store::Tx& tx, std::span<const store::Change> changes) {
  const bool mine = std::ranges::any_of(changes, [](const store::Change& c) { return c.topic == kMandateTopic; });
  if (!mine) return;
  auto loaded = load(tx);
  if (loaded) return;
  log::error("mandates could not be read again: none counts", {{"detail", loaded.error().detail}});
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

// --- the owner

void Mandates::record(store::Tx& tx, std::string_view operation, const Actor& by, const Entry& about, std::string_view note,
                      Instant now) const {
  log_.append(tx, identity::change_record(operation, by, about.terms.form().name, note, now));
}

Result<MandateId> Mandates::sign_in(store::Tx& tx, const MandateTerms& terms, const Actor& by, const domain::Proof& proof, Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  if (!proof.traits.possession) return fail(Reason::mfa_required, "a mandate takes a second factor");
  if (!domain::KindSet::ordinary().has(proof.kind)) return fail(Reason::push_digits);
  const MandateForm& f = terms.form();
  if (!f.service.is_nil()) {
    auto services = identity::sponsored_in(tx, by.user);
    if (!services) return moved(services);
    if (std::ranges::find(*services, f.service) == services->end()) return fail(Reason::not_found, "a mandate for a service is its sponsor's to sign");
  }
  std::int64_t open = 0;
  std::int64_t same = 0;
  auto counted = tx.one("SELECT COUNT(*), COALESCE(SUM(CASE WHEN name = $3 THEN 1 ELSE 0 END), 0) FROM mandate WHERE account = $1 AND "
                        "revoked = 0 AND ends > $2",
                        {by.user, now.wall, f.name}, [&](const store::Row& row) {
                          open = row.integer(0);
                          same = row.integer(1);
                        });
  if (!counted) return moved(counted);
  if (same > 0) return fail(Reason::conflict, "name: a mandate of this name is not over; revoke it or choose another");
  if (open >= static_cast<std::int64_t>(kMost)) return fail(Reason::conflict, "32 mandates are not over: revoke some");
  domain::Evidence evidence;
  for (const domain::Proof& p : by.evidence) {
    if (p.traits.knowledge) evidence.add(p);
  }
  evidence.add(proof);
  Entry e;
  e.id = MandateId::make(rng_);
  e.terms = terms;
  const Bytes proofs = packed(evidence);
  auto put = tx.run(
      "INSERT INTO mandate (id, account, name, credential, credential_name, scope, max_body, calls, tokens, calls_left, tokens_left, "
      "starts, ends, made, revoked, factor, proofs, service) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $9, $10, $11, $12, 0, $13, $14, $15)",
      {e.id, by.user, f.name, f.credential, f.credential_name, terms.scope().text(), f.max_body, f.calls, f.tokens, f.starts, f.ends,
       now.wall, proof.factor, proofs, f.service});
  if (!put) return moved(put);
  // Those that are long over go with it.
  auto swept = tx.run("DELETE FROM mandate WHERE ends < $1", {now.wall - kKeep});
  if (!swept) return moved(swept);
  Actor self = by;
  self.evidence.add(proof);
  record(tx, "mandates.sign", self, e, terms.text(by.name.view()), now);
  tx.changed(kMandateTopic, by.user.bytes);
  return e.id;
}

net::Task<Result<void>> Mandates::revoke(MandateId id, UserId owner, Actor by) {
  {
    const std::lock_guard lock(mutex_);
    for (auto& [place, e] : entries_) {
      if (e.id == id && (owner.is_nil() || e.owner == owner)) e.revoked = true;
    }
  }
  auto job = [this, id, owner, by](store::Tx& tx) -> Result<void> {
    Entry e;
    UserId of{};
    auto ended = tx.one("UPDATE mandate SET revoked = 1 WHERE id = $1 AND (account = $2 OR $3 = 1) RETURNING name, account",
                        {id, owner, owner.is_nil() ? 1 : 0}, [&](const store::Row& row) {
                          e.terms.form_.name = row.text(0);
                          of = row.id<UserId>(1);
                        });
    if (!ended) return moved(ended);
    if (!*ended) return fail(Reason::not_found, "no such mandate");
    record(tx, "mandates.revoke", by, e, {}, clock_.now());
    tx.changed(kMandateTopic, of.bytes);
    return {};
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

net::Task<Result<std::vector<MandateInfo>>> Mandates::list(UserId owner) const {
  auto job = [this, owner](store::Tx& tx) -> Result<std::vector<MandateInfo>> {
    std::vector<MandateInfo> out;
    auto read = rows(tx, owner, [&](Entry e) {
      out.push_back({e.id, e.owner, e.terms.form(), e.calls_left, e.tokens_left, e.made.wall, e.revoked, e.evidence});
    });
    if (!read) return moved(read);
    return out;
  };
  Result<std::vector<MandateInfo>> out = co_await database_.read(std::move(job));
  co_return out;
}

// --- the gate

std::string Mandates::why_not(const Entry& e, const domain::Act& act, const domain::Source& source, const domain::Requirement& need,
                              WallTime now, policy::Known known) const {
  if (e.revoked) return "it was revoked";
  if (std::string why = outside(e.terms, act, source, now, known); !why.empty()) return why;
  if (e.calls_left < 1) return "its calls are used up";
  if (e.terms.form().tokens > 0 && e.tokens_left - e.unsettled < 1) return "its tokens are used up";
  if (!reaches(e.evidence, e.made.wall, need)) return "what it was signed with does not reach level " + std::to_string(need.level);
  return {};
}

bool Mandates::might(const Digest& credential, const domain::Act& act, const domain::Source& source, const domain::Requirement& need,
                     WallTime now, policy::Known known) const {
  bool found = false;
  const std::lock_guard lock(mutex_);
  each(credential, [&](const Entry& e) { found = found || why_not(e, act, source, need, now, known).empty(); });
  return found;
}

std::string Mandates::why_not(const Digest& credential, const domain::Act& act, const domain::Source& source,
                              const domain::Requirement& need, WallTime now, policy::Known known) const {
  std::string out;
  const std::lock_guard lock(mutex_);
  each(credential, [&](const Entry& e) {
    const std::string why = why_not(e, act, source, need, now, known);
    if (!why.empty()) out.append(out.empty() ? "" : "; ").append("mandate \"" + e.terms.form().name + "\": " + why);
  });
  return out;
}

net::Task<Result<std::optional<Drawn>>> Mandates::draw(Digest credential, domain::Act act, domain::Source source,
                                                       domain::Requirement need, Instant now) {
  struct Candidate {
    MandateId id{};
    WallTime ends{};
    std::string name;
  };
  std::vector<Candidate> candidates;
  {
    const std::lock_guard lock(mutex_);
    each(credential, [&](const Entry& e) {
      if (!why_not(e, act, source, need, now.wall, policy::Known::whole).empty()) return;
      candidates.push_back({e.id, e.terms.form().ends, e.terms.form().name});
    });
  }
  // What ends first is used first.
  std::ranges::sort(candidates, {}, &Candidate::ends);
  for (const Candidate& c : candidates) {
    const Drawn drawn{credential, c.id, domain::InlineText<48>("mandate:" + c.name)};
    std::int64_t spent = 0;
    {
      const std::lock_guard lock(mutex_);
      if (const auto at = entries_.find({credential, c.id}); at != entries_.end()) std::swap(spent, at->second.unsettled);
    }
    // The row decides: whatever memory said, one statement takes one call.
    auto job = [this, id = c.id, credential, spent](store::Tx& tx) -> Result<bool> {
      const WallTime wall = clock_.wall();
      UserId owner{};
      FactorId factor{};
      auto taken = tx.one(
          "UPDATE mandate SET calls_left = calls_left - 1, tokens_left = tokens_left - $3 WHERE id = $1 AND credential = $2 AND "
          "revoked = 0 AND calls_left > 0 AND (tokens = 0 OR tokens_left > $3) AND starts <= $4 AND ends > $4 RETURNING account, factor",
          {id, credential, spent, wall}, [&](const store::Row& row) {
            owner = row.id<UserId>(0);
            factor = row.id<FactorId>(1);
          });
      if (!taken) return moved(taken);
      if (!*taken) return fail(Reason::conflict, "used up");
      // Nothing outlives what it rests on: a factor that was lost or removed has signed nothing.
      auto counts = factors_.counts_in(tx, owner, factor);
      if (!counts) return moved(counts);
      if (!*counts) return fail(Reason::conflict, "the factor that signed it is gone");
      tx.changed(kMandateTopic, owner.bytes);
      return true;
    };
    Result<bool> taken = co_await database_.write(std::move(job));
    if (taken) {
      g_drawn.add();
      co_return std::optional<Drawn>(drawn);
    }
    spend(drawn, static_cast<std::uint64_t>(spent));
    if (taken.error().code != Reason::conflict) co_return std::move(taken).error();
  }
  co_return std::optional<Drawn>{};
}

bool Mandates::stands(const Drawn& drawn, WallTime now) const {
  const std::lock_guard lock(mutex_);
  const auto at = entries_.find({drawn.credential, drawn.id});
  return at != entries_.end() && !at->second.revoked && now < at->second.terms.form().ends;
}

void Mandates::spend(const Drawn& drawn, std::uint64_t tokens) noexcept {
  const std::lock_guard lock(mutex_);
  const auto at = entries_.find({drawn.credential, drawn.id});
  if (at != entries_.end()) at->second.unsettled += static_cast<std::int64_t>(tokens);
}

net::Task<Result<void>> Mandates::settle() {
  std::vector<std::pair<Place, std::int64_t>> spent;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [place, e] : entries_) {
      if (e.unsettled != 0) spent.emplace_back(place, std::exchange(e.unsettled, 0));
    }
  }
  if (spent.empty()) co_return Result<void>{};
  auto job = [&spent](store::Tx& tx) -> Result<void> {
    for (const auto& [place, tokens] : spent) {
      auto done = tx.run("UPDATE mandate SET tokens_left = tokens_left - $2 WHERE id = $1", {place.second, tokens});
      if (!done) return moved(done);
    }
    tx.changed(kMandateTopic, {});
    return {};
  };
  Result<void> done = co_await database_.write(job);
  if (!done) {
    for (const auto& [place, tokens] : spent) {
      const Drawn drawn{place.first, place.second, {}};
      spend(drawn, static_cast<std::uint64_t>(tokens));
    }
  }
  co_return done;
}

}  // namespace vestibule::approval
