#pragma once
// All buckets of the process, one for each quota and each of those whom it counts apart. In memory only:
// a restart fills them.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/id.hpp"
#include "domain/subject.hpp"
#include "quota/meter.hpp"

namespace vestibule::quota {

struct Options {
  std::size_t max_buckets = 65'536;  ///< when none of so many is idle, whom a new one would count is not let in
};

/// Whose bucket of which quota.
struct Key {
  std::uint64_t quota = 0;
  UserId user{};                ///< nil: of all
  domain::Via name;  ///< the credential's or the access point's; may be empty
  bool operator==(const Key&) const noexcept = default;
};
/// Seeded: who chooses names of keys cannot have them fall into one chain.
struct KeyHash {
  std::uint64_t seed = 0;
  [[nodiscard]] std::size_t operator()(const Key& key) const noexcept;
};

/// Shared by all cores, without a lock.
struct Bucket {
  Bucket(const domain::Quota& quota, unsigned cores) noexcept
      : request_terms(quota.requests, cores), token_terms(quota.tokens, cores), most_seats(quota.streams),
        seat_lease(quota.streams == 0 ? 0 : static_cast<std::uint32_t>(Terms::lease_of(quota.streams, cores))) {}
  const Terms request_terms, token_terms;
  const std::uint32_t most_seats, seat_lease;
  Meter requests, tokens;
  std::atomic<std::uint32_t> seats{0};          ///< taken
  std::atomic<Nanoseconds> noted_until{0};      ///< a refusal of this user stands in the log
  std::atomic<std::uint32_t> unrecorded{0};     ///< refusals since

  [[nodiscard]] std::uint32_t take_seats(std::uint32_t most) noexcept;
  void give_back_seats(std::uint32_t n) noexcept { seats.fetch_sub(n, std::memory_order_relaxed); }
  /// A new one would be the same.
  [[nodiscard]] bool idle(Nanoseconds now) const noexcept {
    return requests.full(now) && tokens.full(now) && seats.load(std::memory_order_relaxed) == 0 &&
           noted_until.load(std::memory_order_relaxed) <= now;
  }
};

/// Owned by the gate. Thread-safe; its lock is taken only where a core meets a bucket for the first
/// time, and by the sweep.
class Quotas {
 public:
  Quotas(unsigned cores, std::uint64_t seed, Options options);
  Quotas(const Quotas&) = delete;
  Quotas& operator=(const Quotas&) = delete;
  ~Quotas();

  /// Null if there are too many.
  [[nodiscard]] std::shared_ptr<Bucket> find(const Key& key, const domain::Quota& quota, Nanoseconds now);
  /// Forgets what nobody holds and a new bucket would not differ from.
  void sweep(BootTime now);
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

 private:
  void drop_idle(Nanoseconds now);  // under mutex_

  const unsigned cores_;
  const std::uint64_t seed_;
  const Options options_;
  mutable std::mutex mutex_;
  std::unordered_map<Key, std::shared_ptr<Bucket>, KeyHash> buckets_;
  Nanoseconds dropped_ = 0;  // when idle ones were last looked for
};

}  // namespace vestibule::quota
