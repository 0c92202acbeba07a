// Factors that a plug-in judges: what is asked when, what is charged, and what no plug-in can make happen.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "factors/factors.hpp"
#include "factors/tests/world.hpp"
#include "json/value.hpp"
#include "net/signal.hpp"

namespace vestibule::factors {
namespace {

using namespace std::chrono_literals;
using testing::FactorWorld;

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

/// A plug-in that knows one right answer and notes what it is asked. It runs on the core that calls it.
struct FakePlugin {
  enum class Fault { none, unreachable, status, unsigned_, replayed, request_echoed, garbage };
  std::mutex mutex;
  std::vector<json::Value> seen;
  std::atomic<Fault> fault{Fault::none};
  std::atomic<int> sent{0};  // to it, answered or not
  std::atomic<bool> hanging{false};
  std::atomic<bool> refuses{false};
  PluginHttpReply last;  // as it was signed for an earlier request
  std::string right = "otter";

  int count(std::string_view operation) {
    const std::lock_guard lock(mutex);
    return static_cast<int>(std::ranges::count_if(seen, [&](const json::Value& v) { return v.get_string("operation").value_or("") == operation; }));
  }
  json::Value latest(std::string_view operation) {
    const std::lock_guard lock(mutex);
    for (auto at = seen.rbegin(); at != seen.rend(); ++at) {
      if (at->get_string("operation").value_or("") == operation) return *at;
    }
    return {};
  }
  Result<PluginHttpReply> answer(const std::string& body, const std::string& signature) {
    const crypto::HmacKey key(as_bytes(kKey));
    EXPECT_EQ(signature, sign_plugin_request(key, body));
    const std::lock_guard lock(mutex);
    seen.push_back(json::parse(body).value_or(json::Value{}));
    const json::Value& asked = seen.back();
    const std::string operation = asked.get_string("operation").value_or("");
    const bool judged = operation == "confirm" || operation == "verify";
    const bool yes = !refuses && (!judged || asked.get_string("answer").value_or("") == right);
    std::string text = std::string(R"({"version":1,"verdict":")") + (yes ? "yes" : "no") + R"(","text":"word 7"})";
    PluginHttpReply reply{200, sign_plugin_reply(key, asked.get_string("nonce").value_or(""), text), text};
    switch (fault.load()) {
      case Fault::none: last = reply; return reply;
      case Fault::unreachable: return fail(Reason::upstream_timeout, "no whole reply in time");
      case Fault::status: reply.status = 500; return reply;
      case Fault::unsigned_: reply.signature.clear(); return reply;
      case Fault::replayed: return last;
      case Fault::request_echoed: return PluginHttpReply{200, signature, body};
      case Fault::garbage: {
        const std::string odd = R"({"version":1,"verdict":"yes","level":3})";
        return PluginHttpReply{200, sign_plugin_reply(key, asked.get_string("nonce").value_or(""), odd), odd};
      }
    }
    return fail(Reason::internal);
  }
};

net::Task<Result<PluginHttpReply>> send_to(FakePlugin* plugin, std::string body, std::string signature) {
  ++plugin->sent;
  while (plugin->hanging) co_await net::sleep_for(*net::Core::current(), 5ms);
  co_return plugin->answer(body, signature);
}

net::Task<bool> telling_task(Factors* factors, net::Core* core) {
  co_await factors->tell_plugins(*core);
  co_return true;
}

class PluginTest : public ::testing::Test, public FactorWorld {
 protected:
  void SetUp() override {
    configure(Plugin::Mode::asks);
    open();
    alice = make_user("alice");
  }
  void configure(Plugin::Mode mode, std::string name = "words") {
    domain::Traits traits;
    traits.possession = true;
    auto* fake = name == "words" ? &words : &other;
    auto send = [fake](std::string body, std::string signature) { return send_to(fake, std::move(body), std::move(signature)); };
    options_factors.plugins.push_back(std::make_shared<const Plugin>(
        Plugin{name, "Word list", traits, mode, crypto::HmacKey(as_bytes(kKey)), std::move(send), 4}));
  }
  Actor by(UserId user) {
    Actor a = known(user);
    a.session = session;
    return a;
  }
  Result<PendingEnrolment> begin_enrolment(const std::string& plugin = "words") {
    EnrolmentWish wish;
    wish.plugin = plugin;
    auto begun = database->write_blocking([&](store::Tx& tx) {
      return factors->begin_enrolment_in(tx, alice, FactorKind::external, "words", Authority::existing_factor, by(alice), clock.now(), wish);
    });
    if (!begun) return begun;
    return run(factors->ask(std::move(*begun)));
  }
  Result<Confirmed> confirm(FactorId pending, std::string_view answer) {
    auto about = database->write_blocking([&](store::Tx& tx) -> Result<PluginCall> {
      auto charged = factors->charge_enrolment_in(tx, alice, pending, clock.now());
      if (!charged) return std::move(charged).error();
      return factors->confirmation_in(tx, alice, pending, by(alice));
    });
    if (!about) return std::move(about).error();
    std::optional<Consulted> said = run(factors->consult_enrolment(std::move(*about), Secret(answer), by(alice)));
    auto settled = database->write_blocking([&](store::Tx& tx) -> Result<Settled<Result<Confirmed>>> {
      auto done = factors->confirm_in(tx, alice, pending, answer, by(alice), clock.now(), said);
      if (!done && !commits(done.error().code)) return std::move(done).error();
      return Settled<Result<Confirmed>>{std::move(done)};
    });
    if (!settled) return std::move(settled).error();
    return std::move(settled->value);
  }
  FactorId enrol(const std::string& plugin = "words") {
    auto pending = begin_enrolment(plugin);
    EXPECT_TRUE(pending) << (pending ? "" : pending.error().detail);
    auto confirmed = confirm(pending->id, "otter");
    EXPECT_TRUE(confirmed) << (confirmed ? "" : confirmed.error().detail);
    return pending->id;
  }
  Result<Factors::Challenge> begin(std::string_view purpose = "test", FactorId factor = {}) {
    auto begun = database->write_blocking([&](store::Tx& tx) {
      return factors->begin_in(tx, FactorKind::external, purpose, by(alice), clock.now(), factor);
    });
    if (!begun) return begun;
    return run(factors->ask(std::move(*begun)));
  }
  Attempt attempt(std::string_view answer, ChallengeId challenge, std::string purpose = "test") {
    Attempt a;
    a.kind = FactorKind::external;
    a.answer = Secret(answer);
    a.purpose = std::move(purpose);
    a.by = by(alice);
    a.challenge = challenge;
    return a;
  }
  net::Task<Result<domain::Proof>> proving(Attempt a) {
    auto same = [this](store::Tx&, const domain::Proof& p) -> Result<domain::Proof> {
      if (act_fails) return fail(Reason::user_exists);
      return p;
    };
    auto done = co_await factors->prove_and(std::move(a), std::move(same));
    co_return done;
  }
  Reason prove(Attempt a) {
    const auto r = run(proving(std::move(a)));
    return r ? Reason::ok : r.error().code;
  }
  Reason whole(std::string_view answer) {
    auto c = begin();
    if (!c) return c.error().code;
    return prove(attempt(answer, c->id));
  }
  FactorInfo info_of(FactorId id) {
    const auto all = run(factors->list(alice));
    for (const FactorInfo& f : *all) {
      if (f.id == id) return f;
    }
    return {};
  }

