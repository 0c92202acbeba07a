#include "factors/factors.hpp"

#include "factors/tests/world.hpp"

namespace vestibule::factors {
namespace {

using namespace std::chrono_literals;
using testing::App;
using testing::FactorWorld;

class FactorsTest : public ::testing::Test, public FactorWorld {
 protected:
  void SetUp() override {
    open();
    alice = make_user("alice");
  }

  Result<PendingEnrolment> begin_enrolment(UserId user, Authority authority = Authority::enrol_grant) {
    return database->write_blocking([&](store::Tx& tx) {
      return factors->begin_enrolment_in(tx, user, FactorKind::totp, "phone", authority, known(user), clock.now());
    });
  }
  /// As sessions do it: a wrong code commits.
  Result<Confirmed> confirm(UserId user, FactorId pending, std::string_view code) {
    auto settled = database->write_blocking([&](store::Tx& tx) -> Result<Settled<Result<Confirmed>>> {
      auto charged = factors->charge_enrolment_in(tx, user, pending, clock.now());
      if (!charged) return std::move(charged).error();
      return Settled<Result<Confirmed>>{factors->confirm_in(tx, user, pending, code, known(user), clock.now())};
    });
    if (!settled) return std::move(settled).error();
    return std::move(settled->value);
  }
  /// A user with a factor, whose first code is used up.
  App enrolled(UserId user, FactorId* id = nullptr, std::vector<Secret>* recovery = nullptr,
               Authority authority = Authority::enrol_grant) {
    auto pending = begin_enrolment(user, authority);
    EXPECT_TRUE(pending) << (pending ? "" : pending.error().detail);
    App app(pending->secret.reveal_text(), pending->parameters);
    auto confirmed = confirm(user, pending->id, app.code(clock.wall()));
    EXPECT_TRUE(confirmed) << (confirmed ? "" : confirmed.error().detail);
    if (id != nullptr) *id = confirmed->factor.id;
    if (recovery != nullptr) *recovery = std::move(confirmed->recovery_codes);
    return app;
  }
  Attempt attempt(UserId user, std::string_view code, FactorKind kind = FactorKind::totp) {
    Attempt a;
    a.kind = kind;
    a.answer = Secret(code);
    a.purpose = "test";
    a.by = known(user);
    return a;
  }
  net::Task<Result<domain::Proof>> proving(Attempt a) {
    auto done = co_await factors->prove_and(std::move(a), [](store::Tx&, const domain::Proof& p) {
      return Result<domain::Proof>(p);
    });
    co_return done;
  }
  Reason prove(UserId user, std::string_view code, FactorKind kind = FactorKind::totp) {
    auto proof = run(proving(attempt(user, code, kind)));
    return proof ? Reason::ok : proof.error().code;
  }

  UserId alice;
};

TEST_F(FactorsTest, EnrolmentCountsOnlyOncePossessionIsProved) {
  auto pending = begin_enrolment(alice);
  ASSERT_TRUE(pending);
  EXPECT_EQ(unbase32(pending->secret.reveal_text())->size(), 20U) << "160 bits";
  EXPECT_TRUE(pending->uri.reveal_text().starts_with("otpauth://totp/Vestibule:alice?secret="));
  const App app(pending->secret.reveal_text());
  EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::factor_missing) << "pending is nothing";
  EXPECT_TRUE(run(factors->list(alice))->empty());
  EXPECT_EQ(confirm(alice, pending->id, app.wrong(clock.wall())).error().code, Reason::code_wrong);
  const UserId bob = make_user("bob");
  EXPECT_EQ(confirm(bob, pending->id, app.code(clock.wall())).error().code, Reason::not_found) << "somebody else's";
  auto confirmed = confirm(alice, pending->id, app.code(clock.wall()));
  ASSERT_TRUE(confirmed);
  EXPECT_EQ(confirmed->recovery_codes.size(), 10U);
  EXPECT_TRUE(confirmed->proof.traits.possession);
  EXPECT_EQ(confirm(alice, pending->id, app.code(clock.wall(), 1)).error().code, Reason::not_found) << "once";
  EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::code_used) << "the confirming code is used up";
  clock.advance(30s);
  EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::ok);
  EXPECT_EQ(entries("factor.add").size(), 1U);
}

