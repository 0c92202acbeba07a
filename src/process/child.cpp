#include "process/child.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.hpp"
#include "net/listener.hpp"

namespace vestibule::process {

std::string_view name(State state) noexcept {
  switch (state) {
    case State::stopped: return "stopped";
    case State::starting: return "starting";
    case State::ready: return "ready";
    case State::waiting: return "waiting";
  }
  return "stopped";
}

Child::Child(net::Core& core, Options options)
    : core_(core), options_(std::move(options)), changed_(core), output_(core) {}

Child::~Child() {
  if (const pid_t p = pid(); p > 0) {
    ::kill(-p, SIGKILL);
    ::waitpid(p, nullptr, 0);
  }
}

net::Task<> Child::run() {
  running_ = true;
  std::chrono::milliseconds wait = options_.first_wait;
  while (!stopping_) {
    state_ = State::starting;
    Result<Started> started = start_confined(options_);
    if (!started) {
      log::error("cannot start the model server", {{"access_point", options_.name}, {"detail", started.error().detail}});
    } else {
      pid_ = started->pid;
      ++starts_;
      const auto since = std::chrono::steady_clock::now();
      log::info("model server started", {{"access_point", options_.name}, {"pid", started->pid},
                                         {"confined", started->confinement.landlock ? "landlock" : "uid"},
                                         {"user", started->confinement.other_user ? options_.user : "same"}});
      output_.spawn(watch_output(started->output));
      const bool ready = co_await wait_until_ready();
      if (ready) {
        state_ = State::ready;
        log::info("model server ready", {{"access_point", options_.name},
                                         {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - since).count()}});
      } else if (!stopping_) {
        log::error("the model server is not ready in time", {{"access_point", options_.name}});
        ::kill(-started->pid, SIGKILL);
      }
      const int status = co_await wait_until_gone();
      pid_ = -1;
      // Whatever inherited the pipe must not hold up the next start: after a second it is closed.
      for (int i = 0; i < 10 && output_.running() > 0; ++i) co_await net::sleep_for(core_, std::chrono::milliseconds(100));
      if (close_output_) close_output_();
      co_await output_.join();
      if (!stopping_) {
        log::error("the model server has ended", {{"access_point", options_.name},
                                                  {"status", WIFEXITED(status) ? WEXITSTATUS(status) : -1},
                                                  {"signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0}});
      }
      if (std::chrono::steady_clock::now() - since > std::chrono::minutes(1)) wait = options_.first_wait;
    }
    if (stopping_) break;
    state_ = State::waiting;
    co_await changed_.wait(wait);
    wait = std::min(wait * 2, options_.most_wait);
  }
  state_ = State::stopped;
  running_ = false;
  changed_.notify_all();
}

net::Task<bool> Child::wait_until_ready() {
  const auto end = std::chrono::steady_clock::now() + options_.ready;
  net::Address address;
  address.path = options_.socket;
  while (!stopping_ && std::chrono::steady_clock::now() < end) {
    siginfo_t gone{};
    if (::waitid(P_PID, static_cast<id_t>(pid_.load()), &gone, WEXITED | WNOHANG | WNOWAIT) != 0 || gone.si_pid != 0) co_return false;
    const Result<net::Socket> socket = co_await net::connect(core_, address, std::chrono::milliseconds(1000));
    if (socket) co_return true;
    co_await changed_.wait(std::chrono::milliseconds(100));
  }
  co_return false;
}

// Looking ten times a second costs nothing and needs no signal handler.
net::Task<int> Child::wait_until_gone() {
  for (;;) {
    siginfo_t gone{};
    const bool looked = ::waitid(P_PID, static_cast<id_t>(pid_.load()), &gone, WEXITED | WNOHANG | WNOWAIT) == 0;
    if (!looked || gone.si_pid != 0) {
      // Its own children go with it, or they would hold its output open. Before it is reaped, so
      // that the group's number cannot be somebody else's.
      if (looked) ::kill(-pid_, SIGKILL);
      int status = 0;
      co_return ::waitpid(pid_, &status, 0) > 0 ? status : -1;
    }
    co_await net::sleep_for(core_, std::chrono::milliseconds(100));
  }
}

net::Task<> Child::stop() {
  stopping_ = true;
  changed_.notify_all();
  if (const pid_t p = pid(); p > 0) ::kill(-p, SIGTERM);
  const auto end = std::chrono::steady_clock::now() + options_.grace;
  while (running_) {
    co_await changed_.wait(std::chrono::milliseconds(200));
    if (const pid_t p = pid(); p > 0 && std::chrono::steady_clock::now() > end) ::kill(-p, SIGKILL);
  }
}

// Lines of the child's output, cut at 512 bytes, at most 50 a second, without control characters: it is
// not trusted. Until it is ready they are what explains why it is not.
net::Task<> Child::watch_output(int fd) {
  net::asio::posix::basic_stream_descriptor<net::Executor> in(core_.executor(), fd);
  close_output_ = [&in] {
    net::ErrorCode ignored;
    in.close(ignored);
  };
  std::array<char, 4096> buffer;
  std::string line;
  auto window = std::chrono::steady_clock::now();
  int lines = 0;
  int dropped = 0;
  for (;;) {
    auto [ec, n] = co_await in.async_read_some(net::asio::buffer(buffer), net::use_task);
    if (ec) break;
    for (const char c : std::string_view(buffer.data(), n)) {
      if (c != '\n') {
        const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        if (line.size() < 512) line.push_back(control ? ' ' : c);
        continue;
      }
      const auto now = std::chrono::steady_clock::now();
      if (now - window > std::chrono::seconds(1)) {
        if (dropped > 0) log::info("model server wrote more than is logged", {{"access_point", options_.name}, {"lines", dropped}});
        window = now;
        lines = dropped = 0;
      }
      if (++lines <= 50) {
        log_line(line);
      } else {
        ++dropped;
      }
      line.clear();
    }
  }
  if (!line.empty()) log_line(line);
  close_output_ = nullptr;
}

void Child::log_line(std::string_view line) const {
  if (state() == State::starting) {
    log::info("model server", {{"access_point", options_.name}, {"line", line}});
  } else {
    log::debug("model server", {{"access_point", options_.name}, {"line", line}});
  }
}

}  // namespace vestibule::process
