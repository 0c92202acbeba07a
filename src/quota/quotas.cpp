#include "quota/quotas.hpp"

#include <cstring>

#include "base/counters.hpp"

namespace vestibule::quota {
namespace {

Counter g_buckets("vestibule_quota_buckets", "Buckets of quotas in memory.");

constexpr Nanoseconds kLookAgain = 1'000'000'000;

void mix(std::uint64_t& h, std::uint64_t v) noexcept {
  h ^= v;
  h *= 0x9E3779B97F4A7C15ULL;
  h ^= h >> 29U;
}

}  // namespace

std::size_t KeyHash::operator()(const Key& key) const noexcept {
  std::uint64_t h = seed;
  mix(h, key.quota);
  std::uint64_t words[2];
  static_assert(sizeof words == sizeof key.user.bytes);
  std::memcpy(words, key.user.bytes.data(), sizeof words);
  mix(h, words[0]);
  mix(h, words[1]);
  std::string_view rest = key.name.view();
  mix(h, rest.size());
  while (!rest.empty()) {
    std::uint64_t word = 0;
    const std::size_t n = std::min(rest.size(), sizeof word);
    std::memcpy(&word, rest.data(), n);
    mix(h, word);
    rest.remove_prefix(n);
  }
  return h;
}

std::uint32_t Bucket::take_seats(std::uint32_t most) noexcept {
  std::uint32_t taken = seats.load(std::memory_order_relaxed);
  for (;;) {
    if (taken >= most_seats) return 0;
    const std::uint32_t n = std::min(most, most_seats - taken);
    if (seats.compare_exchange_weak(taken, taken + n, std::memory_order_relaxed)) return n;
  }
}

Quotas::Quotas(unsigned cores, std::uint64_t seed, Options options)
    : cores_(cores), seed_(seed), options_(options), buckets_(0, KeyHash{seed}) {}

Quotas::~Quotas() { g_buckets.add(-static_cast<std::int64_t>(buckets_.size())); }

std::shared_ptr<Bucket> Quotas::find(const Key& key, const domain::Quota& quota, Nanoseconds now) {
  const std::lock_guard lock(mutex_);
  if (const auto at = buckets_.find(key); at != buckets_.end()) return at->second;
  if (buckets_.size() >= options_.max_buckets) {
    // Not at each try: who is turned away may come again at once.
    if (now - dropped_ < kLookAgain) return nullptr;
    drop_idle(now);
    if (buckets_.size() >= options_.max_buckets) return nullptr;
  }
  g_buckets.add();
  return buckets_.emplace(key, std::make_shared<Bucket>(quota, cores_)).first->second;
}

void Quotas::sweep(BootTime now) {
  const std::lock_guard lock(mutex_);
  drop_idle(since_boot(now));
}

void Quotas::drop_idle(Nanoseconds now) {
  dropped_ = now;
  // Whoever else holds one got it under this lock.
  const std::size_t gone = std::erase_if(
      buckets_, [now](const auto& entry) { return entry.second.use_count() == 1 && entry.second->idle(now); });
  g_buckets.add(-static_cast<std::int64_t>(gone));
}

std::size_t Quotas::size() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

}  // namespace vestibule::quota
