#include "store/wakeup.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace vestibule::store {

Wakeup::Wakeup() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Wakeup::~Wakeup() { ::close(fd_); }

// Of many producers the one that changes the mode pays for the system call.
void Wakeup::kick() noexcept {
  if (mode_.exchange(Mode::awake, std::memory_order_seq_cst) == Mode::awake) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(fd_, &one, sizeof one);
}

bool Wakeup::sleep(std::chrono::microseconds limit) noexcept {
  pollfd p{fd_, POLLIN, 0};
  timespec time{};
  if (limit.count() >= 0) {
    time.tv_sec = static_cast<time_t>(limit.count() / 1'000'000);
    time.tv_nsec = static_cast<long>(limit.count() % 1'000'000) * 1000;
  }
  const int ready = ::ppoll(&p, 1, limit.count() >= 0 ? &time : nullptr, nullptr);
  mode_.store(Mode::awake, std::memory_order_seq_cst);
  if (ready > 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto n = ::read(fd_, &count, sizeof count);
  }
  return ready > 0;
}

}  // namespace vestibule::store
