#pragma once
// Child programs: model servers, and the bridges to tool servers. Started, confined, watched, restarted.

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "net/signal.hpp"
#include "net/task_group.hpp"

namespace vestibule::process {

enum class State : std::uint8_t { stopped, starting, ready, waiting };  ///< waiting: for the next try
[[nodiscard]] std::string_view name(State state) noexcept;

struct Options {
  std::string name;                                  ///< for the log
  std::vector<std::string> command;                  ///< argv; the first is an absolute path
  std::vector<std::pair<std::string, std::string>> environment;  ///< all that the child gets
  std::filesystem::path socket;                      ///< where it will listen; its folder is made, 0700
  std::vector<std::filesystem::path> readable;       ///< besides the system's and the command's folder
  std::vector<std::filesystem::path> writable;       ///< folders that it may read and write; nothing in them is run
  std::vector<std::filesystem::path> hidden;         ///< the gateway's state and keys: must stay unreadable
  std::string user = "nobody";                       ///< whom it runs as when the gateway is root
  std::chrono::milliseconds ready{60'000};           ///< until it accepts on its socket
  std::chrono::milliseconds first_wait{500};         ///< before the first restart; doubles
  std::chrono::milliseconds most_wait{30'000};
  std::chrono::milliseconds grace{5'000};            ///< between SIGTERM and SIGKILL
};

/// How a child is kept from the gateway's files. At least one of the two, or it is not started.
struct Confinement {
  bool other_user = false;  ///< runs under another uid
  bool landlock = false;    ///< sees only what it needs (Linux 5.13), no TCP (6.7)
};

/// One program. Lives on one core; state() from any thread. Besides: empty environment plus what is
/// listed, no inherited descriptors, no new privileges, no capabilities, its own process group, killed
/// when the gateway dies.
class Child {
 public:
  Child(net::Core& core, Options options);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Starts it, and again whenever it ends, until stop(). What it writes goes to the log.
  net::Task<> run();
  /// SIGTERM, then SIGKILL; returns when it is gone and run() has ended.
  net::Task<> stop();

  [[nodiscard]] State state() const noexcept { return state_.load(std::memory_order_relaxed); }
  [[nodiscard]] int starts() const noexcept { return starts_.load(std::memory_order_relaxed); }
  [[nodiscard]] pid_t pid() const noexcept { return pid_.load(std::memory_order_relaxed); }
  [[nodiscard]] const Options& options() const noexcept { return options_; }

 private:
  net::Task<> watch_output(int fd);
  void log_line(std::string_view line) const;
  net::Task<bool> wait_until_ready();
  net::Task<int> wait_until_gone();

  net::Core& core_;
  Options options_;
  net::Signal changed_;
  net::TaskGroup output_;
  std::function<void()> close_output_;  // while the child's output is watched
  std::atomic<State> state_{State::stopped};
  std::atomic<int> starts_{0};
  std::atomic<pid_t> pid_{-1};
  bool stopping_ = false;
  bool running_ = false;
};

struct Started {
  pid_t pid = -1;
  int output = -1;  ///< read end of the pipe behind its standard output and error
  Confinement confinement;
};
/// Forks and executes. Blocking, short. config_invalid with what to do if the command cannot be run or
/// cannot be confined.
Result<Started> start_confined(const Options& options);

}  // namespace vestibule::process
