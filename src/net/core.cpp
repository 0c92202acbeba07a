#include "net/core.hpp"

#include <latch>

#include "base/counters.hpp"
#include "net/blocking_pool.hpp"

namespace vestibule::net {
namespace {
thread_local Core* t_core = nullptr;
}

Core::Core(unsigned index, BlockingPool& names)
    : index_(index), context_(1), work_(context_.get_executor()), wheel_(context_), poller_(context_), names_(names) {}

Core* Core::current() noexcept { return t_core; }

void Core::run() {
  t_core = this;
  set_core_slot(index_ + 1);
  context_.run();
  t_core = nullptr;
}

Cores::Cores(unsigned n) : names_(std::make_unique<BlockingPool>(BlockingPool::Options{.threads = 2, .queue = 256})) {
  for (unsigned i = 0; i < n; ++i) cores_.push_back(std::make_unique<Core>(i, *names_));
}

// A lookup that is still under way posts to a core when it ends: the pool goes first.
Cores::~Cores() {
  stop();
  names_.reset();
}

void Cores::start() {
  for (auto& core : cores_) threads_.emplace_back([c = core.get()] { c->run(); });
}

void Cores::stop() {
  for (auto& core : cores_) {
    core->post([c = core.get()] {
      c->wheel_.stop();
      c->poller_.stop();
      c->work_.reset();
      c->context_.stop();
    });
  }
  for (auto& t : threads_) t.join();
  threads_.clear();
}

void Cores::on_each(const std::function<void(Core&)>& f) {
  std::latch done(static_cast<std::ptrdiff_t>(cores_.size()));
  for (auto& core : cores_) {
    core->post([&, c = core.get()] {
      f(*c);
      done.count_down();
    });
  }
  done.wait();
}

}  // namespace vestibule::net
