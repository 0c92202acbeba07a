// Confirmations: what is asked, who may sign, how often it counts, and what ends it.
#include <future>

#include "approval/tests/confirming.hpp"
#include "identity/service_accounts.hpp"
#include "json/value.hpp"

namespace vestibule::approval {
namespace {

using namespace std::chrono_literals;
using domain::Confirmation;
using domain::FactorKind;

class ConfirmationsTest : public testing::Confirming {
 protected:
  Wanted by_people(int people, std::string arguments = R"({"amount": 250, "to": "alice"})") {
    Wanted w = wanted(std::move(arguments));
    w.need.confirmation = Confirmation::people;
    w.need.people = static_cast<std::uint8_t>(people);
    return w;
  }
  /// A new start, by a code that somebody has made.
  void reset(UserId whom, const std::string& name, const Actor& by) {
    auto code = run(users->create_enrolment_code(whom, by));
    ASSERT_TRUE(code) << code.error().detail;
    auto password = run(users->prepare(name, Secret(vestibule::testing::kPassword)));
    ASSERT_TRUE(password) << password.error().detail;
    auto used = database->write_blocking([&](store::Tx& tx) { return users->use_enrolment_code_in(tx, code->reveal_text(), *password, known(whom)); });
    ASSERT_TRUE(used) << used.error().detail;
  }
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
  const auto ran = run(confirmations->look(alice, id));
  ASSERT_TRUE(ran);
  ASSERT_EQ(ran->signatures.size(), 1U);
  EXPECT_TRUE(ran->signatures[0].bound);
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
  const auto receipt = run(confirmations->receipt(alice, id));
  ASSERT_TRUE(receipt) << receipt.error().detail;
  EXPECT_EQ(receipt->find("\"dispatched\""), std::string::npos);
}

TEST_F(ConfirmationsTest, NoMoreThanAPersonReads) {
  EXPECT_EQ(refused(wanted("{\"a\":\"" + std::string(70'000, 'x') + "\"}")), Reason::body_too_large);
  for (int i = 0; i < options_confirmations.most_an_hour_of_one; ++i) {
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
  const auto receipt = run(confirmations->receipt(alice, one));
  ASSERT_TRUE(receipt) << receipt.error().detail;
  EXPECT_NE(receipt->find(hex(run(confirmations->look(alice, two))->digest)), std::string::npos) << "the list that was signed names both";
  EXPECT_EQ(use(two, "{}"), Reason::ok);
  EXPECT_EQ(use(one), Reason::ok);
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
  const auto receipt = run(confirmations->receipt(mallory, id));
  EXPECT_EQ(receipt ? Reason::ok : receipt.error().code, Reason::not_found);
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

TEST_F(ConfirmationsTest, PutToSleepTakesWhatWasConfirmedAndNotUsedWithIt) {
  using Refusal = Confirmations::Refusal;
  for (const Refusal how : {Refusal::sleep, Refusal::not_me}) {
    SCOPED_TRACE(how == Refusal::sleep ? "sleep" : "not me");
    Wanted elsewhere = wanted();
    elsewhere.source_key = "203.0.113.1";
    const ConfirmationId done = ask();
    const ConfirmationId apart = ask(elsewhere);
    ASSERT_EQ(sign(alice, {done, apart}, given(alice)), Reason::ok);
    ASSERT_EQ(refuse(ask(wanted("{}", "reboot")), how, alice), Reason::ok);
    EXPECT_EQ(use(done), Reason::confirmation_void);
    EXPECT_EQ(stage(done), how == Refusal::sleep ? Stage::declined : Stage::not_me);
    EXPECT_EQ(sign(alice, done), Reason::conflict);
    EXPECT_EQ(use(apart), Reason::ok) << "from elsewhere";
    clock.advance(1h);
  }
}

TEST_F(ConfirmationsTest, NothingIsAskedSignedOrUsedUnderAClockThatIsNotTrusted) {
  const ConfirmationId id = ask();
  clock.set_trusted(false);
  EXPECT_EQ(refused(wanted("{}", "reboot")), Reason::clock_untrusted);
  EXPECT_EQ(sign(alice, id), Reason::clock_untrusted);
  clock.set_trusted(true);
  ASSERT_EQ(sign(alice, id), Reason::ok);
  clock.set_trusted(false);
  EXPECT_EQ(use(id), Reason::clock_untrusted);
  EXPECT_EQ(stage(id), Stage::confirmed);
  clock.set_trusted(true);
  EXPECT_EQ(use(id), Reason::ok);
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

TEST_F(ConfirmationsTest, WhatASignatureThatCountsNoMoreStoodForIsAskedAnew) {
  const ConfirmationId id = ask();
  ASSERT_EQ(sign(alice, id), Reason::ok);
  EXPECT_EQ(ask(), id);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return factors->remove_all_in(tx, alice, known(alice), clock.now()); }));
  const ConfirmationId again = ask();
  EXPECT_NE(again, id);
  EXPECT_EQ(ask(), again);
  key_of[alice] = enrol(alice);
  ASSERT_EQ(sign(alice, again), Reason::ok);
  EXPECT_EQ(use(id), Reason::confirmation_void);
  EXPECT_EQ(use(again), Reason::ok);
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
  for (int i = 0; i < options_confirmations.most_of_one; ++i) EXPECT_EQ(refused(wanted("{\"n\":" + std::to_string(i) + "}")), Reason::ok) << i;
  EXPECT_EQ(refused(wanted(R"({"n":99})")), Reason::overloaded);
  EXPECT_EQ(bells, options_confirmations.bells);
}

TEST_F(ConfirmationsTest, OneCredentialsFloodLeavesRoomForTheOthers) {
  const auto by = [this](int credential, int n) {
    Wanted w = wanted("{\"n\":" + std::to_string(n) + "}");
    w.credential[0] = static_cast<std::uint8_t>(credential);
    return w;
  };
  EXPECT_EQ(options_confirmations.most_of_one, 24);
  for (int i = 0; i < options_confirmations.most_of_one; ++i) ASSERT_EQ(refused(by(1, i)), Reason::ok) << i;
  EXPECT_EQ(refused(by(1, 99)), Reason::overloaded);
  EXPECT_EQ(refused(by(1, 0)), Reason::ok) << "what waits is found again";
  for (int i = 0; i < options_confirmations.most - options_confirmations.most_of_one; ++i) ASSERT_EQ(refused(by(2, i)), Reason::ok) << i;
  EXPECT_EQ(refused(by(3, 0)), Reason::overloaded) << "all of them together";
  // The same within the hour, whatever was said of them.
  close();
  options_confirmations.most_an_hour = 12;
  options_confirmations.most_an_hour_of_one = 6;
  open();
  clock.advance(70min);
  const auto declined = [&](int credential, int n) { return refuse(ask(by(credential, n)), Confirmations::Refusal::decline, alice); };
  for (int i = 0; i < 6; ++i) ASSERT_EQ(declined(1, i), Reason::ok);
  EXPECT_EQ(refused(by(1, 99)), Reason::overloaded);
  for (int i = 0; i < 6; ++i) ASSERT_EQ(declined(2, i), Reason::ok);
  EXPECT_EQ(refused(by(3, 0)), Reason::overloaded);
  clock.advance(70min);
  EXPECT_EQ(refused(by(1, 99)), Reason::ok);
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

TEST_F(ConfirmationsTest, WhoseFactorsTheAskerResetIsNoSecondPerson) {
  const UserId bob = grown_up("bob");
  const UserId carol = grown_up("carol");
  clock.advance(73h);
  const ConfirmationId before = ask(by_people(1));
  ASSERT_EQ(sign(bob, before), Reason::ok);
  reset(bob, "bob", known(alice));
  reset(carol, "carol", administrator());
  EXPECT_EQ(use(before), Reason::confirmation_void) << "reset after he had signed";
  const ConfirmationId soon = ask(by_people(1, R"({"n":1})"));
  EXPECT_EQ(sign(bob, soon), Reason::not_found);
  EXPECT_EQ(sign(carol, soon), Reason::not_found) << "within 72 hours, whoever did it";
  clock.advance(73h);
  const ConfirmationId later = ask(by_people(1));
  EXPECT_EQ(sign(bob, later), Reason::not_found) << "for all that anybody knows it is she";
  EXPECT_EQ(waiting(bob), 0U);
  EXPECT_EQ(sign(carol, later), Reason::ok);
  EXPECT_EQ(use(later), Reason::ok);
}

TEST_F(ConfirmationsTest, WhoAnswersForAServiceIsNoSecondPerson) {
  using identity::Part;
  const UserId bob = grown_up("bob");
  const UserId dan = grown_up("dan");
  const UserId carol = grown_up("carol");
  identity::ServiceAccounts services(*database, *users, *log, clock, rng);
  const auto crawler = database->write_blocking([&](store::Tx& tx) -> Result<UserId> {
    auto id = services.create_in(tx, {"crawler", {}, {"member"}, bob}, known(bob));
    if (!id) return id;
    auto offered = services.offer_in(tx, *id, dan, Part::deputy, known(bob));
    if (!offered) return std::move(offered).error();
    auto service = services.look_in(tx, *id);
    if (!service) return std::move(service).error();
    auto accepted = services.accept_in(tx, *id, Part::deputy, identity::accept_purpose(*service, Part::deputy, "dan"), known(dan));
    if (!accepted) return std::move(accepted).error();
    return id;
  });
  ASSERT_TRUE(crawler) << crawler.error().detail;
  clock.advance(73h);
  Wanted w = by_people(1);
  w.action.user = "crawler";
  w.action.account = *crawler;
  const ConfirmationId id = ask(w);
  EXPECT_EQ(sign(bob, id), Reason::not_eligible) << "its sponsor: it was asked in his name";
  EXPECT_EQ(sign(dan, id), Reason::not_eligible) << "its deputy";
  EXPECT_EQ(use(id), Reason::confirmation_void);
  EXPECT_EQ(sign(carol, id), Reason::ok);
  EXPECT_EQ(use(id), Reason::ok);
}

TEST_F(ConfirmationsTest, AnApproverWhoIsDisabledAfterHeSignedCountsNoMore) {
  const UserId bob = grown_up("bob");
  const UserId carol = grown_up("carol");
  const UserId dan = grown_up("dan");
  clock.advance(73h);
  const ConfirmationId id = ask(by_people(2));
  ASSERT_EQ(sign(bob, id), Reason::ok);
  ASSERT_EQ(sign(carol, id), Reason::ok);
  ASSERT_EQ(stage(id), Stage::confirmed);
  ASSERT_TRUE(run(users->disable(carol, administrator())));
  EXPECT_EQ(use(id), Reason::confirmation_void);
  EXPECT_EQ(stage(id), Stage::waiting) << "for somebody else";
  EXPECT_EQ(sign(dan, id), Reason::ok);
  EXPECT_EQ(use(id), Reason::ok);
  const ConfirmationId other = ask(by_people(2));
  ASSERT_EQ(sign(bob, other), Reason::ok);
  ASSERT_EQ(sign(dan, other), Reason::ok);
  ASSERT_TRUE(run(users->disable(dan, administrator())));
  ASSERT_TRUE(run(users->enable(dan, administrator())));
  EXPECT_EQ(use(other), Reason::confirmation_void) << "let in again: what he said before is void";
  EXPECT_EQ(sign(dan, other), Reason::ok);
  EXPECT_EQ(use(other), Reason::ok);
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
  EXPECT_TRUE(run(confirmations->look(alice, ran)));
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
  EXPECT_TRUE(run(confirmations->look(alice, ran)));
  clock.advance(24h * 91);
  ASSERT_TRUE(run(confirmations->maintain()));
  EXPECT_FALSE(run(confirmations->look(alice, ran)));
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
