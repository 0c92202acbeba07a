#include <gtest/gtest.h>

#include <algorithm>

#include "domain/act.hpp"

namespace vestibule::domain {
namespace {

using namespace std::chrono_literals;

struct World {
  ManualClock clock;
  CountingRng rng;
  Proof proof(FactorKind kind) {
    const Instant now = clock.now();
    return Proof{kind, traits_of(kind), FactorId::make(rng), now.wall, now.boot};
  }
};

TEST(Evidence, LevelIsDerivedFromAges) {
  World w;
  Evidence e;
  EXPECT_EQ(level(e, w.clock.now(), true, 1h), 0);
  e.add(w.proof(FactorKind::password));
  EXPECT_EQ(level(e, w.clock.now(), true, 1h), 1);
  e.add(w.proof(FactorKind::totp));
  EXPECT_EQ(level(e, w.clock.now(), true, 1h), 2);
  w.clock.advance(1h);
  EXPECT_EQ(level(e, w.clock.now(), true, 1h), 2) << "at the very limit it still counts";
  w.clock.advance(1us);
  EXPECT_EQ(level(e, w.clock.now(), true, 1h), 1) << "one microsecond later it does not";
}

TEST(Evidence, RecoveryCodeAndTwoPasswordsAreNoSecondFactor) {
  World w;
  Evidence e;
  e.add(w.proof(FactorKind::password));
  e.add(w.proof(FactorKind::password));
  e.add(w.proof(FactorKind::recovery_code));
  EXPECT_EQ(level(e, w.clock.now(), true, 1h), 1);
}

TEST(FactorKinds, NamesAreFrozenAndTraitsAreTheLeast) {
  struct Row {
    FactorKind kind;
    std::string_view text;
    int alone, with_password;
  };
  for (const Row& row : {Row{FactorKind::password, "password", 1, 1}, Row{FactorKind::totp, "totp", 1, 2},
                         Row{FactorKind::recovery_code, "recovery_code", 0, 1},
                         Row{FactorKind::webauthn, "webauthn", 1, 2}, Row{FactorKind::hotp, "hotp", 1, 2},
                         Row{FactorKind::external, "external", 1, 2}, Row{FactorKind::push, "push", 1, 2},
                         Row{FactorKind::push_choice, "push_choice", 0, 1}}) {
    EXPECT_EQ(name(row.kind), row.text);
    EXPECT_EQ(factor_kind_from(row.text), row.kind);
    World w;
    Evidence e;
    e.add(w.proof(row.kind));
    EXPECT_EQ(level(e, w.clock.now(), true, 1h), row.alone) << row.text;
    e.add(w.proof(FactorKind::password));
    EXPECT_EQ(level(e, w.clock.now(), true, 1h), row.with_password) << row.text;
  }
}

TEST(Evidence, AChoiceOfNumbersCountsWhereItIsNamedAndDisplacesNothing) {
  World w;
  Evidence e;
  e.add(w.proof(FactorKind::password));
  Proof digits = w.proof(FactorKind::push);
  e.add(digits);
  w.clock.advance(30min);
  for (std::uint8_t n = 1; n < 20; ++n) {  // of many devices: one is kept
    Proof pick = w.proof(FactorKind::push_choice);
    pick.factor = digits.factor;
    pick.factor.bytes[0] = static_cast<std::uint8_t>(pick.factor.bytes[0] ^ (n / 2U));
    e.add(pick);
  }
  EXPECT_EQ(e.size(), 3U);
  KindSet named = KindSet::ordinary();
  named.add(FactorKind::push_choice);
  EXPECT_EQ(level(e, w.clock.now(), true, 1h), 2) << "by the digits";
  EXPECT_EQ(level(e, w.clock.now(), true, 10min), 1);
  EXPECT_EQ(level(e, w.clock.now(), true, 10min, named), 2);
  w.clock.advance(11min);
  EXPECT_EQ(level(e, w.clock.now(), true, 10min, named), 1);
  EXPECT_TRUE(KindSet::ordinary().within(KindSet::every()));
  EXPECT_FALSE(KindSet::every().within(KindSet::ordinary()));
  e.remove(digits.factor);
  EXPECT_EQ(e.size(), 2U) << "the pick was another device's";
  EXPECT_EQ(enrolled_as(FactorKind::push_choice), FactorKind::push);
  const auto kinds = second_factors();
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), FactorKind::push_choice), 0) << "nobody enrols one";
}

