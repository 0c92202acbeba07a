#include "identity/resets.hpp"

#include <algorithm>
#include <map>
#include <thread>

#include "identity/recovery.hpp"
#include "identity/tests/world.hpp"

namespace vestibule::identity {
namespace {

using namespace std::chrono_literals;
using testing::kPassword;
using testing::World;

class ResetsTest : public ::testing::Test, public World {
 protected:
  void SetUp() override {
    open();
    root = make("root", {"administrator"});
    holds[root] = Holds::working;
  }
  void open_rooms_above() override {
    ResetOptions options;
    options.holds = [this](store::Tx&, UserId user) -> Result<Holds> { return holds[user]; };
    resets = std::make_unique<Resets>(*database, *users, *log, clock, rng, std::move(options));
  }
  void close_rooms_above() override { resets.reset(); }

  /// `maker` nil: nobody in particular.
  UserId make(const std::string& name, std::vector<std::string> roles = {"member"}, UserId maker = {}) {
    Users::Create what;
    what.name = name;
    what.roles = std::move(roles);
    Actor by = administrator();
    by.user = maker.is_nil() ? UserId::make(rng) : maker;
    auto id = run(users->create(what, by));
    EXPECT_TRUE(id) << (id ? "" : id.error().detail);
    auto set = run(users->set_password(*id, Secret(kPassword), administrator()));
    EXPECT_TRUE(set);
    return *id;
  }
  /// Nobody has signed in with it yet.
  UserId invited(const std::string& name) {
    Users::Create what;
    what.name = name;
    what.roles = {"member"};
    auto id = run(users->create(what, administrator()));
    EXPECT_TRUE(id);
    return *id;
  }
  UserId admin(const std::string& name, UserId maker = {}) {
    const UserId id = make(name, {"administrator"}, maker);
    holds[id] = Holds::working;
    return id;
  }
  UserId member(const std::string& name) {
    const UserId id = make(name);
    holds[id] = Holds::working;
    return id;
  }
  Actor as(UserId user) {
    Actor a;
    a.user = user;
    users->read(user, [&](const User& u) { a.name = u.name; });
    a.source = *domain::Source::parse("192.0.2.1");
    return a;
  }
  Result<Resets::Begun> begin(UserId by, UserId whom) {
    return database->write_blocking([&](store::Tx& tx) { return resets->begin_in(tx, whom, as(by)); });
  }
  ResetId asked(UserId by, UserId whom) {
    auto begun = begin(by, whom);
    EXPECT_TRUE(begun) << (begun ? "" : begun.error().detail);
    EXPECT_FALSE(begun->code);
    return begun->request;
  }
  Result<Secret> approve(UserId by, ResetId id) {
    return database->write_blocking([&](store::Tx& tx) { return resets->approve_in(tx, id, as(by)); });
  }
  Reason verdict(UserId by, ResetId id) {
    auto done = approve(by, id);
    return done ? Reason::ok : done.error().code;
  }
  std::size_t open_requests() {
    auto all = run(resets->list());
    EXPECT_TRUE(all);
    return all->size();
  }
  std::vector<std::string> kinds(UserId whom) {
    std::vector<std::string> out;
    auto all = run(users->notices(whom));
    for (const Notice& n : *all) out.emplace_back(name(n.kind));
    return out;
  }
  bool told(UserId whom, std::string_view kind) {
    const auto all = kinds(whom);
    return std::ranges::find(all, kind) != all.end();
  }
  void days(int n) { clock.advance(std::chrono::hours(24 * n)); }

