// Confirmations: what is asked, who may sign, how often it counts, and what ends it.
#include "approval/confirmations.hpp"

#include <gtest/gtest.h>

#include <future>

#include "approval/tests/world.hpp"
#include "crypto/hash.hpp"
#include "json/value.hpp"

namespace vestibule::approval {
namespace {

using namespace std::chrono_literals;
using domain::Confirmation;
using domain::FactorKind;

class ConfirmationWorld : public testing::ApprovalWorld {
 public:
  ~ConfirmationWorld() override { close(); }
  std::unique_ptr<Confirmations> confirmations;
  ConfirmationOptions options_confirmations;
  std::vector<std::string> shut;

 protected:
  void open_rooms_above() override {
    ApprovalWorld::open_rooms_above();
    options_confirmations.shut_in = [this](store::Tx&, const Digest&, std::string_view source) -> Result<void> {
      shut.emplace_back(source);
      return {};
    };
    auto opened = Confirmations::open(*database, *keys, *users, *factors, *log, clock, rng, options_confirmations);
    ASSERT_TRUE(opened) << opened.error().detail;
    confirmations = std::move(*opened);
  }
  void close_rooms_above() override {
    confirmations.reset();
    ApprovalWorld::close_rooms_above();
  }
};

class ConfirmationsTest : public ConfirmationWorld, public ::testing::Test {
 protected:
  ~ConfirmationsTest() override { close(); }
  void SetUp() override {
    file = folder / "confirmations.db";
    open();
    alice = make_user("alice");
    key_of[alice] = enrol(alice);
  }
  FactorId enrol(UserId user) {
    auto confirmed = database->write_blocking([&](store::Tx& tx) -> Result<factors::Confirmed> {
      auto pending = factors->begin_enrolment_in(tx, user, FactorKind::totp, "phone", factors::Authority::enrol_grant, known(user), clock.now());
      if (!pending) return std::move(pending).error();
      const testing::App app(pending->secret.reveal_text(), pending->parameters);
      return factors->confirm_in(tx, user, pending->id, app.code(clock.wall()), known(user), clock.now());
    });
    EXPECT_TRUE(confirmed) << (confirmed ? "" : confirmed.error().detail);
    return confirmed ? confirmed->factor.id : FactorId{};
  }
  UserId grown_up(const std::string& name, std::vector<std::string> roles = {"member"}) {
    const UserId id = make_user(name, std::move(roles));
    key_of[id] = enrol(id);
    auto able = database->write_blocking([&](store::Tx& tx) -> Result<void> {
      auto done = tx.run("UPDATE account SET password = $2 WHERE id = $1", {id, as_bytes("whatever it is")});
      return done ? Result<void>() : Result<void>(std::move(done).error());
    });
    EXPECT_TRUE(able);
    return id;
  }
  /// What a security key would have shown; whether it is right the factors room has found out.
  factors::Given given(UserId user, FactorKind kind = FactorKind::webauthn) {
    factors::Given g;
    g.proof = {kind, domain::traits_of(kind), key_of[user], clock.wall(), clock.boot()};
    if (kind == FactorKind::webauthn) {
      g.proof.traits.user_verified = true;
      g.proof.traits.device_bound = true;
      g.statement.emplace();
      g.statement->binding = "{}";
    }
    return g;
  }
  Wanted wanted(std::string arguments = R"({"amount": 250, "to": "alice"})", std::string tool = "transfer") {
    Wanted w;
    w.action.access_point = "demo";
    w.action.tool = std::move(tool);
    w.action.arguments = std::move(arguments);
    w.action.user = "alice";
    w.action.account = alice;
    w.action.source = "198.51.100.7";
    w.action.client = "openai/6";
    w.action.policy[0] = 5;
    w.credential[0] = 1;
    w.source_key = "198.51.100.7";
    w.need.level = 2;
    w.need.confirmation = Confirmation::self;
    w.need.bound = true;
    return w;
  }
  Result<std::vector<Confirmations::Asked>> ask_all(std::vector<Wanted> calls) { return run(confirmations->ask(std::move(calls), known(alice))); }
  ConfirmationId ask(Wanted w) {
    auto asked = ask_all({std::move(w)});
    EXPECT_TRUE(asked) << (asked ? "" : asked.error().detail);
    return asked ? asked->front().id : ConfirmationId{};
  }
  ConfirmationId ask() { return ask(wanted()); }
  Reason refused(Wanted w) {
    auto asked = ask_all({std::move(w)});
    return asked ? Reason::ok : asked.error().code;
  }
  Reason sign(UserId by, std::vector<ConfirmationId> ids, const factors::Given& g, std::string_view why = {}) {
    auto done = database->write_blocking([&](store::Tx& tx) -> Result<void> {
      auto list = confirmations->waiting_in(tx, by, ids, clock.now());
      if (!list) return std::move(list).error();
      return confirmations->sign_in(tx, *list, known(by), g, why, clock.now());
    });
    return done ? Reason::ok : done.error().code;
  }
  Reason sign(UserId by, ConfirmationId id) { return sign(by, {id}, given(by)); }
  Reason use(ConfirmationId id, std::string_view arguments = R"({"amount": 250, "to": "alice"})", std::uint8_t policy = 5,
             std::optional<domain::Requirement> present = std::nullopt) {
    Digest p{};
    p[0] = policy;
    domain::Requirement least;
    least.level = 0;
    least.max_age = Duration::max();
    auto done = database->write_blocking([&](store::Tx& tx) -> Result<Confirmations::Used> {
      return confirmations->use_in(tx, id, crypto::sha256(as_bytes(arguments)), p, present.value_or(least), clock.now());
    });
    return done ? Reason::ok : done.error().code;
  }
  Reason refuse(ConfirmationId id, Confirmations::Refusal how, UserId by) {
    auto done = run(confirmations->refuse(id, how, known(by)));
    return done ? Reason::ok : done.error().code;
  }
  std::optional<Stage> stage(ConfirmationId id) {
    auto empty = database->write_blocking([](store::Tx&) -> Result<void> { return {}; });  // the feed has run
    EXPECT_TRUE(empty);
    return confirmations->stage(id);
  }
  std::size_t waiting(UserId person) {
    auto list = run(confirmations->list(person));
    EXPECT_TRUE(list);
    return list ? list->size() : 0;
  }
  UserId alice;
  std::unordered_map<UserId, FactorId> key_of;
};

TEST_F(ConfirmationsTest, SaysAllOfItIsSignedAndUsedOnce) {
  const ConfirmationId id = ask();
  EXPECT_EQ(stage(id), Stage::waiting);
  const auto shown = run(confirmations->look(alice, id));
  ASSERT_TRUE(shown);
  EXPECT_EQ(digest_of(shown->action), shown->digest);
  EXPECT_EQ(shown->arguments, R"({"amount": 250, "to": "alice"})") << "raw, as it would go out";
  const auto action = json::parse(shown->action);
  ASSERT_TRUE(action);
  EXPECT_EQ(*action->get_string("tool"), "transfer");
  EXPECT_EQ(*action->get_string("user"), "alice");
  EXPECT_EQ(*action->get_string("id"), id.text());
  EXPECT_EQ(action->find("arguments")->dump(), R"({"amount":250,"to":"alice"})");
  EXPECT_EQ(use(id), Reason::confirmation_void) << "nobody has signed";
  EXPECT_EQ(sign(alice, id), Reason::ok);
  EXPECT_EQ(stage(id), Stage::confirmed);
  EXPECT_EQ(sign(alice, id), Reason::conflict) << "once is enough";
  EXPECT_EQ(use(id), Reason::ok);
  EXPECT_EQ(stage(id), Stage::dispatched);
  EXPECT_EQ(use(id), Reason::confirmation_void) << "at most once";
  const auto kept = run(confirmations->kept(alice, id));
  ASSERT_TRUE(kept);
  ASSERT_EQ(kept->signed_by.size(), 1U);
  EXPECT_TRUE(kept->signed_by[0].signature.bound);
  EXPECT_EQ(kept->signed_by[0].actions, std::vector<Digest>{shown->digest});
  EXPECT_EQ(kept->dispatched, clock.wall());
}

TEST_F(ConfirmationsTest, WhatWasConfirmedIsWhatIsLetOut) {
  const ConfirmationId id = ask();
  ASSERT_EQ(sign(alice, id), Reason::ok);
  EXPECT_EQ(use(id, R"({"amount": 2500, "to": "alice"})"), Reason::confirmation_void);
  EXPECT_EQ(use(id, R"({"amount":250,"to":"alice"})"), Reason::confirmation_void) << "the same value, other bytes";
  EXPECT_EQ(use(id, R"({"amount": 250, "to": "alice"})", 6), Reason::confirmation_void) << "another policy";
  EXPECT_EQ(use(ConfirmationId::make(rng)), Reason::confirmation_void);
  EXPECT_EQ(use(id), Reason::ok) << "none of these has used it";
}

TEST_F(ConfirmationsTest, WhatWasSignedForLessIsNotEnoughForMore) {
  const ConfirmationId id = ask();
  ASSERT_EQ(sign(alice, id), Reason::ok);
  domain::Requirement more = wanted().need;
  more.level = 3;
  EXPECT_EQ(use(id, R"({"amount": 250, "to": "alice"})", 5, more), Reason::confirmation_void);
  more = wanted().need;
  more.confirmation = Confirmation::people;
  more.people = 2;
  EXPECT_EQ(use(id, R"({"amount": 250, "to": "alice"})", 5, more), Reason::confirmation_void);
  // Nor is it found again by a call that asks for more, or by another model.
  Wanted w = wanted();
  w.need.level = 3;
  EXPECT_NE(ask(w).bytes, id.bytes);
  w = wanted();
  w.action.model = "big";
  EXPECT_NE(ask(w).bytes, id.bytes);
  EXPECT_EQ(use(id, R"({"amount": 250, "to": "alice"})", 5, wanted().need), Reason::ok);
}

TEST_F(ConfirmationsTest, WhatIsKeptInAfterItsUseHasNoReceiptOfLettingOut) {
  const ConfirmationId id = ask();
  ASSERT_EQ(sign(alice, id), Reason::ok);
  ASSERT_EQ(use(id), Reason::ok);
  ASSERT_TRUE(run(confirmations->withhold(id)));
  EXPECT_EQ(stage(id), Stage::withheld);
  EXPECT_EQ(use(id), Reason::confirmation_void);
  EXPECT_EQ(run(confirmations->kept(alice, id))->dispatched, WallTime{});
}

TEST_F(ConfirmationsTest, NoMoreThanAPersonReads) {
  EXPECT_EQ(refused(wanted("{\"a\":\"" + std::string(70'000, 'x') + "\"}")), Reason::body_too_large);
  for (int i = 0; i < options_confirmations.most_an_hour; ++i) {
    const ConfirmationId id = ask(wanted("{\"n\":" + std::to_string(i) + "}"));
    ASSERT_EQ(refuse(id, Confirmations::Refusal::decline, alice), Reason::ok);
  }
  EXPECT_EQ(refused(wanted("{}")), Reason::overloaded) << "whatever was said of the others";
  clock.advance(70min);
  EXPECT_EQ(refused(wanted("{}")), Reason::ok);
}

TEST_F(ConfirmationsTest, ExpiresUnsignedAndSigned) {
  const ConfirmationId late = ask();
  clock.advance(5min);
  EXPECT_EQ(sign(alice, late), Reason::confirmation_expired);
  EXPECT_EQ(stage(late), std::nullopt);
  EXPECT_EQ(waiting(alice), 0U);
  const ConfirmationId id = ask();
  EXPECT_NE(id.bytes, late.bytes) << "asked anew";
  ASSERT_EQ(sign(alice, id), Reason::ok);
  clock.advance(5min);
  EXPECT_EQ(use(id), Reason::confirmation_expired);
}

TEST_F(ConfirmationsTest, TheSameCallSharesOneUntilItIsUsed) {
  const ConfirmationId id = ask();
  EXPECT_EQ(ask().bytes, id.bytes) << "asked again";
  Wanted w = wanted();
  w.action.conversation[0] = 9;
  EXPECT_EQ(ask(w).bytes, id.bytes) << "another conversation, the same call";
  w = wanted();
  w.credential[0] = 2;
  EXPECT_NE(ask(w).bytes, id.bytes) << "another credential";
  w = wanted();
  w.source_key = "203.0.113.1";
  EXPECT_NE(ask(w).bytes, id.bytes) << "another source: no thief rides on it";
  w = wanted(R"({"amount":250,"to":"alice"})");
  EXPECT_NE(ask(w).bytes, id.bytes) << "other bytes";
  ASSERT_EQ(sign(alice, id), Reason::ok);
  EXPECT_EQ(ask().bytes, id.bytes) << "confirmed while nobody waited: the retry goes on";
  ASSERT_EQ(use(id), Reason::ok);
  clock.advance(40s);
  const ConfirmationId again = ask();
  EXPECT_NE(again.bytes, id.bytes);
  const auto shown = run(confirmations->look(alice, again));
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->ran_before, clock.wall() - 40s) << "this ran 40 s ago";
}

TEST_F(ConfirmationsTest, TwoOfTheSameInOneReplyAreTwo) {
  const auto asked = ask_all({wanted(), wanted()});
  ASSERT_TRUE(asked);
  EXPECT_NE((*asked)[0].id.bytes, (*asked)[1].id.bytes);
  ASSERT_EQ(sign(alice, (*asked)[0].id), Reason::ok);
  EXPECT_EQ(use((*asked)[0].id), Reason::ok);
  EXPECT_EQ(use((*asked)[1].id), Reason::confirmation_void) << "the second one hides behind nothing";
}

TEST_F(ConfirmationsTest, AListIsSignedWithOneAnswerAndUsedOneByOne) {
  const ConfirmationId one = ask();
  const ConfirmationId two = ask(wanted("{}", "reboot"));
  EXPECT_EQ(sign(alice, {one, one}, given(alice)), Reason::invalid_argument);
  EXPECT_EQ(sign(alice, std::vector<ConfirmationId>{}, given(alice)), Reason::invalid_argument);
  ASSERT_EQ(sign(alice, {one, two}, given(alice)), Reason::ok);
  EXPECT_EQ(use(two, "{}"), Reason::ok);
  EXPECT_EQ(use(one), Reason::ok);
  const auto kept = run(confirmations->kept(alice, one));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->signed_by[0].actions.size(), 2U);
  // One that was answered meanwhile takes the others with it.
  const ConfirmationId three = ask(wanted(R"({"n":3})"));
  const ConfirmationId four = ask(wanted(R"({"n":4})"));
  ASSERT_EQ(refuse(four, Confirmations::Refusal::decline, alice), Reason::ok);
  EXPECT_EQ(sign(alice, {three, four}, given(alice)), Reason::conflict);
  EXPECT_EQ(stage(three), Stage::waiting);
}

TEST_F(ConfirmationsTest, ACodeSignsNothing) {
  const ConfirmationId id = ask();
  EXPECT_EQ(sign(alice, {id}, given(alice, FactorKind::totp)), Reason::mfa_required);
  EXPECT_EQ(sign(alice, {id}, given(alice, FactorKind::push)), Reason::mfa_required);
  EXPECT_EQ(sign(alice, {id}, given(alice, FactorKind::recovery_code)), Reason::mfa_required);
  factors::Given no_statement = given(alice);
  no_statement.statement.reset();
  EXPECT_EQ(sign(alice, {id}, no_statement), Reason::mfa_required);
  Wanted w = wanted("{}", "reboot");
  w.need.bound = false;
  const ConfirmationId loose = ask(w);
  EXPECT_EQ(sign(alice, {loose}, given(alice, FactorKind::totp)), Reason::ok) << "where policy says so";
  const auto shown = run(confirmations->look(alice, loose));
  ASSERT_TRUE(shown && shown->signatures.size() == 1);
  EXPECT_FALSE(shown->signatures[0].bound) << "marked";
}

TEST_F(ConfirmationsTest, TheProofMustReachTheLevel) {
  Wanted w = wanted();
  w.need.level = 3;
  const ConfirmationId id = ask(w);
  factors::Given synced = given(alice);
  synced.proof.traits.device_bound = false;
  EXPECT_EQ(sign(alice, {id}, synced), Reason::mfa_required) << "a synced passkey";
  factors::Given touched = given(alice);
  touched.proof.traits.user_verified = false;
  EXPECT_EQ(sign(alice, {id}, touched), Reason::mfa_required);
  EXPECT_EQ(sign(alice, id), Reason::ok);
}

TEST_F(ConfirmationsTest, NobodyElseHearsOfIt) {
  const UserId mallory = grown_up("mallory");
  const ConfirmationId id = ask();
  EXPECT_EQ(waiting(mallory), 0U);
  const auto seen = run(confirmations->look(mallory, id));
  EXPECT_EQ(seen ? Reason::ok : seen.error().code, Reason::not_found);
  EXPECT_EQ(sign(mallory, id), Reason::not_found);
  for (const auto how : {Confirmations::Refusal::decline, Confirmations::Refusal::sleep, Confirmations::Refusal::not_me}) {
    EXPECT_EQ(refuse(id, how, mallory), Reason::not_found);
  }
  const auto kept = run(confirmations->kept(mallory, id));
  EXPECT_EQ(kept ? Reason::ok : kept.error().code, Reason::not_found);
  EXPECT_EQ(stage(id), Stage::waiting);
}

TEST_F(ConfirmationsTest, DeclinedStaysSo) {
  const ConfirmationId id = ask();
  ASSERT_EQ(refuse(id, Confirmations::Refusal::decline, alice), Reason::ok);
  EXPECT_EQ(stage(id), Stage::declined);
  EXPECT_EQ(sign(alice, id), Reason::conflict);
  EXPECT_EQ(use(id), Reason::confirmation_void);
  const auto again = ask_all({wanted(), wanted()});
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)[0].stage, Stage::declined) << "a loop asks nobody again";
  EXPECT_EQ((*again)[1].stage, Stage::declined);
  EXPECT_EQ(waiting(alice), 0U);
}

TEST_F(ConfirmationsTest, DeclinedAfterItWasSignedIsNotLetOut) {
  const ConfirmationId id = ask();
  ASSERT_EQ(sign(alice, id), Reason::ok);
  ASSERT_EQ(refuse(id, Confirmations::Refusal::decline, alice), Reason::ok);
  EXPECT_EQ(use(id), Reason::confirmation_void);
}

TEST_F(ConfirmationsTest, AClientIsPutToSleepAndASourceIsDisowned) {
  const ConfirmationId one = ask();
  const ConfirmationId two = ask(wanted("{}", "reboot"));
  ASSERT_EQ(refuse(one, Confirmations::Refusal::sleep, alice), Reason::ok);
  EXPECT_EQ(stage(two), Stage::declined) << "all that waits of it";
  EXPECT_EQ(shut, std::vector<std::string>{"198.51.100.7"});
  EXPECT_EQ(refused(wanted("{}", "another")), Reason::push_not_me);
  Wanted elsewhere = wanted();
  elsewhere.source_key = "203.0.113.1";
  EXPECT_EQ(refused(elsewhere), Reason::ok);
  clock.advance(1h);
  EXPECT_EQ(refused(wanted("{}", "another")), Reason::ok) << "an hour later it may ask again";
  const ConfirmationId stranger = ask(wanted(R"({"n":1})"));
  ASSERT_EQ(refuse(stranger, Confirmations::Refusal::not_me, alice), Reason::ok);
  EXPECT_EQ(stage(stranger), Stage::not_me);
  const auto notices = run(users->notices(alice));
  ASSERT_TRUE(notices);
  EXPECT_EQ(notices->front().kind, identity::NoticeKind::not_me);
}

TEST_F(ConfirmationsTest, OneUseOfManyAtOnce) {
  const ConfirmationId id = ask();
  ASSERT_EQ(sign(alice, id), Reason::ok);
  std::vector<std::future<Reason>> tries;
  for (int i = 0; i < 16; ++i) tries.push_back(std::async(std::launch::async, [&] { return use(id); }));
  int good = 0;
  for (auto& t : tries) good += t.get() == Reason::ok ? 1 : 0;
  EXPECT_EQ(good, 1);
}

TEST_F(ConfirmationsTest, OneSignatureOfManyAtOnce) {
  const ConfirmationId id = ask();
  std::vector<std::future<Reason>> tries;
  for (int i = 0; i < 8; ++i) tries.push_back(std::async(std::launch::async, [&] { return sign(alice, id); }));
  int good = 0;
  for (auto& t : tries) good += t.get() == Reason::ok ? 1 : 0;
  EXPECT_EQ(good, 1);
}

TEST_F(ConfirmationsTest, WhatItRestsOnMustStillStand) {
  const ConfirmationId id = ask();
  ASSERT_EQ(sign(alice, id), Reason::ok);
  auto gone = database->write_blocking([&](store::Tx& tx) -> Result<void> {
    auto done = tx.run("UPDATE factor SET disabled = 1 WHERE id = $1", {key_of[alice]});
    return done ? Result<void>() : Result<void>(std::move(done).error());
  });
  ASSERT_TRUE(gone);
  EXPECT_EQ(use(id), Reason::confirmation_void) << "the key may have been copied";
  EXPECT_EQ(stage(id), Stage::confirmed) << "and nothing is used up by that";
  ASSERT_TRUE(run(users->disable(alice, administrator())));
  EXPECT_EQ(use(id), Reason::confirmation_void);
  EXPECT_EQ(stage(id), Stage::declined);
  EXPECT_EQ(refused(wanted()), Reason::user_disabled);
}

TEST_F(ConfirmationsTest, ArgumentsWithoutOneFormCannotBeConfirmed) {
  for (const char* bad : {R"({"n":9007199254740993})", R"({"a":1,"a":2})", "{", "\"\\ud800\"", "{\"a\":\"\xff\"}", ""}) {
    EXPECT_EQ(refused(wanted(bad)), Reason::body_not_json) << bad;
  }
  // All or none.
  EXPECT_FALSE(ask_all({wanted(), wanted(R"({"n":9007199254740993})")}));
  EXPECT_EQ(waiting(alice), 0U);
}

TEST_F(ConfirmationsTest, AFloodIsBoundedAndRingsALittle) {
  for (int i = 0; i < 24; ++i) EXPECT_EQ(refused(wanted("{\"n\":" + std::to_string(i) + "}")), Reason::ok) << i;
  EXPECT_EQ(refused(wanted(R"({"n":99})")), Reason::overloaded);
  EXPECT_EQ(bells, options_confirmations.bells);
}

TEST_F(ConfirmationsTest, OthersConfirmWhereTwoAreAskedFor) {
  const UserId bob = grown_up("bob");
  const UserId carol = grown_up("carol");
  clock.advance(73h);
  const UserId young = grown_up("young");
  Wanted w = wanted();
  w.need.confirmation = Confirmation::people;
  w.need.people = 2;
  const ConfirmationId id = ask(w);
  EXPECT_EQ(sign(alice, id), Reason::not_eligible) << "her own request";
  EXPECT_EQ(sign(young, id), Reason::not_found) << "made within 72 hours";
  EXPECT_EQ(waiting(young), 0U);
  EXPECT_EQ(waiting(bob), 1U);
  EXPECT_EQ(waiting(alice), 1U) << "she sees how it stands";
  EXPECT_EQ(sign(bob, id), Reason::ok);
  EXPECT_EQ(sign(bob, id), Reason::conflict) << "one account, one signature";
  EXPECT_EQ(stage(id), Stage::waiting);
  EXPECT_EQ(use(id), Reason::confirmation_void);
  EXPECT_EQ(sign(carol, id), Reason::ok);
  EXPECT_EQ(stage(id), Stage::confirmed);
  ASSERT_TRUE(run(confirmations->withdraw(id, known(bob))));
  EXPECT_EQ(use(id), Reason::confirmation_void) << "withdrawn counts no more";
  EXPECT_EQ(sign(bob, id), Reason::ok);
  EXPECT_EQ(use(id), Reason::ok);
  const auto late = run(confirmations->withdraw(id, known(bob)));
  EXPECT_EQ(late ? Reason::ok : late.error().code, Reason::conflict) << "what ran, ran";
}

TEST_F(ConfirmationsTest, NobodyMakesHimselfASecondPerson) {
  // Made by alice, three days ago: for all that anybody knows it is she.
  identity::Users::Create what;
  what.name = "puppet";
  what.roles = {"member"};
  auto puppet = run(users->create(what, known(alice)));
  ASSERT_TRUE(puppet);
  key_of[*puppet] = enrol(*puppet);
  const UserId bob = grown_up("bob");
  clock.advance(73h);
  Wanted w = wanted();
  w.need.confirmation = Confirmation::people;
  w.need.people = 1;
  const ConfirmationId id = ask(w);
  EXPECT_EQ(sign(*puppet, id), Reason::not_found);
  // Roles that were given a moment ago make nobody eligible; and taken away, they take the signature with them.
  ASSERT_EQ(sign(bob, id), Reason::ok);
  ASSERT_TRUE(run(users->set_roles(bob, {"member", "auditor"}, administrator())));
  EXPECT_EQ(use(id), Reason::confirmation_void);
}

TEST_F(ConfirmationsTest, NorThroughSomebodyInBetween) {
  identity::Users::Create what;
  what.roles = {"member"};
  what.name = "middle";
  auto middle = run(users->create(what, known(alice)));
  ASSERT_TRUE(middle);
  what.name = "puppet";
  auto puppet = run(users->create(what, known(*middle)));
  ASSERT_TRUE(puppet);
  key_of[*puppet] = enrol(*puppet);
  auto able = database->write_blocking([&](store::Tx& tx) -> Result<void> {
    auto done = tx.run("UPDATE account SET password = $2 WHERE id = $1", {*puppet, as_bytes("x")});
    return done ? Result<void>() : Result<void>(std::move(done).error());
  });
  ASSERT_TRUE(able);
  clock.advance(73h);
  Wanted w = wanted();
  w.need.confirmation = Confirmation::people;
  w.need.people = 1;
  EXPECT_EQ(sign(*puppet, ask(w)), Reason::not_found);
}

TEST_F(ConfirmationsTest, OnlyThoseWhoAreListedSignForOthers) {
  const UserId bob = grown_up("bob");
  const UserId tess = grown_up("tess", {"member", "treasurer"});
  clock.advance(73h);
  Wanted w = wanted();
  w.need.confirmation = Confirmation::people;
  w.need.people = 1;
  const std::vector<std::string> list{"role:treasurer"};
  w.need.approvers = domain::Approvers::of(list);
  const ConfirmationId id = ask(w);
  EXPECT_EQ(sign(bob, id), Reason::not_found);
  EXPECT_EQ(sign(tess, id), Reason::ok);
  EXPECT_EQ(use(id), Reason::ok);
}

TEST_F(ConfirmationsTest, CriticalTakesWhatStandsApart) {
  Wanted w = wanted();
  w.need.apart = true;
  const ConfirmationId id = ask(w);
  factors::Given synced = given(alice);
  synced.proof.traits.device_bound = false;
  EXPECT_EQ(sign(alice, {id}, synced), Reason::mfa_required);
  EXPECT_EQ(sign(alice, id), Reason::ok);
}

TEST_F(ConfirmationsTest, JustificationWhereItIsAskedFor) {
  Wanted w = wanted();
  w.need.justification = true;
  const ConfirmationId id = ask(w);
  EXPECT_EQ(sign(alice, {id}, given(alice)), Reason::invalid_argument);
  EXPECT_EQ(sign(alice, {id}, given(alice), std::string(501, 'x')), Reason::invalid_argument);
  EXPECT_EQ(sign(alice, {id}, given(alice), "rent"), Reason::ok);
  EXPECT_EQ(run(confirmations->look(alice, id))->justification, "rent");
}

TEST_F(ConfirmationsTest, ARestoreVoidsWhatWaitsAndKeepsWhatRan) {
  const ConfirmationId ran = ask();
  ASSERT_EQ(sign(alice, ran), Reason::ok);
  ASSERT_EQ(use(ran), Reason::ok);
  const ConfirmationId open = ask(wanted("{}", "reboot"));
  ASSERT_EQ(sign(alice, open), Reason::ok);
  ASSERT_TRUE(database->write_blocking([](store::Tx& tx) { return void_after_restore(tx); }));
  EXPECT_EQ(use(open, "{}"), Reason::confirmation_void);
  EXPECT_EQ(stage(open), std::nullopt);
  EXPECT_TRUE(run(confirmations->kept(alice, ran)));
  EXPECT_EQ(use(ran), Reason::confirmation_void);
}

TEST_F(ConfirmationsTest, WhatNobodyUsedIsForgottenAndReceiptsAreKeptAsLongAsSaid) {
  const ConfirmationId ran = ask();
  ASSERT_EQ(sign(alice, ran), Reason::ok);
  ASSERT_EQ(use(ran), Reason::ok);
  const ConfirmationId idle = ask(wanted("{}", "reboot"));
  clock.advance(25h);
  ASSERT_TRUE(run(confirmations->maintain()));
  EXPECT_FALSE(run(confirmations->look(alice, idle)));
  EXPECT_TRUE(run(confirmations->kept(alice, ran)));
  clock.advance(24h * 91);
  ASSERT_TRUE(run(confirmations->maintain()));
  EXPECT_FALSE(run(confirmations->kept(alice, ran)));
}

TEST_F(ConfirmationsTest, WordsOfTheCallerAreShownAsTheyWereAndNoLongerThanNeeded) {
  Wanted w = wanted();
  w.action.client = std::string(4000, 'x') + "\xff";
  w.action.via = "key \xff\xfe";
  const auto shown = run(confirmations->look(alice, ask(w)));
  ASSERT_TRUE(shown);
  const auto action = json::parse(shown->action);
  ASSERT_TRUE(action);
  EXPECT_EQ(action->get_string("client")->size(), 128U);
  EXPECT_EQ(*action->get_string("via"), "key ??");
}

}  // namespace
}  // namespace vestibule::approval
