// GET /v1/events: who is told what, and when a stream ends.
#include "portal/events.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "portal/call.hpp"
#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;
using testing::Follower;
using testing::HttpReply;
using testing::PortalWorld;

class EventsTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override { open(); }

  std::unique_ptr<Follower> follow(const Person& p, std::string_view query = {}) {
    auto out = opened(std::string("/v1/events") + std::string(query), p.handle);
    EXPECT_TRUE(out->until("event: hello\ndata: {\"version\":\"0.1.0\"}\n\n")) << out->text();
    return out;
  }
  void record(std::string_view operation, std::string_view note = {}) {
    ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) -> Result<void> {
      log->append(tx, identity::change_record(operation, administrator(), {}, note, clock.now()));
      return {};
    }));
  }
  /// Everything that was on its way to the cores has come.
  void settle() {
    ASSERT_TRUE(database->write_blocking([](store::Tx&) -> Result<void> { return {}; }));
    cores->on_each([](net::Core&) {});
  }
  std::size_t open_streams(std::size_t wanted) {
    for (int i = 0; i < 200 && events->open() != wanted; ++i) std::this_thread::sleep_for(10ms);
    return events->open();
  }
};

TEST_F(EventsTest, EachIsToldWhatIsTheirs) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  auto hers = follow(alice);
  auto roots = follow(root);
  EXPECT_EQ(hers->field("content-type"), "text/event-stream");
  EXPECT_EQ(hers->field("cache-control"), "no-store");
  started("alice");
  EXPECT_TRUE(hers->until("event: sessions\ndata: {}\n\n"));
  settle();
  EXPECT_EQ(roots->text().find("event: sessions"), std::string::npos) << "not his";
  EXPECT_EQ(hers->text().find("event: me"), std::string::npos) << "another session of hers";

  json::Value proof;
  proof.set("answer", fresh(alice));
  ASSERT_EQ(post("/v1/prove", proof.dump(), alice.handle).code(), "ok");
  EXPECT_TRUE(hers->until("event: me\n"));
  HttpReply more = bound(alice, "/v1/recovery-codes");
  ASSERT_EQ(more.code(), "ok") << more.body;
  EXPECT_TRUE(hers->until("event: factors\n"));
  EXPECT_TRUE(hers->until("event: notices\n")) << "what happened to her account";
  EXPECT_EQ(roots->text().find("event: factors"), std::string::npos);
  EXPECT_EQ(roots->text().find("event: notices"), std::string::npos);

  json::Value key;
  key.set("name", "nightly");
  ASSERT_EQ(bound(alice, "/v1/keys", std::move(key)).code(), "ok");
  EXPECT_TRUE(hers->until("event: keys\n"));
  settle();
  EXPECT_EQ(roots->text().find("event: keys"), std::string::npos);

  hers->forget();
  ASSERT_EQ(post("/v1/stops", R"({"scope":"access_point","target":"lab"})", root.handle).code(), "ok");
  EXPECT_TRUE(roots->until("event: stops\n"));
  EXPECT_TRUE(roots->until("event: policy\n"));
  EXPECT_TRUE(hers->until("event: me\n")) << "what is open to her is another";
  EXPECT_EQ(hers->text().find("event: stops"), std::string::npos) << "she may not read them";
  hers->forget();
  json::Value roles;
  roles.set("roles", json::Value(json::Array{"member", "auditor"}));
  ASSERT_EQ(bound(root, "/v1/users/alice/roles", roles).code(), "ok");
  EXPECT_TRUE(hers->until("event: me\n"));
  ASSERT_EQ(post("/v1/stops", R"({"scope":"all"})", root.handle).code(), "ok");
  EXPECT_TRUE(hers->until("event: stops\n")) << "now she may";
}

TEST_F(EventsTest, OfEveryTabOnEveryCore) {
  Person root = set_up();
  std::vector<std::unique_ptr<Follower>> tabs;
  for (std::size_t i = 0; i < kStreamsPerSession; ++i) tabs.push_back(follow(root));
  EXPECT_EQ(events->open(), kStreamsPerSession);
  started("root");
  for (auto& tab : tabs) EXPECT_TRUE(tab->until("event: sessions\n"));
  // One more: the oldest gives way, and is told that it must not come back.
  auto another = follow(root);
  EXPECT_TRUE(tabs[0]->until("event: ended\ndata: {\"reason\":\"conflict\"}\n\n")) << tabs[0]->text();
  EXPECT_TRUE(tabs[0]->ended());
  EXPECT_EQ(open_streams(kStreamsPerSession), kStreamsPerSession);
  started("root");
  EXPECT_TRUE(another->until("event: sessions\n"));
  // Whoever goes away is noticed.
  tabs.clear();
  another.reset();
  for (int i = 0; i < 12 && events->open() > 0; ++i) std::this_thread::sleep_for(1s);
  EXPECT_EQ(events->open(), 0U);
}

TEST_F(EventsTest, EndsWithTheSessionTheAccountAndTheStopOfItsUser) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  auto hers = follow(alice);
  ASSERT_EQ(post("/v1/stops", R"({"scope":"user","target":"alice"})", root.handle).code(), "ok");
  EXPECT_TRUE(hers->until("event: ended\ndata: {\"reason\":\"stopped\"}\n\n"));
  EXPECT_TRUE(hers->ended());
  EXPECT_EQ(get("/v1/events", alice.handle).code(), "stopped");
  json::Value lift;
  lift.set("scope", "user").set("target", "alice");
  ASSERT_EQ(bound(root, "/v1/stops/lift", lift).code(), "ok");
  hers = follow(alice);
  auto roots = follow(root);
  ASSERT_EQ(post("/v1/users/alice/revoke-sessions", "{}", root.handle).code(), "ok");
  EXPECT_TRUE(hers->until("event: ended\ndata: {\"reason\":\"session_ended\"}\n\n"));
  EXPECT_TRUE(hers->ended());
  EXPECT_EQ(open_streams(1), 1U);

  Person bob = create(root, "bob", "member");
  auto his = follow(bob);
  ASSERT_EQ(post("/v1/users/bob/disable", "{}", root.handle).code(), "ok");
  EXPECT_TRUE(his->until("event: ended\n"));
  EXPECT_TRUE(his->ended());
  ASSERT_EQ(post("/v1/sign-out", "{}", root.handle).code(), "ok");
  EXPECT_TRUE(roots->until("event: ended\n"));
}

