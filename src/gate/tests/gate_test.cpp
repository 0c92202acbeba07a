// Admission and its record, what cuts it, a failing store, the policy in force.
#include "gate/tests/fixture.hpp"

namespace vestibule::gate {
namespace {

using namespace std::chrono_literals;
using audit::Kind;
using session::Audience;
using session::Revocation;
using testing::act_of;
using testing::GateRestart;
using testing::GateTest;
using testing::Held;
using testing::kComplete;
using testing::kNoChat;
using testing::kPolicy;

TEST_F(GateRestart, ADeadlineThatNobodyCanMeetIsNotTakenUp) {
  Person root = person("root", {"administrator"});
  const std::string text = policy_text + "\n[[factor_deadline]]\nrole = \"member\"\nneeds = \"external\"\nby = \"2020-01-01\"\n";
  options_gate.enrollable = {};
  options_gate.enrollable.add(domain::FactorKind::totp);
  restart();
  auto read = reload(text, root);
  ASSERT_FALSE(read) << "members could do nothing, for ever";
  EXPECT_EQ(read.error().code, Reason::config_invalid);
  EXPECT_NE(read.error().detail.find("factor_deadline[1].needs: nobody can enrol external here"), std::string::npos) << read.error().detail;
  options_gate.enrollable.add(domain::FactorKind::external);
  restart();
  EXPECT_TRUE(reload(text, root));
}

// ------------------------------------------------------------------------------------- admission

TEST_F(GateTest, AnAdmissionIsDurableBeforeTheVerdict) {
  Person p = person("alice");
  Caller c = caller(p);
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  std::promise<void> stuck;
  std::thread blocker([&] {
    auto r = database->write_blocking([&](store::Tx&) -> Result<void> {
      stuck.set_value();
      gone.wait();
      return {};
    });
    EXPECT_TRUE(r);
  });
  stuck.get_future().wait();
  Held held;
  std::atomic<bool> verdict{false};
  std::thread asker([&] {
    EXPECT_EQ(hold(held, c, act_of("chat")), Reason::ok);
    verdict = true;
  });
  std::this_thread::sleep_for(150ms);
  EXPECT_FALSE(verdict) << "the record is not durable yet";
  go.set_value();
  asker.join();
  blocker.join();
  const auto admissions = entries("chat");  // as it is, without a flush
  ASSERT_EQ(admissions.size(), 1U);
  const audit::Entry& e = admissions[0];
  EXPECT_EQ(e.kind, Kind::admission);
  EXPECT_EQ(e.outcome, "allow");
  EXPECT_EQ(e.reason, "ok");
  EXPECT_EQ(e.rule, "members");
  EXPECT_EQ(e.policy, hex(gate->policies()->active.digest()));
  EXPECT_EQ(e.access_point, "lab");
  EXPECT_EQ(e.model, "tiny");
  EXPECT_EQ(e.level, 2);
  EXPECT_EQ(e.user_name, "alice");
  EXPECT_EQ(e.source, "198.51.100.7");
  EXPECT_EQ(e.client, "test/1");
  EXPECT_EQ(e.request, c.request.text());
  EXPECT_EQ(e.evidence.size(), 2U);

  EXPECT_TRUE(entries_of(Kind::completion, "chat").empty()) << "it is still under way";
  let_go(held);
  const auto completions = entries_of(Kind::completion, "chat");
  ASSERT_EQ(completions.size(), 1U);
  EXPECT_EQ(completions[0].reason, "ok");
  EXPECT_EQ(completions[0].status, 200);
  EXPECT_EQ(completions[0].request, c.request.text());
  EXPECT_EQ(held.live.cuts, 0);
}

TEST_F(GateTest, ARefusalIsRecordedWithItsReason) {
  Person p = person("alice");
  Person admin = person("root", {"administrator"});
  struct Row { const char* name; const Person& who; domain::Act act; Reason reason; };
  domain::Act high = act_of("embed");
  high.sensitivity = domain::Sensitivity::high;
  domain::Act critical = act_of("models.list");
  critical.sensitivity = domain::Sensitivity::critical;
  const Row rows[] = {{"no rule", p, act_of("complete"), Reason::policy_no_rule},
                      {"no rule for the administration", p, act_of("user.create", "", "vestibule"), Reason::policy_no_rule},
                      {"a factor that was never shown", p, high, Reason::mfa_required},
                      {"the same before a confirmation", p, critical, Reason::mfa_required}};
  for (const Row& row : rows) {
    const Caller c = caller(row.who);
    EXPECT_EQ(considered(c, row.act), row.reason) << row.name;
    EXPECT_EQ(ask(c, row.act, 1), row.reason) << row.name;
    const auto refusals = entries_of(Kind::refusal, row.act.operation);
    ASSERT_EQ(refusals.size(), 1U) << row.name << ": looking leaves no record, asking leaves one";
    EXPECT_EQ(refusals[0].reason, info(row.reason).code) << row.name;
    EXPECT_EQ(refusals[0].request, c.request.text()) << row.name;
    EXPECT_EQ(refusals[0].user_name, "alice") << row.name;
    EXPECT_TRUE(entries_of(Kind::admission, row.act.operation).empty()) << row.name;
    EXPECT_TRUE(entries_of(Kind::completion, row.act.operation).empty()) << row.name;
  }
  EXPECT_EQ(ask(caller(admin), act_of("user.create", "", "vestibule")), Reason::ok);
  gate->refuse_unknown(*domain::Source::parse("203.0.113.5"), Reason::credential_missing, "lab");
}

TEST_F(GateTest, ASecondFactorLapsesAtTheVeryMicrosecond) {
  Person p = person("alice");
  for (int i = 0; i < 3; ++i) {  // activity, so that the session is not idle
    clock.advance(20min);
    ASSERT_EQ(ask(caller(p), act_of("chat")), Reason::ok) << i;
  }
  clock.advance(1us);
  EXPECT_EQ(ask(caller(p), act_of("chat")), Reason::mfa_lapsed);
  EXPECT_EQ(considered(caller(p), act_of("chat"), 1), Reason::mfa_lapsed);
  EXPECT_EQ(entries_of(Kind::refusal, "chat").at(0).reason, "mfa_lapsed");
  EXPECT_EQ(entries_of(Kind::refusal, "chat").at(0).level, 1);
  ASSERT_EQ(prove(p), Reason::ok);
  EXPECT_EQ(ask(caller(p), act_of("chat")), Reason::ok) << "the same token passes again";
  clock.set_trusted(false);
  EXPECT_EQ(ask(caller(p), act_of("chat")), Reason::clock_untrusted);
  clock.set_trusted(true);
}

TEST_F(GateTest, WhatWasAdmittedFreshMayFinish) {
  Person p = person("alice");
  clock.advance(59min);
  Held held;
  ASSERT_EQ(hold(held, caller(p), act_of("chat")), Reason::ok);
  clock.advance(2min);
  EXPECT_EQ(considered(caller(p), act_of("chat")), Reason::mfa_lapsed);
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(held.live.cuts, 0);
  let_go(held);
}

// -------------------------------------------------------------------------------------- identify

TEST_F(GateTest, OneCredentialInOnePlaceOrNone) {
  Person p = person("alice");
  const std::string t = p.token;
  struct Row { const char* name; std::string fields; Reason reason; };
  const auto basic = [](const std::string& name_and_password) { return "Authorization: Basic " + base64(as_bytes(name_and_password)) + "\r\n"; };
  const std::string git = "User-Agent: git/2.39.5\r\n";
  const Row rows[] = {
      {"bearer", "Authorization: Bearer " + t + "\r\n", Reason::ok},
      {"bearer in any case", "authorization: bEARER " + t + "\r\n", Reason::ok},
      {"key", "x-api-key: " + t + "\r\n", Reason::ok},
      {"none", "", Reason::credential_missing},
      {"a cookie is none", "Cookie: session=" + t + "\r\n", Reason::credential_missing},
      {"query-like fields are none", "X-Auth-Token: " + t + "\r\n", Reason::credential_missing},
      {"both", "Authorization: Bearer " + t + "\r\nX-Api-Key: " + t + "\r\n", Reason::credential_malformed},
      {"two bearers", "Authorization: Bearer " + t + "\r\nAuthorization: Bearer " + t + "\r\n", Reason::credential_malformed},
      {"two keys", "X-Api-Key: " + t + "\r\nX-Api-Key: " + t + "\r\n", Reason::credential_malformed},
      {"two in one field", "Authorization: Bearer " + t + ", Bearer " + t + "\r\n", Reason::credential_malformed},
      {"basic", "Authorization: Basic " + t + "\r\n", Reason::credential_malformed},
      {"git's password", git + basic("vestibule:" + t), Reason::ok},
      {"git without a name", git + basic(":" + t), Reason::ok},
      {"git with a bearer", git + "Authorization: Bearer " + t + "\r\n", Reason::ok},
      {"git's name", git + basic(t + ":x"), Reason::credential_malformed},
      {"git without a password", git + basic(t + ":"), Reason::credential_malformed},
      {"git without a colon", git + basic(t), Reason::credential_malformed},
      {"git, the second colon", git + basic("a:b:" + t), Reason::credential_malformed},
      {"git, no Base64", git + "Authorization: Basic " + t + "\r\n", Reason::credential_malformed},
      {"git, too long", git + basic(std::string(5000, 'a') + ":" + t), Reason::credential_malformed},
      {"git, both", git + basic("vestibule:" + t) + "X-Api-Key: " + t + "\r\n", Reason::credential_malformed},
      {"git, twice", git + basic("vestibule:" + t) + basic("vestibule:" + t), Reason::credential_malformed},
      {"a browser's password", "User-Agent: Mozilla/5.0 git/2.39.5\r\n" + basic("vestibule:" + t), Reason::credential_malformed},
      {"who says nothing of itself", basic("vestibule:" + t), Reason::credential_malformed},
      {"git and a browser", git + "User-Agent: Mozilla/5.0\r\n" + basic("vestibule:" + t), Reason::credential_malformed},
      {"no scheme", "Authorization: " + t + "\r\n", Reason::credential_malformed},
      {"scheme alone", "Authorization: Bearer\r\n", Reason::credential_malformed},
      {"two spaces", "Authorization: Bearer  " + t + "\r\n", Reason::credential_malformed},
      {"empty", "Authorization:\r\n", Reason::credential_malformed},
      {"empty key", "X-Api-Key:\r\n", Reason::credential_malformed},
      {"cut", "X-Api-Key: " + t.substr(0, t.size() - 1) + "\r\n", Reason::credential_malformed},
      {"the portal's handle", "Authorization: Bearer " + p.handle + "\r\n", Reason::credential_audience},
      {"unknown", "X-Api-Key: " + std::string(mint->make(crypto::kAccessToken, rng).text.reveal_text()) + "\r\n",
       Reason::credential_unknown},
  };
  for (const Row& row : rows) EXPECT_EQ(identified(row.fields), row.reason) << row.name;
  EXPECT_EQ(identified("Authorization: Bearer " + t + "\r\n", Audience::control), Reason::credential_audience);
  EXPECT_EQ(identified(git + basic("vestibule:" + p.handle)), Reason::credential_audience);
  EXPECT_EQ(identified("Authorization: Bearer " + p.handle + "\r\n", Audience::control), Reason::ok);
}

// ------------------------------------------------------------------------------- what else cuts

TEST_F(GateTest, RevocationAndDisablementCut) {
  Person root = person("root", {"administrator"});
  struct Row { const char* name; int how; };
  int n = 0;
  for (const Row& row : {Row{"session", 0}, Row{"all of a user", 1}, Row{"token", 2}, Row{"disabled", 3}}) {
    Person p = person("user" + std::to_string(n++));
    Person other = person("user" + std::to_string(n++));
    const Caller c = caller(p);
    Held held[2];
    Held bystander;
    for (unsigned core = 0; core < 2; ++core) ASSERT_EQ(hold(held[core], c, act_of("chat"), core), Reason::ok);
    ASSERT_EQ(hold(bystander, caller(other), act_of("chat")), Reason::ok);
    switch (row.how) {
      case 0: EXPECT_TRUE(run(sessions->revoke(Revocation::of(c.who.subject.session), actor(root))).durable); break;
      case 1: EXPECT_TRUE(run(sessions->revoke(Revocation::all_of(p.id), actor(root))).durable); break;
      case 2: EXPECT_TRUE(run(sessions->revoke(Revocation::of_handle(c.who.handle), actor(root))).durable); break;
      default: ASSERT_TRUE(run(users->disable(p.id, actor(root)))); break;
    }
    for (unsigned core = 0; core < 2; ++core) {
      EXPECT_TRUE(soon([&] { return held[core].live.cuts == 1; })) << row.name << core;
      EXPECT_EQ(held[core].live.why, Reason::revoked_in_flight) << row.name;
      EXPECT_EQ(ask(c, act_of("embed"), core), Reason::revoked_in_flight) << row.name << ": a copy of the evidence is no way in";
      let_go(held[core], core);
    }
    EXPECT_EQ(bystander.live.cuts, 0) << row.name;
    let_go(bystander);
  }
}

TEST_F(GateTest, TheLimitCutsAndSoDoesACallerWhoHasGone) {
  Person p = person("alice");
  Held late;
  Held gone;
  Held stays;
  ASSERT_EQ(hold(late, caller(p), act_of("chat"), 0, 100ms), Reason::ok);
  ASSERT_EQ(hold(gone, caller(p), act_of("chat"), 1), Reason::ok);
  ASSERT_EQ(hold(stays, caller(p), act_of("chat"), 0), Reason::ok);
  std::this_thread::sleep_for(60ms);
  EXPECT_EQ(late.live.cuts, 0) << "the gate's clock stands still";
  gone.live.present = false;
  clock.advance(101ms);
  EXPECT_TRUE(soon([&] { return late.live.cuts == 1 && gone.live.cuts == 1; }));
  EXPECT_EQ(late.live.why, Reason::stream_limit);
  EXPECT_EQ(gone.live.why, Reason::client_gone);
  std::this_thread::sleep_for(120ms);
  EXPECT_EQ(late.live.cuts, 1);
  EXPECT_EQ(stays.live.cuts, 0);
  let_go(late);
  let_go(gone, 1);
  let_go(stays);
  std::vector<std::string> reasons;
  for (const auto& e : entries_of(Kind::completion, "chat")) reasons.push_back(e.reason);
  std::sort(reasons.begin(), reasons.end());
  EXPECT_EQ(reasons, (std::vector<std::string>{"client_gone", "ok", "stream_limit"}));
}

// ------------------------------------------------------------------------------ a failing store

TEST_F(GateTest, WithoutARecordNothingIsAdmittedAndCompletionsAreWrittenLater) {
  Person p = person("alice");
  const Caller c = caller(p);
  Held held;
  ASSERT_EQ(hold(held, c, act_of("chat")), Reason::ok);
  hook.broken = true;
  Held none;
  EXPECT_EQ(hold(none, c, act_of("embed")), Reason::audit_unavailable) << "its batch is rolled back";
  EXPECT_FALSE(none.admission);
  EXPECT_EQ(database->health(), store::Health::failing);
  EXPECT_EQ(hold(none, c, act_of("embed"), 1), Reason::audit_unavailable) << "refused before it is journaled";
  EXPECT_FALSE(none.admission);
  EXPECT_EQ(held.live.cuts, 0) << "what was admitted goes on";
  let_go(held);
  hook.broken = false;
  EXPECT_TRUE(soon([&] { return database->health() == store::Health::ok; }, 5s));
  EXPECT_TRUE(soon([&] { return entries("chat").size() == 2; }, 5s)) << "admission and completion";
  EXPECT_EQ(entries_of(Kind::completion, "chat").size(), 1U);
  EXPECT_TRUE(entries_of(Kind::admission, "embed").empty());
  EXPECT_EQ(ask(c, act_of("embed")), Reason::ok);
  EXPECT_EQ(entries_of(Kind::admission, "embed").size(), 1U);
}

TEST_F(GateTest, ACompletionWhoseBatchIsRolledBackIsWrittenAgain) {
  Person p = person("alice");
  Held held;
  ASSERT_EQ(hold(held, caller(p), act_of("chat")), Reason::ok);
  hook.broken = true;
  let_go(held);  // journaled while the store still looks well
  EXPECT_TRUE(soon([&] { return database->health() == store::Health::failing; }, 5s));
  hook.broken = false;
  EXPECT_TRUE(soon([&] { return entries("chat").size() == 2; }, 5s));
}

// ---------------------------------------------------------------------------------------- policy

TEST_F(GateTest, TighteningIsAtOnceAndCuts) {
  Person root = person("root", {"administrator"});
  Person p = person("alice");
  const std::string policy(kPolicy);
  Held chat[2];
  Held embed;
  for (unsigned core = 0; core < 2; ++core) ASSERT_EQ(hold(chat[core], caller(p), act_of("chat"), core), Reason::ok);
  ASSERT_EQ(hold(embed, caller(p), act_of("embed")), Reason::ok);
  auto same = reload("# a comment\n" + policy, root);
  ASSERT_TRUE(same);
  EXPECT_FALSE(same->changed);
  auto bad = reload(policy + "[[rule]]\nnom = 1\n", root);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Reason::config_invalid);
  EXPECT_EQ(chat[0].live.cuts, 0);

