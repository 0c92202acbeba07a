#include "gate/gate.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "gate/tests/world.hpp"

namespace vestibule::gate {
namespace {

using namespace std::chrono_literals;
using audit::Kind;
using session::Audience;
using session::Revocation;
using testing::act_of;
using testing::GateWorld;
using testing::Held;
using testing::kComplete;
using testing::kNoChat;
using testing::kPolicy;

class GateTest : public ::testing::Test, public GateWorld {
 protected:
  void SetUp() override { open(); }

  Reason identified(const std::string& fields, Audience audience = Audience::access) {
    const std::string text = "GET / HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n";
    http::RequestParser parser;
    EXPECT_EQ(parser.feed(text), http::ParseState::done) << fields;
    const auto r = gate->identify(parser.head(), audience, {}, {});
    return r ? Reason::ok : r.error().code;
  }
  Result<void> stop(StopScope scope, const std::string& target, const Person& by, unsigned core = 0) {
    return run(gate->stop({scope, target, clock.wall(), "root", "drill"}, actor(by)), core);
  }
  Result<bool> lift(StopScope scope, const std::string& target, const Person& by) {
    return run(gate->lift(scope, target, actor(by)));
  }
  Result<Staged> reload(const std::string& text, const Person& by, unsigned core = 0) {
    return run(gate->reload_policy(text, "policy.toml", actor(by)), core);
  }
  Reason approve(const Digest& digest, const Person& by, const std::string& code) {
    const auto r = run(gate->approve_policy(digest, attempt(by, code)));
    return r ? Reason::ok : r.error().code;
  }
};

class GateRestart : public GateTest {
 protected:
  void SetUp() override {
    file = folder / "vestibule.db";
    open();
  }
};

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
  EXPECT_EQ(identified("Authorization: Bearer " + p.handle + "\r\n", Audience::control), Reason::ok);
}

// ----------------------------------------------------------------------------------------- stops

TEST_F(GateTest, AStopCutsWhatItCoversOnBothCores) {
  Person root = person("root", {"administrator"});
  Person alice = person("alice");
  Person bob = person("bob");
  struct Row { const char* name; StopScope scope; std::string target; bool alice_lab, bob_lab, alice_den; };
  const Row rows[] = {{"access point", StopScope::access_point, "lab", true, true, false},
                      {"user", StopScope::user, "alice", true, false, true},
                      {"all", StopScope::all, "", true, true, true},
                      {"nobody", StopScope::user, "lab", false, false, false}};
  for (const Row& row : rows) {
    Held held[2][3];
    const auto covered = [&](int i) { return i == 0 ? row.alice_lab : i == 1 ? row.bob_lab : row.alice_den; };
    const auto request = [&](int i) { return caller(i == 1 ? bob : alice); };
    const auto act = [&](int i) { return act_of("chat", "tiny", i == 2 ? "den" : "lab"); };
    for (unsigned core = 0; core < 2; ++core) {
      for (int i = 0; i < 3; ++i) ASSERT_EQ(hold(held[core][i], request(i), act(i), core), Reason::ok) << row.name;
    }
    const auto before = std::chrono::steady_clock::now();
    ASSERT_TRUE(stop(row.scope, row.target, root, 1)) << row.name;
    EXPECT_LT(std::chrono::steady_clock::now() - before, 1s) << row.name;
    for (unsigned core = 0; core < 2; ++core) {
      for (int i = 0; i < 3; ++i) {
        // stop() returns when every core has given its word: no waiting here.
        EXPECT_EQ(held[core][i].live.cuts, covered(i) ? 1 : 0) << row.name << core << i;
        EXPECT_EQ(held[core][i].live.why, covered(i) ? Reason::stopped : Reason::ok) << row.name;
        EXPECT_EQ(ask(request(i), act(i), core), covered(i) ? Reason::stopped : Reason::ok) << row.name;
      }
    }
    std::this_thread::sleep_for(120ms);
    for (unsigned core = 0; core < 2; ++core) {
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(held[core][i].live.cuts, covered(i) ? 1 : 0) << row.name << ": once";
        let_go(held[core][i], core);
      }
    }
    auto lifted = lift(row.scope, row.target, root);
    ASSERT_TRUE(lifted);
    EXPECT_TRUE(*lifted);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(request(i), act(i), static_cast<unsigned>(i % 2)), Reason::ok) << row.name;
    auto again = lift(row.scope, row.target, root);
    EXPECT_TRUE(again && !*again) << row.name << ": there was nothing to lift";
  }
  EXPECT_EQ(entries_of(Kind::change, "stop").size(), 4U);
  EXPECT_EQ(entries_of(Kind::change, "stop.lift").size(), 4U);
  auto completions = entries_of(Kind::completion, "chat");
  const auto stopped = std::count_if(completions.begin(), completions.end(), [](const auto& e) { return e.reason == "stopped"; });
  EXPECT_EQ(stopped, 2 * (2 + 2 + 3));
}

