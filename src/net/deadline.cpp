#include "net/deadline.hpp"

#include <algorithm>

namespace vestibule::net {

namespace {
std::uint64_t ticks_since(std::chrono::steady_clock::time_point start) {
  return static_cast<std::uint64_t>((std::chrono::steady_clock::now() - start) / DeadlineWheel::kTick);
}
}  // namespace

void Deadline::disarm() noexcept {
  if (wheel_ != nullptr) wheel_->unlink(*this);
}

DeadlineWheel::DeadlineWheel(asio::io_context& context)
    : timer_(context), start_(std::chrono::steady_clock::now()) {}

DeadlineWheel::~DeadlineWheel() {
  for (List& l : slots_) {
    while (l.first != nullptr) unlink(*l.first);
  }
}

// While the timer sleeps the wheel has no idea of the time: the first arm sets it right.
void DeadlineWheel::arm(Deadline& d, std::chrono::milliseconds after) noexcept {
  if (stopped_) return;
  if (!running_) now_ = ticks_since(start_);
  const std::uint64_t when =
      now_ + 2 + static_cast<std::uint64_t>(std::max<std::int64_t>(after.count(), 0) / kTick.count());
  if (d.wheel_ == this && when >= d.tick_) {
    d.tick_ = when;  // stays in its old slot; on_tick() moves it on when that comes round
    return;
  }
  d.disarm();
  d.tick_ = when;
  link(d);
  if (!running_) schedule();
}

std::chrono::steady_clock::time_point DeadlineWheel::coarse_now() const noexcept {
  return running_ ? start_ + static_cast<std::int64_t>(now_) * kTick : std::chrono::steady_clock::now();
}

void DeadlineWheel::stop() noexcept {
  stopped_ = true;
  timer_.cancel();
}

void DeadlineWheel::link(Deadline& d) noexcept {
  d.wheel_ = this;
  d.slot_ = d.tick_ % kSlots;
  List& l = slots_[d.slot_];
  d.prev_ = nullptr;
  d.next_ = l.first;
  if (l.first != nullptr) l.first->prev_ = &d;
  l.first = &d;
  ++count_;
}

void DeadlineWheel::unlink(Deadline& d) noexcept {
  if (d.prev_ != nullptr) {
    d.prev_->next_ = d.next_;
  } else {
    slots_[d.slot_].first = d.next_;
  }
  if (d.next_ != nullptr) d.next_->prev_ = d.prev_;
  d.prev_ = d.next_ = nullptr;
  d.wheel_ = nullptr;
  --count_;
}

void DeadlineWheel::schedule() {
  running_ = true;
  timer_.expires_at(start_ + static_cast<std::int64_t>(now_ + 1) * kTick);
  timer_.async_wait([this](const ErrorCode& ec) {
    if (ec || stopped_) {
      running_ = false;
      return;
    }
    on_tick();
  });
}

void DeadlineWheel::on_tick() {
  const std::uint64_t target = ticks_since(start_);
  while (now_ < target) {
    ++now_;
    const std::size_t slot = now_ % kSlots;
    for (Deadline* d = slots_[slot].first; d != nullptr;) {
      if (d->tick_ <= now_) {
        unlink(*d);
        d->expired();
        d = slots_[slot].first;  // expired() may have changed the list: start over
      } else {
        Deadline* next = d->next_;
        if (d->tick_ % kSlots != slot) {  // was moved later while it sat here
          unlink(*d);
          link(*d);
        }
        d = next;
      }
    }
  }
  if (count_ > 0) {
    schedule();
  } else {
    running_ = false;
  }
}

}  // namespace vestibule::net
