// Credentials of service accounts: who makes and wakes them, what ends them.
#include "identity/service_accounts.hpp"
#include "session/tests/people.hpp"

namespace vestibule::session {
namespace {

using namespace std::chrono_literals;
using identity::Part;
using testing::PeopleWorld;

class ServicesTest : public ::testing::Test, public PeopleWorld {
 protected:
  void SetUp() override {
    file = folder / "vestibule.db";
    open();
    alice = person("alice");
    bob = person("bob");
    service = *database->write_blocking([&](store::Tx& tx) {
      return services->create_in(tx, {"crawler", "", {"member"}, alice.id}, as(alice));
    });
  }
  void open_rooms_above() override {
    PeopleWorld::open_rooms_above();
    services = std::make_unique<identity::ServiceAccounts>(*database, *users, *log, clock, rng);
  }
  void close_rooms_above() override {
    services.reset();
    PeopleWorld::close_rooms_above();
  }
  Actor as(const Person& p) { return actor_of(who(p.handle), source, "test", {}); }
  static Presented from(std::string_view at) { return Presented::at(*domain::Source::parse(at), "lab"); }

  Result<CreatedKey> create(Person& p, const std::string& name, const std::string& jwk = {}, UserId of = {}) {
    clock.advance(30s);
    KeyWish wish;
    wish.name = name;
    wish.scope = "{}";
    wish.service = of.is_nil() ? service : of;
    wish.service_name = "crawler";
    wish.jwk = jwk;
    const Identified i = who(p.handle);
    return run(sessions->create_key(i, std::move(wish), Answer(Secret(p.app.code(clock.wall()))), as(p)));
  }
  std::string key(Person& p, const std::string& name = "nightly") {
    auto made = create(p, name);
    EXPECT_TRUE(made) << (made ? "" : made.error().detail);
    return made ? std::string(made->text.reveal_text()) : std::string();
  }
  Reason unlock(Person& p, const HandleKey& credential, std::string_view at = kDesk) {
    clock.advance(30s);
    UnlockWish w;
    w.credential = credential;
    w.source = *SourceKey::parse(at);
    w.lasts = 12h;
    w.purpose = "key.unlock test";
    const Identified i = who(p.handle);
    auto r = run(sessions->unlock(i, std::move(w), Answer(Secret(p.app.code(clock.wall()))), as(p)));
    return r ? Reason::ok : r.error().code;
  }
  Reason unlock(Person& p, const std::string& text, std::string_view at = kDesk) {
    return unlock(p, sessions->identify(text, Audience::access, {}, clock.now())->credential, at);
  }
  /// -1: refused.
  int level_of(const std::string& text, std::string_view at = kDesk) {
    const auto r = sessions->identify(text, Audience::access, from(at), clock.now());
    return r ? domain::level(r->evidence, clock.now(), true, 24h) : -1;
  }
  Reason verdict_of(const std::string& text) {
    const auto r = sessions->identify(text, Audience::access, from(kDesk), clock.now());
    return r ? Reason::ok : r.error().code;
  }
  void offer(const Person& p, Part part = Part::deputy) {
    auto done = database->write_blocking([&](store::Tx& tx) { return services->offer_in(tx, service, p.id, part, as(alice)); });
    EXPECT_TRUE(done) << (done ? "" : done.error().detail);
  }
  void accept(const Person& p, Part part = Part::deputy) {
    const auto about = run(services->look("crawler"));
    const std::string purpose = identity::accept_purpose(*about, part, as(p).name.view());
    auto done = database->write_blocking([&](store::Tx& tx) { return services->accept_in(tx, service, part, purpose, as(p)); });
    EXPECT_TRUE(done) << (done ? "" : done.error().detail);
  }
  void deputise(const Person& p) {
    offer(p);
    accept(p);
  }
  std::string token(const HandleKey& of, const std::string& point = "lab", std::optional<Holder> holder = {}) {
    auto made = database->write_blocking([&](store::Tx& tx) {
      return sessions->issue_service_token_in(tx, {of, point, holder, 10min}, Actor{}, clock.now());
    });
    EXPECT_TRUE(made) << (made ? "" : info(made.error().code).code);
    return made ? std::string(made->handle.reveal_text()) : std::string();
  }
  KeyInfo only() {
    auto all = run(sessions->keys(service));
    EXPECT_TRUE(all && all->size() == 1U);
    return all && !all->empty() ? all->front() : KeyInfo{};
  }
  static std::string jwk() { return crypto::JwsKey::generate(crypto::JwsAlg::es256)->public_json(); }

