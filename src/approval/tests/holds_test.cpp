// Who is held: bounds, shares, and wake-ups that are not missed.
#include "approval/holds.hpp"

#include "approval/tests/world.hpp"

namespace vestibule::approval {
namespace {

using namespace std::chrono_literals;
using testing::ApprovalWorld;

class HoldsTest : public ApprovalWorld, public ::testing::Test {
 protected:
  ~HoldsTest() override { close(); }
  void SetUp() override {
    file = folder / "approval.db";
    options_holds = {100, 8, 10'000};
    open();
    alice = make_user("alice");
    bob = make_user("bob");
  }
  using Places = std::vector<std::unique_ptr<Holds::Place>>;
  /// Takes so many at once, and gives them back: how many there were.
  static net::Task<std::size_t> taking(Holds* holds, std::vector<UserId> users, std::size_t bytes) {
    Places places;
    for (const UserId user : users) {
      if (auto place = holds->take(user, {}, bytes)) places.push_back(std::move(place));
    }
    co_return places.size();
  }
  std::size_t take(std::vector<UserId> whom, std::size_t bytes = 0) { return run(taking(holds.get(), std::move(whom), bytes)); }
  /// Waits once; whether it was before the time was up.
  static net::Task<bool> waiting(Holds* holds, UserId user, std::atomic<int>* ready, std::chrono::milliseconds limit) {
    auto place = holds->take(user, {}, 0);
    ++*ready;
    const auto begun = std::chrono::steady_clock::now();
    co_await place->wait(limit);
    co_return std::chrono::steady_clock::now() - begun < limit;
  }
  std::future<bool> wait(UserId user, unsigned core, std::chrono::milliseconds limit = 10s) {
    std::atomic<int> ready{0};
    auto out = spawn(waiting(holds.get(), user, &ready, limit), core);
    while (ready == 0) std::this_thread::sleep_for(1ms);
    return out;
  }
  UserId alice, bob;
};

TEST_F(HoldsTest, OneGreedyUserHasHisShare) {
  EXPECT_EQ(take(std::vector<UserId>(500, alice)), 8U);
  std::vector<UserId> both(500, alice);
  both.push_back(bob);
  EXPECT_EQ(take(both), 9U);
  EXPECT_EQ(holds->held(), 0U) << "all given back";
}

TEST_F(HoldsTest, NobodyHasMoreThanATenth) {
  close();
  options_holds = {100, 1'000, 10'000};
  open();
  EXPECT_EQ(take(std::vector<UserId>(500, alice)), 10U);
}

TEST_F(HoldsTest, AllTogetherHaveABound) {
  std::vector<UserId> many;
  for (int i = 0; i < 300; ++i) many.push_back(UserId::make(rng));
  EXPECT_EQ(take(many), 100U);
  EXPECT_EQ(take(many), 100U) << "and again once they are gone";
}

TEST_F(HoldsTest, BodiesHaveABudget) {
  EXPECT_EQ(take({alice, alice, alice, bob}, 3'000), 3U);
  EXPECT_EQ(take({alice}, 10'001), 0U);
  EXPECT_EQ(take({alice}, 10'000), 1U);
}

TEST_F(HoldsTest, WhomItConcernsIsWokenOnEveryCore) {
  auto one = wait(alice, 0);
  auto two = wait(alice, 1);
  auto other = wait(bob, 1, 300ms);
  ASSERT_TRUE(ask(ask_of(alice)));
  EXPECT_TRUE(one.get());
  EXPECT_TRUE(two.get());
  EXPECT_FALSE(other.get());
}

TEST_F(HoldsTest, AChangeBetweenLookAndWaitIsNotMissed) {
  struct Late {
    static net::Task<bool> run(Holds* holds, UserId user, std::promise<void>* taken, std::shared_future<void> changed, net::Core* core) {
      auto place = holds->take(user, {}, 0);
      taken->set_value();
      while (changed.wait_for(0s) != std::future_status::ready) co_await net::sleep_for(*core, 10ms);
      co_await net::sleep_for(*core, 200ms);  // the post has come by now
      const auto begun = std::chrono::steady_clock::now();
      co_await place->wait(5s);
      co_return std::chrono::steady_clock::now() - begun < 1s;
    }
  };
  std::promise<void> taken, changed;
  auto waited = spawn(Late::run(holds.get(), alice, &taken, changed.get_future().share(), &cores->at(0)));
  taken.get_future().wait();
  ASSERT_TRUE(ask(ask_of(alice)));
  changed.set_value();
  EXPECT_TRUE(waited.get());
}

TEST_F(HoldsTest, RevocationsWakeAllAndTheEndHoldsNobody) {
  auto one = wait(alice, 0);
  auto two = wait(bob, 1);
  holds->wake_all();
  EXPECT_TRUE(one.get());
  EXPECT_TRUE(two.get());
  auto last = wait(alice, 0);
  cores->on_each([&](net::Core& core) { holds->close(core); });
  EXPECT_TRUE(last.get());
  EXPECT_EQ(take({alice, bob}), 0U);
}

TEST_F(HoldsTest, RepliesThatAreKeptBackShareTheBoundOfBodies) {
  const std::size_t all = options_holds.bytes;
  {
    Holds::Kept one(*holds);
    EXPECT_TRUE(one.add(all - 10));
    Holds::Kept two(*holds);
    EXPECT_FALSE(two.add(11));
    EXPECT_TRUE(two.add(10));
    EXPECT_FALSE(one.add(1));
  }
  Holds::Kept again(*holds);
  EXPECT_TRUE(again.add(all)) << "given back";
}

}  // namespace
}  // namespace vestibule::approval
