// Several threads at once on the same buckets: each with a share of its own, as cores have them.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include "base/counters.hpp"
#include "quota/share.hpp"

namespace vestibule::quota {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kThreads = 4;

template <class F>
void on_threads(F f) {
  std::barrier start(kThreads);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      set_core_slot(i + 1);
      start.arrive_and_wait();
      f(i);
    });
  }
  for (auto& t : threads) t.join();
}

domain::Quota quota(domain::Rate requests, domain::Rate tokens = {}, std::uint32_t streams = 0) {
  domain::Quota q;
  q.id = 1;
  q.requests = requests;
  q.tokens = tokens;
  q.streams = streams;
  return q;
}

const BootTime kNow{1000s};

std::size_t admitted(const domain::Quota& q, int tries) {
  Quotas all(kThreads, 3, Options{});
  std::atomic<std::size_t> let_in{0};
  on_threads([&](unsigned) {
    Share share(all);
    const domain::Quota* const list[] = {&q};
    for (int i = 0; i < tries; ++i) {
      Answer a = share.take(list, {{}, "", "lab"}, 0, kNow);
      if (auto* g = std::get_if<Grant>(&a)) {
        ++let_in;
        g->settle(0, kNow);
      }
    }
  });
  return let_in;
}

TEST(QuotaCoresTest, ASmallQuotaIsExactHoweverItIsRaced) {
  for (int round = 0; round < 50; ++round) EXPECT_EQ(admitted(quota({5, 3600s, {}}), 50), 5U);
}

TEST(QuotaCoresTest, ALargeOneIsNeverOvershot) {
  const std::size_t n = admitted(quota({10'000, 3600s, {}}), 20'000);
  EXPECT_LE(n, 10'000U);
  EXPECT_GE(n, 10'000U - kThreads * Terms::lease_of(10'000, kThreads));
}

TEST(QuotaCoresTest, SeatsAreNeverMoreThanThereAreAndAllComeBack) {
  for (const std::uint32_t seats : {3U, 1000U}) {
    const domain::Quota q = quota({}, {}, seats);
    Quotas all(kThreads, 3, Options{});
    std::atomic<int> sitting{0}, most{0};
    on_threads([&](unsigned) {
      Share share(all);
      const domain::Quota* const list[] = {&q};
      std::vector<Grant> held;
      for (int i = 0; i < 3000; ++i) {
        Answer a = share.take(list, {{}, "", "lab"}, 0, kNow);
        if (auto* g = std::get_if<Grant>(&a)) {
          held.push_back(std::move(*g));
          const int now = ++sitting;
          int seen = most.load();
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
        } else if (!held.empty()) {
          --sitting;
          held.back().settle(0, kNow);
          held.pop_back();
        }
      }
      sitting -= static_cast<int>(held.size());
      held.clear();
      share.sweep(kNow + 60s);
    });
    EXPECT_LE(most.load(), static_cast<int>(seats));
    all.sweep(kNow + 60s);
    EXPECT_EQ(all.size(), 0U) << "a seat was lost";
  }
}

TEST(QuotaCoresTest, OneOfManyThatAreRefusedIsRecorded) {
  const domain::Quota q = quota({1, 3600s, {}});
  Quotas all(kThreads, 3, Options{});
  std::atomic<int> records{0}, refused{0};
  on_threads([&](unsigned) {
    Share share(all);
    const domain::Quota* const list[] = {&q};
    for (int i = 0; i < 500; ++i) {
      Answer a = share.take(list, {{}, "", "lab"}, 0, kNow);
      if (auto* g = std::get_if<Grant>(&a)) g->settle(0, kNow);
      const auto* r = std::get_if<Refused>(&a);
      if (r == nullptr) continue;
      ++refused;
      if (r->record) ++records;
    }
  });
  EXPECT_EQ(refused.load(), static_cast<int>(kThreads) * 500 - 1);
  EXPECT_EQ(records.load(), 1);
}

TEST(QuotaCoresTest, SweepsMayRunBesideEverythingElse) {
  const domain::Quota q = quota({1'000'000'000, 1s, {}}, {1'000'000'000, 1s, {}}, 100);
  Quotas all(kThreads, 3, Options{});
  on_threads([&](unsigned i) {
    Share share(all);
    const domain::Quota* const list[] = {&q};
    for (int n = 0; n < 3000; ++n) {
      const BootTime now = kNow + std::chrono::seconds(20 * n);
      UserId user;
      user.bytes[0] = static_cast<std::uint8_t>(n % 7);
      Answer a = share.take(list, {user, "", "lab"}, 3, now);
      if (auto* g = std::get_if<Grant>(&a)) g->settle(5, now);
      share.sweep(now + 15s);
      if (i == 0) all.sweep(now);
    }
  });
  EXPECT_LE(all.size(), 7U);
}

}  // namespace
}  // namespace vestibule::quota
