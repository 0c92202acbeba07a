// Calls that lack a proof wait in silence, and go on only by what is true when they are decided about anew.
#include "proxy/holding.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "proxy/tests/holding_world.hpp"

namespace vestibule::proxy {
namespace {

using namespace std::chrono_literals;
using audit::Kind;
using testing::HoldingWorld;
using testing::kChat;
using testing::Plug;
using testing::read_request;
using testing::Reply;

constexpr std::string_view kNothing = R"({"choices":[]})";

class HoldingTest : public HoldingWorld, public ::testing::Test {
 protected:
  void TearDown() override { close(); }
  void start() {
    open_with([this](Plug& plug, int) {
      for (;;) {
        const std::string request = read_request(plug);
        if (request.empty()) return;
        ++upstream_calls;
        plug.send(ok(kNothing));
      }
    });
  }
  /// Their proofs are too old; their sessions are not.
  void lapse(const std::vector<Person*>& people) {
    for (int i = 0; i < 4; ++i) {
      clock.advance(20min);
      for (const Person* p : people) static_cast<void>(who(p->token));
    }
  }
  Person lapsed(const std::string& name) {
    Person p = person(name);
    lapse({&p});
    return p;
  }
  Plug from(const char* address, const std::string& raw) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    inet_pton(AF_INET, address, &a.sin_addr);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    a.sin_port = htons(ports[0]);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    Plug plug(fd);
    EXPECT_TRUE(plug.send(raw));
    return plug;
  }
  /// As its owner does at the page.
  void approve(const Person& p, const approval::Request& r) {
    session::UnlockWish wish;
    wish.credential = r.ask.credential;
    wish.source = *session::SourceKey::parse(r.ask.source_key);
    wish.access_point = r.ask.access_point;
    wish.lasts = approval::lasts(r.ask);
    wish.purpose = approval::purpose_of(r);
    wish.also = [this, r, by = actor(p)](store::Tx& tx) { return requests->approve_in(tx, r, by, clock.now()); };
    clock.advance(30s);
    const auto ends = run(sessions->unlock(who(p.handle, session::Audience::control), wish, session::Answer(Secret(p.app.code(clock.wall()))), actor(p)));
    EXPECT_TRUE(ends) << (ends ? "" : ends.error().detail);
  }
  std::string call(const Person& p) { return request("POST", "/v1/chat/completions", p.token, kChat); }
  std::atomic<int> upstream_calls{0};
};

TEST_F(HoldingTest, SilentUntilTheFactorIsProvedThenAnsweredAsEver) {
  start();
  Person p = lapsed("alice");
  Plug one = begin(call(p), 0);
  Plug two = begin(call(p), 1);
  ASSERT_TRUE(held(2));
  EXPECT_TRUE(silent(one));
  EXPECT_EQ(upstream_calls, 0);
  EXPECT_EQ(waiting(p.id).size(), 1U) << "one request for what belongs together";
  EXPECT_EQ(prove(p), Reason::ok);
  for (Plug* plug : {&one, &two}) {
    const Reply r = finish(*plug);
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.body, kNothing);
  }
  EXPECT_TRUE(held(0));
  EXPECT_EQ(upstream_calls, 2);
  EXPECT_EQ(entries_of(Kind::admission, "chat").size(), 2U);
  // The connection is as good as new.
  one.send(call(p));
  EXPECT_EQ(finish(one).status, 200);
}

