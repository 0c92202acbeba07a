// A start with more sessions than it waits for: what is asked for is fetched, the rest comes in behind.
#include "session/rows.hpp"
#include "session/tests/people.hpp"

namespace vestibule::session {
namespace {

using namespace std::chrono_literals;
using testing::PeopleWorld;

class FillingTest : public ::testing::Test, public PeopleWorld {
 protected:
  void SetUp() override {
    file = folder / "filling.db";
    open();
    for (int i = 0; i < 6; ++i) {
      people.push_back(person("p" + std::to_string(i)));
      tokens.push_back(token(people.back().handle));
    }
    options_session.at_start = 5;
    restart();
  }
  void recall(std::string_view text) {
    run([](Sessions* s, Secret t) -> net::Task<int> {
      const Result<void> done = co_await s->recall(std::move(t));
      EXPECT_TRUE(done);
      co_return 0;
    }(sessions.get(), Secret(text)));
  }
  Reason verdict_of(std::size_t i) { return verdict(tokens[i], Audience::access); }
  // One turn of what maintain() does behind the requests.
  void turn() {
    auto done = database->write_blocking([](store::Tx& tx) -> Result<void> {
      tx.changed(kFillTopic, {});
      return {};
    });
    ASSERT_TRUE(done);
  }
  void fill() {
    for (int i = 0; i < 20 && !sessions->whole(); ++i) turn();
    ASSERT_TRUE(sessions->whole());
  }
  std::vector<Person> people;
  std::vector<std::string> tokens;
};

TEST_F(FillingTest, WhatIsAskedForIsFetchedAndTheRestComesInBehind) {
  EXPECT_FALSE(sessions->whole());
  EXPECT_EQ(sessions->size(), 0U);
  EXPECT_EQ(verdict_of(2), Reason::credential_unknown);
  recall(tokens[2]);
  EXPECT_EQ(verdict_of(2), Reason::ok);
  EXPECT_EQ(sessions->size(), 1U);
  EXPECT_EQ(verdict(people[2].handle), Reason::credential_unknown) << "each credential by itself";
  recall(people[2].handle);
  EXPECT_EQ(level(people[2].handle), 2) << "with what was proved";
  EXPECT_TRUE(sessions->standing(who(people[2].handle).subject.session, people[2].id, who(people[2].handle).handle, clock.now()));
  fill();
  EXPECT_EQ(sessions->size(), 6U);
  for (std::size_t i = 0; i < people.size(); ++i) {
    EXPECT_EQ(verdict_of(i), Reason::ok) << i;
    EXPECT_EQ(level(people[i].handle), 2) << i;
  }
}

TEST_F(FillingTest, NobodyGetsInWhoIsOut) {
  const std::string made_up(mint->make(crypto::kAccessToken, rng).text.reveal_text());
  for (const std::string& bad : {made_up, std::string(), std::string("x"), tokens[0] + "=", std::string(10'000, 'v')}) {
    recall(bad);
    EXPECT_NE(verdict(bad, Audience::access), Reason::ok);
  }
  // Revoked while nobody knew it here.
  recall(people[1].handle);
  const SessionId gone = who(people[1].handle).subject.session;
  ASSERT_TRUE(run(sessions->revoke(Revocation::of(gone), {})).durable);
  recall(tokens[1]);
  EXPECT_EQ(verdict_of(1), Reason::credential_unknown);
  ASSERT_TRUE(run(sessions->revoke(Revocation::all_of(people[3].id), {})).durable);
  recall(tokens[3]);
  EXPECT_EQ(verdict_of(3), Reason::credential_unknown);
  fill();
  EXPECT_EQ(verdict_of(1), Reason::credential_unknown);
  EXPECT_EQ(verdict_of(3), Reason::credential_unknown);
  EXPECT_EQ(sessions->size(), 4U);
}

TEST_F(FillingTest, AKeyThatIsHandedInIsRevokedThoughNobodyKnowsItHere) {
  recall(people[0].handle);
  clock.advance(30s);
  auto made = run(sessions->create_key(who(people[0].handle), {"laptop", "{}", kUsualKey}, Answer(Secret(people[0].app.code(clock.wall()))),
                                       actor_of(who(people[0].handle), source, "test", {})));
  ASSERT_TRUE(made) << made.error().detail;
  const std::string key(made->text.reveal_text());
  restart();
  run([](Sessions* s, Secret t) -> net::Task<int> {
    Actor finder;  // by name: g++ 12 frees a temporary of braces twice
    co_await s->found_key(std::move(t), finder);
    co_return 0;
  }(sessions.get(), Secret(key)));
  fill();
  EXPECT_EQ(verdict(key, Audience::access), Reason::credential_unknown);
  EXPECT_FALSE(run(users->notices(people[0].id))->empty());
}

TEST_F(FillingTest, WhatIsRevokedBetweenTwoTurnsStaysOut) {
  turn();  // the sessions are here, their tokens are not
  ASSERT_TRUE(run(sessions->revoke(Revocation::all_of(people[4].id), {})).durable);
  const std::string late = [&] {
    recall(people[0].handle);
    return token(people[0].handle);
  }();
  fill();
  EXPECT_EQ(verdict_of(4), Reason::credential_unknown);
  EXPECT_EQ(verdict(late, Audience::access), Reason::ok) << "issued meanwhile";
  EXPECT_EQ(sessions->size(), 5U);
}

TEST_F(FillingTest, ActivityIsNotSetBackByWhatComesIn) {
  recall(tokens[0]);
  clock.advance(40min);
  EXPECT_EQ(verdict_of(0), Reason::ok);  // noted here, not yet in the rows
  fill();
  clock.advance(40min);
  EXPECT_EQ(verdict_of(0), Reason::ok);
  EXPECT_EQ(verdict_of(5), Reason::session_idle);
}

TEST_F(FillingTest, MaintenanceFillsByItself) {
  auto running = spawn([](Sessions* s, net::Core* core) -> net::Task<int> {
    co_await s->maintain(*core);
    co_return 1;
  }(sessions.get(), &cores->at(0)));
  for (int i = 0; i < 300 && !sessions->whole(); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(sessions->whole());
  for (std::size_t i = 0; i < people.size(); ++i) EXPECT_EQ(verdict_of(i), Reason::ok) << i;
  sessions->stop();
  EXPECT_EQ(running.get(), 1);
}

TEST_F(FillingTest, FewAreThereFromTheBeginning) {
  options_session.at_start = 100;
  restart();
  EXPECT_TRUE(sessions->whole());
  EXPECT_EQ(verdict_of(0), Reason::ok);
}

TEST_F(FillingTest, AKeyComesWithWhatWasUnlockedForIt) {
  recall(people[0].handle);
  const auto by = [&] { return actor_of(who(people[0].handle), source, "test", {}); };
  clock.advance(30s);
  auto made = run(sessions->create_key(who(people[0].handle), {"laptop", "{}", kUsualKey}, Answer(Secret(people[0].app.code(clock.wall()))), by()));
  ASSERT_TRUE(made) << made.error().detail;
  const std::string key(made->text.reveal_text());
  clock.advance(30s);
  UnlockWish wish;
  wish.credential = sessions->identify(key, Audience::access, {}, clock.now())->handle;
  wish.source = *SourceKey::parse("198.51.100.7");
  wish.lasts = 1h;
  wish.purpose = "key.unlock test";
  auto unlocked = run(sessions->unlock(who(people[0].handle), wish, Answer(Secret(people[0].app.code(clock.wall()))), by()));
  ASSERT_TRUE(unlocked) << unlocked.error().detail;
  restart();
  const auto at = Presented::at(source, "lab");
  EXPECT_FALSE(sessions->identify(key, Audience::access, at, clock.now()));
  recall(key);
  const auto fetched = sessions->identify(key, Audience::access, at, clock.now());
  ASSERT_TRUE(fetched);
  EXPECT_EQ(fetched->evidence.size(), 2U);
  restart();
  fill();
  const auto filled = sessions->identify(key, Audience::access, at, clock.now());
  ASSERT_TRUE(filled);
  EXPECT_EQ(filled->evidence.size(), 2U);
}

}  // namespace
}  // namespace vestibule::session
