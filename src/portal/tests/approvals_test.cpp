// What a held call asks of its owner, over the API: shown whole, approved by a factor for that very request,
// by nobody else, once; and what is opened is bound to credential and source.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;
using testing::HttpReply;
using testing::PortalWorld;

class ApprovalsTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override {
    open();
    root = set_up();
    alice = create(root, "alice", "member");
    token = post("/v1/tokens", "{}", alice.handle).text("token");
    home = *domain::Source::parse("198.51.100.7");
    thief = *domain::Source::parse("203.0.113.66");
    // What was proved so far counts no more.
    for (int i = 0; i < 4; ++i) {
      clock.advance(20min);
      ASSERT_EQ(get("/v1/me", alice.handle).code(), "ok");
      ASSERT_EQ(get("/v1/me", root.handle).code(), "ok");
    }
  }
  static domain::Requirement need() {
    domain::Requirement r;
    r.level = 2;
    r.max_age = 30min;
    return r;
  }
  session::Identified seen(const domain::Source& from, std::string_view point = "lab") {
    auto who = sessions->identify(token, session::Audience::access, session::Presented::at(from, point), clock.now());
    EXPECT_TRUE(who);
    return who ? *who : session::Identified{};
  }
  int level(const domain::Source& from, std::string_view point = "lab") {
    return domain::level(seen(from, point).evidence, clock.now(), true, need().max_age);
  }
  approval::Ask ask_of(const domain::Source& from) {
    const session::Identified who = seen(from);
    approval::Ask a;
    a.user = who.subject.user;
    a.credential = who.handle;
    a.credential_name = "access token";
    a.source = from.text();
    a.source_key = session::SourceKey::of(from).text();
    a.client = "openai/6";
    a.access_point = "lab";
    a.operation = "chat";
    a.need = need();
    return a;
  }
  approval::Requests::Asked ask(const domain::Source& from) {
    session::Actor by = session::actor_of(seen(from), from, "openai/6", RequestId::make(rng));
    auto asked = run(approvals->ask(ask_of(from), by));
    EXPECT_TRUE(asked);
    return asked ? *asked : approval::Requests::Asked{};
  }
  static std::string of(approval::ApprovalId id, std::string_view verb) { return "/v1/approvals/" + id.text() + "/" + std::string(verb); }
  HttpReply find(const Person& p, std::string_view code) {
    json::Value body;
    body.set("code", code);
    return post("/v1/approvals/find", body.dump(), p.handle);
  }

  /// Records of what was done; refusals bear the same operation.
  std::ptrdiff_t approved() {
    const auto all = entries("approvals.approve");
    return std::count_if(all.begin(), all.end(), [](const audit::Entry& e) { return e.kind == audit::Kind::change; });
  }

  Person root, alice;
  std::string token;
  domain::Source home, thief;
};

TEST_F(ApprovalsTest, ShownWholeApprovedOnceAndBoundToCredentialSourceAndAccessPoint) {
  EXPECT_LT(level(home), 2);
  const auto mine = ask(home);
  const auto other = ask(thief);
  ASSERT_NE(mine.id, other.id) << "they do not belong together";
  HttpReply list = get("/v1/approvals", alice.handle);
  ASSERT_EQ(list.json.find("approvals")->items().size(), 2U) << list.body;
  HttpReply one = find(alice, mine.code);
  ASSERT_EQ(one.code(), "ok") << one.body;
  EXPECT_EQ(one.text("id"), mine.id.text());
  EXPECT_EQ(one.text("code"), mine.code);
  EXPECT_EQ(one.text("credential"), "access token");
  EXPECT_EQ(one.text("source"), "198.51.100.7");
  EXPECT_EQ(one.text("client"), "openai/6");
  EXPECT_EQ(one.text("access_point"), "lab");
  EXPECT_EQ(one.text("operation"), "chat");
  EXPECT_EQ(one.json.get_int("lasts_s").value_or(0), 1800);
  EXPECT_FALSE(one.json.get_bool("known_source").value_or(true));
  EXPECT_NE(one.text("what").find("198.51.100.7"), std::string::npos) << one.text("what");
  EXPECT_FALSE(one.json.find("offer")->items().empty());

  EXPECT_EQ(post(of(mine.id, "approve"), R"({"code":"000000"})", alice.handle).code(), "code_wrong");
  EXPECT_LT(level(home), 2);
  HttpReply done = bound(alice, of(mine.id, "approve"));
  ASSERT_EQ(done.code(), "ok") << done.body;
  EXPECT_EQ(level(home), 2);
  EXPECT_LT(level(thief), 2) << "a thief's call never rides on it";
  EXPECT_LT(level(home, "elsewhere"), 2) << "this access point alone";
  EXPECT_EQ(bound(alice, of(mine.id, "approve")).code(), "conflict") << "once";
  ASSERT_EQ(get("/v1/approvals", alice.handle).json.find("approvals")->items().size(), 1U);

  // It ages as every proof does, and ends.
  clock.advance(20min);
  EXPECT_EQ(get("/v1/me", alice.handle).code(), "ok");
  EXPECT_EQ(level(home), 2);
  clock.advance(11min);
  EXPECT_LT(level(home), 2);
  EXPECT_EQ(approved(), 1);
}