TEST(Evidence, TheFlagsOfAKeyDecide) {
  struct Row {
    const char* name;
    bool verified, bound;
    int alone, with_password;
  };
  for (const Row& row : {Row{"verified and bound", true, true, 3, 3}, Row{"verified, synced", true, false, 2, 2},
                         Row{"touched, bound", false, true, 1, 2}, Row{"touched, synced", false, false, 1, 2}}) {
    World w;
    Evidence e;
    Proof p = w.proof(FactorKind::webauthn);
    p.traits.user_verified = row.verified;
    p.traits.device_bound = row.bound;
    e.add(p);
    EXPECT_EQ(level(e, w.clock.now(), true, 1h), row.alone) << row.name;
    e.add(w.proof(FactorKind::totp));
    EXPECT_EQ(level(e, w.clock.now(), true, 1h), row.alone) << row.name << ": two things in the hand are one kind";
    e.add(w.proof(FactorKind::password));
    EXPECT_EQ(level(e, w.clock.now(), true, 1h), row.with_password) << row.name;
    w.clock.advance(1h + 1us);
    EXPECT_EQ(level(e, w.clock.now(), true, 1h), 1) << row.name << ": the password is left";
  }
}

TEST(Evidence, AClockSetBackMakesNothingYounger) {
  World w;
  const Proof p = w.proof(FactorKind::totp);
  w.clock.advance(2h);
  w.clock.set_wall(p.wall - 1h);
  EXPECT_EQ(age(p, w.clock.now()), Duration(2h));
  Proof after_reboot = p;
  after_reboot.boot = Proof::no_boot;
  EXPECT_EQ(age(after_reboot, w.clock.now()), Duration(0));
  Evidence e;
  e.add(w.proof(FactorKind::password));
  e.add(after_reboot);
  EXPECT_EQ(level(e, w.clock.now(), /*trusted=*/false, 1h), 1) << "the mark decides then";
}

TEST(Evidence, TimeLeftNamesTheVerySecond) {
  World w;
  Evidence e;
  e.add(w.proof(FactorKind::password));
  e.add(w.proof(FactorKind::totp));
  w.clock.advance(20min);
  EXPECT_EQ(time_left(e, w.clock.now(), true, 1h, 2), Duration(40min));
  EXPECT_EQ(time_left(e, w.clock.now(), true, 10min, 2), Duration(0));
  EXPECT_EQ(time_left(e, w.clock.now(), true, 1h, 1), Duration::max());
  EXPECT_EQ(time_left(e, w.clock.now(), true, 1h, 3), Duration(0));
}

TEST(Evidence, SameFactorReplacesAndCapacityHolds) {
  World w;
  Evidence e;
  const Proof p = w.proof(FactorKind::totp);
  e.add(p);
  e.add(p);
  EXPECT_EQ(e.size(), 1U);
  for (int i = 0; i < 20; ++i) {
    w.clock.advance(1s);
    e.add(w.proof(FactorKind::totp));
  }
  EXPECT_EQ(e.size(), Evidence::capacity);
}

TEST(Source, TextRoundTrip) {
  for (const char* t : {"127.0.0.1", "10.1.2.3", "::1", "2001:db8::5", "unix"}) {
    const auto s = Source::parse(t);
    ASSERT_TRUE(s) << t;
    EXPECT_EQ(s->text(), t);
  }
  for (const char* t : {"", "1.2.3", "1.2.3.4.5", "::g", "localhost", "127.0.0.1 "}) EXPECT_FALSE(Source::parse(t)) << t;
}