TEST_F(GateTest, AStopOfAnAgentShutsOutNobodyElse) {
  Person root = person("root", {"administrator"});
  Person p = person("alice");
  const Caller own = caller(p);
  Caller agent = own;
  agent.who.subject.via = domain::Via("agent build");
  Caller other = own;
  other.who.subject.via = domain::Via("agent builder");
  Held held, kept;
  ASSERT_EQ(hold(held, agent, act_of("chat"), 1), Reason::ok);
  ASSERT_EQ(hold(kept, own, act_of("chat")), Reason::ok);
  ASSERT_TRUE(stop(StopScope::agent, "build", root));
  EXPECT_EQ(held.live.cuts, 1);
  EXPECT_EQ(kept.live.cuts, 0);
  let_go(held, 1);
  let_go(kept);
  for (unsigned core = 0; core < 2; ++core) {
    EXPECT_EQ(ask(agent, act_of("chat"), core), Reason::stopped);
    EXPECT_EQ(ask(own, act_of("chat"), core), Reason::ok);
    EXPECT_EQ(ask(other, act_of("chat"), core), Reason::ok);
  }
  ASSERT_TRUE(lift(StopScope::agent, "build", root));
  EXPECT_EQ(ask(agent, act_of("chat")), Reason::ok);
}

TEST_F(GateRestart, AStopSurvivesAndALiftToo) {
  Person root = person("root", {"administrator"});
  Person alice = person("alice");
  ASSERT_TRUE(stop(StopScope::access_point, "lab", root));
  ASSERT_TRUE(stop(StopScope::user, "nobody", root));
  restart();
  ASSERT_EQ(gate->stops().all().size(), 2U);
  EXPECT_EQ(gate->stops().all()[0].why, "drill");
  EXPECT_EQ(ask(caller(alice), act_of("chat")), Reason::stopped);
  EXPECT_EQ(ask(caller(alice), act_of("chat"), 1), Reason::stopped);
  ASSERT_TRUE(lift(StopScope::access_point, "lab", root));
  restart();
  EXPECT_EQ(gate->stops().all().size(), 1U);
  EXPECT_EQ(ask(caller(alice), act_of("chat"), 1), Reason::ok);
}

TEST_F(GateRestart, AStopHoldsWhileTheStoreFailsAndIsStoredLater) {
  Person root = person("root", {"administrator"});
  Person alice = person("alice");
  Held held;
  ASSERT_EQ(hold(held, caller(alice), act_of("chat"), 1), Reason::ok);
  hook.broken = true;
  EXPECT_FALSE(stop(StopScope::all, "", root));
  EXPECT_EQ(held.live.cuts, 1);
  EXPECT_EQ(considered(caller(alice), act_of("chat")), Reason::stopped);
  EXPECT_FALSE(lift(StopScope::all, "", root)) << "granting waits for the store";
  EXPECT_EQ(considered(caller(alice), act_of("chat"), 1), Reason::stopped);
  hook.broken = false;
  let_go(held, 1);
  const auto stored = [&] { return !entries("stop").empty(); };
  EXPECT_TRUE(soon(stored, 5s));
  restart();
  EXPECT_EQ(ask(caller(alice), act_of("chat")), Reason::stopped);
}

