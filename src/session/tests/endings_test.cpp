#include "session/endings.hpp"

#include "session/tests/people.hpp"

namespace vestibule::session {
namespace {

using namespace std::chrono_literals;
using testing::PeopleWorld;

class EndingsTest : public ::testing::Test, public PeopleWorld {
 protected:
  void SetUp() override { open(); }

  std::optional<Reason> why(std::string_view token) { return run(sessions->why_ended(Secret(token))); }
  Actor by(const Person& p) { return actor_of(who(p.handle), source, "test", {}); }
  template <class F>
  auto job(F f) {
    return run(database->write(std::move(f)));
  }
  SessionId family_of(const Person& p) {
    FamilyWish wish;
    wish.parent = who(p.handle).subject.session;
    wish.user = p.id;
    wish.client = "Editor";
    wish.access_point = "lab";
    auto opened = job([this, wish](store::Tx& tx) { return sessions->open_family_in(tx, wish, Actor{}, clock.now()); });
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().detail);
    return opened ? *opened : SessionId{};
  }
  std::string family_token(SessionId family) {
    auto made = job([this, family](store::Tx& tx) { return sessions->issue_family_token_in(tx, family, 1h, Actor{}, clock.now()); });
    EXPECT_TRUE(made) << (made ? "" : made.error().detail);
    return made ? std::string(made->handle.reveal_text()) : std::string();
  }
  Result<Delegated> agent(SessionId family, const std::string& name, policy::ScopeForm form = {}) {
    auto scope = policy::Scope::compile(form);
    EXPECT_TRUE(scope);
    auto wish = std::make_shared<DelegationWish>(DelegationWish{name, 8h, std::move(*scope)});
    return job([this, family, wish](store::Tx& tx) { return sessions->delegate_family_in(tx, family, *wish, Actor{}, clock.now()); });
  }
};

TEST_F(EndingsTest, WhoeverHeldAHandleIsToldWhyAndNobodyElse) {
  const Person p = person("alice");
  const std::string t = token(p.handle);
  EXPECT_EQ(why(p.handle), std::nullopt) << "it stands";
  EXPECT_EQ(why("vs_garbage"), std::nullopt);
  run(sessions->revoke(Revocation::of(who(p.handle).subject.session), by(p)));
  EXPECT_EQ(why(p.handle), Reason::session_revoked);
  EXPECT_EQ(why(t), Reason::session_revoked);
  EXPECT_NE(verdict(p.handle), Reason::ok) << "to know why opens nothing";
  // One that was well made and never given out.
  const auto other = mint->make(crypto::kControlSession, rng);
  EXPECT_EQ(why(other.text.reveal_text()), std::nullopt);
}

TEST_F(EndingsTest, ANewPasswordSaysSo) {
  Person p = person("alice");
  const std::string elsewhere = started("alice");
  clock.advance(30s);
  ASSERT_EQ(prove(elsewhere, p.app.code(clock.wall())), Reason::ok);
  clock.advance(30s);
  std::optional<Answer> code;
  code.emplace(Secret(p.app.code(clock.wall())));
  const Identified i = who(p.handle);
  const auto changed = run(sessions->change_password(i, Secret(testing::kPassword), Secret("another horse battery staple"), std::move(code), by(p)));
  ASSERT_TRUE(changed) << changed.error().detail;
  EXPECT_EQ(verdict(p.handle), Reason::ok) << "the one that changed it goes on";
  EXPECT_EQ(why(elsewhere), Reason::password_changed);
}

TEST_F(EndingsTest, IdleAndOverAreToldApartWhenTheRowsAreGone) {
  const Person idle = person("alice");
  clock.advance(options_session.idle + 2h);
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(why(idle.handle), Reason::session_idle);
  const Person over = person("bob");
  for (Duration d{}; d < options_session.overall + 2h; d += 30min) {
    clock.advance(30min);
    static_cast<void>(identify(over.handle));
  }
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(why(over.handle), Reason::session_ended);
}

TEST_F(EndingsTest, AfterAWeekNothingIsLeftAndAHalfSignInLeavesNothing) {
  const Person p = person("alice");
  const std::string half = started("alice");
  run(sessions->revoke(Revocation::all_of(p.id), by(p)));
  EXPECT_EQ(why(p.handle), Reason::session_revoked);
  EXPECT_EQ(why(half), std::nullopt);
  clock.advance(kTellWhy + 1h);
  ASSERT_TRUE(run(sessions->maintain_once()));
  EXPECT_EQ(why(p.handle), std::nullopt);
}

TEST_F(EndingsTest, AFamilysAgentIsNarrowerThanItAndEndsWithIt) {
  const Person p = person("alice");
  const SessionId family = family_of(p);
  const std::string own = family_token(family);
  policy::ScopeForm form;
  form.access_points = {"lab"};
  form.operations = {"chat"};
  auto made = agent(family, "build", form);
  ASSERT_TRUE(made) << made.error().detail;
  const std::string child(made->handle.reveal_text());
  EXPECT_TRUE(child.starts_with("vc_"));
  const auto i = identify(child, Audience::access);
  ASSERT_TRUE(i);
  EXPECT_EQ(i->subject.via.view(), "agent build");
  EXPECT_EQ(i->bound.access_point.view(), "lab") << "no other than the family's";
  EXPECT_TRUE(i->flags.scoped);
  domain::Act act;
  act.access_point = "lab";
  act.operation = "embed";
  EXPECT_FALSE(sessions->permits(i->handle, act, source, clock.now(), policy::Known::whole));
  act.operation = "chat";
  EXPECT_TRUE(sessions->permits(i->handle, act, source, clock.now(), policy::Known::whole));
  EXPECT_EQ(verdict(child), Reason::credential_audience);
  const auto bad = agent(family, "b d");
  EXPECT_EQ(bad.error().code, Reason::invalid_argument);
  const auto none = agent(who(p.handle).subject.session, "build");
  EXPECT_EQ(none.error().code, Reason::session_ended) << "a person's own session is no family";
  // The client's next tokens push out its own alone.
  for (std::size_t n = 0; n < options_session.max_tokens + 2; ++n) {
    clock.advance(1s);
    static_cast<void>(family_token(family));
  }
  EXPECT_EQ(verdict(child, Audience::access), Reason::ok);
  EXPECT_NE(verdict(own, Audience::access), Reason::ok);
  const auto ended = job([this, family](store::Tx& tx) { return sessions->end_family_in(tx, family, Actor{}, "twice", Reason::token_reused, clock.now()); });
  ASSERT_TRUE(ended);
  EXPECT_NE(verdict(child, Audience::access), Reason::ok);
  EXPECT_EQ(why(child), Reason::token_reused);
}

TEST_F(EndingsTest, AFamilyHasSoManyAgentsAndNoMore) {
  const Person p = person("alice");
  const SessionId family = family_of(p);
  for (std::size_t n = 0; n < options_session.max_tokens; ++n) ASSERT_TRUE(agent(family, "a" + std::to_string(n))) << n;
  const auto more = agent(family, "more");
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, Reason::conflict);
}

}  // namespace
}  // namespace vestibule::session
