#include "session/keys.hpp"

#include <thread>

#include "net/signal.hpp"
#include "session/tests/people.hpp"

namespace vestibule::session {
namespace {

using namespace std::chrono_literals;
using testing::PeopleWorld;

class Keys : public ::testing::Test, public PeopleWorld {
 protected:
  void SetUp() override {
    file = folder / "vestibule.db";
    open();
  }
  void restart(const std::string& boot_id) {
    options_session.boot_id = boot_id;
    PeopleWorld::restart();
  }
  static Presented from(std::string_view at) { return Presented::at(*domain::Source::parse(at), "lab"); }
  Result<CreatedKey> create(Person& p, const std::string& name, const std::string& scope = "{}", Duration ttl = kUsualKey) {
    clock.advance(30s);
    const Identified i = who(p.handle);
    return run(sessions->create_key(i, {name, scope, ttl}, Answer(Secret(p.app.code(clock.wall()))), actor_of(i, source, "test", {})));
  }
  std::string key(Person& p, const std::string& name, Duration ttl = kUsualKey) {
    auto made = create(p, name, "{}", ttl);
    EXPECT_TRUE(made) << (made ? "" : made.error().detail);
    return made ? std::string(made->text.reveal_text()) : std::string();
  }
  Reason unlock(Person& p, const std::string& text, std::string_view at = kDesk, Duration lasts = 12h) {
    clock.advance(30s);
    UnlockWish w;
    w.credential = sessions->identify(text, Audience::access, {}, clock.now())->handle;
    w.source = *SourceKey::parse(at);
    w.lasts = lasts;
    w.purpose = "key.unlock test";
    const Identified i = who(p.handle);
    auto r = run(sessions->unlock(i, std::move(w), Answer(Secret(p.app.code(clock.wall()))), actor_of(i, source, "test", {})));
    return r ? Reason::ok : r.error().code;
  }
  /// -1: refused.
  int level_of(const std::string& text, std::string_view at = kDesk) {
    const auto r = sessions->identify(text, Audience::access, from(at), clock.now());
    return r ? domain::level(r->evidence, clock.now(), true, 24h) : -1;
  }
  KeyInfo only(UserId user) {
    auto all = run(sessions->keys(user));
    EXPECT_TRUE(all && all->size() == 1);
    return all && !all->empty() ? all->front() : KeyInfo{};
  }
};

TEST_F(Keys, SurviveARestartWithTheirUnlocks) {
  Person p = person("alice");
  const std::string k = key(p, "nightly");
  ASSERT_EQ(unlock(p, k), Reason::ok);
  restart("boot-1");
  EXPECT_EQ(level_of(k), 2);
  EXPECT_EQ(level_of(k, kThief), 0);
  restart("boot-2");
  EXPECT_EQ(level_of(k), 2) << "by the wall clock";
  clock.advance(12h + 1s);
  EXPECT_EQ(level_of(k), 0);
}

TEST_F(Keys, RestoreAndAnAcceptedClockPutThemToSleep) {
  Person p = person("alice");
  const std::string k = key(p, "nightly");
  ASSERT_EQ(unlock(p, k), Reason::ok);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return void_after_restore(tx, clock.wall()); }));
  EXPECT_EQ(verdict(p.handle), Reason::credential_unknown);
  EXPECT_EQ(level_of(k), 0) << "asleep, but there";
  restart("boot-1");
  EXPECT_EQ(level_of(k), 0);

  Person q = person("bob");
  const std::string other = key(q, "nightly");
  ASSERT_EQ(unlock(q, other), Reason::ok);
  const WallTime right = clock.wall();
  clock.set_wall(right + 48h);
  ASSERT_TRUE(run(sessions->maintain_once()));
  clock.set_wall(right);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return accept_clock(tx, right); }));
  EXPECT_EQ(level_of(other), 0);
}

TEST_F(Keys, Expire) {
  Person p = person("alice");
  const std::string k = key(p, "brief", 10min);
  ASSERT_EQ(unlock(p, k), Reason::ok);
  clock.advance(9min);
  EXPECT_EQ(level_of(k), 2);
  const WallTime before = clock.wall();
  clock.advance(2min);
  EXPECT_EQ(level_of(k), -1);
  clock.set_wall(before);
  EXPECT_EQ(level_of(k), -1) << "a clock set back brings nothing to life";
  EXPECT_FALSE(create(p, "for ever", "{}", kLongestKey + 1s));
  EXPECT_FALSE(create(p, "never", "{}", 0s));
}