  FakePlugin words, other;
  SessionId session = *SessionId::from(Bytes(16, 9));
  UserId alice;
  std::atomic<bool> act_fails{false};
};

TEST_F(PluginTest, FromEnrolmentToProof) {
  auto pending = begin_enrolment();
  ASSERT_TRUE(pending);
  EXPECT_EQ(pending->text, "word 7");
  EXPECT_EQ(confirm(pending->id, "badger").error().code, Reason::code_wrong);
  auto confirmed = confirm(pending->id, "otter");
  ASSERT_TRUE(confirmed);
  EXPECT_EQ(words.latest("confirm").get_string("name").value_or(""), "alice");
  EXPECT_EQ(info_of(pending->id).plugin, "words");
  auto c = begin("users.create eve member");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->options, R"({"plugin":"words","label":"Word list","text":"word 7"})");
  auto proof = run(proving(attempt("otter", c->id, "users.create eve member")));
  ASSERT_TRUE(proof) << proof.error().detail;
  EXPECT_TRUE(proof->traits.possession);
  EXPECT_FALSE(proof->traits.phishing_resistant) << "the operator's word, not the plug-in's";
  EXPECT_EQ(words.latest("verify").get_string("binding").value_or(""), words.latest("begin").get_string("binding").value_or("?"));
  EXPECT_EQ(words.latest("verify").get_string("question").value_or(""), c->id.text());
  EXPECT_EQ(entries("factor.prove").back().note, "for users.create eve member; plug-in words");
  EXPECT_EQ(info_of(pending->id).last_used, clock.wall());
  EXPECT_EQ(prove(attempt("otter", c->id, "users.create eve member")), Reason::code_wrong) << "answered once";
}

TEST_F(PluginTest, AnAnswerIsForOneActOfOneSession) {
  enrol();
  auto c = begin("users.create eve member");
  const int asked = words.count("verify");
  EXPECT_EQ(prove(attempt("otter", c->id, "users.create mallory administrator")), Reason::code_wrong);
  Attempt elsewhere = attempt("otter", c->id, "users.create eve member");
  elsewhere.by.session = *SessionId::from(Bytes(16, 8));
  EXPECT_EQ(prove(std::move(elsewhere)), Reason::code_wrong);
  EXPECT_EQ(prove(attempt("otter", {}, "users.create eve member")), Reason::code_wrong);
  EXPECT_EQ(words.count("verify"), asked) << "without a question nobody is asked";
  clock.advance(6min);
  EXPECT_EQ(prove(attempt("otter", c->id, "users.create eve member")), Reason::code_wrong) << "too late";
  Attempt stranger = attempt("otter", c->id);
  stranger.by.evidence = {};
  EXPECT_EQ(prove(std::move(stranger)), Reason::mfa_required);
}

TEST_F(PluginTest, OfManyAnswersAtOnceOneIsAskedAbout) {
  const FactorId id = enrol();
  auto c = begin();
  const int asked = words.count("verify");
  words.hanging = true;
  std::vector<std::future<Result<domain::Proof>>> all;
  for (unsigned i = 0; i < 100; ++i) all.push_back(spawn(proving(attempt("otter", c->id)), i % 2));
  std::this_thread::sleep_for(50ms);
  words.hanging = false;
  int good = 0;
  for (auto& f : all) good += f.get() ? 1 : 0;
  EXPECT_EQ(good, 1);
  EXPECT_EQ(words.count("verify"), asked + 1);
  EXPECT_EQ(info_of(id).failures, 0) << "those that asked nobody locked nothing";
}

TEST_F(PluginTest, WhileAPluginIsSlowOthersWrite) {
  const FactorId id = enrol();
  auto c = begin();
  words.hanging = true;
  const int sent = words.sent;
  auto slow = spawn(proving(attempt("otter", c->id)));
  while (words.sent == sent && slow.wait_for(1ms) == std::future_status::timeout) {
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(database->write_blocking([](store::Tx&) -> Result<void> { return {}; }));
  }
  EXPECT_EQ(slow.wait_for(0s), std::future_status::timeout);
  EXPECT_EQ(info_of(id).failures, 1) << "paid for meanwhile";
  words.hanging = false;
  EXPECT_TRUE(slow.get());
  EXPECT_EQ(info_of(id).failures, 0);
}

TEST_F(PluginTest, NothingButASignedYesIsOne) {
  const FactorId id = enrol();
  using F = FakePlugin::Fault;
  for (const F fault : {F::unreachable, F::status, F::unsigned_, F::replayed, F::request_echoed, F::garbage}) {
    words.fault = F::none;
    auto c = begin();
    ASSERT_TRUE(c);
    words.fault = fault;
    EXPECT_EQ(prove(attempt("otter", c->id)), Reason::plugin_failed) << static_cast<int>(fault);
    EXPECT_EQ(info_of(id).failures, 0) << "nobody learnt anything: a service that is down locks nobody out";
    auto none = begin();
    EXPECT_FALSE(none) << static_cast<int>(fault);
    EXPECT_EQ(none.error().code, Reason::plugin_failed);
    words.fault = F::none;
    EXPECT_EQ(prove(attempt("otter", c->id)), Reason::code_wrong) << "the question is used up";
    EXPECT_EQ(whole("otter"), Reason::ok);
  }
  words.fault = F::replayed;  // of a "yes" that was signed for another request
  EXPECT_FALSE(begin_enrolment());
  words.fault = F::none;
  auto pending = begin_enrolment();
  words.fault = F::replayed;
  EXPECT_EQ(confirm(pending->id, "otter").error().code, Reason::plugin_failed);
}

TEST_F(PluginTest, GuessesAreCountedAndLock) {
  const FactorId id = enrol();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(whole("badger"), Reason::code_wrong) << i;
  EXPECT_EQ(whole("otter"), Reason::factor_locked) << "not even a question is sent";
  clock.advance(31s);
  act_fails = true;
  EXPECT_EQ(whole("otter"), Reason::user_exists);
  EXPECT_EQ(info_of(id).failures, 0) << "a right answer is as new, whatever becomes of the act";
  act_fails = false;
  const int asked = words.count("begin");
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(begin());
  EXPECT_EQ(begin().error().code, Reason::factor_locked) << "each question may cost a message";
  EXPECT_EQ(words.count("begin"), asked + 5);
  const std::string long_answer(kMaxPluginAnswer + 1, 'x');
  clock.advance(6min);
  EXPECT_EQ(whole(long_answer), Reason::code_wrong);
}

TEST_F(PluginTest, TypedAnswersNeedNoQuestionSent) {
  close();
  options_factors.plugins.clear();
  configure(Plugin::Mode::typed);
  open();
  alice = make_user("alice");
  enrol();
  EXPECT_EQ(whole("otter"), Reason::ok);
  EXPECT_EQ(whole("badger"), Reason::code_wrong);
  EXPECT_EQ(words.count("begin"), 0);
}

TEST_F(PluginTest, EachPluginSeesItsOwnAnswersOnly) {
  close();
  configure(Plugin::Mode::typed, "other");
  open();
  alice = make_user("alice");
  const FactorId one = enrol();
  const FactorId two = enrol("other");
  EXPECT_EQ(begin().error().code, Reason::invalid_argument) << "which one?";
  auto c = begin("test", two);
  ASSERT_TRUE(c);
  const int seen = words.count("verify");
  EXPECT_EQ(prove(attempt("otter", c->id)), Reason::ok);
  EXPECT_EQ(words.count("verify"), seen);
  EXPECT_EQ(other.count("verify"), 1);
  EXPECT_EQ(begin("test", *FactorId::from(Bytes(16, 1))).error().code, Reason::factor_missing);
  EXPECT_TRUE(begin("test", one));
  EXPECT_EQ(begin_enrolment("nobody").error().code, Reason::invalid_argument);
}

TEST_F(PluginTest, AtMostSoManyAtOnce) {
  enrol();
  words.hanging = true;
  std::vector<ChallengeId> questions;
  std::vector<std::future<Result<Factors::Challenge>>> all;
  const auto ask = [&] {
    auto begun = database->write_blocking([&](store::Tx& tx) {
      return factors->begin_in(tx, FactorKind::external, "test", by(alice), clock.now());
    });
    return spawn(factors->ask(std::move(*begun)));
  };
  for (int i = 0; i < 4; ++i) all.push_back(ask());
  auto fifth = ask().get();
  ASSERT_FALSE(fifth);
  EXPECT_EQ(fifth.error().code, Reason::plugin_failed);
  words.hanging = false;
  for (auto& f : all) EXPECT_TRUE(f.get());
}

TEST_F(PluginTest, OpenQuestionsOfOneSessionAreNotAnothersLimit) {
  enrol();
  const SessionId owners = session;
  session = *SessionId::from(Bytes(16, 7));
  std::vector<ChallengeId> asked;
  for (int i = 0; i < 5; ++i) {
    auto c = begin();
    ASSERT_TRUE(c);
    asked.push_back(c->id);
  }
  EXPECT_EQ(begin().error().code, Reason::factor_locked);
  session = owners;
  EXPECT_EQ(whole("otter"), Reason::ok) << "somebody with the password alone keeps nobody out";
  // What an ended session asked is nobody's to answer.
  session = *SessionId::from(Bytes(16, 7));
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return Factors::end_session_in(tx, alice, session); }));
  EXPECT_EQ(prove(attempt("otter", asked.front())), Reason::code_wrong);
  EXPECT_EQ(words.count("verify"), 1) << "the owner's alone";
}

