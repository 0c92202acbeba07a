#include "session/sessions.hpp"

#include <cstdlib>
#include <new>
#include <thread>

#include "session/tests/people.hpp"

// Counts allocations of the calling thread, for the hot path.
namespace {
thread_local std::size_t t_allocations = 0;
}
// clang's thread sanitizer brings its own and takes no other beside it: other builds count.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VESTIBULE_COUNTS_NOTHING
#endif
#endif
#ifndef VESTIBULE_COUNTS_NOTHING
void* operator new(std::size_t size) {
  ++t_allocations;
  void* p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace vestibule::session {
namespace {

using namespace std::chrono_literals;
using factors::Confirmed;
using testing::App;
using testing::PeopleWorld;
using testing::kPassword;

constexpr std::string_view kNewPassword = "another long pass phrase";

class SessionTest : public ::testing::Test, public PeopleWorld {
 protected:
  void SetUp() override { open(); }
};

TEST_F(SessionTest, SetUpGivesTheFirstAdministratorAndWorksOnce) {
  auto token = users->create_setup_token();
  ASSERT_TRUE(token && *token);
  const std::string text((*token)->reveal_text());
  const auto set_up = [&](std::string_view t, std::string name, std::string_view password) {
    return run(sessions->setup(Secret(t), std::move(name), Secret(password), source, "test"));
  };
  EXPECT_EQ(set_up("ve_x", "root", kPassword).error().code, Reason::setup_token);
  EXPECT_EQ(set_up(text, "root", "short").error().code, Reason::password_weak);
  EXPECT_EQ(set_up(text, "Root", kPassword).error().code, Reason::invalid_argument);
  auto first = spawn(sessions->setup(Secret(text), "root", Secret(kPassword), source, "test"), 0);
  auto second = spawn(sessions->setup(Secret(text), "toor", Secret(kPassword), source, "test"), 1);
  auto a = first.get();
  auto b = second.get();
  EXPECT_NE(a.has_value(), b.has_value()) << "two at once: one";
  EXPECT_EQ(set_up(text, "again", kPassword).error().code, Reason::setup_done);
  const std::string handle((a ? a : b)->handle.reveal_text());
  const Identified i = who(handle);
  EXPECT_TRUE(domain::has(i.subject.roles, domain::intern("administrator")));
  EXPECT_TRUE(i.flags.enrol_grant);
  EXPECT_EQ(level(handle), 1);
  App app;
  ASSERT_TRUE(enrol(handle, app));
  EXPECT_EQ(level(handle), 2) << "the confirming code is a proof";
  EXPECT_FALSE(who(handle).flags.enrol_grant) << "the grant is spent";
}

TEST_F(SessionTest, SignInTakesTwoSteps) {
  const Person p = person("alice");
  clock.advance(1min);
  auto s = start("alice");
  ASSERT_TRUE(s);
  EXPECT_EQ(s->second, std::vector{FactorKind::totp});
  const std::string handle(s->handle.reveal_text());
  EXPECT_EQ(level(handle), 1);
  EXPECT_TRUE(who(handle).flags.pending);
  EXPECT_EQ(run(sessions->issue_token(who(handle), 1h, {})).error().code, Reason::mfa_required);
  EXPECT_EQ(prove(handle, p.app.wrong(clock.wall())), Reason::code_wrong);
  EXPECT_EQ(prove(handle, p.app.code(clock.wall())), Reason::ok);
  EXPECT_EQ(level(handle), 2);
  EXPECT_FALSE(who(handle).flags.pending);
  EXPECT_EQ(who(handle).session_ends, s->ends - 10min + 24h) << "counted from the sign-in";
  EXPECT_EQ(start("alice", "wrong horse battery").error().code, Reason::signin_failed);
  EXPECT_EQ(start("nobody").error().code, Reason::signin_failed);
  EXPECT_EQ(entries("signin.start").size(), 2U);
}

TEST_F(SessionTest, AuthentikUnknownInputIsDenied) {
  const Person p = person("alice");
  clock.advance(30s);
  const std::string handle = started("alice");
  const Identified i = who(handle);
  struct Row { const char* name; int kind; std::string answer; };
  const Row rows[] = {{"empty code", 2, ""},
                      {"password as second factor", 1, std::string(kPassword)},
                      {"no such kind", 99, "123456"},
                      {"kind zero", 0, ""},
                      {"recovery code of another shape", 3, "0000"}};
  for (const Row& row : rows) {
    auto r = run(sessions->prove(i, static_cast<FactorKind>(row.kind), Secret(row.answer), {}));
    EXPECT_FALSE(r) << row.name;
    EXPECT_EQ(level(handle), 1) << row.name;
  }
  Identified forged = i;
  forged.subject.user = UserId::make(rng);
  EXPECT_FALSE(run(sessions->prove(forged, FactorKind::totp, Secret(p.app.code(clock.wall())), {})));
  forged = i;
  forged.handle = {};
  EXPECT_FALSE(run(sessions->prove(forged, FactorKind::totp, Secret(p.app.code(clock.wall())), {})));
}

TEST_F(SessionTest, APendingSignInDiesAfterTenMinutes) {
  const Person p = person("alice");
  const std::string handle = started("alice");
  clock.advance(10min);
  EXPECT_EQ(verdict(handle), Reason::ok);
  clock.advance(1us);
  EXPECT_EQ(verdict(handle), Reason::session_ended);
  EXPECT_EQ(prove(handle, p.app.code(clock.wall())), Reason::session_ended);
}

TEST_F(SessionTest, KeycloakASignInInProgressDiesWhenTheFactorLocks) {
  const Person p = person("alice");
  clock.advance(1min);
  const std::string one = started("alice");
  const std::string two = started("alice");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(prove(one, p.app.wrong(clock.wall())), Reason::code_wrong);
  EXPECT_EQ(prove(two, p.app.wrong(clock.wall())), Reason::code_wrong) << "one counter for all sessions";
  EXPECT_EQ(verdict(one), Reason::credential_unknown);
  EXPECT_EQ(verdict(two), Reason::credential_unknown);
  EXPECT_EQ(verdict(p.handle), Reason::ok) << "a session that had its second factor stays";
  const std::string three = started("alice");
  EXPECT_EQ(prove(three, p.app.code(clock.wall())), Reason::factor_locked) << "not reset by the password (listmonk)";
  EXPECT_EQ(verdict(three), Reason::credential_unknown);
  clock.advance(30s);
  EXPECT_EQ(prove(started("alice"), p.app.code(clock.wall())), Reason::ok);
}

TEST_F(SessionTest, NothingButASecondFactorRenewsTheSecondFactor) {
  Person p = person("alice");
  const std::string t = token(p.handle);
  for (int i = 0; i < 60; ++i) {
    clock.advance(1min);
    EXPECT_EQ(verdict(t, Audience::access), Reason::ok);
  }
  EXPECT_EQ(level(p.handle, 1h), 2);
  clock.advance(1us);
  EXPECT_EQ(level(p.handle, 1h), 1) << "activity renews nothing";
  token(p.handle);
  EXPECT_EQ(level(p.handle, 1h), 1) << "nor does a new token";
  const auto before = identify(t, Audience::access);
  EXPECT_EQ(prove(p.handle, p.app.code(clock.wall())), Reason::ok);
  EXPECT_EQ(level(p.handle, 1h), 2);
  const auto after = identify(t, Audience::access);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(domain::level(after->evidence, clock.now(), true, 1h), 2) << "the same token passes again";
  EXPECT_EQ(before->session_ends, after->session_ends) << "the overall limit does not slide";
}

TEST_F(SessionTest, AudiencesAreStrictlyApart) {
  Person p = person("alice");
  const std::string t = token(p.handle);
  EXPECT_EQ(verdict(p.handle, Audience::access), Reason::credential_audience);
  EXPECT_EQ(verdict(t, Audience::control), Reason::credential_audience);
  EXPECT_EQ(verdict(mint->make(crypto::kApiKey, rng).text.reveal_text()), Reason::credential_audience);
  EXPECT_EQ(verdict(mint->make(crypto::kChildToken, rng).text.reveal_text()), Reason::credential_audience);
  // An access token changes nothing of its session, whichever call it is given to.
  clock.advance(30s);
  const auto by_token = identify(t, Audience::access);
  ASSERT_TRUE(by_token);
  EXPECT_EQ(run(sessions->prove(*by_token, FactorKind::totp, Secret(p.app.code(clock.wall())), {})).error().code,
            Reason::credential_audience);
  EXPECT_EQ(run(sessions->issue_token(*by_token, 1h, {})).error().code, Reason::credential_audience);
}

TEST_F(SessionTest, AuthentikGarbageIsRefusedAndNeverWavedThrough) {
  Person p = person("alice");
  std::string altered = p.handle;
  altered[20] = altered[20] == 'A' ? 'B' : 'A';
  for (const std::string& bad : {std::string(), std::string("x"), altered, p.handle + " ", " " + p.handle, p.handle + "=",
                                 std::string("vs_"), std::string(10'000, 'v'), p.handle.substr(0, 56)}) {
    EXPECT_EQ(verdict(bad), Reason::credential_malformed) << bad.substr(0, 60);
  }
  const std::string unknown(mint->make(crypto::kControlSession, rng).text.reveal_text());
  EXPECT_EQ(verdict(unknown), Reason::credential_unknown);
}

TEST_F(SessionTest, IdleAndOverallLimits) {
  Person p = person("alice");
  for (int i = 0; i < 47; ++i) {
    clock.advance(30min);
    ASSERT_EQ(verdict(p.handle), Reason::ok) << i;
  }
  clock.advance(30min);
  EXPECT_EQ(verdict(p.handle), Reason::ok) << "24 h to the microsecond";
  clock.advance(1us);
  EXPECT_EQ(verdict(p.handle), Reason::session_ended);
  clock.set_wall(clock.wall() - 1h);
  EXPECT_EQ(verdict(p.handle), Reason::session_ended) << "a clock set back revives nothing";

  clock.advance(2h);
  const std::string other = started("alice");
  ASSERT_EQ(prove(other, p.app.code(clock.wall())), Reason::ok);
  clock.advance(1h);
  EXPECT_EQ(verdict(other), Reason::ok) << "idle for an hour to the microsecond";
  clock.advance(1h + 1us);
  EXPECT_EQ(verdict(other), Reason::session_idle);
  EXPECT_EQ(verdict(other), Reason::session_idle) << "and asking again is no activity";
}

TEST_F(SessionTest, StandingIsNoActivity) {
  Person p = person("alice");
  for (int i = 0; i < 6; ++i) {
    clock.advance(10min);
    EXPECT_TRUE(sessions->standing(p.who.subject.session, p.id, p.who.handle, clock.now()));
  }
  clock.advance(1us);
  EXPECT_FALSE(sessions->standing(p.who.subject.session, p.id, p.who.handle, clock.now()));
  EXPECT_FALSE(sessions->evidence(p.who.subject.session, clock.now()));
}

TEST_F(SessionTest, StandingAsksForAllThree) {
  Person p = person("alice");
  Person q = person("bob");
  const Instant now = clock.now();
  EXPECT_TRUE(sessions->standing(p.who.subject.session, p.id, p.who.handle, now));
  EXPECT_FALSE(sessions->standing(q.who.subject.session, p.id, p.who.handle, now));
  EXPECT_FALSE(sessions->standing(p.who.subject.session, q.id, p.who.handle, now));
  EXPECT_FALSE(sessions->standing(p.who.subject.session, p.id, q.who.handle, now));
  EXPECT_FALSE(sessions->standing({}, {}, {}, now));
}

TEST_F(SessionTest, ClockSetBackMakesNothingYounger) {
  Person p = person("alice");
  for (int i = 0; i < 4; ++i) {
    clock.advance(30min);
    EXPECT_EQ(verdict(p.handle), Reason::ok);
    clock.set_wall(clock.wall() - 30min);
  }
  EXPECT_EQ(level(p.handle, 1h), 1) << "two hours by the boot clock";
  EXPECT_GE(mark, clock.wall());
  clock.set_trusted(false);
  EXPECT_EQ(prove(p.handle, p.app.code(clock.wall(), 1)), Reason::clock_untrusted);
}

TEST_F(SessionTest, AuthentikRevocationOfOneSessionOneTokenAndAll) {
  Person p = person("alice");
  const std::string t1 = token(p.handle);
  const std::string t2 = token(p.handle);
  const std::string other = started("alice");
  EXPECT_TRUE(run(sessions->revoke(Revocation::of_handle(identify(t1, Audience::access)->handle), {})).durable);
  EXPECT_EQ(verdict(t1, Audience::access), Reason::credential_unknown);
  EXPECT_EQ(verdict(t2, Audience::access), Reason::ok);
  EXPECT_TRUE(run(sessions->revoke(Revocation::of(p.who.subject.session), {})).durable);
  EXPECT_EQ(verdict(p.handle), Reason::credential_unknown);
  EXPECT_EQ(verdict(t2, Audience::access), Reason::credential_unknown) << "tokens die with their session";
  EXPECT_EQ(verdict(other), Reason::ok);
  EXPECT_TRUE(run(sessions->revoke(Revocation::all_of(p.id), {})).durable);
  EXPECT_EQ(verdict(other), Reason::credential_unknown);
  EXPECT_EQ(verdict(started("alice")), Reason::ok) << "he may come again";
  EXPECT_TRUE(sessions->all_persisted());
  EXPECT_EQ(entries("session.revoke").size(), 3U);
}

TEST_F(SessionTest, RevocationReachesTwoCoresAtOnce) {
  Person p = person("alice");
  std::atomic<bool> revoked{false};
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> seen{0};
  std::vector<std::thread> readers;
  for (unsigned i = 0; i < 2; ++i) {
    readers.emplace_back([&, i] {
      set_core_slot(20 + i);
      while (!stop.load()) {
        const bool before = revoked.load();
        const bool ok = sessions->identify(p.handle, Audience::control, {}, clock.now()).has_value() ||
                        sessions->standing(p.who.subject.session, p.id, p.who.handle, clock.now());
        if (before && ok) ++wrong;
        ++seen;
      }
    });
  }
  while (seen.load() < 1000) std::this_thread::yield();
  sessions->deny(Revocation::of(p.who.subject.session));
  revoked.store(true);
  const int then = seen.load();
  while (seen.load() < then + 1000) std::this_thread::yield();
  stop.store(true);
  for (auto& r : readers) r.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST_F(SessionTest, RevocationWorksWhileTheStoreFailsAndIsPersistedLater) {
  Person p = person("alice");
  const std::string other = started("alice");
  int heard = 0;
  sessions->on_deny([&](const Revocation&) { ++heard; });
  hook.broken = true;
  EXPECT_FALSE(run(sessions->revoke(Revocation::of(p.who.subject.session), {})).durable);
  EXPECT_EQ(heard, 1);
  EXPECT_EQ(verdict(p.handle), Reason::credential_unknown);
  EXPECT_FALSE(sessions->standing(p.who.subject.session, p.id, p.who.handle, clock.now()));
  EXPECT_EQ(verdict(other), Reason::ok);
  EXPECT_FALSE(sessions->all_persisted());
  EXPECT_FALSE(run(sessions->maintain_once()));
  hook.broken = false;
  for (int i = 0; i < 100 && !sessions->all_persisted(); ++i) {
    (void)run(sessions->maintain_once());
    std::this_thread::sleep_for(100ms);
  }
  EXPECT_TRUE(sessions->all_persisted());
  EXPECT_EQ(run(sessions->list(p.id))->size(), 1U);
  EXPECT_EQ(verdict(p.handle), Reason::credential_unknown);
}

TEST_F(SessionTest, ADisabledUserIsOutAtOnceAndHisSessionsWithHim) {
  Person p = person("alice");
  ASSERT_TRUE(run(users->disable(p.id, administrator())));
  EXPECT_NE(verdict(p.handle), Reason::ok);
  EXPECT_FALSE(sessions->standing(p.who.subject.session, p.id, p.who.handle, clock.now()));
  ASSERT_TRUE(run(users->enable(p.id, administrator())));
  EXPECT_NE(verdict(p.handle), Reason::ok) << "enabling brings no session back";
  Person q = person("bob");
  hook.broken = true;
  EXPECT_FALSE(run(users->disable(q.id, administrator())));
  EXPECT_EQ(verdict(q.handle), Reason::user_disabled) << "in memory, though the store fails";
  hook.broken = false;
}

TEST_F(SessionTest, PomeriumAChangeOfRolesIsSeenByTheNextRequest) {
  Person p = person("alice");
  ASSERT_TRUE(run(users->set_roles(p.id, {"auditor"}, administrator())));
  EXPECT_TRUE(domain::has(who(p.handle).subject.roles, domain::intern("auditor")));
  EXPECT_FALSE(domain::has(who(p.handle).subject.roles, domain::intern("member")));
}

TEST_F(SessionTest, AnEnrolmentCodeWorksOnceAndEndsWhatWas) {
  Person p = person("alice");
  auto code = run(users->create_enrolment_code(p.id, administrator()));
  ASSERT_TRUE(code);
  const std::string text(code->reveal_text());
  auto reset = run(sessions->with_enrolment_code(Secret(text), Secret(kNewPassword), source, "test"));
  ASSERT_TRUE(reset);
  EXPECT_EQ(verdict(p.handle), Reason::credential_unknown);
  EXPECT_TRUE(run(factors->list(p.id))->empty());
  EXPECT_EQ(run(sessions->with_enrolment_code(Secret(text), Secret(kPassword), source, "test")).error().code,
            Reason::credential_unknown);
  EXPECT_EQ(start("alice").error().code, Reason::signin_failed) << "the old password is gone";
  const std::string plain(start("alice", kNewPassword)->handle.reveal_text());
  App app;
  EXPECT_EQ(enrol(plain, app).error().code, Reason::factor_missing) << "a password alone enrols nothing";
  auto spare = run(users->create_enrolment_code(p.id, administrator()));
  ASSERT_TRUE(spare);
  EXPECT_TRUE(enrol(reset->handle.reveal_text(), app));
  EXPECT_EQ(run(sessions->with_enrolment_code(std::move(*spare), Secret(kPassword), source, "test")).error().code,
            Reason::credential_unknown)
      << "a code of before the first factor takes nobody's account";
}

TEST_F(SessionTest, ARecoveryCodeOpensFactorManagementAndNoAccessPoint) {
  Person p = person("alice");
  clock.advance(1min);
  const std::string handle = started("alice");
  const std::string code(p.recovery[0].reveal_text());
  EXPECT_EQ(prove(handle, code, FactorKind::recovery_code), Reason::ok);
  EXPECT_EQ(level(handle), 1);
  EXPECT_TRUE(who(handle).flags.factor_management);
  EXPECT_TRUE(who(handle).flags.pending);
  EXPECT_EQ(run(sessions->issue_token(who(handle), 1h, {})).error().code, Reason::mfa_required);
  EXPECT_EQ(prove(started("alice"), code, FactorKind::recovery_code), Reason::code_wrong) << "twice";
  App app;
  auto confirmed = enrol(handle, app);
  ASSERT_TRUE(confirmed) << confirmed.error().detail;
  EXPECT_EQ(confirmed->recovery_codes.size(), 10U) << "new ones: the old paper is compromised";
  EXPECT_EQ(level(handle), 2);
  EXPECT_FALSE(who(handle).flags.factor_management) << "one enrolment";
  EXPECT_EQ(enrol(handle, app).error().code, Reason::factor_exists);
  EXPECT_EQ(run(users->get(p.id))->factors_reset, clock.wall());
  EXPECT_EQ(entries("signin.recovery").size(), 1U);
}

TEST_F(SessionTest, ARecoveryCodeOpensFactorManagementForHalfAnHour) {
  Person p = person("alice");
  clock.advance(1min);
  const std::string handle = started("alice");
  EXPECT_EQ(prove(handle, std::string(p.recovery[0].reveal_text()), FactorKind::recovery_code), Reason::ok);
  EXPECT_EQ(prove(handle, p.app.code(clock.wall()), FactorKind::totp), Reason::ok) << "and the session lives on with another factor";
  clock.advance(options_session.granted - 1min);
  EXPECT_TRUE(who(handle).flags.factor_management);
  clock.advance(1min + 1s);
  EXPECT_FALSE(who(handle).flags.factor_management);
  App app;
  EXPECT_EQ(enrol(handle, app).error().code, Reason::factor_exists);
}

TEST_F(SessionTest, KeycloakChangingFactorsNeedsACodeForThatVeryAct) {
  Person p = person("alice");
  clock.advance(30s);
  App second;
  EXPECT_EQ(enrol(p.handle, second).error().code, Reason::factor_exists) << "level 2 does not suffice";
  EXPECT_EQ(enrol(p.handle, second, "000000").error().code, Reason::code_wrong);
  ASSERT_TRUE(enrol(p.handle, second, p.app.code(clock.wall())));
  clock.advance(30s);
  const auto list = run(factors->list(p.id));
  FactorId first;
  for (const auto& f : *list) {
    if (f.kind == FactorKind::totp) { first = f.id; break; }
  }
  const auto remove = [&](std::string_view code) {
    auto r = run(sessions->remove_factor(who(p.handle), first, Secret(code), {}));
    return r ? Reason::ok : r.error().code;
  };
  for (int i = 0; i < 4; ++i) EXPECT_EQ(remove(second.wrong(clock.wall())), Reason::code_wrong);
  EXPECT_EQ(remove(""), Reason::code_wrong);
  EXPECT_EQ(remove(second.code(clock.wall())), Reason::factor_locked) << "throttled like any other (Vikunja)";
  clock.advance(30s);
  const std::string code = second.code(clock.wall());
  EXPECT_EQ(remove(code), Reason::ok);
  EXPECT_EQ(prove(p.handle, code), Reason::code_used) << "the code went with the act";
  for (const domain::Proof& proof : who(p.handle).evidence) EXPECT_NE(proof.factor, first) << "its proof is gone";
}

TEST_F(SessionTest, ChangingThePasswordTakesBothAndEndsOtherSessions) {
  Person p = person("alice");
  clock.advance(30s);
  const std::string other = started("alice");
  const auto change = [&](std::string_view old, std::string_view fresh, std::optional<std::string> code) {
    std::optional<Secret> c;
    if (code) c.emplace(*code);
    auto r = run(sessions->change_password(who(p.handle), Secret(old), Secret(fresh), std::move(c), {}));
    return r ? Reason::ok : r.error().code;
  };
  EXPECT_EQ(change("wrong horse battery", kNewPassword, p.app.code(clock.wall())), Reason::signin_failed);
  EXPECT_EQ(change(kPassword, "short", p.app.code(clock.wall())), Reason::password_weak);
  EXPECT_EQ(change(kPassword, kNewPassword, {}), Reason::mfa_required);
  EXPECT_EQ(change(kPassword, kNewPassword, p.app.wrong(clock.wall())), Reason::code_wrong);
  EXPECT_EQ(change(kPassword, kNewPassword, p.app.code(clock.wall())), Reason::ok);
  EXPECT_EQ(verdict(p.handle), Reason::ok);
  EXPECT_EQ(verdict(other), Reason::credential_unknown);
  EXPECT_FALSE(start("alice"));
  EXPECT_TRUE(start("alice", kNewPassword));
}

TEST_F(SessionTest, TokensLapse) {
  Person p = person("alice");
  const std::string t = token(p.handle, 10min);
  clock.advance(10min);
  EXPECT_EQ(verdict(t, Audience::access), Reason::ok);
  clock.advance(1us);
  EXPECT_EQ(verdict(t, Audience::access), Reason::credential_unknown);
  EXPECT_EQ(verdict(p.handle), Reason::ok);
  EXPECT_EQ(run(sessions->issue_token(who(p.handle), Duration(0), {})).error().code, Reason::invalid_argument);
  EXPECT_LE(run(sessions->issue_token(who(p.handle), 1000h, {}))->ends, who(p.handle).session_ends);
}

TEST_F(SessionTest, IdentifyAllocatesNothing) {
  Person p = person("alice");
  const std::string t = token(p.handle);
  std::size_t allocations = 0;
  int ok = 0;
  const Instant now = clock.now();
  for (int i = 0; i < 100; ++i) {
    const std::size_t before = t_allocations;
    {
      const Result<Identified> r = sessions->identify(t, Audience::access, {}, now);
      ok += r ? 1 : 0;
      if (!sessions->standing(r->subject.session, r->subject.user, r->handle, now)) ok = -1000;
      const Result<Identified> refused = sessions->identify(p.handle, Audience::access, {}, now);
      if (refused) ok = -1000;
    }
    allocations += t_allocations - before;
  }
  EXPECT_EQ(ok, 100);
  EXPECT_EQ(allocations, 0U);
}

TEST_F(SessionTest, SessionsOfAUserAreBounded) {
  close();
  options_session.max_sessions = 3;
  options_session.max_tokens = 2;
  open();
  Person p = person("alice");
  const std::string t1 = token(p.handle);
  clock.advance(1s);
  token(p.handle);
  clock.advance(1s);
  token(p.handle);
  EXPECT_EQ(verdict(t1, Audience::access), Reason::credential_unknown) << "the oldest token gives way";
  for (int i = 0; i < 4; ++i) {
    clock.advance(1s);
    started("alice");
  }
  EXPECT_EQ(run(sessions->list(p.id))->size(), 3U);
  EXPECT_EQ(sessions->size(), 3U);
}

// Whoever has the password alone must not sign out who has a second factor.
TEST_F(SessionTest, HalfFinishedSignInsGiveWayBeforeFinishedOnes) {
  close();
  options_session.max_sessions = 3;
  open();
  Person p = person("alice");
  const std::string second = started("alice");
  clock.advance(30s);
  ASSERT_EQ(prove(second, p.app.code(clock.wall())), Reason::ok);
  for (int i = 0; i < 10; ++i) {
    clock.advance(1s);  // each is used later than the finished ones
    EXPECT_EQ(verdict(started("alice")), Reason::ok);
  }
  EXPECT_EQ(verdict(p.handle), Reason::ok);
  EXPECT_EQ(verdict(second), Reason::ok);
  EXPECT_EQ(sessions->size(), 3U);
  // Where all are finished, that which was not used for longest goes, as ever.
  clock.advance(1s);
  const std::string third = started("alice");
  clock.advance(30s);
  ASSERT_EQ(prove(third, p.app.code(clock.wall())), Reason::ok);
  const std::string fourth = started("alice");
  EXPECT_NE(verdict(p.handle) == Reason::ok, verdict(second) == Reason::ok);
  EXPECT_EQ(verdict(third), Reason::ok);
  EXPECT_EQ(verdict(fourth), Reason::ok);
}

TEST_F(SessionTest, MaintenanceForgetsWhatIsLongOver) {
  Person p = person("alice");
  const std::string pending = started("alice");
  clock.advance(30min);
  EXPECT_EQ(verdict(p.handle), Reason::ok);
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(run(sessions->list(p.id))->at(0).last_seen, clock.wall());
  EXPECT_EQ(verdict(pending), Reason::session_ended) << "kept for a while, to say why";
  clock.advance(45min);
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(run(sessions->list(p.id))->size(), 1U);
  clock.advance(48h);
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(sessions->size(), 0U);
  EXPECT_EQ(mark, clock.wall());
}

TEST_F(SessionTest, RestoreEndsEverything) {
  Person p = person("alice");
  const std::string t = token(p.handle);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return void_after_restore(tx, clock.wall()); }));
  EXPECT_EQ(verdict(p.handle), Reason::credential_unknown);
  EXPECT_EQ(verdict(t, Audience::access), Reason::credential_unknown);
  EXPECT_EQ(sessions->size(), 0U);
}

TEST_F(SessionTest, AcceptingTheClockLowersTheMarkAndEndsEverything) {
  Person p = person("alice");
  const std::string t = token(p.handle);
  const WallTime right = clock.wall();
  clock.set_wall(right + 48h);
  const std::string ahead = started("alice");
  EXPECT_EQ(prove(ahead, p.app.code(clock.wall())), Reason::ok) << "its phone's clock is as wrong";
  for (int i = 0; i < 7; ++i) (void)start("alice", "wrong horse battery");
  EXPECT_EQ(start("alice").error().code, Reason::password_locked);
  ASSERT_TRUE(run(sessions->maintain_once()));
  const auto mark_now = [&] { return *database->read_blocking([](store::Tx& tx) { return clock_mark(tx); }); };
  EXPECT_GE(mark_now(), right + 48h);
  clock.set_wall(right);
  const auto accept = [&] {
    return database->write_blocking([&](store::Tx& tx) { return accept_clock(tx, right); });
  };
  ASSERT_TRUE(accept());
  EXPECT_EQ(mark_now(), right);
  const auto again = accept();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Reason::conflict) << "nothing to accept";
  // All that was proved is over.
  for (const std::string& h : {p.handle, ahead}) EXPECT_EQ(verdict(h), Reason::credential_unknown);
  EXPECT_EQ(verdict(t, Audience::access), Reason::credential_unknown);
  EXPECT_EQ(sessions->size(), 0U);
  // Waits of the time ahead have ended, codes of before do not come back, new ones count.
  clock.advance(1s);
  const std::string in = started("alice");
  for (int steps = -1; steps <= 1; ++steps) EXPECT_NE(prove(in, p.app.code(right, steps)), Reason::ok) << steps;
  clock.advance(90s);
  EXPECT_EQ(prove(in, p.app.code(clock.wall())), Reason::ok);
}

TEST_F(SessionTest, AcceptingTheClockTakesGivenCodesBack) {
  const UserId id = make_user("alice");
  auto code = run(users->create_enrolment_code(id, administrator()));
  ASSERT_TRUE(code);
  const WallTime right = clock.wall();
  clock.set_wall(right + 1h);
  ASSERT_TRUE(run(sessions->maintain_once()));
  clock.set_wall(right);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return accept_clock(tx, right); }));
  EXPECT_FALSE(run(sessions->with_enrolment_code(std::move(*code), Secret(kPassword), source, "test")));
  // A clock that is not behind has nothing to accept, whatever the mark.
  const auto ahead = database->write_blocking([&](store::Tx& tx) { return accept_clock(tx, right + 24h); });
  ASSERT_FALSE(ahead);
  EXPECT_EQ(ahead.error().code, Reason::conflict);
}

