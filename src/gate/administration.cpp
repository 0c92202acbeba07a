// Stops and policies: what administrators change. Denying acts first and is recorded then; granting the
// other way round.
#include <algorithm>

#include "base/log.hpp"
#include "factors/factors.hpp"
#include "gate/gate.hpp"
#include "identity/actor.hpp"

namespace vestibule::gate {
namespace {

constexpr std::string_view kDenial = "stop";  // frozen: stands in the file of denials

}  // namespace

Stops Gate::stops() const {
  const std::lock_guard lock(mutex_);
  return *stops_;
}

std::shared_ptr<const PolicySet> Gate::policies() const {
  const std::lock_guard lock(mutex_);
  return policies_;
}

// After the end of a former process: what it could not store holds before anything is admitted. A
// denial that nobody can read any more may have been any: everything stops until a person looks.
void Gate::take_up_denials() {
  if (options_.denials == nullptr) return;
  for (store::Denials::Kept& kept : options_.denials->take(kDenial)) {
    Unpacker in(kept.what);
    std::optional<Stop> stop = unpack_stop(in);
    session::Actor by = identity::unpack_actor(in);
    if (!stop || !in.done()) {
      options_.denials->give_back(std::move(kept));
      continue;
    }
    log::warn("an emergency stop of the last run was not stored yet: it holds", {{"scope", name(stop->scope)}});
    stops_ = std::make_shared<const Stops>(stops_->with(*stop));
    unpersisted_.push_back({std::move(*stop), std::move(by), kept.place, "stored late, kept over the end of the process"});
  }
  for (store::Denials::Kept& kept : options_.denials->take_rest()) {
    Stop all;
    all.scope = StopScope::all;
    all.since = clock_.wall();
    all.by = "(gateway)";
    all.why = "a denial of the last run cannot be read: look whom it may have meant, then lift this";
    session::Actor gateway;
    gateway.name = domain::UserName(all.by);
    gateway.source.address[15] = 1;
    gateway.source.local = true;
    log::error("everything is stopped: a denial of the last run cannot be read");
    stops_ = std::make_shared<const Stops>(stops_->with(all));
    unpersisted_.push_back({std::move(all), std::move(gateway), kept.place, {}});
  }
}

bool Gate::open() const {
  const std::lock_guard lock(mutex_);
  return !closed_;
}

std::shared_ptr<const Stops> Gate::in_force() const {
  if (!closed_) return stops_;
  return std::make_shared<const Stops>(stops_->with(Stop{StopScope::all, {}, {}, "(gateway)", {}}));
}

// In the job that lifts a stop, so that none of its pages brings it back.
Result<void> Gate::settle_in(store::Tx& tx, StopScope scope, std::string_view target) const {
  if (options_.denials == nullptr) return {};
  const std::lock_guard lock(mutex_);
  for (const Pending& p : unpersisted_) {
    if (p.stop.scope != scope || p.stop.target != target) continue;
    Result<void> settled = options_.denials->settle_in(tx, p.place);
    if (!settled) return settled;
  }
  return {};
}

net::Task<Result<void>> Gate::stop(Stop what, session::Actor by) {
  {
    const std::lock_guard lock(mutex_);
    stops_ = std::make_shared<const Stops>(stops_->with(what));
  }
  co_await spread();
  const Instant now = clock_.now();
  auto job = [this, &what, &by, now](store::Tx& tx) -> Result<void> {
    const std::string object = std::string(name(what.scope)) + (what.target.empty() ? "" : " " + what.target);
    log_.append(tx, identity::change_record("stop", by, object, what.why, now));
    return Stops::put_in(tx, what);
  };
  Result<void> written = co_await database_.write(job);
  if (written) {
    // A lift of the same stop that was under way may have taken it out of memory meanwhile: denying wins.
    bool lost = false;
    {
      const std::lock_guard lock(mutex_);
      lost = !stops_->has(what.scope, what.target);
      if (lost) stops_ = std::make_shared<const Stops>(stops_->with(what));
    }
    if (lost) co_await spread();
    co_return written;
  }
  log::error("the emergency stop holds, but could not be stored yet", {{"detail", written.error().detail}});
  store::Denials::Place place;
  if (options_.denials != nullptr) {
    Packer packed;
    pack(packed, what);
    identity::pack(packed, by);
    std::string kind(kDenial);
    Bytes bytes = packed.take();
    place = co_await options_.denials->keep(std::move(kind), std::move(bytes));
  }
  const std::lock_guard lock(mutex_);
  if (stops_->has(what.scope, what.target)) {
    unpersisted_.push_back({std::move(what), std::move(by), place, "stored late"});
  } else if (options_.denials != nullptr) {
    options_.denials->settled(place);  // lifted meanwhile
  }
  co_return written;
}

net::Task<> Gate::persist_stops() {
  std::vector<Pending> todo;
  bool reopens = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ && options_.denials->unkept() == 0) {
      closed_ = false;
      reopens = true;
    }
    if (database_.health() == store::Health::ok) todo = unpersisted_;
  }
  if (reopens) co_await spread();
  const Instant now = clock_.now();
  for (const Pending& p : todo) {
    auto job = [this, &p, now](store::Tx& tx) -> Result<void> {
      const std::string object = std::string(name(p.stop.scope)) + (p.stop.target.empty() ? "" : " " + p.stop.target);
      const std::string note = p.stop.why + (p.note.empty() ? "" : " (" + p.note + ")");
      log_.append(tx, identity::change_record("stop", p.by, object, note, now));
      Result<void> put = Stops::put_in(tx, p.stop);
      if (!put || options_.denials == nullptr) return put;
      return options_.denials->settle_in(tx, p.place);
    };
    Result<void> written = co_await database_.write(job);
    if (!written) co_return;
    bool lifted = false;
    {
      const std::lock_guard lock(mutex_);
      const auto at = std::find_if(unpersisted_.begin(), unpersisted_.end(), [&](const Pending& q) {
        return q.stop == p.stop && q.place.slot == p.place.slot && q.place.sequence == p.place.sequence;
      });
      lifted = at == unpersisted_.end();
      if (!lifted) {
        if (options_.denials != nullptr) options_.denials->settled(at->place);
        unpersisted_.erase(at);
      }
    }
    if (lifted) co_await remove_row(p.stop);
  }
}

