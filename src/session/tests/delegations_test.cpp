#include "session/delegations.hpp"

#include "session/tests/people.hpp"

namespace vestibule::session {
namespace {

using namespace std::chrono_literals;
using testing::PeopleWorld;

TEST(AgentNames, Table) {
  for (const char* good : {"build", "Build-2", "a.b_c", "x"}) EXPECT_TRUE(good_agent_name(good)) << good;
  for (const char* bad : {"", "a b", "a\"b", "a*", "\xc3\xbc", "a\n"}) EXPECT_FALSE(good_agent_name(bad)) << bad;
  EXPECT_TRUE(good_agent_name(std::string(48, 'a')));
  EXPECT_FALSE(good_agent_name(std::string(49, 'a')));
}

class DelegationsTest : public ::testing::Test, public PeopleWorld {
 protected:
  void SetUp() override { open(); }

  Result<Delegated> delegate(const std::string& handle, const std::string& agent = "build", Duration ttl = 8h,
                             policy::ScopeForm form = {}) {
    auto scope = policy::Scope::compile(form);
    EXPECT_TRUE(scope);
    const Identified i = who(handle);
    DelegationWish wish{agent, ttl, std::move(*scope)};
    return run(sessions->delegate(i, std::move(wish), actor_of(i, source, "test", {})));
  }
  std::string handed_on(const std::string& handle) {
    auto made = delegate(handle);
    EXPECT_TRUE(made) << (made ? "" : made.error().detail);
    return made ? std::string(made->handle.reveal_text()) : std::string();
  }
  Reason opens(std::string_view token) { return verdict(token, Audience::access); }
};

TEST_F(DelegationsTest, ItOpensAccessPointsAloneAsItsPersonByTheAgent) {
  const Person p = person("alice");
  const std::string token = handed_on(p.handle);
  EXPECT_TRUE(token.starts_with("vc_"));
  const auto i = identify(token, Audience::access);
  ASSERT_TRUE(i);
  EXPECT_EQ(i->subject.user, p.id);
  EXPECT_EQ(i->subject.name.view(), "alice");
  EXPECT_EQ(i->subject.via.view(), "agent build");
  EXPECT_EQ(domain::agent_of(i->subject), "build");
  EXPECT_EQ(domain::level(i->evidence, clock.now(), true, 1h), 2) << "its session's evidence";
  EXPECT_EQ(verdict(token), Reason::credential_audience) << "never the control API";
}

TEST_F(DelegationsTest, ItHandsNothingOnAndProvesNothing) {
  const Person p = person("alice");
  auto child = identify(handed_on(p.handle), Audience::access);
  ASSERT_TRUE(child);
  const Actor by = actor_of(*child, source, "test", {});
  DelegationWish wish{"other", 1h, {}};
  const auto more = run(sessions->delegate(*child, std::move(wish), by));
  EXPECT_EQ(more.error().code, Reason::credential_audience);
  const auto token = run(sessions->issue_token(*child, 1h, by));
  EXPECT_EQ(token.error().code, Reason::credential_audience);
  clock.advance(30s);
  const auto proved = run(sessions->prove(*child, FactorKind::totp, Secret(p.app.code(clock.wall())), by));
  EXPECT_EQ(proved.error().code, Reason::credential_audience);
}

TEST_F(DelegationsTest, ItLivesNoLongerThanItsTimeAndItsSession) {
  Person p = person("alice");
  auto brief = delegate(p.handle, "build", 10min);
  ASSERT_TRUE(brief);
  EXPECT_EQ(brief->ends, clock.wall() + 10min);
  const std::string token(brief->handle.reveal_text());
  const std::string whole = handed_on(p.handle);
  clock.advance(10min);
  EXPECT_EQ(opens(token), Reason::ok);
  clock.advance(1us);
  EXPECT_EQ(opens(token), Reason::credential_unknown);
  EXPECT_EQ(opens(whole), Reason::ok);
  auto long_one = delegate(p.handle, "build", 10000h);
  ASSERT_TRUE(long_one);
  EXPECT_LE(long_one->ends, who(p.handle).session_ends);
  run(sessions->revoke(Revocation::of(who(p.handle).subject.session), actor_of(who(p.handle), source, "test", {})));
  EXPECT_EQ(opens(whole), Reason::credential_unknown) << "it dies with its session";
}

TEST_F(DelegationsTest, OneActionRevokesIt) {
  const Person p = person("alice");
  const Person q = person("bob");
  auto made = delegate(p.handle);
  ASSERT_TRUE(made);
  const std::string token(made->handle.reveal_text());
  const std::string other = handed_on(p.handle);
  auto list = run(sessions->delegations(p.id));
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 2U);
  EXPECT_EQ(list->front().id, made->id);
  EXPECT_EQ(list->front().agent, "build");
  EXPECT_TRUE(run(sessions->delegations(q.id))->empty()) << "nobody sees another's";
  auto listed = run(sessions->list(p.id));
  ASSERT_TRUE(listed && listed->size() == 1);
  EXPECT_EQ(listed->front().agents, std::vector<std::string>{"build"});
  run(sessions->revoke(Revocation::of_handle(made->id), actor_of(who(p.handle), source, "test", {})));
  EXPECT_EQ(opens(token), Reason::credential_unknown);
  EXPECT_EQ(opens(other), Reason::ok);
  EXPECT_EQ(run(sessions->delegations(p.id))->size(), 1U);
}

TEST_F(DelegationsTest, ItsScopeIsHeldTo) {
  const Person p = person("alice");
  policy::ScopeForm form;
  form.access_points = {"lab"};
  form.operations = {"chat"};
  auto made = delegate(p.handle, "build", 1h, form);
  ASSERT_TRUE(made);
  const auto i = identify(made->handle.reveal_text(), Audience::access);
  ASSERT_TRUE(i);
  EXPECT_TRUE(i->flags.scoped);
  domain::Act act;
  act.access_point = "lab";
  act.operation = "chat";
  const auto may = [&] { return sessions->permits(i->handle, act, source, clock.now(), policy::Known::whole); };
  EXPECT_TRUE(may());
  act.operation = "embed";
  EXPECT_FALSE(may());
  act.operation = "chat";
  act.access_point = "other";
  EXPECT_FALSE(may());
}

TEST_F(DelegationsTest, TokensOfThePersonPushNoAgentOut) {
  const Person p = person("alice");
  const std::string token = handed_on(p.handle);
  const Identified i = who(p.handle);
  for (std::size_t n = 0; n < options_session.max_tokens + 3; ++n) {
    ASSERT_TRUE(run(sessions->issue_token(i, 1h, actor_of(i, source, "test", {}))));
  }
  EXPECT_EQ(opens(token), Reason::ok);
  for (std::size_t n = 1; n < options_session.max_tokens; ++n) ASSERT_TRUE(delegate(p.handle)) << n;
  const auto one_more = delegate(p.handle);
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().code, Reason::conflict);
  EXPECT_EQ(opens(token), Reason::ok) << "what is at work stays";
}

TEST_F(DelegationsTest, WhatIsWrongIsRefused) {
  const Person p = person("alice");
  EXPECT_EQ(delegate(p.handle, "a b").error().code, Reason::invalid_argument);
  EXPECT_EQ(delegate(p.handle, "build", 0s).error().code, Reason::invalid_argument);
  const std::string pending = started("alice");
  EXPECT_EQ(delegate(pending).error().code, Reason::mfa_required);
}

}  // namespace
}  // namespace vestibule::session