TEST_F(SessionTest, MaintainStopsWhenAsked) {
  auto running = spawn([](Sessions* s, net::Core* core) -> net::Task<int> {
    co_await s->maintain(*core);
    co_return 1;
  }(sessions.get(), &cores->at(0)));
  std::this_thread::sleep_for(300ms);
  sessions->stop();
  EXPECT_EQ(running.get(), 1);
}

class SessionRestart : public ::testing::Test, public PeopleWorld {
 protected:
  void SetUp() override {
    file = folder / "test.db";
    open();
  }
};

TEST_F(SessionRestart, SessionsTokensAndRevocationsSurvive) {
  Person p = person("alice");
  Person q = person("bob");
  const std::string t = token(p.handle);
  ASSERT_TRUE(run(sessions->revoke(Revocation::all_of(q.id), {})).durable);
  const WallTime raised = mark;
  mark = {};
  restart();
  EXPECT_EQ(mark, raised) << "the clock's mark is durable";
  EXPECT_EQ(verdict(p.handle), Reason::ok);
  EXPECT_EQ(verdict(t, Audience::access), Reason::ok);
  EXPECT_EQ(verdict(q.handle), Reason::credential_unknown);
  EXPECT_EQ(level(p.handle), 2);
}

TEST_F(SessionRestart, AProofFromAnotherBootAgesByTheWallClock) {
  Person p = person("alice");
  ASSERT_NE(who(p.handle).evidence.begin()->boot, domain::Proof::no_boot);
  restart();
  EXPECT_NE(who(p.handle).evidence.begin()->boot, domain::Proof::no_boot) << "the same boot";
  options_session.boot_id = "boot-2";
  restart();
  for (const domain::Proof& proof : who(p.handle).evidence) EXPECT_EQ(proof.boot, domain::Proof::no_boot);
  EXPECT_EQ(level(p.handle), 2);
  clock.set_wall(clock.wall() + 59min);
  EXPECT_EQ(verdict(p.handle), Reason::ok);
  clock.set_wall(clock.wall() + 1min + 1us);
  EXPECT_EQ(level(p.handle), 1);
}