  std::map<UserId, Holds, decltype([](const UserId& a, const UserId& b) { return a.bytes < b.bytes; })> holds;
  std::unique_ptr<Resets> resets;
  UserId root;
};

TEST_F(ResetsTest, ALoneAdministratorAndAFirstEnrolmentNeedNobodyElse) {
  const UserId maria = member("maria");
  auto alone = begin(root, maria);
  ASSERT_TRUE(alone && alone->code);
  EXPECT_TRUE(told(maria, "reset_done"));
  admin("toor");
  const UserId fresh = invited("new");
  auto first = begin(root, fresh);
  ASSERT_TRUE(first && first->code) << "no factor yet: there is nothing to take away";
  EXPECT_FALSE(begin(root, maria)->code);
  EXPECT_EQ(begin(root, root).error().code, Reason::invalid_argument);
}

TEST_F(ResetsTest, WhoIsBetweenPasswordAndFirstFactorIsNobodysToTake) {
  admin("toor");
  const UserId maria = make("maria");
  auto begun = begin(root, maria);
  ASSERT_TRUE(begun);
  EXPECT_FALSE(begun->code) << "her start was somebody else's doing";
  // Whoever issued the code that she began with may issue another.
  const UserId fresh = invited("new");
  auto first = begin(root, fresh);
  ASSERT_TRUE(first && first->code);
  auto job = [&](store::Tx& tx) { return tx.run("UPDATE account SET password = 'x', reset_by = $2 WHERE id = $1", {fresh, root}); };
  ASSERT_TRUE(database->write_blocking(job));
  EXPECT_TRUE(begin(root, fresh)->code);
}

TEST_F(ResetsTest, AnAdministratorUnderARunningResetStillCounts) {
  const UserId toor = admin("toor");
  const UserId maria = member("maria");
  auto code = run(users->create_enrolment_code(toor, administrator()));
  ASSERT_TRUE(code);
  auto prepared = run(users->prepare("toor", Secret(kPassword)));
  ASSERT_TRUE(prepared);
  auto use = [&](store::Tx& tx) { return users->use_enrolment_code_in(tx, code->reveal_text(), *prepared, as(toor)); };
  ASSERT_TRUE(database->write_blocking(use));
  holds[toor] = Holds::none;
  EXPECT_FALSE(begin(root, maria)->code) << "root alone took his chance";
  days(4);
  EXPECT_TRUE(begin(root, member("paul"))->code);
}

TEST_F(ResetsTest, AnAdministratorWithoutAFactorIsNoSecondOne) {
  const UserId toor = make("toor", {"administrator"});
  const UserId maria = member("maria");
  EXPECT_TRUE(begin(root, maria)->code);
  holds[toor] = Holds::disabled;
  EXPECT_TRUE(begin(root, maria)->code);
  holds[toor] = Holds::working;
  EXPECT_FALSE(begin(root, maria)->code);
}

TEST_F(ResetsTest, OneAsksAnotherApproves) {
  const UserId toor = admin("toor");
  const UserId maria = member("maria");
  days(4);
  auto begun = begin(root, maria);
  ASSERT_TRUE(begun);
  EXPECT_FALSE(begun->code);
  EXPECT_EQ(begun->approvers, 1U);
  EXPECT_TRUE(told(maria, "reset_requested")) << "so that she can object";
  EXPECT_TRUE(told(toor, "reset_requested"));
  EXPECT_EQ(verdict(root, begun->request), Reason::not_eligible) << "his own request";
  EXPECT_EQ(open_requests(), 1U) << "and it still stands";
  auto code = approve(toor, begun->request);
  ASSERT_TRUE(code) << code.error().detail;
  EXPECT_TRUE(run(users->check_enrolment_code(code->clone())));
  EXPECT_TRUE(told(maria, "reset_done"));
  EXPECT_TRUE(told(root, "reset_done"));
  EXPECT_EQ(verdict(toor, begun->request), Reason::not_found) << "once";
  EXPECT_EQ(entries("user.reset_request").size(), 1U);
  ASSERT_EQ(entries("user.reset_approve").size(), 1U);
  EXPECT_NE(entries("user.reset_approve")[0].note.find("asked for by root"), std::string::npos);
}

TEST_F(ResetsTest, NobodyApprovesThroughASecondAccountOfHis) {
  const UserId toor = admin("toor");
  const UserId maria = member("maria");
  days(4);
  // One that he has just made; it grows old; it stays his.
  const UserId puppet = admin("puppet", root);
  const ResetId first = asked(root, maria);
  EXPECT_EQ(verdict(puppet, first), Reason::not_eligible);
  days(4);
  const ResetId second = asked(root, maria);
  EXPECT_EQ(verdict(puppet, second), Reason::not_eligible) << "made by the one who asks";
  ASSERT_TRUE(approve(toor, second));
  // The other way round: the puppet asks, its maker approves.
  const ResetId third = asked(puppet, maria);
  EXPECT_EQ(verdict(root, third), Reason::not_eligible);
  EXPECT_EQ(verdict(toor, third), Reason::ok);
}

TEST_F(ResetsTest, ASecondAccountThatWasResetIsNoOther) {
  const UserId toor = admin("toor");
  const UserId third = admin("third");
  const UserId maria = member("maria");
  days(4);
  // Root takes over toor with third's consent, by a code that third hands out.
  auto code = approve(third, asked(root, toor));
  ASSERT_TRUE(code);
  auto prepared = run(users->prepare("toor", Secret("a quite different phrase")));
  ASSERT_TRUE(prepared);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) {
    return users->use_enrolment_code_in(tx, code->reveal_text(), *prepared, as(toor));
  }));
  const ResetId id = asked(root, maria);
  EXPECT_EQ(verdict(toor, id), Reason::not_eligible) << "reset within 72 hours";
  days(4);
  const ResetId later = asked(third, maria);
  EXPECT_EQ(verdict(toor, later), Reason::not_eligible) << "reset by the one who asks";
  EXPECT_EQ(verdict(root, later), Reason::ok);
}

