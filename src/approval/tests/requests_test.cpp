// Requests: which calls share one, who may answer it, how often, how long; and what a stranger cannot do.
#include "approval/requests.hpp"

#include <algorithm>
#include <thread>

#include "approval/tests/world.hpp"

namespace vestibule::approval {
namespace {

using namespace std::chrono_literals;
using testing::ApprovalWorld;

class RequestsTest : public ApprovalWorld, public ::testing::Test {
 protected:
  ~RequestsTest() override { close(); }
  void SetUp() override {
    file = folder / "approval.db";
    options_approval.shut_in = [this](store::Tx&, const Request&) -> Result<void> {
      ++shut;
      return {};
    };
    open();
    alice = make_user("alice");
    bob = make_user("bob");
  }
  identity::Actor by(UserId user) { return known(user); }
  std::vector<Request> waiting(UserId user) {
    auto list = run(requests->list(user));
    EXPECT_TRUE(list);
    return list ? std::move(*list) : std::vector<Request>();
  }
  Reason found(UserId user, std::string code) {
    auto r = run(requests->find(user, std::move(code)));
    return r ? Reason::ok : r.error().code;
  }
  UserId alice, bob;
  std::atomic<int> shut{0};
};

TEST_F(RequestsTest, OneIsOpenedShownWholeAndApprovedOnce) {
  const auto asked = ask(ask_of(alice));
  ASSERT_TRUE(asked) << asked.error().detail;
  EXPECT_EQ(asked->state, State::waiting);
  EXPECT_EQ(asked->code.size(), 9U);
  const auto list = waiting(alice);
  ASSERT_EQ(list.size(), 1U);
  const Request& r = list.front();
  EXPECT_EQ(r.id, asked->id);
  EXPECT_EQ(r.ask.credential_name, "access token");
  EXPECT_EQ(r.ask.source, "198.51.100.7");
  EXPECT_EQ(r.ask.client, "openai/6");
  EXPECT_EQ(r.ask.access_point, "lab");
  EXPECT_EQ(r.ask.operation, "chat");
  EXPECT_EQ(r.ask.need, ask_of(alice).need);
  EXPECT_EQ(r.expires - r.created, Duration(10min));
  EXPECT_FALSE(r.known_source);
  for (const char* part : {"chat", "lab", "access token", "198.51.100.7", "3600 s"}) {
    EXPECT_NE(purpose_of(r).find(part), std::string::npos) << purpose_of(r);
  }
  EXPECT_EQ(shown(*parse_code(requests->code_of(r.id))), asked->code);

  EXPECT_EQ(found(alice, asked->code), Reason::ok);
  EXPECT_EQ(requests->state(alice, r.id), State::waiting);
  EXPECT_EQ(approve(alice, r.id), Reason::ok);
  EXPECT_EQ(requests->state(alice, r.id), State::approved);
  EXPECT_EQ(approve(alice, r.id), Reason::conflict) << "one answer counts";
  EXPECT_EQ(run(requests->decline(r.id, by(alice))).error().code, Reason::conflict);
  EXPECT_TRUE(waiting(alice).empty());
  ASSERT_EQ(entries("approvals.ask").size(), 1U);
  ASSERT_EQ(entries("approvals.approve").size(), 1U);
  EXPECT_EQ(entries("approvals.approve").front().object, r.id.text());
}

TEST_F(RequestsTest, OfManyAnswersAtOnceOneCounts) {
  const auto asked = ask(ask_of(alice));
  ASSERT_TRUE(asked);
  std::atomic<int> approved{0}, declined{0}, conflicts{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const Reason reason = i % 2 == 0 ? approve(alice, asked->id) : [&] {
        auto done = run(requests->decline(asked->id, by(alice)), 1);
        return done ? Reason::ok : done.error().code;
      }();
      if (reason == Reason::ok) (i % 2 == 0 ? approved : declined) += 1;
      if (reason == Reason::conflict) conflicts += 1;
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(approved + declined, 1);
  EXPECT_EQ(conflicts, 7);
}

TEST_F(RequestsTest, CallsShareOneOnlyWhereAllThatCountsAgrees) {
  const auto first = ask(ask_of(alice));
  ASSERT_TRUE(first);
  Ask same = ask_of(alice);
  same.client = "curl/8";  // says nothing
  same.credential_name = "another name";
  EXPECT_EQ(ask(same)->id, first->id);
  EXPECT_EQ(ask(same)->code, first->code);
  struct Row {
    const char* name;
    std::function<void(Ask&)> change;
  };
  const std::vector<Row> rows = {
      {"owner", [&](Ask& a) { a.user = bob; }},
      {"credential", [](Ask& a) { a.credential[5] = 9; }},
      {"source", [](Ask& a) { a.source_key = "203.0.113.9"; }},
      {"access point", [](Ask& a) { a.access_point = "labs"; }},
      {"operation", [](Ask& a) { a.operation = "embed"; }},
      {"level", [](Ask& a) { a.need.level = 3; }},
      {"age", [](Ask& a) { a.need.max_age = 15min; }},
      {"kinds", [](Ask& a) { a.need.kinds = domain::KindSet::every(); }},
      {"where one text ends", [](Ask& a) { a.access_point = "labc"; a.operation = "hat"; }},
  };
  for (const Row& row : rows) {
    Ask other = ask_of(alice);
    row.change(other);
    EXPECT_NE(group_of(other), group_of(ask_of(alice))) << row.name;
  }
}

TEST_F(RequestsTest, AParallelCrowdOpensOne) {
  std::vector<std::future<Result<Requests::Asked>>> all;
  for (unsigned i = 0; i < 50; ++i) all.push_back(spawn(requests->ask(ask_of(alice), by(alice)), i % 2));
  std::vector<ApprovalId> ids;
  for (auto& one : all) {
    const auto asked = one.get();
    ASSERT_TRUE(asked) << asked.error().detail;
    ids.push_back(asked->id);
  }
  EXPECT_EQ(std::count(ids.begin(), ids.end(), ids.front()), 50);
  EXPECT_EQ(waiting(alice).size(), 1U);
}

TEST_F(RequestsTest, TenMinutesAndNotLonger) {
  const auto asked = ask(ask_of(alice));
  clock.advance(9min);
  EXPECT_EQ(ask(ask_of(alice))->id, asked->id);
  EXPECT_EQ(waiting(alice).size(), 1U);
  clock.advance(61s);
  EXPECT_EQ(requests->state(alice, asked->id), std::nullopt);
  EXPECT_EQ(approve(alice, asked->id), Reason::not_found);
  EXPECT_EQ(found(alice, asked->code), Reason::not_found);
  EXPECT_TRUE(waiting(alice).empty());
  const auto anew = ask(ask_of(alice));
  ASSERT_TRUE(anew);
  EXPECT_NE(anew->id, asked->id);
  EXPECT_NE(anew->code, asked->code);
}

TEST_F(RequestsTest, NobodyAnswersOrFindsAnothersRequest) {
  const auto asked = ask(ask_of(alice));
  EXPECT_EQ(found(bob, asked->code), Reason::not_found);
  EXPECT_EQ(approve(bob, asked->id), Reason::not_found);
  EXPECT_EQ(run(requests->decline(asked->id, by(bob))).error().code, Reason::not_found);
  EXPECT_EQ(run(requests->not_me(asked->id, by(bob))).error().code, Reason::not_found);
  EXPECT_EQ(run(requests->look(bob, asked->id)).error().code, Reason::not_found);
  EXPECT_TRUE(waiting(bob).empty());
  EXPECT_EQ(requests->state(bob, asked->id), std::nullopt);
  EXPECT_EQ(requests->state(alice, asked->id), State::waiting);
}

TEST_F(RequestsTest, GuessesAreCountedAndASuccessCostsNone) {
  const auto asked = ask(ask_of(alice));
  for (int i = 0; i < 30; ++i) ASSERT_EQ(found(alice, asked->code), Reason::ok);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(found(alice, i % 2 == 0 ? "0000-0000" : "no code at all"), Reason::not_found) << i;
  EXPECT_EQ(found(alice, "0000-0001"), Reason::factor_locked);
  EXPECT_EQ(found(alice, asked->code), Reason::factor_locked) << "the right one neither";
  EXPECT_EQ(found(bob, "0000-0001"), Reason::not_found) << "each his own";
  EXPECT_EQ(run(requests->look(alice, asked->id))->id, asked->id) << "the list still shows it";
  clock.advance(16min);
  EXPECT_EQ(found(alice, "0000-0001"), Reason::not_found);
}

TEST_F(RequestsTest, DeclinedIsRememberedSoThatNobodyAsksAgainAtOnce) {
  const auto asked = ask(ask_of(alice));
  EXPECT_TRUE(run(requests->decline(asked->id, by(alice))));
  EXPECT_EQ(requests->state(alice, asked->id), State::declined);
  const auto again = ask(ask_of(alice));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->state, State::declined);
  EXPECT_TRUE(again->code.empty());
  EXPECT_TRUE(waiting(alice).empty());
  clock.advance(11min);
  EXPECT_EQ(ask(ask_of(alice))->state, State::waiting);
  EXPECT_EQ(entries("approvals.decline").size(), 1U);
}

TEST_F(RequestsTest, NotMeShutsTheCredentialOutThereForAnHour) {
  const auto asked = ask(ask_of(alice));
  Ask elsewhere = ask_of(alice);
  elsewhere.operation = "embed";
  const auto other = ask(elsewhere);
  ASSERT_EQ(approve(alice, other->id), Reason::ok);
  EXPECT_TRUE(run(requests->not_me(asked->id, by(alice))));
  EXPECT_EQ(shut, 1) << "what was opened for it is taken away in the same job";
  EXPECT_EQ(requests->state(alice, asked->id), State::not_me);
  EXPECT_EQ(requests->state(alice, other->id), State::not_me) << "approved before, or not";
  for (const char* operation : {"chat", "embed", "models.list"}) {
    Ask a = ask_of(alice);
    a.operation = operation;
    EXPECT_EQ(ask(a)->state, State::not_me) << operation;
  }
  Ask home = ask_of(alice, "192.0.2.4");
  EXPECT_EQ(ask(home)->state, State::waiting) << "the same credential elsewhere";
  const auto notices = run(users->notices(alice));
  ASSERT_TRUE(notices);
  EXPECT_EQ(std::count_if(notices->begin(), notices->end(), [](const auto& n) { return n.kind == identity::NoticeKind::not_me; }), 1);
  restart();
  EXPECT_EQ(ask(ask_of(alice))->state, State::not_me) << "over a restart";
  clock.advance(61min);
  EXPECT_EQ(ask(ask_of(alice))->state, State::waiting);
}

TEST_F(RequestsTest, NotMeHoldsBeforeTheStoreKnows) {
  const auto asked = ask(ask_of(alice));
  hook.broken = true;
  EXPECT_FALSE(run(requests->not_me(asked->id, by(alice))));
  EXPECT_EQ(ask(ask_of(alice))->state, State::not_me);
  EXPECT_EQ(requests->state(alice, asked->id), State::not_me);
  hook.broken = false;
}

TEST_F(RequestsTest, AStrangersSourceRingsNoBellAndFloodsAreQuiet) {
  for (const char* operation : {"chat", "embed"}) {
    Ask a = ask_of(alice);
    a.operation = operation;
    ASSERT_TRUE(ask(a));
  }
  EXPECT_EQ(bells, 0) << "nothing was ever approved from there";
  ASSERT_EQ(approve(alice, waiting(alice).front().id), Reason::ok);
  for (int i = 0; i < 6; ++i) {
    Ask a = ask_of(alice);
    a.operation = "op" + std::to_string(i);
    ASSERT_TRUE(ask(a));
    ASSERT_TRUE(ask(a)) << "the same again";
  }
  EXPECT_EQ(bells, 3);
  EXPECT_TRUE(waiting(alice).back().known_source);
  clock.advance(16min);
  Ask late = ask_of(alice);
  late.operation = "late";
  ASSERT_TRUE(ask(late));
  EXPECT_EQ(bells, 4);
  Ask thief = ask_of(alice, "203.0.113.66");
  ASSERT_TRUE(ask(thief));
  EXPECT_EQ(bells, 4);
}

TEST_F(RequestsTest, AStrangersFloodLeavesRoomForTheOwner) {
  const auto mine = ask(ask_of(alice));
  ASSERT_EQ(approve(alice, mine->id), Reason::ok);
  int opened = 0;
  for (int i = 0; i < 100; ++i) {
    Ask a = ask_of(alice, "203.0.113." + std::to_string(i));
    opened += ask(a) ? 1 : 0;
  }
  EXPECT_EQ(opened, 4);
  for (int i = 0; i < 100; ++i) {
    Ask a = ask_of(alice);
    a.operation = "op" + std::to_string(i);
    opened += ask(a) ? 1 : 0;
  }
  EXPECT_EQ(opened, 12);
  EXPECT_EQ(waiting(alice).size(), 12U);
}

TEST_F(RequestsTest, WithoutTheStoreThereIsNone) {
  hook.broken = true;
  auto asked = ask(ask_of(alice));
  ASSERT_FALSE(asked);
  asked = ask(ask_of(alice));
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().code, Reason::store_unavailable);
  hook.broken = false;
}

TEST_F(RequestsTest, AStoreThatHangsKeepsNobodyWaiting) {
  hook.hanging = true;
  const auto begun = std::chrono::steady_clock::now();
  const auto asked = ask(ask_of(alice));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 4s);
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().code, Reason::store_unavailable);
  hook.hanging = false;
  for (int i = 0; i < 200 && waiting(alice).empty(); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(waiting(alice).size(), 1U) << "it was on its way, and is there for the next call";
}

