// API keys at the gate: asleep, awake, within their scope, revoked; and a day of their use.
#include "gate/tests/fixture.hpp"

namespace vestibule::gate {
namespace {

using namespace std::chrono_literals;
using audit::Kind;
using session::Audience;
using session::Revocation;
using testing::act_of;
using testing::GateTest;
using testing::Held;
using testing::kPolicy;

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
  /// For chats with the model "tiny" from kDesk.
  void sign(Person& p, const std::string& text, std::int64_t calls, Duration lasts) {
    clock.advance(1min);
    approval::MandateForm f;
    f.name = "night";
    f.credential = who(text).handle;
    f.credential_name = "key nightly";
    f.scope = {.access_points = {"lab"}, .operations = {"chat"}, .models = {"tiny"}, .networks = {std::string(kDesk)}, .hours = {}, .zone = {}};
    f.calls = calls;
    f.starts = clock.wall();
    f.ends = clock.wall() + lasts;
    auto terms = approval::MandateTerms::check(std::move(f), clock.wall());
    ASSERT_TRUE(terms) << terms.error().detail;
    const session::Identified i = who(p.handle, Audience::control);
    session::Sessions::Act job = [&](store::Tx& tx, const session::Actor& by, const factors::Given& given, Instant now) -> Result<void> {
      auto made = mandates->sign_in(tx, *terms, by, given.proof, now);
      if (!made) return std::move(made).error();
      return {};
    };
    auto r = run(sessions->act(i, terms->purpose("alice"), session::Answer(Secret(p.app.code(clock.wall()))), actor(p), job));
    ASSERT_TRUE(r) << r.error().detail;
  }
  std::vector<std::pair<FactorId, WallTime>> proofs(const std::string& text) {
    const session::Identified i = who(text, Audience::access, session::Presented::at(*domain::Source::parse(kDesk), "lab"));
    std::vector<std::pair<FactorId, WallTime>> out;
    for (const domain::Proof& proof : i.evidence) out.emplace_back(proof.factor, proof.wall);
    return out;
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

// Mandates open calls and streams go on, and neither wakes the key nor renews what its owner has proved.
TEST_F(GateKeys, ADayUnderAMandateWithAnOpenStreamExtendsNothing) {
  Person root = person("root", {"administrator"});
  auto staged = reload(std::string(kPolicy) + "[[rule]]\nname = \"nights\"\neffect = \"allow\"\nwho = [\"role:member\"]\nmandate = true\n", root);
  ASSERT_TRUE(staged && staged->staged);
  clock.advance(1min);
  ASSERT_EQ(approve(*staged->staged, root, root.app.code(clock.wall())), Reason::ok);
  Person p = person("alice");
  const std::string k = key(p, "nightly", "{}", 48h);
  sign(p, k, 200, 22h);
  const WallTime signed_at = clock.wall();
  const auto before = proofs(p.token);
  Held stream;
  ASSERT_EQ(hold(stream, caller(p), act_of("chat"), 1, 48h), Reason::ok);
  int admitted = 0;
  for (; clock.wall() < signed_at + 23h; clock.advance(10min)) {
    const Reason covered = ask(by_key(k, kDesk), act_of("chat"));
    EXPECT_EQ(covered, clock.wall() < signed_at + 22h ? Reason::ok : Reason::key_asleep);
    if (covered == Reason::ok) ++admitted;
    ASSERT_EQ(ask(by_key(k, kDesk), act_of("chat", "other")), Reason::key_asleep) << "outside the mandate it sleeps";
    ASSERT_EQ(ask(by_key(k, kThief), act_of("chat")), Reason::key_asleep);
    const Reason typed = ask(caller(p), act_of("chat"));
    ASSERT_EQ(typed, clock.wall() <= before.back().second + 1h ? Reason::ok : Reason::mfa_lapsed);
    ASSERT_EQ(proofs(p.token), before);
    ASSERT_TRUE(proofs(k).empty());
    ASSERT_EQ(stream.live.cuts, 0);
  }
  EXPECT_EQ(admitted, 22 * 6);
  let_go(stream, 1);
}

}  // namespace
}  // namespace vestibule::gate
