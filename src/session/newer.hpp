#pragma once
// What memory knows better than the rows: any core adds to it, the writer takes all of it and stores it. Private to the room.

#include <atomic>
#include <memory>
#include <vector>

namespace vestibule::session {

/// What may stand in a list of these, once at a time.
template <class T>
struct Listed : std::enable_shared_from_this<T> {
  std::atomic<bool> listed{false};
  std::shared_ptr<T> self;  // while it is listed: whoever takes it finds it alive
  T* next = nullptr;
};

/// No lock, and nothing is allocated to add: so that storing looks at what is new and not at all that there is.
template <class T>
class Newer {
 public:
  Newer() = default;
  Newer(const Newer&) = delete;
  Newer& operator=(const Newer&) = delete;
  ~Newer() { static_cast<void>(take()); }

  /// Any core. What was written to it before is seen by whoever takes it.
  void add(T& one) noexcept {
    if (one.listed.exchange(true, std::memory_order_acq_rel)) return;
    one.self = one.shared_from_this();
    one.next = head_.load(std::memory_order_relaxed);
    while (!head_.compare_exchange_weak(one.next, &one, std::memory_order_release, std::memory_order_relaxed)) {}
  }
  /// The writer alone.
  [[nodiscard]] std::vector<std::shared_ptr<T>> take() {
    std::vector<std::shared_ptr<T>> out;
    T* at = head_.exchange(nullptr, std::memory_order_acquire);
    while (at != nullptr) {
      out.push_back(std::move(at->self));
      at = at->next;
      out.back()->listed.exchange(false, std::memory_order_acq_rel);  // from here on others may list it again
    }
    return out;
  }

 private:
  std::atomic<T*> head_{nullptr};
};

}  // namespace vestibule::session
