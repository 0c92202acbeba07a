// Push devices as a factor among others: enrolment, prompts, what devices answer, and what they must not
// be able to.
#include <thread>

#include "factors/tests/push_world.hpp"

namespace vestibule::factors {
namespace {

using namespace std::chrono_literals;
using testing::Device;
using testing::kSubscription;

class PushTest : public testing::PushWorld, public ::testing::Test {
 protected:
  PushTest() { open(); }
  ~PushTest() override { close(); }
  void SetUp() override { set_up(); }
};

TEST_F(PushTest, ADeviceEnrolsAndAnswersAndTheAnswerIsSpentOnce) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  const Asked asked = ask(alice, session, "factor.remove fac_x");
  ASSERT_EQ(asked.reason, Reason::ok);
  auto inbox = run(factors->prompts().inbox(phone.inbox(clock.wall())));
  ASSERT_TRUE(inbox);
  ASSERT_EQ(inbox->prompts.size(), 1U);
  const Prompt& p = inbox->prompts.front();
  EXPECT_EQ(p.operation, "factor.remove");
  EXPECT_EQ(p.object, "fac_x");
  EXPECT_EQ(p.source, "198.51.100.7");
  EXPECT_EQ(p.client, "Firefox");
  EXPECT_EQ(p.expires - p.created, Duration(2min));
  EXPECT_EQ(*run(factors->prompts().state(asked.id, alice, session)), PromptState::waiting);
  EXPECT_EQ(approve(phone, asked), "approved");
  EXPECT_EQ(open_prompts(phone), 0U);
  EXPECT_EQ(*run(factors->prompts().state(asked.id, alice, session)), PromptState::approved);
  const auto proof = prove(alice, asked.id, "factor.remove fac_x", session);
  ASSERT_TRUE(proof) << proof.error().detail;
  EXPECT_EQ(proof->factor, phone.id);
  EXPECT_EQ(proof->kind, FactorKind::push);
  EXPECT_TRUE(proof->traits.possession);
  EXPECT_FALSE(proof->traits.phishing_resistant || proof->traits.user_verified || proof->traits.device_bound);
  EXPECT_EQ(proved(alice, asked.id, "factor.remove fac_x"), Reason::code_wrong);
  EXPECT_EQ(entries("push.ask").size(), 1U);
  ASSERT_EQ(entries("push.answer").size(), 1U);
  EXPECT_EQ(entries("push.answer").front().reason, "ok");
}

TEST_F(PushTest, EnrolmentProvesTheKeyAndThatThePushArrived) {
  struct Row {
    const char* name;
    std::function<std::string(const Device&, const PendingEnrolment&)> answer;
    Reason reason;
  };
  Device stranger(rng);
  const std::vector<Row> rows = {
      {"right", [](const Device& d, const PendingEnrolment& p) { return d.confirmation(p.options, p.secret.reveal_text()); }, Reason::ok},
      {"no code", [](const Device& d, const PendingEnrolment& p) { return d.confirmation(p.options); }, Reason::code_wrong},
      {"another code", [](const Device& d, const PendingEnrolment& p) { return d.confirmation(p.options, "AAAAAAAAAAAAAAAA"); }, Reason::code_wrong},
      {"another nonce", [](const Device& d, const PendingEnrolment& p) { return d.confirmation("x", p.secret.reveal_text()); }, Reason::code_wrong},
      {"another key",
       [&](const Device& d, const PendingEnrolment& p) {
         Device other = stranger;
         other.id = d.id;
         return other.confirmation(p.options, p.secret.reveal_text());
       },
       Reason::code_wrong},
      {"another enrolment's id",
       [](const Device& d, const PendingEnrolment& p) {
         Device other = d;
         other.id = FactorId{};
         return other.confirmation(p.options, p.secret.reveal_text());
       },
       Reason::code_wrong},
      {"no JSON", [](const Device&, const PendingEnrolment&) { return std::string("123456"); }, Reason::code_wrong},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Device phone(rng);
    auto pending = begin_enrolment(alice, phone, kSubscription);
    ASSERT_TRUE(pending);
    EXPECT_EQ(pending->secret.size(), 16U);
    phone.id = pending->id;
    EXPECT_EQ(confirm(alice, pending->id, row.answer(phone, *pending)), row.reason);
    // One try: a second one meets a closed door.
    EXPECT_EQ(confirm(alice, pending->id, phone.confirmation(pending->options, pending->secret.reveal_text())), Reason::not_found);
  }
}

TEST_F(PushTest, AnEndpointThatIsNoPushServiceIsNotEnrolled) {
  Device phone(rng);
  for (const char* endpoint : {"https://evil.example/x", "http://127.0.0.1:1/x", "https://169.254.169.254/latest"}) {
    std::string s = kSubscription;
    s.replace(s.find("https://fcm.googleapis.com/fcm/send/x"), 37, endpoint);
    EXPECT_EQ(enrol(alice, phone, s), Reason::invalid_argument) << endpoint;
  }
}

TEST_F(PushTest, AKeyBelongsToOneFactor) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  Device again = phone;
  EXPECT_EQ(enrol(bob, again), Reason::authenticator_known);
}

