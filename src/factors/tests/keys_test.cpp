// WebAuthn as a factor among others: questions, their single use, counters, passkeys.
#include <thread>

#include "crypto/spki.hpp"
#include "factors/binding.hpp"
#include "factors/factors.hpp"
#include "factors/tests/authenticator.hpp"
#include "factors/tests/world.hpp"
#include "json/canonical.hpp"

namespace vestibule::factors {
namespace {

using namespace std::chrono_literals;
using testing::FactorWorld;
using testing::SoftAuthenticator;

class KeyWorld : public FactorWorld {
 public:
  SessionId session = *SessionId::from(Bytes(16, 9));

  Actor by(UserId user) {
    Actor a = known(user);
    a.session = session;
    return a;
  }
  Result<PendingEnrolment> begin_enrolment(UserId user, Authority authority = Authority::existing_factor) {
    return database->write_blocking([&](store::Tx& tx) {
      return factors->begin_enrolment_in(tx, user, FactorKind::webauthn, "key", authority, by(user), clock.now());
    });
  }
  /// As sessions do it: what commits() says commits.
  Result<Confirmed> confirm(UserId user, FactorId pending, std::string_view answer) {
    auto settled = database->write_blocking([&](store::Tx& tx) -> Result<Settled<Result<Confirmed>>> {
      auto charged = factors->charge_enrolment_in(tx, user, pending, clock.now());
      if (!charged) return std::move(charged).error();
      auto done = factors->confirm_in(tx, user, pending, answer, by(user), clock.now());
      if (!done && !commits(done.error().code)) return std::move(done).error();
      return Settled<Result<Confirmed>>{std::move(done)};
    });
    if (!settled) return std::move(settled).error();
    return std::move(settled->value);
  }
  Reason enrol(UserId user, SoftAuthenticator& key, FactorId* id = nullptr) {
    auto pending = begin_enrolment(user);
    if (!pending) return pending.error().code;
    auto confirmed = confirm(user, pending->id, key.create(pending->options));
    if (!confirmed) return confirmed.error().code;
    if (id != nullptr) *id = confirmed->factor.id;
    return Reason::ok;
  }
  Result<Factors::Challenge> begin(UserId user, std::string_view purpose = "test") {
    return database->write_blocking([&](store::Tx& tx) {
      return factors->begin_in(tx, FactorKind::webauthn, purpose, by(user), clock.now());
    });
  }
  Attempt attempt(UserId user, std::string_view answer, ChallengeId challenge, std::string purpose = "test") {
    Attempt a;
    a.kind = FactorKind::webauthn;
    a.answer = Secret(answer);
    a.purpose = std::move(purpose);
    a.by = by(user);
    a.challenge = challenge;
    return a;
  }
  net::Task<Result<domain::Proof>> proving(Attempt a) {
    auto same = [](store::Tx&, const domain::Proof& p) { return Result<domain::Proof>(p); };
    auto done = co_await factors->prove_and(std::move(a), std::move(same));
    co_return done;
  }
  Result<domain::Proof> prove(Attempt a) { return run(proving(std::move(a))); }
  Reason reason(Attempt a) {
    const auto r = prove(std::move(a));
    return r ? Reason::ok : r.error().code;
  }
  /// A whole ceremony.
  Reason touch(UserId user, SoftAuthenticator& key) {
    auto c = begin(user);
    if (!c) return c.error().code;
    return reason(attempt(user, key.get(c->options), c->id));
  }
  Reason sign_in(std::string_view challenge, std::string_view answer, UserId* who = nullptr) {
    auto looked = run(factors->look_at_passkey(std::string(challenge), std::string(answer)));
    if (!looked) return looked.error().code;
    auto settled = database->write_blocking([&](store::Tx& tx) -> Result<Settled<Result<Factors::PasskeyProof>>> {
      Actor nobody;
      auto proved = factors->prove_passkey_in(tx, challenge, answer, nobody, clock.now());
      if (!proved && !commits(proved.error().code)) return std::move(proved).error();
      return Settled<Result<Factors::PasskeyProof>>{std::move(proved)};
    });
    if (!settled) return settled.error().code;
    if (!settled->value) return settled->value.error().code;
    if (who != nullptr) *who = settled->value->user;
    return Reason::ok;
  }
  std::string last_note(std::string_view operation) {
    const auto all = entries(operation);
    return all.empty() ? "" : all.back().note;
  }
  std::int64_t rows(std::string_view sql) {
    std::int64_t n = -1;
    auto counted = database->read_blocking([&](store::Tx& tx) -> Result<void> {
      auto found = tx.one(sql, {}, [&](const store::Row& row) { n = row.integer(0); });
      if (!found) return std::move(found).error();
      return {};
    });
    EXPECT_TRUE(counted);
    return n;
  }
};

class KeyTest : public ::testing::Test, public KeyWorld {
 protected:
  void SetUp() override {
    open();
    alice = make_user("alice");
    bob = make_user("bob");
  }
  /// With other options, over an empty database.
  void reopen(const WebAuthnOptions& options) {
    options_factors.webauthn = options;
    close();
    open();
    alice = make_user("alice");
    bob = make_user("bob");
  }

