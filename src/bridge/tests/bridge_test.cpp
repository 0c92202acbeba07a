#include "bridge/tests/world.hpp"

#include <signal.h>

namespace vestibule::bridge {
namespace {

using namespace std::chrono_literals;

bool alive(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string id, name, state;
  stat >> id >> name >> state;
  return stat && state != "Z";
}

bool ends(pid_t pid) {
  for (int i = 0; i < 400 && alive(pid); ++i) std::this_thread::sleep_for(10ms);
  return !alive(pid);
}

pid_t pid_in(const std::string& body) {
  const auto at = body.find("\"pid\": ");
  return at == std::string::npos ? -1 : std::atoi(body.c_str() + at + 7);
}

TEST(Bridge, ASessionFromItsBeginningToItsEnd) {
  World w;
  const Reply first = w.send({.body = kInitialize});
  ASSERT_EQ(first.status, 200) << first.body;
  EXPECT_NE(first.head.find("Content-Type: application/json"), std::string::npos) << first.head;
  const std::string session = first.session();
  ASSERT_EQ(session.size(), 32U);
  const Reply noted = w.send({.body = R"({"jsonrpc":"2.0","method":"notifications/initialized"})", .session = session});
  EXPECT_EQ(noted.status, 202);
  EXPECT_EQ(noted.body, "");
  const Reply echo = w.send({.body = call("\"a\\u0062\"", "echo"), .session = session});
  EXPECT_EQ(echo.status, 200);
  EXPECT_NE(echo.body.find(R"("id": "a\u0062")"), std::string::npos) << "the id byte for byte: " << echo.body;
  EXPECT_EQ(echo.body.find(R"(\"a\\u0062\")"), std::string::npos) << "and the server never saw it: " << echo.body;
  EXPECT_EQ(pid_in(echo.body), pid_in(first.body));
  EXPECT_EQ(w.send({.method = "DELETE", .session = session}).status, 204);
  EXPECT_EQ(w.send({.body = call("1", "echo"), .session = session}).status, 404);
  EXPECT_EQ(w.send({.method = "GET", .session = session}).status, 404);
  EXPECT_EQ(w.send({.method = "DELETE", .session = session}).status, 404);
  EXPECT_TRUE(ends(pid_in(first.body)));
}

TEST(Bridge, WhatIsNoRequestIsRefused) {
  World w;
  const std::string session = w.open();
  struct Row {
    const char* name;
    Ask ask;
    int status;
    std::string_view says;
  };
  for (const Row& r : {
           Row{"unknown session", {.body = call("1", "echo"), .session = std::string(32, 'a')}, 404, "-32600"},
           Row{"no session", {.body = call("1", "echo")}, 400, "\"id\":1,"},
           Row{"no session, notification", {.body = R"({"jsonrpc":"2.0","method":"notifications/initialized"})"}, 400, "-32600"},
           Row{"GET without a session", {.method = "GET"}, 400, "-32600"},
           Row{"DELETE without a session", {.method = "DELETE"}, 400, "-32600"},
           Row{"another method", {.method = "PUT", .body = call("1", "echo"), .session = session}, 405, "-32600"},
           Row{"another type", {.body = call("1", "echo"), .session = session, .type = "text/plain"}, 415, "-32600"},
           Row{"another charset", {.body = call("1", "echo"), .session = session, .type = "application/json; charset=latin1"}, 415, "-32600"},
           Row{"an array", {.body = "[" + call("1", "echo") + "]", .session = session}, 400, "-32600"},
           Row{"no JSON", {.body = "{", .session = session}, 400, "-32700"},
           Row{"null id", {.body = call("null", "echo"), .session = session}, 400, "-32600"},
           Row{"an id of a fraction", {.body = call("1.5", "echo"), .session = session}, 400, "-32600"},
           Row{"no body", {.session = session}, 415, "-32600"},
           Row{"GET of 2026", {.method = "GET", .session = session, .version = "2026-07-28"}, 405, "-32600"},
           Row{"DELETE of 2026", {.method = "DELETE", .session = session, .version = "2026-07-28"}, 405, "-32600"},
           Row{"a response of 2026", {.body = R"({"jsonrpc":"2.0","id":1,"result":{}})", .version = "2026-07-28"}, 400, "-32600"},
           Row{"a body that is too large", {.body = call("1", "echo", "\"" + std::string(kMaxMessage, 'x') + "\""), .session = session}, 413, "-32600"},
       }) {
    const Reply reply = w.send(r.ask);
    EXPECT_EQ(reply.status, r.status) << r.name << reply.body;
    EXPECT_NE(reply.body.find(r.says), std::string::npos) << r.name << ": " << reply.body;
  }
  EXPECT_EQ(w.send({.body = call("1", "echo"), .session = session}).status, 200) << "it goes on";
}

TEST(Bridge, ANotificationBeforeTheAnswerMakesAStream) {
  World w;
  const Reply r = w.send({.body = call("5", "note", "\"n1\""), .session = w.open()});
  EXPECT_NE(r.head.find("Content-Type: text/event-stream"), std::string::npos) << r.head;
  const auto note = r.body.find("\"n1\"");
  const auto answer = r.body.find("\"noted\": true");
  ASSERT_NE(note, std::string::npos) << r.body;
  ASSERT_NE(answer, std::string::npos) << r.body;
  EXPECT_LT(note, answer);
  EXPECT_TRUE(r.body.starts_with("event: message\ndata: {")) << r.body;
  EXPECT_TRUE(r.body.ends_with("}\n\n")) << r.body;
}

TEST(Bridge, ARequestOfTheServerAndItsAnswer) {
  World w;
  const std::string session = w.open();
  wire::Plug p = plug(w.socket);
  p.send(text_of({.body = call("1", "ask"), .session = session}));
  EXPECT_NE(p.until("sampling/createMessage").find("\"id\": \"s1\""), std::string::npos);
  EXPECT_EQ(w.send({.body = R"({"jsonrpc":"2.0","id":"s1","result":{"text":"hi"}})", .session = session}).status, 202);
  EXPECT_NE(p.until("0\r\n\r\n").find("\"text\": \"hi\""), std::string::npos);
}

TEST(Bridge, TwoCallsAnsweredInTheOtherOrder) {
  World w;
  const std::string session = w.open();
  wire::Plug a = plug(w.socket);
  wire::Plug b = plug(w.socket);
  a.send(text_of({.body = call("1", "pair", "\"first\""), .session = session}));
  std::this_thread::sleep_for(100ms);
  b.send(text_of({.body = call("1", "pair", "\"second\""), .session = session}));  // the same id: their own affair
  EXPECT_NE(read_reply(a).body.find("first"), std::string::npos);
  EXPECT_NE(read_reply(b).body.find("second"), std::string::npos);
}

TEST(Bridge, TheStreamOfASession) {
  World w;
  const std::string session = w.open();
  wire::Plug old = plug(w.socket);
  old.send(text_of({.method = "GET", .session = session}));
  EXPECT_NE(old.until("\r\n\r\n").find("text/event-stream"), std::string::npos);
  wire::Plug now = plug(w.socket);
  now.send(text_of({.method = "GET", .session = session}));
  EXPECT_NE(now.until("\r\n\r\n").find("200"), std::string::npos);
  EXPECT_EQ(old.until("0\r\n\r\n"), "0\r\n\r\n") << "a new one ends the one before it, cleanly";
  EXPECT_EQ(w.send({.body = call("1", "later"), .session = session}).status, 200);
  EXPECT_NE(now.until("\n\n").find("list_changed"), std::string::npos);
  now.close();
  EXPECT_EQ(w.send({.body = call("2", "later"), .session = session}).status, 200);
  std::this_thread::sleep_for(500ms);
  wire::Plug again = plug(w.socket);
  again.send(text_of({.method = "GET", .session = session}));
  EXPECT_NE(again.until("\n\n").find("list_changed"), std::string::npos) << "kept for who listens next";
  EXPECT_EQ(w.send({.method = "DELETE", .session = session}).status, 204);
  EXPECT_EQ(again.until("0\r\n\r\n").ends_with("0\r\n\r\n"), true);
}

TEST(Bridge, SilenceBecomesAStreamOfComments) {
  Options o;
  o.silent = 200ms;
  o.keep_alive = 200ms;
  World w(o);
  const std::string session = w.open();
  wire::Plug p = plug(w.socket);
  p.send(text_of({.body = call("1", "hold"), .session = session}));
  EXPECT_NE(p.until(":\n\n").find("text/event-stream"), std::string::npos);
}

TEST(Bridge, AServerThatEndsIsTold) {
  World w;
  const std::string session = w.open();
  wire::Plug p = plug(w.socket);
  p.send(text_of({.body = call("\"mine\"", "hold"), .session = session}));
  std::this_thread::sleep_for(100ms);
  const Reply died = w.send({.body = call("2", "die"), .session = session});
  EXPECT_NE(died.body.find("the tool server has ended"), std::string::npos) << died.body;
  const Reply held = read_reply(p);
  EXPECT_NE(held.body.find(R"("id":"mine","error":{"code":-32000)"), std::string::npos) << held.body;
  EXPECT_EQ(w.send({.body = call("3", "echo"), .session = session}).status, 404);
}

// What it has started holds its output open: it is killed with it.
TEST(Bridge, AServerThatEndsTakesItsChildrenAlong) {
  World w;
  const std::string session = w.open();
  const Reply r = w.send({.body = call("1", "fork"), .session = session});
  EXPECT_NE(r.body.find("the tool server has ended"), std::string::npos) << r.body;
}

TEST(Bridge, OfAHugeLineNothingIsActedOn) {
  World w;
  const std::string session = w.open();
  const Reply huge = w.send({.body = call("1", "huge"), .session = session});
  EXPECT_NE(huge.body.find("the tool server has ended"), std::string::npos) << huge.body.substr(0, 200);
  EXPECT_EQ(huge.body.find("xxxx"), std::string::npos);
  EXPECT_EQ(huge.body.find("after"), std::string::npos);
  EXPECT_EQ(w.send({.body = call("3", "echo"), .session = session}).status, 404);
  const Reply large = w.send({.body = call("1", "large"), .session = w.open()});
  EXPECT_GT(large.body.size(), std::size_t{7} << 20U) << "below the limit all of it";
}

TEST(Bridge, LinesThatAreNoMessageArePassedOver) {
  World w;
  const std::string session = w.open();
  const Reply r = w.send({.body = call("7", "junk"), .session = session});
  EXPECT_NE(r.head.find("application/json"), std::string::npos);
  EXPECT_NE(r.body.find("\"id\": 7, \"result\": {\"done\": true}"), std::string::npos) << r.body;
  const Reply spread = w.send({.body = call("8", "spread"), .session = session});
  EXPECT_EQ(spread.body, R"({"jsonrpc":"2.0",  "id":8, "result":"a\u2028b"})");
}

// A body full of what some program takes for the end of a line: one line arrives.
TEST(Bridge, NobodySmugglesASecondMessageIn) {
  World w;
  const std::string session = w.open();
  std::string body = call("1", "echo", "\"x\xE2\x80\xA8{\\u007d\xC2\x85\"");
  body.insert(1, "\r\n\n");
  const Reply r = w.send({.body = body, .session = session});
  EXPECT_EQ(r.status, 200) << r.body;
  EXPECT_NE(r.body.find(R"(x\\u2028{\\u007d\\u0085)"), std::string::npos) << r.body;
}

TEST(Bridge, TwoSessionsNeverSeeEachOther) {
  World w;
  const std::string one = w.open();
  const std::string two = w.open();
  EXPECT_NE(one, two);
  wire::Plug listening = plug(w.socket);
  listening.send(text_of({.method = "GET", .session = two}));
  listening.until("\r\n\r\n");
  wire::Plug holding = plug(w.socket);
  holding.send(text_of({.body = call("1", "hold"), .session = two}));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(w.send({.body = call("1", "note", "\"private\""), .session = one}).status, 200);
  EXPECT_NE(w.send({.body = call("2", "guess"), .session = one}).body.find("guessed"), std::string::npos);
  EXPECT_EQ(holding.until("private", 500).find("HTTP/"), std::string::npos) << "nothing came";
  EXPECT_EQ(listening.until("private", 200).find("data:"), std::string::npos);
  const pid_t a = pid_in(w.send({.body = call("3", "echo"), .session = one}).body);
  const pid_t b = pid_in(w.send({.body = call("3", "echo"), .session = two}).body);
  EXPECT_NE(a, b) << "a server each";
}

TEST(Bridge, AFailedInitializeLeavesNoSession) {
  World w;
  const Reply r = w.send({.body = R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"fail":true}})"});
  EXPECT_EQ(r.status, 200);
  EXPECT_NE(r.body.find("-32602"), std::string::npos);
  ASSERT_FALSE(r.session().empty());
  EXPECT_EQ(w.send({.body = call("1", "echo"), .session = r.session()}).status, 404);
}

TEST(Bridge, SessionsAreCounted) {
  Options o;
  o.max_sessions = 2;
  World w(o);
  const std::string first = w.open();
  w.open();
  const Reply r = w.send({.body = kInitialize});
  EXPECT_EQ(r.status, 503);
  EXPECT_NE(r.body.find("-32000"), std::string::npos) << r.body;
  const pid_t pid = pid_in(w.send({.body = call("1", "echo"), .session = first}).body);
  w.send({.method = "DELETE", .session = first});
  ASSERT_TRUE(ends(pid));
  std::this_thread::sleep_for(300ms);
  w.open();
  EXPECT_EQ(Options{}.max_sessions, 64U);
}

TEST(Bridge, IdleSessionsEnd) {
  Options o;
  o.idle = 500ms;
  World w(o);
  const std::string session = w.open();
  const pid_t pid = pid_in(w.send({.body = call("1", "echo"), .session = session}).body);
  EXPECT_TRUE(ends(pid));
  EXPECT_EQ(w.send({.body = call("1", "echo"), .session = session}).status, 404);
}

TEST(Bridge, RequestsUnderWayAreCounted) {
  World w;
  const std::string session = w.open();
  std::vector<wire::Plug> held;
  for (std::size_t i = 0; i < kMaxInFlight; ++i) {
    held.push_back(plug(w.socket));
    held.back().send(text_of({.body = call("1", "hold"), .session = session}));
  }
  std::this_thread::sleep_for(300ms);
  const Reply r = w.send({.body = call("2", "echo"), .session = session});
  EXPECT_EQ(r.status, 503);
  EXPECT_NE(r.body.find("-32000"), std::string::npos) << r.body;
}

// 2025: who leaves has not cancelled; who says so has, with his own id.
TEST(Bridge, CancellationInASession) {
  World w;
  const std::string session = w.open();
  wire::Plug gone = plug(w.socket);
  gone.send(text_of({.body = call("\"x\"", "hold"), .session = session}));
  std::this_thread::sleep_for(100ms);
  gone.close();
  std::this_thread::sleep_for(200ms);
  EXPECT_NE(w.send({.body = call("1", "cancelled"), .session = session}).body.find("\"cancelled\": []"), std::string::npos);
  wire::Plug p = plug(w.socket);
  p.send(text_of({.body = call("\"y\"", "hold"), .session = session}));
  std::this_thread::sleep_for(100ms);
  for (const char* id : {"\"z\"", "\"y\""}) {
    const std::string cancel = std::string(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)") + id + "}}";
    EXPECT_EQ(w.send({.body = cancel, .session = session}).status, 202);
  }
  EXPECT_NE(read_reply(p).body.find("\"id\":\"y\",\"error\""), std::string::npos);
  EXPECT_NE(w.send({.body = call("2", "cancelled"), .session = session}).body.find("\"cancelled\": [4]"), std::string::npos)
      << "initialize, x, cancelled, y: the fourth";
}