TEST(Refusal, ChallengeOfRfc9470) {
  Refusal r;
  r.reason = Reason::mfa_lapsed;
  r.need.level = 2;
  r.need.max_age = 300s;
  const std::string h = www_authenticate(r);
  EXPECT_NE(h.find("error=\"insufficient_user_authentication\""), std::string::npos);
  EXPECT_NE(h.find("acr_values=\"urn:vestibule:level:2\", max_age=\"300\""), std::string::npos);
  r.reason = Reason::credential_missing;
  EXPECT_EQ(www_authenticate(r), "Bearer realm=\"vestibule\"");
  r.reason = Reason::policy_denied;
  EXPECT_EQ(www_authenticate(r), "");
}

TEST(Approvers, ListsAddUpAndNeverOverflowIntoSomebody) {
  const auto of = [](std::vector<std::string> entries) { return Approvers::of(entries); };
  Subject anna;
  anna.user.bytes[0] = 1;
  anna.name = UserName("anna");
  anna.roles.push_back(intern("treasurer"));
  EXPECT_TRUE(Approvers{}.anybody());
  EXPECT_TRUE(Approvers{}.admits(anna));
  EXPECT_EQ(of({}), Approvers{});
  EXPECT_TRUE(of({"role:treasurer"}).admits(anna));
  EXPECT_TRUE(of({"group:x", "user:anna"}).admits(anna));
  EXPECT_FALSE(of({"group:treasurer", "user:ann", "agent:anna", "anna", "", ":"}).admits(anna));
  EXPECT_FALSE(of({"role:treasurer"}).admits(Subject{})) << "nobody is signed in";
  const Approvers both = of({"role:treasurer"}).with(of({"role:board"}));
  EXPECT_FALSE(both.admits(anna));
  EXPECT_EQ(both, of({"role:board"}).with(of({"role:treasurer"}))) << "in any order";
  EXPECT_EQ(both.with(both), both);
  EXPECT_EQ(both.with({}), both);
  anna.roles.push_back(intern("board"));
  EXPECT_TRUE(both.admits(anna));
  Approvers many;
  for (std::size_t i = 0; i < Approvers::capacity; ++i) many = many.with(of({"role:treasurer", "role:n" + std::to_string(i)}));
  EXPECT_FALSE(many.nobody());
  EXPECT_TRUE(many.admits(anna));
  many = many.with(both);
  EXPECT_TRUE(many.nobody());
  EXPECT_FALSE(many.anybody());
  EXPECT_FALSE(many.admits(anna));
  EXPECT_EQ(both.with(many), many);
  Requirement a;
  a.approvers = both;
  a.apart = true;
  EXPECT_EQ(stricter(a, Requirement{}), a);
  EXPECT_EQ(stricter(Requirement{}, a), a);
}

TEST(Names, InternIsStable) {
  const NameId a = intern("ml");
  EXPECT_EQ(intern("ml"), a);
  EXPECT_NE(intern("ops"), a);
  EXPECT_EQ(interned(a), "ml");
}

TEST(Approvers, ListsComeBackAsTheyWere) {
  const std::vector<std::string> one{"group:board", "role:treasurer"};
  const std::vector<std::string> two{"user:anna"};
  const Approvers both = Approvers::of(one).with(Approvers::of(two));
  EXPECT_EQ(Approvers::of_lists(both.lists()), both);
  EXPECT_EQ(Approvers::of_lists({}), Approvers());
  Approvers many;
  for (int i = 0; i < 9; ++i) {
    const std::vector<std::string> list{"role:r" + std::to_string(i)};
    many = many.with(Approvers::of(list));
  }
  ASSERT_TRUE(many.nobody());
  EXPECT_TRUE(Approvers::of_lists(many.lists()).nobody());
}

}  // namespace
}  // namespace vestibule::domain