TEST_F(PushTest, OfAHundredParallelAnswersOneCounts) {
  Device phone(rng);
  Device tablet(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  ASSERT_EQ(enrol(alice, tablet), Reason::ok);
  const Asked asked = ask(alice);
  std::atomic<int> approved{0}, conflicts{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 10; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const Device& d = (t + i) % 2 == 0 ? phone : tablet;
        const std::string end = answer(d.answer(asked.id, Verdict::approve, asked.digits, clock.wall()), static_cast<unsigned>(t % 2));
        if (end == "approved") ++approved;
        if (end == "conflict" || end == "overloaded") ++conflicts;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(approved, 1);
  EXPECT_EQ(conflicts, 99);
  std::atomic<int> spent{0};
  threads.clear();
  for (int t = 0; t < 20; ++t) {
    threads.emplace_back([&] { spent += proved(alice, asked.id) == Reason::ok ? 1 : 0; });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(spent, 1);
}

TEST_F(PushTest, OnlyADeviceOfTheUsersOwnAnswers) {
  Device phone(rng);
  Device of_bob(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  ASSERT_EQ(enrol(bob, of_bob), Reason::ok);
  const Asked asked = ask(alice);
  EXPECT_EQ(approve(of_bob, asked), "not_found");
  EXPECT_EQ(open_prompts(of_bob), 0U);
  // Bob's key in the name of alice's device.
  Device masked = of_bob;
  masked.id = phone.id;
  EXPECT_EQ(approve(masked, asked), "credential_unknown");
  Device unknown(rng);
  unknown.id = FactorId::make(rng);
  EXPECT_EQ(approve(unknown, asked), "credential_unknown");
  EXPECT_EQ(approve(phone, asked), "approved");
}

net::Task<bool> blocking_read(store::Database* database, std::shared_future<void> until) {
  auto job = [until](store::Tx&) -> Result<bool> {
    until.wait();
    return true;
  };
  auto done = co_await database->read(std::move(job));
  co_return done.has_value();
}

TEST_F(PushTest, StrangersCostNoLookIntoTheStore) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  Device stranger(rng);
  stranger.id = FactorId::make(rng);
  Device masked = stranger;  // another key in the name of alice's device
  masked.id = phone.id;
  const Asked asked = ask(alice);
  // With every reader busy, whoever needs one waits.
  std::promise<void> over;
  const std::shared_future<void> until = over.get_future().share();
  std::vector<std::future<bool>> busy;
  for (int i = 0; i < 8; ++i) busy.push_back(spawn(blocking_read(database.get(), until)));
  for (const Device* d : {&stranger, &masked}) {
    auto looked = spawn(factors->prompts().inbox(d->inbox(clock.wall())));
    ASSERT_EQ(looked.wait_for(2s), std::future_status::ready) << (over.set_value(), "a stranger takes a seat");
    EXPECT_EQ(looked.get().error().code, Reason::credential_unknown);
    auto answered = spawn(factors->prompts().look(d->answer(asked.id, Verdict::not_me, "", clock.wall())));
    ASSERT_EQ(answered.wait_for(2s), std::future_status::ready) << (over.set_value(), "a stranger takes a seat");
    EXPECT_EQ(answered.get().error().code, Reason::credential_unknown);
  }
  over.set_value();
  for (auto& b : busy) EXPECT_TRUE(b.get());
  EXPECT_EQ(open_prompts(phone), 1U);
}

TEST_F(PushTest, DevicesAreKnownAfterAStartAndForgottenWithTheirFactor) {
  file = folder / "vestibule.db";
  close();
  open();
  alice = make_user("alice");
  Device phone(rng);
  Device tablet(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  ASSERT_EQ(enrol(alice, tablet), Reason::ok);
  close();
  open();
  EXPECT_EQ(open_prompts(phone), 0U);
  EXPECT_EQ(open_prompts(tablet), 0U);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return factors->remove_all_in(tx, alice, by(alice), clock.now()); }));
  for (const Device& d : {phone, tablet}) {
    EXPECT_EQ(run(factors->prompts().inbox(d.inbox(clock.wall()))).error().code, Reason::credential_unknown);
  }
}

TEST_F(PushTest, ASignatureIsForExactlyWhatItSays) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  const Asked asked = ask(alice);
  const DeviceAnswer right = phone.answer(asked.id, Verdict::approve, asked.digits, clock.wall());
  DeviceAnswer digits = phone.answer(asked.id, Verdict::approve, "000000", clock.wall());
  digits.digits = asked.digits;
  EXPECT_EQ(answer(digits), "credential_unknown") << "signed over other digits";
  DeviceAnswer verdict = phone.answer(asked.id, Verdict::decline, asked.digits, clock.wall());
  verdict.verdict = Verdict::approve;
  EXPECT_EQ(answer(verdict), "credential_unknown");
  DeviceAnswer prompt = phone.answer(ChallengeId::make(rng), Verdict::approve, asked.digits, clock.wall());
  prompt.prompt = asked.id;
  EXPECT_EQ(answer(prompt), "credential_unknown");
  DeviceAnswer time = right;
  time.call.time += 1;
  EXPECT_EQ(answer(time), "credential_unknown");
  DeviceAnswer inbox = right;
  inbox.call.signature = phone.inbox(clock.wall()).signature;
  EXPECT_EQ(answer(inbox), "credential_unknown") << "signed for the inbox";
  DeviceAnswer old = phone.answer(asked.id, Verdict::approve, asked.digits, clock.wall() - 61s);
  EXPECT_EQ(answer(old), "credential_unknown");
  DeviceAnswer early = phone.answer(asked.id, Verdict::approve, asked.digits, clock.wall() + 61s);
  EXPECT_EQ(answer(early), "credential_unknown");
  EXPECT_EQ(answer(right), "approved");
  EXPECT_EQ(answer(right), "conflict") << "a replay";
}