  std::unique_ptr<identity::ServiceAccounts> services;
  Person alice, bob;
  UserId service;
};

TEST_F(ServicesTest, AKeyNamesServiceAndSponsorAndIsAsleep) {
  const std::string k = key(alice);
  const auto who = sessions->identify(k, Audience::access, from(kDesk), clock.now());
  ASSERT_TRUE(who);
  EXPECT_EQ(who->subject.user, service);
  EXPECT_EQ(who->subject.name.view(), "crawler");
  EXPECT_EQ(who->subject.sponsor.name.view(), "alice");
  EXPECT_EQ(who->subject.via.view(), "service crawler, key nightly");
  EXPECT_TRUE(who->evidence.empty());
  EXPECT_EQ(verdict(k), Reason::credential_audience) << "it opens no door of the portal";
  ASSERT_EQ(unlock(alice, k), Reason::ok);
  EXPECT_EQ(level_of(k), 2);
  EXPECT_EQ(level_of(k, kThief), 0);
  const auto made = entries("key.create");
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(made[0].object, "service crawler, key nightly");
  EXPECT_EQ(made[0].user_name, "alice");
}

TEST_F(ServicesTest, OnlyThoseWhoHaveAcceptedMakeOrWakeItsKeys) {
  EXPECT_EQ(create(bob, "mine").error().code, Reason::not_found);
  const std::string k = key(alice);
  EXPECT_EQ(unlock(bob, k), Reason::not_found);
  offer(bob);
  EXPECT_EQ(create(bob, "mine").error().code, Reason::not_found) << "asked is not accepted";
  EXPECT_EQ(unlock(bob, k), Reason::not_found);
  EXPECT_EQ(level_of(k), 0);
  accept(bob);
  EXPECT_EQ(unlock(bob, k), Reason::ok);
  EXPECT_EQ(level_of(k), 2);
  EXPECT_TRUE(create(bob, "mine"));
  EXPECT_EQ(create(alice, "theirs", {}, bob.id).error().code, Reason::not_found) << "a person's account is his own";
  EXPECT_EQ(run(sessions->tended_key(make_user("mallory"), run(sessions->keys(service))->front().id)).error().code, Reason::not_found);
}

TEST_F(ServicesTest, WhatItsApproverLosesEndsWhatHeHasOpened) {
  deputise(bob);
  const std::string k = key(alice);
  ASSERT_EQ(unlock(bob, k), Reason::ok);
  sessions->deny(Revocation::all_of(bob.id));
  EXPECT_EQ(level_of(k), 0) << "before the store knows";
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(level_of(k), 0) << "and since";
  bob.handle = started("bob");
  clock.advance(30s);
  ASSERT_EQ(prove(bob.handle, bob.app.code(clock.wall())), Reason::ok);
  ASSERT_EQ(unlock(bob, k), Reason::ok);
  ASSERT_TRUE(run(sessions->revoke(Revocation::all_of(bob.id), administrator())).durable);
  EXPECT_EQ(level_of(k), 0) << "all his sessions";
  ASSERT_EQ(unlock(alice, k), Reason::ok);
  ASSERT_TRUE(run(services->dismiss(service, bob.id, as(alice))));
  EXPECT_EQ(level_of(k), 0) << "other people answer for it";
}

TEST_F(ServicesTest, WithItsSponsorItFallsAsleepAtOnce) {
  deputise(bob);
  const std::string k = key(alice);
  ASSERT_EQ(unlock(bob, k), Reason::ok);
  const HandleKey handle = sessions->identify(k, Audience::access, {}, clock.now())->handle;
  EXPECT_TRUE(sessions->standing({}, service, handle, clock.now()));
  hook.broken = true;  // the store fails as well
  EXPECT_FALSE(run(users->disable(alice.id, administrator())));
  EXPECT_EQ(verdict_of(k), Reason::service_asleep);
  EXPECT_FALSE(sessions->standing({}, service, handle, clock.now())) << "what runs is cut";
  hook.broken = false;
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(verdict_of(k), Reason::service_asleep);
  const std::string purpose = identity::take_over_purpose(*run(services->look("crawler")), "bob");
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return services->take_over_in(tx, service, purpose, as(bob)); }));
  EXPECT_EQ(level_of(k), 0) << "awake, and nothing of before is open";
  ASSERT_EQ(unlock(bob, k), Reason::ok);
  EXPECT_EQ(level_of(k), 2);
}

TEST_F(ServicesTest, ARevocationOfTheSponsorThatIsNotStoredYetHoldsForItToo) {
  const std::string k = key(alice);
  ASSERT_EQ(unlock(alice, k), Reason::ok);
  sessions->deny(Revocation::all_of(alice.id));
  EXPECT_EQ(verdict_of(k), Reason::service_asleep);
  const auto listed = run(sessions->keys(service));
  EXPECT_FALSE(sessions->standing({}, service, listed->front().handle, clock.now()));
}

