#include "wire/outbound.hpp"

#include <cstdlib>
#include <filesystem>

#include "wire/tests/world.hpp"

namespace vestibule::wire {
namespace {

using namespace std::chrono_literals;

net::Task<> send_into(Outbound& outbound, OutboundRequest request, Result<OutboundReply>* out) {
  Result<OutboundReply> reply = co_await outbound.send(std::move(request));
  *out = std::move(reply);
}

net::Task<> nothing(Exchange& e, void*) {
  e.abort();
  co_return;
}

OutboundRequest to(std::uint16_t port, std::string scheme = "http", std::string host = "127.0.0.1") {
  OutboundRequest r;
  Result<http::Url> url = http::parse_url(scheme + "://" + host + ":" + std::to_string(port) + "/push/1?a=b");
  EXPECT_TRUE(url);
  r.url = std::move(*url);
  r.fields = {{"TTL", "60"}, {"Authorization", "vapid t=x"}};
  r.body = "hello";
  return r;
}

/// Sends once, to a script that plays the other side.
struct Exchanged {
  Result<OutboundReply> reply = fail(Reason::internal);
  std::string seen;
  std::chrono::steady_clock::duration took{};
};

OutboundOptions anywhere() {
  OutboundOptions o;
  o.reach = net::Reach::anywhere;
  o.limit = 2s;
  return o;
}

Exchanged exchange_with(std::string answer, OutboundOptions options = anywhere(), std::chrono::milliseconds hold = 0ms) {
  Exchanged out;
  World w(nothing);
  {
    ScriptedUpstream peer([&](Plug& p, int) {
      out.seen = p.until("hello");
      p.send(answer);
      if (hold > 0ms) static_cast<void>(p.until("never", static_cast<int>(hold.count())));
    });
    Outbound outbound(w.cores.at(0), std::move(options));
    const auto begun = std::chrono::steady_clock::now();
    w.run(send_into(outbound, to(peer.address().port), &out.reply));
    out.took = std::chrono::steady_clock::now() - begun;
  }
  return out;
}

TEST(Outbound, ARequestGoesOutAndItsReplyComesBack) {
  const Exchanged x = exchange_with("HTTP/1.1 201 Created\r\nLocation: /m/1\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_TRUE(x.seen.starts_with("POST /push/1?a=b HTTP/1.1\r\nHost: 127.0.0.1:")) << x.seen;
  EXPECT_NE(x.seen.find("\r\nTTL: 60\r\nAuthorization: vapid t=x\r\nContent-Length: 5\r\n\r\nhello"), std::string::npos) << x.seen;
  ASSERT_TRUE(x.reply) << x.reply.error().detail;
  EXPECT_EQ(x.reply->status, 201);
  EXPECT_EQ(x.reply->body, "ok");
  EXPECT_EQ(x.reply->field("location"), "/m/1");
  EXPECT_EQ(x.reply->field("absent"), "");
}

TEST(Outbound, ChunkedAndUntilCloseAreReadWhole) {
  const Exchanged chunked = exchange_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  ASSERT_TRUE(chunked.reply);
  EXPECT_EQ(chunked.reply->body, "abcde");
  const Exchanged closed = exchange_with("HTTP/1.1 200 OK\r\n\r\nall of it");
  ASSERT_TRUE(closed.reply);
  EXPECT_EQ(closed.reply->body, "all of it");
}

TEST(Outbound, ARedirectIsAReplyLikeAnyOther) {
  const Exchanged x = exchange_with("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(x.reply);
  EXPECT_EQ(x.reply->status, 307);
}

TEST(Outbound, WhatIsNoCleanReplyIsRefused) {
  struct Row {
    const char* answer;
    Reason reason;
  };
  for (const Row& row : {Row{"", Reason::upstream_unreachable}, Row{"HTTP/1.1 200", Reason::upstream_aborted},
                         Row{"garbage\r\n\r\n", Reason::upstream_malformed},
                         Row{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", Reason::upstream_aborted},
                         Row{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Reason::upstream_malformed},
                         Row{"HTTP/1.1 101 Switching Protocols\r\n\r\n", Reason::upstream_malformed}}) {
    const Exchanged x = exchange_with(row.answer);
    ASSERT_FALSE(x.reply) << row.answer;
    EXPECT_EQ(x.reply.error().code, row.reason) << row.answer;
  }
}

TEST(Outbound, AReplyHasABound) {
  OutboundOptions o = anywhere();
  o.max_reply = 10;
  const Exchanged fits = exchange_with("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", o);
  EXPECT_TRUE(fits.reply);
  const Exchanged longer = exchange_with("HTTP/1.1 200 OK\r\n\r\n0123456789a", o);
  ASSERT_FALSE(longer.reply);
  EXPECT_EQ(longer.reply.error().code, Reason::upstream_malformed);
}

TEST(Outbound, OneDeadlineCoversAllOfIt) {
  OutboundOptions o = anywhere();
  o.limit = 500ms;
  for (const char* answer : {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nstalls"}) {
    const Exchanged x = exchange_with(answer, o, 3s);
    ASSERT_FALSE(x.reply) << answer;
    EXPECT_EQ(x.reply.error().code, Reason::upstream_timeout) << answer;
    EXPECT_LT(x.took, 2s) << answer;
  }
}

TEST(Outbound, APeerThatTricklesMeetsTheSameDeadline) {
  World w(nothing);
  Result<OutboundReply> reply = fail(Reason::internal);
  std::atomic<bool> over{false};
  const auto begun = std::chrono::steady_clock::now();
  {
    ScriptedUpstream peer([&](Plug& p, int) {
      p.until("hello");
      p.send("HTTP/1.1 200 OK\r\n\r\n");
      for (int i = 0; i < 100 && !over && p.send("x"); ++i) std::this_thread::sleep_for(50ms);
    });
    OutboundOptions o = anywhere();
    o.limit = 500ms;
    Outbound outbound(w.cores.at(0), o);
    w.run(send_into(outbound, to(peer.address().port), &reply));
    over = true;
  }
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Reason::upstream_timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
}

TEST(Outbound, NothingPrivateIsReachedUnlessAllowed) {
  OutboundOptions o;
  o.limit = 1s;
  World w(nothing);
  ScriptedUpstream peer([](Plug& p, int) { p.send("HTTP/1.1 200 OK\r\n\r\n"); });
  Outbound outbound(w.cores.at(0), o);
  Result<OutboundReply> reply = fail(Reason::internal);
  w.run(send_into(outbound, to(peer.address().port), &reply));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Reason::upstream_unreachable);
  EXPECT_EQ(peer.connections, 0);
}

TEST(Outbound, AFieldCannotSplitTheRequest) {
  World w(nothing);
  ScriptedUpstream peer([](Plug& p, int) { p.send("HTTP/1.1 200 OK\r\n\r\n"); });
  Outbound outbound(w.cores.at(0), anywhere());
  OutboundRequest r = to(peer.address().port);
  r.fields.emplace_back("Topic", "x\r\nHost: other");
  Result<OutboundReply> reply = fail(Reason::internal);
  w.run(send_into(outbound, std::move(r), &reply));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Reason::request_malformed);
  EXPECT_EQ(peer.connections, 0);
}

TEST(Outbound, StoppedItEndsWhatIsUnderWay) {
  World w(nothing);
  std::promise<void> arrived;
  ScriptedUpstream peer([&](Plug& p, int) {
    p.until("hello");
    arrived.set_value();
    p.until("never", 5000);
  });
  OutboundOptions o = anywhere();
  o.limit = 20s;
  Outbound outbound(w.cores.at(0), o);
  std::thread stopper([&] {
    arrived.get_future().wait();
    w.cores.at(0).post([&] { outbound.stop(); });
  });
  Result<OutboundReply> reply = fail(Reason::internal);
  w.run(send_into(outbound, to(peer.address().port), &reply));
  stopper.join();
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Reason::shutting_down);
  w.run(send_into(outbound, to(peer.address().port), &reply));
  EXPECT_EQ(reply.error().code, Reason::shutting_down);
  EXPECT_EQ(peer.connections, 1);
}

net::Task<> created(Exchange& e, void*) {
  const Result<std::string_view> body = co_await e.read_whole(1000);
  http::HeadWriter head = e.start();
  head.status(201);
  const Result<void> sent = co_await e.reply(head, body ? *body : std::string_view("?"));
  static_cast<void>(sent);
}

TEST(Outbound, TheServersCertificateMustBeOfThisNameAndOfAKnownAuthority) {
  const std::filesystem::path dir = std::filesystem::temp_directory_path() / ("outbound-" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  const std::string make = "umask 077; cd " + dir.string() +
                           " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test "
                           "-addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  const Result<net::TlsContext> server = net::server_tls(dir / "cert.pem", dir / "key.pem");
  const Result<net::TlsContext> client = net::client_tls(dir / "cert.pem");
  const Result<net::TlsContext> stranger = net::client_tls({});
  std::filesystem::remove_all(dir);
  ASSERT_TRUE(server && client && stranger);
  World w(created, nullptr, {}, *server);
  const auto outcome = [&](const net::TlsContext& tls, std::string host) {
    OutboundOptions o = anywhere();
    o.tls = tls;
    Outbound outbound(w.cores.at(0), o);
    Result<OutboundReply> reply = fail(Reason::internal);
    w.run(send_into(outbound, to(w.port, "https", std::move(host)), &reply));
    return reply ? std::to_string(reply->status) + " " + reply->body : std::string(info(reply.error().code).code);
  };
  EXPECT_EQ(outcome(*client, "localhost"), "201 hello");
  EXPECT_EQ(outcome(*client, "127.0.0.1"), "upstream_unreachable") << "another name than the certificate's";
  EXPECT_EQ(outcome(*stranger, "localhost"), "upstream_unreachable") << "an authority that the system does not know";
  EXPECT_EQ(outcome({}, "localhost"), "config_invalid");
}

}  // namespace
}  // namespace vestibule::wire