TEST_F(PushTest, AWrongNumberDeclines) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  for (const std::string& digits : {std::string("wrong"), std::string()}) {
    const Asked asked = ask(alice);
    ASSERT_EQ(asked.reason, Reason::ok);
    std::string given = digits;
    if (given == "wrong") given = asked.digits == "000000" ? "000001" : "000000";
    EXPECT_EQ(answer(phone.answer(asked.id, Verdict::approve, given, clock.wall())), "declined");
    EXPECT_EQ(approve(phone, asked), "conflict") << "there is no second try";
    EXPECT_EQ(proved(alice, asked.id), Reason::code_wrong);
  }
  EXPECT_EQ(entries("push.answer").back().reason, "code_wrong");
}

TEST_F(PushTest, AnAnswerAfterTwoMinutesIsTooLate) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  const Asked asked = ask(alice);
  clock.advance(2min + 1s);
  EXPECT_EQ(open_prompts(phone), 0U);
  EXPECT_EQ(approve(phone, asked), "expired");
  EXPECT_EQ(proved(alice, asked.id), Reason::code_wrong);
  EXPECT_EQ(*run(factors->prompts().state(asked.id, alice, session)), std::nullopt);
  // What was approved in time is not spent after its time.
  const Asked second = ask(alice);
  EXPECT_EQ(approve(phone, second), "approved");
  clock.advance(2min + 1s);
  EXPECT_EQ(proved(alice, second.id), Reason::code_wrong);
}