TEST_F(FactorsTest, EnrolmentExpiresAtTheVeryMicrosecond) {
  auto pending = begin_enrolment(alice);
  const App app(pending->secret.reveal_text());
  clock.advance(15min + 1us);
  EXPECT_EQ(confirm(alice, pending->id, app.code(clock.wall())).error().code, Reason::not_found);
  auto again = begin_enrolment(alice);
  const App app2(again->secret.reveal_text());
  clock.advance(15min);
  EXPECT_TRUE(confirm(alice, again->id, app2.code(clock.wall())));
}

TEST_F(FactorsTest, EnrolmentTakesTenWrongCodes) {
  auto pending = begin_enrolment(alice);
  const App app(pending->secret.reveal_text());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(confirm(alice, pending->id, "x").error().code, Reason::code_wrong);
  EXPECT_EQ(confirm(alice, pending->id, app.code(clock.wall())).error().code, Reason::not_found);
}

TEST_F(FactorsTest, AGrantIsForTheFirstFactorOnly) {
  auto first = begin_enrolment(alice);
  const App app(first->secret.reveal_text());
  ASSERT_TRUE(confirm(alice, first->id, app.code(clock.wall())));
  EXPECT_EQ(begin_enrolment(alice).error().code, Reason::factor_exists);
  EXPECT_TRUE(begin_enrolment(alice, Authority::existing_factor));
}

TEST_F(FactorsTest, TheWindowIsOneStepEitherWay) {
  const App app = enrolled(alice);
  clock.advance(10min);
  EXPECT_EQ(prove(alice, app.code(clock.wall(), -2)), Reason::code_wrong);
  EXPECT_EQ(prove(alice, app.code(clock.wall(), 2)), Reason::code_wrong);
  EXPECT_EQ(prove(alice, app.code(clock.wall(), -1)), Reason::ok) << "one step of delay";
  EXPECT_EQ(prove(alice, app.code(clock.wall(), 1)), Reason::ok) << "an authenticator that runs fast";
  EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::code_used) << "a step before the last accepted one";
}

TEST_F(FactorsTest, OpenBaoAUsedCodeIsNeverAcceptedInAnySpelling) {
  const App app = enrolled(alice);
  options_factors.failures_per_back_off = 1000;
  close();
  file = folder / "other.db";
  open();
  alice = make_user("alice");
  const App fresh = enrolled(alice);
  clock.advance(30s);
  const std::string used = fresh.code(clock.wall());
  ASSERT_EQ(prove(alice, used), Reason::ok);
  EXPECT_EQ(prove(alice, used), Reason::code_used);
  std::string fullwidth;
  std::string arabic;
  for (const char c : used) {
    fullwidth += std::string("\xef\xbc") + static_cast<char>(0x90 + (c - '0'));
    arabic += std::string("\xd9") + static_cast<char>(0xa0 + (c - '0'));
  }
  const std::string rows[] = {" " + used,        used + " ",        used + "\n",      "\t" + used,
                              used + "\u00a0",   "\u200b" + used,   fullwidth,        arabic,
                              "+" + used,        used + "0",        "0" + used,       used.substr(1),
                              "",                used.substr(0, 3) + " " + used.substr(3), used + std::string(1, '\0')};
  for (const std::string& row : rows) EXPECT_NE(prove(alice, row), Reason::ok) << row;
  clock.advance(30s);
  for (const std::string& row : rows) EXPECT_NE(prove(alice, row), Reason::ok) << "a step later: " << row;
  EXPECT_NE(prove(alice, used), Reason::ok);
}

TEST_F(FactorsTest, KratosTheSameCodeInAHundredJobsSucceedsOnce) {
  const App app = enrolled(alice);
  clock.advance(30s);
  const std::string code = app.code(clock.wall());
  std::vector<std::future<Result<domain::Proof>>> all;
  for (unsigned i = 0; i < 100; ++i) all.push_back(spawn(proving(attempt(alice, code)), i % 2));
  int ok = 0;
  for (auto& f : all) ok += f.get().has_value() ? 1 : 0;
  EXPECT_EQ(ok, 1);
}

