#include "proxy/proxy.hpp"

#include <optional>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "crypto/hash.hpp"
#include "gate/shown.hpp"
#include "gate/source.hpp"
#include "http/url.hpp"
#include "json/writer.hpp"
#include "policy/policy.hpp"
#include "proxy/heads.hpp"
#include "proxy/holding.hpp"
#include "proxy/relay.hpp"
#include "proxy/request.hpp"
#include "proxy/session_name.hpp"
#include "proxy/tool_calls.hpp"

namespace vestibule::proxy {
namespace {

using gate::source_of;

constexpr std::size_t kSpare = 256;  // slots that a core keeps

/// Without what a browser says about its page: a model server decides nothing by it (some would refuse).
std::unique_ptr<http::RequestHead> without_page(const http::RequestHead& head) {
  auto out = std::make_unique<http::RequestHead>(head);
  out->headers.clear();
  for (const http::HeaderField& f : head.headers) {
    const bool page = f.known == http::Known::origin || f.known == http::Known::referer ||
                      f.known == http::Known::sec_fetch_site || f.known == http::Known::sec_fetch_mode ||
                      f.known == http::Known::sec_fetch_dest;
    if (!page) out->headers.add(head.headers.base(), f);
  }
  return out;
}

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
    slot_->request.emplace(exchange, proxy.targets_);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    slot_->request.reset();
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

net::Task<> Proxy::serve(wire::Exchange& exchange) {
  const http::RequestHead& head = exchange.head();
  Lease lease(*this, exchange);
  Request& r = lease.request();
  r.caller.request = gate_.new_request();
  r.caller.source = source_of(exchange.peer());
  r.caller.client = head.headers.find(http::Known::user_agent).value_or(std::string_view{});

  // Which door?
  const std::string* canonical = host(head.host);
  if (canonical == nullptr) {
    co_await refuse(r, Reason::host_unknown);
    co_return;
  }
  std::string decoded;  // only paths with escapes need it
  if (head.parts.escaped) decoded.resize(head.parts.path.size());
  const std::string_view path = http::decode_path(head.parts, decoded);
  if (path.starts_with(kResourceMetadata) && !door_.identify) {
    co_await describe(exchange, *canonical, path.substr(kResourceMetadata.size()));
    co_return;
  }
  const auto route = r.targets->catalogue->route(*canonical, path);
  if (route) {
    r.point = route->point;
    r.target = &r.targets->points[route->index];
    r.dialect = &dialect::get(r.point->kind);
    r.face = r.dialect->face(route->path);
    r.act.access_point = r.point->name;
    r.act.sensitivity = r.point->sensitivity;
  }

  // Who asks? Before anything is said about what exists.
  if (!gate_.knows_all()) {
    Result<void> recalled;
    if (door_.recall) {
      recalled = co_await door_.recall(head);
    } else {
      recalled = co_await gate_.recall(head);
    }
    if (!recalled) {
      co_await refuse(r, recalled.error().code);
      co_return;
    }
  }
  Result<session::Identified> who = identify(r);
  if (!who) {
    co_await refuse(r, who.error().code);
    co_return;
  }
  r.caller.who = std::move(*who);
  if (r.caller.who.bound.holder) {
    const Result<void> shown = gate_.show_possession(r.caller, head, {exchange.tls(), exchange.certificate()});
    if (!shown) {
      r.caller.who = {};  // a stolen token says nothing of who is here
      co_await refuse(r, shown.error().code, shown.error().detail);
      co_return;
    }
  }
  r.known = true;
  if (!route) {
    co_await refuse(r, Reason::route_unknown);
    co_return;
  }

  // What for? The path first: its least requirement is asked for before the body is read.
  if (asks_for_websocket(head.headers)) {
    co_await refuse(r, Reason::upgrade_refused);
    co_return;
  }
  Result<dialect::Need> need = r.dialect->need(head.method, route->path, head.parts.query, r.point->rules);
  if (!need) {
    co_await refuse(r, need.error().code);
    co_return;
  }
  r.need = *need;
  r.path = route->path;
  r.act.operation = r.need.operation;
  const domain::Decision early = gate_.consider(r.caller, r.act);
  // A rule that names models cannot match yet, so "no rule" is not the last word; all else is.
  if (early.outcome != domain::Outcome::allow && early.reason != Reason::policy_no_rule) {
    domain::Refusal refusal;
    refusal.reason = early.reason;
    refusal.need = early.need;
    refusal.hint = gate_.why(r.caller, r.act, early);
    std::optional<domain::Refusal> still = co_await hold(r, r.act, std::move(refusal));
    if (still) {
      if (still->reason == early.reason) gate_.refuse(r.caller, r.act, early);
      r.known = still->reason != early.reason;  // recorded already
      co_await refuse(r, std::move(*still));
      co_return;
    }
  }

  // The body of what is classified is read whole, and exactly these bytes go on.
  Result<void> fit = r.dialect->check_head(r.need, head.headers);
  if (!fit) {
    co_await refuse(r, fit.error().code, fit.error().detail);
    co_return;
  }
  if (r.need.body == dialect::BodyRule::none && head.framing.kind != http::BodyKind::none) {
    co_await refuse(r, Reason::body_shape, "this operation takes no body");
    co_return;
  }
  if (r.need.body == dialect::BodyRule::whole) {
    if (const std::optional<std::string_view> here = exchange.body_with_head(r.point->max_body)) {
      r.body = *here;
    } else {
      Result<std::string_view> body = co_await exchange.read_whole(r.point->max_body);
      if (!body) {
        if (body.error().code == Reason::client_gone) {
          exchange.abort();
          co_return;
        }
        co_await refuse(r, body.error().code);
        co_return;
      }
      r.body = *body;
      // It may have taken minutes: rights that were withdrawn meanwhile count no more.
      Result<session::Identified> again = identify(r);
      if (!again) {
        co_await refuse(r, again.error().code);
        co_return;
      }
      r.caller.who = std::move(*again);
    }
    r.act.body_bytes = r.body.size();
    if (!r.body.empty()) r.act.body_digest = crypto::sha256(as_bytes(r.body));
  }
  if (r.point->kind == dialect::Kind::mcp) {
    Result<void> read = read_message(r);
    if (!read) {
      co_await refuse(r, read.error().code, read.error().detail);
      co_return;
    }
    std::optional<domain::Refusal> lacks = co_await prove_for_tool(r);
    if (lacks) {
      co_await refuse(r, std::move(*lacks));
      co_return;
    }
  } else {
    Result<dialect::Facts> facts = r.dialect->classify(r.need, route->path, r.body, r.point->rules, r.scratch);
    if (!facts) {
      co_await refuse(r, facts.error().code, facts.error().detail);
      co_return;
    }
    r.act.model = facts->model;
    r.act.stream = facts->stream;
    r.act.tools = facts->tools;
  }

  // May they?
  for (bool held = false;; held = true) {
    // The message of a tool call goes nowhere without the call's own record.
    const bool carries = r.message && r.message->calls_tool();
    gate::Verdict verdict = co_await gate_.admit(r.caller, r.act, carries ? gate::Gate::Wait::none : gate::Gate::Wait::durable);
    auto* const refusal = std::get_if<domain::Refusal>(&verdict);
    if (refusal == nullptr) {
      co_await forward(r, std::move(std::get<gate::Admission>(verdict)));
      co_return;
    }
    const Reason recorded = refusal->reason;  // by admit()
    std::optional<domain::Refusal> still(std::move(*refusal));
    if (!held) still = co_await hold(r, r.act, std::move(*still));
    if (!still) continue;
    r.known = still->reason != recorded;
    co_await refuse(r, std::move(*still));
    co_return;
  }
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

net::Task<Result<std::vector<dialect::Ruling>>> Proxy::rule(Request& r, const gate::Admission& admission,
                                                            std::span<const dialect::ToolCall> calls) {
  Relay& relay = *r.relay;
  const bool refused = r.message && (r.message->url_answer == "decline" || r.message->url_answer == "cancel");
  const auto until = r.may_ask() || refused ? std::chrono::steady_clock::now() : held_until(r);
  Calling calling{r.exchange, r.caller, r.act, until, [this, &r] { return identify(r); },
                  [this, &relay, &admission] { return relay.cut_reason() != Reason::ok ? relay.cut_reason() : gate_.standing(admission); },
                  [&relay] { return relay.reassure(); }, std::chrono::seconds(15),
                  [&relay](net::Signal* signal) { relay.tell_when_cut(signal); }};
  calling.also = [&r](std::string_view tool) -> std::optional<approval::ToolPlace> {
    const auto place = r.targets->catalogue->carried(r.point->name, tool);
    if (!place) return std::nullopt;
    return approval::ToolPlace{place->point->name, std::string(place->tool)};
  };
  if (!r.point->carries.empty()) {
    calling.carried = [catalogue = r.targets->catalogue, here = r.point->name](const approval::ToolPlace& from, std::string_view tool) {
      const auto place = catalogue->carried(from.access_point, from.tool);
      return place && place->point->name == here && place->tool == tool;
    };
  }
  Result<std::vector<dialect::Ruling>> rulings = co_await proxy::rule(door_.holding, gate_, std::move(calling), calls);
  co_return rulings;
}

net::Task<> Proxy::describe(wire::Exchange& exchange, std::string_view host, std::string_view path) {
  const auto& points = targets_->catalogue->points();
  const access::AccessPoint* found = nullptr;
  for (const access::AccessPoint& p : points) {
    if (p.prefix == path && (p.host.empty() || p.host == host) && (found == nullptr || !p.host.empty())) found = &p;
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

net::Task<> Proxy::refuse(Request& r, Reason reason, std::string_view hint) {
  domain::Refusal refusal;
  refusal.reason = reason;
  refusal.hint = std::string(hint);
  if (info(reason).status == 503) refusal.retry_after_s = 1;
  co_await refuse(r, std::move(refusal));
}

net::Task<> Proxy::refuse(Request& r, domain::Refusal refusal) {
  if (refusal.reason == Reason::client_gone) {
    if (r.known) gate_.refuse(r.caller, r.act, refusal.reason);
    r.exchange.abort();
    co_return;
  }
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

// Where tools are gated, a reply in which a client would find a tool call; under an error status too: there are clients that
// look at none.
std::optional<dialect::ReplyShape> Proxy::gated_shape(const Request& r, const http::ResponseHead& reply) {
  if (!r.point->rules.gated_tools || reply.framing.kind == http::BodyKind::none) return std::nullopt;
  return dialect::reply_shape(r.need, r.path);
}

net::Task<> Proxy::forward(Request& r, gate::Admission admission) {
  wire::Exchange& ex = r.exchange;
  std::unique_ptr<http::RequestHead> plain;
  if (!door_.fields.empty() || r.point->kind == dialect::Kind::mcp) plain = without_page(ex.head());
  const http::RequestHead& head = plain ? *plain : ex.head();
  gate::Completion& done = admission.completion();

  std::string& out = r.upstream_head;
  out.reserve(1024);  // a usual head
  Relay& relay = r.relay.emplace(ex, door_);
  auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(r.point->max_stream);
  // A stream that waits for news is no answer under way: it ends with the proof that opened it.
  if (r.need.reply == dialect::ReplyRule::messages && (head.method == http::Method::get || (r.message && r.message->listens))) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(admission.decision().time_left);
    if (left.count() > 0) limit = std::min(limit, left);  // under a mandate there is no proof that ages
  }
  admission.watch(relay, limit);
  if (r.message && r.message->calls_tool()) {
    const bool goes_on = co_await rule_message(r, admission);
    if (!goes_on) co_return;
  }

  std::optional<wire::UpstreamCall> call;
  const http::ResponseHead* reply = nullptr;
  Error failure = fail(Reason::upstream_unreachable);
  // One upstream after the other while nothing has been sent; a pooled connection that turned out
  // closed is tried anew once, and only if asking twice can do no harm.
  const bool idempotent = (head.method == http::Method::get || head.method == http::Method::head) &&
                          head.framing.kind == http::BodyKind::none;
  bool fresh = false;
  const std::function<bool()> nobody_waits = [&relay] { return relay.cut_reason() != Reason::ok || !relay.caller_present(); };
  for (std::size_t attempt = 0; attempt < r.target->upstreams.size() + 1 && reply == nullptr; ++attempt) {
    const std::size_t which = r.target->next++ % r.target->upstreams.size();
    relay.drop();
    call.reset();
    wire::Upstream& upstream = *r.target->upstreams[which];
    std::optional<wire::UpstreamCall> reused = fresh ? std::nullopt : upstream.pooled();
    if (reused) {
      call.emplace(std::move(*reused));
      if (relay.cut_reason() != Reason::ok) break;
    } else {
      Result<wire::UpstreamCall> connected = co_await upstream.call(/*fresh=*/true, &nobody_waits);
      if (relay.cut_reason() != Reason::ok) break;
      if (!connected) {
        failure = std::move(connected).error();
        if (upstream.options().patience.count() > 0) break;  // that was all of it
        continue;
      }
      call.emplace(std::move(*connected));
    }
    relay.use(*call);
    out.clear();
    if (!write_request_head(out, head, *r.point, r.need, r.target->authorities[which],
                            r.target->credential_line.reveal_text(), r.caller.request, r.body.size(), r.session, r.receipt)) {
      failure = fail(Reason::internal, "the request head could not be written");
      break;
    }
    if (core_.poller().others_first()) co_await core_.poller().others_told();  // before it is asked whether all still stands
    Reason standing = relay.cut_reason() != Reason::ok ? relay.cut_reason() : gate_.standing(admission);
    if (standing == Reason::ok && r.message && r.message->calls_tool()) standing = still_allowed(r);
    if (standing != Reason::ok) {
      failure = fail(standing);
      break;
    }
    net::Pieces pieces(out, r.body);
    net::ErrorCode ec;
    if (const std::optional<net::ErrorCode> sent = call->try_send(pieces)) {
      ec = *sent;
    } else {
      ec = co_await call->send(pieces);
    }
    if (r.need.body == dialect::BodyRule::stream && !ec) {
      const Result<void> uploaded = co_await relay.upload();
      if (!uploaded && uploaded.error().code != Reason::upstream_unreachable) {
        failure = uploaded.error();  // the client's fault: nothing is read back
        break;
      }
      if (!uploaded) ec = boost::asio::error::broken_pipe;
    }
    if (!ec) call->sent_all();
    // Even after a failed write: the upstream may have answered before the upload's end.
    Result<const http::ResponseHead*> answered = co_await call->read_head(head.method);
    if (answered) {
      reply = *answered;
      break;
    }
    failure = std::move(answered).error();
    if (failure.code != Reason::upstream_unreachable || !(call->stale() && idempotent && !fresh)) break;
    fresh = true;
  }
  wipe(out);  // it held the upstream's credential

  if (reply == nullptr) {
    if (relay.cut_reason() != Reason::ok) failure = fail(relay.cut_reason());
    done.reason = failure.code;
    done.status = static_cast<std::uint16_t>(info(failure.code).status);
    log::info("not relayed", {{"access_point", r.point->name}, {"reason", info(failure.code).code},
                              {"detail", failure.detail}, {"request", r.caller.request.text()}});
    admission.unwatch();
    if (failure.code == Reason::client_gone) {
      ex.abort();
      co_return;
    }
    r.known = false;  // the completion tells
    co_await refuse(r, failure.code);
    co_return;
  }

  done.first_byte = std::chrono::steady_clock::now();
  done.status = static_cast<std::uint16_t>(reply->status);
  Result<void> relayed;
  if (r.need.reply == dialect::ReplyRule::models && reply->status == 200) {
    auto allowed = [&](std::string_view model) {
      domain::Act probe = r.act;
      probe.model = model;
      for (const std::string_view operation : {"chat", "complete", "embed"}) {
        probe.operation = operation;
        if (gate_.consider(r.caller, probe).outcome != domain::Outcome::deny) return true;
      }
      return false;
    };
    relayed = co_await relay.models(*r.dialect, *reply, r.point->rules, allowed, admission.decision(), r.caller.request);
  } else if (r.need.reply == dialect::ReplyRule::messages) {
    Relay::Naming naming = [this, &r](std::string_view id) {
      return door_.session_key == nullptr ? std::string() : session_name(*door_.session_key, id, r.caller.who.subject.user, r.point->name, r.opens_urls);
    };
    relayed = co_await relay.messages(*reply, admission.decision(), r.caller.request, judging(r), std::move(naming), r.learning);
    // Of a reply that broke, too: what was learnt from it counts.
    if (!r.learning.news.empty()) {
      const Result<void> stored = co_await door_.definitions->keep(std::move(r.learning.news), r.learning.by);
      static_cast<void>(stored);  // nothing of it went out
    }
  } else if (const std::optional<dialect::ReplyShape> shape = gated_shape(r, *reply)) {
    Relay::Ruler ruler = [this, &r, &admission](std::span<const dialect::ToolCall> calls) { return rule(r, admission, calls); };
    relayed = co_await relay.inspect(*reply, admission.decision(), r.caller.request, *shape, std::move(ruler));
  } else {
    relayed = co_await relay.stream(*reply, admission.decision(), r.caller.request,
                                    r.need.reply == dialect::ReplyRule::usage);
  }
  admission.unwatch();
  done.reply_bytes = ex.reply_bytes();
  const dialect::UsageObserver::Counts usage = relay.usage();
  done.input_tokens = usage.input_tokens;
  done.output_tokens = usage.output_tokens;
  if (relay.cut_reason() != Reason::ok) {
    done.reason = relay.cut_reason();
  } else {
    done.reason = relayed ? Reason::ok : relayed.error().code;
  }
  if (relayed && relay.cut_reason() == Reason::ok) co_return;

  if (!ex.begun()) {
    r.known = false;
    co_await refuse(r, done.reason);
    co_return;
  }
  // The reply has begun: say why in the stream's own shape if the client is there, then break off,
  // so that nobody takes the end for a clean one.
  if (done.reason != Reason::client_gone) {
    domain::Refusal refusal;
    refusal.reason = done.reason;
    refusal.request = r.caller.request;
    const std::string last = dialect::Dialect::render_cut(refusal, r.face);
    if (relay.event_stream() && !last.empty()) {
      const Result<void> sent = co_await ex.write(last);
      static_cast<void>(sent);
    }
  }
  ex.abort();
}

}  // namespace vestibule::proxy
