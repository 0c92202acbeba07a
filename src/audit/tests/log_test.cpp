// The log over a real store: what is answered is there, in its order, and is listed.
#include "audit/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "audit/tests/house.hpp"
#include "json/value.hpp"

namespace vestibule::audit {
namespace {

using namespace std::chrono_literals;
using namespace testing;

TEST(Log, SubmitDurableListVerifyProve) {
  Folder folder;
  Options options;
  options.checkpoint_records = 4;
  options.checkpoint_file = folder / "checkpoints";
  House house(folder / "db", options);
  for (std::uint64_t i = 0; i < 10; ++i) {
    const auto r = house.run(i % 2 == 0 ? 0 : 1, submit_and_wait(house.log.get(), i));
    ASSERT_TRUE(r) << r.error().detail;
    EXPECT_EQ(house.log->size(), i + 1);
  }
  EXPECT_EQ(house.log->health(), store::Health::ok);

  const auto entries = house.list({});
  ASSERT_EQ(entries.size(), 10U);
  EXPECT_EQ(entries[0].seq, 9U);
  EXPECT_EQ(entries[9].user_name, "anna");
  EXPECT_EQ(entries[9].source, "192.0.2.9");
  EXPECT_FALSE(entries[9].body_digest.empty());

  ASSERT_TRUE(
      eventually([&] { return split_notes(read_file(options.checkpoint_file)).size() == 2; }));
  const std::string shipped = read_file(options.checkpoint_file);
  EXPECT_EQ(split_notes(shipped).back(), house.log->checkpoint());
  const VerifyReport report = house.verify(shipped);
  EXPECT_EQ(all(report), "");
  EXPECT_EQ(report.records, 10U);
  EXPECT_EQ(report.checkpoints, 2U);

  for (std::uint64_t i = 0; i < 8; ++i) {
    const auto proof = house.db->read_blocking([&](store::Tx& tx) { return prove(tx, i); });
    ASSERT_TRUE(proof) << proof.error().detail;
    const auto ok = check_proof(*proof, house.log->public_key());
    EXPECT_TRUE(ok) << ok.error().detail;
  }
  const auto early = house.db->read_blocking([&](store::Tx& tx) { return prove(tx, 9); });
  EXPECT_EQ(early.error().code, Reason::conflict);
  const auto beyond = house.db->read_blocking([&](store::Tx& tx) { return prove(tx, 10); });
  EXPECT_EQ(beyond.error().code, Reason::not_found);
}

TEST(Log, OffTheCoresNothingIsSubmitted) {
  House house("");
  Record r;
  r.kind = Kind::change;
  EXPECT_FALSE(house.log->submit(r, Urgency::soon));
  house.log->refuse_unauthenticated({}, Reason::credential_missing, "llama");
  house.log->flush_refusals(Flush::everything);
  EXPECT_EQ(house.log->size(), 0U);
  EXPECT_EQ(house.log->checkpoint(), "");
}

TEST(Log, StandsIfAndOnlyIfItsJobCommits) {
  House house("");
  ASSERT_TRUE(house.append(0, 2));
  const auto failed = house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
    Record r;
    r.kind = Kind::change;
    r.operation = "user.create";
    house.log->append(tx, r);
    return fail(Reason::conflict, "on purpose");
  });
  EXPECT_EQ(failed.error().code, Reason::conflict);
  ASSERT_TRUE(house.append(2, 1));
  EXPECT_EQ(house.log->size(), 3U);
  EXPECT_TRUE(house.list({.operation = "user.create"}).empty());
  EXPECT_EQ(all(house.verify()), "");
}

TEST(Log, ABatchThatFailsLeavesTheTreeAsItWas) {
  House house("");
  ASSERT_TRUE(house.append(0, 3));
  const auto failed = house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
    std::string name;
    house.log->append(tx, sample(3, name));
    tx.journal(as_bytes("no record"));
    return {};
  });
  EXPECT_FALSE(failed);
  EXPECT_EQ(house.log->size(), 3U);
  ASSERT_TRUE(eventually([&] { return house.append(3, 2).has_value(); }));
  EXPECT_EQ(house.log->size(), 5U);
  const VerifyReport report = house.verify();
  EXPECT_EQ(all(report), "");
  EXPECT_EQ(report.records, 5U);
}

TEST(Log, GoesOnWhereItEnded) {
  Folder folder;
  Options options;
  options.checkpoint_records = 3;
  options.checkpoint_file = folder / "checkpoints";
  std::string last;
  for (std::uint64_t round = 0; round < 3; ++round) {
    House house(folder / "db", options);
    EXPECT_EQ(house.log->size(), round * 5);
    EXPECT_EQ(house.log->checkpoint(), last);
    for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(house.append(round * 5 + i, 1));
    last = house.log->checkpoint();
  }
  House house(folder / "db", options);
  const std::string shipped = read_file(options.checkpoint_file);
  EXPECT_EQ(split_notes(shipped).size(), 5U);
  const VerifyReport report = house.verify(shipped);
  EXPECT_EQ(all(report), "");
  EXPECT_EQ(report.records, 15U);
}

