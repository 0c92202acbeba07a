// Flows and signals: what counts, what is offered, what raises.
#include <random>

#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;

const Signals kNewSource = Signals().raise(Signal::new_source);

struct FlowRow {
  const char* name;
  std::string policy;
  Call call;
  Outcome outcome;
  Reason reason;
  const char* rule;
};

TEST(Flows, WhatIsNotListedDoesNotCount) {
  const auto required = Reason::mfa_required;
  const std::string keys = flow("\"webauthn\"");
  const FlowRow rows[] = {
      {"no flow: everything counts", allow(), {}, kAllow, Reason::ok, "a"},
      {"what is listed counts", allow() + flow("\"totp\""), {}, kAllow, Reason::ok, "a"},
      {"what is not does not", allow() + keys, {}, kStepUp, required, "flow:f"},
      {"a key does", allow() + keys, {.proofs = {kPassword, key()}}, kAllow, Reason::ok, "a"},
      {"a key beside a code does", allow() + keys, {.proofs = {kPassword, totp(), key()}}, kAllow, Reason::ok, "a"},
      {"the password alone is no second factor either way", allow() + keys, {.proofs = {kPassword}}, kStepUp, required, "a"},
      {"a fresh code is no help to an old key", allow() + keys, {.proofs = {kPassword, totp(), key(2h)}}, kStepUp, Reason::mfa_lapsed, "flow:f"},
      {"an old key alone has lapsed by the rule", allow() + keys, {.proofs = {kPassword, key(2h)}}, kStepUp, Reason::mfa_lapsed, "a"},
      {"for others it does not hold", allow() + flow("\"webauthn\"", "who = [\"role:x\"]"), {}, kAllow, Reason::ok, "a"},
      {"for a group", allow() + flow("\"webauthn\"", "who = [\"group:ml\"]"), {.groups = {"ml"}}, kStepUp, required, "flow:f"},
      {"at this access point", allow() + flow("\"webauthn\"", "access_point = [\"de*\"]"), {}, kStepUp, required, "flow:f"},
      {"at another", allow() + flow("\"webauthn\"", "access_point = [\"lab\"]"), {}, kAllow, Reason::ok, "a"},
      {"the administration too, by omission", allow("access_point = [\"vestibule\"]") + keys, {.access_point = "vestibule"}, kStepUp, required, "flow:f"},
      {"and by a wildcard", allow("access_point = [\"vestibule\"]") + flow("\"webauthn\"", "access_point = [\"v*\"]"), {.access_point = "vestibule"}, kStepUp, required, "flow:f"},
      {"from level 3 on: not at 2", allow() + flow("\"totp\"", "level = 3"), {.proofs = {kPassword, hotp()}}, kAllow, Reason::ok, "a"},
      {"from level 3 on: at 3", allow("level = 3") + flow("\"totp\"", "level = 3"), {.proofs = {kPassword, key()}}, kStepUp, required, "flow:f"},
      {"two flows: what both list", allow() + flow("\"totp\", \"hotp\"") + flow("\"totp\", \"webauthn\"", "", "g"), {}, kAllow, Reason::ok, "a"},
      {"two flows: what one lists only", allow() + flow("\"totp\", \"hotp\"") + flow("\"totp\", \"webauthn\"", "", "g"), {.proofs = {kPassword, hotp()}}, kStepUp, required, "flow:f"},
      {"two flows that have nothing in common", allow() + flow("\"hotp\"") + flow("\"webauthn\"", "", "g"), {.proofs = {kPassword, hotp(), key()}}, kStepUp, required, "flow:f"},
      {"a flow allows nothing", flow("\"totp\""), {}, Outcome::deny, Reason::policy_no_rule, "default"},
      {"a denial stays one", allow() + deny() + keys, {.proofs = {kPassword, key()}}, Outcome::deny, Reason::policy_denied, "d"},
      {"a clock set back opens nothing", allow() + flow("\"totp\""), {.trusted = false}, kStepUp, Reason::clock_untrusted, "a"},
  };
  for (const FlowRow& r : rows) {
    SCOPED_TRACE(r.name);
    const auto d = Situated(r.call).decide(must_parse(r.policy));
    EXPECT_EQ(domain::name(d.outcome), domain::name(r.outcome));
    EXPECT_EQ(info(d.reason).code, info(r.reason).code);
    EXPECT_EQ(d.rule.view(), r.rule);
  }
}