  SoftAuthenticator key;

 public:
  UserId alice, bob;
};

// Everything that somebody needs who has no gateway at hand, and nothing else.
TEST_F(KeyTest, WhatWasSignedForAnActCanBeCheckedAgain) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  auto c = begin(alice, "tools.confirm abc");
  ASSERT_TRUE(c);
  Attempt a = attempt(alice, key.get(c->options), c->id, "tools.confirm abc");
  auto given = database->write_blocking([&](store::Tx& tx) -> Result<Given> {
    auto charged = factors->charge_in(tx, std::move(a), clock.now());
    if (!charged) return std::move(charged).error();
    return factors->prove_in(tx, std::move(*charged), clock.now());
  });
  ASSERT_TRUE(given) << given.error().detail;
  ASSERT_TRUE(given->statement);
  const Statement& s = *given->statement;
  EXPECT_EQ(s.binding, "{\"expires\":" + std::to_string(c->expires.time_since_epoch().count()) +
                           ",\"object\":\"abc\",\"operation\":\"tools.confirm\",\"session\":\"" + session.text() +
                           "\",\"user\":\"" + alice.text() + "\"}");
  EXPECT_EQ(s.relying_party, "localhost");
  EXPECT_EQ(s.credential, key.id());
  EXPECT_EQ(s.algorithm, -7);
  const auto client = parse_client_data(s.client_data);
  ASSERT_TRUE(client);
  const Digest challenge = webauthn_challenge(s.nonce, crypto::sha256(as_bytes(s.binding)));
  EXPECT_TRUE(std::ranges::equal(client->challenge, challenge));
  Bytes message = s.authenticator_data;
  const Digest hash = crypto::sha256(s.client_data);
  message.insert(message.end(), hash.begin(), hash.end());
  EXPECT_TRUE(crypto::verify_spki(s.algorithm, s.public_key, message, s.signature));
  EXPECT_EQ(json::canonicalize(canonical(s)).value_or(""), canonical(s));
  EXPECT_EQ(digest_of(s), crypto::sha256(as_bytes(canonical(s))));
}

TEST_F(KeyTest, AKeyIsEnrolledNamedAndUsed) {
  auto pending = begin_enrolment(alice, Authority::enrol_grant);
  ASSERT_TRUE(pending);
  EXPECT_TRUE(pending->secret.empty()) << "there is nothing to show";
  EXPECT_EQ(pending->expires, clock.wall() + 5min);
  auto confirmed = confirm(alice, pending->id, key.create(pending->options));
  ASSERT_TRUE(confirmed) << confirmed.error().detail;
  EXPECT_EQ(confirmed->recovery_codes.size(), 10U) << "the first strong factor brings them";
  EXPECT_TRUE(confirmed->proof.traits.user_verified && confirmed->proof.traits.device_bound);
  auto list = run(factors->list(alice));
  ASSERT_TRUE(list);
  const auto at = std::ranges::find(*list, FactorKind::webauthn, &FactorInfo::kind);
  ASSERT_NE(at, list->end());
  EXPECT_EQ(at->label, "key");
  ASSERT_TRUE(at->key);
  EXPECT_FALSE(at->key->backup_eligible);
  EXPECT_EQ(at->key->transports, "usb,nfc");
  EXPECT_EQ(at->last_used, WallTime{});
  clock.advance(1min);
  EXPECT_EQ(touch(alice, key), Reason::ok);
  list = run(factors->list(alice));
  EXPECT_EQ(std::ranges::find(*list, FactorKind::webauthn, &FactorInfo::kind)->last_used, clock.wall());
  EXPECT_EQ(entries("factor.add").size(), 1U);
  EXPECT_EQ(last_note("factor.prove"), "for test");
  EXPECT_TRUE(run(factors->reseal()));
}

TEST_F(KeyTest, WhatAProofShowsIsWhatItsFlagsSay) {
  struct Row {
    const char* name;
    bool verified, synced;
    int level_alone, level_with_password;
  };
  for (const Row& row : {Row{"verified, device-bound", true, false, 3, 3}, Row{"verified, synced", true, true, 2, 2},
                         Row{"touched only", false, false, 1, 2}, Row{"touched only, synced", false, true, 1, 2}}) {
    SCOPED_TRACE(row.name);
    SoftAuthenticator k;
    k.user_verified = row.verified;
    k.backup_eligible = row.synced;
    const UserId user = make_user("u" + std::to_string(k.id()[0]) + std::to_string(k.id()[1]));
    ASSERT_EQ(enrol(user, k), Reason::ok);
    auto c = begin(user);
    auto proof = prove(attempt(user, k.get(c->options), c->id));
    ASSERT_TRUE(proof);
    domain::Evidence alone;
    alone.add(*proof);
    EXPECT_EQ(domain::level(alone, clock.now(), true, 1h), row.level_alone);
    domain::Evidence both = known(user).evidence;
    both.add(*proof);
    EXPECT_EQ(domain::level(both, clock.now(), true, 1h), row.level_with_password);
    clock.advance(1h + 1us);
    EXPECT_EQ(domain::level(alone, clock.now(), true, 1h), 0) << "it lapses like any other";
  }
}

TEST_F(KeyTest, ARegistrationThatNothingSignedIsPossessionOnly) {
  key.attests = false;
  auto pending = begin_enrolment(alice);
  auto confirmed = confirm(alice, pending->id, key.create(pending->options));
  ASSERT_TRUE(confirmed);
  domain::Evidence e = known(alice).evidence;
  e.add(confirmed->proof);
  EXPECT_EQ(domain::level(e, clock.now(), true, 1h), 2);
  EXPECT_EQ(touch(alice, key), Reason::ok);
}

TEST_F(KeyTest, ARegistrationIsAnsweredOnceInItsOwnSessionAndInTime) {
  auto pending = begin_enrolment(alice);
  key.origin = "https://evil.example";
  EXPECT_EQ(confirm(alice, pending->id, key.create(pending->options)).error().code, Reason::code_wrong);
  EXPECT_EQ(last_note("factor.confirm"), "webauthn; origin");
  key.origin = "http://localhost:8422";
  EXPECT_EQ(confirm(alice, pending->id, key.create(pending->options)).error().code, Reason::not_found) << "the question is used up";

  pending = begin_enrolment(alice);
  std::string answer = key.create(pending->options);
  const SessionId mine = session;
  session = *SessionId::from(Bytes(16, 8));
  EXPECT_EQ(confirm(alice, pending->id, answer).error().code, Reason::code_wrong) << "begun in another session";
  EXPECT_EQ(last_note("factor.confirm"), "webauthn; challenge");
  session = mine;

  pending = begin_enrolment(alice);
  answer = key.create(pending->options);
  EXPECT_EQ(confirm(bob, pending->id, answer).error().code, Reason::not_found) << "somebody else's";
  auto other = begin_enrolment(bob);
  EXPECT_EQ(confirm(bob, other->id, answer).error().code, Reason::code_wrong) << "an answer to another question";
  clock.advance(5min + 1us);
  EXPECT_EQ(confirm(alice, pending->id, answer).error().code, Reason::not_found);
  pending = begin_enrolment(alice);
  clock.advance(5min);
  EXPECT_TRUE(confirm(alice, pending->id, key.create(pending->options)));
}

TEST_F(KeyTest, ACredentialBelongsToOneFactorOnly) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  EXPECT_EQ(enrol(alice, key), Reason::authenticator_known);
  EXPECT_EQ(enrol(bob, key), Reason::authenticator_known) << "unused anywhere";
  SoftAuthenticator thief;
  thief.set_id(key.id());
  EXPECT_EQ(enrol(bob, thief), Reason::authenticator_known) << "its own key under another's id";
  EXPECT_EQ(rows("SELECT COUNT(*) FROM webauthn_credential"), 1);
  key.user = Bytes(alice.bytes.begin(), alice.bytes.end());  // the authenticator has the last handle that it was given
  EXPECT_EQ(touch(alice, key), Reason::ok);
  auto begun = begin_enrolment(alice);
  EXPECT_NE(begun->options.find(base64url(key.id())), std::string::npos) << "excludeCredentials";
}