TEST_F(PushTest, AnApprovalIsForItsActAndItsSessionAlone) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  const Asked other_act = ask(alice, session, "factor.remove fac_a");
  EXPECT_EQ(approve(phone, other_act), "approved");
  EXPECT_EQ(proved(alice, other_act.id, "factor.remove fac_b"), Reason::code_wrong);
  const Asked elsewhere = ask(alice);
  EXPECT_EQ(approve(phone, elsewhere), "approved");
  const auto p = prove(alice, elsewhere.id, "signin", other_session);
  EXPECT_EQ(p.error().code, Reason::code_wrong);
  EXPECT_EQ(proved(alice, elsewhere.id), Reason::ok) << "a stranger's try does not use it up";
  EXPECT_EQ(*run(factors->prompts().state(elsewhere.id, alice, other_session)), std::nullopt);
  EXPECT_EQ(*run(factors->prompts().state(elsewhere.id, bob, session)), std::nullopt);
}

TEST_F(PushTest, NothingIsProvedBeforeTheDeviceHasApproved) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  const Asked asked = ask(alice);
  EXPECT_EQ(proved(alice, asked.id), Reason::code_wrong);
  EXPECT_EQ(approve(phone, asked), "approved");
  EXPECT_EQ(proved(alice, asked.id), Reason::code_wrong) << "the early try has used the question up";
  EXPECT_EQ(answer(phone.answer(ask(alice).id, Verdict::decline, {}, clock.wall())), "declined");
}

TEST_F(PushTest, OneOpenPromptAUser) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  const Asked first = ask(alice);
  EXPECT_EQ(ask(alice, other_session).reason, Reason::push_busy);
  EXPECT_EQ(open_prompts(phone), 1U) << "the device hears nothing of it";
  const Asked second = ask(alice);
  EXPECT_EQ(second.reason, Reason::ok) << "the same session asks anew";
  EXPECT_EQ(open_prompts(phone), 1U);
  EXPECT_EQ(approve(phone, first), "conflict");
  EXPECT_EQ(proved(alice, first.id), Reason::code_wrong);
  EXPECT_EQ(approve(phone, second), "approved");
  EXPECT_EQ(proved(alice, second.id), Reason::ok);
  EXPECT_EQ(ask(alice, other_session).reason, Reason::ok);
}

TEST_F(PushTest, AFloodIsRefusedWithoutABell) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ask(alice).reason, Reason::ok) << i;
    clock.advance(2min + 1s);
  }
  EXPECT_EQ(ask(alice).reason, Reason::push_busy);
  clock.advance(5min);
  EXPECT_EQ(ask(alice).reason, Reason::ok) << "the oldest are forgotten";
}

TEST_F(PushTest, ApprovedPromptsAreNoFlood) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  for (int i = 0; i < 12; ++i) {
    const Asked asked = ask(alice);
    ASSERT_EQ(asked.reason, Reason::ok) << i;
    ASSERT_EQ(approve(phone, asked), "approved");
    ASSERT_EQ(proved(alice, asked.id), Reason::ok);
  }
}

