// What becomes of an admitted act: it goes to an upstream, and its reply comes back.

#include <functional>
#include <optional>

#include "base/log.hpp"
#include "proxy/heads.hpp"
#include "proxy/holding.hpp"
#include "proxy/relay.hpp"
#include "proxy/request.hpp"
#include "proxy/session_name.hpp"
#include "proxy/tool_calls.hpp"

namespace vestibule::proxy {
namespace {

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

}  // namespace

// Where tools are gated, a reply in which a client would find a tool call; under an error status too: there are clients that
// look at none.
std::optional<dialect::ReplyShape> Proxy::gated_shape(const Request& r, const http::ResponseHead& reply) {
  if (!r.point->rules.gated_tools || reply.framing.kind == http::BodyKind::none) return std::nullopt;
  return dialect::reply_shape(r.need, r.path);
}

void Proxy::prepare(Request& r) {
  const http::RequestHead& head = r.exchange.head();
  if (!door_.fields.empty() || r.point->kind == dialect::Kind::mcp) r.plain = without_page(head);
  r.relay.emplace(r.exchange, door_);
  auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(r.point->max_stream);
  // A stream that waits for news is no answer under way: it ends with the proof that opened it.
  if (r.need.reply == dialect::ReplyRule::messages && (head.method == http::Method::get || (r.message && r.message->listens))) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(r.admission->decision().time_left);
    if (left.count() > 0) limit = std::min(limit, left);  // under a mandate there is no proof that ages
  }
  r.admission->watch(*r.relay, limit);
}

Reason Proxy::standing(const Request& r) const noexcept {
  if (r.relay->cut_reason() != Reason::ok) return r.relay->cut_reason();
  const Reason reason = gate_.standing(*r.admission);
  return reason == Reason::ok && r.message && r.message->calls_tool() ? still_allowed(r) : reason;
}

net::Task<bool> Proxy::connect(Request& r, wire::Upstream& upstream) {
  Relay& relay = *r.relay;
  const std::function<bool()> nobody_waits = [&relay] { return relay.cut_reason() != Reason::ok || !relay.caller_present(); };
  Result<wire::UpstreamCall> connected = co_await upstream.call(/*fresh=*/true, &nobody_waits);
  if (connected) {
    r.call.emplace(std::move(*connected));
  } else {
    r.failure = std::move(connected).error();
  }
  co_return connected.has_value();
}

// The body, where it goes on as it comes. False: the client's fault, nothing is read back.
net::Task<bool> Proxy::upload(Request& r, net::ErrorCode& ec) {
  const Result<void> uploaded = co_await r.relay->upload();
  if (uploaded) co_return true;
  ec = boost::asio::error::broken_pipe;
  if (uploaded.error().code == Reason::upstream_unreachable) co_return true;
  r.failure = uploaded.error();
  co_return false;
}

// The head of the reply, or why there is none; false: it has not come yet.
bool Proxy::take_head(Request& r, const http::ResponseHead*& reply) {
  std::optional<Result<const http::ResponseHead*>> answered = r.call->try_head();
  if (answered && *answered) reply = **answered;
  if (answered && !*answered) r.failure = std::move(*answered).error();
  return answered.has_value();
}

