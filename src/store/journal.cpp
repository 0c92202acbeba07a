#include "store/journal.hpp"

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <utility>

namespace vestibule::store {

namespace asio = boost::asio;

void FailedRanges::add(std::uint64_t from, std::uint64_t to) {
  if (!ranges_.empty() && ranges_.back().to == from) {
    ranges_.back().to = to;
    return;
  }
  if (ranges_.size() == kMax) {
    ranges_[1].from = ranges_[0].from;
    ranges_.erase(ranges_.begin());
  }
  ranges_.push_back({from, to});
}

bool FailedRanges::contains(std::uint64_t position) const noexcept {
  const auto at = std::lower_bound(ranges_.begin(), ranges_.end(), position,
                                   [](const Range& r, std::uint64_t p) { return r.to < p; });
  return at != ranges_.end() && at->from < position;
}

// Lives in the frame of the waiting coroutine. Whoever resumes it takes it off the list and disarms
// it first; all of that happens on the core's thread, so it is resumed exactly once.
struct CoreJournal::Waiter final : net::Deadline {
  using Handler = asio::detail::awaitable_handler<net::Executor, Outcome>;
  CoreJournal* journal = nullptr;
  Waiter* prev = nullptr;
  Waiter* next = nullptr;
  std::uint64_t position = 0;
  std::optional<Handler> handler;

  // Waiters come almost always in the order of their tickets: look from the end.
  void enter(CoreJournal& j) noexcept {
    journal = &j;
    prev = j.last_;
    while (prev != nullptr && prev->position > position) prev = prev->prev;
    next = prev != nullptr ? prev->next : j.first_;
    (prev != nullptr ? prev->next : j.first_) = this;
    (next != nullptr ? next->prev : j.last_) = this;
  }
  void leave() noexcept {
    if (journal == nullptr) return;
    (prev != nullptr ? prev->next : journal->first_) = next;
    (next != nullptr ? next->prev : journal->last_) = prev;
    journal = nullptr;
  }
  // At once: only from a posted handler of its own.
  void resume(Outcome outcome) {
    Handler h = std::move(*handler);
    handler.reset();
    h(outcome);
  }
  void expired() noexcept override {
    leave();
    Handler h = std::move(*handler);
    handler.reset();
    const auto executor = h.get_executor();
    asio::post(executor, [h = std::move(h)]() mutable { h(Outcome::late); });
  }
  ~Waiter() override { leave(); }
};

CoreJournal::~CoreJournal() {
  while (first_ != nullptr) {  // only if stop() was forgotten: their frames must not reach us later
    first_->disarm();
    first_->leave();
  }
}

Result<Ticket> CoreJournal::append(net::Core& core, ByteView entry, Urgency urgency,
                                   Wakeup& wakeup) noexcept {
  if (closed_) return fail(Reason::shutting_down);
  if (core_ == nullptr) core_ = &core;
  const bool urgent = urgency == Urgency::now;
  switch (ring_.push(entry, urgent)) {
    case Ring::Push::ok: break;
    case Ring::Push::full: return fail(Reason::overloaded, "journal full");
    case Ring::Push::too_large: return fail(Reason::invalid_argument, "entry too large");
  }
  wakeup.notify(urgent || ring_.over_half());
  return Ticket{ring_.end()};
}

CoreJournal::Outcome CoreJournal::outcome(std::uint64_t position) const noexcept {
  return failed_.contains(position) ? Outcome::failed : Outcome::durable;
}

Result<void> CoreJournal::verdict(Outcome outcome) {
  switch (outcome) {
    case Outcome::durable: return {};
    case Outcome::failed: return fail(Reason::store_unavailable, "the entry's batch was rolled back");
    case Outcome::late: return fail(Reason::store_unavailable, "the entry was not durable in time");
    case Outcome::closed: return fail(Reason::shutting_down, "the store has stopped");
  }
  return fail(Reason::internal);
}

std::optional<Result<void>> CoreJournal::settled(Ticket ticket) const noexcept {
  if (ticket.position == 0 || ticket.position > ring_.end()) {
    return fail(Reason::internal, "not a ticket of this core");
  }
  if (ticket.position <= settled_to_) return verdict(outcome(ticket.position));
  if (closed_) return verdict(Outcome::closed);
  return std::nullopt;
}

net::Task<Result<void>> CoreJournal::durable(net::Core& core, Ticket ticket,
                                             std::chrono::milliseconds limit) {
  if (std::optional<Result<void>> known = settled(ticket)) co_return std::move(*known);
  Waiter waiter;
  waiter.position = ticket.position;
  auto start = [](auto handler, CoreJournal* journal, net::Core* on, Waiter* w,
                  std::chrono::milliseconds time) {
    w->handler.emplace(std::move(handler));
    w->enter(*journal);
    on->deadlines().arm(*w, time);
  };
  const Outcome end =
      co_await asio::async_initiate<const asio::use_awaitable_t<net::Executor>, void(Outcome)>(
          start, asio::use_awaitable_t<net::Executor>{}, this, &core, &waiter, limit);
  co_return verdict(end);
}

void CoreJournal::batch_ended(std::uint64_t to, bool committed) {
  const std::uint64_t from = ring_.tail();
  ring_.release(to);
  core_->post([this, from, to, committed] { settle(from, to, committed); });
}

void CoreJournal::close() {
  if (ring_.head() == 0) return;  // never used: nobody can wait
  core_->post([this] {
    closed_ = true;
    while (first_ != nullptr) {
      Waiter* w = first_;
      w->leave();
      w->disarm();
      w->resume(Outcome::closed);
    }
  });
}

// A resumed task may journal and wait again at once: it enters behind what is settled here.
void CoreJournal::settle(std::uint64_t from, std::uint64_t to, bool committed) {
  if (!committed) failed_.add(from, to);
  settled_to_ = to;
  // After a disk that hung there may be thousands: the first of them do not wait for the last.
  constexpr std::size_t kTurn = 128;
  for (;;) {
    std::size_t many = 0;
    for (const Waiter* w = first_; w != nullptr && w->position <= settled_to_ && many < kTurn; w = w->next) ++many;
    if (many == 0) return;
    core_->poller().turn(many, [this, many] {
      for (std::size_t i = 0; i < many && first_ != nullptr && first_->position <= settled_to_; ++i) {
        Waiter* w = first_;
        w->leave();
        w->disarm();
        w->resume(outcome(w->position));
      }
    });
  }
}

}  // namespace vestibule::store
