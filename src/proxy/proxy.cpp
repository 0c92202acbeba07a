#include "proxy/proxy.hpp"

#include <optional>

#include "gate/shown.hpp"
#include "gate/source.hpp"
#include "http/url.hpp"
#include "json/writer.hpp"
#include "proxy/holding.hpp"
#include "proxy/relay.hpp"
#include "proxy/request.hpp"

namespace vestibule::proxy {
namespace {

using gate::source_of;

constexpr std::size_t kSpare = 256;      // slots that a core keeps
constexpr std::size_t kHeadKept = 4096;  // bytes of a head's memory that stay in one

constexpr std::string_view kResourceMetadata = "/.well-known/oauth-protected-resource";

/// WWW-Authenticate: by the scheme that the caller tried, and where to learn who gives out tokens.
std::string challenge_for(const domain::Refusal& refusal, const http::RequestHead& head, const access::AccessPoint* point) {
  std::string out = domain::www_authenticate(refusal);
  if (out.empty()) return out;
  const bool dpop = head.headers.has(http::Known::dpop);
  if (dpop) {
    out.replace(0, std::string_view("Bearer").size(), "DPoP");
    out.append(", algs=\"ES256 RS256 PS256\"");
    if (refusal.reason == Reason::credential_malformed) {
      const std::size_t at = out.find("invalid_token");
      if (at != std::string::npos) out.replace(at, std::string_view("invalid_token").size(), "invalid_dpop_proof");
    }
  }
  if (point != nullptr && !point->resource.empty()) {
    const Result<http::Url> url = http::parse_url(point->resource);
    if (url) out.append(", resource_metadata=\"").append(url->origin()).append(kResourceMetadata).append(point->prefix).append("\"");
  }
  return out;
}

bool asks_for_websocket(const http::Headers& headers) noexcept {
  const auto upgrade = headers.find(http::Known::upgrade);
  return upgrade && (headers.has(http::Known::sec_websocket_key) || *upgrade == "websocket");
}

}  // namespace

/// A coroutine's frame that held all of a request would be larger than what is kept for reuse, and be
/// allocated anew each time.
struct Proxy::Slot {
  std::string upstream_head;  // its memory; it holds a credential and is wiped each time
  std::optional<Request> request;
};

class Proxy::Lease {
 public:
  Lease(Proxy& proxy, wire::Exchange& exchange) : proxy_(proxy) {
    if (!proxy.spare_.empty()) {
      slot_ = std::move(proxy.spare_.back());
      proxy.spare_.pop_back();
    } else {
      slot_ = std::make_unique<Slot>();
    }
    slot_->request.emplace(exchange, proxy.targets_, slot_->upstream_head);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    slot_->request.reset();
    wipe(slot_->upstream_head);
    if (slot_->upstream_head.capacity() > kHeadKept) std::string().swap(slot_->upstream_head);
    if (proxy_.spare_.size() < kSpare) proxy_.spare_.push_back(std::move(slot_));
  }
  [[nodiscard]] Request& request() noexcept { return *slot_->request; }