TEST_F(FactorsTest, BackOffDoublesAndOneCounterIsShared) {
  const App app = enrolled(alice);
  clock.advance(1min);
  Duration wait = 30s;
  for (int round = 0; round < 9; ++round) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(prove(alice, app.wrong(clock.wall())), Reason::code_wrong) << round << "/" << i;
    EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::factor_locked) << "the right code too";
    clock.advance(wait - 1us);
    EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::factor_locked);
    clock.advance(1us);
    wait = std::min<Duration>(wait * 2, 1h);
  }
  EXPECT_EQ(wait, Duration(1h));
  EXPECT_EQ(run(factors->list(alice))->at(0).failures, 45);
  EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::ok) << "success refunds";
  EXPECT_EQ(run(factors->list(alice))->at(0).failures, 0);
}

TEST_F(FactorsTest, AHundredConsecutiveFailuresDisableForGood) {
  const App app = enrolled(alice);
  for (int i = 0; i < 100; ++i) {
    clock.advance(1h);
    EXPECT_EQ(prove(alice, app.wrong(clock.wall())), Reason::code_wrong) << i;
  }
  clock.advance(24h * 365);
  EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::factor_locked);
  EXPECT_TRUE(run(factors->list(alice))->at(0).disabled);
}

TEST_F(FactorsTest, VaultParallelGuessesAreBoundedInEveryConfiguration) {
  struct Row { const char* name; int per, lock_after, looked_at; };
  for (const Row& row : {Row{"default", 5, 0, 5}, Row{"strict", 1, 0, 1}, Row{"PCI", 1000, 10, 10}}) {
    close();
    options_factors.failures_per_back_off = row.per;
    options_factors.lock_after = row.lock_after;
    open();
    alice = make_user("alice");
    const App app = enrolled(alice);
    clock.advance(1min);
    const std::string wrong = app.wrong(clock.wall());
    std::vector<std::future<Result<domain::Proof>>> all;
    for (unsigned i = 0; i < 60; ++i) all.push_back(spawn(proving(attempt(alice, wrong)), i % 2));
    int looked_at = 0;
    for (auto& f : all) looked_at += f.get().error().code == Reason::code_wrong ? 1 : 0;
    EXPECT_EQ(looked_at, row.looked_at) << row.name;
    if (row.lock_after != 0) {
      clock.advance(30min - 1us);
      EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::factor_locked) << row.name;
      clock.advance(1us);
      EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::ok) << row.name;
    }
  }
}

TEST_F(FactorsTest, WithoutThePasswordNobodyLocksAnything) {
  const App app = enrolled(alice);
  clock.advance(1min);
  const UserId mallory = make_user("mallory");
  for (int i = 0; i < 20; ++i) {
    Attempt a = attempt(alice, "000000");
    a.by.evidence = {};
    EXPECT_EQ(run(proving(std::move(a))).error().code, Reason::mfa_required);
    Attempt b = attempt(alice, "000000");
    b.by.evidence = known(mallory).evidence;  // somebody else's password
    EXPECT_EQ(run(proving(std::move(b))).error().code, Reason::mfa_required);
  }
  EXPECT_EQ(run(factors->list(alice))->at(0).failures, 0);
  EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::ok);
}

TEST_F(FactorsTest, AFailedActDoesNotUseTheCodeAndAWrongCodeStaysCharged) {
  const App app = enrolled(alice);
  clock.advance(30s);
  const auto refuse = [](store::Tx&, const domain::Proof&) { return Result<int>(fail(Reason::conflict)); };
  const auto accept = [](store::Tx&, const domain::Proof&) { return Result<int>(7); };
  EXPECT_EQ(run(factors->prove_and(attempt(alice, app.code(clock.wall())), refuse)).error().code, Reason::conflict);
  EXPECT_EQ(run(factors->prove_and(attempt(alice, app.wrong(clock.wall())), accept)).error().code, Reason::code_wrong);
  EXPECT_EQ(run(factors->list(alice))->at(0).failures, 1);
  EXPECT_EQ(*run(factors->prove_and(attempt(alice, app.code(clock.wall())), accept)), 7);
  const auto said = entries("factor.prove");
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(said[0].reason, "code_wrong");
  EXPECT_EQ(said[1].reason, "ok");
  EXPECT_EQ(said[1].note, "for test") << "the act it was bound to";
}