TEST_F(RequestsTest, WhoIsDisabledHasNone) {
  const auto asked = ask(ask_of(alice));
  ASSERT_TRUE(run(users->disable(alice, administrator())));
  EXPECT_EQ(requests->state(alice, asked->id), std::nullopt);
  EXPECT_EQ(ask(ask_of(alice)).error().code, Reason::user_disabled);
  ASSERT_TRUE(run(users->enable(alice, administrator())));
  EXPECT_TRUE(waiting(alice).empty());
  EXPECT_NE(ask(ask_of(alice))->id, asked->id);
}

TEST_F(RequestsTest, NoCodeStandsInTheStoreAndARestoreVoidsAll) {
  const auto asked = ask(ask_of(alice));
  const std::string raw = *parse_code(asked->code);
  auto kept = database->write_blocking([&](store::Tx& tx) -> Result<bool> {
    bool clear = false;
    auto rows = tx.query("SELECT code FROM approval_request", {}, [&](const store::Row& row) {
      clear = as_text(row.blob(0)).find(raw) != std::string_view::npos || row.blob(0).size() != 32;
      return true;
    });
    if (!rows) return std::move(rows).error();
    return clear;
  });
  EXPECT_FALSE(*kept);
  restart();
  EXPECT_EQ(requests->state(alice, asked->id), State::waiting) << "over a restart";
  EXPECT_EQ(ask(ask_of(alice))->code, asked->code);
  ASSERT_TRUE(database->write_blocking([](store::Tx& tx) { return void_after_restore(tx); }));
  EXPECT_EQ(requests->state(alice, asked->id), std::nullopt);
}

}  // namespace
}  // namespace vestibule::approval
