#include "bridge/bridge.hpp"

#include <sys/socket.h>

#include <algorithm>

#include "base/log.hpp"

namespace vestibule::bridge {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kStateless = "2026-07-28";

// JSON-RPC's codes, and the server's own.
constexpr int kNoJson = -32700;
constexpr int kNoRequest = -32600;
constexpr int kEnded = -32000;

wire::ServerOptions server_options() {
  wire::ServerOptions o;
  o.max_connections = 1024;
  o.body_budget = 16 * kMaxMessage;
  return o;
}

// The process at the other end, as it was when it connected.
pid_t peer_of(const net::Socket& socket) {
  ucred who{};
  socklen_t size = sizeof who;
  return ::getsockopt(socket.fd(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 ? who.pid : -1;
}

bool is_json(const http::RequestHead& head) {
  if (head.headers.count(http::Known::content_type) != 1) return false;
  const std::string_view value = head.headers.find(http::Known::content_type).value_or("");
  std::string type;
  for (const char c : value) {
    if (c != ' ' && c != '\t') type.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  return type == "application/json" || type == "application/json;charset=utf-8";
}

bool stateless(const http::RequestHead& head) {
  return head.headers.count(http::Known::mcp_protocol_version) == 1 &&
         *head.headers.find(http::Known::mcp_protocol_version) == kStateless;
}

// How 2026-07-28 says over HTTP what is wrong; before it an error is an answer like another.
int status_of(const Outlet& outlet, bool stateless_reply) {
  if (!outlet.failed || !stateless_reply) return 200;
  switch (outlet.code) {
    case -32601: return 404;
    case kNoRequest:
    case -32020:
    case -32021:
    case -32022: return 400;
    default: return 200;
  }
}

std::string event(std::string_view message) {
  std::string out("event: message\ndata: ");
  return out.append(message).append("\n\n");
}

}  // namespace

Bridge::Bridge(net::Core& core, Options options)
    : core_(core), options_(std::move(options)), listener_(core), server_(core, *this, server_options()), stopped_(core), tasks_(core) {}

Result<void> Bridge::listen() {
  net::Address address;
  address.path = options_.socket;
  if (Result<void> r = listener_.open(address); !r) return r;
  tasks_.spawn(listener_.run([this](net::Socket socket) {
    // The folder belongs to the user of every child; one of another access point, or the tool server
    // itself, has no business here.
    if (peer_of(socket) == options_.gateway) {
      server_.take(std::move(socket), false);
    } else {
      log::warn("a connection that is not the gateway's was refused");
    }
  }));
  tasks_.spawn(sweep());
  return {};
}

net::Task<> Bridge::stop() {
  stopping_ = true;
  listener_.close();
  stopped_.notify_all();
  for (auto& [id, session] : sessions_) session->end();
  if (shared_) shared_->end();
  co_await server_.stop(500ms);
  // One may have been started while the rest was ended.
  for (auto& [id, session] : sessions_) session->end();
  if (shared_) shared_->end();
  co_await tasks_.join();
}

void Bridge::refused(const net::Peer&, Reason reason) noexcept { log::debug("request refused", {{"reason", info(reason).code}}); }

net::Task<> Bridge::sweep() {
  while (!stopping_) {
    co_await stopped_.wait(std::min<std::chrono::milliseconds>(options_.idle, 10s));
    const auto now = std::chrono::steady_clock::now();
    for (auto it = sessions_.begin(); it != sessions_.end();) {
      const bool idle = now - it->second->last() > options_.idle;
      if (idle) it->second->end();
      it = idle || it->second->over() ? sessions_.erase(it) : std::next(it);
    }
    if (shared_ && now - shared_->last() > options_.idle) shared_->end();
    if (shared_ && shared_->over()) shared_.reset();
  }
}

net::Task<> Bridge::keep(std::shared_ptr<Session> session) { co_await session->read(); }

net::Task<> Bridge::watch(std::shared_ptr<Session> session) {
  co_await session->watch();
  if (session->use() == Use::own) --own_servers_;
}

Result<std::shared_ptr<Session>> Bridge::start(Use use) {
  if (stopping_) return fail(Reason::overloaded, "the bridge is closing");
  if (use == Use::own && own_servers_ >= options_.max_sessions) return fail(Reason::overloaded, "too many sessions");
  const Result<Started> started = start_tool(options_.command);
  if (!started) {
    log::error("cannot start the tool server", {{"detail", started.error().detail}});
    return fail(Reason::upstream_unreachable, "the tool server cannot be started");
  }
  if (use == Use::own) ++own_servers_;
  auto session = std::make_shared<Session>(core_, std::make_unique<Tool>(core_, *started), use);
  tasks_.spawn(keep(session));
  tasks_.spawn(watch(session));
  return session;
}

Result<std::shared_ptr<Session>> Bridge::shared() {
  if (shared_ && !shared_->over()) return shared_;
  const auto now = std::chrono::steady_clock::now();
  if (now - shared_since_ < options_.restart) return fail(Reason::overloaded, "the tool server has ended, and is not started again so soon");
  shared_since_ = now;
  Result<std::shared_ptr<Session>> started = start(Use::shared);
  if (started) shared_ = *started;
  return started;
}

std::shared_ptr<Session> Bridge::named(const http::RequestHead& head) const {
  if (head.headers.count(http::Known::mcp_session_id) != 1) return nullptr;
  const auto it = sessions_.find(std::string(*head.headers.find(http::Known::mcp_session_id)));
  return it == sessions_.end() || it->second->over() ? nullptr : it->second;
}

net::Task<> Bridge::refuse(wire::Exchange& e, int status, int code, std::string_view text, std::string_view id) {
  const std::string body = error_message(id, code, text);
  http::HeadWriter head = e.start();
  head.status(status).field("Content-Type", "application/json");
  if (status == 405) head.field("Allow", "GET, POST, DELETE");
  const Result<void> sent = co_await e.reply(head, body);
  if (!sent) log::debug("a refusal was not taken", {{"detail", sent.error().detail}});
}

net::Task<> Bridge::serve(wire::Exchange& e) {
  const http::Method method = e.head().method;
  const bool sessions = !stateless(e.head());
  if (method == http::Method::post) {
    co_await post(e);
  } else if (method == http::Method::get && sessions) {
    co_await get(e);
  } else if (method == http::Method::delete_ && sessions) {
    co_await end_session(e);
  } else {
    co_await refuse(e, 405, kNoRequest, "this method is not allowed here");
  }
}

net::Task<> Bridge::post(wire::Exchange& e) {
  if (!is_json(e.head())) {
    co_await refuse(e, 415, kNoRequest, "send Content-Type: application/json");
    co_return;
  }
  const Result<std::string_view> body = co_await e.read_whole(kMaxMessage);
  if (!body) {
    const ReasonInfo& why = info(body.error().code);
    co_await refuse(e, why.status, kNoRequest, why.text);
    co_return;
  }
  const Result<Message> m = read_message(*body);
  if (!m) {
    const bool shape = m.error().code == Reason::body_shape;
    co_await refuse(e, 400, shape ? kNoRequest : kNoJson, m.error().detail);
    co_return;
  }
  if (stateless(e.head())) {
    const Result<std::shared_ptr<Session>> all = shared();
    if (!all) {
      co_await refuse(e, info(all.error().code).status, kEnded, all.error().detail, m->id.in(*body));
    } else if (m->kind == Message::Kind::response) {
      co_await refuse(e, 400, kNoRequest, "there is nothing to respond to without a session");
    } else {
      co_await pass(e, *all, *body, *m);
    }
    co_return;
  }
  if (e.head().headers.has(http::Known::mcp_session_id)) {
    std::shared_ptr<Session> session = named(e.head());
    if (session) {
      co_await pass(e, session, *body, *m);
    } else {
      co_await refuse(e, 404, kNoRequest, "there is no such session", m->id.in(*body));
    }
    co_return;
  }
  if (m->kind == Message::Kind::request && m->method == "initialize") {
    co_await initialize(e, *body, *m);
  } else {
    co_await refuse(e, 400, kNoRequest, "Mcp-Session-Id is missing", m->id.in(*body));
  }
}

net::Task<> Bridge::initialize(wire::Exchange& e, std::string_view body, const Message& m) {
  const Result<std::shared_ptr<Session>> started = start(Use::own);
  if (!started) {
    co_await refuse(e, info(started.error().code).status, kEnded, started.error().detail, m.id.in(body));
    co_return;
  }
  const std::shared_ptr<Session> session = *started;
  const std::string id = hex(rng_.take<16>());
  sessions_.emplace(id, session);
  const Result<std::shared_ptr<Outlet>> outlet = co_await session->ask(body, m);
  if (!outlet) {
    sessions_.erase(id);
    session->end();
    co_await refuse(e, info(outlet.error().code).status, kEnded, outlet.error().detail, m.id.in(body));
    co_return;
  }
  co_await relay(e, session, *outlet, Begin::with_answer, id);
  if ((*outlet)->over && !(*outlet)->failed && !(*outlet)->lost) co_return;
  sessions_.erase(id);
  session->end();
}

net::Task<> Bridge::pass(wire::Exchange& e, std::shared_ptr<Session> session, std::string_view body, const Message& m) {
  if (m.kind != Message::Kind::request) {
    const Result<void> told = co_await session->tell(body, m);
    if (!told) {
      co_await refuse(e, info(told.error().code).status, kEnded, told.error().detail);
      co_return;
    }
    http::HeadWriter head = e.start();
    head.status(202);
    const Result<void> sent = co_await e.reply(head, {});
    if (!sent) log::debug("an acceptance was not taken", {{"detail", sent.error().detail}});
    co_return;
  }
  const Result<std::shared_ptr<Outlet>> outlet = co_await session->ask(body, m);
  if (!outlet) {
    co_await refuse(e, info(outlet.error().code).status, kEnded, outlet.error().detail, m.id.in(body));
    co_return;
  }
  co_await relay(e, session, *outlet, Begin::with_answer);
}

net::Task<> Bridge::get(wire::Exchange& e) {
  std::shared_ptr<Session> session = named(e.head());
  if (!session) {
    co_await refuse(e, e.head().headers.has(http::Known::mcp_session_id) ? 404 : 400, kNoRequest, "there is no such session");
    co_return;
  }
  std::shared_ptr<Outlet> outlet = session->listen();
  co_await relay(e, session, outlet, Begin::at_once);
}

net::Task<> Bridge::end_session(wire::Exchange& e) {
  const std::shared_ptr<Session> session = named(e.head());
  if (!session) {
    co_await refuse(e, e.head().headers.has(http::Known::mcp_session_id) ? 404 : 400, kNoRequest, "there is no such session");
    co_return;
  }
  sessions_.erase(std::string(*e.head().headers.find(http::Known::mcp_session_id)));
  session->end();
  http::HeadWriter head = e.start();
  head.status(204);
  const http::Framing nothing{};
  const Result<void> sent = co_await e.begin(head, nothing);
  if (!sent) log::debug("the end of a session was not taken", {{"detail", sent.error().detail}});
}

// An answer that comes first is one JSON text; with anything before it, or after a while of silence, the
// reply is a stream of events. The answer is the last of them.
net::Task<> Bridge::relay(wire::Exchange& e, std::shared_ptr<Session> session, std::shared_ptr<Outlet> outlet, Begin begin,
                          std::string_view session_id) {
  const bool without_session = stateless(e.head());
  bool begun = false;
  bool silent = begin == Begin::at_once;
  e.tell_when_gone(&outlet->changed);
  while (!outlet->lost && !e.gone()) {
    const bool something = !outlet->messages.empty();
    if (!begun && outlet->over && outlet->messages.size() == 1 && begin == Begin::with_answer) {
      const std::string answer = outlet->take();
      http::HeadWriter head = e.start();
      head.status(status_of(*outlet, without_session)).field("Content-Type", "application/json");
      if (!session_id.empty()) head.field("Mcp-Session-Id", session_id);
      const Result<void> sent = co_await e.reply(head, answer);
      if (!sent) break;
      e.tell_when_gone(nullptr);
      co_return;
    }
    if (!begun && (something || silent || outlet->over)) {
      begun = true;
      http::HeadWriter head = e.start();
      head.status(200).field("Content-Type", "text/event-stream").field("Cache-Control", "no-store").field("X-Accel-Buffering", "no");
      if (!session_id.empty()) head.field("Mcp-Session-Id", session_id);
      const http::Framing chunks{http::BodyKind::chunked, 0};
      const Result<void> sent = co_await e.begin(head, chunks);
      if (!sent) break;
      silent = false;
      continue;
    }
    if (something || silent) {
      const std::string piece = something ? event(outlet->take()) : std::string(":\n\n");
      silent = false;
      const Result<void> sent = co_await e.write(piece);
      if (!sent) break;
      continue;
    }
    if (outlet->over) {
      e.tell_when_gone(nullptr);
      const Result<void> ended = co_await e.end();
      if (!ended) log::debug("the end of a stream was not taken", {{"detail", ended.error().detail}});
      co_return;
    }
    const bool told = co_await outlet->changed.wait(begun ? options_.keep_alive : options_.silent);
    silent = !told;
  }
  e.tell_when_gone(nullptr);
  e.abort();
  co_await session->left(outlet);
}

}  // namespace vestibule::bridge