TEST(Flows, TimeLeftIsThatOfWhatCounts) {
  const Call call{.proofs = {kPassword, totp(10min), key(50min)}};
  EXPECT_EQ(Situated(call).decide(must_parse(allow())).time_left, 50min);
  EXPECT_EQ(Situated(call).decide(must_parse(allow() + flow("\"webauthn\""))).time_left, 10min);
}

TEST(Flows, WhileOneWaitsBothHold) {
  const Policy codes = must_parse(allow() + flow("\"totp\", \"hotp\""));
  const Policy keys = must_parse(allow() + flow("\"totp\", \"webauthn\"", "", "g"));
  const Policy high = must_parse(allow("level = 3") + flow("\"webauthn\"", "level = 3", "h"));
  const Policy low = must_parse(allow() + flow("\"totp\"", "level = 3", "l"));
  const auto both = [](const Policy& a, const Policy& b, const Call& call) {
    const Situated s(call);
    return decide_both(a, &b, s.act, s.subject, s.evidence, s.source, s.now, true, s.signals);
  };
  EXPECT_EQ(both(codes, keys, {}).outcome, kAllow);
  EXPECT_EQ(both(codes, keys, {.proofs = {kPassword, hotp()}}).outcome, kStepUp);
  EXPECT_EQ(both(codes, keys, {.proofs = {kPassword, key()}}).outcome, kStepUp);
  // The one asks for level 3 and the other's flow holds from there on: nothing counts.
  EXPECT_EQ(both(low, high, {.proofs = {kPassword, key(), totp()}}).outcome, kStepUp);
  EXPECT_EQ(both(high, low, {.proofs = {kPassword, key(), totp()}}).outcome, kStepUp);
  // The stricter answer to a signal.
  const Policy wary = must_parse(allow() + on_signal(Signal::new_source, "level = 3"));
  const Policy hasty = must_parse(allow() + on_signal(Signal::new_source, "max_age = \"1m\""));
  const auto d = both(wary, hasty, {.signals = kNewSource});
  EXPECT_EQ(d.need.level, 3);
  EXPECT_EQ(d.need.max_age, 1min);
}

using Kinds = std::vector<FactorKind>;
// Of all kinds that there may be, those that these tests are about.
Kinds known(Kinds all) {
  std::erase_if(all, [](FactorKind k) { return k != FactorKind::webauthn && k != FactorKind::totp && k != FactorKind::hotp; });
  return all;
}

TEST(Flows, WhatIsOfferedAndInWhichOrder) {
  struct Offer { const char* name; std::string policy; const char* access_point; int level; Kinds kinds; };
  const auto key = FactorKind::webauthn;
  const auto app = FactorKind::totp;
  const auto token = FactorKind::hotp;
  const Offer rows[] = {
      {"no flow: what cannot be phished first", "", "demo", 2, {key, app, token}},
      {"no flow at level 3: what can reach it", "", "demo", 3, {key}},
      {"a flow's order", flow("\"hotp\", \"webauthn\""), "demo", 2, {token, key}},
      {"at level 3 what of it reaches that", flow("\"hotp\", \"webauthn\""), "demo", 3, {key}},
      {"at level 3 nothing of it", flow("\"hotp\", \"totp\""), "demo", 3, {}},
      {"of two the shorter", flow("\"totp\", \"webauthn\", \"hotp\"", "", "a") + flow("\"webauthn\", \"totp\"", "", "b"), "demo", 2, {key, app}},
      {"of two as short the first by name", flow("\"totp\", \"webauthn\"", "", "b") + flow("\"webauthn\", \"totp\"", "", "a"), "demo", 2, {key, app}},
      {"only what all list", flow("\"totp\", \"webauthn\"", "", "a") + flow("\"hotp\", \"totp\"", "", "b"), "demo", 2, {app}},
      {"elsewhere it does not hold", flow("\"hotp\"", "access_point = [\"lab\"]"), "demo", 2, {key, app, token}},
      {"for others it does not hold", flow("\"hotp\"", "who = [\"role:x\"]"), "demo", 2, {key, app, token}},
  };
  const Situated s({});
  for (const Offer& r : rows) {
    EXPECT_EQ(known(must_parse(r.policy).offer(r.access_point, s.subject, {.level = r.level})), r.kinds) << r.name;
  }
  // At sign-in everything is offered, since everything finishes it.
  EXPECT_EQ(known(must_parse("").sign_in_order(s.subject)), (Kinds{key, app, token}));
  EXPECT_EQ(known(must_parse(flow("\"hotp\"")).sign_in_order(s.subject)), (Kinds{token, key, app}));
  EXPECT_EQ(known(must_parse(flow("\"hotp\"", "access_point = [\"lab\"]")).sign_in_order(s.subject)), (Kinds{key, app, token}));
  EXPECT_EQ(known(must_parse(flow("\"hotp\"", "level = 3")).sign_in_order(s.subject)), (Kinds{key, app, token}));
  EXPECT_EQ(known(must_parse(flow("\"hotp\"", "who = [\"role:x\"]")).sign_in_order(s.subject)), (Kinds{key, app, token}));
}

