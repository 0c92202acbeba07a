#include "portal/portal.hpp"

#include <algorithm>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "gate/source.hpp"
#include "json/writer.hpp"
#include "policy/deadline.hpp"
#include "portal/call.hpp"
#include "portal/cookie_session.hpp"
#include "portal/web.hpp"

namespace vestibule::portal {
namespace {

using gate::source_of;

Counter g_control_requests("vestibule_control_requests_total", "Requests to the control API.");

bool has_role(const domain::Subject& who, std::string_view role) {
  return domain::has(who.roles, domain::intern(role));
}

// "application/json", in whatever case, with no parameter but charset=utf-8.
bool is_json(std::string_view type) {
  std::string folded;
  for (const char c : type) {
    if (c != ' ' && c != '\t' && c != '"') folded.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  return folded == "application/json" || folded == "application/json;charset=utf-8";
}

// Whom a detail is shown to: before somebody is signed in only what the body's own form is about.
bool shows_detail(const Call& call, Reason reason) {
  switch (reason) {
    case Reason::invalid_argument:
    case Reason::body_not_json:
    case Reason::password_weak:
    case Reason::request_malformed: return true;
    case Reason::signin_failed:
    case Reason::code_wrong:
    case Reason::code_used:
    case Reason::push_busy:  // what the owner does just now is no business of whoever has the password alone
    case Reason::factor_cloned:
    case Reason::authenticator_refused:
    case Reason::authenticator_known: return false;
    default: break;
  }
  if (call.route == nullptr || !call.known()) return false;
  const bool operator_facing = call.route->roles != anyone;
  return operator_facing || info(reason).status < 500;
}

}  // namespace

bool role_fits(const domain::Subject& who, std::uint8_t roles) {
  if (has_role(who, domain::role::administrator)) return true;
  return roles == readers && has_role(who, domain::role::auditor);
}

Portal::Portal(Services services, Door door) : services_(std::move(services)), door_(door) {}
Portal::~Portal() = default;

void Portal::refused(const net::Peer& peer, Reason reason) noexcept {
  services_.gate.refuse_unknown(source_of(peer), reason, policy::kAdministration);
}

net::Task<> Portal::serve(wire::Exchange& exchange) {
  g_control_requests.add();
  const http::RequestHead& head = exchange.head();
  Call call(exchange);
  call.caller.request = services_.gate.new_request();
  call.caller.source = source_of(exchange.peer());
  call.caller.client = head.headers.find(http::Known::user_agent).value_or(std::string_view{});
  call.act.access_point = policy::kAdministration;
  call.act.sensitivity = services_.sensitivity;
  call.act.operation = "unknown";

  Match found = match(head.method, http::decode_path(head.parts, call.path));
  call.allow = std::move(found.allow);
  if (found.route != nullptr && found.route->reach == Reach::host && door_.kind != Door::Kind::bearer) {
    found.route = nullptr;
  }
  if (found.route == nullptr) {
    Error none = fail(call.allow.empty() ? Reason::not_found : Reason::method_not_allowed);
    co_await refuse(call, std::move(none));
    co_return;
  }
  call.route = found.route;
  call.param = found.param;
  call.act.operation = found.route->operation;

  Result<Reply> reply = co_await answer(call);
  if (!reply) {
    Error error = std::move(reply).error();
    if (door_.kind == Door::Kind::bearer && (error.code == Reason::credential_unknown || error.code == Reason::session_ended)) {
      const std::optional<Reason> why = co_await why_ended(call);
      if (why) error = fail(*why);
    }
    co_await refuse(call, std::move(error));
    co_return;
  }
  if (reply->streamed) co_return;
  http::HeadWriter out = exchange.start();
  out.status(reply->status);
  out.field("Content-Type", "application/json");
  add_fields(out, call);
  if (!reply->cookie.empty()) out.field("Set-Cookie", reply->cookie);
  const Result<void> sent = co_await exchange.reply(out, reply->body);
  static_cast<void>(sent);  // whether the client hears it or not, there is nothing more to do
  wipe(reply->body);        // it may hold a handle or codes
  wipe(reply->cookie);
}

net::Task<Result<Reply>> Portal::answer(Call& call) {
  if (!services_.gate.knows_all()) {
    const http::RequestHead& head = call.exchange.head();
    Result<void> recalled;
    if (door_.kind == Door::Kind::browser) {
      recalled = co_await recall_cookie(head, services_.sessions);
    } else {
      recalled = co_await services_.gate.recall(head);
    }
    if (!recalled) co_return std::move(recalled).error();
  }
  // Nothing of the body or query is looked at before the route's evidence is there.
  Result<void> may = authorize(call);
  if (!may) co_return std::move(may).error();
  Result<void> asked = read_query(call);
  if (!asked) co_return std::move(asked).error();
  Result<void> read = co_await read_body(call);
  if (!read) co_return std::move(read).error();
  // Reading takes time: what was allowed then must be allowed still.
  may = authorize(call);
  if (!may) co_return std::move(may).error();
  const RouteHandler handler = call.route->handler;
  Result<Reply> reply = co_await (this->*handler)(call);
  if (reply && !reply->streamed) {
    Result<void> recorded = co_await record_read(call);
    if (!recorded) {
      wipe(reply->body);
      co_return std::move(recorded).error();
    }
  }
  co_return reply;
}

// Who has looked at other people's data is in the log before they see any of it: no record, no answer.
net::Task<Result<void>> Portal::record_read(Call& call) {
  constexpr std::chrono::milliseconds kDurable{5'000};
  const Read read = call.route->read;
  if (read == Read::unrecorded || (read == Read::of_others && !call.of_others)) co_return Result<void>{};
  const Instant now = services_.clock.now();
  const session::Actor by = call.actor();
  std::string_view whom = call.query_text("user");
  if (whom.empty() && call.body.has("user")) whom = call.body.text("user");
  audit::Record r = identity::change_record(call.act.operation, by, whom, call.exchange.head().parts.query, now);
  r.kind = audit::Kind::admission;
  r.policy = services_.gate.policies()->active.digest();
  r.level = domain::level(by.evidence, now, services_.clock.trusted(), administration().max_age);
  const bool waits = read != Read::noted;
  const Result<audit::Ticket> ticket = services_.log.submit(r, waits ? audit::Urgency::now : audit::Urgency::soon);
  if (!waits) co_return Result<void>{};
  if (!ticket) co_return fail(Reason::audit_unavailable, ticket.error().detail);
  const Result<void> durable = co_await services_.log.durable(*ticket, kDurable);
  if (!durable) co_return fail(Reason::audit_unavailable, durable.error().detail);
  co_return Result<void>{};
}

// ------------------------------------------------------------------------------ the choke point

Result<session::Identified> Portal::identify(const Call& call) const {
  switch (door_.kind) {
    case Door::Kind::bearer:
      return services_.gate.identify(call.exchange.head(), session::Audience::control, call.caller.source,
                                     policy::kAdministration);
    case Door::Kind::browser: return identify_cookie(call.exchange.head(), services_.sessions, services_.clock);
  }
  return fail(Reason::internal, "a door of no kind");
}

// The command line's session is no more: whoever still has its handle hears why.
net::Task<std::optional<Reason>> Portal::why_ended(const Call& call) const {
  const auto value = call.exchange.head().headers.find(http::Known::authorization);
  constexpr std::string_view kScheme = "Bearer ";
  if (!value || value->size() <= kScheme.size()) co_return std::nullopt;
  Secret token(value->substr(kScheme.size()));
  std::optional<Reason> why = co_await services_.sessions.why_ended(std::move(token));
  co_return why;
}

void Portal::add_fields(http::HeadWriter& out, const Call& call) const {
  out.field("Cache-Control", "no-store");
  out.field("X-Request-Id", call.caller.request.text());
  if (door_.kind == Door::Kind::browser) add_safety_fields(out, Content::data, door_.transport);
}

Result<void> Portal::authorize(Call& call) const {
  const Route& route = *call.route;
  if (route.evidence == Evidence::none) return {};
  Result<session::Identified> who = identify(call);
  if (!who) return std::move(who).error();
  call.caller.who = std::move(*who);

  const session::Flags flags = call.caller.who.flags;
  if (flags.pending) {
    const bool enrolling = flags.enrol_grant || flags.factor_management;
    const bool may = route.pending == Pending::allowed || (route.pending == Pending::enrolling && enrolling);
    if (!may) return fail(Reason::mfa_required, "sign-in is not finished: prove a second factor");
  }
  // Whoever is overdue with a factor may do what one may whose sign-in is not finished: enrol it.
  if (route.pending == Pending::refused && !only_takes_away(route.operation)) {
    if (const policy::Deadline* d = services_.gate.overdue(call.caller.who.subject)) {
      return fail(Reason::factor_overdue, policy::text(*d));
    }
  }
  switch (route.evidence) {
    case Evidence::none:
    case Evidence::session:
    case Evidence::own: return {};
    case Evidence::policy:
    case Evidence::bound: return ask_policy(call, route.roles);
  }
  return fail(Reason::internal, "a route without evidence");
}

Result<void> Portal::elevate(Call& call) const {
  if (call.route->elevated == anyone) return fail(Reason::internal, "a route that is not elevated");
  Result<void> may = ask_policy(call, call.route->elevated);
  call.of_others = may.has_value();
  return may;
}

Result<void> Portal::ask_policy(Call& call, std::uint8_t roles) const {
  const session::Identified& who = call.caller.who;
  if (!role_fits(who.subject, roles)) return fail(Reason::role_required);
  domain::Decision d = services_.gate.consider(call.caller, call.act);
  const bool overdue = d.reason == Reason::factor_overdue && only_takes_away(call.route->operation);
  if (d.outcome != domain::Outcome::allow && (d.reason == Reason::stopped || overdue)) {
    // A stop shuts the doors to the models; whoever is to look into it, tighten it or lift it must
    // still get in. What keeps people out of here is a stop of their own or of `vestibule`, and the
    // latter never covers the stops themselves: it could not be lifted any more.
    const std::string_view name = who.subject.name.view();
    const bool about_stops = call.act.operation.starts_with("stops.");
    const gate::Stops stops = services_.gate.stops();
    for (const gate::Stop& s : stops.all()) {
      if (s.scope == gate::StopScope::user && s.target == name) return fail(Reason::stopped);
      if (s.scope == gate::StopScope::access_point && s.target == policy::kAdministration && !about_stops) {
        return fail(Reason::stopped);
      }
    }
    const auto set = services_.gate.policies();
    d = policy::decide_both(set->active, set->staged ? &*set->staged : nullptr, call.act, who.subject, who.evidence,
                            call.caller.source, services_.clock.now(), services_.clock.trusted(),
                            services_.gate.signals(call.caller, services_.clock.now()));
  }
  call.kinds = d.need.kinds;
  if (d.outcome == domain::Outcome::allow) return {};
  // The code that a bound route takes is the confirmation by oneself that a policy may ask for.
  const bool confirmed = call.route->evidence == Evidence::bound && d.outcome == domain::Outcome::confirm &&
                         d.need.confirmation == domain::Confirmation::self;
  if (confirmed) return {};
  if (d.reason == Reason::ok) d.reason = Reason::policy_denied;
  call.refused = d;
  return fail(d.reason, policy::why(d));
}

Reason Portal::still_entitled(const Call& call) const {
  const session::Identified& who = call.caller.who;
  if (!services_.sessions.standing(who.subject.session, who.subject.user, who.handle, services_.clock.now())) {
    return Reason::session_ended;
  }
  domain::Subject now;
  if (services_.users.fill(who.subject.user, now) != identity::Users::Standing::good) return Reason::user_disabled;
  if (call.route->roles != anyone && !role_fits(now, call.route->roles)) return Reason::role_required;
  return Reason::ok;
}

Result<session::Answer> Portal::answer_of(const Call& call, std::string_view member, Proves what) const {
  session::FactorKind kind = session::FactorKind::totp;
  factors::ChallengeId challenge;
  if (call.body.has("kind")) {
    const auto named = domain::factor_kind_from(call.body.text("kind"));
    // A recovery code opens factor management and nothing else.
    const std::vector<factors::KindInfo> kinds = services_.factors.kinds();
    const bool strong = std::any_of(kinds.begin(), kinds.end(), [&](const factors::KindInfo& k) {
      return named && k.kind == *named && (k.strong || (k.step_up_only && what == Proves::step_up));
    });
    if (!strong) return fail(Reason::invalid_argument, "kind: not a factor that can confirm an act");
    kind = *named;
  }
  if (call.body.has("challenge")) {
    const auto id = factors::ChallengeId::parse(call.body.text("challenge"));
    if (!id) return fail(Reason::invalid_argument, "challenge: not one of ours");
    challenge = *id;
  }
  return session::Answer(kind, call.body.secret(member), challenge);
}

Result<factors::Attempt> Portal::attempt_of(Call& call, std::string purpose) const {
  Result<session::Answer> answer = answer_of(call, "code");
  if (!answer) return std::move(answer).error();
  if (!call.kinds.has(answer->kind)) return fail(Reason::mfa_required, "this kind of factor does not count here");
  factors::Attempt attempt;
  attempt.kind = answer->kind;
  attempt.answer = std::move(answer->text);
  attempt.challenge = answer->challenge;
  attempt.purpose = std::move(purpose);
  attempt.by = call.actor();
  return attempt;
}

domain::Requirement Portal::administration() const {
  return services_.gate.policies()->active.baseline(services_.sensitivity);
}

Result<UserId> Portal::user_of(const Call& call) const {
  const std::optional<UserId> id = services_.users.find(call.param);
  if (!id) return fail(Reason::user_unknown);
  return *id;
}

// --------------------------------------------------------------------------- query, body, refusal

Result<void> Portal::read_query(Call& call) const {
  http::QueryReader reader(call.exchange.head().parts.query);
  http::QueryParam param;
  for (;;) {
    const auto step = reader.next(param);
    if (step == http::QueryReader::Step::end) return {};
    std::string name;
    std::string value;
    if (step == http::QueryReader::Step::bad || !http::decode_query(param.name, name) ||
        !http::decode_query(param.value, value) || !is_utf8(value)) {
      return fail(Reason::request_malformed, "the query is malformed");
    }
    const auto& known = call.route->query;
    const auto at = std::find(known.begin(), known.end(), name);
    if (at == known.end()) return fail(Reason::invalid_argument, "the query has an unknown parameter");
    if (std::any_of(call.query.begin(), call.query.end(), [&](const auto& q) { return q.first == *at; })) {
      return fail(Reason::request_malformed, "the query names a parameter twice");
    }
    call.query.emplace_back(*at, std::move(value));
  }
}

net::Task<Result<void>> Portal::read_body(Call& call) {
  const http::RequestHead& head = call.exchange.head();
  if (head.framing.kind == http::BodyKind::none) {
    if (call.route->fields.has_required()) {
      co_return fail(Reason::invalid_argument, std::string(call.route->fields.begin()->name) + ": missing");
    }
    co_return Result<void>{};
  }
  if (head.headers.has(http::Known::content_encoding)) co_return fail(Reason::content_encoding);
  const auto type = head.headers.find(http::Known::content_type);
  if (!type || head.headers.count(http::Known::content_type) > 1 || !is_json(*type)) {
    co_return fail(Reason::content_type);
  }
  Result<std::string_view> text = co_await call.exchange.read_whole(kMaxBody);
  if (!text) co_return std::move(text).error();
  Result<Body> body = Body::parse(*text, call.route->fields);
  // What was read holds passwords and codes, and the connection's buffer (no constant: it was read
  // into) outlives this request.
  wipe(const_cast<char*>(text->data()), text->size());
  if (!body) co_return std::move(body).error();
  call.body = std::move(*body);
  co_return Result<void>{};
}

net::Task<> Portal::refuse(Call& call, Error error) {
  const Reason reason = error.code;
  if (reason == Reason::client_gone) {
    call.exchange.abort();
    co_return;
  }
  // Wrong answers are recorded by the room that looked at them, with their charge; so are failed
  // sign-ins, which name nobody here.
  const bool recorded = factors::commits(reason) || reason == Reason::signin_failed ||
                        reason == Reason::password_locked || reason == Reason::setup_token;
  if (call.known()) {
    if (call.refused && call.refused->reason == reason) {
      services_.gate.refuse(call.caller, call.act, *call.refused);
    } else if (!recorded) {
      services_.gate.refuse(call.caller, call.act, reason);
    }
  } else if (!recorded && !(call.route != nullptr && call.route->evidence == Evidence::none &&
                            reason == Reason::credential_unknown)) {
    services_.gate.refuse_unknown(call.caller.source, reason, policy::kAdministration);
  }
  const ReasonInfo& i = info(reason);
  if (i.status >= 500) {
    log::warn("control request failed", {{"operation", call.act.operation}, {"reason", i.code},
                                         {"detail", error.detail}, {"request", call.caller.request.text()}});
  }
  if (call.exchange.begun()) {
    call.exchange.abort();
    co_return;
  }
  json::Writer w;
  w.begin_object().key("error").begin_object();
  w.member("code", i.code).member("message", i.text);
  if (!error.detail.empty() && shows_detail(call, reason)) w.member("detail", error.detail);
  w.member("request", call.caller.request.text()).end_object().end_object();
  http::HeadWriter out = call.exchange.start();
  out.status(i.status);
  out.field("Content-Type", "application/json");
  add_fields(out, call);
  out.field("Vestibule-Reason", i.code);
  domain::Refusal refusal;
  refusal.reason = reason;
  if (call.refused) refusal.need = call.refused->need;
  if (const std::string challenge = domain::www_authenticate(refusal); !challenge.empty()) {
    out.field("WWW-Authenticate", challenge);
  }
  if (reason == Reason::method_not_allowed) out.field("Allow", call.allow);
  if (i.status == 503) out.field("Retry-After", std::uint64_t{1});
  if (reason == Reason::push_busy) out.field("Retry-After", std::uint64_t{30});
  const Result<void> sent = co_await call.exchange.reply(out, w.text());
  static_cast<void>(sent);
}

}  // namespace vestibule::portal