TEST(Bridge, ProgressFindsItsRequestAndNoOther) {
  World w;
  const std::string session = w.open();
  wire::Plug other = plug(w.socket);
  other.send(text_of({.body = call("9", "hold", "null", R"({"progressToken":0})"), .session = session}));
  std::this_thread::sleep_for(100ms);
  const Reply r = w.send({.body = call("9", "progress", "null", R"({"progressToken":"t\u0031"})"), .session = session});
  EXPECT_NE(r.body.find(R"("progressToken": "t\u0031")"), std::string::npos) << r.body;
  EXPECT_EQ(r.body.find("666"), std::string::npos) << "a token that nobody has given goes nowhere";
  EXPECT_EQ(other.until("666", 200).find("HTTP/"), std::string::npos);
}

TEST(Bridge, WithoutASessionOneServerAnswersAll) {
  World w;
  const std::string v = "2026-07-28";
  const Reply a = w.send({.body = call("1", "echo"), .version = v});
  const Reply b = w.send({.body = call("\"1\"", "echo"), .session = "whatever", .version = v});
  EXPECT_EQ(a.status, 200) << a.body;
  EXPECT_GT(pid_in(a.body), 0);
  EXPECT_EQ(pid_in(a.body), pid_in(b.body));
  EXPECT_NE(b.body.find("\"id\": \"1\""), std::string::npos);
  EXPECT_EQ(a.session(), "");
  const Reply unknown = w.send({.body = call("1", "fail"), .version = v});
  EXPECT_EQ(unknown.status, 404) << unknown.body;
}

