// One number of three on a push device: what it proves, and every way to make it prove more.
#include <map>
#include <set>
#include <thread>

#include "factors/binding.hpp"
#include "factors/numbers.hpp"
#include "factors/tests/push_world.hpp"

namespace vestibule::factors {
namespace {

using namespace std::chrono_literals;
using testing::Device;

class ChoiceTest : public testing::PushWorld, public ::testing::Test {
 protected:
  ChoiceTest() { open(); }
  ~ChoiceTest() override { close(); }
  void SetUp() override {
    set_up();
    ASSERT_EQ(enrol(alice, phone), Reason::ok);
  }
  Asked choose(SessionId of, std::string_view purpose = kStepUp) { return ask(alice, of, purpose, FactorKind::push_choice); }
  Asked choose() { return choose(session); }
  Asked digits() { return ask(alice, session, kStepUp); }
  std::vector<std::string> shown(const Device& device) {
    auto inbox = run(factors->prompts().inbox(device.inbox(clock.wall())));
    EXPECT_TRUE(inbox && inbox->prompts.size() == 1);
    return inbox && !inbox->prompts.empty() ? inbox->prompts.front().choices : std::vector<std::string>{};
  }
  std::string pick(const Device& device, const Asked& asked, const std::string& number) {
    return answer(device.answer(asked.id, Verdict::approve, number, clock.wall()));
  }
  Reason picked(ChallengeId challenge, std::string purpose = std::string(kStepUp), FactorKind kind = FactorKind::push_choice) {
    const auto p = prove(alice, challenge, std::move(purpose), session, kind);
    return p ? Reason::ok : p.error().code;
  }
  /// A number that is shown and not right.
  std::string wrong(const Device& device, const Asked& asked) {
    for (const std::string& n : shown(device)) {
      if (n != asked.digits) return n;
    }
    return "";
  }