TEST_F(KeyTest, SeveralKeysAUser) {
  SoftAuthenticator spare;
  FactorId first, second;
  ASSERT_EQ(enrol(alice, key, &first), Reason::ok);
  ASSERT_EQ(enrol(alice, spare, &second), Reason::ok);
  auto c = begin(alice);
  EXPECT_NE(c->options.find(base64url(key.id())), std::string::npos);
  EXPECT_NE(c->options.find(base64url(spare.id())), std::string::npos);
  auto proof = prove(attempt(alice, spare.get(c->options), c->id));
  ASSERT_TRUE(proof);
  EXPECT_EQ(proof->factor, second);
  EXPECT_EQ(touch(alice, key), Reason::ok);
  auto list = run(factors->list(alice));
  for (const FactorInfo& f : *list) EXPECT_EQ(f.failures, 0) << "the other one is not charged for it";
}

TEST_F(KeyTest, AQuestionIsForOneActOfOneSessionOfOneUser) {
  SoftAuthenticator bobs;
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  ASSERT_EQ(enrol(bob, bobs), Reason::ok);
  const SessionId mine = session;
  const SessionId other = *SessionId::from(Bytes(16, 8));
  struct Row {
    const char* name;
    UserId user;
    SessionId at;
    std::string purpose;
    SoftAuthenticator* with;
    Reason expected;
    std::string note;
  };
  const Row rows_[] = {
      {"another act", alice, mine, "users.remove bob", &key, Reason::code_wrong, "for users.remove bob; challenge"},
      {"the act with more behind it", alice, mine, "test x", &key, Reason::code_wrong, "for test x; challenge"},
      {"no act", alice, mine, "", &key, Reason::code_wrong, "for ; challenge"},
      {"another session", alice, other, "test", &key, Reason::code_wrong, "for test; challenge"},
      {"another user", bob, mine, "test", &bobs, Reason::code_wrong, "for test; challenge"},
  };
  for (const Row& row : rows_) {
    SCOPED_TRACE(row.name);
    auto c = begin(alice);
    ASSERT_TRUE(c);
    const std::string answer = row.with->get(c->options);
    session = row.at;
    EXPECT_EQ(reason(attempt(row.user, answer, c->id, row.purpose)), row.expected);
    EXPECT_EQ(last_note("factor.prove"), row.note);
    session = mine;
    if (row.with == &key) {
      EXPECT_EQ(reason(attempt(alice, answer, c->id)), Reason::ok) << "its own act is still open";
    }
  }
  auto c = begin(alice);
  EXPECT_EQ(reason(attempt(alice, bobs.get(c->options), c->id)), Reason::code_wrong) << "another's key";
  EXPECT_EQ(last_note("factor.prove"), "for test; credential");
  EXPECT_EQ(reason(attempt(alice, key.get(c->options), ChallengeId{})), Reason::code_wrong) << "no question";
  EXPECT_EQ(reason(attempt(alice, key.get(c->options), ChallengeId::make(rng))), Reason::code_wrong) << "an invented one";
}