TEST(Bridge, WithoutASessionNobodySeesWhatIsNotHis) {
  World w;
  const std::string v = "2026-07-28";
  wire::Plug other = plug(w.socket);
  other.send(text_of({.body = call("1", "hold", "null", R"({"progressToken":5})"), .version = v}));
  std::this_thread::sleep_for(300ms);
  const Reply note = w.send({.body = call("1", "note", "\"private\""), .version = v});
  EXPECT_EQ(note.body.find("private"), std::string::npos) << "a message that names no request is nobody's";
  const std::string cancel = R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})";
  EXPECT_EQ(w.send({.body = cancel, .version = v}).status, 202);
  EXPECT_NE(w.send({.body = call("2", "cancelled"), .version = v}).body.find("[]"), std::string::npos)
      << "nobody cancels by a number";
  EXPECT_EQ(other.until("private", 200).find("HTTP/"), std::string::npos);
  other.close();
  std::this_thread::sleep_for(300ms);
  EXPECT_NE(w.send({.body = call("3", "cancelled"), .version = v}).body.find("[1]"), std::string::npos)
      << "who leaves has cancelled";
}

TEST(Bridge, WithoutASessionTheServerAsksNobody) {
  World w;
  const Reply r = w.send({.body = call("1", "ask"), .version = "2026-07-28"});
  EXPECT_EQ(r.status, 200);
  EXPECT_NE(r.body.find("-32601"), std::string::npos) << r.body;
}