TEST_F(HoldingTest, NobodyAnswersTheShapeOfTheDialectWithTheWayToGo) {
  held_for = 1s;
  start();
  Person p = lapsed("alice");
  const auto begun = std::chrono::steady_clock::now();
  const Reply r = send(call(p));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 900ms);
  EXPECT_EQ(r.status, 401);
  EXPECT_EQ(r.reason(), "mfa_lapsed");
  EXPECT_NE(r.field("www-authenticate").find(R"(error="insufficient_user_authentication")"), std::string::npos);
  const auto open = waiting(p.id);
  ASSERT_EQ(open.size(), 1U) << "the code stays good after the caller has left";
  const std::string code = approval::shown(requests->code_of(open[0].id));
  EXPECT_NE(r.body.find("https://portal.example/approve#" + code), std::string::npos) << r.body;
  EXPECT_NE(r.body.find("vestibule approve " + code), std::string::npos) << r.body;
  EXPECT_EQ(upstream_calls, 0);
  EXPECT_EQ(entries_of(Kind::refusal, "chat").size(), 1U);
}

TEST_F(HoldingTest, SwitchedOffItRefusesAtOnceAndTellsTheWayAllTheSame) {
  held_for = 0s;
  start();
  Person p = lapsed("alice");
  const auto begun = std::chrono::steady_clock::now();
  const Reply first = send(call(p));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 900ms);
  EXPECT_EQ(first.status, 401);
  ASSERT_EQ(waiting(p.id).size(), 1U);
  EXPECT_NE(first.body.find("vestibule approve " + approval::shown(requests->code_of(waiting(p.id)[0].id))), std::string::npos);
  EXPECT_EQ(send(call(p)).status, 401);
  EXPECT_EQ(waiting(p.id).size(), 1U);
}

TEST_F(HoldingTest, WhoAsksItsPersonByItselfSaysThatItDoesNotWait) {
  struct Row {
    const char* prefer;
    std::optional<std::chrono::seconds> is;
  };
  for (const Row& row : std::vector<Row>{{"", {}}, {"wait=0", 0s}, {"wait=10", 10s}, {"respond-async, wait=5", 5s}, {" wait=7 ", 7s}, {"wait=", {}}, {"wait", {}},
                                         {"waits=3", {}}, {"wait=-1", {}}, {"wait=1x", {}}, {"wait=9999999", {}}, {",,,", {}}}) {
    EXPECT_EQ(preferred_wait(row.prefer), row.is) << row.prefer;
  }
  start();
  Person p = lapsed("alice");
  const auto begun = std::chrono::steady_clock::now();
  const Reply r = chat(p, kChat, "Prefer: wait=0\r\n");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
  EXPECT_EQ(r.status, 401);
  EXPECT_NE(r.body.find("vestibule approve"), std::string::npos);
}

TEST_F(HoldingTest, TheCallersLeavingIsNoticedAtOnce) {
  start();
  Person p = lapsed("alice");
  {
    std::vector<Plug> plugs;
    for (unsigned i = 0; i < 6; ++i) plugs.push_back(begin(call(p), i % 2));
    ASSERT_TRUE(held(6));
  }
  EXPECT_TRUE(held(0, 500ms));
  EXPECT_EQ(prove(p), Reason::ok);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(upstream_calls, 0) << "nobody is there for the answer";
}

TEST_F(HoldingTest, RevocationAndStopEndItWithTheirRefusal) {
  start();
  Person p = lapsed("alice");
  Plug one = begin(call(p), 1);
  ASSERT_TRUE(held(1));
  gate::Stop stop;
  stop.scope = gate::StopScope::access_point;
  stop.target = "lab";
  EXPECT_TRUE(run(gate->stop(stop, actor(p))));
  EXPECT_EQ(finish(one).reason(), "stopped");
  EXPECT_TRUE(run(gate->lift(gate::StopScope::access_point, "lab", actor(p))));

  Plug two = begin(call(p), 1);
  ASSERT_TRUE(held(1));
  const session::Identified token = who(p.token);
  const auto revoked = run(sessions->revoke(session::Revocation::of_handle(token.handle), actor(p)));
  static_cast<void>(revoked);
  const Reply r = finish(two);
  EXPECT_EQ(r.status, 401);
  EXPECT_EQ(r.reason(), "credential_unknown");
  EXPECT_EQ(upstream_calls, 0);
  EXPECT_TRUE(held(0));
}

