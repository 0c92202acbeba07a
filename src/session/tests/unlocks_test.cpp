#include "session/unlocks.hpp"

#include "session/tests/people.hpp"

namespace vestibule::session {
namespace {

using namespace std::chrono_literals;
using testing::PeopleWorld;

TEST(SourceKey, Table) {
  struct Row {
    const char* a;
    const char* b;
    bool same;
  };
  const Row rows[] = {
      {"192.0.2.1", "192.0.2.1", true},
      {"192.0.2.1", "192.0.2.2", false},
      {"192.0.2.1", "::ffff:192.0.2.1", true},
      {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
      {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
      {"2001:db8:1:2::/64", "2001:db8:1:2::1", true},
      {"unix", "unix", true},
      {"unix", "::1", false},
      {"::", "0.0.0.0", false},
  };
  for (const Row& r : rows) {
    const auto a = SourceKey::parse(r.a);
    const auto b = SourceKey::parse(r.b);
    ASSERT_TRUE(a && b) << r.a;
    EXPECT_EQ(*a == *b, r.same) << r.a << " " << r.b;
    EXPECT_EQ(SourceKey::parse(a->text()), a) << a->text();
  }
  for (const char* bad : {"", "192.0.2.1/32", "192.0.2.1/64", "2001:db8::1/64", "2001:db8::/48", "/64", "localhost", "key:",
                          "key:00", "unix/64", "192.0.2", "key:zz"}) {
    EXPECT_FALSE(SourceKey::parse(bad)) << bad;
  }
  Digest thumbprint{};
  thumbprint[0] = 0xab;
  const SourceKey key = SourceKey::of_key(thumbprint);
  EXPECT_EQ(SourceKey::parse(key.text()), key);
  std::string upper = key.text();
  upper[4] = 'A';
  EXPECT_FALSE(SourceKey::parse(upper)) << "one spelling";
  EXPECT_FALSE(SourceKey() == SourceKey::of(*domain::Source::parse("::")));
  EXPECT_TRUE(SourceKey().nowhere() && SourceKey().text().empty());
}

class Unlocks : public ::testing::Test, public PeopleWorld {
 protected:
  void SetUp() override { open(); }

  static Presented from(std::string_view at, std::string_view point = "lab") {
    return Presented::at(*domain::Source::parse(at), point);
  }
  /// A person whose token has gone stale: its session's factor was proved hours ago.
  Person stale(const std::string& name) {
    Person p = person(name);
    token_ = token(p.handle);
    for (int i = 0; i < 4; ++i) {  // in use meanwhile
      clock.advance(50min);
      EXPECT_EQ(verdict(p.handle), Reason::ok);
    }
    return p;
  }
  int level_from(std::string_view at, std::string_view point = "lab", Duration max_age = 1h) {
    const auto r = sessions->identify(token_, Audience::access, from(at, point), clock.now());
    return r ? domain::level(r->evidence, clock.now(), clock.trusted(), max_age) : -1;
  }
  UnlockWish wish(std::string_view at, Duration lasts = 8h, std::string point = {}) {
    UnlockWish w;
    w.credential = identify(token_, Audience::access)->handle;
    w.source = *SourceKey::parse(at);
    w.access_point = std::move(point);
    w.lasts = lasts;
    w.purpose = "credential.unlock test";
    return w;
  }
  Reason unlock(const Person& p, UnlockWish w, std::string_view code) {
    const Identified i = who(p.handle);
    auto r = run(sessions->unlock(i, std::move(w), Answer(Secret(code)), actor_of(i, source, "test", {})));
    return r ? Reason::ok : r.error().code;
  }
  Reason unlock(Person& p, UnlockWish w) { return unlock(p, std::move(w), p.app.code(clock.wall())); }

  std::string token_;
};

TEST_F(Unlocks, AThiefElsewhereGainsNothing) {
  Person p = stale("alice");
  EXPECT_EQ(level_from(kDesk), 1) << "what she knows";
  ASSERT_EQ(unlock(p, wish(kDesk)), Reason::ok);
  EXPECT_EQ(level_from(kDesk), 2);
  EXPECT_EQ(level_from(kThief), 1);
  EXPECT_EQ(level_from("unix"), 1);
  const auto recorded = entries("credential.unlock");
  ASSERT_EQ(recorded.size(), 1U);
  EXPECT_NE(recorded[0].note.find("from 203.0.113.7"), std::string::npos);
  EXPECT_EQ(recorded[0].user, p.id.text());
}

TEST_F(Unlocks, OneAccessPointOrEvery) {
  Person p = stale("alice");
  ASSERT_EQ(unlock(p, wish(kDesk, 8h, "lab")), Reason::ok);
  EXPECT_EQ(level_from(kDesk, "lab"), 2);
  EXPECT_EQ(level_from(kDesk, "prod"), 1);
  EXPECT_EQ(level_from(kDesk, ""), 1);
}

TEST_F(Unlocks, AgesLikeEveryProofAndEndsAtItsEnd) {
  Person p = stale("alice");
  ASSERT_EQ(unlock(p, wish(kDesk, 2h)), Reason::ok);
  clock.advance(59min);
  EXPECT_EQ(level_from(kDesk), 2);
  clock.advance(2min);
  EXPECT_EQ(level_from(kDesk), 1) << "older than an hour";
  EXPECT_EQ(level_from(kDesk, "lab", 12h), 2) << "where twelve hours do";
  EXPECT_EQ(verdict(p.handle), Reason::ok);
  clock.advance(58min);
  EXPECT_EQ(level_from(kDesk, "lab", 12h), 2);
  clock.advance(2min);
  const auto r = sessions->identify(token_, Audience::access, from(kDesk), clock.now());
  ASSERT_TRUE(r);
  // Only the proof of the sign-in is left, which is older still.
  for (const domain::Proof& proof : r->evidence) EXPECT_GT(domain::age(proof, clock.now()), 2h);
}

TEST_F(Unlocks, RefusedAsAsked) {
  Person p = stale("alice");
  Person mallory = person("mallory", {"administrator"});
  clock.advance(1min);  // for a code that enrolment has not used
  const UnlockWish good = wish(kDesk);
  EXPECT_EQ(unlock(mallory, good), Reason::not_found) << "somebody else's, an administrator or not";
  UnlockWish w = good;
  w.lasts = 12h + 1us;
  EXPECT_EQ(unlock(p, w), Reason::invalid_argument);
  w.lasts = 0h;
  EXPECT_EQ(unlock(p, w), Reason::invalid_argument);
  w = good;
  w.source = SourceKey();
  EXPECT_EQ(unlock(p, w), Reason::invalid_argument);
  w = good;
  w.credential = who(p.handle).handle;
  EXPECT_EQ(unlock(p, w), Reason::not_found) << "the control session is nothing to unlock";
  w = good;
  w.credential[0] = static_cast<std::uint8_t>(w.credential[0] ^ 1U);
  EXPECT_EQ(unlock(p, w), Reason::not_found);
  EXPECT_EQ(unlock(p, good, "000000"), Reason::code_wrong);
  const Identified by_token = *identify(token_, Audience::access);
  auto r = run(sessions->unlock(by_token, good, Answer(Secret(p.app.code(clock.wall()))), {}));
  EXPECT_EQ(r.error().code, Reason::credential_audience) << "a token unlocks nothing";
  EXPECT_EQ(level_from(kDesk), 1);
  EXPECT_EQ(unlock(p, good), Reason::ok) << "after all that, and with the code that nothing has consumed";
}

TEST_F(Unlocks, OneCodeUnlocksOnce) {
  Person p = stale("alice");
  const std::string code = p.app.code(clock.wall());
  const Identified i = who(p.handle);
  std::vector<std::future<Result<WallTime>>> all;
  for (int n = 0; n < 100; ++n) {
    UnlockWish w = wish("10.0.0." + std::to_string(n));
    all.push_back(spawn(sessions->unlock(i, std::move(w), Answer(Secret(code)), {}), static_cast<unsigned>(n) % 2));
  }
  int good = 0;
  for (auto& f : all) good += f.get() ? 1 : 0;
  EXPECT_EQ(good, 1);
  int awake = 0;
  for (int n = 0; n < 100; ++n) awake += level_from("10.0.0." + std::to_string(n)) == 2 ? 1 : 0;
  EXPECT_EQ(awake, 1);
}

TEST_F(Unlocks, WhatGoesWithItGoesOrStaysWithIt) {
  Person p = stale("alice");
  UnlockWish w = wish(kDesk);
  w.also = [](store::Tx&) -> Result<void> { return fail(Reason::conflict); };
  const std::string code = p.app.code(clock.wall());
  EXPECT_EQ(unlock(p, w, code), Reason::conflict);
  EXPECT_EQ(level_from(kDesk), 1);
  bool done = false;
  w.also = [&](store::Tx&) -> Result<void> {
    done = true;
    return {};
  };
  EXPECT_EQ(unlock(p, w, code), Reason::ok) << "the code was not used up";
  EXPECT_TRUE(done);
}

TEST_F(Unlocks, EndWithWhatTheyRestOn) {
  struct Row {
    const char* name;
    std::function<void(Person&)> what;
  };
  const Row rows[] = {
      {"the credential revoked", [&](Person&) { (void)run(sessions->revoke(Revocation::of_handle(identify(token_, Audience::access)->handle), {})); }},
      {"its session revoked", [&](Person& p) { (void)run(sessions->revoke(Revocation::of(p.who.subject.session), {})); }},
      {"all sessions revoked", [&](Person& p) { (void)run(sessions->revoke(Revocation::all_of(p.id), {})); }},
      {"the owner disabled", [&](Person& p) { EXPECT_TRUE(run(users->disable(p.id, administrator()))); }},
      {"the password changed", [&](Person& p) {
         const Identified i = who(p.handle);
         EXPECT_TRUE(run(sessions->change_password(i, Secret(testing::kPassword), Secret("another long pass phrase"),
                                                   Answer(Secret(p.app.code(clock.wall()))), {})));
       }},
  };
  int n = 0;
  for (const Row& r : rows) {
    Person p = stale("user" + std::to_string(n++));
    ASSERT_EQ(unlock(p, wish(kDesk, 12h)), Reason::ok) << r.name;
    ASSERT_EQ(level_from(kDesk), 2) << r.name;
    clock.advance(1min);  // for the next code
    r.what(p);
    EXPECT_LT(level_from(kDesk), 2) << r.name;
    std::int64_t left = -1;
    auto read = database->read_blocking([&](store::Tx& tx) -> Result<void> {
      auto one = tx.one("SELECT COUNT(*) FROM credential_unlock WHERE account = $1", {p.id}, [&](const store::Row& row) { left = row.integer(0); });
      return one ? Result<void>{} : Result<void>(one.error());
    });
    ASSERT_TRUE(read);
    EXPECT_EQ(left, 0) << r.name;
  }
}

TEST_F(Unlocks, SixteenACredential) {
  Person p = stale("alice");
  for (int n = 0; n < 20; ++n) {
    ASSERT_EQ(unlock(p, wish("10.0.0." + std::to_string(n), 1h + std::chrono::minutes(n))), Reason::ok) << n;
    clock.advance(31s);
  }
  int awake = 0;
  for (int n = 0; n < 20; ++n) awake += level_from("10.0.0." + std::to_string(n)) == 2 ? 1 : 0;
  EXPECT_EQ(awake, 16);
  EXPECT_EQ(level_from("10.0.0.0"), 1) << "the one that ends first gave way";
}

}  // namespace
}  // namespace vestibule::session