TEST_F(PluginTest, SigningInAgainAndAgainSendsNoMoreMessages) {
  enrol();
  for (std::uint8_t n = 1; n <= 4; ++n) {
    session = *SessionId::from(Bytes(16, n));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(begin());
    ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return Factors::end_session_in(tx, alice, session); }));
  }
  session = *SessionId::from(Bytes(16, 5));
  EXPECT_EQ(begin().error().code, Reason::factor_locked);
  EXPECT_EQ(words.count("begin"), 20);
  clock.advance(6min);
  EXPECT_TRUE(begin()) << "not for ever";
}

TEST_F(PluginTest, AnEnrolmentThatFailedCountsNoMore) {
  words.fault = FakePlugin::Fault::status;
  for (int i = 0; i < 6; ++i) EXPECT_EQ(begin_enrolment().error().code, Reason::plugin_failed);
  words.fault = FakePlugin::Fault::none;
  EXPECT_TRUE(begin_enrolment());
}

TEST_F(PluginTest, EnrolmentsAreQuestionsToo) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(begin_enrolment());
  auto sixth = begin_enrolment();
  ASSERT_FALSE(sixth);
  EXPECT_EQ(sixth.error().code, Reason::factor_locked);
  EXPECT_EQ(words.count("enrol"), 5);
  clock.advance(16min);
  EXPECT_TRUE(begin_enrolment()) << "not for ever";
  session = *SessionId::from(Bytes(16, 7));
  // One that was confirmed counts no more.
  for (int i = 0; i < 4; ++i) enrol();
  EXPECT_TRUE(begin_enrolment());
}