// What is offered is what satisfies: a fresh proof of an offered kind passes, one of another does not.
TEST(Flows, WhatIsOfferedSatisfies) {
  const Policy p = must_parse(allow() + allow("level = 3\nmodel = [\"big\"]", "big") + flow("\"webauthn\", \"totp\"") + flow("\"hotp\", \"webauthn\"", "level = 3", "g"));
  for (const char* model : {"tiny", "big"}) {
    const auto need = Situated({.model = model}).decide(p).need;
    const auto offered = p.offer("demo", Situated({}).subject, need);
    for (const auto k : domain::second_factors()) {
      const Shown shown = k == FactorKind::webauthn ? key() : Shown{k};
      const bool passes = Situated({.model = model, .proofs = {kPassword, shown}}).decide(p).outcome == kAllow;
      EXPECT_EQ(passes, std::find(offered.begin(), offered.end(), k) != offered.end()) << model << " " << domain::name(k);
    }
  }
}

TEST(Signals, RaiseWhatIsAskedFor) {
  const std::string low = "[sensitivity.low]\nmax_age = \"12h\"\n" + allow();
  const FlowRow rows[] = {
      {"no signal", low, {.sensitivity = Sensitivity::low, .proofs = {kPassword, totp(2h)}}, kAllow, Reason::ok, "a"},
      {"new source", low, {.sensitivity = Sensitivity::low, .proofs = {kPassword, totp(2h)}, .signals = kNewSource}, kStepUp, Reason::mfa_lapsed, "signal:new_source"},
      {"new source, proved afresh", low, {.sensitivity = Sensitivity::low, .proofs = {kPassword, totp(14min)}, .signals = kNewSource}, kAllow, Reason::ok, "signal:new_source"},
      {"new client", low, {.sensitivity = Sensitivity::low, .proofs = {kPassword, totp(2h)}, .signals = Signals().raise(Signal::new_client)}, kStepUp, Reason::mfa_lapsed, "signal:new_client"},
      {"new client where the sensitivity asks for as much", allow(), {.proofs = {kPassword, totp(59min)}, .signals = Signals().raise(Signal::new_client)}, kAllow, Reason::ok, "a"},
      {"prompt flood", low, {.sensitivity = Sensitivity::low, .proofs = {kPassword, totp(2h)}, .signals = Signals().raise(Signal::prompt_flood)}, kStepUp, Reason::mfa_lapsed, "signal:prompt_flood"},
      {"many refusals", low, {.sensitivity = Sensitivity::low, .proofs = {kPassword, totp(2h)}, .signals = Signals().raise(Signal::many_refusals)}, kStepUp, Reason::mfa_lapsed, "signal:many_refusals"},
      {"of two the one that raises is named", low, {.sensitivity = Sensitivity::low, .proofs = {kPassword, totp(2h)}, .signals = Signals(kNewSource).raise(Signal::new_client)}, kStepUp, Reason::mfa_lapsed, "signal:new_source"},
      {"as the policy says: level", allow() + on_signal(Signal::new_source, "level = 3"), {.signals = kNewSource}, kStepUp, Reason::mfa_required, "signal:new_source"},
      {"as the policy says: confirmation", allow() + on_signal(Signal::new_source, "confirm = \"self\""), {.signals = kNewSource}, Outcome::confirm, Reason::confirmation_required, "signal:new_source"},
      {"switched off", low + on_signal(Signal::new_source, "max_age = \"24h\""), {.sensitivity = Sensitivity::low, .proofs = {kPassword, totp(2h)}, .signals = kNewSource}, kAllow, Reason::ok, "a"},
      {"a signal brings a flow of level 3 in", allow() + on_signal(Signal::new_source, "level = 3") + flow("\"totp\"", "level = 3"), {.proofs = {kPassword, key()}, .signals = kNewSource}, kStepUp, Reason::mfa_required, "flow:f"},
      {"a signal allows nothing", "", {.signals = kNewSource}, Outcome::deny, Reason::policy_no_rule, "default"},
      {"the administration too", allow("access_point = [\"vestibule\"]"), {.access_point = "vestibule", .proofs = {kPassword, totp(30min)}, .signals = kNewSource}, kStepUp, Reason::mfa_lapsed, "signal:new_source"},
  };
  for (const FlowRow& r : rows) {
    SCOPED_TRACE(r.name);
    const auto d = Situated(r.call).decide(must_parse(r.policy));
    EXPECT_EQ(domain::name(d.outcome), domain::name(r.outcome));
    EXPECT_EQ(info(d.reason).code, info(r.reason).code);
    EXPECT_EQ(d.rule.view(), r.rule);
  }
}