TEST_F(KeyTest, WrongAnswersAreRefusedEachForItsReasonAndUseTheQuestionUp) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  options_factors.failures_per_back_off = 1000;
  struct Row {
    const char* flaw;
    void (*change)(SoftAuthenticator&);
  };
  for (const Row& row : {Row{"origin", [](SoftAuthenticator& k) { k.origin = "http://localhost:8420"; }},
                         Row{"rp_id", [](SoftAuthenticator& k) { k.rp_id = "evil.example"; }},
                         Row{"user_handle", [](SoftAuthenticator& k) { k.user = Bytes(16, 7); }},
                         Row{"backup_state", [](SoftAuthenticator& k) { k.backup_eligible = true; }}}) {
    SCOPED_TRACE(row.flaw);
    const std::string origin = key.origin;
    row.change(key);
    auto c = begin(alice);
    ASSERT_TRUE(c);
    EXPECT_EQ(reason(attempt(alice, key.get(c->options), c->id)), Reason::code_wrong);
    EXPECT_EQ(last_note("factor.prove"), std::string("for test; ") + row.flaw);
    key.origin = origin;
    key.rp_id.clear();
    key.user.reset();
    key.backup_eligible = false;
    EXPECT_EQ(reason(attempt(alice, key.get(c->options), c->id)), Reason::code_wrong) << "used up";
    ASSERT_EQ(touch(alice, key), Reason::ok);
  }
  auto c = begin(alice);
  EXPECT_EQ(reason(attempt(alice, "{}", c->id)), Reason::code_wrong);
  EXPECT_EQ(last_note("factor.prove"), "for test; response");
}

TEST_F(KeyTest, AQuestionExpiresAtTheVeryMicrosecond) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  auto c = begin(alice);
  EXPECT_EQ(c->expires, clock.wall() + 5min);
  clock.advance(5min);
  EXPECT_EQ(reason(attempt(alice, key.get(c->options), c->id)), Reason::ok);
  c = begin(alice);
  clock.advance(5min + 1us);
  EXPECT_EQ(reason(attempt(alice, key.get(c->options), c->id)), Reason::code_wrong);
  ASSERT_TRUE(begin(alice));
  clock.advance(6min);
  ASSERT_TRUE(run(factors->maintain()));
  EXPECT_EQ(rows("SELECT COUNT(*) FROM factor_challenge"), 0);
}

TEST_F(KeyTest, OpenQuestionsOfASessionAreBoundedAndOthersStay) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  auto theirs = begin(alice);
  session = *SessionId::from(Bytes(16, 8));
  auto first = begin(alice);
  for (int i = 0; i < 40; ++i) {
    clock.advance(1ms);
    ASSERT_TRUE(begin(alice));
  }
  EXPECT_EQ(rows("SELECT COUNT(*) FROM factor_challenge"), 16 + 1);
  EXPECT_EQ(reason(attempt(alice, key.get(first->options), first->id)), Reason::code_wrong) << "the oldest gave way";
  session = *SessionId::from(Bytes(16, 9));
  EXPECT_EQ(reason(attempt(alice, key.get(theirs->options), theirs->id)), Reason::ok) << "another session's does not";
}

