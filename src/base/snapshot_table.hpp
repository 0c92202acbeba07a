#pragma once
// A read-mostly hash table: any core reads without a lock or a shared write, one thread writes.
//
// Entries are immutable; replacing one publishes a new pointer, and the old entry is freed once
// every reader has left the read section it was in (epoch-based reclamation). A reader copies what
// it needs out of the entry inside read() and keeps nothing across a co_await.

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/counters.hpp"

namespace vestibule {

/// Who is reading, by core slot. One for the process; tables share it.
class Epochs {
 public:
  static Epochs& instance();
  /// Marks the calling thread's slot as reading. Sections do not nest. Threads that are no core
  /// must use a slot of their own (set_core_slot) or be the writer. Builds without optimisation abort where they do not.
  void enter() noexcept {
#ifndef __OPTIMIZE__
    // The threads of the pool share a slot; of two sections that nest, leaving the inner one would give up the outer one's entry.
    if (core_slot() == kPoolSlot || std::exchange(inside(), true)) std::abort();
#endif
    slots_[core_slot()].seen.store(global_.load(std::memory_order_relaxed),
                                   std::memory_order_seq_cst);
  }
  void leave() noexcept {
#ifndef __OPTIMIZE__
    inside() = false;
#endif
    slots_[core_slot()].seen.store(0, std::memory_order_release);
  }
  /// Writer: opens a new epoch and returns its number. What was unlinked before may be freed once
  /// oldest() is at least this number.
  std::uint64_t advance() noexcept { return global_.fetch_add(1, std::memory_order_seq_cst) + 1; }
  [[nodiscard]] std::uint64_t oldest() const noexcept {
    std::uint64_t least = ~std::uint64_t{0};
    for (const auto& s : slots_) {
      const std::uint64_t seen = s.seen.load(std::memory_order_seq_cst);
      if (seen != 0 && seen < least) least = seen;
    }
    return least;
  }

 private:
#ifndef __OPTIMIZE__
  static bool& inside() noexcept {  // a section of the calling thread
    thread_local bool in = false;
    return in;
  }
#endif
  struct alignas(64) Slot { std::atomic<std::uint64_t> seen{0}; };
  std::array<Slot, kMaxCores> slots_;
  std::atomic<std::uint64_t> global_{1};
};

/// Key: trivially copyable with operator==. Hash: callable to size_t (keys here are random or
/// already hashed; an attacker who chooses keys must not choose this hash's input freely).
template <class Key, class Value, class Hash = std::hash<Key>>
class SnapshotTable {
 public:
  SnapshotTable() { array_.store(new Array(64), std::memory_order_release); }
  SnapshotTable(const SnapshotTable&) = delete;
  SnapshotTable& operator=(const SnapshotTable&) = delete;
  ~SnapshotTable() {
    Array* a = array_.load();
    for (auto& slot : a->slots) delete_entry(slot.load());
    delete a;
    for (auto& r : retired_) r.free();
  }

  /// Calls f(const Value&) if the key is there. Any thread with a core slot of its own. f must not
  /// block, suspend or read another table.
  template <class F>
  bool read(const Key& key, F&& f) const {
    Epochs& e = Epochs::instance();
    e.enter();
    const Array* a = array_.load(std::memory_order_acquire);
    bool found = false;
    for (std::size_t i = Hash{}(key);; ++i) {
      const Entry* entry = a->slots[i & a->mask].load(std::memory_order_acquire);
      if (entry == nullptr) break;
      if (entry != tombstone() && entry->key == key) {
        f(std::as_const(entry->value));
        found = true;
        break;
      }
    }
    e.leave();
    return found;
  }

  /// Writer thread only, as all below.
  void put(const Key& key, Value value) {
    auto* fresh = new Entry{key, std::move(value)};
    Array* a = array_.load(std::memory_order_relaxed);
    if ((used_ + 1) * 2 > a->slots.size()) a = grow(a);
    for (std::size_t i = Hash{}(key);; ++i) {
      auto& slot = a->slots[i & a->mask];
      Entry* old = slot.load(std::memory_order_relaxed);
      if (old == nullptr) {
        slot.store(fresh, std::memory_order_release);
        ++used_;
        ++live_;
        break;
      }
      if (old != tombstone() && old->key == key) {
        slot.store(fresh, std::memory_order_release);
        retire([old] { delete old; });
        break;
      }
    }
    collect();
  }

  void erase(const Key& key) {
    Array* a = array_.load(std::memory_order_relaxed);
    for (std::size_t i = Hash{}(key);; ++i) {
      auto& slot = a->slots[i & a->mask];
      Entry* old = slot.load(std::memory_order_relaxed);
      if (old == nullptr) return;
      if (old != tombstone() && old->key == key) {
        slot.store(tombstone(), std::memory_order_release);
        --live_;
        retire([old] { delete old; });
        collect();
        return;
      }
    }
  }

  /// Calls f(key, value) for each entry. Writer thread only.
  template <class F>
  void each(F&& f) const {
    const Array* a = array_.load(std::memory_order_relaxed);
    for (const auto& slot : a->slots) {
      const Entry* e = slot.load(std::memory_order_relaxed);
      if (e != nullptr && e != tombstone()) f(e->key, e->value);
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return live_; }

 private:
  struct Entry { Key key; Value value; };
  struct Array {
    explicit Array(std::size_t n) : slots(n), mask(n - 1) {}
    std::vector<std::atomic<Entry*>> slots;
    std::size_t mask;
  };
  struct Retired { std::uint64_t epoch; std::function<void()> free; };

  static Entry* tombstone() noexcept {
    alignas(Entry) static std::byte mark[sizeof(Entry)];
    return reinterpret_cast<Entry*>(mark);
  }
  static void delete_entry(Entry* e) {
    if (e != nullptr && e != tombstone()) delete e;
  }

  Array* grow(Array* old) {
    auto* bigger = new Array(std::bit_ceil(live_ * 4 + 64));
    used_ = live_;
    for (auto& slot : old->slots) {
      Entry* e = slot.load(std::memory_order_relaxed);
      if (e == nullptr || e == tombstone()) continue;
      for (std::size_t i = Hash{}(e->key);; ++i) {
        auto& to = bigger->slots[i & bigger->mask];
        if (to.load(std::memory_order_relaxed) == nullptr) {
          to.store(e, std::memory_order_relaxed);
          break;
        }
      }
    }
    array_.store(bigger, std::memory_order_release);
    retire([old] { delete old; });
    return bigger;
  }

  void retire(std::function<void()> free) {
    retired_.push_back({Epochs::instance().advance(), std::move(free)});
  }
  void collect() {
    if (retired_.size() < 64) return;
    const std::uint64_t oldest = Epochs::instance().oldest();
    std::erase_if(retired_, [&](const Retired& r) {
      if (r.epoch > oldest) return false;
      r.free();
      return true;
    });
  }

  std::atomic<Array*> array_{nullptr};
  std::size_t used_ = 0;  // slots that are not null, tombstones included
  std::size_t live_ = 0;
  std::vector<Retired> retired_;
};

}  // namespace vestibule