TEST(Bridge, TheSharedServerIsStartedAgainButNotAtOnce) {
  Options o;
  o.restart = 1s;
  World w(o);
  const std::string v = "2026-07-28";
  EXPECT_NE(w.send({.body = call("1", "die"), .version = v}).body.find("has ended"), std::string::npos);
  EXPECT_EQ(w.send({.body = call("1", "echo"), .version = v}).status, 503);
  std::this_thread::sleep_for(1100ms);
  EXPECT_EQ(w.send({.body = call("1", "echo"), .version = v}).status, 200);
}

// 64 MB wait for a client that takes nothing: the server is made to wait after less than two.
TEST(Bridge, AClientThatTakesNothingHoldsItsServerUp) {
  World w;
  const std::string session = w.open();
  const std::filesystem::path count = w.dir / "count";
  wire::Plug p = plug(w.socket);
  p.send(text_of({.body = call("1", "flood", "\"" + count.string() + "\""), .session = session}));
  std::this_thread::sleep_for(1500ms);
  int n = 0;
  std::ifstream(count) >> n;
  EXPECT_GE(n, 1);
  EXPECT_LE(n, 6);
  EXPECT_NE(read_reply(p, 20'000).body.find("\"flooded\": 64"), std::string::npos) << "and goes on when it is taken";
}

TEST(Bridge, OthersThanTheGatewayAreNotServed) {
  Options o;
  o.gateway = 1;
  World w(o);
  wire::Plug p = plug(w.socket);
  p.send(text_of({.body = kInitialize}));
  EXPECT_EQ(p.rest().find("HTTP/"), std::string::npos);
}

TEST(Start, ACommandThatCannotBeRunSaysWhy) {
  const Result<Started> s = start_tool({"/nonexistent/server"});
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().detail.find("cannot run /nonexistent/server: No such file"), std::string::npos) << s.error().detail;
  Options o;
  o.command = {"/nonexistent/server"};
  World w(o);
  const Reply r = w.send({.body = kInitialize});
  EXPECT_EQ(r.status, 502);
  EXPECT_NE(r.body.find("cannot be started"), std::string::npos) << r.body;
}

}  // namespace
}  // namespace vestibule::bridge