TEST_F(GateRestart, ARefusedStopSurvivesTheProcessAndIsRecordedThen) {
  Person root = person("root", {"administrator"});
  Person alice = person("alice");
  hook.broken = true;
  EXPECT_FALSE(stop(StopScope::access_point, "lab", root));
  restart();  // as after kill -9: no row was written
  EXPECT_EQ(considered(caller(alice), act_of("chat")), Reason::stopped);
  EXPECT_EQ(considered(caller(alice), act_of("chat"), 1), Reason::stopped);
  EXPECT_TRUE(entries("stop").empty());
  hook.broken = false;
  EXPECT_TRUE(soon([&] { return !entries("stop").empty(); }, 5s));
  const auto recorded = entries("stop");
  ASSERT_EQ(recorded.size(), 1U);
  EXPECT_EQ(recorded[0].user_name, "root");
  EXPECT_EQ(recorded[0].object, "access_point lab");
  EXPECT_NE(recorded[0].note.find("stored late"), std::string::npos);
  restart();
  EXPECT_EQ(ask(caller(alice), act_of("chat")), Reason::stopped);
  EXPECT_EQ(entries("stop").size(), 1U) << "once";
  ASSERT_TRUE(lift(StopScope::access_point, "lab", root));
  restart();
  EXPECT_EQ(ask(caller(alice), act_of("chat")), Reason::ok);
}

TEST_F(GateRestart, ARefusedStopThatWasLiftedDoesNotComeBack) {
  Person root = person("root", {"administrator"});
  Person alice = person("alice");
  hook.broken = true;
  EXPECT_FALSE(stop(StopScope::all, "", root));
  hook.broken = false;
  bool lifted = false;
  EXPECT_TRUE(soon([&] { return lifted = lift(StopScope::all, "", root).has_value(); }, 5s));
  flush();
  restart();
  EXPECT_TRUE(gate->stops().all().empty());
  EXPECT_EQ(ask(caller(alice), act_of("chat")), Reason::ok);
}

TEST_F(GateRestart, ADenialThatCannotBeReadStopsEverythingUntilAPersonLifts) {
  Person root = person("root", {"administrator"});
  Person alice = person("alice");
  hook.broken = true;
  EXPECT_FALSE(stop(StopScope::user, "alice", root));
  close();
  {
    std::fstream page(folder / "denials", std::ios::binary | std::ios::in | std::ios::out);
    page.seekp(100);
    page.put('x');
  }
  hook.broken = false;
  open();
  EXPECT_EQ(ask(caller(root), act_of("chat")), Reason::stopped);
  ASSERT_EQ(gate->stops().all().size(), 1U);
  EXPECT_EQ(gate->stops().all()[0].scope, StopScope::all);
  EXPECT_TRUE(soon([&] { return !entries("stop").empty(); }, 5s));
  EXPECT_EQ(entries("stop")[0].user_name, "(gateway)");
  restart();
  EXPECT_EQ(ask(caller(alice), act_of("chat"), 1), Reason::stopped) << "stored like any stop";
  ASSERT_TRUE(lift(StopScope::all, "", root));
  restart();
  EXPECT_EQ(ask(caller(alice), act_of("chat")), Reason::ok);
}

