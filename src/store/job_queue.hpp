#pragma once
// Write jobs on their way to the writer: a bounded queue behind a mutex held for a few instructions.

#include <algorithm>
#include <functional>
#include <mutex>
#include <vector>

#include "base/result.hpp"
#include "store/tx.hpp"

namespace vestibule::store {

/// A job and its outcome. Lives with whoever waits; the writer calls done() last, once, on its own
/// thread, after which the node may be gone.
struct JobNode {
  explicit JobNode(std::function<Result<void>(Tx&)> f) : job(std::move(f)) {}
  JobNode(const JobNode&) = delete;
  JobNode& operator=(const JobNode&) = delete;
  virtual void done() noexcept = 0;
  std::function<Result<void>(Tx&)> job;
  Result<void> result;

 protected:
  ~JobNode() = default;
};

class JobQueue {
 public:
  explicit JobQueue(std::size_t limit) : limit_(limit) {}

  /// Any thread. An error means that done() will never be called.
  Result<void> push(JobNode& node) {
    const std::lock_guard lock(mutex_);
    if (closed_) return fail(Reason::shutting_down, "the store has stopped");
    if (waiting_.size() >= limit_) return fail(Reason::overloaded, "too many write jobs are waiting");
    waiting_.push_back(&node);
    return {};
  }
  /// Writer: moves up to `most` jobs into `out` (emptied first), oldest first.
  void take(std::size_t most, std::vector<JobNode*>& out) {
    out.clear();
    const std::lock_guard lock(mutex_);
    const auto n = static_cast<std::ptrdiff_t>(std::min(most, waiting_.size()));
    out.assign(waiting_.begin(), waiting_.begin() + n);
    waiting_.erase(waiting_.begin(), waiting_.begin() + n);
  }
  [[nodiscard]] bool empty() {
    const std::lock_guard lock(mutex_);
    return waiting_.empty();
  }
  /// Later pushes are refused; what waits stays.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }

 private:
  std::mutex mutex_;
  std::size_t limit_;
  bool closed_ = false;
  std::vector<JobNode*> waiting_;
};

}  // namespace vestibule::store