TEST_F(KeyTest, TheSameAnswerInAHundredJobsSucceedsOnce) {
  options_factors.failures_per_back_off = 1000;
  reopen(WebAuthnOptions{});
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  auto c = begin(alice);
  const std::string answer = key.get(c->options);
  std::vector<std::future<Result<domain::Proof>>> all;
  for (unsigned i = 0; i < 100; ++i) all.push_back(spawn(proving(attempt(alice, answer, c->id)), i % 2));
  int good = 0;
  for (auto& f : all) {
    const auto r = f.get();
    good += r ? 1 : 0;
    if (!r) {
      EXPECT_EQ(r.error().code, Reason::code_wrong);
    }
  }
  EXPECT_EQ(good, 1);
}

TEST_F(KeyTest, WithoutTheFirstFactorThereIsNoQuestion) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  auto nobody = database->write_blocking([&](store::Tx& tx) {
    Actor a = by(alice);
    a.evidence = {};
    return factors->begin_in(tx, FactorKind::webauthn, "test", a, clock.now());
  });
  EXPECT_EQ(nobody.error().code, Reason::mfa_required);
  EXPECT_EQ(begin(bob).error().code, Reason::factor_missing);
  auto code = database->write_blocking([&](store::Tx& tx) {
    return factors->begin_in(tx, FactorKind::totp, "test", by(alice), clock.now());
  });
  EXPECT_EQ(code.error().code, Reason::invalid_argument);
  clock.set_trusted(false);
  EXPECT_EQ(begin(alice).error().code, Reason::clock_untrusted);
}

TEST_F(KeyTest, AVerifiedPasskeyIsAFirstFactorToo) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  auto c = begin(alice);
  auto proof = prove(attempt(alice, key.get(c->options), c->id));
  Actor passkey = by(alice);
  passkey.evidence = {};
  passkey.evidence.add(*proof);
  auto begun = database->write_blocking([&](store::Tx& tx) {
    return factors->begin_in(tx, FactorKind::webauthn, "test", passkey, clock.now());
  });
  EXPECT_TRUE(begun);
  domain::Proof touched = *proof;
  touched.traits.user_verified = false;
  passkey.evidence = {};
  passkey.evidence.add(touched);
  begun = database->write_blocking([&](store::Tx& tx) {
    return factors->begin_in(tx, FactorKind::webauthn, "test", passkey, clock.now());
  });
  EXPECT_EQ(begun.error().code, Reason::mfa_required) << "a touch alone is one factor";
}

TEST_F(KeyTest, ACopiedKeyIsNoticedAndDisabled) {
  FactorId id;
  ASSERT_EQ(enrol(alice, key, &id), Reason::ok);
  ASSERT_EQ(touch(alice, key), Reason::ok);
  std::vector<FactorId> told;
  factors->on_disable([&](store::Tx&, FactorId f) -> Result<void> {
    told.push_back(f);
    return {};
  });
  key.steps = 0;  // the copy's counter stands where the owner's stood
  EXPECT_EQ(touch(alice, key), Reason::factor_cloned);
  EXPECT_EQ(last_note("factor.prove"), "for test; sign_count");
  EXPECT_EQ(entries("factor.disable").size(), 1U);
  EXPECT_EQ(told, std::vector{id});
  key.steps = 1;
  key.counter += 100;
  EXPECT_EQ(touch(alice, key), Reason::factor_missing) << "neither copy works any more";
  EXPECT_TRUE(run(factors->list(alice))->front().disabled || run(factors->list(alice))->back().disabled);
}

TEST_F(KeyTest, CountersByPolicy) {
  WebAuthnOptions o;
  o.sign_count = SignCountPolicy::refuse;
  reopen(o);
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  ASSERT_EQ(touch(alice, key), Reason::ok);
  key.steps = 0;
  EXPECT_EQ(touch(alice, key), Reason::factor_cloned);
  key.steps = 1;
  EXPECT_EQ(touch(alice, key), Reason::ok) << "refused, but not disabled";

  o.sign_count = SignCountPolicy::allow;
  reopen(o);
  SoftAuthenticator fresh;
  fresh.counter = 10;
  ASSERT_EQ(enrol(alice, fresh), Reason::ok);
  fresh.counter = 3;
  EXPECT_EQ(touch(alice, fresh), Reason::ok);
  EXPECT_EQ(last_note("factor.prove"), "for test; the sign counter did not grow");
  fresh.counter = 9;
  EXPECT_EQ(touch(alice, fresh), Reason::ok);
  EXPECT_EQ(last_note("factor.prove"), "for test; the sign counter did not grow") << "the highest one seen is kept";

  SoftAuthenticator synced;
  synced.steps = 0;
  synced.backup_eligible = true;
  ASSERT_EQ(enrol(bob, synced), Reason::ok);
  EXPECT_EQ(touch(bob, synced), Reason::ok) << "it counts nothing";
  synced.backed_up = true;
  EXPECT_EQ(touch(bob, synced), Reason::ok);
  EXPECT_EQ(last_note("factor.prove"), "for test; the key is backed up now");
}