TEST_F(GateRestart, WhatCanNeitherBeStoredNorKeptShutsTheGate) {
  close();
  std::filesystem::remove(folder / "denials");
  options_denials.slots = 1;
  open();
  ASSERT_EQ(std::filesystem::file_size(folder / "denials"), 4096U);
  Person root = person("root", {"administrator"});
  Person alice = person("alice");
  Held held;
  ASSERT_EQ(hold(held, caller(alice), act_of("chat"), 1), Reason::ok);
  hook.broken = true;
  EXPECT_FALSE(stop(StopScope::user, "somebody", root));
  EXPECT_TRUE(gate->open());
  EXPECT_EQ(considered(caller(alice), act_of("chat")), Reason::ok);
  EXPECT_FALSE(stop(StopScope::user, "nobody", root));
  EXPECT_FALSE(gate->open());
  EXPECT_TRUE(soon([&] { return held.live.cuts == 1; })) << "what was under way ends too";
  EXPECT_EQ(considered(caller(alice), act_of("chat")), Reason::stopped);
  EXPECT_TRUE(soon([&] { return considered(caller(alice), act_of("chat"), 1) == Reason::stopped; }));
  EXPECT_EQ(gate->stops().all().size(), 2U) << "it is no stop that somebody could lift";
  let_go(held, 1);
  hook.broken = false;
  EXPECT_TRUE(soon([&] { return gate->open(); }, 5s));
  EXPECT_TRUE(soon([&] { return considered(caller(alice), act_of("chat"), 1) == Reason::ok; }, 5s));
  EXPECT_EQ(ask(caller(alice), act_of("chat")), Reason::ok);
}

// Each stop is another one, as after a lift that somebody thought too early: whichever comes last, what the
// store has and what the cores do is the same.
TEST_F(GateTest, AStopThatRacesALiftIsNeverLost) {
  Person root = person("root", {"administrator"});
  Person alice = person("alice");
  for (int i = 0; i < 20; ++i) {
    clock.advance(1s);
    ASSERT_TRUE(stop(StopScope::access_point, "lab", root));
    // The lift's job is on its way to the disk when the next stop comes.
    hook.held = false;
    hook.hanging = true;
    auto lifted = spawn(gate->lift(StopScope::access_point, "lab", actor(root)));
    ASSERT_TRUE(soon([&] { return hook.held.load(); }));
    auto stopped = spawn(gate->stop({StopScope::access_point, "lab", clock.wall() + 1ms, "root", "again"}, actor(root)), 1);
    std::this_thread::sleep_for(2ms);
    hook.hanging = false;
    ASSERT_TRUE(lifted.get());
    ASSERT_TRUE(stopped.get());
    EXPECT_EQ(gate->stops().all().size(), 1U) << i;
    EXPECT_EQ(considered(caller(alice), act_of("chat")), Reason::stopped) << i;
    EXPECT_EQ(considered(caller(alice), act_of("chat"), 1), Reason::stopped) << i;
  }
}

TEST_F(GateRestart, AWriteThatHangsDoesNotStopTheWatch) {
  Person root = person("root", {"administrator"});
  Person alice = person("alice");
  hook.broken = true;
  EXPECT_FALSE(stop(StopScope::user, "somebody", root)) << "so there is something to store after the restart";
  hook.broken = false;
  hook.held = false;
  hook.hanging = true;
  options_gate.await_admission = false;  // or nothing could be admitted meanwhile
  restart();
  ASSERT_TRUE(soon([&] { return hook.held.load(); }));
  Held held;
  ASSERT_EQ(hold(held, caller(alice), act_of("chat"), 0, 300ms), Reason::ok);
  EXPECT_TRUE(soon([&] { return held.live.cuts == 1; }, 3s));
  EXPECT_EQ(held.live.why, Reason::stream_limit);
  hook.hanging = false;
  let_go(held);
}

