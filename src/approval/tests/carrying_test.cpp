// A confirmed call of a model's reply, made once at a tool server; and receipts out of the store.
#include <future>

#include "approval/definitions.hpp"
#include "approval/receipt.hpp"
#include "approval/tests/confirming.hpp"
#include "json/value.hpp"

namespace vestibule::approval {
namespace {

using namespace std::chrono_literals;
using domain::Confirmation;
using Carrying = Confirmations::Carrying;

class CarryingTest : public testing::Confirming {
 protected:
  ~CarryingTest() override { close(); }
  void open_rooms_above() override {
    Confirming::open_rooms_above();
    auto opened = Definitions::open(*database, *users, *log, clock);
    ASSERT_TRUE(opened) << opened.error().detail;
    definitions = std::move(*opened);
  }
  void close_rooms_above() override {
    definitions.reset();
    Confirming::close_rooms_above();
  }
  ConfirmationId let_out(Wanted w) {
    const ConfirmationId id = ask(w);
    EXPECT_EQ(sign(alice, id), Reason::ok);
    EXPECT_EQ(use(id), Reason::ok);
    EXPECT_TRUE(run(confirmations->let_out(id)));
    return id;
  }
  Wanted mapped() {
    Wanted w = wanted();
    w.action.also = ToolPlace{"bank", "pay"};
    return w;
  }
  Carrying call(std::string arguments = R"({"to":"alice","amount":2.5e2})") {
    Carrying c;
    c.account = alice;
    c.source_key = "198.51.100.7";
    c.place = {"bank", "pay"};
    c.arguments = std::move(arguments);
    c.policy[0] = 5;
    c.mapped = [](const ToolPlace& from) { return from == ToolPlace{"demo", "transfer"}; };
    return c;
  }
  std::optional<ConfirmationId> find(Carrying c, std::optional<domain::Requirement> present = std::nullopt) {
    domain::Requirement least;
    least.level = 0;
    least.max_age = Duration::max();
    auto found = run(confirmations->find_carried(std::move(c), present.value_or(least)));
    EXPECT_TRUE(found) << (found ? "" : found.error().detail);
    return found ? *found : std::nullopt;
  }
  Reason carry(ConfirmationId id, const Carrying& c, std::optional<domain::Requirement> present = std::nullopt) {
    domain::Requirement least;
    least.level = 0;
    least.max_age = Duration::max();
    auto done = database->write_blocking([&](store::Tx& tx) { return confirmations->carry_in(tx, id, c, present.value_or(least), clock.now()); });
    return done ? Reason::ok : done.error().code;
  }
  /// As a list of the bank's has it.
  void listed(std::string_view definition) {
    std::vector<Sighting> news;
    static_cast<void>(definitions->look("bank", definition, news));
    ASSERT_TRUE(run(definitions->keep(std::move(news), known(alice))));
  }
  Reason accept(std::string_view tool, std::string_view definition) {
    const Digest digest = read_definition(definition)->digest;
    auto done = database->write_blocking([&](store::Tx& tx) { return definitions->accept_in(tx, "bank", tool, digest, known(alice)); });
    if (done) definitions->accepted("bank", tool, digest, *done);
    return done ? Reason::ok : done.error().code;
  }
  std::unique_ptr<Definitions> definitions;
};

TEST_F(CarryingTest, OnceInWhateverSpelling) {
  const ConfirmationId id = let_out(mapped());
  const auto found = find(call());
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, id);
  EXPECT_EQ(carry(id, call()), Reason::ok);
  EXPECT_EQ(carry(id, call()), Reason::confirmation_void);
  EXPECT_FALSE(find(call()));
  // It is one word for each time that it was let out.
  const ConfirmationId next = let_out(mapped());
  EXPECT_NE(next, id);
  EXPECT_EQ(find(call()), next);
}

TEST_F(CarryingTest, ThePersonSignsWhereToo) {
  const ConfirmationId id = ask(mapped());
  const auto shown = run(confirmations->look(alice, id));
  ASSERT_TRUE(shown);
  const auto action = json::parse(shown->action);
  ASSERT_TRUE(action && action->find("also") != nullptr);
  EXPECT_EQ(*action->find("also")->get_string("tool"), "pay");
  EXPECT_NE(ask(wanted()), id) << "the same call with no such leave is another one";
}

TEST_F(CarryingTest, NothingElse) {
  const ConfirmationId id = let_out(mapped());
  const std::vector<std::pair<std::string_view, std::function<void(Carrying&)>>> others = {
      {"other arguments", [](Carrying& c) { c.arguments = R"({"to":"alice","amount":251})"; }},
      {"one more", [](Carrying& c) { c.arguments = R"({"to":"alice","amount":250,"x":1})"; }},
      {"no one form", [](Carrying& c) { c.arguments = R"({"to":"alice","to":"alice","amount":250})"; }},
      {"another tool", [](Carrying& c) { c.place.tool = "transfer"; }},
      {"another place", [](Carrying& c) { c.place.access_point = "demo"; }},
      {"names that run together", [](Carrying& c) { c.place = {"bank/pay", ""}; }},
      {"from elsewhere", [](Carrying& c) { c.source_key = "203.0.113.1"; }},
      {"another account", [](Carrying& c) { c.account.bytes[0] ^= 1U; }},
      {"no longer mapped", [](Carrying& c) { c.mapped = [](const ToolPlace&) { return false; }; }},
      {"another policy", [](Carrying& c) { c.policy[0] = 6; }},
  };
  for (const auto& [what, change] : others) {
    Carrying c = call();
    change(c);
    EXPECT_FALSE(find(c)) << what;
    EXPECT_EQ(carry(id, c), Reason::confirmation_void) << what;
  }
  EXPECT_EQ(carry(id, call()), Reason::ok) << "and none of them has used it up";
}

TEST_F(CarryingTest, OnlyWhatWasLetOut) {
  const ConfirmationId waits = ask(mapped());
  EXPECT_FALSE(find(call()));
  EXPECT_EQ(carry(waits, call()), Reason::confirmation_void);
  ASSERT_EQ(sign(alice, waits), Reason::ok);
  EXPECT_EQ(carry(waits, call()), Reason::confirmation_void) << "signed, and not let out yet";
  ASSERT_EQ(use(waits), Reason::ok);
  EXPECT_FALSE(find(call())) << "used, and not let out yet";
  EXPECT_EQ(carry(waits, call()), Reason::confirmation_void);
  ASSERT_TRUE(run(confirmations->withhold(waits)));
  ASSERT_TRUE(run(confirmations->let_out(waits)));
  EXPECT_FALSE(find(call())) << "kept in after all";
  const ConfirmationId plain = let_out(wanted());
  EXPECT_FALSE(find(call())) << "signed for one place alone";
  EXPECT_EQ(carry(plain, call()), Reason::confirmation_void);
  const ConfirmationId declined = ask(mapped());
  ASSERT_EQ(refuse(declined, Confirmations::Refusal::decline, alice), Reason::ok);
  EXPECT_FALSE(find(call()));
}

TEST_F(CarryingTest, WithinItsTimeAndWhileItCounts) {
  const ConfirmationId id = let_out(mapped());
  domain::Requirement more = mapped().need;
  more.confirmation = Confirmation::people;
  more.people = 1;
  EXPECT_FALSE(find(call(), more)) << "it is asked for as any other then";
  EXPECT_EQ(carry(id, call(), more), Reason::confirmation_void) << "others were not asked";
  clock.set_trusted(false);
  EXPECT_EQ(carry(id, call()), Reason::clock_untrusted);
  clock.set_trusted(true);
  EXPECT_EQ(carry(id, call(), mapped().need), Reason::ok) << "a refusal takes it back";
  const ConfirmationId late = let_out(mapped());
  clock.advance(5min);
  EXPECT_FALSE(find(call()));
  EXPECT_EQ(carry(late, call()), Reason::confirmation_void);
  const ConfirmationId lost = let_out(mapped());
  auto gone = database->write_blocking([&](store::Tx& tx) { return factors->remove_all_in(tx, alice, known(alice), clock.now()); });
  ASSERT_TRUE(gone);
  EXPECT_EQ(carry(lost, call()), Reason::confirmation_void) << "the factor that signed is no more";
}

TEST_F(CarryingTest, NotMeOrSleepAfterItWasLetOut) {
  using Refusal = Confirmations::Refusal;
  for (const Refusal how : {Refusal::not_me, Refusal::sleep}) {
    for (const bool by_another : {false, true}) {
      SCOPED_TRACE(std::string(how == Refusal::not_me ? "not me" : "sleep") + (by_another ? ", said of one that waits" : ", said of this one"));
      Wanted w = mapped();
      w.credential[0] = 2;
      const ConfirmationId others = let_out(w);
      const ConfirmationId id = let_out(mapped());
      ASSERT_EQ(refuse(by_another ? ask(wanted("{}", "reboot")) : id, how, alice), Reason::ok);
      EXPECT_EQ(carry(id, call()), Reason::confirmation_void);
      if (how == Refusal::sleep) {
        EXPECT_EQ(find(call()), others) << "another credential's word is untouched";
        EXPECT_EQ(carry(others, call()), Reason::ok);
      }
      EXPECT_FALSE(find(call())) << "who disowns one does not know which others are out of her hands";
      EXPECT_EQ(carry(others, call()), Reason::confirmation_void);
      clock.advance(1h);
    }
  }
}

TEST_F(CarryingTest, NorByACredentialThatWasRefusedThere) {
  const ConfirmationId id = let_out(mapped());
  Wanted w = wanted("{}", "reboot");
  w.credential[0] = 3;
  ASSERT_EQ(refuse(ask(w), Confirmations::Refusal::sleep, alice), Reason::ok);
  Carrying disowned = call();
  disowned.credential[0] = 3;
  EXPECT_FALSE(find(disowned));
  EXPECT_EQ(carry(id, disowned), Reason::confirmation_void);
  EXPECT_EQ(find(call()), id);
  EXPECT_EQ(carry(id, call()), Reason::ok) << "by one that nobody has refused";
}

TEST_F(CarryingTest, WhoWasShutOutAndLetInAgain) {
  const UserId bob = grown_up("bob");
  clock.advance(73h);
  Wanted w = mapped();
  w.need.confirmation = Confirmation::people;
  w.need.people = 1;
  const auto by_bob = [&] {
    const ConfirmationId id = ask(w);
    EXPECT_EQ(sign(bob, id), Reason::ok);
    EXPECT_EQ(use(id), Reason::ok);
    EXPECT_TRUE(run(confirmations->let_out(id)));
    return id;
  };
  for (const bool asker : {true, false}) {
    SCOPED_TRACE(asker ? "who asked" : "who signed");
    const ConfirmationId id = by_bob();
    ASSERT_EQ(find(call()), id);
    ASSERT_TRUE(run(users->disable(asker ? alice : bob, administrator())));
    EXPECT_FALSE(find(call()));
    EXPECT_EQ(carry(id, call()), Reason::confirmation_void);
    ASSERT_TRUE(run(users->enable(asker ? alice : bob, administrator())));
    EXPECT_FALSE(find(call()));
    EXPECT_EQ(carry(id, call()), Reason::confirmation_void);
  }
  EXPECT_EQ(carry(by_bob(), call()), Reason::ok) << "asked and signed anew";
}

TEST_F(CarryingTest, AToolThatWasAcceptedAnewIsAnotherOne) {
  constexpr std::string_view kPays = R"({"name":"pay","description":"pays"})";
  constexpr std::string_view kPaysAll = R"({"name":"pay","description":"pays all that there is"})";
  constexpr std::string_view kOther = R"({"name":"pay_back","description":"pays it back, twice"})";
  listed(kPays);
  listed(R"({"name":"pay_back","description":"pays it back"})");
  const ConfirmationId id = let_out(mapped());
  listed(kOther);
  ASSERT_EQ(accept("pay_back", kOther), Reason::ok);
  EXPECT_EQ(find(call()), id) << "that is none of its business";
  listed(kPaysAll);
  ASSERT_EQ(accept("pay", kPaysAll), Reason::ok);
  EXPECT_FALSE(find(call()));
  EXPECT_EQ(carry(id, call()), Reason::confirmation_void);
  listed(kPays);
  ASSERT_EQ(accept("pay", kPays), Reason::ok);
  EXPECT_EQ(carry(id, call()), Reason::confirmation_void) << "nor once it is what it was";
  EXPECT_EQ(carry(let_out(mapped()), call()), Reason::ok);
}

TEST_F(CarryingTest, NotAfterARestoreNorAfterTheClockWasAccepted) {
  for (const bool restored : {true, false}) {
    SCOPED_TRACE(restored ? "a backup in which it was not carried yet" : "a clock that was a day ahead when it was let out");
    const ConfirmationId id = let_out(mapped());
    ASSERT_EQ(find(call()), id);
    ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return restored ? void_after_restore(tx) : accept_clock(tx, clock.wall()); }));
    EXPECT_FALSE(find(call()));
    EXPECT_EQ(carry(id, call()), Reason::confirmation_void);
    EXPECT_TRUE(run(confirmations->look(alice, id))) << "its receipt stays";
  }
  EXPECT_EQ(carry(let_out(mapped()), call()), Reason::ok);
}