TEST_F(PushTest, ItWasNotMePutsTheSourceToSleepAndLocksOnRepetition) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  const auto sleeps = [&](const char* source, UserId user) {
    return *database->write_blocking([&](store::Tx& tx) { return Prompts::sleeps_in(tx, user, *domain::Source::parse(source), clock.now()); });
  };
  EXPECT_FALSE(sleeps("198.51.100.7", alice));
  Asked asked = ask(alice);
  EXPECT_EQ(answer(phone.answer(asked.id, Verdict::not_me, {}, clock.wall())), "not_me");
  EXPECT_TRUE(sleeps("198.51.100.7", alice));
  EXPECT_FALSE(sleeps("198.51.100.8", alice));
  EXPECT_FALSE(sleeps("198.51.100.7", bob));
  EXPECT_EQ(entries("push.answer").back().reason, "push_not_me");
  EXPECT_EQ(proved(alice, asked.id), Reason::code_wrong);
  for (int i = 0; i < 2; ++i) {
    asked = ask(alice);
    ASSERT_EQ(asked.reason, Reason::ok) << "once or twice does not lock";
    EXPECT_EQ(answer(phone.answer(asked.id, Verdict::not_me, {}, clock.wall())), "not_me");
  }
  EXPECT_EQ(ask(alice).reason, Reason::push_busy);
  clock.advance(1h + 1s);
  EXPECT_EQ(ask(alice).reason, Reason::ok);
  EXPECT_FALSE(sleeps("198.51.100.7", alice));
}

TEST_F(PushTest, ItWasNotMeIsNeverTooLate) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  const Asked expired = ask(alice);
  clock.advance(10min);
  EXPECT_EQ(answer(phone.answer(expired.id, Verdict::not_me, {}, clock.wall())), "not_me");
  const Asked approved = ask(alice);
  EXPECT_EQ(approve(phone, approved), "approved");
  EXPECT_EQ(answer(phone.answer(approved.id, Verdict::not_me, {}, clock.wall())), "conflict") << "it was answered";
}

TEST_F(PushTest, SourcesOfIPv6SleepByTheirNetwork) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  auto asked = database->write_blocking([&](store::Tx& tx) {
    Actor a = by(alice);
    a.source = *domain::Source::parse("2001:db8:1:2::3");
    return factors->begin_in(tx, FactorKind::push, "signin", a, clock.now());
  });
  ASSERT_TRUE(asked);
  EXPECT_EQ(answer(phone.answer(asked->id, Verdict::not_me, {}, clock.wall())), "not_me");
  const auto sleeps = [&](const char* source) {
    return *database->write_blocking([&](store::Tx& tx) { return Prompts::sleeps_in(tx, alice, *domain::Source::parse(source), clock.now()); });
  };
  EXPECT_TRUE(sleeps("2001:db8:1:2:ffff::1"));
  EXPECT_FALSE(sleeps("2001:db8:1:3::3"));
}

TEST_F(PushTest, WhoHasNotGivenTheFirstFactorAsksNobody) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  auto asked = database->write_blocking([&](store::Tx& tx) {
    Actor a = by(alice);
    a.evidence = {};
    return factors->begin_in(tx, FactorKind::push, "signin", a, clock.now());
  });
  EXPECT_EQ(asked.error().code, Reason::mfa_required);
  EXPECT_EQ(ask(bob).reason, Reason::factor_missing);
  EXPECT_EQ(open_prompts(phone), 0U);
}

