#pragma once
// What the jobs of a batch want to be told and logged once it commits. A job that fails takes its
// part back.

#include <vector>

#include "store/database.hpp"

namespace vestibule::store {

/// Used on the writer thread only; its buffers are kept from batch to batch.
class Effects {
 public:
  struct Mark {
    std::size_t changes, entries, bytes, erasures;
  };
  [[nodiscard]] Mark mark() const noexcept { return {changes_.size(), ends_.size(), journal_.size(), erasures_}; }
  void take_back(const Mark& m) {
    changes_.resize(m.changes);
    ends_.resize(m.entries);
    journal_.resize(m.bytes);
    erasures_ = m.erasures;
  }
  void clear() { take_back({0, 0, 0, 0}); }

  void changed(std::string_view topic, ByteView key) {
    changes_.push_back({0, std::string(topic), Bytes(key.begin(), key.end())});
  }
  void journal(ByteView entry) {
    journal_.insert(journal_.end(), entry.begin(), entry.end());
    ends_.push_back(journal_.size());
  }
  void erased() noexcept { ++erasures_; }
  [[nodiscard]] bool erases() const noexcept { return erasures_ > 0; }
  [[nodiscard]] std::vector<Change>& changes() noexcept { return changes_; }
  /// Views that die with the next journal() or clear().
  void collect(std::vector<ByteView>& out) const {
    std::size_t from = 0;
    for (const std::size_t end : ends_) {
      out.push_back(ByteView(journal_).subspan(from, end - from));
      from = end;
    }
  }

 private:
  std::vector<Change> changes_;
  Bytes journal_;
  std::vector<std::size_t> ends_;
  std::size_t erasures_ = 0;
};

}  // namespace vestibule::store
