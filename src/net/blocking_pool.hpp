#pragma once
// What blocks (SQL reads, Argon2, files, DNS) runs here, bounded. A full pool sheds load.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "net/core.hpp"

namespace vestibule::net {

/// Thread-safe. Its threads share counter slot kMaxCores - 1 and must not read SnapshotTables.
class BlockingPool {
 public:
  struct Options {
    unsigned threads = 2;
    std::size_t queue = 256;  ///< jobs waiting; beyond that run() gives `overloaded`
  };
  explicit BlockingPool(Options options);
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  /// Runs f in the pool and resumes on the calling core with its value. f is moved; must not throw.
  template <class F>
  Task<Result<std::invoke_result_t<F&>>> run(F f) {
    using T = std::invoke_result_t<F&>;
    struct State {
      explicit State(F fn) : f(std::move(fn)) {}
      F f;
      std::optional<T> value;
    };
    State state(std::move(f));
    auto start = [](auto handler, BlockingPool* pool, State* s) {
      auto executor = handler.get_executor();
      // std::function wants to copy; the handler can only move, so it sits in a shared holder
      auto held = std::make_shared<decltype(handler)>(std::move(handler));
      const bool accepted = pool->submit([s, held, executor] {
        s->value.emplace(s->f());
        asio::post(executor, [held] { (*held)(true); });
      });
      if (!accepted) asio::post(executor, [held] { (*held)(false); });
    };
    const bool ran = co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(bool)>(
        start, asio::use_awaitable_t<Executor>{}, this, &state);
    if (!ran) co_return fail(Reason::overloaded, "blocking pool is full");
    co_return std::move(*state.value);
  }

  /// False if the queue is full.
  bool submit(std::function<void()> job);

 private:
  void work();
  Options options_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace vestibule::net
