#pragma once
// Records of completions whose batch has not committed yet, as they were journaled: should the journal
// be full or the batch be rolled back, the same bytes are journaled again.

#include <cstdint>
#include <vector>

#include "audit/log.hpp"

namespace vestibule::gate {

/// In the order in which they were added; one core's. The bytes lie in a row and are used again: on the
/// path of a request nothing is allocated, and little memory is touched.
class Completions {
 public:
  struct Entry {
    audit::Ticket ticket;  ///< none yet: position 0
    std::size_t from = 0, size = 0;
  };
  void add(audit::Ticket ticket, ByteView record) {
    entries_.push_back({ticket, bytes_.size(), record.size()});
    bytes_.insert(bytes_.end(), record.begin(), record.end());
  }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] const Entry& operator[](std::size_t i) const noexcept { return entries_[i]; }
  [[nodiscard]] ByteView record(const Entry& e) const noexcept { return ByteView(bytes_).subspan(e.from, e.size); }
  /// Adds those of `other` from number `i` on.
  void take(const Completions& other, std::size_t i) {
    for (; i < other.size(); ++i) add(other[i].ticket, other.record(other[i]));
  }
  void clear() noexcept {
    entries_.clear();
    bytes_.clear();
  }

 private:
  std::vector<Entry> entries_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace vestibule::gate