TEST_F(ResetsTest, NewOrChangedAccountsApproveNothing) {
  const UserId toor = make("toor");
  holds[toor] = Holds::working;
  const UserId maria = member("maria");
  days(10);
  ASSERT_TRUE(run(users->set_roles(toor, {"administrator"}, administrator())));
  const ResetId id = asked(root, maria);
  auto done = approve(toor, id);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Reason::not_eligible);
  EXPECT_NE(done.error().detail.find("72 hours"), std::string::npos);
  clock.advance(73h);
  EXPECT_EQ(verdict(toor, id), Reason::not_found) << "it has expired meanwhile";
  EXPECT_EQ(verdict(toor, asked(root, maria)), Reason::ok);
}

TEST_F(ResetsTest, ThePersonIsNoApproverAndWithoutAFactorNobodyIs) {
  const UserId toor = admin("toor");
  const UserId third = admin("third");
  days(4);
  const ResetId id = asked(root, toor);
  EXPECT_EQ(verdict(toor, id), Reason::not_eligible) << "his own reset";
  holds[third] = Holds::disabled;
  EXPECT_EQ(verdict(third, id), Reason::not_eligible);
  EXPECT_EQ(verdict(member("maria"), id), Reason::role_required);
  EXPECT_EQ(open_requests(), 1U);
}

// Whoever wants to be the only administrator shuts the others out first.
TEST_F(ResetsTest, OnesThatWereShutOutStillCount) {
  const UserId maria = member("maria");
  for (const int way : {0, 1, 2}) {
    const UserId other = admin("other" + std::to_string(way));
    days(4);
    const Result<void> out = way == 0   ? run(users->disable(other, as(root)))
                             : way == 1 ? run(users->set_roles(other, {"member"}, as(root)))
                                        : run(users->remove(other, as(root)));
    ASSERT_TRUE(out) << way;
    auto begun = begin(root, maria);
    ASSERT_TRUE(begun) << way;
    EXPECT_FALSE(begun->code) << way;
    EXPECT_EQ(begun->approvers, 0U) << way;
    days(4);
    auto later = begin(root, maria);
    ASSERT_TRUE(later && later->code) << way << ": long enough for somebody to notice";
  }
}

TEST_F(ResetsTest, OneOpenRequestAUserAndItEndsWithItsTime) {
  const UserId toor = admin("toor");
  const UserId maria = member("maria");
  days(4);
  const ResetId id = asked(root, maria);
  EXPECT_EQ(begin(toor, maria).error().code, Reason::conflict);
  EXPECT_EQ(begin(root, maria).error().code, Reason::conflict);
  clock.advance(24h + 1s);
  EXPECT_EQ(verdict(toor, id), Reason::not_found);
  EXPECT_EQ(open_requests(), 0U);
  EXPECT_TRUE(begin(root, maria));
}

TEST_F(ResetsTest, OlderCodesAreNoWayAround) {
  const UserId maria = member("maria");
  auto alone = begin(root, maria);
  ASSERT_TRUE(alone && alone->code);
  admin("toor");
  asked(root, maria);
  EXPECT_EQ(run(users->check_enrolment_code(alone->code->clone())).error().code, Reason::credential_unknown);
}

TEST_F(ResetsTest, DecliningEndsItAndIsTold) {
  const UserId toor = admin("toor");
  const UserId maria = member("maria");
  days(4);
  const ResetId id = asked(root, maria);
  ASSERT_TRUE(run(resets->decline(id, as(maria))));
  EXPECT_TRUE(told(root, "reset_declined"));
  EXPECT_FALSE(told(maria, "reset_declined")) << "she did it";
  EXPECT_EQ(verdict(toor, id), Reason::not_found);
  EXPECT_EQ(run(resets->decline(id, as(maria))).error().code, Reason::not_found);
  ASSERT_TRUE(run(resets->decline(asked(root, maria), as(toor))));
  EXPECT_TRUE(told(maria, "reset_declined"));
  EXPECT_EQ(entries("user.reset_decline").size(), 2U);
}