TEST_F(PushTest, ARemovedDeviceAnswersNothingAndItsApprovalsAreVoid) {
  Device phone(rng);
  Device tablet(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  ASSERT_EQ(enrol(alice, tablet), Reason::ok);
  const Asked asked = ask(alice);
  EXPECT_EQ(approve(phone, asked), "approved");
  const domain::Proof by_tablet{FactorKind::push, domain::traits_of(FactorKind::push), tablet.id, clock.wall(), clock.boot()};
  auto removed = database->write_blocking(
      [&](store::Tx& tx) { return factors->remove_in(tx, alice, phone.id, by_tablet, by(alice), clock.now()); });
  ASSERT_TRUE(removed);
  EXPECT_EQ(proved(alice, asked.id), Reason::code_wrong);
  EXPECT_EQ(run(factors->prompts().inbox(phone.inbox(clock.wall()))).error().code, Reason::credential_unknown);
  const Asked next = ask(alice);
  EXPECT_EQ(approve(phone, next), "credential_unknown");
  EXPECT_EQ(approve(tablet, next), "approved");
}

TEST_F(PushTest, TheInboxIsForItsDeviceNowAndTellsNoDigits) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  const auto reason = [&](const DeviceCall& call) {
    const auto r = run(factors->prompts().inbox(call));
    return r ? Reason::ok : r.error().code;
  };
  const auto before = run(factors->prompts().inbox(phone.inbox(clock.wall())));
  const Asked asked = ask(alice);
  const auto after = run(factors->prompts().inbox(phone.inbox(clock.wall())));
  EXPECT_NE(before->version, after->version);
  EXPECT_EQ(reason(phone.inbox(clock.wall() - 61s)), Reason::credential_unknown);
  EXPECT_EQ(reason(phone.inbox(clock.wall() - 59s)), Reason::ok);
  DeviceCall other = phone.inbox(clock.wall());
  other.signature[10] ^= 1U;
  EXPECT_EQ(reason(other), Reason::credential_unknown);
  clock.set_trusted(false);
  EXPECT_EQ(reason(phone.inbox(clock.wall())), Reason::clock_untrusted);
  EXPECT_EQ(approve(phone, asked), "clock_untrusted");
  clock.set_trusted(true);
  auto disabled = run(users->disable(alice, administrator()));
  ASSERT_TRUE(disabled);
  EXPECT_EQ(reason(phone.inbox(clock.wall())), Reason::credential_unknown);
  EXPECT_EQ(approve(phone, asked), "credential_unknown");
}

TEST_F(PushTest, SubscriptionsAreSealedRungAndDropped) {
  Device phone(rng);
  Device silent(rng);
  ASSERT_EQ(enrol(alice, phone, kSubscription), Reason::ok);
  ASSERT_EQ(enrol(alice, silent), Reason::ok);
  auto ring = run(factors->prompts().to_ring(alice));
  ASSERT_TRUE(ring);
  ASSERT_EQ(ring->size(), 1U);
  EXPECT_EQ(ring->front().id, phone.id);
  EXPECT_EQ(ring->front().subscription, *notify::parse_subscription(kSubscription));
  bool clear = false;
  ASSERT_TRUE(database->read_blocking([&](store::Tx& tx) {
    return tx.query("SELECT subscription FROM push_device WHERE subscription IS NOT NULL", {}, [&](const store::Row& row) {
      clear = as_text(row.blob(0)).find("googleapis") != std::string_view::npos;
      return true;
    });
  }));
  EXPECT_FALSE(clear);
  ASSERT_TRUE(run(factors->prompts().drop_subscription(phone.id)));
  EXPECT_TRUE(run(factors->prompts().to_ring(alice))->empty());
  EXPECT_EQ(open_prompts(phone), 0U) << "the inbox stays";
}

TEST_F(PushTest, TheListSaysWhichDevicesRing) {
  Device phone(rng);
  Device tablet(rng);
  ASSERT_EQ(enrol(alice, phone, kSubscription), Reason::ok);
  ASSERT_EQ(enrol(alice, tablet), Reason::ok);
  const auto rings = [&](const Device& d) -> std::optional<bool> {
    const auto all = run(factors->list(alice));
    const auto at = std::ranges::find_if(*all, [&](const FactorInfo& f) { return f.id == d.id; });
    return at == all->end() ? std::nullopt : at->rings;
  };
  EXPECT_EQ(rings(phone), true);
  EXPECT_EQ(rings(tablet), false);
  ASSERT_TRUE(run(factors->prompts().drop_subscription(phone.id)));
  EXPECT_EQ(rings(phone), false);
  const auto all = run(factors->list(alice));
  EXPECT_TRUE(std::ranges::all_of(*all, [](const FactorInfo& f) { return f.rings.has_value() == (f.kind == FactorKind::push); }));
}