TEST_F(Keys, SixtyFourAUser) {
  Person p = person("alice");
  for (std::size_t i = 0; i < kMaxKeys; ++i) {
    EXPECT_EQ(verdict(p.handle), Reason::ok);
    ASSERT_TRUE(create(p, "k" + std::to_string(i))) << i;
  }
  EXPECT_EQ(create(p, "more").error().code, Reason::conflict);
  ASSERT_TRUE(run(sessions->revoke(Revocation::of_handle(run(sessions->keys(p.id))->front().handle), {})).durable);
  EXPECT_TRUE(create(p, "more"));
}

TEST_F(Keys, GoWithTheirOwner) {
  Person p = person("alice");
  const std::string k = key(p, "nightly");
  ASSERT_EQ(unlock(p, k), Reason::ok);
  ASSERT_TRUE(run(users->disable(p.id, administrator())));
  EXPECT_EQ(sessions->identify(k, Audience::access, from(kDesk), clock.now()).error().code, Reason::user_disabled);
  EXPECT_TRUE(only(p.id).unlocks.empty());
  ASSERT_TRUE(run(users->remove(p.id, administrator())));
  EXPECT_EQ(level_of(k), -1);
  EXPECT_TRUE(run(sessions->keys(UserId{}))->empty());
}

TEST_F(Keys, ADenialHoldsWithoutTheStore) {
  Person p = person("alice");
  const std::string k = key(p, "nightly");
  ASSERT_EQ(unlock(p, k), Reason::ok);
  const HandleKey handle = sessions->identify(k, Audience::access, {}, clock.now())->handle;
  hook.broken = true;
  EXPECT_FALSE(run(sessions->revoke(Revocation::of_handle(handle), {})).durable);
  EXPECT_EQ(level_of(k), -1);
  hook.broken = false;
  restart("boot-1");
  EXPECT_EQ(level_of(k), -1) << "over the end of the process";
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_TRUE(run(sessions->keys(p.id))->empty());
}

TEST_F(Keys, TheOwnerSeesWhoUsesIt) {
  Person p = person("alice");
  const std::string k = key(p, "nightly");
  EXPECT_FALSE(only(p.id).last_use);
  level_of(k, kDesk);
  clock.advance(30s);
  level_of(k, kThief);  // within the minute: not noted
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(only(p.id).last_source, kDesk);
  clock.advance(31s);
  level_of(k, kThief);
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(only(p.id).last_source, kThief) << "asleep or not";
  EXPECT_EQ(only(p.id).last_use, clock.wall());
}

TEST_F(Keys, StrangersAndOthersEndNothing) {
  Person alice = person("alice");
  Person bob = person("bob");
  const std::string k = key(alice, "nightly");
  const KeyInfo info = only(alice.id);
  EXPECT_EQ(unlock(bob, k), Reason::not_found);
  EXPECT_EQ(run(sessions->sleep_key(who(bob.handle), info.id, {})).error().code, Reason::not_found);
  EXPECT_EQ(run(sessions->sleep_key(who(alice.handle), KeyId{}, {})).error().code, Reason::not_found);
  // A session that is nobody's name stands behind every key: ending it must end none of them.
  ASSERT_TRUE(run(sessions->revoke(Revocation::of(SessionId{}), {})).durable);
  EXPECT_EQ(level_of(k), 0);
}

TEST_F(Keys, ManyAtOnceUnderRevocation) {
  Person p = person("alice");
  const std::string k = key(p, "nightly");
  ASSERT_EQ(unlock(p, k), Reason::ok);
  std::atomic<bool> over{false};
  std::vector<std::future<bool>> readers;
  for (unsigned core = 0; core < 2; ++core) {
    readers.push_back(spawn(
        [](Sessions* s, const std::string* text, Instant now, std::atomic<bool>* stop, net::Core* here) -> net::Task<bool> {
          std::size_t good = 0;
          while (!stop->load()) {
            for (int i = 0; i < 100; ++i) good += s->identify(*text, Audience::access, from(kDesk), now) ? 1 : 0;
            co_await net::sleep_for(*here, 1ms);
          }
          co_return good > 0 && !s->identify(*text, Audience::access, from(kDesk), now);
        }(sessions.get(), &k, clock.now(), &over, &cores->at(core)), core));
  }
  const HandleKey handle = sessions->identify(k, Audience::access, {}, clock.now())->handle;
  std::this_thread::sleep_for(50ms);
  ASSERT_TRUE(run(sessions->revoke(Revocation::of_handle(handle), {})).durable);
  EXPECT_EQ(level_of(k), -1);
  over = true;
  for (auto& r : readers) EXPECT_TRUE(r.get());
}

}  // namespace
}  // namespace vestibule::session