TEST_F(CarryingTest, OneOfManyAtOnce) {
  const ConfirmationId id = let_out(mapped());
  std::vector<std::future<Reason>> all;
  for (int i = 0; i < 20; ++i) all.push_back(std::async(std::launch::async, [&] { return carry(id, call()); }));
  int good = 0;
  for (auto& one : all) good += one.get() == Reason::ok ? 1 : 0;
  EXPECT_EQ(good, 1);
}

TEST_F(CarryingTest, AReceiptIsThereAtOnce) {
  const ConfirmationId id = ask(mapped());
  EXPECT_EQ(run(confirmations->receipt(alice, id)).error().code, Reason::not_found) << "nobody has confirmed it";
  ASSERT_EQ(sign(alice, id), Reason::ok);
  const auto receipt = run(confirmations->receipt(id));
  ASSERT_TRUE(receipt) << receipt.error().detail;
  EXPECT_NE(receipt->find("\"statement\""), std::string::npos);
  EXPECT_EQ(*receipt, *run(confirmations->receipt(alice, id)));
  const UserId bob = grown_up("bob");
  EXPECT_EQ(run(confirmations->receipt(bob, id)).error().code, Reason::not_found) << "nothing of his";
}

// --- those who are to sign for others hear of it

class ApproversTest : public CarryingTest {
 protected:
  Wanted by_treasurers(int people = 1) {
    Wanted w = wanted();
    w.need.confirmation = Confirmation::people;
    w.need.people = static_cast<std::uint8_t>(people);
    const std::vector<std::string> list{"role:treasurer", "user:tess"};
    w.need.approvers = domain::Approvers::of(list);
    return w;
  }
  int rung() {
    EXPECT_TRUE(database->write_blocking([](store::Tx&) -> Result<void> { return {}; }));  // the feed has run
    return bells.exchange(0);
  }
};