TEST_F(ResetsTest, ItEndsWithEitherOfThem) {
  const UserId toor = admin("toor");
  const UserId third = admin("third");
  const UserId maria = member("maria");
  days(4);
  ResetId id = asked(third, maria);
  ASSERT_TRUE(run(users->disable(third, as(root))));
  EXPECT_EQ(verdict(toor, id), Reason::not_found) << "asked for by one who was shut out since";
  ASSERT_TRUE(run(users->enable(third, as(root))));
  EXPECT_EQ(open_requests(), 0U) << "and does not come back";
  id = asked(third, maria);
  ASSERT_TRUE(run(users->set_roles(third, {"member"}, as(root))));
  EXPECT_EQ(verdict(toor, id), Reason::not_found);
  id = asked(root, maria);
  ASSERT_TRUE(run(users->disable(maria, as(root))));
  EXPECT_EQ(verdict(toor, id), Reason::not_found);
  ASSERT_TRUE(run(users->enable(maria, as(root))));
  id = asked(root, maria);
  ASSERT_TRUE(run(users->remove(maria, as(root))));
  EXPECT_EQ(verdict(toor, id), Reason::not_found) << "removed meanwhile";
}

// The store may refuse the disabling: the bar in memory counts.
TEST_F(ResetsTest, ABarredAdministratorNeitherAsksNorApproves) {
  const UserId toor = admin("toor");
  const UserId third = admin("third");
  const UserId maria = member("maria");
  days(4);
  const ResetId id = asked(third, maria);
  hook.broken = true;
  EXPECT_FALSE(run(users->disable(toor, as(root))));
  EXPECT_FALSE(run(users->disable(third, as(root))));
  hook.broken = false;
  Reason why = verdict(toor, id);
  for (int i = 0; i < 50 && why == Reason::store_unavailable; ++i) {
    std::this_thread::sleep_for(100ms);
    why = verdict(toor, id);
  }
  EXPECT_EQ(why, Reason::conflict) << "who asked is barred";
  ASSERT_TRUE(run(resets->decline(id, as(root))));
  EXPECT_EQ(verdict(toor, asked(root, maria)), Reason::not_eligible) << "so is he";
}

TEST_F(ResetsTest, TwoApprovalsAtOnceMakeOneCode) {
  const UserId toor = admin("toor");
  const UserId third = admin("third");
  const UserId maria = member("maria");
  days(4);
  for (int round = 0; round < 10; ++round) {
    const ResetId id = asked(root, maria);
    std::vector<Reason> got(8);
    const Actor actors[] = {as(toor), as(third)};  // other threads must not read tables
    std::vector<std::thread> all;
    for (std::size_t i = 0; i < got.size(); ++i) {
      all.emplace_back([&, i] {
        auto done = database->write_blocking([&](store::Tx& tx) { return resets->approve_in(tx, id, actors[i % 2]); });
        got[i] = done ? Reason::ok : done.error().code;
      });
    }
    for (std::thread& t : all) t.join();
    EXPECT_EQ(std::ranges::count(got, Reason::ok), 1);
    EXPECT_EQ(std::ranges::count(got, Reason::not_found), 7);
  }
}

TEST_F(ResetsTest, RestoreAndASetClockVoidRequests) {
  admin("toor");
  const UserId maria = member("maria");
  asked(root, maria);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return void_after_restore(tx); }));
  EXPECT_EQ(open_requests(), 0U);
  asked(root, maria);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return accept_clock(tx, clock.wall()); }));
  EXPECT_EQ(open_requests(), 0U);
}

// --- by the operator of the host

TEST_F(ResetsTest, TheHostRecoversAndEverybodyHears) {
  const UserId toor = admin("toor");
  const UserId maria = member("maria");
  const ResetId id = asked(root, maria);
  const auto recover = [&](std::string_view name) {
    return database->write_blocking([&](store::Tx& tx) { return recover_in(tx, *mint, rng, name, clock.wall()); });
  };
  auto code = recover("maria");
  ASSERT_TRUE(code) << code.error().detail;
  for (const UserId whom : {root, toor, maria}) EXPECT_TRUE(told(whom, "host_recovery"));
  EXPECT_EQ(verdict(toor, id), Reason::not_found) << "the request is void";
  EXPECT_EQ(run(users->check_enrolment_code(code->clone()))->id, maria);
  auto again = recover("maria");
  ASSERT_TRUE(again);
  EXPECT_EQ(run(users->check_enrolment_code(code->clone())).error().code, Reason::credential_unknown) << "one code";
  clock.advance(61min);
  EXPECT_EQ(run(users->check_enrolment_code(again->clone())).error().code, Reason::credential_unknown) << "for an hour";
  const auto shown = [&] {
    return database->read_blocking([&](store::Tx& tx) { return host_recoveries_in(tx, clock.wall()); })->size();
  };
  EXPECT_EQ(shown(), 2U);
  days(29);
  EXPECT_EQ(shown(), 2U);
  days(1);
  EXPECT_EQ(shown(), 0U);
  EXPECT_EQ(recover("nobody").error().code, Reason::user_unknown);
  ASSERT_TRUE(run(users->disable(maria, as(root))));
  EXPECT_EQ(recover("maria").error().code, Reason::user_disabled);
}

}  // namespace
}  // namespace vestibule::identity