net::Task<> Proxy::forward(Request& r) {
  net::Poller& poller = core_.poller();
  if (poller.others_before(net::Stage::dispatches)) co_await poller.reach(net::Stage::dispatches);
  prepare(r);
  const http::RequestHead& head = r.plain ? *r.plain : r.exchange.head();
  Relay& relay = *r.relay;
  if (r.message && r.message->calls_tool()) {
    const bool goes_on = co_await rule_message(r, *r.admission);
    if (!goes_on) co_return;
  }

  const http::ResponseHead* reply = nullptr;
  // One upstream after the other while nothing has been sent; a pooled connection that turned out
  // closed is tried anew once, and only if asking twice can do no harm.
  const bool idempotent = (head.method == http::Method::get || head.method == http::Method::head) &&
                          head.framing.kind == http::BodyKind::none;
  bool fresh = false;
  for (std::size_t attempt = 0; attempt < r.target->upstreams.size() + 1 && reply == nullptr; ++attempt) {
    const std::size_t which = r.target->next++ % r.target->upstreams.size();
    relay.drop();
    r.call.reset();
    wire::Upstream& upstream = *r.target->upstreams[which];
    wipe(r.upstream_head);  // of the attempt before: the next may be shorter
    if (!write_request_head(r.upstream_head, head, *r.point, r.need, r.target->authorities[which],
                            r.target->credential_line.reveal_text(), r.caller.request, r.body.size(), r.session, r.receipt)) {
      r.failure = fail(Reason::internal, "the request head could not be written");
      break;
    }
    // Before a connection is found quiet, and before it is asked whether all still stands.
    if (poller.others_before(net::Stage::writes)) co_await poller.reach(net::Stage::writes);
    if (std::optional<wire::UpstreamCall> reused = fresh ? std::nullopt : upstream.pooled()) {
      r.call.emplace(std::move(*reused));
    } else {
      const bool connected = co_await connect(r, upstream);
      if (!connected && upstream.options().patience.count() > 0) break;  // that was all of it
      if (!connected && relay.cut_reason() == Reason::ok) continue;
    }
    if (relay.cut_reason() != Reason::ok) break;
    relay.use(*r.call);
    if (const Reason reason = standing(r); reason != Reason::ok) {
      r.failure = fail(reason);
      break;
    }
    r.pieces = net::Pieces(r.upstream_head, r.body);
    net::ErrorCode ec;
    if (const std::optional<net::ErrorCode> sent = r.call->try_send(r.pieces)) {
      ec = *sent;
    } else {
      ec = co_await r.call->send(r.pieces);
    }
    if (r.need.body == dialect::BodyRule::stream && !ec) {
      const bool goes_on = co_await upload(r, ec);
      if (!goes_on) break;
    }
    if (!ec) r.call->sent_all();
    // Even after a failed write: the upstream may have answered before the upload's end.
    r.call->expect(head.method);
    bool answered = take_head(r, reply);
    while (!answered) {
      if (!r.call->fill()) {
        co_await r.call->wait_to_read();
        continue;
      }
      if (poller.others_before(net::Stage::replies)) co_await poller.reach(net::Stage::replies);
      answered = take_head(r, reply);
    }
    if (reply != nullptr || relay.cut_reason() != Reason::ok) break;
    if (r.failure.code != Reason::upstream_unreachable || !(r.call->stale() && idempotent && !fresh)) break;
    fresh = true;
  }
  wipe(r.upstream_head);  // it held the upstream's credential

  if (reply == nullptr || relay.cut_reason() != Reason::ok) {
    if (give_up(r)) co_await refuse(r);
    co_return;
  }
  // What an upstream has left unread it would take for its next request: of a body that nobody here has read it may become one; of a
  // prompt that it has refused, an error in the place of whoever's answer comes next.
  if (unread_body(r.need, head) || (reply->status >= 400 && !r.body.empty())) r.call->use_once();
  r.admission->answered(reply->status);
  std::optional<Result<void>> relayed;
  if (std::optional<net::Task<Result<void>>> looked_into = bring(r, *reply)) {
    relayed = co_await std::move(*looked_into);
  } else {
    relayed = relay.begin(*reply, r.admission->decision(), r.caller.request, r.need.reply == dialect::ReplyRule::usage);
    if (*relayed) {
      if (poller.others_before(net::Stage::writes)) co_await poller.reach(net::Stage::writes);
      relayed = relay.try_stream();
      if (!relayed) relayed = co_await relay.stream();
    }
  }
  r.admission->unwatch();
  gate::Completion& done = r.admission->completion();
  done.reply_bytes = r.exchange.reply_bytes();
  const dialect::UsageObserver::Counts usage = relay.usage();
  done.input_tokens = usage.input_tokens;
  done.output_tokens = usage.output_tokens;
  if (relay.cut_reason() != Reason::ok) {
    done.reason = relay.cut_reason();
  } else {
    done.reason = *relayed ? Reason::ok : relayed->error().code;
  }
  if (done.reason != Reason::ok) co_await break_off(r);
}

// What was admitted and brought no reply. False: nobody is there to be told.
bool Proxy::give_up(Request& r) {
  Error failure = std::move(r.failure);
  if (r.relay->cut_reason() != Reason::ok) failure = fail(r.relay->cut_reason());
  gate::Completion& done = r.admission->completion();
  done.reason = failure.code;
  done.status = static_cast<std::uint16_t>(info(failure.code).status);
  log::info("not relayed", {{"access_point", r.point->name}, {"reason", info(failure.code).code},
                            {"detail", failure.detail}, {"request", r.caller.request.text()}});
  r.admission->unwatch();
  r.known = false;  // the completion tells
  stop(r, failure.code);
  if (failure.code == Reason::client_gone) r.exchange.abort();
  return failure.code != Reason::client_gone;
}

// A reply that is looked into before it goes on, by what it is; nothing: it goes as it comes. Not a coroutine: what it hands over
// goes with the task.
std::optional<net::Task<Result<void>>> Proxy::bring(Request& r, const http::ResponseHead& reply) {
  const domain::Decision& decision = r.admission->decision();
  if (r.need.reply == dialect::ReplyRule::models && reply.status >= 200 && reply.status < 300) {
    return r.relay->models(*r.dialect, reply, r.point->rules, [this, &r](std::string_view model) { return may_use(r, model); }, decision,
                           r.caller.request);
  }
  if (r.need.reply == dialect::ReplyRule::messages) return bring_messages(r, reply);
  if (const std::optional<dialect::ReplyShape> shape = gated_shape(r, reply)) {
    return r.relay->inspect(reply, decision, r.caller.request, *shape,
                            [this, &r](std::span<const dialect::ToolCall> calls) { return rule(r, *r.admission, calls); });
  }
  return std::nullopt;
}

bool Proxy::may_use(const Request& r, std::string_view model) const {
  domain::Act probe = r.act;
  probe.model = model;
  for (const std::string_view operation : {"chat", "complete", "embed"}) {
    probe.operation = operation;
    if (gate_.consider(r.caller, probe).outcome != domain::Outcome::deny) return true;
  }
  return false;
}

// If the reply has begun: why is said in the stream's own shape if the client is there, then it breaks off, so that nobody takes
// the end for a clean one.
net::Task<> Proxy::break_off(Request& r) {
  const Reason reason = r.admission->completion().reason;
  r.known = false;  // the completion tells
  if (!r.exchange.begun()) {
    stop(r, reason);
    co_await refuse(r);
    co_return;
  }
  if (reason != Reason::client_gone) {
    domain::Refusal refusal;
    refusal.reason = reason;
    refusal.request = r.caller.request;
    const std::string last = dialect::Dialect::render_cut(refusal, r.face);
    if (r.relay->event_stream() && !last.empty()) {
      const Result<void> sent = co_await r.exchange.write(last);
      static_cast<void>(sent);
    }
  }
  r.exchange.abort();
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

}  // namespace vestibule::proxy