TEST_F(KeyTest, PolicyRefusesAuthenticatorsAndTheRecordSaysWhy) {
  WebAuthnOptions o;
  o.attestation = AttestationPolicy::hardware;
  reopen(o);
  SoftAuthenticator synced;
  synced.backup_eligible = true;
  EXPECT_EQ(enrol(alice, synced), Reason::authenticator_refused);
  EXPECT_EQ(last_note("factor.confirm"), "webauthn; synced_key");
  EXPECT_EQ(enrol(alice, key), Reason::ok);
  o.attestation = AttestationPolicy::any;
  o.verification = UserVerification::required;
  reopen(o);
  key.user_verified = false;
  EXPECT_EQ(enrol(alice, key), Reason::code_wrong);
  EXPECT_EQ(last_note("factor.confirm"), "webauthn; user_verification");
}

TEST_F(KeyTest, WrongAnswersLockLikeWrongCodes) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(reason(attempt(alice, "x", ChallengeId{})), Reason::code_wrong);
  auto c = begin(alice);
  EXPECT_EQ(reason(attempt(alice, key.get(c->options), c->id)), Reason::factor_locked);
  clock.advance(30s);
  EXPECT_EQ(reason(attempt(alice, key.get(c->options), c->id)), Reason::ok);
}

// Whoever knows the password can miss as often as he likes: the key stays its owner's.
TEST_F(KeyTest, MissesNeverDisableAKey) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  for (int i = 0; i < 130; ++i) {
    EXPECT_EQ(reason(attempt(alice, "x", ChallengeId{})), Reason::code_wrong);
    clock.advance(2h);
  }
  auto c = begin(alice);
  EXPECT_EQ(reason(attempt(alice, key.get(c->options), c->id)), Reason::ok);
}

// A copy of a key that began an enrolment cannot finish it once the copy was noticed.
TEST_F(KeyTest, WhatACopyBeganEndsWithIt) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  auto q = factors->ask_passkey();
  ASSERT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::ok);
  FactorId begun{};
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) -> Result<void> {
    auto pending = factors->begin_enrolment_in(tx, alice, FactorKind::totp, "theirs", Authority::existing_factor, known(alice), clock.now());
    if (!pending) return std::move(pending).error();
    begun = pending->id;
    return {};
  }));
  key.steps = 0;
  q = factors->ask_passkey();
  EXPECT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::factor_cloned);
  auto charged = database->write_blocking([&](store::Tx& tx) { return factors->charge_enrolment_in(tx, alice, begun, clock.now()); });
  ASSERT_FALSE(charged);
  EXPECT_EQ(charged.error().code, Reason::not_found);
}

TEST_F(KeyTest, WhatIsLeftMustWork) {
  FactorId first, second;
  SoftAuthenticator spare;
  ASSERT_EQ(enrol(alice, key, &first), Reason::ok);
  ASSERT_EQ(enrol(alice, spare, &second), Reason::ok);
  auto c = begin(alice);
  auto proof = prove(attempt(alice, key.get(c->options), c->id));
  ASSERT_TRUE(proof);
  ASSERT_EQ(touch(alice, spare), Reason::ok);
  spare.steps = 0;
  ASSERT_EQ(touch(alice, spare), Reason::factor_cloned);
  const auto remove = [&](FactorId id) {
    auto r = database->write_blocking([&](store::Tx& tx) { return factors->remove_in(tx, alice, id, *proof, by(alice), clock.now()); });
    return r ? Reason::ok : r.error().code;
  };
  EXPECT_EQ(remove(first), Reason::factor_last) << "a disabled key is nothing to fall back on";
  EXPECT_EQ(remove(second), Reason::ok);
  EXPECT_EQ(remove(first), Reason::factor_last);
  EXPECT_EQ(rows("SELECT COUNT(*) FROM webauthn_credential"), 1);
  EXPECT_EQ(enrol(bob, spare), Reason::ok) << "a removed credential is free";
  ASSERT_TRUE(run(users->remove(alice, administrator())));
  EXPECT_EQ(rows("SELECT COUNT(*) FROM webauthn_credential"), 1) << "bob's";
}

// --- passkeys