TEST_F(ServicesTest, RemovingOrDisablingTheServiceEndsAll) {
  const std::string k = key(alice);
  ASSERT_EQ(unlock(alice, k), Reason::ok);
  ASSERT_TRUE(run(users->disable(service, administrator())));
  EXPECT_EQ(verdict_of(k), Reason::user_disabled);
  ASSERT_TRUE(run(users->enable(service, administrator())));
  EXPECT_EQ(level_of(k), 0);
  ASSERT_TRUE(run(users->remove(service, administrator())));
  EXPECT_EQ(verdict_of(k), Reason::credential_unknown);
  EXPECT_TRUE(run(sessions->keys(service))->empty());
}

TEST_F(ServicesTest, ATokenIsWorthWhatWasOpenedForItsKey) {
  const std::string open = jwk();
  auto made = create(alice, "ci", open);
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_TRUE(made->text.empty()) << "nothing is handed out";
  EXPECT_EQ(create(alice, "again", open).error().code, Reason::conflict);
  const HandleKey k = only().handle;
  const std::string t = token(k);
  EXPECT_EQ(level_of(t), 0);
  const auto who = sessions->identify(t, Audience::access, from(kDesk), clock.now());
  EXPECT_EQ(who->bound.access_point.view(), "lab");
  EXPECT_EQ(who->credential, k);
  EXPECT_EQ(who->subject.via.view(), "service crawler, key ci");
  ASSERT_EQ(unlock(alice, who->credential), Reason::ok);
  EXPECT_EQ(level_of(t), 2);
  EXPECT_EQ(level_of(t, kThief), 0);
  EXPECT_EQ(level_of(token(k)), 2) << "the next one too";
  for (const Holder::Kind kind : {Holder::Kind::key, Holder::Kind::certificate}) {
    const Holder holder{kind, crypto::sha256(as_bytes("a key"))};
    const std::string bound = token(k, "lab", holder);
    EXPECT_EQ(sessions->identify(bound, Audience::access, from(kDesk), clock.now())->bound.holder, holder);
    EXPECT_EQ(level_of(bound), 0) << "an address does not wake what is bound to a key";
    restart();
    EXPECT_EQ(sessions->identify(bound, Audience::access, from(kDesk), clock.now())->bound.holder, holder) << "as the row has it";
  }
  EXPECT_EQ(level_of(t), 2);
  clock.advance(11min);
  EXPECT_EQ(verdict_of(t), Reason::credential_unknown) << "short";
}

TEST_F(ServicesTest, RevokingThePublicKeyEndsItsTokens) {
  ASSERT_TRUE(create(alice, "ci", jwk()));
  const HandleKey k = only().handle;
  const std::string t = token(k);
  ASSERT_EQ(verdict_of(t), Reason::ok);
  sessions->deny(Revocation::of_handle(k));
  EXPECT_EQ(verdict_of(t), Reason::credential_unknown) << "in memory first";
  ASSERT_TRUE(run(sessions->revoke(Revocation::of_handle(k), as(alice))).durable);
  EXPECT_EQ(verdict_of(t), Reason::credential_unknown);
  EXPECT_FALSE(database->write_blocking([&](store::Tx& tx) {
    return sessions->issue_service_token_in(tx, {k, "lab", {}, 10min}, Actor{}, clock.now());
  }));
}

TEST_F(ServicesTest, NoTokenIsGivenToWhatSleepsNorByAHandlesKey) {
  ASSERT_TRUE(create(alice, "ci", jwk()));
  const HandleKey k = only().handle;
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return void_after_restore(tx, clock.wall()); }));
  alice.handle.clear();
  const auto issue = [&](const HandleKey& of) {
    auto r = database->write_blocking([&](store::Tx& tx) { return sessions->issue_service_token_in(tx, {of, "lab", {}, 10min}, Actor{}, clock.now()); });
    return r ? Reason::ok : r.error().code;
  };
  EXPECT_EQ(issue(k), Reason::ok) << "keys survive a restore, asleep";
  ASSERT_TRUE(run(users->disable(alice.id, administrator())));
  EXPECT_EQ(issue(k), Reason::service_asleep);
  EXPECT_EQ(issue(crypto::sha256(as_bytes("nobody's"))), Reason::credential_unknown);
}

TEST_F(ServicesTest, PublicKeysOfPeopleAndPrivateOnesAreRefused) {
  KeyWish wish{"mine", "{}"};
  wish.jwk = jwk();
  const Identified i = who(alice.handle);
  EXPECT_EQ(run(sessions->create_key(i, wish, Answer(Secret("000000")), as(alice))).error().code, Reason::invalid_argument);
  const auto made = crypto::JwsKey::generate(crypto::JwsAlg::es256);
  EXPECT_EQ(create(alice, "leaked", std::string(made->secret().reveal_text())).error().code, Reason::invalid_argument);
  EXPECT_EQ(create(alice, "garbage", "{}").error().code, Reason::invalid_argument);
}

}  // namespace
}  // namespace vestibule::session