TEST_F(SessionRestart, ARevocationPersistedLateSurvives) {
  Person p = person("alice");
  hook.broken = true;
  EXPECT_FALSE(run(sessions->revoke(Revocation::of(p.who.subject.session), {})).durable);
  EXPECT_NE(verdict(p.handle), Reason::ok);
  hook.broken = false;
  for (int i = 0; i < 100 && !sessions->all_persisted(); ++i) {
    (void)run(sessions->maintain_once());
    std::this_thread::sleep_for(100ms);
  }
  restart();
  EXPECT_EQ(verdict(p.handle), Reason::credential_unknown);
}

TEST_F(SessionRestart, RefusedRevocationsSurviveTheProcessAndAreRecordedThen) {
  Person p = person("alice");
  Person q = person("bob");
  Person r = person("carol");
  const std::string t = token(r.handle);
  const Identified of_token = *identify(t, Audience::access);
  hook.broken = true;
  EXPECT_FALSE(run(sessions->revoke(Revocation::of(p.who.subject.session), known(q.id))).durable);
  EXPECT_FALSE(run(sessions->revoke(Revocation::all_of(q.id), {})).durable);
  EXPECT_FALSE(run(sessions->revoke(Revocation::of_handle(of_token.handle), {})).durable);
  EXPECT_FALSE(run(sessions->revoke(Revocation::of_handle(of_token.handle), {})).durable);
  EXPECT_EQ(denials->unkept(), 0U);
  restart();  // as after kill -9: the rows still say that they stand
  EXPECT_EQ(verdict(p.handle), Reason::credential_unknown);
  EXPECT_EQ(verdict(q.handle), Reason::credential_unknown);
  EXPECT_EQ(verdict(t, Audience::access), Reason::credential_unknown);
  EXPECT_EQ(verdict(r.handle), Reason::ok) << "nobody else is denied";
  EXPECT_FALSE(sessions->standing(p.who.subject.session, p.id, p.who.handle, clock.now()));
  hook.broken = false;
  for (int i = 0; i < 100 && !sessions->all_persisted(); ++i) {
    (void)run(sessions->maintain_once());
    std::this_thread::sleep_for(100ms);
  }
  ASSERT_TRUE(sessions->all_persisted());
  const auto recorded = entries("session.revoke");
  ASSERT_EQ(recorded.size(), 3U);
  EXPECT_EQ(recorded[0].user_name, "bob");
  EXPECT_NE(recorded[0].note.find("stored late"), std::string::npos);
  restart();
  EXPECT_TRUE(sessions->all_persisted());
  EXPECT_EQ(verdict(p.handle), Reason::credential_unknown);
  EXPECT_EQ(verdict(t, Audience::access), Reason::credential_unknown);
  EXPECT_EQ(verdict(r.handle), Reason::ok);
}

TEST_F(SessionRestart, WhatIsNoRevocationIsLeftForTheGate) {
  Packer odd;
  odd.number(7).text("nonsense");
  Bytes bytes = odd.take();
  const auto place = run(denials->keep("session.revoke", std::move(bytes)));
  ASSERT_TRUE(place.kept());
  restart();
  EXPECT_TRUE(sessions->all_persisted());
  EXPECT_EQ(denials->take_rest().size(), 1U);
}

}  // namespace
}  // namespace vestibule::session
