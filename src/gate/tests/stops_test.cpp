// Stops: at once on all cores, across restarts, while the store fails, and against lifts.
#include <fstream>

#include "gate/tests/fixture.hpp"

namespace vestibule::gate {
namespace {

using namespace std::chrono_literals;
using audit::Kind;
using session::Audience;
using testing::act_of;
using testing::GateRestart;
using testing::GateTest;
using testing::Held;

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

TEST(Stops, WhatClientsAndToolsTheyCover) {
  struct Row { const char* name; StopScope scope; std::string target, via, tool; bool covered; };
  const Row rows[] = {
      {"a client", StopScope::client, "client IDE", "client IDE", "", true},
      {"another client", StopScope::client, "client IDE", "client IDE 2", "", false},
      {"a client whose name ends so", StopScope::client, "client IDE", "my client IDE", "", false},
      {"case counts", StopScope::client, "client IDE", "client ide", "", false},
      {"a key is no client", StopScope::client, "client IDE", "key IDE", "", false},
      {"a key", StopScope::client, "key nightly", "key nightly", "", true},
      {"a service's key", StopScope::client, "key nightly", "service crawler, key nightly", "", true},
      {"another service's key", StopScope::client, "key nightly", "service crawler, key nightly2", "", false},
      {"his own session", StopScope::client, "client IDE", "", "", false},
      {"a client and its tool calls", StopScope::client, "client IDE", "client IDE", "rm", true},
      {"a tool anywhere", StopScope::tool, "*/rm", "", "rm", true},
      {"a tool here", StopScope::tool, "lab/rm", "", "rm", true},
      {"a tool there", StopScope::tool, "den/rm", "", "rm", false},
      {"another tool", StopScope::tool, "*/rm", "", "rm2", false},
      {"a tool whose name ends so", StopScope::tool, "*/rm", "", "farm", false},
      {"a tool whose name begins so", StopScope::tool, "*/farm", "", "rm", false},
      {"a tool with a slash", StopScope::tool, "*/fs/rm", "", "fs/rm", true},
      {"the end of one with a slash", StopScope::tool, "*/fs/rm", "", "rm", false},
      {"a homoglyph", StopScope::tool, "*/pay", "", "p\xD0\xB0y", false},
      {"a space at the end", StopScope::tool, "*/rm", "", "rm ", false},
      {"a tool is no chat", StopScope::tool, "*/rm", "", "", false},
      {"every tool", StopScope::tools, "", "", "rm", true},
      {"every tool and no chat", StopScope::tools, "", "", "", false},
  };
  for (const Row& r : rows) {
    SCOPED_TRACE(r.name);
    const Stops stops = Stops().with({r.scope, r.target, {}, "root", "drill"});
    domain::Act act = act_of(r.tool.empty() ? "chat" : domain::kToolCall);
    act.tool = r.tool;
    domain::Subject subject;
    subject.via = domain::Via(r.via);
    EXPECT_EQ(stops.covers(act, subject), r.covered);
    Packer out;
    pack(out, stops.all().front());
    const Bytes packed = out.take();
    Unpacker in(packed);
    EXPECT_EQ(unpack_stop(in), stops.all().front());
    EXPECT_EQ(stop_scope_from(name(r.scope)), r.scope);
  }
}

TEST_F(GateRestart, AStopOfAToolOutlivesTheProcessAndLeavesTheRestOpen) {
  Person root = person("root", {"administrator"});
  Person alice = person("alice");
  domain::Act tool = act_of(domain::kToolCall);
  tool.tool = "rm";
  tool.arguments = "{}";
  Caller own = caller(alice);
  Caller ide = own;
  ide.who.subject.via = domain::Via("client IDE");
  EXPECT_EQ(considered(own, tool), Reason::confirmation_required);
  for (const auto& [scope, target] : {std::pair(StopScope::tool, "lab/rm"), std::pair(StopScope::tools, "")}) {
    ASSERT_TRUE(stop(scope, target, root));
    restart();
    for (unsigned core = 0; core < 2; ++core) {
      EXPECT_EQ(considered(own, tool, core), Reason::stopped);
      EXPECT_EQ(ask(own, act_of("chat"), core), Reason::ok);
    }
    ASSERT_TRUE(lift(scope, target, root));
    EXPECT_EQ(considered(own, tool), Reason::confirmation_required);
  }
  ASSERT_TRUE(stop(StopScope::client, "client IDE", root));
  restart();
  EXPECT_EQ(ask(ide, act_of("chat")), Reason::stopped);
  EXPECT_EQ(considered(ide, tool), Reason::stopped);
  EXPECT_EQ(ask(own, act_of("chat")), Reason::ok);
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
  clock.advance(301ms);
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

}  // namespace
}  // namespace vestibule::gate