TEST_F(ApproversTest, AreRungWhenItIsAskedAndOnceMoreAtHalfOfItsTime) {
  const UserId tess = grown_up("tess");
  grown_up("trudy", {"member", "treasurer"});
  grown_up("bob");
  clock.advance(73h);
  grown_up("new", {"member", "treasurer"});
  rung();
  const ConfirmationId id = ask(by_treasurers(2));
  EXPECT_EQ(rung(), 2) << "neither who asked, nor who may not sign, nor who is too new";
  ask(by_treasurers(2));
  EXPECT_EQ(rung(), 0) << "the same call, asked again";
  clock.advance(14min);
  ASSERT_TRUE(run(confirmations->remind()));
  EXPECT_EQ(rung(), 0);
  ASSERT_EQ(sign(tess, id), Reason::ok);
  clock.advance(2min);
  ASSERT_TRUE(run(confirmations->remind()));
  EXPECT_EQ(rung(), 1) << "tess has signed";
  ASSERT_TRUE(run(confirmations->remind()));
  EXPECT_EQ(rung(), 0);
  clock.advance(14min);
  EXPECT_EQ(stage(id), std::nullopt) << "half an hour, and no longer";
}

TEST_F(ApproversTest, NobodyIsRungWhereAnybodyMaySign) {
  grown_up("tess", {"member", "treasurer"});
  clock.advance(73h);
  Wanted w = by_treasurers();
  w.need.approvers = {};
  rung();
  ask(w);
  EXPECT_EQ(rung(), 0);
}

TEST_F(ApproversTest, AFloodRingsALittle) {
  grown_up("tess", {"member", "treasurer"});
  clock.advance(73h);
  rung();
  for (int i = 0; i < 20; ++i) {
    Wanted w = by_treasurers();
    w.action.arguments = "{\"n\":" + std::to_string(i) + "}";
    ask(w);
  }
  EXPECT_EQ(rung(), options_confirmations.bells);
  clock.advance(16min);
  ASSERT_TRUE(run(confirmations->remind()));
  EXPECT_EQ(rung(), options_confirmations.bells) << "who was not rung for is not reminded of";
}

}  // namespace
}  // namespace vestibule::approval