TEST_F(FactorsTest, ClockSetBackDeniesAndReplaysNothing) {
  const App app = enrolled(alice);
  clock.advance(10min);
  const std::string code = app.code(clock.wall());
  ASSERT_EQ(prove(alice, code), Reason::ok);
  clock.advance(5min);
  clock.set_wall(clock.wall() - 5min);
  EXPECT_EQ(prove(alice, code), Reason::code_used);
  clock.set_trusted(false);
  EXPECT_EQ(prove(alice, app.code(clock.wall(), 1)), Reason::clock_untrusted);
}

TEST_F(FactorsTest, RecoveryCodesAreGoodOnce) {
  std::vector<Secret> codes;
  enrolled(alice, nullptr, &codes);
  ASSERT_EQ(codes.size(), 10U);
  const std::string code(codes[0].reveal_text());
  auto proof = run(proving(attempt(alice, code, FactorKind::recovery_code)));
  ASSERT_TRUE(proof);
  domain::Evidence only;
  only.add(*proof);
  EXPECT_EQ(domain::level(only, clock.now(), true, 1h), 0) << "counts toward no level";
  EXPECT_EQ(prove(alice, code, FactorKind::recovery_code), Reason::code_wrong) << "twice";
  std::string upper = code;
  for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  EXPECT_EQ(prove(alice, upper, FactorKind::recovery_code), Reason::code_wrong) << "twice, in another case";
  const auto list = run(factors->list(alice));
  ASSERT_EQ(list->size(), 2U);
  EXPECT_EQ(list->at(1).kind == FactorKind::recovery_code ? list->at(1).codes_left : list->at(0).codes_left, 9);
  std::vector<std::future<Result<domain::Proof>>> all;
  for (unsigned i = 0; i < 100; ++i) {
    all.push_back(spawn(proving(attempt(alice, codes[1].reveal_text(), FactorKind::recovery_code)), i % 2));
  }
  int ok = 0;
  for (auto& f : all) ok += f.get().has_value() ? 1 : 0;
  EXPECT_EQ(ok, 1);
}

TEST_F(FactorsTest, RecoveryCodesAreKeptAsKeyedHashesOnly) {
  std::vector<Secret> codes;
  enrolled(alice, nullptr, &codes);
  const auto bits = canonical_recovery_code(codes[0].reveal_text());
  auto found = database->read_blocking([&](store::Tx& tx) {
    return tx.one("SELECT 1 FROM recovery_code WHERE hash = $1", {crypto::sha256(*bits)}, [](const store::Row&) {});
  });
  EXPECT_FALSE(*found) << "a plain hash would fall to a dictionary of nothing but 80 bits, yet: keyed";
  const UserId bob = make_user("bob");
  enrolled(bob);
  EXPECT_EQ(prove(bob, codes[0].reveal_text(), FactorKind::recovery_code), Reason::code_wrong) << "somebody else's";
}

TEST_F(FactorsTest, HoopTheLastStrongFactorStays) {
  FactorId first;
  FactorId second;
  enrolled(alice, &first);
  clock.advance(30s);
  const App other = enrolled(alice, &second, nullptr, Authority::existing_factor);
  const auto remove = [&](FactorId which, std::string_view code) {
    auto done = run(factors->prove_and(attempt(alice, code), [&, which](store::Tx& tx, const domain::Proof& p) {
      return factors->remove_in(tx, alice, which, p, known(alice), clock.now());
    }));
    return done ? Reason::ok : done.error().code;
  };
  clock.advance(30s);
  EXPECT_EQ(remove(FactorId::make(rng), other.code(clock.wall())), Reason::factor_missing);
  EXPECT_EQ(remove(first, other.code(clock.wall())), Reason::ok);
  clock.advance(30s);
  EXPECT_EQ(remove(second, other.code(clock.wall())), Reason::factor_last);
  EXPECT_EQ(run(factors->list(alice))->at(0).codes_left + run(factors->list(alice))->at(1).codes_left, 10);
}

