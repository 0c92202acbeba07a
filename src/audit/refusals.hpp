#pragma once
// Unauthenticated refusals, added up by source and minute, so that who knocks all day fills no
// disk. One table a core: only that core touches it, nothing is locked. Bounded in memory and in
// records.

#include <array>
#include <cstdint>

#include "domain/act.hpp"

namespace vestibule::audit {

class RefusalTable {
 public:
  static constexpr std::size_t kRows = 4096;

  struct Row {
    domain::Source source;    ///< of IPv6 the /64, as one subscriber has a whole one
    std::int64_t minute = 0;  ///< since 1970
    Reason reason{};
    domain::InlineText<96> access_point;
    std::uint32_t count = 0;
    bool shared = false;  ///< the row of all that found no place: source and access point are empty
  };

  /// The seed keeps sources that attackers choose from falling into one chain.
  explicit RefusalTable(std::uint64_t seed) noexcept : seed_(seed) {}

  void add(const domain::Source& source, std::int64_t minute, Reason reason,
           std::string_view access_point) noexcept;

  /// Calls write(row) -> bool for each row of a minute before `before` and drops what was written;
  /// the first false stops, and the rest stays for the next time.
  template <class F>
  void flush(std::int64_t before, F write) {
    std::size_t kept = 0;
    bool stopped = false;
    for (std::size_t i = 0; i < size_; ++i) {
      if (!stopped && rows_[i].minute < before) {
        if (write(rows_[i])) continue;
        stopped = true;
      }
      if (kept != i) rows_[kept] = rows_[i];
      ++kept;
    }
    if (!stopped && shared_.count > 0 && shared_.minute < before && write(shared_)) shared_ = {};
    if (kept != size_) reindex(kept);
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_ + (shared_.count > 0 ? 1 : 0); }

 private:
  static constexpr std::size_t kSlots = 2 * kRows;
  [[nodiscard]] std::size_t slot_of(const Row& row) const noexcept;
  void reindex(std::size_t size) noexcept;

  std::uint64_t seed_;
  std::size_t size_ = 0;
  Row shared_;
  std::array<std::uint16_t, kSlots> slots_{};  // index into rows_ plus 1; 0: free
  std::array<Row, kRows> rows_;
};

}  // namespace vestibule::audit
