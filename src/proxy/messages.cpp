// MCP: a message is admitted like every act; the call that a tools/call carries is an act of its own, decided about as
// a tool call of a model's reply is, and goes on only with a word for itself.
#include <algorithm>

#include "approval/receipt.hpp"
#include "base/log.hpp"
#include "http/host.hpp"
#include "http/url.hpp"
#include "json/writer.hpp"
#include "proxy/holding.hpp"
#include "proxy/proxy.hpp"
#include "proxy/request.hpp"
#include "proxy/request_state.hpp"
#include "proxy/session_name.hpp"
#include "proxy/tool_calls.hpp"

namespace vestibule::proxy {
namespace {

using dialect::mcp::Era;
using dialect::mcp::Message;

dialect::ToolCall call_of(const Message& m) {
  dialect::ToolCall call;
  call.id = m.id;
  call.name = m.name;
  call.arguments = m.arguments;
  return call;
}

// What takes the place of the answer.
std::string instead(const Message& m, const dialect::Ruling& ruling, bool may_ask) {
  const bool asks = ruling.reason == Reason::confirmation_required && !ruling.page.empty() && may_ask;
  constexpr std::string_view kPlease = "A person has to confirm this tool call before it runs.";
  json::Writer w;
  if (asks && m.era == Era::stateless) {
    w.begin_object().member("jsonrpc", "2.0").key("id").raw(m.id).key("result").begin_object();
    w.member("resultType", "input_required").key("inputRequests").begin_object().key(dialect::mcp::kConfirm).begin_object();
    w.member("method", "elicitation/create").key("params").begin_object();
    w.member("mode", "url").member("message", kPlease).member("url", ruling.page);
    w.end_object().end_object().end_object().end_object().end_object();
    return w.take();
  }
  w.begin_object();
  if (asks) {
    w.key("elicitations").begin_array().begin_object().member("mode", "url");
    w.member("elicitationId", ruling.page.substr(ruling.page.find('#') + 1)).member("url", ruling.page).member("message", kPlease);
    w.end_object().end_array();
  }
  w.member("reason", info(ruling.reason).code).end_object();
  return dialect::mcp::error_answer(m.id, asks ? dialect::mcp::kUrlElicitation : dialect::mcp::kRefused, ruling.why, w.text());
}

}  // namespace

Result<void> Proxy::understand(Request& r) const {
  const http::RequestHead& head = r.exchange.head();
  // DNS rebinding (the specification's "Security Warning"): a page of a stranger's has no business here, token or not.
  if (const auto origin = head.headers.find(http::Known::origin)) {
    const Result<http::Url> page = http::parse_url(std::string(*origin));
    if (!page || !r.targets->catalogue->known_host(page->host)) return fail(Reason::cross_site, "Origin is not this gateway's");
  }
  const bool stateless = head.headers.find(http::Known::mcp_protocol_version) == "2026-07-28";
  // A revision without sessions takes no notice of one.
  if (const auto name = head.headers.find(http::Known::mcp_session_id); name && !stateless) {
    if (head.headers.count(http::Known::mcp_session_id) > 1) return fail(Reason::mcp_header_mismatch, "Mcp-Session-Id: sent twice");
    const auto session = door_.session_key == nullptr ? std::nullopt : server_session(*door_.session_key, *name, r.caller.who.subject.user, r.point->name);
    if (!session) return fail(Reason::mcp_session_ended);
    r.session = session->id;
    r.opens_urls = session->opens_urls;
  }
  if (head.method != http::Method::post) {
    return stateless ? Result<void>(fail(Reason::method_not_allowed)) : Result<void>();
  }
  dialect::mcp::StateReader states;
  if (door_.session_key != nullptr) {
    states = [this, &r](const Message& call, std::string_view state) {
      return server_state(*door_.session_key, state, {r.caller.who.subject.user, r.point->name, call.operation, call.name, call.parameters}, door_.clock->wall());
    };
  }
  Result<Message> message = dialect::mcp::read(head.headers, r.body, r.point->rules.client_requests, states);
  if (!message) return std::move(message).error();
  r.message = std::move(*message);
  Message& m = *r.message;
  r.opens_urls |= m.opens_urls;
  r.act.operation = m.calls_tool() ? dialect::mcp::kCarrier : m.operation;
  if (m.is == Message::Is::response && r.session.empty()) return fail(Reason::mcp_session_ended, "an answer belongs to a session");
  const auto& open = r.point->rules.operations;
  const auto opened = [&](std::string_view operation) { return std::find(open.begin(), open.end(), operation) != open.end(); };
  if (m.route_class == dialect::RouteClass::sensitive && !opened(m.operation)) {
    return fail(Reason::route_denied, "operation " + std::string(m.operation));
  }
  if (m.task && !opened("tasks")) return fail(Reason::route_denied, "operation tasks");
  if (m.resources && !opened("resources/read")) return fail(Reason::route_denied, "operation resources/read");
  if (!m.body.empty()) {
    r.scratch = std::move(m.body);
    r.body = r.scratch;
  }
  return {};
}

bool Proxy::read_message(Request& r) {
  const Result<void> read = understand(r);
  return read ? true : stop(r, read.error().code, read.error().detail);
}

net::Task<bool> Proxy::prove_for_tool(Request& r) {
  if (!r.message || !r.message->calls_tool()) co_return true;
  const dialect::ToolCall call = call_of(*r.message);
  const domain::Act act = act_of(r.act, call);
  const domain::Decision d = gate_.consider_call(r.caller, act);
  if (d.outcome != domain::Outcome::step_up) co_return true;
  // A mandate may cover models; of tools it says nothing. Nobody is rung for what nobody can give.
  if (gate_.consider(r.caller, act).outcome == domain::Outcome::allow) co_return true;
  domain::Refusal refusal;
  refusal.reason = d.reason;
  refusal.need = d.need;
  refusal.hint = gate_.why(r.caller, act, d);
  r.refusal = co_await hold(r, act, std::move(refusal));
  if (r.refusal && r.refusal->reason != Reason::client_gone) {
    domain::Decision said = d;
    said.reason = r.refusal->reason;
    gate_.refuse(r.caller, act, said);
    r.known = false;  // recorded
  }
  co_return !r.refusal;
}

net::Task<bool> Proxy::rule_message(Request& r, gate::Admission& admission) {
  const Message& m = *r.message;
  const dialect::ToolCall call = call_of(m);
  gate::Completion& done = admission.completion();
  admission.carries(m.name);
  Result<std::vector<dialect::Ruling>> rulings = co_await rule(r, admission, std::span(&call, 1));
  if (rulings && rulings->front().release) {
    const std::string& confirmation = rulings->front().confirmation;
    if (confirmation.empty()) co_return true;
    if (std::string shown = dialect::mcp::as_signed(r.body); !shown.empty()) {
      r.scratch = std::move(shown);
      r.body = r.scratch;
    }
    if (r.point->receipts) co_await fetch_receipt(r, confirmation);
    co_return true;
  }
  admission.unwatch();
  r.known = false;  // the completion tells, and the record of the call
  done.reason = rulings ? rulings->front().reason : rulings.error().code;
  dialect::Ruling said;
  if (rulings) {
    said = rulings->front();
  } else if (done.reason == Reason::tool_asleep) {
    // It changed while its person was asked: as if it had before.
    said.reason = done.reason;
    said.why = info(done.reason).text;
  } else {
    done.status = static_cast<std::uint16_t>(info(done.reason).status);
    stop(r, done.reason);
    co_await refuse(r);
    co_return false;
  }
  const std::string body = instead(m, said, r.may_ask());
  http::HeadWriter head = r.exchange.start();
  head.status(200);
  head.field("Content-Type", "application/json");
  head.field("Cache-Control", "no-store");
  head.field("X-Request-Id", r.caller.request.text());
  for (const auto& [name, value] : door_.fields) head.field(name, value);
  head.field("Vestibule-Reason", info(done.reason).code);
  done.status = 200;
  const Result<void> sent = co_await r.exchange.reply(head, body);
  static_cast<void>(sent);  // whether it is heard or not, there is nothing more to do
  co_return false;
}

net::Task<Result<void>> Proxy::bring_messages(Request& r, const http::ResponseHead& reply) {
  Relay::Naming naming = [this, &r](std::string_view id) {
    return door_.session_key == nullptr ? std::string() : session_name(*door_.session_key, id, r.caller.who.subject.user, r.point->name, r.opens_urls);
  };
  Result<void> relayed = co_await r.relay->messages(reply, r.admission->decision(), r.caller.request, judging(r), std::move(naming), r.learning);
  // Of a reply that broke, too: what was learnt from it counts.
  if (!r.learning.news.empty()) {
    const Result<void> stored = co_await door_.definitions->keep(std::move(r.learning.news), *r.learning.by);
    static_cast<void>(stored);  // nothing of it went out
  }
  co_return relayed;
}

// Without it the call goes on all the same: a server that wants one refuses, and says so.
net::Task<> Proxy::fetch_receipt(Request& r, std::string_view confirmation) const {
  const auto id = approval::ConfirmationId::parse(confirmation);
  if (!id) co_return;
  const Result<std::string> receipt = co_await door_.holding->confirmations->receipt(*id);
  if (!receipt) {
    log::warn("a tool call goes on without its receipt", {{"access_point", r.point->name}, {"detail", receipt.error().detail}, {"request", r.caller.request.text()}});
    co_return;
  }
  std::string text = base64url(as_bytes(*receipt));
  if (text.size() > approval::kMaxReceiptHeader) {
    log::warn("a tool call goes on without its receipt: it is too long for a header", {{"access_point", r.point->name}, {"bytes", text.size()}, {"request", r.caller.request.text()}});
    co_return;
  }
  r.receipt = std::move(text);
}

Reason Proxy::still_allowed(const Request& r) const noexcept {
  const dialect::ToolCall call = call_of(*r.message);
  const domain::Decision d = gate_.consider_call(r.caller, act_of(r.act, call));
  return d.outcome == domain::Outcome::deny ? d.reason : Reason::ok;
}

dialect::mcp::Judging Proxy::judging(Request& r) const {
  dialect::mcp::Judging out;
  out.era = r.message ? r.message->era : Era::sessions;
  out.allowed = r.point->rules.client_requests;
  out.own_hosts = door_.own_hosts;
  if (door_.session_key != nullptr) {
    out.binds = [this, &r](std::string_view state) {
      StateOf of{r.caller.who.subject.user, r.point->name, {}, {}, {}};
      if (r.message) {
        of.operation = r.message->operation;
        of.name = r.message->name;
        of.parameters = r.message->parameters;
      }
      return bind_state(*door_.session_key, state, of, door_.clock->wall());
    };
  }
  const bool looks = door_.definitions != nullptr && r.point->watch_tools;
  if (looks) r.learning.by = session::actor_of(r.caller.who, r.caller.source, r.caller.client, r.caller.request);
  // Whoever asks, and whatever he may know of: a server is watched, not a caller.
  if (looks) out.looks = [this, &r](std::string_view definition) { return door_.definitions->look(r.point->name, definition, r.learning.news); };
  out.shows = [this, &r](std::string_view tool) {
    domain::Act act = r.act;
    act.operation = domain::kToolCall;
    act.tool = tool;
    act.arguments = "{}";
    act.listed = true;
    return gate_.consider_call(r.caller, act).outcome != domain::Outcome::deny;
  };
  return out;
}

}  // namespace vestibule::proxy
