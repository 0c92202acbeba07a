// What cores note while the writer stores it.
#include "session/newer.hpp"

#include <gtest/gtest.h>

#include <map>
#include <thread>

namespace vestibule::session {
namespace {

struct Thing : Listed<Thing> {
  std::atomic<int> value{0};
};

TEST(Newer, StandsThereOnceUntilItIsTaken) {
  Newer<Thing> list;
  EXPECT_TRUE(list.take().empty());
  const auto a = std::make_shared<Thing>();
  const auto b = std::make_shared<Thing>();
  list.add(*a);
  list.add(*b);
  list.add(*a);
  EXPECT_EQ(list.take().size(), 2U);
  EXPECT_TRUE(list.take().empty());
  list.add(*a);
  ASSERT_EQ(list.take().size(), 1U);
  EXPECT_EQ(a.use_count(), 1) << "nothing is kept of it";
}

TEST(Newer, KeepsWhatItsOwnerLetsGo) {
  std::weak_ptr<Thing> seen;
  {
    Newer<Thing> list;
    auto a = std::make_shared<Thing>();
    seen = a;
    list.add(*a);
    a.reset();
    EXPECT_FALSE(seen.expired());
  }
  EXPECT_TRUE(seen.expired());
}

TEST(Newer, TheLastValueIsStored) {
  constexpr int kThings = 50;
  constexpr int kRounds = 2000;
  Newer<Thing> list;
  std::vector<std::shared_ptr<Thing>> things;
  for (int i = 0; i < kThings; ++i) things.push_back(std::make_shared<Thing>());
  std::atomic<int> writing{2};
  const auto write = [&](int from) {
    for (int n = 1; n <= kRounds; ++n) {
      for (int i = from; i < kThings; i += 2) {
        things[static_cast<std::size_t>(i)]->value.store(n, std::memory_order_relaxed);
        list.add(*things[static_cast<std::size_t>(i)]);
      }
      for (const auto& shared : things) list.add(*shared);  // both of them, at once
    }
    --writing;
  };
  std::thread one(write, 0);
  std::thread other(write, 1);
  std::map<Thing*, int> stored;
  const auto store = [&] {
    for (const auto& t : list.take()) stored[t.get()] = t->value.load(std::memory_order_relaxed);
  };
  while (writing > 0) store();
  store();
  one.join();
  other.join();
  store();
  for (const auto& t : things) EXPECT_EQ(stored[t.get()], kRounds);
}

}  // namespace
}  // namespace vestibule::session
