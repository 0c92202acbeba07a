// The end: what is under way may finish, within its limit.
#include <atomic>
#include <condition_variable>
#include <cstdlib>

#include "app/house_core.hpp"
#include "net/signal.hpp"

namespace vestibule::app {

net::Task<> House::shut_core(PerCore* own, std::chrono::milliseconds limit) {
  const auto begun = std::chrono::steady_clock::now();
  events_->stop(own->core);  // a stream would wait for ever
  watch_->close(own->core);
  closing_.store(true);
  if (own->documents) own->documents->stop();
  holds_->close(own->core);
  co_await own->access->stop(limit);
  // What is left of the same limit: answers of the chat page, and to services, may finish as well.
  const auto left = [&] {
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    return std::max(limit - spent, std::chrono::milliseconds(1'000));
  };
  if (own->certified) co_await own->certified->stop(left());
  if (own->portal) co_await own->portal->stop(left());
  if (own->control) co_await own->control->stop(std::chrono::seconds(1));
  if (own->status) co_await own->status->stop(std::chrono::seconds(1));
  co_await approvals_->join(own->core);
  gate_->stop_sweeping(own->core);
  if (own->core.index() == 0) {
    sessions_->stop();
    bells_->stop();
    co_await bells_->join();
    factors_->stop();
    coverage_->stop();
    for (auto& child : children_) co_await child->stop();
  }
  co_await own->tasks.join();
}

void House::close() {
  if (closed_) return;
  closed_ = true;
  if (running_) {
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(config_.shutdown);
    // Each core stops its servers; the count is the main thread's way of waiting for all of them.
    std::atomic<std::size_t> left{per_core_.size()};
    std::mutex m;
    std::condition_variable done;
    for (auto& c : per_core_) {
      c->core.post([&, p = c.get(), limit] {
        net::asio::co_spawn(p->core.executor(), shut_core(p, limit), [&](std::exception_ptr) {
          const std::lock_guard lock(m);
          --left;
          done.notify_all();
        });
      });
    }
    std::unique_lock lock(m);
    if (running_ && !done.wait_for(lock, limit + std::chrono::seconds(20), [&] { return left == 0; })) {
      // Something does not end. Taking the house down over it would be worse than leaving at once:
      // what was answered is durable, and the rest never was.
      log::error("shutdown does not come to its end: leaving at once");
      database_->stop();
      log::stop();
      std::_Exit(1);
    }
  }
  if (log_ && database_) {
    record("stop", "");
    database_->stop();
  }
  if (cores_) cores_->stop();
}

}  // namespace vestibule::app