// While the store fails, revocation ends a stream all the same.
TEST_F(EventsTest, ADenialDoesNotWaitForTheStore) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  auto hers = follow(alice);
  hook.broken = true;
  post("/v1/users/alice/revoke-sessions", "{}", root.handle);
  EXPECT_TRUE(hers->until("event: ended\n"));
  hook.broken = false;
}

TEST_F(EventsTest, DecisionsAreForReadersAndOneRecordedRead) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  Person audrey = create(root, "audrey", "auditor");
  EXPECT_EQ(get("/v1/events?decisions=1", alice.handle).code(), "role_required");
  EXPECT_EQ(get("/v1/events?decisions=2", audrey.handle).code(), "invalid_argument");
  record("before");
  auto hers = follow(audrey, "?decisions=1");
  EXPECT_TRUE(hers->until("\"operation\":\"before\"")) << "what was there already";
  const std::string request = hers->field("x-request-id");
  EXPECT_EQ(admissions("events.read", request).size(), 1U);
  for (int i = 0; i < 5; ++i) record("after" + std::to_string(i));
  EXPECT_TRUE(hers->until("\"operation\":\"after4\""));
  std::size_t at = 0;
  for (int i = 0; i < 5; ++i) {
    const std::size_t next = hers->text().find("\"operation\":\"after" + std::to_string(i) + "\"", at);
    ASSERT_NE(next, std::string::npos) << i;
    at = next;
  }
  EXPECT_EQ(admissions("events.read", request).size(), 1U) << "the stream as a whole is one read";
  // Without the role nothing more is shown.
  json::Value roles;
  roles.set("roles", json::Value(json::Array{"member"}));
  ASSERT_EQ(bound(root, "/v1/users/audrey/roles", roles).code(), "ok");
  EXPECT_TRUE(hers->until("event: ended\ndata: {\"reason\":\"role_required\"}\n\n")) << hers->text();
  EXPECT_TRUE(hers->ended());
}

TEST_F(EventsTest, DecisionsEndWhenTheProofLapses) {
  Person root = set_up();
  Person audrey = create(root, "audrey", "auditor");
  auto hers = follow(audrey, "?decisions=1");
  auto plain = follow(audrey);
  // Never idle, but an hour after the proof.
  for (int i = 0; i < 3; ++i) {
    clock.advance(25min);
    ASSERT_EQ(get("/v1/me", audrey.handle).code(), "ok");
  }
  record("unseen");
  EXPECT_TRUE(hers->until("event: ended\ndata: {\"reason\":\"mfa_lapsed\"}\n\n")) << hers->text();
  EXPECT_EQ(hers->text().find("unseen"), std::string::npos);
  EXPECT_EQ(open_streams(1), 1U) << "changes of one's own need no fresh proof";
  EXPECT_EQ(get("/v1/events?decisions=1", audrey.handle).code(), "mfa_lapsed");
}

TEST_F(EventsTest, WhoFallsBehindIsToldOfTheGap) {
  Person root = set_up();
  auto his = follow(root, "?decisions=1");
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) -> Result<void> {
    for (int i = 0; i < 1500; ++i) log->append(tx, identity::change_record("flood", administrator(), {}, {}, clock.now()));
    return {};
  }));
  EXPECT_TRUE(his->until("event: gap\n"));
  record("last");
  EXPECT_TRUE(his->until("\"operation\":\"last\""));
}

// Nothing is kept for a reader who takes nothing, and the end of his session ends the connection at once.
TEST_F(EventsTest, ASlowReaderHoldsNothingUpAndIsCut) {
  Person root = set_up();
  Person audrey = create(root, "audrey", "auditor");
  auto slow = follow(audrey, "?decisions=1");
  auto quick = follow(root, "?decisions=1");
  const std::string note(900, 'n');
  for (int round = 0; round < 40; ++round) {
    ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) -> Result<void> {
      for (int i = 0; i < 150; ++i) log->append(tx, identity::change_record("much", administrator(), {}, note, clock.now()));
      return {};
    }));
    quick->until("no such thing", 120ms);  // reads what is there
  }
  record("at last");
  EXPECT_TRUE(quick->until("\"operation\":\"at last\"")) << "the others see everything";
  EXPECT_EQ(events->open(), 2U);
  ASSERT_EQ(post("/v1/users/audrey/revoke-sessions", "{}", root.handle).code(), "ok");
  EXPECT_EQ(open_streams(1), 1U);
  EXPECT_TRUE(slow->ended());
  EXPECT_EQ(slow->text().find("at last"), std::string::npos);
}

TEST_F(EventsTest, EndsBeforeItsServerStops) {
  Person root = set_up();
  auto one = follow(root);
  cores->on_each([this](net::Core& core) { events->stop(core); });
  EXPECT_TRUE(one->until("event: ended\ndata: {\"reason\":\"shutting_down\"}\n\n"));
  EXPECT_TRUE(one->ended());
  EXPECT_EQ(get("/v1/events", root.handle).code(), "shutting_down");
}

}  // namespace
}  // namespace vestibule::portal
