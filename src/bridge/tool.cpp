#include "bridge/tool.hpp"

#include <boost/asio/write.hpp>
#include <signal.h>
#include <sys/wait.h>

#include "base/log.hpp"
#include "bridge/message.hpp"

namespace vestibule::bridge {
namespace {

using namespace std::chrono_literals;
constexpr std::chrono::milliseconds kWrite = 60s;    // a program that reads nothing
constexpr std::chrono::milliseconds kAsked = 500ms;  // from the end of its input to SIGTERM
constexpr std::chrono::milliseconds kKilled = 2s;    // ... and to SIGKILL
constexpr std::chrono::milliseconds kLook = 100ms;

}  // namespace

Tool::Tool(net::Core& core, Started started)
    : core_(core),
      pid_(started.pid),
      to_(core.executor(), started.to),
      from_(core.executor(), started.from),
      lines_(kMaxMessage),
      turn_(core),
      changed_(core) {}

Tool::~Tool() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  reap();
}

net::Task<std::optional<std::string>> Tool::read_line() {
  std::array<char, 65'536> buffer;
  for (;;) {
    if (ended_) co_return std::nullopt;
    std::optional<std::string> line = lines_.next();
    if (line) co_return line;
    if (lines_.too_long()) {
      log::error("the tool server wrote a line that is too long, and is ended", {{"pid", pid_}, {"limit", kMaxMessage}});
      end();
      co_return std::nullopt;
    }
    auto [ec, n] = co_await from_.async_read_some(net::asio::buffer(buffer), net::use_task);
    if (ec) co_return std::nullopt;
    lines_.add({buffer.data(), n});
  }
}

net::Task<bool> Tool::write_line(std::string line) {
  line.push_back('\n');
  ++waiting_;
  while (writing_ && !ended_) co_await turn_.wait();
  --waiting_;
  if (ended_) co_return false;
  writing_ = true;
  Limit limit(*this);
  core_.deadlines().arm(limit, kWrite);
  auto [ec, n] = co_await net::asio::async_write(to_, net::asio::buffer(line), net::use_task);
  writing_ = false;
  if (ec) end();
  turn_.notify_all();
  co_return !ec && !ended_;
}

void Tool::end() noexcept {
  if (ended_) return;
  ended_ = true;
  net::ErrorCode ignored;
  to_.close(ignored);
  from_.close(ignored);
  turn_.notify_all();
  changed_.notify_all();
}

bool Tool::exited() const noexcept {
  siginfo_t gone{};
  const bool looked = ::waitid(P_PID, static_cast<id_t>(pid_), &gone, WEXITED | WNOHANG | WNOWAIT) == 0;
  return !looked || gone.si_pid != 0;
}

// What it has started goes with it, before its number can be somebody else's.
void Tool::reap() noexcept {
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

net::Task<> Tool::gone() {
  while (!ended_ && !exited()) co_await changed_.wait(kLook);
  const auto since = std::chrono::steady_clock::now();
  bool asked = false;
  while (!exited()) {
    const auto waited = std::chrono::steady_clock::now() - since;
    if (waited > kKilled) {
      ::kill(-pid_, SIGKILL);
    } else if (waited > kAsked && !asked) {
      asked = true;
      ::kill(-pid_, SIGTERM);
    }
    co_await net::sleep_for(core_, kLook);
  }
  reap();
  // What it wrote last is read yet; whoever else holds its output is not waited for.
  if (!ended_) co_await changed_.wait(1s);
  end();
}

}  // namespace vestibule::bridge
