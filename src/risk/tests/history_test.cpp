#include "risk/history.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "factors/tests/world.hpp"

// Counts what the path of a request allocates.
namespace {
std::atomic<std::size_t> allocations{0};
}
void* operator new(std::size_t n) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
  throw std::bad_alloc();
}
void* operator new[](std::size_t n) { return operator new(n); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace vestibule::risk {
namespace {

using namespace std::chrono_literals;
using domain::Signal;
using domain::Signals;
using testing::App;
using testing::FactorWorld;

constexpr const char* kHome = "198.51.100.7";
constexpr const char* kAway = "203.0.113.5";

class HistoryTest : public ::testing::Test, public FactorWorld {
 protected:
  void SetUp() override {
    file = folder / "vestibule.db";
    open();
    alice = make_user("alice");
    app = enrol(alice);
  }
  void TearDown() override { close(); }
  std::vector<store::Migration> all_migrations() override {
    auto out = FactorWorld::all_migrations();
    out.insert(out.end(), migrations().begin(), migrations().end());
    return out;
  }
  void open_rooms_above() override {
    FactorWorld::open_rooms_above();
    auto opened = History::open(*database, *users, *factors, clock, options);
    ASSERT_TRUE(opened) << opened.error().detail;
    history = std::move(*opened);
  }
  void close_rooms_above() override {
    history.reset();
    FactorWorld::close_rooms_above();
  }

  identity::Actor from(UserId user, const char* source, const char* client = "curl/1") {
    identity::Actor a = known(user);
    a.source = *domain::Source::parse(source);
    a.client = client;
    return a;
  }
  App enrol(UserId user, const char* source = kHome) {
    const identity::Actor by = from(user, source);
    auto begun = database->write_blocking([&](store::Tx& tx) {
      return factors->begin_enrolment_in(tx, user, domain::FactorKind::totp, "phone", factors::Authority::enrol_grant, by, clock.now());
    });
    EXPECT_TRUE(begun) << begun.error().detail;
    App out(begun->secret.reveal_text(), begun->parameters);
    auto confirmed = database->write_blocking([&](store::Tx& tx) -> Result<bool> {
      auto charged = factors->charge_enrolment_in(tx, user, begun->id, clock.now());
      if (!charged) return std::move(charged).error();
      auto done = factors->confirm_in(tx, user, begun->id, out.code(clock.wall()), by, clock.now());
      if (!done) return std::move(done).error();
      return true;
    });
    EXPECT_TRUE(confirmed) << confirmed.error().detail;
    return out;
  }
  Reason answer(const identity::Actor& by, const std::string& code) {
    factors::Attempt a;
    a.answer = Secret(code);
    a.purpose = "step-up";
    a.by = by;
    auto act = [](store::Tx&, const domain::Proof&) -> Result<bool> { return true; };
    auto done = run(factors->prove_and(std::move(a), act));
    return done ? Reason::ok : done.error().code;
  }
  void prove(const char* source, const char* client = "curl/1") {
    clock.advance(30s);
    ASSERT_EQ(answer(from(alice, source, client), app.code(clock.wall())), Reason::ok);
  }
  Signals at(const char* source, const char* client = "curl/1") {
    return history->signals(alice, *domain::Source::parse(source), client, clock.now());
  }
  void wrong(int times) {
    for (int i = 0; i < times; ++i) {
      clock.advance(1s);
      EXPECT_EQ(answer(from(alice, kHome), app.wrong(clock.wall())), Reason::code_wrong);
      clock.advance(31s);  // over the wait that five misses bring
    }
  }

  Options options;
  std::unique_ptr<History> history;
  UserId alice;
  App app;
};

TEST_F(HistoryTest, WhereSomebodyBeganIsKnownAndElsewhereIsNot) {
  EXPECT_TRUE(at(kHome).none());
  EXPECT_TRUE(at("198.51.100.250").none());
  EXPECT_EQ(at(kAway), Signals().raise(Signal::new_source));
  EXPECT_EQ(at("unix"), Signals().raise(Signal::new_source));
  EXPECT_EQ(at(kHome, "wget/1"), Signals().raise(Signal::new_client));
}

TEST_F(HistoryTest, ANetworkSettlesADayAfterItsFirstProof) {
  clock.advance(30 * 24h);
  prove(kAway);
  EXPECT_TRUE(at(kAway).has(Signal::new_source)) << "a proof alone does not make a network usual";
  clock.advance(23h);
  prove(kAway);
  EXPECT_TRUE(at(kAway).has(Signal::new_source)) << "nor do several";
  clock.advance(1h);
  EXPECT_FALSE(at(kAway).has(Signal::new_source));
  EXPECT_FALSE(at(kHome).has(Signal::new_source)) << "the old one stays";
}

TEST_F(HistoryTest, WhatIsUnusedForLongIsForgottenButNotTakenForTheBeginning) {
  clock.advance(91 * 24h);
  EXPECT_TRUE(at(kHome).has(Signal::new_source));
  prove(kAway);
  EXPECT_TRUE(at(kAway).has(Signal::new_source));
  clock.advance(25h);
  EXPECT_FALSE(at(kAway).has(Signal::new_source));
  EXPECT_TRUE(at(kHome).has(Signal::new_source));
}

TEST_F(HistoryTest, ItSurvivesARestart) {
  clock.advance(48h);
  prove(kAway);
  clock.advance(48h);
  close();
  open();
  EXPECT_FALSE(at(kAway).has(Signal::new_source));
  EXPECT_FALSE(at(kHome).has(Signal::new_source));
  EXPECT_TRUE(at("192.0.2.1").has(Signal::new_source));
}

TEST_F(HistoryTest, OfStrangersNothingIsKnownAndNothingIsRaised) {
  const UserId bob = make_user("bob");
  EXPECT_TRUE(history->signals(bob, *domain::Source::parse(kAway), "x", clock.now()).none());
  EXPECT_TRUE(history->signals(UserId{}, *domain::Source::parse(kAway), "x", clock.now()).none());
  for (int i = 0; i < 100; ++i) history->refused(bob, clock.now());
  EXPECT_TRUE(history->signals(bob, *domain::Source::parse(kAway), "x", clock.now()).none());
}

// Lock-out by noise: a password that is wrong never gets as far as a factor.
TEST_F(HistoryTest, AStrangerRaisesNothing) {
  identity::Actor stranger = from(alice, kAway);
  stranger.evidence = {};
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(answer(stranger, app.wrong(clock.wall())), Reason::mfa_required);
    auto asked = database->write_blocking([&](store::Tx& tx) {
      return factors->begin_in(tx, domain::FactorKind::webauthn, "step-up", stranger, clock.now());
    });
    EXPECT_FALSE(asked);
  }
  EXPECT_TRUE(at(kHome).none());
}

TEST_F(HistoryTest, ManyRefusalsCountForAWhile) {
  for (std::size_t i = 0; i + 1 < kManyRefusals; ++i) history->refused(alice, clock.now());
  EXPECT_TRUE(at(kHome).none());
  history->refused(alice, clock.now());
  EXPECT_EQ(at(kHome), Signals().raise(Signal::many_refusals));
  clock.advance(options.window);
  EXPECT_EQ(at(kHome), Signals().raise(Signal::many_refusals));
  clock.advance(1us);
  EXPECT_TRUE(at(kHome).none());
}

TEST_F(HistoryTest, WrongCodesAreRefusalsToo) {
  for (std::size_t i = 0; i + 4 < kManyRefusals; ++i) history->refused(alice, clock.now());
  wrong(3);
  EXPECT_TRUE(at(kHome).none());
  wrong(1);
  EXPECT_EQ(at(kHome), Signals().raise(Signal::many_refusals));
}

// A guess in three answers its question, and makes no place known.
TEST_F(HistoryTest, APickMakesNoPlaceKnown) {
  const identity::Actor away = from(alice, kAway);
  const auto put = [&](factors::Event event) {
    const auto done = database->write_blocking([&](store::Tx& tx) { return history->observe(tx, away, event, clock.now()); });
    ASSERT_TRUE(done);
  };
  for (std::size_t i = 0; i < 20; ++i) {
    put(factors::Event::asked);
    put(factors::Event::picked);
    clock.advance(1s);
  }
  EXPECT_FALSE(at(kAway).has(Signal::prompt_flood));
  clock.advance(25h);
  EXPECT_TRUE(at(kAway).has(Signal::new_source)) << "after a day still";
  put(factors::Event::answered);
  clock.advance(25h);
  EXPECT_FALSE(at(kAway).has(Signal::new_source)) << "what a real answer does";
}

// What a kind with questions tells: the counting is the same for all of them.
TEST_F(HistoryTest, QuestionsThatNobodyAnswersAreAFloodAndOneYesDoesNotEndIt) {
  const identity::Actor by = from(alice, kHome);
  const auto put = [&](factors::Event event) {
    const auto done = database->write_blocking([&](store::Tx& tx) { return history->observe(tx, by, event, clock.now()); });
    ASSERT_TRUE(done);
  };
  for (std::size_t i = 0; i < 20; ++i) {  // asked and answered: nothing
    put(factors::Event::asked);
    put(factors::Event::answered);
    clock.advance(1s);
  }
  EXPECT_TRUE(at(kHome).none());
  for (std::size_t i = 0; i < kManyPrompts + 1; ++i) {
    EXPECT_EQ(at(kHome).has(Signal::prompt_flood), i >= kManyPrompts) << i;
    clock.advance(1s);
    put(factors::Event::asked);
  }
  put(factors::Event::asked);
  put(factors::Event::answered);
  EXPECT_FALSE(at(kHome).none()) << "the answer takes its own question back and no other";
  clock.advance(options.window + 1s);
  EXPECT_TRUE(at(kHome).none());
}

TEST_F(HistoryTest, AClientSettlesOnceItWasLetIn) {
  EXPECT_TRUE(history->unheard(alice, "sdk/1"));
  EXPECT_FALSE(history->unheard(alice, "curl/9"));
  EXPECT_TRUE(run(history->heard(alice, "sdk")));
  EXPECT_FALSE(history->unheard(alice, "sdk/2"));
  EXPECT_EQ(at(kHome, "sdk/2"), Signals().raise(Signal::new_client));
  clock.advance(24h);
  EXPECT_TRUE(at(kHome, "sdk/2").none());
  // Of somebody unknown nothing is written down.
  const UserId bob = make_user("bob");
  EXPECT_TRUE(run(history->heard(bob, "sdk")));
  EXPECT_TRUE(history->signals(bob, *domain::Source::parse(kHome), "x", clock.now()).none());
}

TEST_F(HistoryTest, TheTablesAreBounded) {
  clock.advance(24h);
  for (int i = 0; i < 40; ++i) {
    const std::string source = "10.0." + std::to_string(i) + ".1";
    prove(source.c_str());
    EXPECT_TRUE(run(history->heard(alice, "sdk" + std::to_string(i))));
    if (i % 20 == 19) prove(kHome);  // its use is noted once a day
    clock.advance(25h);
  }
  const auto rows = [&](const char* sql) {
    std::int64_t n = 0;
    const auto counted = database->read_blocking([&](store::Tx& tx) {
      return tx.one(sql, {alice}, [&](const store::Row& row) { n = row.integer(0); });
    });
    EXPECT_TRUE(counted);
    return n;
  };
  EXPECT_EQ(rows("SELECT COUNT(*) FROM known_network WHERE account = $1"), static_cast<std::int64_t>(options.max_networks));
  EXPECT_EQ(rows("SELECT COUNT(*) FROM known_client WHERE account = $1"), static_cast<std::int64_t>(options.max_clients));
  EXPECT_FALSE(at(kHome).has(Signal::new_source)) << "what is used stays";
  EXPECT_FALSE(at("10.0.39.1").has(Signal::new_source));
  EXPECT_TRUE(at("10.0.0.1").has(Signal::new_source));
}

TEST_F(HistoryTest, ItGoesWithThePerson) {
  ASSERT_TRUE(run(users->remove(alice, administrator())));
  EXPECT_TRUE(at(kAway).none());
  std::int64_t left = -1;
  const auto counted = database->read_blocking([&](store::Tx& tx) {
    return tx.one("SELECT (SELECT COUNT(*) FROM known_network) + (SELECT COUNT(*) FROM known_client)", {},
                  [&](const store::Row& row) { left = row.integer(0); });
  });
  EXPECT_TRUE(counted);
  EXPECT_EQ(left, 0);
}

TEST_F(HistoryTest, ThePathOfARequestAllocatesNothing) {
  const domain::Source home = *domain::Source::parse(kHome);
  const domain::Source away = *domain::Source::parse(kAway);
  const std::string client(300, 'x');
  const Instant now = clock.now();
  const std::size_t before = allocations.load();
  for (int i = 0; i < 1000; ++i) {
    if (!history->signals(alice, home, "curl/1", now).none() && i < 10) abort();
    if (history->signals(alice, away, client, now).none()) abort();
    history->refused(alice, now);
    if (!history->unheard(alice, client)) abort();
  }
  EXPECT_EQ(allocations.load(), before);
}

}  // namespace
}  // namespace vestibule::risk
