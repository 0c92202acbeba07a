// Health, signing in, and one's own session and password.

#include <algorithm>

#include "dialect/mcp.hpp"
#include "portal/call.hpp"
#include "portal/offers.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

constexpr std::int64_t kLongestToken = 366LL * 24 * 3600;

/// An operation and what it is done to, as they will stand in the record of the act.
Result<std::string> purpose_from(const Body& body) {
  constexpr std::size_t longest_operation = 64;
  constexpr std::size_t longest_object = 4096;
  const std::string_view operation = body.text("operation");
  const std::string_view object = body.text("object");
  if (operation.empty() || operation.size() > longest_operation ||
      operation.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") != std::string_view::npos) {
    return fail(Reason::invalid_argument, "operation: the name of one");
  }
  if (object.size() > longest_object) return fail(Reason::invalid_argument, "object: too long");
  std::string out(operation);
  if (!object.empty()) out.append(" ").append(object);
  return out;
}

}  // namespace

Reply Portal::signed_in(const session::SignedIn& in, std::string_view name) const {
  json::Writer w = writer();
  w.begin_object();
  if (door_.kind == Door::Kind::bearer) w.member("handle", in.handle.reveal_text());
  w.member("session", in.session.text()).member("user", in.user.text()).member("name", name);
  member_time(w, "ends", in.ends);
  domain::Subject subject;
  static_cast<void>(services_.users.fill(in.user, subject));  // of somebody disabled just now the order does not matter
  domain::KindSet there;
  for (const session::FactorKind kind : in.second) there.add(kind);
  member_kinds(w, "second", offered(services_.gate.policies()->active.sign_in_order(subject), there, in.preferred));
  w.member("pending", in.pending).end_object();
  Reply reply = body(w);
  // Both copies of the handle are wiped once they are sent.
  if (door_.kind == Door::Kind::browser) reply.cookie = cookie_line(in.handle);
  return reply;
}

net::Task<Result<Reply>> Portal::health(Call&) {
  std::vector<std::string> reasons;
  if (services_.failing) reasons = services_.failing();
  if (services_.database.health() != store::Health::ok) reasons.emplace_back("store_unavailable");
  if (services_.log.health() != store::Health::ok) reasons.emplace_back("audit_unavailable");
  if (!services_.clock.trusted()) reasons.emplace_back("clock_untrusted");
  const bool ok = reasons.empty();
  json::Writer w = writer();
  w.begin_object().member("status", ok ? "ok" : "failing").key("reasons").begin_array();
  for (const std::string& r : reasons) w.value(r);
  w.end_array().member("needs_setup", services_.users.needs_setup()).end_object();
  co_return Reply{ok ? 200 : 503, w.take(), false};
}

net::Task<Result<Reply>> Portal::setup(Call& call) {
  std::string name(call.body.text("name"));
  Secret token = call.body.secret("token");
  Secret password = call.body.secret("password");
  Result<session::SignedIn> in = co_await services_.sessions.setup(
      std::move(token), name, std::move(password), call.caller.source, std::string(call.caller.client));
  if (!in) co_return std::move(in).error();
  co_return signed_in(*in, name);
}

net::Task<Result<Reply>> Portal::enrol(Call& call) {
  Secret code = call.body.secret("code");
  Secret password = call.body.secret("password");
  Result<session::SignedIn> in = co_await services_.sessions.with_enrolment_code(
      std::move(code), std::move(password), call.caller.source, std::string(call.caller.client));
  if (!in) co_return std::move(in).error();
  std::string name;
  services_.users.read(in->user, [&](const identity::User& u) { name = u.name.view(); });
  co_return signed_in(*in, name);
}

net::Task<Result<Reply>> Portal::sign_in(Call& call) {
  std::string name(call.body.text("name"));
  Secret password = call.body.secret("password");
  Result<session::SignedIn> in = co_await services_.sessions.start(name, std::move(password), call.caller.source,
                                                                   std::string(call.caller.client));
  if (!in) co_return std::move(in).error();
  co_return signed_in(*in, name);
}