TEST(Signals, ThePersonIsToldWhy) {
  const auto lapsed = Situated({.proofs = {kPassword, totp(30min)}, .signals = kNewSource}).decide(must_parse(allow()));
  EXPECT_EQ(why(lapsed), "more than usual is asked for: the network is new for this person");
  EXPECT_EQ(why(Situated({}).decide(must_parse(allow() + flow("\"webauthn\"")))), "what was proved does not count here: flow \"f\" of the policy");
  EXPECT_EQ(why(Situated({}).decide(must_parse(allow("", "a:b")))), "");
  EXPECT_EQ(why(Situated({}).decide(must_parse(""))), "");
}

// Property, over policies and acts drawn at random: a signal never lowers and grants nothing; neither
// does a flow; and both together do what each does.
TEST(Signals, NeitherSignalsNorFlowsEverLower) {
  std::mt19937 random(23);
  const auto pick = [&](std::initializer_list<std::string> list) { return list.begin()[random() % list.size()]; };
  const auto rank = [](const domain::Decision& d) { return static_cast<int>(d.outcome); };  // allow, step_up, confirm, deny
  int raised = 0;
  for (int round = 0; round < 1000; ++round) {
    const std::string rules = pick({"", "[sensitivity.low]\nmax_age = \"30m\"\n[sensitivity.moderate]\nmax_age = \"30m\"\n"}) +
                              pick({allow(), allow("level = 3"), allow("max_age = \"10m\""), allow("confirm = \"self\""), deny()}) +
                              pick({"", deny("model = [\"tiny*\"]", "e"), allow("access_point = [\"vestibule\"]\nmax_age = \"5m\"", "b")});
    std::string signal;
    for (const Signal s : domain::kSignals) {
      signal += on_signal(s, pick({"", "level = 3", "max_age = \"1m\"", "confirm = \"self\"", "max_age = \"24h\""}));
    }
    const std::string flows = flow(pick({"\"totp\"", "\"webauthn\", \"hotp\"", "\"hotp\", \"totp\", \"webauthn\""}),
                                   pick({"", "level = 3", "who = [\"role:member\"]", "access_point = [\"demo\"]"}));
    const Policy plain = must_parse(rules + signal);
    const Policy narrowed = must_parse(rules + signal + flows);
    Signals up;
    for (const Signal s : domain::kSignals) {
      if (random() % 2 == 0) up.raise(s);
    }
    const std::vector<std::vector<Shown>> shown = {{kPassword, totp()}, {kPassword, totp(20min), key(3min)}, {kPassword, hotp(2h)}, {key()}, {}};
    Call call{.access_point = pick({"demo", "vestibule"}), .sensitivity = random() % 2 == 0 ? Sensitivity::low : Sensitivity::high,
              .proofs = shown[random() % shown.size()], .trusted = random() % 8 != 0};
    const auto quiet = Situated(call).decide(plain);
    const auto quiet_narrowed = Situated(call).decide(narrowed);
    call.signals = up;
    const auto loud = Situated(call).decide(plain);
    const auto loud_narrowed = Situated(call).decide(narrowed);
    for (const auto& [less, more] : {std::pair(&quiet, &loud), std::pair(&quiet, &quiet_narrowed), std::pair(&loud, &loud_narrowed), std::pair(&quiet_narrowed, &loud_narrowed)}) {
      ASSERT_EQ(stricter(less->need, more->need), more->need) << plain.canonical() << flows;
      // A confirmation that is wanted besides comes after the step-up; a step-up is never skipped for one.
      ASSERT_TRUE(less->outcome == Outcome::allow || more->outcome != Outcome::allow) << plain.canonical() << flows;
      ASSERT_EQ(less->outcome == Outcome::deny, more->outcome == Outcome::deny);
      ASSERT_LE(more->time_left, less->time_left);
      raised += rank(*more) != rank(*less) ? 1 : 0;
    }
  }
  EXPECT_GT(raised, 100);
}

}  // namespace
}  // namespace vestibule::policy