TEST_F(FactorsTest, VaultwardenRemovalNeedsAProofOfAFactorStillThere) {
  FactorId first;
  std::vector<Secret> codes;
  enrolled(alice, &first, &codes);
  domain::Proof none;
  const domain::Proof recovery{FactorKind::recovery_code, {}, first, clock.wall(), clock.boot()};
  const domain::Proof password = *known(alice).evidence.begin();
  for (const domain::Proof& p : {none, recovery, password}) {
    auto r = database->write_blocking([&](store::Tx& tx) {
      return factors->remove_in(tx, alice, first, p, known(alice), clock.now());
    });
    EXPECT_EQ(r.error().code, Reason::mfa_required);
    auto c = database->write_blocking([&](store::Tx& tx) {
      return factors->new_recovery_codes_in(tx, alice, p, known(alice), clock.now());
    });
    EXPECT_EQ(c.error().code, Reason::mfa_required);
  }
}

TEST_F(FactorsTest, TwoFactorsShareAnAttemptAndTheOtherIsRefunded) {
  const App one = enrolled(alice);
  clock.advance(30s);
  const App two = enrolled(alice, nullptr, nullptr, Authority::existing_factor);
  clock.advance(30s);
  EXPECT_EQ(prove(alice, two.code(clock.wall())), Reason::ok);
  const auto listed = run(factors->list(alice));
  ASSERT_TRUE(listed);
  for (const FactorInfo& f : *listed) EXPECT_EQ(f.failures, 0);
  clock.advance(30s);
  EXPECT_EQ(prove(alice, one.code(clock.wall())), Reason::ok);
}

TEST_F(FactorsTest, RestoreRaisesStepsAndVoidsTheRest) {
  std::vector<Secret> codes;
  const App app = enrolled(alice, nullptr, &codes);
  clock.advance(30s);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return void_after_restore(tx, clock.wall()); }));
  EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::code_used);
  EXPECT_EQ(prove(alice, app.code(clock.wall(), 1)), Reason::code_used);
  EXPECT_EQ(prove(alice, codes[0].reveal_text(), FactorKind::recovery_code), Reason::code_wrong);
  clock.advance(1min);
  EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::ok);
}

TEST_F(FactorsTest, EightDigitsAndSha512) {
  close();
  options_factors.totp = {crypto::HashAlg::sha512, 8};
  open();
  alice = make_user("alice");
  const App app = enrolled(alice);
  clock.advance(30s);
  EXPECT_EQ(app.code(clock.wall()).size(), 8U);
  EXPECT_EQ(prove(alice, app.code(clock.wall())), Reason::ok);
}

TEST_F(FactorsTest, AUserWhoGoesLeavesNothing) {
  enrolled(alice);
  ASSERT_TRUE(run(users->remove(alice, administrator())));
  EXPECT_TRUE(run(factors->list(alice))->empty());
}

TEST(FactorsRestart, CountersLocksAndStepsSurvive) {
  FactorWorld w;
  w.file = w.folder / "test.db";
  w.open();
  const UserId alice = w.make_user("alice");
  auto pending = w.database->write_blocking([&](store::Tx& tx) {
    return w.factors->begin_enrolment_in(tx, alice, FactorKind::totp, "", Authority::enrol_grant, w.known(alice),
                                         w.clock.now());
  });
  ASSERT_TRUE(pending);
  const App app(pending->secret.reveal_text());
  auto confirmed = w.database->write_blocking([&](store::Tx& tx) {
    return w.factors->confirm_in(tx, alice, pending->id, app.code(w.clock.wall()), w.known(alice), w.clock.now());
  });
  ASSERT_TRUE(confirmed);
  const auto prove = [&](std::string_view code) {
    Attempt a;
    a.answer = Secret(code);
    a.by = w.known(alice);
    auto r = w.run(w.factors->prove_and(std::move(a), [](store::Tx&, const domain::Proof&) { return Result<int>(1); }));
    return r ? Reason::ok : r.error().code;
  };
  w.restart();
  EXPECT_EQ(prove(app.code(w.clock.wall())), Reason::code_used);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(prove("x"), Reason::code_wrong);
  w.restart();
  EXPECT_EQ(prove(app.code(w.clock.wall(), 1)), Reason::factor_locked);
}

}  // namespace
}  // namespace vestibule::factors