TEST(Log, Lists) {
  House house("");
  for (std::uint64_t i = 0; i < 24; i += 4) ASSERT_TRUE(house.append(i, 4));
  EXPECT_EQ(house.seqs({.limit = 3}), (Seqs{23, 22, 21}));
  EXPECT_EQ(house.seqs({.limit = 3, .newest_first = false}), (Seqs{0, 1, 2}));
  EXPECT_EQ(house.seqs({.from_seq = 6, .to_seq = 9}), (Seqs{9, 8, 7, 6}));
  EXPECT_EQ(house.seqs({.from_seq = 6, .to_seq = 9, .newest_first = false}), (Seqs{6, 7, 8, 9}));
  EXPECT_EQ(house.seqs({.from_seq = 22, .to_seq = 99}), (Seqs{23, 22}));
  EXPECT_EQ(house.seqs({.from_seq = 24}), Seqs{});
  EXPECT_EQ(house.seqs({.from_seq = ~std::uint64_t{0}}), Seqs{});
  EXPECT_EQ(house.seqs({.user_name = "anna", .limit = 2}), (Seqs{21, 18}));
  EXPECT_EQ(house.seqs({.user_name = "carl"}), Seqs{});
  EXPECT_EQ(house.seqs({.kind = Kind::completion, .limit = 2}), (Seqs{23, 21}));
  EXPECT_EQ(house.seqs({.access_point = "other"}), Seqs{});
  EXPECT_EQ(house.seqs({.operation = "chat", .reason = "ok", .limit = 1}), (Seqs{23}));
  EXPECT_EQ(house.seqs({.reason = "mfa_lapsed"}), Seqs{});
  RequestId request;
  request.bytes[0] = 5;
  EXPECT_EQ(house.seqs({.request = request.text()}), (Seqs{4}));
  EXPECT_EQ(house.seqs({.request = "req_nonsense"}), Seqs{});
  const WallTime start{1'800'000'000s};
  EXPECT_EQ(house.seqs({.since = start + 22s}), (Seqs{23, 22}));
  EXPECT_EQ(house.seqs({.until = start + 1s}), (Seqs{1, 0}));
  EXPECT_EQ(house.seqs({.limit = 0}), Seqs{});
  int calls = 0;
  ASSERT_TRUE(house.db->read_blocking(
      [&](store::Tx& tx) { return list(tx, {}, [&](const Entry&) { return ++calls < 2; }); }));
  EXPECT_EQ(calls, 2);
}

TEST(Log, RefusalsAreAddedUp) {
  House house("");
  const auto source = *domain::Source::parse("198.51.100.7");
  for (const unsigned core : {0U, 1U}) {
    house.on_core(core, [&] {
      for (int i = 0; i < 100; ++i)
        house.log->refuse_unauthenticated(source, Reason::credential_missing, "llama");
      house.log->flush_refusals();
    });
  }
  EXPECT_EQ(house.log->size(), 0U) << "the minute has not ended";
  house.clock.advance(60s);
  house.on_core(0, [&] { house.log->flush_refusals(); });
  house.on_core(1, [&] {
    house.log->refuse_unauthenticated(source, Reason::credential_missing, "llama");
    house.log->flush_refusals(Flush::everything);
  });
  ASSERT_TRUE(eventually([&] { return house.log->size() == 3; }));
  std::uint64_t sum = 0;
  for (const Entry& e : house.list({.kind = Kind::refusals})) {
    EXPECT_EQ(e.source, "198.51.100.7");
    EXPECT_EQ(e.reason, "credential_missing");
    EXPECT_EQ(e.outcome, "deny");
    EXPECT_EQ(e.access_point, "llama");
    EXPECT_EQ(e.at.time_since_epoch().count() % 60'000'000, 0);
    sum += e.count;
  }
  EXPECT_EQ(sum, 201U);
  EXPECT_EQ(all(house.verify()), "");
}

net::Task<int> submit_many(Log* log, std::uint64_t first, std::uint64_t n) {
  int failed = 0;
  for (std::uint64_t i = first; i < first + n; ++i) {
    std::string name;
    const Record r = sample(i, name);
    // every eighth is waited for
    const auto ticket = log->submit(r, i % 8 == 0 ? Urgency::now : Urgency::soon);
    if (!ticket) {
      ++failed;
      continue;
    }
    if (i % 8 != 0) continue;
    const auto durable = co_await log->durable(*ticket, 10s);
    if (!durable) ++failed;
  }
  co_return failed;
}

TEST(Log, CoresSubmitAtOnceWhileOthersRead) {
  Folder folder;
  Options options;
  options.checkpoint_records = 50;
  options.checkpoint_file = folder / "checkpoints";
  std::uint64_t size = 0;
  {
    House house(folder / "db", options);
    constexpr std::uint64_t kEach = 2000;
    std::promise<int> first;
    std::promise<int> second;
    const auto done = [](std::promise<int>* p) {
      return [p](std::exception_ptr, int failed) { p->set_value(failed); };
    };
    net::asio::co_spawn(house.cores.at(0).executor(), submit_many(house.log.get(), 0, kEach),
                        done(&first));
    net::asio::co_spawn(house.cores.at(1).executor(), submit_many(house.log.get(), 0, kEach),
                        done(&second));
    auto a = first.get_future();
    auto b = second.get_future();
    std::uint64_t appended = 0;
    do {
      (void)house.log->checkpoint();
      (void)house.log->size();
      EXPECT_EQ(all(house.verify()), "");
      ASSERT_TRUE(house.append(appended, 1));
      ++appended;
    } while (a.wait_for(0ms) != std::future_status::ready ||
             b.wait_for(0ms) != std::future_status::ready);
    EXPECT_EQ(a.get(), 0);
    EXPECT_EQ(b.get(), 0);
    ASSERT_TRUE(eventually([&] { return house.log->size() == 2 * kEach + appended; }))
        << house.log->size() << " of " << 2 * kEach << " + " << appended;
    size = house.log->size();
    // The records of one core keep their order.
    const auto entries = house.list({.limit = 10'000, .newest_first = false});
    EXPECT_EQ(entries.size(), size);
  }
  House house(folder / "db", options);
  const VerifyReport report = house.verify(read_file(options.checkpoint_file));
  EXPECT_EQ(all(report), "");
  EXPECT_EQ(report.records, size);
}

}  // namespace
}  // namespace vestibule::audit