TEST_F(KeyTest, APasskeySignsInOnce) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  const auto q = factors->ask_passkey();
  EXPECT_EQ(q.expires, clock.wall() + 5min);
  EXPECT_NE(q.options.find(R"("allowCredentials":[],"userVerification":"required")"), std::string::npos);
  EXPECT_EQ(rows("SELECT COUNT(*) FROM factor_challenge") + rows("SELECT COUNT(*) FROM passkey_used"), 0) << "nothing is kept";
  const std::string answer = key.get(q.options);
  UserId who;
  EXPECT_EQ(sign_in(q.challenge, answer, &who), Reason::ok);
  EXPECT_EQ(who, alice);
  EXPECT_EQ(last_note("factor.prove"), "for sign_in.passkey");
  EXPECT_EQ(sign_in(q.challenge, answer), Reason::signin_failed) << "the same once more";
  EXPECT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::signin_failed) << "another answer to a question used up";
  const auto late = factors->ask_passkey();
  clock.advance(5min + 1us);
  EXPECT_EQ(sign_in(late.challenge, key.get(late.options)), Reason::signin_failed);
  ASSERT_TRUE(run(factors->maintain()));
  EXPECT_EQ(rows("SELECT COUNT(*) FROM passkey_used"), 1) << "kept while a clock may be set back to it";
  clock.advance(2h);
  ASSERT_TRUE(run(factors->maintain()));
  EXPECT_EQ(rows("SELECT COUNT(*) FROM passkey_used"), 0);
}

TEST_F(KeyTest, StrangersWithPasskeysGetOneAnswerAndChangeNothing) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  SoftAuthenticator stranger;
  SoftAuthenticator impostor;
  impostor.set_id(key.id());
  impostor.user = Bytes(alice.bytes.begin(), alice.bytes.end());
  stranger.user = impostor.user;
  SoftAuthenticator unnamed;
  SoftAuthenticator touched;
  struct Row {
    const char* name;
    std::string (*answer)(KeyTest&, SoftAuthenticator&, std::string_view);
    SoftAuthenticator* with;
  };
  const auto plain = [](KeyTest&, SoftAuthenticator& k, std::string_view options) { return k.get(options); };
  const Row rows_[] = {
      {"an unknown credential", plain, &stranger},
      {"a known id, another key", plain, &impostor},
      {"not verified", [](KeyTest&, SoftAuthenticator& k, std::string_view o) {
         k.user_verified = false;
         std::string out = k.get(o);
         k.user_verified = true;
         return out;
       }, &key},
      {"another user's handle", [](KeyTest& t, SoftAuthenticator& k, std::string_view o) {
         k.user = Bytes(t.bob.bytes.begin(), t.bob.bytes.end());
         std::string out = k.get(o);
         k.user.reset();
         return out;
       }, &key},
      {"no handle", [](KeyTest&, SoftAuthenticator& k, std::string_view o) {
         k.user = Bytes{};
         std::string out = k.get(o);
         k.user.reset();
         return out;
       }, &key},
      {"another origin", [](KeyTest&, SoftAuthenticator& k, std::string_view o) {
         k.origin = "https://evil.example";
         std::string out = k.get(o);
         k.origin = "http://localhost:8422";
         return out;
       }, &key},
      {"no answer", [](KeyTest&, SoftAuthenticator&, std::string_view) { return std::string("{}"); }, &key},
  };
  for (const Row& row : rows_) {
    SCOPED_TRACE(row.name);
    const auto q = factors->ask_passkey();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(sign_in(q.challenge, row.answer(*this, *row.with, q.options)), Reason::signin_failed);
  }
  auto list = run(factors->list(alice));
  for (const FactorInfo& f : *list) {
    EXPECT_EQ(f.failures, 0);
    EXPECT_FALSE(f.disabled);
  }
  EXPECT_EQ(rows("SELECT COUNT(*) FROM passkey_used"), 0);
  key.counter += 1000;
  const auto q = factors->ask_passkey();
  EXPECT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::ok) << "nobody is locked out";
}

TEST_F(KeyTest, StrangersDoNotTakeAllReadersOfTheStore) {
  options_factors.passkey_looks = 2;
  reopen({});
  // Both readers are busy, so that looks wait and hold their seats.
  std::atomic<bool> busy{true};
  std::atomic<int> holding{0};
  auto hold = [&](store::Tx&) -> Result<bool> {
    ++holding;
    while (busy) std::this_thread::sleep_for(1ms);
    return true;
  };
  std::thread first([&] { EXPECT_TRUE(run(database->read(hold))); });
  std::thread second([&] { EXPECT_TRUE(run(database->read(hold), 1)); });
  while (holding < 2) std::this_thread::sleep_for(1ms);
  const auto look = [&](unsigned core) {
    const auto q = factors->ask_passkey();
    return spawn(factors->look_at_passkey(std::string(q.challenge), key.get(q.options)), core);
  };
  auto one = look(0);  // in turn, being on one core
  auto two = look(0);
  std::vector<Reason> refused;
  for (unsigned i = 0; i < 10; ++i) refused.push_back(look(i % 2).get().error().code);
  EXPECT_EQ(refused, std::vector(10, Reason::overloaded));
  busy = false;
  first.join();
  second.join();
  EXPECT_EQ(one.get().error().code, Reason::signin_failed) << "of a key that is not known";
  EXPECT_EQ(two.get().error().code, Reason::signin_failed);
  EXPECT_EQ(look(0).get().error().code, Reason::signin_failed) << "seats are given back";
}