TEST_F(HoldingTest, TheOwnerDeclinesOrSaysThatItIsNotHim) {
  start();
  Person p = lapsed("alice");
  Plug one = begin(call(p));
  ASSERT_TRUE(held(1));
  ASSERT_TRUE(soon([&] { return waiting(p.id).size() == 1; }));
  ASSERT_TRUE(run(requests->decline(waiting(p.id)[0].id, actor(p))));
  const Reply declined = finish(one);
  EXPECT_EQ(declined.status, 401);
  EXPECT_NE(declined.body.find("declined"), std::string::npos);
  EXPECT_EQ(declined.body.find("vestibule approve"), std::string::npos);
  EXPECT_NE(send(call(p)).body.find("declined"), std::string::npos) << "and asks no more for a while, at once";
  EXPECT_EQ(prove(p), Reason::ok);
  EXPECT_EQ(send(call(p)).status, 200) << "what is proved is proved";

  Person q = lapsed("bob");
  Plug two = begin(call(q));
  ASSERT_TRUE(held(1));
  ASSERT_TRUE(soon([&] { return waiting(q.id).size() == 1; }));
  ASSERT_TRUE(run(requests->not_me(waiting(q.id)[0].id, actor(q))));
  EXPECT_EQ(finish(two).reason(), "push_not_me");
  EXPECT_EQ(send(call(q)).reason(), "push_not_me");
  EXPECT_TRUE(held(0));
}

// What is approved is bound to credential and source: a thief's call, held beside its owner's, is woken by the
// owner's approval, decided about anew, and stays outside.
TEST_F(HoldingTest, TheOwnersApprovalLetsHisCallOnAndNoThiefs) {
  held_for = 4s;
  start();
  Person p = lapsed("alice");
  Plug mine = begin(call(p));
  Plug stolen = from("127.0.0.2", call(p));
  ASSERT_TRUE(held(2));
  ASSERT_TRUE(soon([&] { return waiting(p.id).size() == 2; }));
  for (const approval::Request& r : waiting(p.id)) {
    if (r.ask.source == "127.0.0.1") approve(p, r);
  }
  EXPECT_EQ(finish(mine).status, 200);
  EXPECT_TRUE(silent(stolen, 300));
  EXPECT_EQ(finish(stolen).status, 401);
  EXPECT_EQ(upstream_calls, 1);
  EXPECT_EQ(send(call(p)).status, 200) << "and the next from there";
}

TEST_F(HoldingTest, AKeyThatSleepsIsHeldAndWokenByItsOwner) {
  start();
  Person p = person("alice");
  clock.advance(30s);
  session::KeyWish wish{"nightly", "{}"};
  auto key = run(sessions->create_key(who(p.handle, session::Audience::control), wish, session::Answer(Secret(p.app.code(clock.wall()))), actor(p)));
  ASSERT_TRUE(key) << key.error().detail;
  const std::string raw = request("POST", "/v1/chat/completions", key->text.reveal_text(), kChat);
  Plug call_by_key = begin(raw);
  ASSERT_TRUE(held(1));
  ASSERT_TRUE(soon([&] { return waiting(p.id).size() == 1; }));
  EXPECT_EQ(waiting(p.id)[0].ask.credential_name, "key nightly");
  clock.advance(30s);
  EXPECT_EQ(prove(p), Reason::ok);
  EXPECT_TRUE(silent(call_by_key, 300)) << "a session's proof is no evidence of a key";
  approve(p, waiting(p.id)[0]);
  EXPECT_EQ(finish(call_by_key).status, 200);
  EXPECT_EQ(send(raw).status, 200);
}

