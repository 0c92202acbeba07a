#include "app/cli/client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <charconv>
#include <exception>
#include <future>

#include "http/host.hpp"
#include "http/write.hpp"
#include "wire/upstream.hpp"

#ifndef VESTIBULE_VERSION
#define VESTIBULE_VERSION "0"
#endif

namespace vestibule::app::cli {
namespace {

constexpr std::size_t kMaxReply = std::size_t{64} << 20U;

// Keeps what outlives the head: its views end with the next piece of the body.
void take_head(const http::ResponseHead& head, Reply& reply) {
  reply.status = head.status;
  if (const auto reason = head.headers.find("vestibule-reason")) reply.reason = *reason;
  if (const auto after = head.headers.find("retry-after")) reply.retry_after = *after;
  if (const auto left = head.headers.find("vestibule-expires-in")) {
    std::int64_t n = 0;
    const auto [end, ec] = std::from_chars(left->data(), left->data() + left->size(), n);
    if (ec == std::errc() && end == left->data() + left->size()) reply.expires_in_s = n;
  }
}

// One exchange on the core. Everything it points to is kept by the thread that waits for it.
net::Task<> exchange(wire::Upstream* upstream, const Endpoint* endpoint, Request* request, Result<Reply>* out) {
  std::string head;
  {
    http::HeadWriter w(head);
    w.request(http::to_text(request->method), request->target);
    w.field("Host", endpoint->authority);
    w.field("User-Agent", "vestibule-cli/" VESTIBULE_VERSION);
    w.field("Accept", "application/json, application/x-ndjson, text/event-stream");
    w.field("Prefer", "wait=0");  // a person is here and is asked at once
    if (request->bearer != nullptr) {
      std::string value = "Bearer " + std::string(request->bearer->reveal_text());
      w.field("Authorization", value);
      wipe(value);
    }
    if (!request->body.empty()) {
      w.field("Content-Type", request->content_type);
      w.framing({http::BodyKind::length, request->body.size()});
    } else if (request->method == http::Method::post) {
      w.field("Content-Length", std::uint64_t{0});
    }
    if (!w.finish()) {
      *out = fail(Reason::invalid_argument, "a name or value cannot stand in a request");
      co_return;
    }
  }
  // A pooled connection may have been closed meanwhile; then nothing was done, and a fresh one is
  // tried once.
  for (int attempt = 0; attempt < 2; ++attempt) {
    Result<wire::UpstreamCall> call = co_await upstream->call(attempt > 0);
    if (!call) {
      *out = std::move(call).error();
      break;
    }
    const net::ErrorCode sent = co_await call->send(net::Pieces(head, request->body));
    if (!sent) call->sent_all();
    Result<const http::ResponseHead*> answer = co_await call->read_head(request->method);
    if (!answer) {
      if (call->stale()) continue;
      *out = std::move(answer).error();
      break;
    }
    Reply reply;
    take_head(**answer, reply);
    bool wanted = true;
    for (;;) {
      Result<std::string_view> piece = co_await call->read_body();
      if (!piece) {
        *out = std::move(piece).error();
        wanted = false;
        break;
      }
      if (piece->empty()) break;
      if (request->sink && reply.ok()) {
        if (request->sink(*piece)) continue;
        call->cancel();
        *out = fail(Reason::client_gone, "cut by the caller");
        wanted = false;
        break;
      }
      if (reply.body.size() + piece->size() > kMaxReply) {
        call->cancel();
        *out = fail(Reason::upstream_malformed, "the reply is too long");
        wanted = false;
        break;
      }
      reply.body.append(*piece);
    }
    if (wanted) *out = std::move(reply);
    break;
  }
  wipe(head);
  wipe(request->body);
}

void read_json(Reply& reply) {
  Result<json::Value> value = json::parse(reply.body);
  if (!value) return;
  reply.json = std::move(*value);
  if (reply.ok()) return;
  // {"error":{"code":...}}: the control API's shape, OpenAI's, and near enough for the others.
  if (const json::Value* error = reply.json.find("error"); error != nullptr && reply.reason.empty()) {
    if (Result<std::string> code = error->get_string("code")) reply.reason = std::move(*code);
  }
}

}  // namespace

Endpoint Endpoint::control(std::string socket) {
  Endpoint e;
  e.address.path = std::move(socket);
  return e;
}

Result<Endpoint> Endpoint::from_url(std::string_view url) {
  const auto bad = [&](const char* why) {
    return fail(Reason::invalid_argument, "URL \"" + std::string(url) + "\": " + why);
  };
  Endpoint e;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    e.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return bad("expected http:// or https://");
  }
  while (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ ") != std::string_view::npos) return bad("give scheme, host and port alone");
  const Result<http::Host> host = http::parse_host(rest);
  if (!host) return bad("the host is not valid");
  e.authority = std::string(rest);
  e.address.host = host->name;
  if (e.address.host.starts_with('[') && e.address.host.ends_with(']')) {
    e.address.host = e.address.host.substr(1, e.address.host.size() - 2);
  }
  e.address.port = host->port != 0 ? host->port : static_cast<std::uint16_t>(e.tls ? 443 : 80);
  // A password or code must not travel in the clear.
  if (!e.tls && !e.address.is_loopback()) return bad("plain HTTP only to this machine: use https://");
  return e;
}

struct Client::Machine {
  Machine(const Endpoint& endpoint, net::TlsContext tls) : cores(1) {
    wire::UpstreamOptions o;
    o.address = endpoint.address;
    o.tls = std::move(tls);
    o.server_name = endpoint.address.host;
    upstream = std::make_unique<wire::Upstream>(cores.at(0), std::move(o));
    cores.start();
  }
  ~Machine() { cores.stop(); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  net::Cores cores;
  std::unique_ptr<wire::Upstream> upstream;  // used on the core only; goes after it has stopped
};

Client::Client(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}
Client::~Client() = default;

Result<Reply> Client::call(Request request) {
  if (!machine_) {
    net::TlsContext tls;
    if (endpoint_.tls) {
      Result<net::TlsContext> made = net::client_tls(endpoint_.ca_file);
      if (!made) return std::move(made).error();
      tls = std::move(*made);
    }
    machine_ = std::make_unique<Machine>(endpoint_, std::move(tls));
  }
  Result<Reply> out = fail(Reason::upstream_unreachable, "the connection was closed before an answer");
  auto done = std::make_shared<std::promise<void>>();  // the task's end may outlast our waking up
  std::future<void> finished = done->get_future();
  net::Core& core = machine_->cores.at(0);
  // This thread waits for the task: nothing that it points to goes before it has ended.
  net::asio::co_spawn(core.executor(), exchange(machine_->upstream.get(), &endpoint_, &request, &out),
                      [done](std::exception_ptr e) {
                        if (e) {
                          done->set_exception(e);
                        } else {
                          done->set_value();
                        }
                      });
  finished.get();
  if (out) read_json(*out);
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto b = static_cast<unsigned char>(c);
      out += {'%', kHex[b >> 4U], kHex[b & 15U]};
    }
  }
  return out;
}

}  // namespace vestibule::app::cli