TEST_F(GateTest, StopsFromBothCoresAtOnceAreBothInForceOnBoth) {
  Person root = person("root", {"administrator"});
  const Caller c = caller(root);
  for (int round = 0; round < 100; ++round) {
    const std::string a = "a" + std::to_string(round);
    const std::string b = "b" + std::to_string(round);
    auto one = spawn(gate->stop({StopScope::access_point, a, clock.wall(), "root", ""}, actor(root)), 0);
    auto two = spawn(gate->stop({StopScope::access_point, b, clock.wall(), "root", ""}, actor(root)), 1);
    ASSERT_TRUE(one.get());
    ASSERT_TRUE(two.get());
    for (unsigned core = 0; core < 2; ++core) {
      ASSERT_EQ(considered(c, act_of("chat", "", a), core), Reason::stopped) << round;
      ASSERT_EQ(considered(c, act_of("chat", "", b), core), Reason::stopped) << round;
    }
  }
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
  gone.live.present = false;
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

// ------------------------------------------------------------------------------------ API keys

class GateKeys : public GateTest {
 protected:
  static constexpr std::string_view kDesk = "203.0.113.7";
  static constexpr std::string_view kThief = "203.0.113.8";

  std::string key(Person& p, const std::string& name, const std::string& scope = "{}", Duration ttl = 24h) {
    clock.advance(1min);  // for the next code
    session::KeyWish wish{name, scope, ttl};
    const session::Identified i = who(p.handle, Audience::control);
    auto made = run(sessions->create_key(i, std::move(wish), session::Answer(Secret(p.app.code(clock.wall()))), actor(p)));
    EXPECT_TRUE(made) << (made ? "" : made.error().detail);
    return made ? std::string(made->text.reveal_text()) : std::string();
  }
  Reason unlock(Person& p, const std::string& text, std::string_view source, std::string point = {}, Duration lasts = 8h) {
    clock.advance(1min);
    session::UnlockWish w;
    w.credential = who(text).handle;
    w.source = *session::SourceKey::parse(source);
    w.access_point = std::move(point);
    w.lasts = lasts;
    w.purpose = "key.unlock test";
    const session::Identified i = who(p.handle, Audience::control);
    auto r = run(sessions->unlock(i, std::move(w), session::Answer(Secret(p.app.code(clock.wall()))), actor(p)));
    return r ? Reason::ok : r.error().code;
  }
  net::Task<bool> found(std::string text) {
    Secret copy{std::string_view(text)};
    session::Actor stranger;
    co_await sessions->found_key(std::move(copy), std::move(stranger));
    co_return true;
  }
  Caller by_key(const std::string& text, std::string_view source, std::string_view point = "lab") {
    Caller c;
    c.source = *domain::Source::parse(source);
    c.who = who(text, Audience::access, session::Presented::at(c.source, point));
    c.client = "test/1";
    c.request = RequestId::make(rng);
    return c;
  }
};

TEST_F(GateKeys, AsleepAndAwake) {
  Person p = person("alice");
  const std::string k = key(p, "nightly");
  EXPECT_EQ(ask(by_key(k, kDesk), act_of("chat")), Reason::key_asleep);
  const auto refused = entries_of(Kind::refusal, "chat");
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].object, "key nightly");
  EXPECT_EQ(refused[0].user_name, "alice");
  ASSERT_EQ(unlock(p, k, kDesk, "lab"), Reason::ok);
  EXPECT_EQ(ask(by_key(k, kDesk), act_of("chat")), Reason::ok);
  EXPECT_EQ(ask(by_key(k, kThief), act_of("chat")), Reason::key_asleep) << "stolen, while it is awake elsewhere";
  EXPECT_EQ(ask(by_key(k, kDesk, "prod"), act_of("chat", "tiny", "prod")), Reason::key_asleep);
  const auto admitted = entries_of(Kind::admission, "chat");
  ASSERT_EQ(admitted.size(), 1U);
  EXPECT_EQ(admitted[0].object, "key nightly");
  EXPECT_EQ(entries_of(Kind::completion, "chat")[0].object, "key nightly");
  EXPECT_EQ(identified("Authorization: Bearer " + k + "\r\n"), Reason::ok);
  EXPECT_EQ(identified("x-api-key: " + k + "\r\n"), Reason::ok);
  EXPECT_EQ(identified("Authorization: Bearer " + k + "\r\n", Audience::control), Reason::credential_audience);
}

TEST_F(GateKeys, ItsOwnersRightsAreItsRights) {
  Person p = person("alice");
  const std::string k = key(p, "nightly");
  ASSERT_EQ(unlock(p, k, kDesk), Reason::ok);
  EXPECT_EQ(ask(by_key(k, kDesk), act_of("model.load")), Reason::policy_no_rule);
}