net::Task<Result<Reply>> Portal::begin_passkey(Call&) {
  if (!services_.clock.trusted()) co_return fail(Reason::clock_untrusted);
  const factors::Factors::PasskeyQuestion question = services_.factors.ask_passkey();
  json::Writer w = writer();
  w.begin_object().member("challenge", question.challenge).member("options", question.options);
  member_time(w, "expires", question.expires);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::sign_in_with_passkey(Call& call) {
  std::string challenge(call.body.text("challenge"));
  std::string answer(call.body.text("answer"));
  Result<session::SignedIn> in = co_await services_.sessions.start_with_passkey(
      std::move(challenge), std::move(answer), call.caller.source, std::string(call.caller.client));
  if (!in) co_return std::move(in).error();
  std::string name;
  services_.users.read(in->user, [&](const identity::User& u) { name = u.name.view(); });
  co_return signed_in(*in, name);
}

net::Task<Result<Reply>> Portal::begin_challenge(Call& call) {
  const auto kind = domain::factor_kind_from(call.body.text("kind"));
  if (!kind) co_return fail(Reason::invalid_argument, "kind: not a factor");
  Result<std::string> purpose = purpose_from(call.body);
  if (!purpose) co_return std::move(purpose).error();
  if (*kind == session::FactorKind::push_choice && !takes_choices()) co_return fail(Reason::push_digits, "by the policy");
  FactorId factor;
  if (call.body.has("factor")) {
    const auto id = FactorId::parse(call.body.text("factor"));
    if (!id) co_return fail(Reason::invalid_argument, "factor: the id of one");
    factor = *id;
  }
  Result<factors::Factors::Challenge> begun =
      co_await services_.sessions.begin_challenge(call.caller.who, *kind, std::move(*purpose), call.actor(), factor);
  if (!begun) co_return std::move(begun).error();
  json::Writer w = writer();
  w.begin_object().member("challenge", begun->id.text()).member("options", begun->options);
  member_time(w, "expires", begun->expires);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::prove(Call& call) {
  const bool recovery = call.body.text("kind") == domain::name(session::FactorKind::recovery_code);
  Result<session::Answer> answer =
      recovery ? session::Answer(session::FactorKind::recovery_code, call.body.secret("answer"), {})
               : answer_of(call, "answer", Proves::step_up);
  if (!answer) co_return std::move(answer).error();
  // The policy may have taken it away while the device was asked.
  if (answer->kind == session::FactorKind::push_choice && !takes_choices()) co_return fail(Reason::push_digits, "by the policy");
  Result<domain::Evidence> proved = co_await services_.sessions.prove(
      call.caller.who, answer->kind, std::move(answer->text), call.actor(), answer->challenge);
  if (!proved) co_return std::move(proved).error();

  // The session's end may have moved with its second factor.
  WallTime ends = call.caller.who.session_ends;
  const auto again = identify(call);
  if (again) ends = again->session_ends;
  const Instant now = services_.clock.now();
  const bool trusted = services_.clock.trusted();
  const domain::Requirement need = administration();
  const int level = domain::level(*proved, now, trusted, need.max_age);
  json::Writer w = writer();
  w.begin_object().member("level", level);
  member_evidence(w, *proved, now);
  member_time(w, "ends", ends);
  member_seconds(w, "expires_in_s",
                 std::min(domain::time_left(*proved, now, trusted, need.max_age, level), ends - now.wall));
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::sign_out(Call& call) {
  const auto gone = co_await services_.sessions.sign_out(call.caller.who.subject.session, call.actor());
  static_cast<void>(gone);  // denied at once either way
  Reply reply;
  if (door_.kind == Door::Kind::browser) reply.cookie = cookie_end();
  co_return reply;
}

net::Task<Result<Reply>> Portal::me(Call& call) {
  const session::Identified& who = call.caller.who;
  Result<std::vector<factors::FactorInfo>> factors = co_await services_.factors.list(who.subject.user);
  if (!factors) co_return std::move(factors).error();
  Result<std::optional<domain::FactorKind>> preferred = co_await services_.sessions.preferred(who.subject.user);
  if (!preferred) co_return std::move(preferred).error();
  const Instant now = services_.clock.now();
  const std::shared_ptr<const gate::PolicySet> policies = services_.gate.policies();
  std::string display;
  services_.users.read(who.subject.user, [&](const identity::User& u) { display = u.display; });

  json::Writer w = writer();
  w.begin_object();
  w.member("user", who.subject.user.text()).member("name", who.subject.name.view()).member("display", display);
  member_names(w, "roles", who.subject.roles);
  member_names(w, "groups", who.subject.groups);
  w.member("session", who.subject.session.text());
  member_time(w, "ends", who.session_ends);
  w.member("level", domain::level(who.evidence, now, services_.clock.trusted(), administration().max_age));
  member_evidence(w, who.evidence, now);
  w.key("flags").begin_object();
  w.member("enrol_grant", static_cast<bool>(who.flags.enrol_grant));
  w.member("factor_management", static_cast<bool>(who.flags.factor_management));
  w.member("pending", static_cast<bool>(who.flags.pending)).end_object();
  w.key("factors").begin_array();
  for (const factors::FactorInfo& f : *factors) value_factor(w, f);
  w.end_array();
  member_kinds(w, "second", offered(policies->active.sign_in_order(who.subject), working(*factors, 0), *preferred));
  w.key("signals").begin_array();
  const domain::Signals signals = services_.gate.signals(call.caller, services_.clock.now());
  for (const domain::Signal s : domain::kSignals) {
    if (signals.has(s)) w.value(domain::name(s));
  }
  w.end_array();

  const std::shared_ptr<const access::Catalogue> catalogue = services_.catalogue();
  w.key("access_points").begin_array();
  for (const access::AccessPoint& p : catalogue->points()) {
    domain::Act act;
    act.access_point = p.name;
    act.sensitivity = p.sensitivity;
    act.operation = p.kind == dialect::Kind::mcp ? dialect::mcp::kSession : "chat";
    const domain::Decision d = services_.gate.consider(call.caller, act);
    w.begin_object().member("name", p.name).member("kind", dialect::name(p.kind)).member("prefix", p.prefix);
    w.member("sensitivity", domain::name(p.sensitivity));
    w.key("need").begin_object().member("level", d.need.level);
    member_seconds(w, "max_age_s", d.need.max_age);
    w.end_object();
    w.member("outcome", domain::name(d.outcome)).member("reason", info(d.reason).code);
    member_seconds(w, "expires_in_s", d.outcome == domain::Outcome::allow ? d.time_left : Duration::zero());
    std::vector<domain::FactorKind> offer;
    if (d.outcome != domain::Outcome::deny) offer = policies->active.offer(p.name, who.subject, d.need);
    member_kinds(w, "offer", offered(std::move(offer), working(*factors, d.need.level), *preferred));
    w.end_object();
  }
  w.end_array();
  Result<void> warned = co_await add_warnings(call, w);
  if (!warned) co_return std::move(warned).error();
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::issue_token(Call& call) {
  const session::Identified& who = call.caller.who;
  const Instant now = services_.clock.now();
  if (domain::level(who.evidence, now, services_.clock.trusted(), Duration::max()) < 1) {
    co_return fail(Reason::mfa_required);
  }
  Duration ttl = services_.token_ttl;
  if (const auto wanted = call.body.integer("ttl_s")) {
    if (*wanted < 1 || *wanted > kLongestToken) co_return fail(Reason::invalid_argument, "ttl_s: 1 s to a year");
    ttl = std::chrono::seconds(*wanted);
  }
  Result<session::IssuedToken> token = co_await services_.sessions.issue_token(who, ttl, call.actor());
  if (!token) co_return std::move(token).error();
  json::Writer w = writer();
  w.begin_object().member("token", token->handle.reveal_text());
  member_time(w, "ends", token->ends);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::change_password(Call& call) {
  Secret before = call.body.secret("old");
  Secret after = call.body.secret("new");
  std::optional<session::Answer> second;
  if (call.body.has("code")) {
    Result<session::Answer> answer = answer_of(call, "code");
    if (!answer) co_return std::move(answer).error();
    second = std::move(*answer);
  }
  Result<void> done = co_await services_.sessions.change_password(call.caller.who, std::move(before),
                                                                  std::move(after), std::move(second), call.actor());
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

// ------------------------------------------------------------------------------------ sessions

/// Whose things a list is to show: one's own, somebody's, or (nil) everybody's.
Result<UserId> Portal::whose(Call& call) const {
  const domain::Subject& self = call.caller.who.subject;
  const std::string_view user = call.query_text("user");
  const std::string_view all = call.query_text("all");
  if (!all.empty() && all != "1") return fail(Reason::invalid_argument, "all: 1");
  if (!all.empty() && !user.empty()) return fail(Reason::invalid_argument, "user and all exclude each other");
  if (all.empty() && (user.empty() || user == self.name.view())) return self.user;
  const Result<void> may = elevate(call);
  if (!may) return may.error();
  if (!all.empty()) return UserId{};
  const auto id = services_.users.find(user);
  if (!id) return fail(Reason::user_unknown);
  return *id;
}

net::Task<Result<Reply>> Portal::list_sessions(Call& call) {
  const domain::Subject& self = call.caller.who.subject;
  const Result<UserId> asked = whose(call);
  if (!asked) co_return asked.error();
  Result<std::vector<session::SessionInfo>> found = co_await services_.sessions.list(*asked);
  if (!found) co_return std::move(found).error();
  const Instant now = services_.clock.now();
  json::Writer w = writer();
  w.begin_object().key("sessions").begin_array();
  for (const session::SessionInfo& s : *found) {
    std::string name;
    services_.users.read(s.user, [&](const identity::User& u) { name = u.name.view(); });
    w.begin_object().member("id", s.id.text()).member("user", s.user.text()).member("name", name);
    member_time(w, "created", s.created);
    member_time(w, "last_seen", s.last_seen);
    member_time(w, "ends", s.ends);
    w.member("source", s.source).member("client", s.client);
    member_evidence(w, s.evidence, now);
    w.member("current", s.id == self.session).member("pending", static_cast<bool>(s.flags.pending));
    w.member("tokens", s.tokens).key("agents").begin_array();
    for (const std::string& agent : s.agents) w.value(agent);
    w.end_array().end_object();
  }
  w.end_array().end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::revoke_session(Call& call) {
  const auto id = SessionId::parse(call.param);
  if (!id) co_return fail(Reason::session_unknown);
  const domain::Subject& self = call.caller.who.subject;
  if (*id != self.session) {
    // Whose it is, the store knows. Where it cannot say, an administrator may revoke all the same:
    // what protects does not wait.
    const Result<std::optional<UserId>> owner = co_await services_.sessions.owner(*id);
    if (!owner || *owner != self.user) {
      const Result<void> may = elevate(call);
      if (!may) co_return may.error();
      if (owner && !*owner) co_return fail(Reason::session_unknown);
    }
  }
  const auto gone = co_await services_.sessions.revoke(session::Revocation::of(*id), call.actor());
  json::Writer w = writer();
  w.begin_object().member("durable", gone.durable).end_object();
  co_return body(w);
}

}  // namespace vestibule::portal