TEST_F(PluginTest, AnOrphanIsNoFactorThatWorks) {
  const FactorId id = enrol();
  const auto holds = [&](const std::vector<std::string>& plugins) {
    return *database->write_blocking([&](store::Tx& tx) { return strong_factor_of(tx, alice, plugins); });
  };
  EXPECT_EQ(holds({"words"}), identity::Holds::working);
  EXPECT_EQ(holds({"other"}), identity::Holds::disabled);
  EXPECT_EQ(holds({}), identity::Holds::disabled);
  EXPECT_EQ(factors->plugin_names(), std::vector<std::string>{"words"});
  auto off = database->write_blocking([&](store::Tx& tx) { return tx.run("UPDATE factor SET disabled = 1 WHERE id = $1", {id}); });
  ASSERT_TRUE(off);
  EXPECT_EQ(holds({"words"}), identity::Holds::disabled);
}

TEST_F(PluginTest, OneThatIsConfiguredNoMoreOpensNothing) {
  file = folder / "vestibule.db";
  close();
  open();
  alice = make_user("alice");
  const FactorId id = enrol();
  auto c = begin();
  close();
  options_factors.plugins.clear();
  open();
  EXPECT_EQ(prove(attempt("otter", c->id)), Reason::plugin_failed);
  EXPECT_EQ(begin().error().code, Reason::plugin_failed);
  EXPECT_EQ(info_of(id).failures, 0);
}

