// Mandates: what can be signed, what its text says, what it opens, how often, until when; and what ends it.
#include "approval/mandates.hpp"

#include <algorithm>
#include <future>

#include "approval/requests.hpp"
#include "factors/tests/world.hpp"

namespace vestibule::approval {
namespace {

using namespace std::chrono_literals;
using domain::FactorKind;

class MandateWorld : public testing::FactorWorld {
 public:
  ~MandateWorld() override { close(); }
  std::unique_ptr<Mandates> mandates;

 protected:
  std::vector<store::Migration> all_migrations() override {
    auto out = FactorWorld::all_migrations();
    out.insert(out.end(), migrations().begin(), migrations().end());
    return out;
  }
  void open_rooms_above() override {
    FactorWorld::open_rooms_above();
    auto opened = Mandates::open(*database, *users, *factors, *log, clock, rng);
    ASSERT_TRUE(opened) << opened.error().detail;
    mandates = std::move(*opened);
  }
  void close_rooms_above() override {
    mandates.reset();
    FactorWorld::close_rooms_above();
  }
};

class MandatesTest : public MandateWorld, public ::testing::Test {
 protected:
  ~MandatesTest() override { close(); }
  void SetUp() override {
    file = folder / "mandates.db";
    open();
    alice = make_user("alice");
    phone = enrol(alice);
    credential[0] = 7;
    other[0] = 8;
  }
  testing::App app;
  FactorId enrol(UserId user) {
    auto confirmed = database->write_blocking([&](store::Tx& tx) -> Result<factors::Confirmed> {
      auto pending = factors->begin_enrolment_in(tx, user, FactorKind::totp, "phone", factors::Authority::enrol_grant, known(user), clock.now());
      if (!pending) return std::move(pending).error();
      app = testing::App(pending->secret.reveal_text(), pending->parameters);
      return factors->confirm_in(tx, user, pending->id, app.code(clock.wall()), known(user), clock.now());
    });
    EXPECT_TRUE(confirmed) << (confirmed ? "" : confirmed.error().detail);
    return confirmed ? confirmed->factor.id : FactorId{};
  }
  MandateForm form() {
    MandateForm f;
    f.name = "nightly";
    f.credential = credential;
    f.credential_name = "key ci";
    f.scope = {.access_points = {"demo"}, .operations = {"chat"}, .models = {"tiny*"}, .networks = {"10.0.0.0/8"}, .hours = {}, .zone = {}};
    f.max_body = 1000;
    f.calls = 3;
    f.tokens = 100;
    f.starts = clock.wall();
    f.ends = clock.wall() + 8h;
    return f;
  }
  domain::Proof given(FactorKind kind = FactorKind::totp) {
    return {kind, domain::traits_of(kind), phone, clock.wall(), clock.boot()};
  }
  Result<MandateId> sign(MandateForm f, std::optional<domain::Proof> proof = std::nullopt) {
    auto terms = MandateTerms::check(std::move(f), clock.wall());
    if (!terms) return std::move(terms).error();
    return database->write_blocking(
        [&](store::Tx& tx) { return mandates->sign_in(tx, *terms, known(alice), proof.value_or(given()), clock.now()); });
  }
  static domain::Act act() {
    domain::Act a;
    a.access_point = "demo";
    a.operation = "chat";
    a.model = "tiny-1";
    a.body_bytes = 100;
    return a;
  }
  static domain::Source from(std::string_view text = "10.1.2.3") { return *domain::Source::parse(text); }
  static domain::Requirement need(int level = 2) {
    domain::Requirement r;
    r.level = level;
    return r;
  }
  Result<std::optional<Drawn>> draw(const domain::Act& a, domain::Source source, domain::Requirement n, Digest key) {
    return run(mandates->draw(key, a, source, n, clock.now()));
  }
  bool opens(const domain::Act& a = act(), domain::Source source = from(), domain::Requirement n = need()) {
    const auto drawn = draw(a, source, n, credential);
    EXPECT_TRUE(drawn);
    return drawn && drawn->has_value();
  }
  std::string why(const domain::Act& a = act(), domain::Source source = from(), domain::Requirement n = need()) {
    return mandates->why_not(credential, a, source, n, clock.wall(), policy::Known::whole);
  }
  UserId alice;
  FactorId phone;
  Digest credential{}, other{};
};

TEST_F(MandatesTest, WhatIsWrongWithAFormIsSaid) {
  struct Row {
    const char* part;
    void (*spoil)(MandateForm&, WallTime);
  };
  const Row table[] = {
      {"name", [](MandateForm& f, WallTime) { f.name.clear(); }},
      {"name", [](MandateForm& f, WallTime) { f.name = std::string(kMaxMandateName + 1, 'x'); }},
      {"name", [](MandateForm& f, WallTime) { f.name = "two\nlines"; }},
      {"name", [](MandateForm& f, WallTime) { f.name = "caf\xc3\xa9"; }},
      {"name", [](MandateForm& f, WallTime) { f.name = " nightly"; }},
      {"access_points", [](MandateForm& f, WallTime) { f.scope.access_points.clear(); }},
      {"operations", [](MandateForm& f, WallTime) { f.scope.operations.clear(); }},
      {"networks", [](MandateForm& f, WallTime) { f.scope.networks.clear(); }},
      {"networks", [](MandateForm& f, WallTime) { f.scope.networks = {"10.0.0.0/40"}; }},
      {"hours", [](MandateForm& f, WallTime) { f.scope.hours = {"Mon 08:00-18:00"}; }},
      {"calls", [](MandateForm& f, WallTime) { f.calls = 0; }},
      {"calls", [](MandateForm& f, WallTime) { f.calls = kMostCalls + 1; }},
      {"tokens", [](MandateForm& f, WallTime) { f.tokens = -1; }},
      {"tokens", [](MandateForm& f, WallTime) { f.tokens = kMostTokens + 1; }},
      {"max_body", [](MandateForm& f, WallTime) { f.max_body = -1; }},
      {"ends", [](MandateForm& f, WallTime) { f.ends = f.starts; }},
      {"ends", [](MandateForm& f, WallTime) { f.ends = f.starts + 24h + 1us; }},
      {"ends", [](MandateForm& f, WallTime now) { f.starts = now - 2h, f.ends = now; }},
      {"starts", [](MandateForm& f, WallTime now) { f.starts = now + 24h * 8, f.ends = f.starts + 1h; }},
  };
  for (const Row& row : table) {
    MandateForm f = form();
    row.spoil(f, clock.wall());
    const auto terms = MandateTerms::check(f, clock.wall());
    ASSERT_FALSE(terms) << row.part;
    EXPECT_EQ(terms.error().code, Reason::invalid_argument);
    EXPECT_NE(terms.error().detail.find(row.part), std::string::npos) << terms.error().detail;
  }
  EXPECT_TRUE(MandateTerms::check(form(), clock.wall()));
}

TEST_F(MandatesTest, TheTextSaysAllOfItAndTheFactorIsBoundToTheText) {
  const auto terms = MandateTerms::check(form(), clock.wall());
  ASSERT_TRUE(terms);
  const std::string text = terms->text("alice");
  for (const std::string& part : {std::string("nightly"), std::string("alice"), std::string("key ci"), rfc3339(clock.wall()), rfc3339(clock.wall() + 8h),
                                  std::string("demo"), std::string("chat"), std::string("tiny*"), std::string("10.0.0.0/8"), std::string("3 calls"),
                                  std::string("100 tokens"), std::string("1000 bytes")}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  // Whatever is changed, another act would have to be proved.
  void (*const changes[])(MandateForm&) = {
      [](MandateForm& f) { f.name = "daily"; },
      [](MandateForm& f) { f.credential_name = "key other"; },
      [](MandateForm& f) { f.scope.access_points = {"demo", "lab"}; },
      [](MandateForm& f) { f.scope.operations = {"*"}; },
      [](MandateForm& f) { f.scope.models.clear(); },
      [](MandateForm& f) { f.scope.networks = {"0.0.0.0/0"}; },
      [](MandateForm& f) { f.max_body = 0; },
      [](MandateForm& f) { f.calls = 4; },
      [](MandateForm& f) { f.tokens = 0; },
      [](MandateForm& f) { f.starts += 1s; },
      [](MandateForm& f) { f.ends += 1s; },
  };
  for (const auto change : changes) {
    MandateForm f = form();
    change(f);
    const auto changed = MandateTerms::check(f, clock.wall());
    ASSERT_TRUE(changed) << changed.error().detail;
    EXPECT_NE(changed->purpose("alice"), terms->purpose("alice")) << changed->text("alice");
  }
  EXPECT_NE(terms->purpose("bob"), terms->purpose("alice"));
  EXPECT_EQ(MandateTerms::check(form(), clock.wall())->purpose("alice"), terms->purpose("alice"));
}

TEST_F(MandatesTest, OpensWhatItNamesAsOftenAsItSays) {
  ASSERT_TRUE(sign(form()));
  EXPECT_TRUE(mandates->might(credential, act(), from(), need(), clock.wall(), policy::Known::path));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(opens()) << i;
  EXPECT_FALSE(opens());
  EXPECT_EQ(why(), "mandate \"nightly\": its calls are used up");
  EXPECT_FALSE(mandates->might(credential, act(), from(), need(), clock.wall(), policy::Known::path));
  const auto list = run(mandates->list(alice));
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 1U);
  EXPECT_EQ(list->front().calls_left, 0);
  restart();
  EXPECT_FALSE(opens()) << "the count is in the store";
  const auto said = entries("mandates.sign");
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said.front().object, "nightly");
  EXPECT_NE(said.front().note.find("3 calls"), std::string::npos) << "the record holds what was signed";
}

TEST_F(MandatesTest, WhateverIsOutsideIsRefusedAndCostsNoCall) {
  MandateForm f = form();
  f.starts += 1h;
  ASSERT_TRUE(sign(f));
  EXPECT_FALSE(opens()) << "not yet";
  clock.advance(1h - 1us);
  EXPECT_FALSE(opens());
  clock.advance(1us);
  struct Row {
    const char* name;
    domain::Act act;
    domain::Source source;
    domain::Requirement need;
  };
  const auto with = [](auto change) {
    domain::Act a = act();
    change(a);
    return a;
  };
  const Row table[] = {
      {"another access point", with([](auto& a) { a.access_point = "lab"; }), from(), need()},
      {"another operation", with([](auto& a) { a.operation = "embed"; }), from(), need()},
      {"another model", with([](auto& a) { a.model = "big"; }), from(), need()},
      {"no model", with([](auto& a) { a.model = ""; }), from(), need()},
      {"too long", with([](auto& a) { a.body_bytes = 1001; }), from(), need()},
      {"another network", act(), from("192.0.2.1"), need()},
      {"a thief's IPv6", act(), from("2001:db8::1"), need()},
      {"a level that was not proved", act(), from(), need(3)},
  };
  for (const Row& row : table) {
    SCOPED_TRACE(row.name);
    EXPECT_FALSE(opens(row.act, row.source, row.need));
    EXPECT_NE(why(row.act, row.source, row.need), "");
  }
  domain::Requirement listed = need();
  listed.kinds = domain::KindSet();
  listed.kinds.add(FactorKind::password);
  listed.kinds.add(FactorKind::webauthn);
  EXPECT_FALSE(opens(act(), from(), listed)) << "a flow that lists another kind";
  EXPECT_FALSE(*draw(act(), from(), need(), other)) << "another key";
  EXPECT_EQ(run(mandates->list(alice))->front().calls_left, 3);
  EXPECT_TRUE(opens());
  clock.advance(7h - 1us);
  EXPECT_TRUE(opens());
  clock.advance(1us);
  EXPECT_FALSE(opens()) << "over";
  EXPECT_NE(why().find("ended at"), std::string::npos);
}

TEST_F(MandatesTest, NothingIsSignedUnderAClockThatIsNotTrusted) {
  clock.set_trusted(false);
  EXPECT_EQ(sign(form()).error().code, Reason::clock_untrusted);
  EXPECT_TRUE(run(mandates->list(alice))->empty());
  clock.set_trusted(true);
  EXPECT_TRUE(sign(form()));
}

TEST_F(MandatesTest, TokensAreCountedAtOnce) {
  ASSERT_TRUE(sign(form()));
  const auto first = draw(act(), from(), need(), credential);
  ASSERT_TRUE(first && *first);
  mandates->spend(**first, 60);
  EXPECT_TRUE(opens());
  EXPECT_EQ(run(mandates->list(alice))->front().tokens_left, 40) << "stored with the next call";
  mandates->spend(**first, 40);
  EXPECT_FALSE(opens()) << "before they are stored";
  EXPECT_EQ(why(), "mandate \"nightly\": its tokens are used up");
  EXPECT_TRUE(run(mandates->settle()));
  restart();
  EXPECT_FALSE(opens());
  EXPECT_EQ(run(mandates->list(alice))->front().tokens_left, 0);
  EXPECT_EQ(run(mandates->list(alice))->front().calls_left, 1);
}

TEST_F(MandatesTest, OfManyAtOnceAsManyAsItSays) {
  MandateForm f = form();
  f.calls = 5;
  f.tokens = 0;
  ASSERT_TRUE(sign(f));
  std::vector<std::future<Result<std::optional<Drawn>>>> draws;
  for (unsigned i = 0; i < 25; ++i) {
    draws.push_back(spawn(mandates->draw(credential, act(), from(), need(), clock.now()), i % cores->size()));
  }
  int admitted = 0;
  int refused = 0;
  for (auto& each : draws) {
    const auto drawn = each.get();
    ASSERT_TRUE(drawn);
    ++(*drawn ? admitted : refused);
  }
  EXPECT_EQ(admitted, 5);
  EXPECT_EQ(refused, 20);
}

TEST_F(MandatesTest, OneActionEndsIt) {
  const auto id = sign(form());
  ASSERT_TRUE(id);
  const auto drawn = draw(act(), from(), need(), credential);
  ASSERT_TRUE(drawn && *drawn);
  EXPECT_TRUE(mandates->stands(**drawn, clock.wall()));
  const UserId bob = make_user("bob");
  EXPECT_EQ(run(mandates->revoke(*id, bob, known(bob))).error().code, Reason::not_found) << "not his";
  EXPECT_TRUE(mandates->stands(**drawn, clock.wall()));
  EXPECT_TRUE(run(mandates->revoke(*id, alice, known(alice))));
  EXPECT_FALSE(mandates->stands(**drawn, clock.wall())) << "what runs under it is cut";
  EXPECT_FALSE(opens());
  EXPECT_EQ(why(), "mandate \"nightly\": it was revoked");
  restart();
  EXPECT_FALSE(opens());
  ASSERT_EQ(entries("mandates.revoke").size(), 1U);
  EXPECT_TRUE(sign(form())) << "the name is free again";
}

TEST_F(MandatesTest, NothingOutlivesWhatItRestsOn) {
  ASSERT_TRUE(sign(form()));
  EXPECT_TRUE(opens());
  const auto gone = database->write_blocking([&](store::Tx& tx) { return factors->remove_all_in(tx, alice, known(alice), clock.now()); });
  ASSERT_TRUE(gone);
  EXPECT_FALSE(opens()) << "the factor that signed it is gone";
  phone = enrol(alice);
  MandateForm f = form();
  f.name = "next";
  ASSERT_TRUE(sign(f));
  EXPECT_TRUE(opens());
  ASSERT_TRUE(run(users->disable(alice, administrator())));
  EXPECT_FALSE(opens());
  EXPECT_TRUE(run(mandates->list(alice))->empty());
}

TEST_F(MandatesTest, OnlyASecondFactorSigns) {
  EXPECT_EQ(sign(form(), given(FactorKind::push_choice)).error().code, Reason::push_digits);
  EXPECT_EQ(sign(form(), given(FactorKind::recovery_code)).error().code, Reason::mfa_required);
  EXPECT_EQ(sign(form(), given(FactorKind::password)).error().code, Reason::mfa_required);
  EXPECT_TRUE(sign(form()));
  EXPECT_EQ(sign(form()).error().code, Reason::conflict) << "two of one name";
  for (std::size_t i = 1; i < Mandates::kMost; ++i) {
    MandateForm f = form();
    f.name = "m" + std::to_string(i);
    EXPECT_TRUE(sign(f));
  }
  MandateForm f = form();
  f.name = "one too many";
  EXPECT_EQ(sign(f).error().code, Reason::conflict);
}

TEST_F(MandatesTest, ARestoreVoidsThem) {
  ASSERT_TRUE(sign(form()));
  ASSERT_TRUE(database->write_blocking([](store::Tx& tx) { return void_after_restore(tx); }));
  EXPECT_FALSE(opens());
  EXPECT_TRUE(run(mandates->list(alice))->empty());
}

}  // namespace
}  // namespace vestibule::approval