TEST_F(KeyTest, APasskeyQuestionIsOursWholeAndUnaltered) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  const auto q = factors->ask_passkey();
  const std::string answer = key.get(q.options);
  for (std::size_t i = 0; i < q.challenge.size(); ++i) {
    std::string changed = q.challenge;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(sign_in(changed, answer), Reason::signin_failed) << i;
  }
  for (const std::string& bad : {std::string(), q.challenge + "A", q.challenge.substr(1), q.challenge + "=", std::string(100'000, 'A')}) {
    EXPECT_EQ(sign_in(bad, answer), Reason::signin_failed);
  }
  auto asked = begin(alice);
  EXPECT_EQ(sign_in(q.challenge, key.get(asked->options)), Reason::signin_failed) << "an answer for an act";
  EXPECT_EQ(reason(attempt(alice, key.get(q.options), asked->id)), Reason::code_wrong) << "and the other way round";
  EXPECT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::ok);
  clock.set_trusted(false);
  EXPECT_EQ(sign_in(q.challenge, answer), Reason::clock_untrusted);
}

TEST_F(KeyTest, AHundredSignInsWithOneAnswerSucceedOnce) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  const auto q = factors->ask_passkey();
  const std::string answer = key.get(q.options);
  std::atomic<int> good{0};
  std::vector<std::thread> all;
  for (int i = 0; i < 100; ++i) {
    all.emplace_back([&] {
      Result<Factors::PasskeyProof> r = database->write_blocking(
          [&](store::Tx& tx) { return factors->prove_passkey_in(tx, q.challenge, answer, Actor{}, clock.now()); });
      if (r) ++good;
    });
  }
  for (auto& t : all) t.join();
  EXPECT_EQ(good.load(), 1);
}

TEST_F(KeyTest, ACopiedPasskeyIsDisabledAndALockedOneOpensNothing) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  auto q = factors->ask_passkey();
  ASSERT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::ok);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(reason(attempt(alice, "x", ChallengeId{})), Reason::code_wrong);
  q = factors->ask_passkey();
  EXPECT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::ok) << "who misses with the password keeps nobody out";
  key.steps = 0;
  q = factors->ask_passkey();
  EXPECT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::factor_cloned);
  EXPECT_EQ(entries("factor.disable").size(), 1U);
  key.steps = 1;
  key.counter += 100;
  q = factors->ask_passkey();
  EXPECT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::signin_failed);
}

TEST_F(KeyTest, RestoreClosesOpenQuestions) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  auto q = factors->ask_passkey();
  auto c = begin(alice);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return void_after_restore(tx, clock.wall()); }));
  EXPECT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::signin_failed) << "it may have been answered since the backup";
  EXPECT_EQ(reason(attempt(alice, key.get(c->options), c->id)), Reason::code_wrong);
  clock.advance(10min);
  q = factors->ask_passkey();
  EXPECT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::ok);
}

TEST_F(KeyTest, AQuestionOfAClockThatRanAheadIsNone) {
  ASSERT_EQ(enrol(alice, key), Reason::ok);
  const WallTime real = clock.wall();
  clock.set_wall(real + 24h);
  const auto ahead = factors->ask_passkey();
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return void_after_restore(tx, clock.wall()); }));
  clock.set_wall(real);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return accept_clock(tx, clock.wall()); }));
  EXPECT_EQ(sign_in(ahead.challenge, key.get(ahead.options)), Reason::signin_failed) << "it would live for a day";
  clock.advance(6min);
  const auto q = factors->ask_passkey();
  EXPECT_EQ(sign_in(q.challenge, key.get(q.options)), Reason::ok) << "the restore under that clock keeps nobody out";
}

TEST(KeysRestart, QuestionsKeysAndCountersSurvive) {
  KeyWorld w;
  w.file = w.folder / "keys.db";
  w.open();
  const UserId alice = w.make_user("alice");
  SoftAuthenticator key;
  ASSERT_EQ(w.enrol(alice, key), Reason::ok);
  auto c = w.begin(alice);
  const auto q = w.factors->ask_passkey();
  w.restart();
  EXPECT_EQ(w.reason(w.attempt(alice, key.get(c->options), c->id)), Reason::ok);
  const std::string answer = key.get(q.options);
  EXPECT_EQ(w.sign_in(q.challenge, answer), Reason::ok);
  w.restart();
  EXPECT_EQ(w.sign_in(q.challenge, answer), Reason::signin_failed) << "used before the restart";
  key.steps = 0;
  EXPECT_EQ(w.touch(alice, key), Reason::factor_cloned) << "the counter is remembered";
  w.close();
}

}  // namespace
}  // namespace vestibule::factors
