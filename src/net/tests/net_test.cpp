#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "net/blocking_pool.hpp"
#include "net/task_group.hpp"

namespace vestibule::net {
namespace {

using namespace std::chrono_literals;

// Runs a task on core 0 of a fresh pair and waits for it.
template <class F>
void run_on_core(F make) {
  Cores cores(2);
  cores.start();
  std::promise<void> done;
  cores.at(0).post([&] {
    asio::co_spawn(cores.at(0).executor(), make(cores.at(0)), [&](std::exception_ptr e) {
      EXPECT_FALSE(e);
      done.set_value();
    });
  });
  done.get_future().wait();
  cores.stop();
}

Task<> wait_and_count(Signal& signal, int& woken, int& late) {
  const bool notified = co_await signal.wait(5s);
  (notified ? woken : late) += 1;
}

Task<> signal_story(Core& core) {
  Signal signal(core);
  TaskGroup group(core);
  int woken = 0;
  int late = 0;
  for (int i = 0; i < 3; ++i) group.spawn(wait_and_count(signal, woken, late));
  co_await sleep_for(core, 50ms);
  signal.notify_all();
  co_await group.join();
  EXPECT_EQ(woken, 3);
  const bool notified = co_await signal.wait(100ms);
  EXPECT_FALSE(notified);
}

// What is left of a time may be less than a millisecond; that is no wait for ever.
Task<> no_time_story(Core& core) {
  Signal signal(core);
  const bool notified = co_await signal.wait(0ms);
  EXPECT_FALSE(notified);
  co_await sleep_for(core, 0ms);
  co_await sleep_for(core, -5ms);
}

TEST(Signal, NothingLeftToWaitForEnds) { run_on_core(no_time_story); }
TEST(Signal, WakesAllAndTimesOut) { run_on_core(signal_story); }

struct Flag final : Deadline {
  int fired = 0;
  void expired() noexcept override { ++fired; }
};

Task<> deadline_story(Core& core) {
  Flag soon, moved, gone;
  core.deadlines().arm(soon, 100ms);
  core.deadlines().arm(moved, 100ms);
  core.deadlines().arm(moved, 700ms);
  core.deadlines().arm(gone, 100ms);
  gone.disarm();
  co_await sleep_for(core, 400ms);
  EXPECT_EQ(soon.fired, 1);
  EXPECT_EQ(moved.fired, 0);
  EXPECT_EQ(gone.fired, 0);
  co_await sleep_for(core, 800ms);
  EXPECT_EQ(moved.fired, 1);
  core.deadlines().arm(soon, 60s);  // more than one turn of the wheel
  core.deadlines().arm(soon, 100ms);
  co_await sleep_for(core, 400ms);
  EXPECT_EQ(soon.fired, 2);
}

TEST(DeadlineWheel, FiresOnceNeverEarlyAndMoves) { run_on_core(deadline_story); }

Task<> pool_story(Core& core) {
  BlockingPool pool({1, 1});
  const auto value = co_await pool.run([] { return 7; });
  EXPECT_TRUE(value);
  EXPECT_EQ(*value, 7);
  EXPECT_EQ(Core::current(), &core);
  // one job runs, one waits, the third is refused
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  std::atomic<bool> started{false};
  EXPECT_TRUE(pool.submit([opened, &started] { started = true; opened.wait(); }));
  while (!started) co_await sleep_for(core, 1ms);
  EXPECT_TRUE(pool.submit([] {}));
  const auto refused = co_await pool.run([] { return 8; });
  EXPECT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Reason::overloaded);
  gate.set_value();
}

TEST(BlockingPool, RunsAndShedsWhenFull) { run_on_core(pool_story); }

TEST(Cores, OnEachRunsEverywhere) {
  Cores cores(2);
  cores.start();
  std::atomic<unsigned> mask{0};
  cores.on_each([&](Core& c) { mask |= 1U << c.index(); });
  EXPECT_EQ(mask, 3U);
}

}  // namespace
}  // namespace vestibule::net