TEST_F(ApprovalsTest, NobodyElseAndNoTokenApproves) {
  const auto mine = ask(home);
  EXPECT_EQ(find(root, mine.code).code(), "not_found") << "an administrator neither";
  EXPECT_EQ(bound(root, of(mine.id, "approve")).code(), "not_found");
  EXPECT_EQ(post(of(mine.id, "decline"), "{}", root.handle).code(), "not_found");
  EXPECT_EQ(post(of(mine.id, "not-me"), "{}", root.handle).code(), "not_found");
  EXPECT_TRUE(get("/v1/approvals", root.handle).json.find("approvals")->items().empty());
  Person by_token = alice;
  by_token.handle = token;
  EXPECT_EQ(bound(by_token, of(mine.id, "approve")).code(), "credential_audience") << "a machine never approves";
  EXPECT_EQ(get("/v1/approvals", token).code(), "credential_audience");
  Person half = alice;
  half.handle = started("alice");
  EXPECT_EQ(bound(half, of(mine.id, "approve")).code(), "mfa_required");
  EXPECT_EQ(post(of(mine.id, "approve"), "{}", alice.handle).code(), "invalid_argument") << "age never suffices";
  EXPECT_EQ(bound(alice, "/v1/approvals/apr_x/approve").code(), "not_found");
  EXPECT_LT(level(home), 2);
}

TEST_F(ApprovalsTest, OfManyApprovalsAtOnceOneCounts) {
  const auto mine = ask(home);
  clock.advance(30s);
  json::Value body;
  body.set("code", alice.app.code(clock.wall()));
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { done += post(of(mine.id, "approve"), body.dump(), alice.handle).code() == "ok" ? 1 : 0; });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(approved(), 1);
}

TEST_F(ApprovalsTest, AnAnswerThatWouldNotDoIsNotSpent) {
  approval::Ask high = ask_of(home);
  high.need.level = 3;
  session::Actor by = session::actor_of(seen(home), home, "openai/6", RequestId::make(rng));
  auto asked = run(approvals->ask(high, by));
  ASSERT_TRUE(asked);
  const std::string code = fresh(alice);
  json::Value body;
  body.set("code", code);
  EXPECT_EQ(post(of(asked->id, "approve"), body.dump(), alice.handle).code(), "mfa_required");
  EXPECT_EQ(post("/v1/prove", R"({"answer":")" + code + R"("})", alice.handle).code(), "ok") << "the code is as good as new";
}

TEST_F(ApprovalsTest, NotMeTakesAwayWhatWasOpenedThere) {
  const auto mine = ask(home);
  ASSERT_EQ(bound(alice, of(mine.id, "approve")).code(), "ok");
  ASSERT_EQ(level(home), 2);
  EXPECT_EQ(post(of(mine.id, "not-me"), "{}", alice.handle).code(), "ok");
  EXPECT_LT(level(home), 2) << "also after it was approved";
  session::Actor by = session::actor_of(seen(home), home, "openai/6", RequestId::make(rng));
  EXPECT_EQ(run(approvals->ask(ask_of(home), by))->state, approval::State::not_me);
  bool told = false;
  HttpReply notices = get("/v1/notices", alice.handle);
  for (const json::Value& n : notices.json.find("notices")->items()) told = told || n.get_string("kind").value_or("") == "not_me";
  EXPECT_TRUE(told);
}

TEST_F(ApprovalsTest, OpenPagesHearOfIt) {
  auto stream = opened("/v1/events", alice.handle);
  stream->until("event: hello");
  const auto mine = ask(home);
  EXPECT_TRUE(stream->until("event: approvals"));
  stream->forget();
  EXPECT_EQ(post(of(mine.id, "decline"), "{}", alice.handle).code(), "ok");
  EXPECT_TRUE(stream->until("event: approvals"));
}

}  // namespace
}  // namespace vestibule::portal
