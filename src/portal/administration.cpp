// The gateway itself: status, emergency stops, policy, credentials, keys, backup.

#include <algorithm>

#include "gate/lifts.hpp"
#include "policy/deadline.hpp"
#include "policy/explanation.hpp"
#include "portal/act.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

constexpr std::size_t kMaxWhy = 512;
constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxTarget = policy::kMaxFact + 128;
constexpr std::size_t kMaxCredential = 8192;

std::string_view trust_name(gate::PolicyTrust trust) {
  return trust == gate::PolicyTrust::file ? "file" : "approval";
}

struct Target {
  gate::StopScope scope{};
  std::string target;
};

Result<Target> target_of(const Call& call) {
  const auto scope = gate::stop_scope_from(call.body.text("scope"));
  if (!scope) return fail(Reason::invalid_argument, "scope: all, access_point, user, agent, client, tool or tools");
  Target out{*scope, std::string(call.body.text("target"))};
  if (gate::has_target(*scope) == out.target.empty()) {
    return fail(Reason::invalid_argument, "target: whom or what, and nothing for all or tools");
  }
  return out;
}

}  // namespace

net::Task<Result<Reply>> Portal::status(Call&) {
  const auto up = std::chrono::steady_clock::now() - services_.started;
  const auto set = services_.gate.policies();
  const auto health = [](store::Health h) { return h == store::Health::ok ? "ok" : "failing"; };
  json::Writer w = writer();
  w.begin_object().member("version", services_.version);
  w.member("uptime_s", std::chrono::duration_cast<std::chrono::seconds>(up).count());
  w.member("needs_setup", services_.users.needs_setup());
  w.member("store", health(services_.database.health()));
  w.key("audit").begin_object().member("records", services_.log.size());
  w.member("health", health(services_.log.health())).member("checkpoint", services_.log.checkpoint()).end_object();
  w.key("policy").begin_object().member("digest", hex(set->active.digest())).key("staged");
  if (set->staged) {
    w.value(hex(set->staged->digest()));
  } else {
    w.null();
  }
  w.member("trust", trust_name(services_.gate.trust())).end_object();
  w.member("clock_trusted", services_.clock.trusted());
  w.member("stops", services_.gate.stops().all().size()).member("live", services_.gate.live());
  w.member("tools_asleep", services_.definitions != nullptr ? services_.definitions->sleeping() : 0);
  w.member("sessions", services_.sessions.size()).member("common_passwords", services_.users.common_list_loaded());
  const std::shared_ptr<const access::Catalogue> catalogue = services_.catalogue();
  w.key("access_points").begin_array();
  for (const access::AccessPoint& p : catalogue->points()) {
    const bool held = services_.has_credential && services_.has_credential(p.name);
    w.begin_object().member("name", p.name).member("kind", dialect::name(p.kind)).member("prefix", p.prefix);
    w.member("sensitivity", domain::name(p.sensitivity)).member("owner", p.owner);
    w.member("closed", p.closed(held)).key("child");
    const auto child = services_.child_state ? services_.child_state(p.name) : std::nullopt;
    if (child) {
      w.value(*child);
    } else {
      w.null();
    }
    w.key("upstreams").begin_array();
    for (const std::string& u : p.upstreams) w.value(u);
    w.end_array().end_object();
  }
  w.end_array().end_object();
  co_return body(w);
}

// -------------------------------------------------------------------------------- emergency stops