 private:
  Proxy& proxy_;
  std::unique_ptr<Slot> slot_;
};

Proxy::Proxy(net::Core& core, gate::Gate& gate, Door door) : core_(core), gate_(gate), door_(std::move(door)) { spare_.reserve(kSpare); }
Proxy::~Proxy() = default;

// Parsed hosts are remembered, unknown ones too few to matter: the list is bounded.
const std::string* Proxy::host(std::string_view raw) {
  for (const auto& [sent, canonical] : hosts_) {
    if (sent == raw) return &canonical;
  }
  const Result<http::Host> parsed = http::parse_host(raw);
  if (!parsed || !targets_->catalogue->known_host(parsed->name)) return nullptr;
  if (hosts_.size() >= 32) hosts_.clear();
  return &hosts_.emplace_back(std::string(raw), parsed->name).second;
}

Result<session::Identified> Proxy::identify(const Request& r) const {
  const http::RequestHead& head = r.exchange.head();
  if (door_.identify) return door_.identify(head);
  return gate_.identify(head, session::Audience::access, r.caller.source, r.act.access_point);
}

// Whatever needs no wait is a plain function and leaves what it found in the request: a coroutine's frame that held all of that
// would be larger than what is kept for reuse.
net::Task<> Proxy::serve(wire::Exchange& exchange) {
  Lease lease(*this, exchange);
  Request& r = lease.request();
  net::Poller& poller = core_.poller();

  // Which door?
  bool goes_on = find_door(r);

  // Who asks? Before anything is said about what exists.
  if (goes_on) {
    if (poller.others_before(net::Stage::callers)) co_await poller.reach(net::Stage::callers);
    if (!gate_.knows_all()) goes_on = co_await recall(r);
    goes_on = goes_on && know_caller(r);
  }

  // What for? Before anything is waited for, the path alone must be allowed; what is here whole is decided about once, below.
  if (goes_on) {
    if (poller.others_before(net::Stage::bodies)) co_await poller.reach(net::Stage::bodies);
    goes_on = find_need(r);
  }
  if (goes_on && r.waits) goes_on = co_await allows_path(r);
  // The body of what is classified is read whole, and exactly these bytes go on.
  goes_on = goes_on && fits(r);
  if (goes_on && r.need.body == dialect::BodyRule::whole && !r.body_here) goes_on = co_await read_body(r);
  if (goes_on) {
    const bool mcp = r.point->kind == dialect::Kind::mcp;
    goes_on = mcp ? read_message(r) : classify(r);
    if (goes_on && mcp) goes_on = co_await prove_for_tool(r);
  }

  // May they?
  for (bool held = false; goes_on && !r.admission; held = true) {
    if (poller.others_before(net::Stage::verdicts)) co_await poller.reach(net::Stage::verdicts);
    r.judged = gate_.judge(r.caller, r.act);
    if (poller.others_before(net::Stage::records)) co_await poller.reach(net::Stage::records);
    goes_on = try_admit(r);
    if (!goes_on) goes_on = co_await admit(r, held);
  }

  if (!goes_on) {
    co_await turn_away(r);
    co_return;
  }
  co_await forward(r);
  r.relay->drop();
  r.call.reset();  // its connection: somebody may need it before this one's turn comes
  if (poller.others_before(net::Stage::completions)) co_await poller.reach(net::Stage::completions);
}

bool Proxy::stop(Request& r, Reason reason, std::string_view hint) {
  domain::Refusal& refusal = r.refusal.emplace();
  refusal.reason = reason;
  refusal.hint = hint;
  if (info(reason).status == 503) refusal.retry_after_s = 1;
  return false;
}

bool Proxy::find_door(Request& r) {
  const http::RequestHead& head = r.exchange.head();
  r.caller.request = gate_.new_request();
  r.caller.source = source_of(r.exchange.peer());
  r.caller.client = head.headers.find(http::Known::user_agent).value_or(std::string_view{});
  const std::string* canonical = host(head.host);
  if (canonical == nullptr) return stop(r, Reason::host_unknown);
  if (head.parts.escaped) r.decoded.resize(head.parts.path.size());
  const std::string_view path = http::decode_path(head.parts, r.decoded);
  if (path.starts_with(kResourceMetadata) && !door_.identify) {
    r.describes = true;
    r.path = path.substr(kResourceMetadata.size());
    return false;
  }
  const auto route = r.targets->catalogue->route(*canonical, path);
  if (!route) return true;  // who asks is asked first
  r.point = route->point;
  r.target = &r.targets->points[route->index];
  r.dialect = &dialect::get(r.point->kind);
  r.path = route->path;
  r.face = r.dialect->face(route->path);
  r.act.access_point = r.point->name;
  r.act.sensitivity = r.point->sensitivity;
  return true;
}

net::Task<bool> Proxy::recall(Request& r) {
  const http::RequestHead& head = r.exchange.head();
  Result<void> recalled;
  if (door_.recall) {
    recalled = co_await door_.recall(head);
  } else {
    recalled = co_await gate_.recall(head);
  }
  co_return recalled ? true : stop(r, recalled.error().code);
}

bool Proxy::know_caller(Request& r) {
  const http::RequestHead& head = r.exchange.head();
  Result<session::Identified> who = identify(r);
  if (!who) return stop(r, who.error().code);
  r.caller.who = std::move(*who);
  if (r.caller.who.bound.holder) {
    const Result<void> shown = gate_.show_possession(r.caller, head, {r.exchange.tls(), r.exchange.certificate()});
    if (!shown) {
      r.caller.who = {};  // a stolen token says nothing of who is here
      return stop(r, shown.error().code, shown.error().detail);
    }
  }
  r.known = true;
  return r.point != nullptr || stop(r, Reason::route_unknown);
}

bool Proxy::find_need(Request& r) {
  const http::RequestHead& head = r.exchange.head();
  if (asks_for_websocket(head.headers)) return stop(r, Reason::upgrade_refused);
  const Result<dialect::Need> need = r.dialect->need(head.method, r.path, head.parts.query, r.point->rules);
  if (!need) return stop(r, need.error().code);
  r.need = *need;
  r.act.operation = r.need.operation;
  const bool whole = r.need.body == dialect::BodyRule::whole;
  if (whole) {
    if (const std::optional<std::string_view> body = r.exchange.body_with_head(r.point->max_body)) {
      r.body_here = true;
      take_body(r, *body);
    }
  }
  r.waits = r.need.body == dialect::BodyRule::stream || (whole && !r.body_here) || r.point->kind == dialect::Kind::mcp;
  return true;
}

void Proxy::take_body(Request& r, std::string_view body) {
  r.body = body;
  r.act.body_bytes = body.size();
  if (!body.empty()) r.act.body_digest = gate::digest_of(body);
}

bool Proxy::fits(Request& r) {
  const http::RequestHead& head = r.exchange.head();
  const Result<void> fit = r.dialect->check_head(r.need, head.headers);
  r.malformed = true;
  if (!fit) return stop(r, fit.error().code, fit.error().detail);
  if (r.need.body == dialect::BodyRule::none && head.framing.kind != http::BodyKind::none) {
    return stop(r, Reason::body_shape, "this operation takes no body");
  }
  r.malformed = false;
  return true;
}

net::Task<bool> Proxy::read_body(Request& r) {
  const Result<std::string_view> body = co_await r.exchange.read_whole(r.point->max_body);
  if (!body && body.error().code == Reason::client_gone) co_return false;
  if (!body) co_return stop(r, body.error().code);
  take_body(r, *body);
  // It may have taken minutes: rights that were withdrawn meanwhile count no more.
  Result<session::Identified> again = identify(r);
  if (!again) co_return stop(r, again.error().code);
  r.caller.who = std::move(*again);
  co_return true;
}

bool Proxy::classify(Request& r) {
  const Result<dialect::Facts> facts = r.dialect->classify(r.need, r.path, r.body, r.point->rules, r.scratch);
  if (!facts) {
    r.malformed = true;
    return stop(r, facts.error().code, facts.error().detail);
  }
  r.act.model = facts->model;
  r.act.stream = facts->stream;
  r.act.tools = facts->tools;
  return true;
}

net::Task<bool> Proxy::allows_path(Request& r) {
  domain::Act path = r.act;
  path.body_bytes = 0;
  path.body_digest = {};
  const domain::Decision early = gate_.consider(r.caller, path);
  // A rule that names models cannot match yet: it may be the one that allows it, whose hours do not matter, or for which a key's
  // mandate would do. All else is the last word: no rule that matches later asks for less.
  const bool later = early.reason == Reason::policy_no_rule || early.reason == Reason::clock_untrusted ||
                     (early.outcome == domain::Outcome::step_up && r.caller.who.flags.key);
  if (early.outcome == domain::Outcome::allow || later) co_return true;
  domain::Refusal refusal;
  refusal.reason = early.reason;
  refusal.need = early.need;
  refusal.hint = gate_.why(r.caller, path, early);
  r.refusal = co_await hold(r, path, std::move(refusal));
  if (!r.refusal) co_return true;
  if (r.refusal->reason == early.reason) gate_.refuse(r.caller, path, early);
  r.known = r.refusal->reason != early.reason;  // recorded already
  co_return false;
}

// What does not go on: it is told why, or what it asked about the door itself.
net::Task<> Proxy::turn_away(Request& r) {
  if (r.describes) {
    co_await describe(r);
    co_return;
  }
  if (r.malformed && !r.waits) co_await refuse_form(r);
  co_await refuse(r);
}

net::Task<> Proxy::refuse_form(Request& r) {
  std::optional<domain::Refusal> form = std::exchange(r.refusal, std::nullopt);
  const bool allowed = co_await allows_path(r);
  if (allowed) r.refusal = std::move(form);
}

// The message of a tool call goes nowhere without the call's own record.
gate::Gate::Wait Proxy::wait_of(const Request& r) noexcept {
  return r.message && r.message->calls_tool() ? gate::Gate::Wait::none : gate::Gate::Wait::durable;
}

bool Proxy::try_admit(Request& r) {
  std::optional<gate::Verdict> verdict = gate_.try_admit(r.caller, r.act, r.judged, wait_of(r));
  return verdict && take(r, std::move(*verdict));
}

bool Proxy::take(Request& r, gate::Verdict verdict) {
  if (auto* refusal = std::get_if<domain::Refusal>(&verdict)) {
    r.refusal = std::move(*refusal);
  } else {
    r.admission.emplace(std::move(std::get<gate::Admission>(verdict)));
  }
  return r.admission.has_value();
}

net::Task<bool> Proxy::admit(Request& r, bool held) {
  if (!r.refusal) {
    gate::Verdict verdict = co_await gate_.admit(r.caller, r.act, r.judged, wait_of(r));
    if (take(r, std::move(verdict))) co_return true;
  }
  const Reason recorded = r.refusal->reason;
  if (!held) {
    domain::Refusal refusal = std::move(*r.refusal);
    r.refusal = co_await hold(r, r.act, std::move(refusal));
  }
  if (!r.refusal) co_return true;  // once more
  r.known = r.refusal->reason != recorded;
  co_return false;
}

net::Task<std::optional<domain::Refusal>> Proxy::hold(Request& r, const domain::Act& act, domain::Refusal refusal) {
  if (door_.holding == nullptr || !helps(refusal.reason)) co_return refusal;
  Waiting waiting{r.exchange, r.caller, act, held_until(r), [this, &r] { return identify(r); }};
  std::optional<domain::Refusal> still = co_await proxy::hold(*door_.holding, gate_, std::move(waiting), std::move(refusal));
  co_return still;
}

// Two reasons to hold one call (its path, then its body, then what the model asks for) share one time.
std::chrono::steady_clock::time_point Proxy::held_until(Request& r) const {
  if (r.held_until == std::chrono::steady_clock::time_point{}) {
    const auto prefer = preferred_wait(r.exchange.head().headers.find("prefer").value_or(std::string_view{}));
    r.held_until = std::chrono::steady_clock::now() + std::min(r.point->hold, prefer.value_or(r.point->hold));
  }
  return r.held_until;
}

net::Task<> Proxy::describe(Request& r) {
  wire::Exchange& exchange = r.exchange;
  const std::string_view path = r.path;
  const std::string* canonical = host(exchange.head().host);
  const auto& points = r.targets->catalogue->points();
  const access::AccessPoint* found = nullptr;
  for (const access::AccessPoint& p : points) {
    if (p.prefix == path && (p.host.empty() || (canonical != nullptr && p.host == *canonical)) && (found == nullptr || !p.host.empty())) found = &p;
  }
  if (found == nullptr && path.empty() && points.size() == 1) found = &points.front();
  const http::Method method = exchange.head().method;
  const bool reads = method == http::Method::get || method == http::Method::head;
  json::Writer w;
  w.begin_object();
  if (found != nullptr && !found->issuer.empty() && reads) {
    w.member("resource", found->resource).member("resource_name", found->name);
    w.key("authorization_servers").begin_array().value(found->issuer).end_array();
    w.key("bearer_methods_supported").begin_array().value("header").end_array();
    w.key("dpop_signing_alg_values_supported").begin_array().value("ES256").value("RS256").value("PS256").end_array();
    if (found->certificates) w.member("tls_client_certificate_bound_access_tokens", true);
  } else {
    found = nullptr;
  }
  w.end_object();
  http::HeadWriter out = exchange.start();
  out.status(found != nullptr ? 200 : reads ? 404 : 405);
  out.field("Content-Type", "application/json");
  out.field("Cache-Control", found != nullptr ? "public, max-age=300" : "no-store");
  out.field("X-Content-Type-Options", "nosniff");
  if (found != nullptr) out.field("Access-Control-Allow-Origin", "*");
  if (!reads) out.field("Allow", "GET, HEAD");
  const Result<void> sent = co_await exchange.reply(out, w.text());
  static_cast<void>(sent);
}

void Proxy::refused(const net::Peer& peer, Reason reason) noexcept {
  gate_.refuse_unknown(source_of(peer), reason, {});
}

net::Task<> Proxy::refuse(Request& r) {
  if (!r.refusal || r.refusal->reason == Reason::client_gone) {
    if (r.refusal && r.known) gate_.refuse(r.caller, r.act, r.refusal->reason);
    r.exchange.abort();
    co_return;
  }
  domain::Refusal& refusal = *r.refusal;
  refusal.request = r.caller.request;
  refusal.access_point = r.act.access_point;
  if (r.known) {
    gate_.refuse(r.caller, r.act, refusal.reason);
  } else if (r.caller.who.subject.user.is_nil()) {
    gate_.refuse_unknown(r.caller.source, refusal.reason, r.act.access_point);
  }
  const bool git = gate::is_git(r.exchange.head().headers);
  if (git && r.face == dialect::Face::problem) r.face = dialect::Face::text;  // which it shows, and nothing else
  std::string id;
  if (r.face == dialect::Face::mcp) id = r.message ? r.message->id : dialect::mcp::id_of(r.body);
  dialect::Rendered out = dialect::Dialect::render(refusal, r.face, id);
  // Where there are sessions, 404 says that one is over.
  if (refusal.reason == Reason::mcp_method_unknown && r.exchange.head().headers.find(http::Known::mcp_protocol_version) != "2026-07-28") out.status = 200;
  http::HeadWriter head = r.exchange.start();
  head.status(out.status);
  head.field("Content-Type", out.content_type);
  head.field("Cache-Control", "no-store");
  head.field("X-Request-Id", refusal.request.text());
  for (const auto& [name, value] : door_.fields) head.field(name, value);
  head.field("Vestibule-Reason", info(refusal.reason).code);
  if (const std::string challenge = challenge_for(refusal, r.exchange.head(), r.point); !challenge.empty()) {
    head.field("WWW-Authenticate", challenge);
    if (git) head.field("WWW-Authenticate", "Basic realm=\"vestibule\", charset=\"UTF-8\"");
  }
  if (refusal.reason == Reason::method_not_allowed && r.face == dialect::Face::mcp) head.field("Allow", "POST");
  if (refusal.retry_after_s > 0) head.field("Retry-After", static_cast<std::uint64_t>(refusal.retry_after_s));
  // Whether the client hears it or not, there is nothing more to do.
  const Result<void> sent = co_await r.exchange.reply(head, out.body);
  static_cast<void>(sent);
}

}  // namespace vestibule::proxy