  Device phone{rng};
};

TEST_F(ChoiceTest, TheRightOneOfThreeIsAProofOfItsOwnKindAndSpentOnce) {
  const Asked asked = choose();
  ASSERT_EQ(asked.reason, Reason::ok);
  ASSERT_EQ(asked.digits.size(), 2U);
  const auto numbers = shown(phone);
  ASSERT_EQ(numbers.size(), 3U);
  EXPECT_EQ(std::set<std::string>(numbers.begin(), numbers.end()).size(), 3U);
  EXPECT_EQ(std::count(numbers.begin(), numbers.end(), asked.digits), 1);
  EXPECT_EQ(picked(ChallengeId::make(rng)), Reason::code_wrong);
  EXPECT_EQ(pick(phone, asked, asked.digits), "approved");
  const auto proof = prove(alice, asked.id, std::string(kStepUp), session, FactorKind::push_choice);
  ASSERT_TRUE(proof) << proof.error().detail;
  EXPECT_EQ(proof->kind, FactorKind::push_choice);
  EXPECT_EQ(proof->factor, phone.id);
  EXPECT_EQ(picked(asked.id), Reason::code_wrong) << "a replay";
  // What it adds up to where nothing says that it counts: the password alone.
  domain::Evidence e = known(alice).evidence;
  e.add(*proof);
  EXPECT_EQ(domain::level(e, clock.now(), true, 1h), 1);
  EXPECT_EQ(domain::level(e, clock.now(), true, 1h, domain::KindSet::every()), 2);
  ASSERT_EQ(entries("push.ask").size(), 1U);
  EXPECT_NE(entries("push.ask").front().note.find("one number of three"), std::string::npos);
  auto records = entries("factor.prove");
  std::erase_if(records, [](const audit::Entry& r) { return r.reason != "ok"; });
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records.front().evidence.back().first, "push_choice");
}

TEST_F(ChoiceTest, ProvesNothingForASignInNorForAnAct) {
  for (const char* purpose : {"signin", "factor.remove fac_x", "factor.add totp", "factor.recovery_codes", "password.change", "policy.approve x",
                              "stops.lift all", "users.reset bob", "step-up x", "prove", ""}) {
    SCOPED_TRACE(purpose);
    EXPECT_EQ(choose(session, purpose).reason, Reason::push_digits);
    EXPECT_EQ(open_prompts(phone), 0U) << "no bell, no prompt";
    EXPECT_EQ(picked(ChallengeId::make(rng), purpose), Reason::push_digits);
  }
  // One that was picked is spent for nothing else, and by no other kind.
  const Asked asked = choose();
  EXPECT_EQ(pick(phone, asked, asked.digits), "approved");
  EXPECT_EQ(picked(asked.id, "signin"), Reason::push_digits);
  EXPECT_EQ(picked(asked.id, "signin", FactorKind::push), Reason::code_wrong);
  EXPECT_EQ(picked(asked.id, std::string(kStepUp), FactorKind::push), Reason::code_wrong) << "as if digits had been typed";
  EXPECT_EQ(prove(alice, asked.id, std::string(kStepUp), other_session, FactorKind::push_choice).error().code, Reason::code_wrong);
  EXPECT_EQ(picked(asked.id), Reason::ok);
  // Nor are digits that were typed worth no more than a pick by mistake.
  const Asked typed = digits();
  EXPECT_EQ(approve(phone, typed), "approved");
  EXPECT_EQ(picked(typed.id), Reason::code_wrong);
  EXPECT_EQ(picked(typed.id, std::string(kStepUp), FactorKind::push), Reason::ok);
}

TEST_F(ChoiceTest, CannotBeUsedToChangeFactors) {
  const Asked asked = choose();
  EXPECT_EQ(pick(phone, asked, asked.digits), "approved");
  const auto proof = prove(alice, asked.id, std::string(kStepUp), session, FactorKind::push_choice);
  ASSERT_TRUE(proof);
  auto removed = database->write_blocking([&](store::Tx& tx) { return factors->remove_in(tx, alice, phone.id, *proof, by(alice), clock.now()); });
  EXPECT_EQ(removed.error().code, Reason::mfa_required);
  auto codes = database->write_blocking([&](store::Tx& tx) { return factors->new_recovery_codes_in(tx, alice, *proof, by(alice), clock.now()); });
  EXPECT_EQ(codes.error().code, Reason::mfa_required);
  auto begun = database->write_blocking([&](store::Tx& tx) {
    return factors->begin_enrolment_in(tx, alice, FactorKind::push_choice, "x", Authority::existing_factor, by(alice), clock.now());
  });
  EXPECT_EQ(begun.error().code, Reason::invalid_argument) << "it is no factor of its own";
}

TEST_F(ChoiceTest, AWrongPickDeclinesAndThereIsNoSecond) {
  const Asked asked = choose();
  const std::string other = wrong(phone, asked);
  EXPECT_EQ(pick(phone, asked, other), "declined");
  EXPECT_EQ(pick(phone, asked, asked.digits), "conflict");
  EXPECT_EQ(entries("push.answer").back().reason, "code_wrong");
  EXPECT_EQ(picked(asked.id), Reason::code_wrong);
}

TEST_F(ChoiceTest, NoNumberThatIsNotShownIsRight) {
  struct Row {
    const char* name;
    std::function<std::string(const Asked&)> number;
  };
  for (const Row& row : {Row{"none", [](const Asked&) { return std::string(); }},
                         Row{"all of them are no pick", [](const Asked& a) { return a.digits + a.digits + a.digits; }},
                         Row{"another", [](const Asked& a) { return a.digits == "99" ? std::string("98") : std::string("99"); }}}) {
    SCOPED_TRACE(row.name);
    const Asked asked = choose();
    ASSERT_EQ(asked.reason, Reason::ok);
    EXPECT_EQ(pick(phone, asked, row.number(asked)), "declined");
    clock.advance(1h + 1s);
  }
}

TEST_F(ChoiceTest, WhoeverAsksAgainAndAgainGetsOnePickAndThenDigits) {
  const std::vector<std::pair<const char*, std::function<void(const Asked&)>>> ends = {
      {"a wrong pick", [&](const Asked& a) { EXPECT_EQ(pick(phone, a, wrong(phone, a)), "declined"); }},
      {"declined", [&](const Asked& a) { EXPECT_EQ(answer(phone.answer(a.id, Verdict::decline, {}, clock.wall())), "declined"); }},
      {"it was not me", [&](const Asked& a) { EXPECT_EQ(answer(phone.answer(a.id, Verdict::not_me, {}, clock.wall())), "not_me"); }},
      {"nobody answered", [&](const Asked&) { clock.advance(2min + 1s); }},
      {"still open", [](const Asked&) {}},
  };
  for (const auto& [name, end] : ends) {
    SCOPED_TRACE(name);
    const Asked asked = choose();
    ASSERT_EQ(asked.reason, Reason::ok);
    const WallTime begun = clock.wall();
    end(asked);
    EXPECT_EQ(choose().reason, Reason::push_digits);
    EXPECT_EQ(choose(other_session).reason, Reason::push_digits);
    clock.advance(1s);
    EXPECT_EQ(digits().digits.size(), 6U) << "the device still answers, by digits";
    clock.advance(begun + 1h - clock.wall());
    EXPECT_EQ(choose().reason, Reason::push_digits) << "the digits were not approved either";
    clock.advance(1h + 1s);
  }
  // Digits that nobody approved, at a sign-in say, end it too; what was approved does not.
  ASSERT_EQ(ask(alice).reason, Reason::ok);
  EXPECT_EQ(choose().reason, Reason::push_digits);
  clock.advance(1h + 1s);
  for (int i = 0; i < 4; ++i) {
    const Asked asked = choose();
    ASSERT_EQ(asked.reason, Reason::ok) << i;
    EXPECT_EQ(pick(phone, asked, asked.digits), "approved");
    EXPECT_EQ(picked(asked.id), Reason::ok);
  }
}

TEST_F(ChoiceTest, PicksThatFailCountAsDigitsDo) {
  ASSERT_EQ(choose().reason, Reason::ok);
  for (int i = 0; i < 4; ++i) {
    clock.advance(2min + 1s);
    ASSERT_EQ(digits().reason, Reason::ok);
  }
  clock.advance(2min + 1s);
  EXPECT_EQ(digits().reason, Reason::push_busy);
  EXPECT_EQ(choose().reason, Reason::push_busy);
}

TEST_F(ChoiceTest, OfAHundredPicksAtTwoDevicesOneCounts) {
  Device tablet(rng);
  ASSERT_EQ(enrol(alice, tablet), Reason::ok);
  const Asked asked = choose();
  const auto numbers = shown(tablet);
  ASSERT_EQ(numbers, shown(phone));
  std::atomic<int> approved{0}, declined{0}, late{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 10; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const Device& d = (t + i) % 2 == 0 ? phone : tablet;
        const std::string end = answer(d.answer(asked.id, Verdict::approve, numbers[static_cast<std::size_t>(t + i) % 3], clock.wall()), static_cast<unsigned>(t % 2));
        if (end == "approved") ++approved;
        if (end == "declined") ++declined;
        if (end == "conflict" || end == "overloaded") ++late;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(approved + declined, 1) << "to try all three is to try once";
  EXPECT_EQ(late, 99);
  std::atomic<int> spent{0};
  threads.clear();
  for (int t = 0; t < 20; ++t) threads.emplace_back([&] { spent += picked(asked.id) == Reason::ok ? 1 : 0; });
  for (auto& t : threads) t.join();
  EXPECT_EQ(spent, approved);
}

TEST_F(ChoiceTest, APickIsSignedForItsNumberItsPromptAndItsTime) {
  const Asked asked = choose();
  DeviceAnswer other = phone.answer(asked.id, Verdict::approve, wrong(phone, asked), clock.wall());
  other.digits = asked.digits;
  EXPECT_EQ(answer(other), "credential_unknown") << "signed over another number";
  DeviceAnswer verdict = phone.answer(asked.id, Verdict::decline, asked.digits, clock.wall());
  verdict.verdict = Verdict::approve;
  EXPECT_EQ(answer(verdict), "credential_unknown");
  EXPECT_EQ(answer(phone.answer(asked.id, Verdict::approve, asked.digits, clock.wall() - 61s)), "credential_unknown");
  Device of_bob(rng);
  ASSERT_EQ(enrol(bob, of_bob), Reason::ok);
  EXPECT_EQ(pick(of_bob, asked, asked.digits), "not_found");
  EXPECT_EQ(open_prompts(of_bob), 0U);
  // To type the two digits of a choice into a prompt for six is wrong, whatever they are.
  EXPECT_EQ(pick(phone, asked, asked.digits), "approved");
  const Asked typed = digits();
  EXPECT_EQ(pick(phone, typed, typed.digits.substr(0, 2)), "declined");
}

TEST_F(ChoiceTest, TheStoreTellsWhichThreeAndNotWhichOne) {
  const Asked asked = choose();
  std::string row;
  ASSERT_TRUE(database->read_blocking([&](store::Tx& tx) {
    return tx.one("SELECT choices, digits FROM push_prompt WHERE id = $1", {asked.id}, [&](const store::Row& r) {
      row = r.text(0);
      EXPECT_EQ(r.blob(1).size(), 32U);
      EXPECT_EQ(as_text(r.blob(1)).find(asked.digits), std::string_view::npos);
    });
  }));
  EXPECT_EQ(choices_of(row), shown(phone));
  for (const auto& e : entries("push.ask")) EXPECT_EQ(e.note.find(asked.digits), std::string::npos) << e.note;
}

TEST_F(ChoiceTest, TheOrderSaysNothing) {
  std::map<std::size_t, int> at;
  std::set<std::string> seen;
  for (int i = 0; i < 3000; ++i) {
    const Choice c = make_choice(rng);
    const auto numbers = choices_of(c.all);
    ASSERT_EQ(numbers.size(), 3U);
    ASSERT_EQ(std::set<std::string>(numbers.begin(), numbers.end()).size(), 3U);
    const auto right = std::find(numbers.begin(), numbers.end(), c.right);
    ASSERT_NE(right, numbers.end());
    ++at[static_cast<std::size_t>(right - numbers.begin())];
    for (const std::string& n : numbers) {
      ASSERT_EQ(n.size(), 2U);
      seen.insert(n);
    }
  }
  EXPECT_EQ(seen.size(), 90U);
  for (const auto& [place, times] : at) EXPECT_NEAR(times, 1000, 150) << place;
}

TEST_F(ChoiceTest, TeachesNothingOfThePlace) {
  std::vector<Event> told;
  factors->on_event([&](store::Tx&, const Actor&, Event e, Instant) {
    told.push_back(e);
    return Result<void>{};
  });
  const Asked asked = choose();
  EXPECT_EQ(pick(phone, asked, asked.digits), "approved");
  EXPECT_EQ(picked(asked.id), Reason::ok);
  EXPECT_EQ(told, (std::vector{Event::asked, Event::picked}));
}

}  // namespace
}  // namespace vestibule::factors