TEST_F(PushTest, ARestoreVoidsWhatWasAsked) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone), Reason::ok);
  const Asked asked = ask(alice);
  EXPECT_EQ(approve(phone, asked), "approved");
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return void_after_restore(tx, clock.wall()); }));
  EXPECT_EQ(proved(alice, asked.id), Reason::code_wrong);
  EXPECT_EQ(approve(phone, ask(alice)), "approved") << "the device itself is as it was";
}

TEST_F(PushTest, NothingOfAUserRemains) {
  Device phone(rng);
  ASSERT_EQ(enrol(alice, phone, kSubscription), Reason::ok);
  ASSERT_EQ(answer(phone.answer(ask(alice).id, Verdict::not_me, {}, clock.wall())), "not_me");
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return factors->remove_all_in(tx, alice, by(alice), clock.now()); }));
  for (const std::string_view sql : {"SELECT 1 FROM push_device", "SELECT 1 FROM push_prompt", "SELECT 1 FROM push_sleeper"}) {
    const auto found = database->read_blocking([&](store::Tx& tx) { return tx.one(sql, {}, [](const store::Row&) {}); });
    EXPECT_FALSE(*found) << sql;
  }
}

TEST(DeviceText, NoTextReadsAsAnother) {
  const FactorId id = *FactorId::from(Bytes(16, 1));
  const ChallengeId prompt = *ChallengeId::from(Bytes(16, 2));
  const DeviceAnswer a{{id, 1'800'000'000'000, {}}, prompt, Verdict::approve, "123456"};
  EXPECT_EQ(enrolment_text(id, "nonce", ""), "vestibule/push/enrol/v1\n" + id.text() + "\nnonce\n");
  EXPECT_EQ(inbox_text(a.call), "vestibule/push/inbox/v1\n" + id.text() + "\n1800000000000");
  EXPECT_EQ(answer_text(a), "vestibule/push/answer/v1\n" + id.text() + "\n" + prompt.text() + "\napprove\n123456\n1800000000000");
}

TEST(DeviceAnswer, WhatIsOfAnotherFormIsRefused) {
  const FactorId id = *FactorId::from(Bytes(16, 1));
  const ChallengeId prompt = *ChallengeId::from(Bytes(16, 2));
  const std::string signature = base64url(Bytes(64, 3));
  EXPECT_TRUE(parse_call(id.text(), 1, signature));
  EXPECT_FALSE(parse_call(prompt.text(), 1, signature));
  EXPECT_FALSE(parse_call(id.text(), -1, signature));
  EXPECT_FALSE(parse_call(id.text(), 1, base64url(Bytes(63, 3))));
  EXPECT_FALSE(parse_call(id.text(), 1, signature + "="));
  const DeviceCall call{id, 1, Bytes(64, 3)};
  EXPECT_TRUE(parse_answer(call, prompt.text(), "not_me", ""));
  for (const char* digits : {"12345", "1234567", "12345a", " 12345", "12345\n", "１２３"}) {
    EXPECT_FALSE(parse_answer(call, prompt.text(), "approve", digits)) << digits;
  }
  EXPECT_FALSE(parse_answer(call, id.text(), "approve", "123456"));
  EXPECT_FALSE(parse_answer(call, prompt.text(), "Approve", "123456"));
  EXPECT_FALSE(parse_confirmation("{}"));
  EXPECT_FALSE(parse_confirmation(R"({"signature":"AA"})"));
  EXPECT_FALSE(parse_confirmation(R"({"signature":")" + signature + R"(","push_code":7})"));
  EXPECT_TRUE(parse_confirmation(R"({"signature":")" + signature + R"("})"));
}

}  // namespace
}  // namespace vestibule::factors
