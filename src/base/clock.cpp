#include "base/clock.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace vestibule {
namespace {

Duration read_clock(clockid_t id) noexcept {
  timespec ts{};
  clock_gettime(id, &ts);
  return std::chrono::duration_cast<Duration>(std::chrono::seconds(ts.tv_sec) +
                                              std::chrono::nanoseconds(ts.tv_nsec));
}

constexpr Duration kTolerated = std::chrono::seconds(5);

}  // namespace

WallTime SystemClock::wall() const noexcept { return WallTime(read_clock(CLOCK_REALTIME)); }
BootTime SystemClock::boot() const noexcept { return BootTime(read_clock(CLOCK_BOOTTIME)); }

bool SystemClock::trusted() const noexcept { return now().trusted; }

Instant SystemClock::now() const noexcept {
  const WallTime utc = wall();
  return {utc, boot(), utc + kTolerated >= mark()};
}

WallTime coarse_wall() noexcept { return WallTime(read_clock(CLOCK_REALTIME_COARSE)); }

void SystemClock::raise_mark(WallTime mark) noexcept {
  const std::int64_t wanted = mark.time_since_epoch().count();
  std::int64_t seen = mark_.load(std::memory_order_relaxed);
  while (seen < wanted && !mark_.compare_exchange_weak(seen, wanted, std::memory_order_relaxed)) {
  }
}

void SystemRng::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::fputs("getrandom failed: no randomness, no service\n", stderr);
      std::abort();
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void CountingRng::fill(std::span<std::uint8_t> out) {
  for (auto& byte : out) {
    // splitmix64, one step a byte
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    byte = static_cast<std::uint8_t>(z >> 56U);
  }
}

std::string rfc3339(WallTime time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
  return text;
}

}  // namespace vestibule
