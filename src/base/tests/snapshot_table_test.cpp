#include "base/snapshot_table.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace vestibule {
namespace {

struct BadHash {
  std::size_t operator()(int k) const { return static_cast<std::size_t>(k % 7); }
};

TEST(SnapshotTable, PutReadEraseUnderCollisions) {
  SnapshotTable<int, std::string, BadHash> table;
  for (int i = 0; i < 500; ++i) table.put(i, std::to_string(i));
  for (int i = 0; i < 500; i += 2) table.erase(i);
  for (int i = 0; i < 500; ++i) {
    std::string seen;
    const bool found = table.read(i, [&](const std::string& v) { seen = v; });
    EXPECT_EQ(found, i % 2 == 1);
    if (found) { EXPECT_EQ(seen, std::to_string(i)); }
  }
  table.put(1, "one");
  std::string seen;
  table.read(1, [&](const std::string& v) { seen = v; });
  EXPECT_EQ(seen, "one");
  EXPECT_EQ(table.size(), 250U);
}

TEST(SnapshotTable, ReadersNeverSeeFreedEntries) {
  SnapshotTable<int, std::string> table;
  constexpr int kKeys = 64;
  for (int i = 0; i < kKeys; ++i) table.put(i, std::string(40, 'a'));
  std::atomic<bool> stop{false};
  std::atomic<long> reads{0};
  std::vector<std::thread> readers;
  for (unsigned t = 1; t <= 3; ++t) {
    readers.emplace_back([&, t] {
      set_core_slot(t);
      int k = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        table.read(k++ % kKeys, [&](const std::string& v) {
          // every value ever written is 40 equal letters
          if (v.size() != 40 || v.find_first_not_of(v[0]) != std::string::npos) std::abort();
          reads.fetch_add(1, std::memory_order_relaxed);
        });
      }
    });
  }
  for (int round = 0; round < 20000 || reads < 20000; ++round) {
    table.put(round % kKeys, std::string(40, static_cast<char>('a' + round % 26)));
    if (round % 5 == 0) table.erase((round + 3) % kKeys);
    if (round % 5 == 1) table.put((round + 2) % kKeys, std::string(40, 'z'));
  }
  stop = true;
  for (auto& t : readers) t.join();
}

}  // namespace
}  // namespace vestibule
