#include "identity/service_accounts.hpp"

#include <algorithm>

#include "identity/recovery.hpp"
#include "identity/tests/world.hpp"

namespace vestibule::identity {
namespace {

using testing::kPassword;
using testing::World;

class ServiceAccountsTest : public ::testing::Test, public World {
 protected:
  void SetUp() override {
    open();
    root = make("root", {"administrator"});
    alice = make("alice");
    bob = make("bob");
  }
  void open_rooms_above() override {
    services = std::make_unique<ServiceAccounts>(*database, *users, *log, clock, rng);
    users->on_handover([this](store::Tx&, UserId id) -> Result<void> {
      handed.push_back(id);
      return {};
    });
  }
  void close_rooms_above() override { services.reset(); }

  UserId make(const std::string& name, std::vector<std::string> roles = {"member"}) {
    Users::Create what;
    what.name = name;
    what.roles = std::move(roles);
    auto id = run(users->create(what, administrator()));
    EXPECT_TRUE(id);
    return *id;
  }
  Actor as(UserId user) {
    Actor a = administrator();
    a.user = user;
    users->read(user, [&](const User& u) { a.name = u.name; });
    return a;
  }
  template <class F>
  Reason write(F&& f) {
    auto done = database->write_blocking([&](store::Tx& tx) -> Result<void> {
      auto r = f(tx);
      if (!r) return std::move(r).error();
      return {};
    });
    return done ? Reason::ok : done.error().code;
  }
  Result<UserId> create(const std::string& name, UserId sponsor, UserId by, std::vector<std::string> roles = {"member"}) {
    return database->write_blocking([&](store::Tx& tx) {
      ServiceAccounts::Create what{name, "", roles, sponsor};
      return services->create_in(tx, what, as(by));
    });
  }
  Service look(const std::string& name) {
    auto found = run(services->look(name));
    EXPECT_TRUE(found) << name;
    return found ? *found : Service{};
  }
  Reason offer(UserId service, UserId person, Part part, UserId by) {
    return write([&](store::Tx& tx) { return services->offer_in(tx, service, person, part, as(by)); });
  }
  Reason accept(const std::string& name, UserId person, Part part) {
    const Service s = look(name);
    const std::string purpose = accept_purpose(s, part, as(person).name.view());
    return write([&](store::Tx& tx) { return services->accept_in(tx, s.id, part, purpose, as(person)); });
  }
  Reason take_over(const std::string& name, UserId person) {
    const Service s = look(name);
    const std::string purpose = take_over_purpose(s, as(person).name.view());
    return write([&](store::Tx& tx) { return services->take_over_in(tx, s.id, purpose, as(person)); });
  }
  bool tends(UserId person, UserId account) {
    return *database->read_blocking([&](store::Tx& tx) { return tends_in(tx, person, account); });
  }
  std::size_t notices(UserId person, NoticeKind kind) {
    const auto all = run(users->notices(person));
    return static_cast<std::size_t>(std::ranges::count(*all, kind, &Notice::kind));
  }