  auto tight = reload(policy + std::string(kNoChat), root, 1);
  ASSERT_TRUE(tight);
  EXPECT_TRUE(tight->changed);
  EXPECT_FALSE(tight->staged);
  EXPECT_EQ(tight->active, gate->policies()->active.digest());
  for (unsigned core = 0; core < 2; ++core) {
    EXPECT_EQ(chat[core].live.cuts, 1) << core;
    EXPECT_EQ(chat[core].live.why, Reason::revoked_in_flight);
    EXPECT_EQ(ask(caller(p), act_of("chat"), core), Reason::policy_denied);
    let_go(chat[core], core);
  }
  EXPECT_EQ(embed.live.cuts, 0) << "still allowed";
  let_go(embed);
  EXPECT_EQ(entries_of(Kind::change, "policy.load").size(), 2U) << "the first one and this one";
}

TEST_F(GateTest, LooseningWaitsForACodeThatIsConsumedOnce) {
  Person root = person("root", {"administrator"});
  Person p = person("alice");
  const std::string policy(kPolicy);
  const Digest before = gate->policies()->active.digest();
  // What a file loosens waits; what the same file tightens does not.
  Held chat;
  ASSERT_EQ(hold(chat, caller(p), act_of("chat"), 1), Reason::ok);
  auto staged = reload(policy + std::string(kNoChat) + std::string(kComplete), root);
  ASSERT_TRUE(staged);
  ASSERT_TRUE(staged->staged);
  EXPECT_EQ(staged->active, before);
  EXPECT_EQ(chat.live.cuts, 1);
  let_go(chat, 1);
  EXPECT_EQ(ask(caller(p), act_of("chat")), Reason::policy_denied);
  EXPECT_EQ(ask(caller(p), act_of("complete"), 1), Reason::policy_no_rule);
  EXPECT_EQ(ask(caller(p), act_of("embed")), Reason::ok);

  auto loose = reload(policy + std::string(kComplete), root);
  ASSERT_TRUE(loose && loose->staged);
  EXPECT_EQ(ask(caller(p), act_of("chat"), 1), Reason::ok) << "the staged file no longer forbids it";
  EXPECT_EQ(ask(caller(p), act_of("complete")), Reason::policy_no_rule);

  clock.advance(30s);
  const std::string code = root.app.code(clock.wall());
  EXPECT_EQ(approve(*staged->staged, root, code), Reason::conflict) << "another file waits by now";
  EXPECT_EQ(approve(before, root, code), Reason::conflict);
  EXPECT_EQ(approve(*loose->staged, root, root.app.wrong(clock.wall())), Reason::code_wrong);
  EXPECT_EQ(ask(caller(p), act_of("complete")), Reason::policy_no_rule);
  EXPECT_EQ(approve(*loose->staged, root, code), Reason::ok) << "a conflict consumes no code";
  EXPECT_EQ(ask(caller(p), act_of("complete")), Reason::ok);
  EXPECT_EQ(ask(caller(p), act_of("complete"), 1), Reason::ok);
  EXPECT_EQ(gate->policies()->active.digest(), *loose->staged);
  EXPECT_FALSE(gate->policies()->staged);
  const auto approved = entries_of(Kind::change, "policy.approve");
  ASSERT_EQ(approved.size(), 1U);
  EXPECT_EQ(approved[0].user_name, "root");
  EXPECT_EQ(approved[0].policy, hex(*loose->staged));
  EXPECT_NE(approved[0].note.find("loosens"), std::string::npos);
  EXPECT_EQ(approve(*loose->staged, root, code), Reason::conflict) << "nothing waits";

  ASSERT_TRUE(reload(policy, root));
  EXPECT_EQ(ask(caller(p), act_of("complete")), Reason::policy_no_rule);
  auto again = reload(policy + std::string(kComplete), root);
  ASSERT_TRUE(again && again->staged);
  EXPECT_EQ(approve(*again->staged, root, code), Reason::code_used);
  EXPECT_EQ(ask(caller(p), act_of("complete")), Reason::policy_no_rule);
}

TEST_F(GateRestart, AStagedPolicyIsStagedAgainAndAnApprovedOneStays) {
  Person root = person("root", {"administrator"});
  Person p = person("alice");
  policy_text += kComplete;
  auto staged = reload(policy_text, root);
  ASSERT_TRUE(staged && staged->staged);
  restart();
  ASSERT_TRUE(gate->policies()->staged) << "a restart approves nothing";
  EXPECT_EQ(ask(caller(p), act_of("complete")), Reason::policy_no_rule);
  clock.advance(30s);
  EXPECT_EQ(approve(*staged->staged, root, root.app.code(clock.wall())), Reason::ok);
  restart();
  EXPECT_FALSE(gate->policies()->staged);
  EXPECT_EQ(ask(caller(p), act_of("complete"), 1), Reason::ok);
}

TEST_F(GateTest, RequestIdsAreDistinct) {
  std::vector<std::string> ids;
  cores->on_each([&](net::Core& core) {
    if (core.index() != 0) return;
    for (int i = 0; i < 1000; ++i) ids.push_back(gate->new_request().text());
  });
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
}

}  // namespace
}  // namespace vestibule::gate