TEST_F(GateKeys, OutsideItsScope) {
  Person p = person("alice");
  const std::string k = key(p, "ci", R"({"access_points":["lab"],"models":["tiny*"],"networks":["203.0.113.7"],"operations":["chat","models.list"]})");
  ASSERT_EQ(unlock(p, k, kDesk), Reason::ok);
  ASSERT_EQ(unlock(p, k, kThief), Reason::ok);
  EXPECT_EQ(ask(by_key(k, kDesk), act_of("chat", "tiny-1")), Reason::ok);
  EXPECT_EQ(ask(by_key(k, kDesk), act_of("models.list", "")), Reason::ok);
  EXPECT_EQ(considered(by_key(k, kDesk), act_of("chat", "")), Reason::ok) << "the model is not known yet";
  EXPECT_EQ(ask(by_key(k, kDesk), act_of("chat", "")), Reason::credential_scope) << "and then there is none";
  EXPECT_EQ(ask(by_key(k, kDesk), act_of("chat", "big")), Reason::credential_scope);
  EXPECT_EQ(ask(by_key(k, kDesk), act_of("embed", "tiny-1")), Reason::credential_scope);
  EXPECT_EQ(ask(by_key(k, kDesk, "prod"), act_of("chat", "tiny-1", "prod")), Reason::credential_scope);
  EXPECT_EQ(ask(by_key(k, kThief), act_of("chat", "tiny-1")), Reason::credential_scope);
  const auto refused = entries_of(Kind::refusal, "embed");
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].reason, "credential_scope");
}

TEST_F(GateKeys, RevokedInFlightIsCutWithinASecond) {
  struct Row {
    const char* name;
    std::function<void(Person&, const std::string&)> what;
  };
  const Row rows[] = {
      {"the key", [&](Person& p, const std::string& k) { (void)run(sessions->revoke(Revocation::of_handle(who(k).handle), actor(p))); }},
      {"the key, by whoever found it", [&](Person&, const std::string& k) { run(found(k)); }},
      {"the owner disabled", [&](Person& p, const std::string&) { EXPECT_TRUE(run(users->disable(p.id, administrator()))); }},
      {"everything of the owner's", [&](Person& p, const std::string&) { sessions->deny(Revocation::all_of(p.id)); }},
  };
  int n = 0;
  for (const Row& r : rows) {
    Person p = person("user" + std::to_string(n++));
    const std::string k = key(p, "nightly");
    ASSERT_EQ(unlock(p, k, kDesk), Reason::ok);
    Held held;
    ASSERT_EQ(hold(held, by_key(k, kDesk), act_of("chat"), 1), Reason::ok) << r.name;
    r.what(p, k);
    EXPECT_TRUE(soon([&] { return held.live.cuts == 1; })) << r.name;
    EXPECT_EQ(held.live.why, Reason::revoked_in_flight) << r.name;
    let_go(held, 1);
    EXPECT_FALSE(sessions->identify(k, Audience::access, {}, clock.now())) << r.name;
  }
}

TEST_F(GateKeys, ADayOfUseExtendsNothing) {
  Person p = person("alice");
  const std::string k = key(p, "nightly", "{}", 48h);
  ASSERT_EQ(unlock(p, k, kDesk, {}, 12h), Reason::ok);
  const WallTime proved = clock.wall();
  WallTime last{};
  for (int minute = 0; minute < 24 * 60; ++minute) {
    const auto r = sessions->identify(k, Audience::access, session::Presented::at(*domain::Source::parse(kDesk), "lab"), clock.now());
    ASSERT_TRUE(r);
    for (const domain::Proof& proof : r->evidence) EXPECT_LE(proof.wall, proved);
    if (domain::level(r->evidence, clock.now(), true, 24h) >= 2) last = clock.wall();
    if (minute % 60 == 0) {
      ASSERT_TRUE(run(sessions->maintain_once()));
    }
    clock.advance(1min);
  }
  EXPECT_LE(last, proved + 12h);
  EXPECT_GE(last, proved + 12h - 1min);
}

}  // namespace
}  // namespace vestibule::gate