TEST_F(PluginTest, WhoAsksWithinAJobIsRefused) {
  enrol();
  auto c = begin();
  auto settled = database->write_blocking([&](store::Tx& tx) -> Result<bool> {
    auto charged = factors->charge_in(tx, attempt("otter", c->id), clock.now());
    EXPECT_FALSE(charged);
    return charged ? Result<bool>(true) : Result<bool>(charged.error());
  });
  EXPECT_EQ(settled.error().code, Reason::internal);
}

TEST_F(PluginTest, WhatWasSaidForOneActIsNotTakenForAnother) {
  enrol();
  auto c = begin("users.create eve member");
  Attempt said = run(factors->consult(attempt("otter", c->id, "users.create eve member")));
  said.purpose = "users.create mallory administrator";
  auto charged = database->write_blocking([&](store::Tx& tx) -> Result<bool> {
    auto r = factors->charge_in(tx, std::move(said), clock.now());
    if (!r) return std::move(r).error();
    return true;
  });
  EXPECT_EQ(charged.error().code, Reason::conflict);
  c = begin();
  Attempt old = run(factors->consult(attempt("otter", c->id)));
  clock.advance(61s);
  charged = database->write_blocking([&](store::Tx& tx) -> Result<bool> {
    auto r = factors->charge_in(tx, std::move(old), clock.now());
    if (!r) return std::move(r).error();
    return true;
  });
  EXPECT_EQ(charged.error().code, Reason::conflict) << "a moment only";
}

TEST_F(PluginTest, ItHearsInTheEndWhoWasRemoved) {
  const FactorId id = enrol();
  auto c = begin();
  auto proof = run(proving(attempt("otter", c->id)));
  ASSERT_TRUE(proof);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return factors->remove_all_in(tx, alice, by(alice), clock.now()); }));
  words.fault = FakePlugin::Fault::unreachable;
  auto telling = spawn(telling_task(factors.get(), &cores->at(0)));
  std::this_thread::sleep_for(700ms);
  words.fault = FakePlugin::Fault::none;
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (words.count("remove") < 2 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(20ms);
  EXPECT_EQ(words.latest("remove").get_string("factor").value_or(""), id.text()) << "told again until it has heard";
  factors->stop();
  telling.get();
  std::int64_t left = -1;
  ASSERT_TRUE(database->read_blocking([&](store::Tx& tx) {
    return tx.one("SELECT COUNT(*) FROM plugin_removal", {}, [&](const store::Row& row) { left = row.integer(0); });
  }));
  EXPECT_EQ(left, 0);
}

}  // namespace
}  // namespace vestibule::factors