  std::unique_ptr<ServiceAccounts> services;
  std::vector<UserId> handed;
  UserId root, alice, bob;
};

TEST_F(ServiceAccountsTest, OneNameHasOneAccount) {
  EXPECT_EQ(create("bob", alice, alice).error().code, Reason::user_exists);
  ASSERT_TRUE(create("crawler", alice, alice));
  EXPECT_EQ(create("crawler", alice, alice).error().code, Reason::user_exists);
  Users::Create what;
  what.name = "crawler";
  EXPECT_EQ(run(users->create(what, administrator())).error().code, Reason::user_exists);
  EXPECT_FALSE(run(services->look("alice"))) << "a person is no service account";
}

TEST_F(ServiceAccountsTest, HasNoPasswordNoEnrolmentNoRoleOfTheGatewaysOwn) {
  const UserId id = *create("crawler", alice, alice);
  EXPECT_EQ(run(users->create_enrolment_code(id, as(root))).error().code, Reason::conflict);
  EXPECT_EQ(write([&](store::Tx& tx) { return recover_in(tx, *mint, rng, "crawler", clock.wall()); }), Reason::conflict);
  EXPECT_FALSE(run(users->set_password(id, Secret(kPassword), as(root))));
  EXPECT_FALSE(run(users->verify_password("crawler", Secret(kPassword), as(root))));
  EXPECT_EQ(run(users->set_roles(id, {"administrator"}, as(root))).error().code, Reason::conflict);
  EXPECT_EQ(run(users->set_groups(id, {"ops"}, as(root))).error().code, Reason::conflict);
  for (const std::string role : {"administrator", "auditor"}) EXPECT_EQ(create("other", alice, alice, {role}).error().code, Reason::invalid_argument) << role;
  EXPECT_EQ(create("other", alice, alice, {}).error().code, Reason::invalid_argument);
  EXPECT_EQ(create("other", id, alice).error().code, Reason::user_unknown) << "no service answers for another";
  EXPECT_EQ(create("other", UserId::make(rng), alice).error().code, Reason::user_unknown);
}

TEST_F(ServiceAccountsTest, SleepsUntilItsSponsorHasAccepted) {
  const UserId id = *create("crawler", alice, root);
  EXPECT_EQ(users->standing(id), Users::Standing::asleep);
  EXPECT_EQ(notices(alice, NoticeKind::service_offered), 1U);
  EXPECT_FALSE(tends(alice, id));
  EXPECT_EQ(accept("crawler", bob, Part::sponsor), Reason::not_found) << "nobody has asked him";
  EXPECT_EQ(accept("crawler", root, Part::sponsor), Reason::not_found) << "administrators included";
  ASSERT_EQ(accept("crawler", alice, Part::sponsor), Reason::ok);
  EXPECT_EQ(users->standing(id), Users::Standing::good);
  EXPECT_TRUE(tends(alice, id));
  EXPECT_EQ(accept("crawler", alice, Part::sponsor), Reason::not_found) << "once";
  domain::Subject who;
  EXPECT_EQ(users->fill(id, who), Users::Standing::good);
  EXPECT_EQ(who.sponsor.user, alice);
  EXPECT_EQ(who.sponsor.name.view(), "alice");
  EXPECT_EQ(entries("services.accept").size(), 1U);
}

TEST_F(ServiceAccountsTest, AcceptanceIsOfOneText) {
  ASSERT_TRUE(create("crawler", alice, root));
  ASSERT_TRUE(create("other", alice, root));
  const Service crawler = look("crawler");
  const Service other = look("other");
  const auto with = [&](const std::string& purpose, Part part) {
    return write([&](store::Tx& tx) { return services->accept_in(tx, crawler.id, part, purpose, as(alice)); });
  };
  EXPECT_EQ(with(accept_purpose(other, Part::sponsor, "alice"), Part::sponsor), Reason::conflict);
  EXPECT_EQ(with(accept_purpose(crawler, Part::deputy, "alice"), Part::sponsor), Reason::conflict);
  EXPECT_EQ(with(accept_purpose(crawler, Part::sponsor, "bob"), Part::sponsor), Reason::conflict);
  EXPECT_EQ(with(take_over_purpose(crawler, "alice"), Part::sponsor), Reason::conflict);
  EXPECT_EQ(with(accept_purpose(crawler, Part::sponsor, "alice"), Part::sponsor), Reason::ok);
  // Another sponsor since: the deputy has read of somebody else.
  ASSERT_EQ(offer(crawler.id, bob, Part::deputy, alice), Reason::ok);
  const std::string read = accept_purpose(look("crawler"), Part::deputy, "bob");
  ASSERT_EQ(offer(crawler.id, root, Part::sponsor, root), Reason::ok);
  ASSERT_EQ(accept("crawler", root, Part::sponsor), Reason::ok);
  EXPECT_EQ(write([&](store::Tx& tx) { return services->accept_in(tx, crawler.id, Part::deputy, read, as(bob)); }), Reason::conflict);
  EXPECT_EQ(accept("crawler", bob, Part::deputy), Reason::ok);
}

TEST_F(ServiceAccountsTest, DeputiesAreTheSponsorsToAskAndTakeOverOnlyWhereHeHasLeft) {
  const UserId id = *create("crawler", alice, alice);
  EXPECT_EQ(offer(id, bob, Part::deputy, bob), Reason::not_found);
  EXPECT_EQ(offer(id, bob, Part::deputy, root), Reason::not_found);
  EXPECT_EQ(offer(id, alice, Part::deputy, alice), Reason::conflict);
  ASSERT_EQ(offer(id, bob, Part::deputy, alice), Reason::ok);
  EXPECT_FALSE(tends(bob, id)) << "not before he has accepted";
  EXPECT_EQ(take_over("crawler", bob), Reason::not_found);
  ASSERT_EQ(accept("crawler", bob, Part::deputy), Reason::ok);
  EXPECT_TRUE(tends(bob, id));
  EXPECT_EQ(take_over("crawler", bob), Reason::conflict) << "she is there";

  ASSERT_TRUE(run(users->disable(alice, as(root))));
  EXPECT_EQ(users->standing(id), Users::Standing::asleep);
  EXPECT_EQ(entries("services.asleep").size(), 1U);
  EXPECT_EQ(notices(bob, NoticeKind::service_asleep), 1U);
  handed.clear();
  ASSERT_EQ(take_over("crawler", bob), Reason::ok);
  EXPECT_EQ(handed, std::vector{id}) << "what was approved before ends";
  EXPECT_EQ(users->standing(id), Users::Standing::good);
  ASSERT_TRUE(run(users->enable(alice, as(root))));
  EXPECT_FALSE(tends(alice, id)) << "she has lost it";
  EXPECT_EQ(look("crawler").sponsor()->person, bob);
  EXPECT_EQ(entries("services.take_over").size(), 1U);
}

TEST_F(ServiceAccountsTest, ASponsorWhoIsBarredInMemoryAloneIsGoneAtOnce) {
  const UserId id = *create("crawler", alice, alice);
  hook.broken = true;
  EXPECT_FALSE(run(users->disable(alice, as(root))));
  EXPECT_EQ(users->standing(id), Users::Standing::asleep);
  hook.broken = false;
  ASSERT_TRUE(run(users->maintain()));
  EXPECT_EQ(users->standing(id), Users::Standing::asleep);
}

TEST_F(ServiceAccountsTest, PeopleLeaveAndServicesGo) {
  const UserId id = *create("crawler", alice, alice);
  ASSERT_EQ(offer(id, bob, Part::deputy, alice), Reason::ok);
  ASSERT_EQ(accept("crawler", bob, Part::deputy), Reason::ok);
  ASSERT_TRUE(run(services->dismiss(id, bob, as(bob))));
  EXPECT_FALSE(tends(bob, id));
  EXPECT_EQ(run(services->dismiss(id, bob, as(alice))).error().code, Reason::not_found);
  ASSERT_EQ(offer(id, bob, Part::deputy, alice), Reason::ok);
  ASSERT_EQ(accept("crawler", bob, Part::deputy), Reason::ok);
  handed.clear();
  ASSERT_TRUE(run(users->remove(alice, as(root))));
  EXPECT_EQ(handed, std::vector{id});
  EXPECT_EQ(users->standing(id), Users::Standing::asleep);
  EXPECT_EQ(look("crawler").sponsor(), nullptr);
  ASSERT_EQ(take_over("crawler", bob), Reason::ok);
  ASSERT_TRUE(run(users->remove(id, as(root))));
  EXPECT_EQ(users->standing(id), Users::Standing::unknown);
  EXPECT_TRUE(run(services->list(bob))->empty());
  EXPECT_TRUE(run(services->list(UserId{}))->empty());
  ASSERT_TRUE(create("crawler", bob, bob)) << "the name is free again";
}

TEST_F(ServiceAccountsTest, SurviveARestartAndRace) {
  const UserId id = *create("crawler", alice, alice);
  ASSERT_EQ(offer(id, bob, Part::deputy, alice), Reason::ok);
  ASSERT_EQ(offer(id, root, Part::deputy, alice), Reason::ok);
  ASSERT_EQ(accept("crawler", bob, Part::deputy), Reason::ok);
  ASSERT_EQ(accept("crawler", root, Part::deputy), Reason::ok);
  ASSERT_TRUE(run(services->dismiss(id, alice, as(alice))));
  EXPECT_EQ(users->standing(id), Users::Standing::asleep);
  const Service before = look("crawler");
  const std::string first = take_over_purpose(before, "bob");
  const std::string second = take_over_purpose(before, "root");
  EXPECT_EQ(write([&](store::Tx& tx) { return services->take_over_in(tx, id, first, as(bob)); }), Reason::ok);
  EXPECT_EQ(write([&](store::Tx& tx) { return services->take_over_in(tx, id, second, as(root)); }), Reason::conflict) << "one of both";
  EXPECT_EQ(run(services->list(bob))->size(), 1U);
}

}  // namespace
}  // namespace vestibule::identity
