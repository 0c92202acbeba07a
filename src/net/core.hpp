#pragma once
// One core: a thread, its io_context, its deadline wheel. Nothing is shared between cores on the
// path of a request; they talk by post().

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "net/deadline.hpp"
#include "net/poller.hpp"
#include "net/task.hpp"

namespace vestibule::net {

class BlockingPool;

/// Owned by Cores. Everything but post() is called on the core's own thread.
class Core {
 public:
  Core(unsigned index, BlockingPool& names);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  [[nodiscard]] unsigned index() const noexcept { return index_; }
  [[nodiscard]] asio::io_context& context() noexcept { return context_; }
  [[nodiscard]] Executor executor() noexcept { return context_.get_executor(); }
  [[nodiscard]] DeadlineWheel& deadlines() noexcept { return wheel_; }
  [[nodiscard]] Poller& poller() noexcept { return poller_; }
  /// Where names are looked up, for all cores.
  [[nodiscard]] BlockingPool& names() noexcept { return names_; }

  /// Runs f on this core, soon. Any thread. f must not throw.
  template <class F>
  void post(F&& f) {
    asio::post(context_, std::forward<F>(f));
  }

  /// The core whose thread this is; null elsewhere.
  [[nodiscard]] static Core* current() noexcept;

 private:
  friend class Cores;
  void run();

  unsigned index_;
  asio::io_context context_;
  asio::executor_work_guard<Executor> work_;
  DeadlineWheel wheel_;
  Poller poller_;
  BlockingPool& names_;
};

/// All cores of the process. Slot 0 of the counters belongs to threads that are no core, so core i
/// uses slot i + 1.
class Cores {
 public:
  /// n >= 1 cores; the threads start in start().
  explicit Cores(unsigned n);
  ~Cores();
  Cores(const Cores&) = delete;
  Cores& operator=(const Cores&) = delete;
  void start();
  /// Lets each core finish what is queued, then joins. Tasks that still wait are destroyed.
  void stop();
  [[nodiscard]] unsigned size() const noexcept { return static_cast<unsigned>(cores_.size()); }
  [[nodiscard]] Core& at(unsigned i) noexcept { return *cores_[i]; }
  /// Runs f(core) on every core and returns when all have done so. Not from a core's thread.
  void on_each(const std::function<void(Core&)>& f);

 private:
  std::unique_ptr<BlockingPool> names_;
  std::vector<std::unique_ptr<Core>> cores_;
  std::vector<std::thread> threads_;
};

}  // namespace vestibule::net
