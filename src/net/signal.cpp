#include "net/signal.hpp"

#include <boost/asio/async_result.hpp>
#include <optional>
#include <utility>

namespace vestibule::net {

// The suspended coroutine's handler is kept until it is notified or its time is up; both happen on
// the core's thread and each takes the waiter off the list first, so it is resumed exactly once.
struct Signal::Waiter final : Deadline {
  using Handler = asio::detail::awaitable_handler<Executor, bool>;
  Signal* signal = nullptr;
  Waiter* prev = nullptr;
  Waiter* next = nullptr;
  std::optional<Handler> handler;

  void leave() noexcept {
    if (signal == nullptr) return;
    (prev != nullptr ? prev->next : signal->first_) = next;
    if (next != nullptr) next->prev = prev;
    signal = nullptr;
  }
  void resume(bool notified) {
    Handler h = std::move(*handler);
    handler.reset();
    const auto executor = h.get_executor();
    asio::post(executor, [h = std::move(h), notified]() mutable { h(notified); });
  }
  void expired() noexcept override {
    leave();
    resume(false);
  }
  ~Waiter() override { leave(); }
};

Task<bool> Signal::wait(std::chrono::milliseconds limit) {
  Waiter waiter;
  auto start = [](auto handler, Signal* signal, Waiter* w, std::chrono::milliseconds time) {
    w->handler.emplace(std::move(handler));
    w->signal = signal;
    w->next = signal->first_;
    if (w->next != nullptr) w->next->prev = w;
    signal->first_ = w;
    if (time != kForEver) signal->core_.deadlines().arm(*w, time);
  };
  const bool notified = co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(bool)>(
      start, asio::use_awaitable_t<Executor>{}, this, &waiter, limit);
  co_return notified;
}

void Signal::notify_all() noexcept {
  while (first_ != nullptr) {
    Waiter* w = first_;
    w->leave();
    w->disarm();
    w->resume(true);
  }
}

Task<> sleep_for(Core& core, std::chrono::milliseconds time) {
  Signal never(core);
  co_await never.wait(time);
}

}  // namespace vestibule::net
