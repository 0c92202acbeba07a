// Hardware tokens, and both one-time codes against oathtool, which is not ours.
#include <cstdio>
#include <sstream>

#include "factors/factors.hpp"
#include "factors/tests/world.hpp"
#include "factors/token_csv.hpp"

namespace vestibule::factors {
namespace {

using namespace std::chrono_literals;
using testing::FactorWorld;

// The lines that oathtool prints.
std::vector<std::string> oathtool(const std::string& arguments) {
  std::vector<std::string> out;
  FILE* const pipe = ::popen(("oathtool " + arguments).c_str(), "r");
  if (pipe == nullptr) return out;
  char line[64];
  while (std::fgets(line, sizeof line, pipe) != nullptr) out.emplace_back(std::string(line).substr(0, std::string_view(line).find('\n')));
  ::pclose(pipe);
  return out;
}

std::string padded(Code code) {
  std::string text = std::to_string(code.value);
  text.insert(0, static_cast<std::size_t>(code.digits) - text.size(), '0');
  return text;
}

TEST(Oathtool, AgreesOnTenThousandHotpCodes) {
  CountingRng rng(7);
  int walked = 0;
  for (int i = 0; i < 100; ++i) {
    const Bytes secret = [&] {
      Bytes b(16 + rng.take<1>()[0] % 49);
      rng.fill(b);
      return b;
    }();
    const auto at = rng.take<5>();
    std::uint64_t counter = 0;
    for (const std::uint8_t b : at) counter = counter << 8U | b;
    const int digits = i % 2 == 0 ? 6 : 8;
    const auto theirs = oathtool("--hotp -w 99 -d " + std::to_string(digits) + " -c " + std::to_string(counter) + " " + hex(secret));
    ASSERT_EQ(theirs.size(), 100U);
    for (const std::string& code : theirs) {
      ASSERT_EQ(padded(hotp(secret, counter++, {crypto::HashAlg::sha1, digits})), code);
      ++walked;
    }
  }
  EXPECT_EQ(walked, 10'000);
}

TEST(Oathtool, AgreesOnTenThousandTotpCodes) {
  CountingRng rng(8);
  int walked = 0;
  const std::pair<crypto::HashAlg, const char*> algorithms[] = {
      {crypto::HashAlg::sha1, "sha1"}, {crypto::HashAlg::sha256, "sha256"}, {crypto::HashAlg::sha512, "sha512"}};
  for (int i = 0; i < 100; ++i) {
    Bytes secret(20);
    rng.fill(secret);
    const auto& [algorithm, name] = algorithms[i % 3];
    const int digits = i % 2 == 0 ? 6 : 8;
    const auto seconds = std::int64_t{1'700'000'000} + rng.take<1>()[0] * 1'000'003 + i;
    const auto theirs = oathtool("--totp=" + std::string(name) + " -w 99 -d " + std::to_string(digits) + " -N @" +
                                 std::to_string(seconds) + " " + hex(secret));
    ASSERT_EQ(theirs.size(), 100U);
    auto step = static_cast<std::uint64_t>(totp_step(WallTime(std::chrono::seconds(seconds))));
    for (const std::string& code : theirs) {
      ASSERT_EQ(padded(hotp(secret, step++, {algorithm, digits})), code);
      ++walked;
    }
  }
  EXPECT_EQ(walked, 10'000);
}

constexpr std::string_view kSeed = "3132333435363738393031323334353637383930";  // RFC 4226 appendix D
constexpr const char* kCodes[] = {"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"};

TEST(TokenCsv, TakesOneFormAndNamesTheLine) {
  const auto good = parse_token_csv("serial,secret,digits,counter\r\nA-1," + std::string(kSeed) + ",8,17\r\nB2," +
                                    std::string(kSeed) + "\n");
  ASSERT_TRUE(good) << good.error().detail;
  ASSERT_EQ(good->size(), 2U);
  EXPECT_EQ((*good)[0].serial, "A-1");
  EXPECT_EQ((*good)[0].digits, 8);
  EXPECT_EQ((*good)[0].counter, 17);
  EXPECT_EQ((*good)[0].secret.reveal_text(), "12345678901234567890");
  EXPECT_EQ((*good)[1].digits, 6);
  const std::string seed(kSeed);
  struct Row {
    const char* name;
    std::string csv;
  };
  for (const Row& row : {Row{"nothing", ""}, Row{"a header only", "serial,secret,digits,counter\n"}, Row{"an empty line", "\n"},
                         Row{"no secret", "A"}, Row{"no serial", "," + seed}, Row{"a space", "A, " + seed},
                         Row{"quotes", "\"A\"," + seed}, Row{"a short secret", "A," + seed.substr(0, 30)},
                         Row{"an odd secret", "A," + seed + "0"}, Row{"a secret in base32", "A,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"},
                         Row{"seven digits", "A," + seed + ",7"}, Row{"a negative counter", "A," + seed + ",6,-1"},
                         Row{"a counter with zeros", "A," + seed + ",6,01"}, Row{"a counter beyond", "A," + seed + ",6,9999999999999999"},
                         Row{"a field too many", "A," + seed + ",6,0,"}, Row{"a serial twice", "A," + seed + "\nA," + seed},
                         Row{"a serial with a NUL", std::string("A\0B,", 4) + seed}, Row{"a long serial", std::string(33, 'A') + "," + seed},
                         Row{"an empty line between", "A," + seed + "\n\nB," + seed}}) {
    const auto bad = parse_token_csv(row.csv);
    EXPECT_FALSE(bad) << row.name;
    if (!bad) {
      EXPECT_EQ(bad.error().code, Reason::invalid_argument);
      EXPECT_EQ(bad.error().detail.find(seed.substr(0, 8)), std::string::npos) << "never what is in it";
    }
  }
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "T" + std::to_string(i) + "," + seed + "\n";
  EXPECT_FALSE(parse_token_csv(many));
}

class HotpTest : public ::testing::Test, public FactorWorld {
 protected:
  void SetUp() override {
    open();
    alice = make_user("alice");
    bob = make_user("bob");
  }
  Result<std::int64_t> import(const std::string& csv) {
    return database->write_blocking([&](store::Tx& tx) { return factors->tokens().import_in(tx, csv, administrator(), clock.now()); });
  }
  Result<PendingEnrolment> begin(UserId user, const std::string& serial) {
    EnrolmentWish wish;
    wish.serial = serial;
    return database->write_blocking([&](store::Tx& tx) {
      return factors->begin_enrolment_in(tx, user, FactorKind::hotp, "token", Authority::existing_factor, known(user), clock.now(), wish);
    });
  }
  Reason confirm(UserId user, FactorId pending, std::string_view code) {
    auto settled = database->write_blocking([&](store::Tx& tx) -> Result<Settled<Result<Confirmed>>> {
      auto charged = factors->charge_enrolment_in(tx, user, pending, clock.now());
      if (!charged) return std::move(charged).error();
      auto done = factors->confirm_in(tx, user, pending, code, known(user), clock.now());
      if (!done && !commits(done.error().code)) return std::move(done).error();
      return Settled<Result<Confirmed>>{std::move(done)};
    });
    if (!settled) return settled.error().code;
    return settled->value ? Reason::ok : settled->value.error().code;
  }
  FactorId enrolled(UserId user, const std::string& serial = "A1") {
    EXPECT_TRUE(import(serial + "," + std::string(kSeed)));
    auto pending = begin(user, serial);
    EXPECT_TRUE(pending) << (pending ? "" : pending.error().detail);
    EXPECT_EQ(confirm(user, pending->id, kCodes[0]), Reason::ok);
    return pending->id;
  }
  net::Task<Result<domain::Proof>> proving(UserId user, std::string code) {
    Attempt a;
    a.kind = FactorKind::hotp;
    a.answer = Secret(code);
    a.purpose = "test";
    a.by = known(user);
    auto same = [](store::Tx&, const domain::Proof& p) { return Result<domain::Proof>(p); };
    auto done = co_await factors->prove_and(std::move(a), std::move(same));
    co_return done;
  }
  Reason prove(UserId user, const std::string& code) {
    auto r = run(proving(user, code));
    return r ? Reason::ok : r.error().code;
  }

  UserId alice, bob;
};

TEST_F(HotpTest, ATokenInStockIsEnrolledByItsFirstCode) {
  ASSERT_EQ(import("A1," + std::string(kSeed) + ",6,0\nA2," + std::string(kSeed)).value_or(0), 2);
  EXPECT_EQ(begin(alice, "B1").error().code, Reason::not_found);
  auto pending = begin(alice, "A1");
  ASSERT_TRUE(pending) << pending.error().detail;
  EXPECT_TRUE(pending->secret.empty()) << "the seed is nobody's to see";
  EXPECT_EQ(confirm(alice, pending->id, "000000"), Reason::code_wrong);
  EXPECT_EQ(confirm(alice, pending->id, kCodes[0]), Reason::ok);
  EXPECT_EQ(prove(alice, kCodes[0]), Reason::code_used);
  EXPECT_EQ(prove(alice, kCodes[1]), Reason::ok);
  EXPECT_EQ(begin(bob, "A1").error().code, Reason::not_found) << "it is given out";
  EXPECT_EQ(import("A1," + std::string(kSeed)).error().code, Reason::conflict) << "a token has one counter only";
  auto tokens = run(factors->tokens().list());
  ASSERT_TRUE(tokens);
  ASSERT_EQ(tokens->size(), 2U);
  EXPECT_EQ((*tokens)[0].holder, alice);
  EXPECT_TRUE((*tokens)[1].holder.is_nil());
  ASSERT_EQ(entries("hardware_token.import").size(), 1U);
}

TEST_F(HotpTest, TheWindowIsBoundedAndOnlyGoesForward) {
  enrolled(alice);
  EXPECT_EQ(prove(alice, kCodes[6]), Reason::code_wrong) << "six ahead";
  EXPECT_EQ(prove(alice, kCodes[5]), Reason::ok) << "five ahead";
  for (int i = 0; i < 5; ++i) EXPECT_NE(prove(alice, kCodes[i]), Reason::ok) << "skipped ones are void: " << i;
  EXPECT_EQ(entries("factor.prove").back().note.substr(0, 8), "for test");
}

TEST_F(HotpTest, TwoCodesInARowResynchronise) {
  enrolled(alice);
  struct Row {
    const char* name;
    std::string answer;
    Reason expected;
  };
  const auto two = [](int a, int b) { return std::string(kCodes[a]) + "," + kCodes[b]; };
  for (const Row& row : {Row{"not in a row", two(7, 9), Reason::code_wrong}, Row{"the wrong way round", two(9, 8), Reason::code_wrong},
                         Row{"a space", std::string(kCodes[8]) + ", " + kCodes[9], Reason::code_wrong},
                         Row{"three", two(7, 8) + "," + kCodes[9], Reason::code_wrong}}) {
    EXPECT_EQ(prove(alice, row.answer), row.expected) << row.name;
  }
  EXPECT_EQ(prove(alice, two(8, 9)), Reason::ok);
  EXPECT_EQ(entries("factor.prove").back().note, "for test; resynchronised");
  EXPECT_EQ(prove(alice, two(8, 9)), Reason::code_used);
  const Bytes seed = unhex(kSeed).value();
  const auto code = [&](std::uint64_t c) { return padded(hotp(seed, c, {})); };
  clock.advance(1h);
  EXPECT_EQ(prove(alice, code(210) + "," + code(211)), Reason::code_wrong) << "201 ahead";
  EXPECT_EQ(prove(alice, code(209) + "," + code(210)), Reason::ok) << "200 ahead";
}

TEST_F(HotpTest, TheSameCodeInAHundredJobsSucceedsOnce) {
  options_factors.failures_per_back_off = 1000;
  close();
  open();
  alice = make_user("alice");
  enrolled(alice);
  std::vector<std::future<Result<domain::Proof>>> all;
  for (unsigned i = 0; i < 100; ++i) all.push_back(spawn(proving(alice, kCodes[1]), i % 2));
  int good = 0;
  for (auto& f : all) good += f.get() ? 1 : 0;
  EXPECT_EQ(good, 1);
}

TEST_F(HotpTest, TwoWhoClaimATokenGetItOnce) {
  ASSERT_TRUE(import("A1," + std::string(kSeed)));
  auto first = begin(alice, "A1");
  auto second = begin(bob, "A1");
  EXPECT_EQ(confirm(alice, first->id, kCodes[0]), Reason::conflict) << "bob has begun with it since";
  EXPECT_EQ(confirm(bob, second->id, kCodes[0]), Reason::ok);
  EXPECT_EQ(prove(alice, kCodes[1]), Reason::factor_missing);
}

TEST_F(HotpTest, WhatGoesLeavesNothingAndStockIsKept) {
  const FactorId id = enrolled(alice);
  ASSERT_TRUE(import("A2," + std::string(kSeed)));
  const auto remove = [&](const std::string& serial) {
    auto r = database->write_blocking([&](store::Tx& tx) { return factors->tokens().remove_in(tx, serial, administrator(), clock.now()); });
    return r ? Reason::ok : r.error().code;
  };
  EXPECT_EQ(remove("A1"), Reason::conflict) << "it is somebody's factor";
  EXPECT_EQ(remove("A3"), Reason::not_found);
  EXPECT_TRUE(run(factors->reseal()));
  auto sealed = database->read_blocking([&](store::Tx& tx) { return factors->sealed_by(tx, keys->active_id()); });
  EXPECT_EQ(sealed.value_or(-1), 2) << "the factor's seed and the one in stock";
  static_cast<void>(id);
  ASSERT_TRUE(run(users->remove(alice, administrator())));
  auto tokens = run(factors->tokens().list());
  ASSERT_EQ(tokens->size(), 1U);
  EXPECT_EQ(tokens->front().serial, "A2");
  EXPECT_EQ(remove("A2"), Reason::ok);
  EXPECT_TRUE(run(factors->tokens().list())->empty());
}

TEST_F(HotpTest, RestoreSkipsCodesThatMayHaveBeenUsed) {
  enrolled(alice);
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return void_after_restore(tx, clock.wall()); }));
  EXPECT_NE(prove(alice, kCodes[1]), Reason::ok) << "it may have been used since the backup";
  const Bytes seed = unhex(kSeed).value();
  EXPECT_EQ(prove(alice, padded(hotp(seed, 51, {}))), Reason::ok);
}

}  // namespace
}  // namespace vestibule::factors