net::Task<Result<Reply>> Portal::list_stops(Call&) {
  auto job = [now = services_.clock.wall()](store::Tx& tx) { return gate::agreements_in(tx, now); };
  // What holds is told from memory, whatever the store can say of it.
  const Result<std::vector<gate::Agreement>> found = co_await services_.database.read(job);
  const std::vector<gate::Agreement> agreed = found ? *found : std::vector<gate::Agreement>();
  const gate::Stops stops = services_.gate.stops();
  json::Writer w = writer();
  w.begin_object().member("lift_people", services_.lift_people).key("stops").begin_array();
  for (const gate::Stop& s : stops.all()) {
    w.begin_object().member("scope", gate::name(s.scope)).member("target", s.target);
    member_time(w, "since", s.since);
    w.member("by", s.by).member("why", s.why).key("agreed").begin_array();
    for (const gate::Agreement& a : agreed) {
      if (a.scope != s.scope || a.target != s.target || a.since != s.since) continue;
      w.begin_object().member("by", a.by);
      member_time(w, "at", a.at);
      w.end_object();
    }
    w.end_array().end_object();
  }
  w.end_array().end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::set_stop(Call& call) {
  Result<Target> target = target_of(call);
  if (!target) co_return std::move(target).error();
  const std::string_view self = call.caller.who.subject.name.view();
  // A stop that names nobody protects nobody: a slip of the pen is told at once.
  if (target->scope == gate::StopScope::user) {
    if (!services_.users.find(target->target)) co_return fail(Reason::user_unknown);
    if (target->target == self) {
      co_return fail(Reason::conflict, "nobody stops himself: revoke your sessions, or ask another administrator");
    }
  } else if (target->scope == gate::StopScope::access_point && target->target != policy::kAdministration) {
    if (services_.catalogue()->find(target->target) == nullptr) co_return fail(Reason::not_found, "no such access point");
  } else if (target->scope == gate::StopScope::client) {
    const std::string_view client = target->target;
    if (!client.starts_with("client ") && !client.starts_with("key ")) {
      co_return fail(Reason::invalid_argument, "target: as the log names it, \"client NAME\" or \"key NAME\"");
    }
  } else if (target->scope == gate::StopScope::tool) {
    const std::size_t slash = target->target.find('/');
    const std::string_view place = std::string_view(target->target).substr(0, slash);
    if (slash == std::string::npos || slash + 1 == target->target.size()) {
      co_return fail(Reason::invalid_argument, "target: \"ACCESS_POINT/TOOL\", or \"*/TOOL\" at any");
    }
    if (place != "*" && services_.catalogue()->find(place) == nullptr) co_return fail(Reason::not_found, "no such access point");
  }
  if (target->target.size() > kMaxTarget) co_return fail(Reason::invalid_argument, "target: too long");
  gate::Stop stop;
  stop.scope = target->scope;
  stop.target = std::move(target->target);
  stop.since = services_.clock.wall();
  stop.by = self;
  stop.why = call.body.text("why");
  if (stop.why.size() > kMaxWhy) co_return fail(Reason::invalid_argument, "why: at most 512 bytes");
  const Result<void> done = co_await services_.gate.stop(std::move(stop), call.actor());
  json::Writer w = writer();
  w.begin_object().member("durable", done.has_value()).end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::lift_stop(Call& call) {
  Result<Target> wanted = target_of(call);
  if (!wanted) co_return std::move(wanted).error();
  const Target target = std::move(*wanted);
  const auto is_it = [&](const gate::Stop& s) { return s.scope == target.scope && s.target == target.target; };
  const gate::Stops stops = services_.gate.stops();
  const auto found = std::find_if(stops.all().begin(), stops.all().end(), is_it);
  json::Writer w = writer();
  if (found == stops.all().end()) {  // nothing to lift: no code is spent on it
    w.begin_object().member("lifted", false).member("needed", 0).end_object();
    co_return body(w);
  }
  const std::string object =
      std::string(gate::name(target.scope)) + (target.target.empty() ? "" : " " + target.target);
  const std::optional<WallTime> since = found->since;
  struct Done {
    session::Actor by;
    int needed = 0;  // so many more people
  };
  auto act = [this, target, object, stop = *found](store::Tx& tx, const session::Actor& by) -> Result<Done> {
    if (services_.lift_people > 1) {
      Result<int> needed = gate::agree_in(tx, stop, by, services_.lift_people, services_.approval_wait, services_.clock.wall());
      if (!needed) return std::move(needed).error();
      if (*needed > 0) {
        services_.log.append(tx, identity::change_record("stop.agree", by, object, std::to_string(*needed) + " more needed", services_.clock.now()));
        return Done{by, *needed};
      }
    }
    Result<bool> removed = gate::Stops::remove_in(tx, target.scope, target.target, stop.since);
    if (!removed) return std::move(removed).error();
    services_.log.append(tx, identity::change_record("stop.lift", by, object, *removed ? "" : "not stored yet", services_.clock.now()));
    return Done{by, 0};
  };
  Result<Done> done = co_await prove_and(call, "stops.lift " + object, std::move(act));
  if (!done) co_return std::move(done).error();
  if (done->needed > 0) {
    w.begin_object().member("lifted", false).member("needed", done->needed).end_object();
    co_return body(w);
  }
  // The row is gone with the code that was given for it; now memory follows, on every core.
  Result<bool> lifted = co_await services_.gate.lift(target.scope, target.target, std::move(done->by), since);
  if (!lifted) co_return std::move(lifted).error();
  w.begin_object().member("lifted", true).member("needed", 0).end_object();
  co_return body(w);
}

// ---------------------------------------------------------------------------------------- policy

net::Task<Result<Reply>> Portal::read_policy(Call&) {
  const auto set = services_.gate.policies();
  json::Writer w = writer();
  w.begin_object().member("digest", hex(set->active.digest())).member("trust", trust_name(services_.gate.trust()));
  w.member("rules", set->active.rule_count()).member("canonical", set->active.canonical());
  if (set->staged) {
    w.key("staged").begin_object().member("digest", hex(set->staged->digest()));
    member_differences(w, policy::compare(set->active, *set->staged));
    w.end_object();
  }
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::explain_policy(Call& call) {
  const session::Identified& self = call.caller.who;
  const std::string_view user = call.body.text("user");
  domain::Subject subject = self.subject;
  domain::Evidence evidence = self.evidence;
  if (!user.empty() && user != self.subject.name.view()) {
    const Result<void> may = elevate(call);
    if (!may) co_return may.error();
    const auto id = services_.users.find(user);
    if (!id) co_return fail(Reason::user_unknown);
    subject = domain::Subject{};
    if (services_.users.fill(*id, subject) == identity::Users::Standing::unknown) co_return fail(Reason::user_unknown);
    Result<std::vector<session::SessionInfo>> found = co_await services_.sessions.list(*id);
    if (!found) co_return std::move(found).error();
    // What the best of the user's sessions would be judged by: the one with the latest proof.
    evidence = domain::Evidence{};
    WallTime latest{};
    for (const session::SessionInfo& s : *found) {
      for (const domain::Proof& p : s.evidence) {
        if (p.wall <= latest) continue;
        latest = p.wall;
        evidence = s.evidence;
        subject.session = s.id;
      }
    }
  }
  domain::Act act;
  act.access_point = call.body.text("access_point");
  act.operation = call.body.text("operation");
  act.model = call.body.text("model");
  act.tool = call.body.text("tool");
  if (act.tool.empty() == act.operation.empty()) {
    co_return fail(Reason::invalid_argument, "operation, or tool: one of them");
  }
  if (!act.tool.empty()) {
    act.operation = domain::kToolCall;
    act.arguments = call.body.has("arguments") ? call.body.text("arguments") : std::string_view("{}");
    const Result<json::Value> given = json::parse(act.arguments);
    if (!given) co_return fail(Reason::invalid_argument, "arguments: " + given.error().detail);
  }
  if (act.access_point == policy::kAdministration) {
    act.sensitivity = services_.sensitivity;
  } else {
    const std::shared_ptr<const access::Catalogue> catalogue = services_.catalogue();
    const access::AccessPoint* const point = catalogue->find(act.access_point);
    if (point == nullptr) co_return fail(Reason::not_found, "no such access point");
    act.sensitivity = point->sensitivity;
  }
  domain::Source source = call.caller.source;
  if (call.body.has("source")) {
    const auto given = domain::Source::parse(call.body.text("source"));
    if (!given) co_return fail(Reason::invalid_argument, "source: an address or \"unix\"");
    source = *given;
  }
  // Those that are asked about, else those that are up now; of others nobody knows whence they come.
  domain::Signals signals;
  if (call.body.has("signals")) {
    for (const std::string& name : call.body.list("signals")) {
      const auto signal = domain::signal_from(name);
      if (!signal) co_return fail(Reason::invalid_argument, "signals: new_source, new_client, prompt_flood, many_refusals or destructive_tool");
      signals.raise(*signal);
    }
  } else if (subject.user == self.subject.user) {
    gate::Caller as = call.caller;
    as.source = source;
    signals = services_.gate.signals(as, act, services_.clock.now());
  }
  const auto set = services_.gate.policies();
  const bool trusted = services_.clock.trusted();
  const Instant now = services_.clock.now();
  domain::Subject sponsor;
  const bool service = domain::is_service(subject);
  const bool alone = service && !services_.sessions.sponsor(subject, sponsor);
  policy::Explanation why = set->active.explain(act, subject, evidence, source, now, trusted, signals);
  const policy::Deadline* const overdue = services_.gate.overdue(service ? sponsor : subject);
  if (overdue != nullptr && why.decision.outcome != domain::Outcome::deny) policy::explain_overdue(why, *overdue);
  std::string text = why.text();
  if (!act.tool.empty() && services_.definitions != nullptr && services_.definitions->asleep(act.access_point, act.tool)) {
    text.insert(0, "This tool is asleep: its definition has changed, and no administrator has looked at it yet.\n");
  }
  if (alone) text.insert(0, "This service account is asleep: nobody in good standing answers for it.\n");
  if (service) {
    const policy::Explanation theirs = set->active.explain(act, sponsor, evidence, source, now, trusted, signals);
    text.append("\nIts sponsor must be allowed the same, and the stricter requirement counts:\n").append(theirs.text());
    const domain::Decision both = policy::decide_all(set->active, set->staged ? &*set->staged : nullptr, act, subject, &sponsor, evidence,
                                                     source, now, trusted, signals);
    text.append("\nBoth together: ").append(domain::name(both.outcome)).append(" (").append(info(both.reason).code).append(")\n");
  }
  const gate::Stops stops = services_.gate.stops();
  if (stops.covers(act, subject) || (service && stops.covers(act, sponsor))) {
    text.insert(0, "An emergency stop shuts this out, whatever the policy says.\n");
  }
  if (set->staged) {
    const domain::Decision both =
        policy::decide_all(set->active, &*set->staged, act, subject, service ? &sponsor : nullptr, evidence, source, now, trusted, signals);
    text += "A policy waits for approval; until then both must allow, which gives: ";
    text.append(domain::name(both.outcome)).append(" (").append(info(both.reason).code).append(")\n");
  }
  json::Writer w = writer();
  w.begin_object().member("text", text).key("explanation").raw(why.json()).end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::reload_policy(Call& call) {
  if (!services_.reload_policy) co_return fail(Reason::not_found);
  Result<gate::Staged> read = co_await services_.reload_policy(call.actor());
  if (!read) co_return std::move(read).error();
  json::Writer w = writer();
  w.begin_object().member("digest", hex(read->active));
  if (read->staged) w.member("staged", hex(*read->staged));
  member_differences(w, read->differences);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::approve_policy(Call& call) {
  const auto raw = unhex(call.body.text("digest"));
  Digest digest{};
  if (!raw || raw->size() != digest.size()) co_return fail(Reason::invalid_argument, "digest: 64 hexadecimal digits");
  std::copy(raw->begin(), raw->end(), digest.begin());
  // The gate says which act the code is bound to, and puts policy and proof into one job.
  Result<factors::Attempt> attempt = attempt_of(call, {});
  if (!attempt) co_return std::move(attempt).error();
  Result<void> done = co_await services_.gate.approve_policy(digest, std::move(*attempt));
  if (!done) co_return std::move(done).error();
  json::Writer w = writer();
  w.begin_object().member("digest", hex(digest)).end_object();
  co_return body(w);
}

// ------------------------------------------------------------------- credentials, keys, backup

net::Task<Result<Reply>> Portal::set_credential(Call& call) {
  if (!services_.put_credential_in) co_return fail(Reason::not_found);
  const std::shared_ptr<const access::Catalogue> catalogue = services_.catalogue();
  if (catalogue->find(call.param) == nullptr) co_return fail(Reason::not_found, "no such access point");
  const std::string_view value = call.body.text("value");
  const bool printable = std::ranges::all_of(value, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (value.size() > kMaxCredential || !printable) {
    co_return fail(Reason::invalid_argument, "value: at most 8192 printable ASCII characters");
  }
  const std::string point(call.param);
  auto act = [this, point, secret = Secret(value)](store::Tx& tx, const session::Actor& by) -> Result<void> {
    Result<void> put = services_.put_credential_in(tx, point, secret);
    if (!put) return put;
    services_.log.append(tx, identity::change_record("access.credential", by, point, secret.empty() ? "removed" : "set",
                                    services_.clock.now()));
    return {};
  };
  // Another value would be another act. Its digest stays out of the log: a short value could be guessed from it.
  std::string purpose = (value.empty() ? "access.credential remove " : "access.credential set ") + point;
  const std::size_t recorded = purpose.size();
  if (!value.empty()) purpose += " " + hex(crypto::sha256(as_bytes(value)));
  Result<void> done = co_await prove_and(call, std::move(purpose), std::move(act), recorded);
  if (!done) co_return std::move(done).error();
  if (services_.credential_changed) {
    Result<void> taken = co_await services_.credential_changed(point);
    if (!taken) co_return std::move(taken).error();
  }
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::rotate_keys(Call& call) {
  if (!services_.rotate_keys) co_return fail(Reason::not_found);
  // Files and many jobs follow, which no single transaction holds: the code is consumed, and the
  // intent recorded, before them.
  auto act = [this](store::Tx& tx, const session::Actor& by) -> Result<void> {
    services_.log.append(tx, identity::change_record("keys.rotate", by, {}, {}, services_.clock.now()));
    return {};
  };
  Result<void> proved = co_await prove_and(call, "keys.rotate", std::move(act));
  if (!proved) co_return std::move(proved).error();
  Result<Services::Rotated> done = co_await services_.rotate_keys();
  if (!done) co_return std::move(done).error();
  json::Writer w = writer();
  w.begin_object().member("active", done->active).member("resealed", done->resealed).end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::retire_key(Call& call) {
  if (!services_.retire_key || !services_.key_out_of_use_in) co_return fail(Reason::not_found);
  const std::int64_t wanted = call.body.integer("id").value_or(0);
  if (wanted < 1 || wanted > UINT32_MAX) co_return fail(Reason::invalid_argument, "id: the number of a master key");
  const auto id = static_cast<std::uint32_t>(wanted);
  const std::string object = "key " + std::to_string(id);
  // Where it is still in use the job fails, and the code stays unused.
  auto act = [this, id, object](store::Tx& tx, const session::Actor& by) -> Result<void> {
    Result<void> out = services_.key_out_of_use_in(tx, id);
    if (!out) return out;
    services_.log.append(tx, identity::change_record("keys.retire", by, object, {}, services_.clock.now()));
    return {};
  };
  Result<void> proved = co_await prove_and(call, "keys.retire " + std::to_string(id), std::move(act));
  if (!proved) co_return std::move(proved).error();
  Result<void> done = co_await services_.retire_key(id);
  if (!done) co_return std::move(done).error();
  json::Writer w = writer();
  w.begin_object().member("retired", id).end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::backup(Call& call) {
  if (!services_.backup) co_return fail(Reason::not_found);
  const std::string path(call.body.text("path"));
  if (path.empty() || path.front() != '/' || path.size() > kMaxPath) {
    co_return fail(Reason::invalid_argument, "path: an absolute one, of a file that does not exist yet");
  }
  auto act = [this, path](store::Tx& tx, const session::Actor& by) -> Result<void> {
    services_.log.append(tx, identity::change_record("backup", by, path, {}, services_.clock.now()));
    return {};
  };
  Result<void> proved = co_await prove_and(call, "backup " + path, std::move(act));
  if (!proved) co_return std::move(proved).error();
  Result<std::uint64_t> bytes = co_await services_.backup(std::filesystem::path(path));
  if (!bytes) co_return std::move(bytes).error();
  json::Writer w = writer();
  w.begin_object().member("path", path).member("bytes", *bytes).end_object();
  co_return body(w);
}

}  // namespace vestibule::portal