// Of a stop that was lifted while it was on its way to the store.
net::Task<> Gate::remove_row(Stop stop) {
  auto job = [this, &stop](store::Tx& tx) -> Result<bool> {
    if (stops().has(stop.scope, stop.target)) return false;  // set anew
    return Stops::remove_in(tx, stop.scope, stop.target);
  };
  const Result<bool> removed = co_await database_.write(job);
  if (!removed) log::error("a stop that was lifted may come back with the next start", {{"detail", removed.error().detail}});
}

net::Task<Result<bool>> Gate::lift(StopScope scope, std::string target, session::Actor by, std::optional<WallTime> since) {
  const Instant now = clock_.now();
  const Stops before = stops();
  bool pending = false;
  const auto is_it = [&](const Stop& s) { return s.scope == scope && s.target == target && (!since || s.since == *since); };
  auto job = [this, scope, &target, &by, now, &since, &is_it](store::Tx& tx) -> Result<bool> {
    Result<bool> removed = Stops::remove_in(tx, scope, target, since);
    // One that holds in memory and could not be stored yet is lifted on the record too.
    if (removed) *removed |= std::ranges::any_of(stops().all(), is_it);
    if (removed && *removed) {
      Result<void> settled = settle_in(tx, scope, target);
      if (!settled) return std::move(settled).error();
      log_.append(tx, identity::change_record("stop.lift", by, std::string(name(scope)) + (target.empty() ? "" : " " + target), "", now));
    }
    return removed;
  };
  Result<bool> removed = co_await database_.write(job);
  if (!removed) co_return removed;
  {
    const std::lock_guard lock(mutex_);
    // Set anew while this was on its way: nobody has asked for that one to be lifted.
    if (stops_->has(scope, target) && std::ranges::none_of(stops_->all(), is_it)) co_return removed;
    stops_ = std::make_shared<const Stops>(stops_->without(scope, target));
    std::erase_if(unpersisted_, [&](const Pending& p) {
      const bool it = is_it(p.stop);
      if (it && options_.denials != nullptr) options_.denials->settled(p.place);
      pending |= it;
      return it;
    });
  }
  // A stop of the same target that raced this has its row by now, or looks into memory once it has. So what
  // the store has stands, but for the row of the very stop that was lifted on its way there (remove_row);
  // and if it cannot be asked, nothing is lifted.
  auto look = [](store::Tx& tx) { return Stops::load(tx); };
  const Result<Stops> stored = co_await database_.read(look);
  {
    const std::lock_guard lock(mutex_);
    for (const Stop& s : stored ? stored->all() : before.all()) {
      const bool late = pending && std::ranges::find(before.all(), s) != before.all().end();
      if (s.scope != scope || s.target != target || (stored && late)) continue;
      stops_ = std::make_shared<const Stops>(stops_->with(s));
    }
  }
  co_await spread();
  if (!stored) co_return stored.error();
  if (pending) {
    Stop gone;
    gone.scope = scope;
    gone.target = target;
    co_await remove_row(std::move(gone));
  }
  co_return removed;
}

