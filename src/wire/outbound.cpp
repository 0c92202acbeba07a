#include "wire/outbound.hpp"

#include <algorithm>

#include "base/secret.hpp"
#include "http/write.hpp"

namespace vestibule::wire {
namespace {

bool same_name(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::chrono::milliseconds until(std::chrono::steady_clock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds(1));
}

}  // namespace

std::string_view OutboundReply::field(std::string_view name) const noexcept {
  for (const auto& [n, value] : fields) {
    if (same_name(n, name)) return value;
  }
  return {};
}

/// Linked into its owner's list while it waits. The deadline ends it whatever it waits for.
struct Outbound::Under final : net::Deadline {
  explicit Under(Outbound& o) : owner(o), next(o.first_) {
    owner.first_ = this;
    ++owner.count_;
  }
  ~Under() override {
    Under** at = &owner.first_;
    while (*at != this) at = &(*at)->next;
    *at = next;
    --owner.count_;
  }
  Under(const Under&) = delete;
  Under& operator=(const Under&) = delete;
  void expired() noexcept override {
    late = true;
    end();
  }
  void end() noexcept {
    if (call != nullptr) call->cancel();
  }
  Outbound& owner;
  Under* next;
  UpstreamCall* call = nullptr;
  bool late = false;
};

Outbound::Outbound(net::Core& core, OutboundOptions options) : core_(core), options_(std::move(options)) {}
Outbound::~Outbound() = default;

void Outbound::stop() noexcept {
  stopped_ = true;
  for (Under* u = first_; u != nullptr; u = u->next) u->end();
}

net::Task<Result<OutboundReply>> Outbound::send(OutboundRequest request) {
  if (stopped_) co_return fail(Reason::shutting_down);
  if (count_ >= options_.max_at_once) co_return fail(Reason::overloaded, "too many requests of our own are under way");
  const bool tls = request.url.scheme == http::Url::Scheme::https;
  if (tls && !options_.tls) co_return fail(Reason::config_invalid, "no TLS is configured for requests of our own");
  std::string head;
  http::HeadWriter writer(head);
  writer.request(http::to_text(request.method), request.url.target);
  writer.field("Host", request.url.authority()).field("User-Agent", "vestibule").field("Connection", "close");
  for (const auto& [name, value] : request.fields) writer.field(name, value);
  const bool has_body = request.method != http::Method::get && request.method != http::Method::head;
  if (has_body) writer.field("Content-Length", std::uint64_t{request.body.size()});
  if (!writer.finish()) co_return fail(Reason::request_malformed, "a field that cannot be sent");
  Result<OutboundReply> reply = co_await exchange(std::move(request), std::move(head));
  co_return reply;
}

net::Task<Result<OutboundReply>> Outbound::exchange(OutboundRequest request, std::string head) {
  const auto end = std::chrono::steady_clock::now() + options_.limit;
  Under under(*this);
  core_.deadlines().arm(under, options_.limit);
  UpstreamOptions o;
  o.address.host = request.url.host;
  if (o.address.host.starts_with('[')) o.address.host = o.address.host.substr(1, o.address.host.size() - 2);
  o.address.port = request.url.port;
  o.reach = options_.reach;
  o.connect = o.write = o.head = o.body = options_.limit;
  o.max_idle = 0;
  if (request.url.scheme == http::Url::Scheme::https) {
    o.tls = options_.tls;
    o.server_name = o.address.host;
  }
  Upstream upstream(core_, std::move(o));
  Result<UpstreamCall> call = co_await upstream.call();
  if (!call) co_return std::move(call).error();
  if (under.late) co_return fail(Reason::upstream_timeout, "connecting took too long");
  if (stopped_) co_return fail(Reason::shutting_down);
  under.call = &*call;
  core_.deadlines().arm(under, until(end));

  const auto ended = [&](Error error) {
    if (stopped_) return fail(Reason::shutting_down);
    return under.late ? fail(Reason::upstream_timeout, "no whole reply in time") : std::move(error);
  };
  // An error of writing is not final: who refuses early may have said why.
  const net::Pieces pieces(head, request.body);
  const net::ErrorCode unsent = co_await call->send(pieces);
  wipe(head);
  wipe(request.body);
  if (!unsent) call->sent_all();
  const Result<const http::ResponseHead*> received = co_await call->read_head(request.method);
  if (!received) co_return ended(received.error());
  OutboundReply out;
  out.status = (*received)->status;
  for (const http::HeaderField f : (*received)->headers) out.fields.emplace_back(f.name, f.value);
  while (!call->body_done()) {
    const Result<std::string_view> piece = co_await call->read_body();
    if (!piece) co_return ended(piece.error());
    if (piece->size() > options_.max_reply - out.body.size()) {
      co_return fail(Reason::upstream_malformed, "the reply is longer than " + std::to_string(options_.max_reply) + " bytes");
    }
    out.body.append(*piece);
  }
  co_return out;
}

}  // namespace vestibule::wire
