#pragma once
// Every spawn belongs to a group whose owner joins it: no task outlives what it uses.

#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "net/core.hpp"
#include "net/signal.hpp"

namespace vestibule::net {

/// Lives on one core; not thread-safe. Must be joined (co_await join()) before destruction unless
/// its core has stopped.
class TaskGroup {
 public:
  explicit TaskGroup(Core& core) : core_(core), idle_(core) {}
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Starts a task on the group's core. An exception that leaves it ends the process (style: none
  /// leaves a session).
  void spawn(Task<> task) {
    ++running_;
    asio::co_spawn(core_.executor(), std::move(task), [this](std::exception_ptr e) {
      if (e) std::rethrow_exception(e);
      if (--running_ == 0) idle_.notify_all();
    });
  }
  [[nodiscard]] std::size_t running() const noexcept { return running_; }
  /// Waits until every task has ended.
  Task<> join() {
    while (running_ > 0) co_await idle_.wait();
  }

 private:
  Core& core_;
  std::size_t running_ = 0;
  Signal idle_;
};

}  // namespace vestibule::net