net::Task<Result<Staged>> Gate::reload_policy(std::string text, std::string file_name, session::Actor by) {
  policy::ParseResult parsed = policy::Policy::parse(text, file_name, options_.enrollable);
  if (!parsed) co_return fail(Reason::config_invalid, parsed.text());
  Staged out;
  std::shared_ptr<const PolicySet> fresh;
  {
    const std::lock_guard lock(mutex_);
    out.differences = policy::compare(policies_->active, *parsed.policy);
    const bool same = policies_->active.digest() == parsed.policy->digest();
    out.changed = !same || policies_->staged.has_value();
    auto set = std::make_shared<PolicySet>(PolicySet{*parsed.policy, std::nullopt});
    if (options_.trust == PolicyTrust::approval && policy::loosens(out.differences)) {
      set->active = policies_->active;
      set->staged = *parsed.policy;
      out.staged = parsed.policy->digest();
    }
    out.active = set->active.digest();
    fresh = set;
  }
  if (!out.changed) co_return out;
  // What tightens takes effect first and is recorded then; what loosens (a trusted file) the other way
  // round.
  const bool loosens_now = !out.staged && policy::loosens(out.differences);
  if (!loosens_now) {
    {
      const std::lock_guard lock(mutex_);
      policies_ = fresh;
    }
    co_await spread();
  }
  const Instant now = clock_.now();
  const std::string note = describe(out.differences);
  auto job = [this, &by, &note, &out, fresh, now](store::Tx& tx) -> Result<void> {
    audit::Record r = identity::change_record(out.staged ? "policy.stage" : options_.trust == PolicyTrust::file ? "policy.load_trusted" : "policy.load",
                             by, "", note, now);
    r.policy = out.staged ? *out.staged : out.active;
    log_.append(tx, r);
    return PolicyRow::put_in(tx, fresh->active, now.wall);
  };
  Result<void> written = co_await database_.write(job);
  if (!written) co_return std::move(written).error();
  if (loosens_now) {
    {
      const std::lock_guard lock(mutex_);
      policies_ = fresh;
    }
    co_await spread();
  }
  co_return out;
}

net::Task<Result<void>> Gate::approve_policy(Digest digest, factors::Attempt attempt) {
  const std::shared_ptr<const PolicySet> set = policies();
  if (!set->staged || set->staged->digest() != digest) {
    co_return fail(Reason::conflict, "no policy of this digest waits for approval");
  }
  const policy::Policy approved = *set->staged;
  attempt.purpose = "policy.approve " + hex(digest);
  const session::Actor by = attempt.by;
  const Instant now = clock_.now();
  const std::string note = describe(policy::compare(set->active, approved));
  auto act = [this, approved, digest, by, note, now](store::Tx& tx, const domain::Proof& proof) -> Result<void> {
    const std::shared_ptr<const PolicySet> present = policies();
    if (!present->staged || present->staged->digest() != digest) {
      return fail(Reason::conflict, "another policy has been read meanwhile");
    }
    audit::Record r = identity::change_record("policy.approve", by, domain::name(proof.kind), note, now);
    r.policy = approved.digest();
    log_.append(tx, r);
    return PolicyRow::put_in(tx, approved, now.wall);
  };
  Result<void> done = co_await factors_.prove_and(std::move(attempt), act);
  if (!done) co_return done;
  {
    const std::lock_guard lock(mutex_);
    if (!policies_->staged || policies_->staged->digest() != digest) {
      co_return fail(Reason::conflict, "another policy was read meanwhile");
    }
    policies_ = std::make_shared<const PolicySet>(PolicySet{approved, std::nullopt});
  }
  co_await spread();
  co_return Result<void>{};
}

}  // namespace vestibule::gate
