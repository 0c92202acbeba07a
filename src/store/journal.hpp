#pragma once
// The journal: a ring a core, and the tasks of that core that wait until their entry is durable.

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/core.hpp"
#include "store/database.hpp"
#include "store/ring.hpp"
#include "store/wakeup.hpp"

namespace vestibule::store {

/// Ranges of positions whose batches were rolled back, in order. Bounded: beyond kMax the two oldest
/// become one, so that a ticket between them fails although it was committed (deny when in doubt).
class FailedRanges {
 public:
  static constexpr std::size_t kMax = 64;
  /// (from, to]; to grows from call to call.
  void add(std::uint64_t from, std::uint64_t to);
  [[nodiscard]] bool contains(std::uint64_t position) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return ranges_.size(); }

 private:
  struct Range {
    std::uint64_t from, to;
  };
  std::vector<Range> ranges_;
};

/// One core's part. The writer touches the ring only; everything else belongs to the core.
class CoreJournal {
 public:
  explicit CoreJournal(std::size_t bytes) : ring_(bytes) {}
  CoreJournal(const CoreJournal&) = delete;
  CoreJournal& operator=(const CoreJournal&) = delete;
  ~CoreJournal();

  /// Core: see Database::journal() and durable().
  Result<Ticket> append(net::Core& core, ByteView entry, Urgency urgency, Wakeup& wakeup) noexcept;
  net::Task<Result<void>> durable(net::Core& core, Ticket ticket, std::chrono::milliseconds limit);
  [[nodiscard]] std::optional<Result<void>> settled(Ticket ticket) const noexcept;

  /// Writer: the batch with the entries up to `to` ended; releases them and tells the core, with one
  /// posted handler, however many wait.
  void batch_ended(std::uint64_t to, bool committed);
  /// Writer, last: nothing more will become durable.
  void close();
  [[nodiscard]] Ring& ring() noexcept { return ring_; }

 private:
  enum class Outcome { durable, failed, late, closed };
  struct Waiter;
  void settle(std::uint64_t from, std::uint64_t to, bool committed);
  [[nodiscard]] Outcome outcome(std::uint64_t position) const noexcept;
  static Result<void> verdict(Outcome outcome);

  Ring ring_;
  net::Core* core_ = nullptr;  // set before the first entry is published
  std::uint64_t settled_to_ = 0;
  bool closed_ = false;
  FailedRanges failed_;
  Waiter* first_ = nullptr;  // by position
  Waiter* last_ = nullptr;
};

}  // namespace vestibule::store
