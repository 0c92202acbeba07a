#include "wire/tests/world.hpp"

namespace vestibule::wire {
namespace {

using namespace std::chrono_literals;

// Replies with method, path and body of the request.
net::Task<> echo(Exchange& e, void*) {
  const Result<std::string_view> body = co_await e.read_whole(1 << 20);
  http::HeadWriter head = e.start();
  if (!body) {
    head.status(info(body.error().code).status);
    const Result<void> sent = co_await e.reply(head, info(body.error().code).code);
    static_cast<void>(sent);
    co_return;
  }
  std::string text(e.head().method_text);
  text.append(" ").append(e.head().target).append(" ").append(*body);
  head.status(200);
  const Result<void> sent = co_await e.reply(head, text);
  static_cast<void>(sent);
}

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

TEST(Server, PipelinedRequestsAreAnsweredInTurn) {
  World w(echo);
  Plug p = Plug::to(w.port);
  p.send("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
         "POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n");
  EXPECT_NE(p.until("POST /1 abc").find("200 OK"), std::string::npos);
  EXPECT_NE(p.until("GET /2 ").find("Content-Length: 7"), std::string::npos);
  EXPECT_NE(p.until("POST /3 def").find("200 OK"), std::string::npos);
}

TEST(Server, LargeBodyArrivesWholeInPieces) {
  World w(echo);
  Plug p = Plug::to(w.port);
  const std::string body(300'000, 'b');
  p.send("POST /l HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n");
  for (std::size_t i = 0; i < body.size(); i += 1000) ASSERT_TRUE(p.send(std::string_view(body).substr(i, 1000)));
  EXPECT_NE(p.until("POST /l ").find("Content-Length: 300008"), std::string::npos);
  EXPECT_EQ(p.until(body).size(), body.size());
  p.send(kGet);
  EXPECT_NE(p.until("GET /a ").find("200"), std::string::npos) << "the connection goes on";
}

TEST(Server, ContinueIsSentOnlyWhenTheBodyIsWanted) {
  World w(echo);
  Plug p = Plug::to(w.port);
  p.send("POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(p.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  p.send("hi");
  EXPECT_NE(p.until("POST /c hi").find("200 OK"), std::string::npos);
}

net::Task<> refuse_unread(Exchange& e, void*) {
  http::HeadWriter head = e.start();
  head.status(401);
  const Result<void> sent = co_await e.reply(head, "no");
  static_cast<void>(sent);
}

TEST(Server, RefusalBeforeTheBodyIsSeenAndCloses) {
  World w(refuse_unread);
  Plug p = Plug::to(w.port);
  p.send("POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  const std::string all = p.rest();
  EXPECT_EQ(all.find("100 Continue"), std::string::npos);
  EXPECT_NE(all.find("401"), std::string::npos);
  EXPECT_NE(all.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(all.ends_with("no<eof>")) << all;
}

TEST(Server, ASmallUnreadBodyIsReadAwayAndTheConnectionGoesOn) {
  World w(refuse_unread);
  Plug p = Plug::to(w.port);
  p.send("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_NE(p.until("no").find("401"), std::string::npos);
  p.send("POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_NE(p.until("no").find("401"), std::string::npos);
}

TEST(Server, MalformedHeadIsRefusedAndTheConnectionEnds) {
  World w(echo);
  Plug p = Plug::to(w.port);
  p.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  p.send(kGet);
  const std::string all = p.rest();
  EXPECT_NE(all.find("400"), std::string::npos);
  EXPECT_EQ(all.find("GET /a"), std::string::npos) << "what follows is never looked at";
  EXPECT_EQ(w.handler.last_refused.load(), Reason::request_malformed);
}

TEST(Server, BodyOverTheLimitIsRefusedByItsLengthAlone) {
  World w(echo);
  Plug p = Plug::to(w.port);
  p.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
  EXPECT_NE(p.until("body_too_large").find("413"), std::string::npos);
}

// What the budget refuses half-taken leaves nobody knows where the next request begins: a body full of
// requests must not become some.
TEST(Server, AHalfTakenBodyClosesItsConnection) {
  ServerOptions o;
  o.body_budget = 100'000;
  World w(echo, nullptr, o);
  Plug p = Plug::to(w.port);
  std::string body;
  while (body.size() < 300'000) body += kGet;
  p.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
  p.send(body);
  const std::string all = p.rest();
  EXPECT_NE(all.find("HTTP/1.1 503"), std::string::npos) << all;
  EXPECT_NE(all.find("Connection: close"), std::string::npos) << all;
  EXPECT_EQ(all.find("HTTP/1.1", 8), std::string::npos) << "one reply: " << all;
  Plug next = Plug::to(w.port);
  next.send(kGet);
  EXPECT_NE(next.until("GET /a ").find("200"), std::string::npos) << "the budget is given back";
}

TEST(Server, SlowHeadAndIdleConnectionsAreDropped) {
  ServerOptions o;
  o.head_time = 300ms;
  o.idle = 300ms;
  World w(echo, nullptr, o);
  Plug idle = Plug::to(w.port);
  Plug slow = Plug::to(w.port);
  const auto start = std::chrono::steady_clock::now();
  bool open = true;
  for (int i = 0; i < 40 && open; ++i) {
    open = slow.send(i == 0 ? "G" : i == 1 ? "ET /" : "a");
    std::this_thread::sleep_for(50ms);
    char c = 0;
    open = open && ::recv(slow.fd(), &c, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
  }
  EXPECT_FALSE(open) << "dripping a head does not keep a connection";
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  EXPECT_EQ(idle.rest(), "<eof>");
}

TEST(Server, OverTheLimitNewConnectionsAreShed) {
  ServerOptions o;
  o.max_connections = 1;
  World w(echo, nullptr, o);
  Plug first = Plug::to(w.port);
  first.send(kGet);
  EXPECT_NE(first.until("GET /a ").find("200"), std::string::npos);
  Plug second = Plug::to(w.port);
  const std::string all = second.rest();
  EXPECT_NE(all.find("503"), std::string::npos);
  EXPECT_NE(all.find("Retry-After"), std::string::npos);
}

net::Task<> stream_pieces(Exchange& e, void* arg) {
  http::HeadWriter head = e.start();
  head.status(200);
  Result<void> sent = co_await e.begin(head, {http::BodyKind::chunked, 0}, "one");
  sent = co_await e.write("");  // must not end the body (stack: bug 1)
  if (arg != nullptr) co_await net::sleep_for(e.core(), 400ms);
  sent = co_await e.write("two");
  if (e.head().target == "/abort") {
    e.abort();
    co_return;
  }
  sent = co_await e.end();
  sent = co_await e.end();  // twice is once (stack: bug 2)
  static_cast<void>(sent);
}

TEST(Server, EmptyPiecesAndDoubleEndsDoNotEndTwice) {
  World w(stream_pieces);
  Plug p = Plug::to(w.port);
  p.send(kGet);
  EXPECT_TRUE(p.until("0\r\n\r\n").ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
  p.send(kGet);
  EXPECT_TRUE(p.until("0\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n")) << "in step";
}

TEST(Server, AnAbortNeverLooksLikeACleanEnd) {
  World w(stream_pieces);
  Plug p = Plug::to(w.port);
  p.send("GET /abort HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string all = p.rest();
  EXPECT_EQ(all.find("0\r\n\r\n"), std::string::npos) << all;
}

TEST(Server, Http10GetsABodyThatEndsWithTheConnection) {
  World w(stream_pieces);
  Plug p = Plug::to(w.port);
  p.send("GET / HTTP/1.0\r\nHost: x\r\n\r\n");
  const std::string all = p.rest();
  EXPECT_EQ(all.find("chunked"), std::string::npos);
  EXPECT_TRUE(all.ends_with("\r\n\r\nonetwo<eof>")) << all;
}

TEST(Server, GracefulStopLetsAStreamFinish) {
  int slow = 1;
  World w(stream_pieces, &slow);
  Plug busy = Plug::to(w.port);
  Plug idle = Plug::to(w.port);
  busy.send(kGet);
  EXPECT_NE(busy.until("one").find("200"), std::string::npos);
  w.stop(5s);
  EXPECT_TRUE(busy.rest().ends_with("3\r\ntwo\r\n0\r\n\r\n<eof>"));
  EXPECT_EQ(idle.rest(), "<eof>");
}

net::Task<> announce_more(Exchange& e, void*) {
  http::HeadWriter head = e.start();
  head.status(200);
  Result<void> sent = co_await e.begin(head, {http::BodyKind::length, 10}, "short");
  sent = co_await e.end();
  EXPECT_FALSE(sent);
}

TEST(Server, AReplyShorterThanAnnouncedIsBrokenOff) {
  World w(announce_more);
  Plug p = Plug::to(w.port);
  p.send(kGet);
  p.send(kGet);
  const std::string all = p.rest();
  EXPECT_EQ(all.find("HTTP/1.1", 5), std::string::npos) << "no second reply on this connection: " << all;
}

// ------------------------------------------------------------------------------- the upstream side

struct Called {
  Upstream* upstream = nullptr;
  std::vector<std::string> bodies;
  std::vector<Reason> failures;
};

net::Task<> call_once(Upstream* upstream, std::string request, Called* out) {
  Result<UpstreamCall> call = co_await upstream->call();
  if (!call) {
    out->failures.push_back(call.error().code);
    co_return;
  }
  const net::ErrorCode ec = co_await call->send(net::Pieces(request));
  if (!ec) call->sent_all();
  const Result<const http::ResponseHead*> head = co_await call->read_head(http::Method::get);
  if (!head) {
    out->failures.push_back(head.error().code);
    co_return;
  }
  std::string body = std::to_string((*head)->status) + " ";
  for (;;) {
    const Result<std::string_view> piece = co_await call->read_body();
    if (!piece) {
      out->failures.push_back(piece.error().code);
      co_return;
    }
    if (piece->empty()) break;
    body.append(*piece);
  }
  out->bodies.push_back(body);
}

Called call_upstream(const std::function<void(Plug&, int)>& script, int times, int& connections, UpstreamOptions options = {}) {
  ScriptedUpstream scripted(script);
  World w(echo);
  options.address = scripted.address();
  Called out;
  Upstream upstream(w.cores.at(0), options);
  for (int i = 0; i < times; ++i) {
    w.run(call_once(&upstream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &out));
    std::this_thread::sleep_for(20ms);
  }
  connections = scripted.connections;
  w.cores.on_each([&](net::Core& c) {
    if (c.index() == 0) upstream.drop_idle();
  });
  return out;
}

struct ReplyRow {
  const char* name;
  std::string reply;     // sent after each request; the connection stays open unless close
  bool close;
  Reason failure;        // ok: all calls succeed
  int connections;       // for two calls
};

TEST(Upstream, RepliesTable) {
  const ReplyRow rows[] = {
      {"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, Reason::ok, 1},
      {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, Reason::ok, 1},
      {"interim replies are passed over", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, Reason::ok, 1},
      {"until close", "HTTP/1.1 200 OK\r\n\r\nok", true, Reason::ok, 2},
      {"connection: close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", true, Reason::ok, 2},
      {"http/1.0 is not reused", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false, Reason::ok, 2},
      {"bytes behind the reply: not reused", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", false, Reason::ok, 2},
      {"truncated length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", true, Reason::upstream_aborted, 2},
      {"truncated chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", true, Reason::upstream_aborted, 2},
      {"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", true, Reason::upstream_aborted, 2},
      {"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n", false, Reason::upstream_malformed, 2},
      {"length and chunked", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, Reason::upstream_malformed, 2},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", false, Reason::upstream_malformed, 2},
      {"switching protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", false, Reason::upstream_malformed, 2},
      {"no http", "hello\r\n\r\n", false, Reason::upstream_malformed, 2},
      {"half a head", "HTTP/1.1 200 OK\r\nContent-Le", true, Reason::upstream_aborted, 2},
      {"nothing at all", "", true, Reason::upstream_unreachable, 2},
  };
  for (const ReplyRow& row : rows) {
    SCOPED_TRACE(row.name);
    int connections = 0;
    const Called out = call_upstream(
        [&](Plug& plug, int) {
          for (;;) {
            if (!plug.until("\r\n\r\n").ends_with("\r\n\r\n")) return;
            plug.send(row.reply);
            if (row.close) return;
          }
        },
        2, connections);
    EXPECT_EQ(connections, row.connections);
    if (row.failure == Reason::ok) {
      EXPECT_EQ(out.bodies, (std::vector<std::string>{"200 ok", "200 ok"}));
    } else {
      EXPECT_EQ(out.failures, (std::vector<Reason>{row.failure, row.failure}));
    }
  }
}

TEST(Upstream, APooledConnectionThatWasClosedIsNotUsed) {
  int connections = 0;
  const Called out = call_upstream(
      [](Plug& plug, int) {
        plug.until("\r\n\r\n");
        plug.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        // promised to stay, but goes
      },
      3, connections);
  EXPECT_EQ(out.bodies.size(), 3U);
  EXPECT_TRUE(out.failures.empty());
  EXPECT_EQ(connections, 3);
}

TEST(Upstream, ASilentUpstreamMeetsTheDeadline) {
  UpstreamOptions o;
  o.head = 200ms;
  int connections = 0;
  const Called out = call_upstream([](Plug& plug, int) { plug.rest(2000); }, 1, connections, o);
  EXPECT_EQ(out.failures, std::vector<Reason>{Reason::upstream_timeout});
}

TEST(Upstream, NobodyListens) {
  World w(echo);
  UpstreamOptions o;
  o.address.host = "127.0.0.1";
  o.address.port = 1;
  Called out;
  Upstream upstream(w.cores.at(0), o);
  w.run(call_once(&upstream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &out));
  EXPECT_EQ(out.failures, std::vector<Reason>{Reason::upstream_unreachable});
}

TEST(Upstream, WhoStartsIsWaitedForIfItIsWorthIt) {
  World w(echo);
  // Bound, so that nobody else takes the port, and not listening yet.
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof a;
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size), 0);
  UpstreamOptions o;
  o.address.host = "127.0.0.1";
  o.address.port = ntohs(a.sin_port);
  {
    Called out;
    Upstream hasty(w.cores.at(0), o);
    w.run(call_once(&hasty, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &out));
    EXPECT_EQ(out.failures, std::vector<Reason>{Reason::upstream_unreachable});
  }
  o.patience = 200ms;
  {
    Called out;
    Upstream patient(w.cores.at(0), o);
    w.run(call_once(&patient, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &out));
    EXPECT_EQ(out.failures, std::vector<Reason>{Reason::upstream_unreachable}) << "not for ever";
  }
  o.patience = 5s;
  std::thread starts([&] {
    std::this_thread::sleep_for(200ms);
    ::listen(fd, 8);
    Plug plug(::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC));
    plug.until("\r\n\r\n");
    plug.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Called out;
  {
    Upstream patient(w.cores.at(0), o);
    w.run(call_once(&patient, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &out));
  }
  starts.join();
  ::close(fd);
  EXPECT_EQ(out.bodies, std::vector<std::string>{"200 ok"});
  EXPECT_TRUE(out.failures.empty());
}

}  // namespace
}  // namespace vestibule::wire
