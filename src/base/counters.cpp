#include "base/counters.hpp"

#include <algorithm>
#include <mutex>
#include <tuple>

namespace vestibule {
namespace {

thread_local unsigned t_slot = 0;

struct Registry {
  std::mutex mutex;
  std::vector<Counter*> all;
};
Registry& registry() {
  static Registry r;
  return r;
}

}  // namespace

unsigned core_slot() noexcept { return t_slot; }
void set_core_slot(unsigned slot) noexcept { t_slot = slot % kMaxCores; }

Counter::Counter(std::string_view name, std::string_view help, std::string_view labels)
    : name_(name), help_(help), labels_(labels) {
  const std::lock_guard lock(registry().mutex);
  registry().all.push_back(this);
}

Counter::~Counter() {
  const std::lock_guard lock(registry().mutex);
  std::erase(registry().all, this);
}

std::int64_t Counter::total() const noexcept {
  std::int64_t sum = 0;
  for (const Slot& s : slots_) sum += s.n.load(std::memory_order_relaxed);
  return sum;
}

std::string write_prometheus() {
  const std::lock_guard lock(registry().mutex);
  std::vector<Counter*> all = registry().all;
  std::sort(all.begin(), all.end(), [](const Counter* a, const Counter* b) {
    return std::tie(a->name_, a->labels_) < std::tie(b->name_, b->labels_);
  });
  std::string out;
  std::string_view last;
  for (const Counter* c : all) {
    if (c->name_ != last) {
      out.append("# HELP ").append(c->name_).append(" ").append(c->help_).append("\n# TYPE ");
      const bool counter = c->name_.ends_with("_total");
      out.append(c->name_).append(counter ? " counter\n" : " gauge\n");
      last = c->name_;
    }
    out.append(c->name_);
    if (!c->labels_.empty()) out.append("{").append(c->labels_).append("}");
    out.append(" ").append(std::to_string(c->total())).append("\n");
  }
  return out;
}

}  // namespace vestibule