// Whoever marks a request approved without opening anything lets nobody in: a wake-up is a hint.
TEST_F(HoldingTest, AnApprovalAloneIsNoPermission) {
  held_for = 2s;
  start();
  Person p = lapsed("alice");
  Plug one = begin(call(p));
  ASSERT_TRUE(soon([&] { return waiting(p.id).size() == 1; }));
  const auto approved = database->write_blocking([&](store::Tx& tx) -> Result<void> {
    auto r = requests->waiting_in(tx, p.id, waiting(p.id)[0].id, clock.now());
    if (!r) return std::move(r).error();
    return requests->approve_in(tx, *r, actor(p), clock.now());
  });
  ASSERT_TRUE(approved);
  EXPECT_TRUE(silent(one, 500));
  EXPECT_EQ(finish(one).reason(), "mfa_lapsed");
  EXPECT_EQ(upstream_calls, 0);
}

TEST_F(HoldingTest, OneGreedyUserIsRefusedAtOnceBeyondHisShareOthersAreHeld) {
  start();
  Person greedy = person("greedy");
  Person other = person("other");
  lapse({&greedy, &other});
  std::vector<Plug> plugs;
  for (unsigned i = 0; i < 8; ++i) plugs.push_back(begin(call(greedy), i % 2));
  ASSERT_TRUE(held(8));
  const auto begun = std::chrono::steady_clock::now();
  const Reply over = send(call(greedy));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_EQ(over.status, 401);
  EXPECT_NE(over.body.find("vestibule approve"), std::string::npos);
  Plug theirs = begin(call(other));
  EXPECT_TRUE(held(9));
}

TEST_F(HoldingTest, WithoutTheStoreNobodyIsHeld) {
  start();
  Person p = lapsed("alice");
  hook.broken = true;
  static_cast<void>(send(call(p)));
  const auto begun = std::chrono::steady_clock::now();
  const Reply r = send(call(p));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
  EXPECT_NE(r.status, 200);
  EXPECT_EQ(r.body.find("vestibule approve"), std::string::npos);
  EXPECT_EQ(holds->held(), 0U);
  hook.broken = false;
}

TEST_F(HoldingTest, TheEndOfACoreHoldsNobody) {
  start();
  Person p = lapsed("alice");
  Plug one = begin(call(p), 1);
  ASSERT_TRUE(held(1));
  cores->on_each([&](net::Core& core) { holds->close(core); });
  const Reply r = finish(one);
  EXPECT_EQ(r.status, 401);
  EXPECT_NE(r.body.find("vestibule approve"), std::string::npos) << "the code stays good";
  EXPECT_TRUE(held(0));
}

TEST_F(HoldingTest, TheBodyStaysOutsideWhileThePathAloneFails) {
  start();
  Person p = lapsed("alice");
  std::string raw = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + p.token +
                    "\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: " + std::to_string(kChat.size()) + "\r\n\r\n";
  Plug one = begin(raw);
  ASSERT_TRUE(held(1));
  EXPECT_TRUE(silent(one, 300)) << "no 100 (Continue) before the decision";
  EXPECT_EQ(prove(p), Reason::ok);
  EXPECT_TRUE(one.until("\r\n\r\n").starts_with("HTTP/1.1 100 "));
  one.send(kChat);
  EXPECT_EQ(finish(one).status, 200);
}

TEST_F(HoldingTest, WhatTheBodyAloneTellsIsHeldWithItsBody) {
  policy_text = R"toml(
[[rule]]
name = "tiny"
effect = "allow"
who = ["role:member"]
operation = ["chat"]
model = ["tiny-*"]
)toml";
  options_holds.bytes = kChat.size() + 10;
  start();
  Person p = lapsed("alice");
  Plug one = begin(call(p));
  ASSERT_TRUE(held(1));
  const Reply over = send(call(p));
  EXPECT_EQ(over.status, 401) << "the budget for bodies";
  EXPECT_EQ(prove(p), Reason::ok);
  EXPECT_EQ(finish(one).status, 200);
  EXPECT_EQ(upstream_calls, 1);
}

}  // namespace
}  // namespace vestibule::proxy
