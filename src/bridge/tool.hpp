#pragma once
// A tool server: a program that speaks MCP on its standard input and output, one message a line.

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "bridge/lines.hpp"
#include "net/signal.hpp"

namespace vestibule::bridge {

/// What a started program is held by. Whoever takes it closes the descriptors and reaps the process.
struct Started {
  pid_t pid = -1;
  int to = -1;    ///< its standard input
  int from = -1;  ///< its standard output
};

/// Forks and executes, with the environment of this process; standard error is shared. It inherits this
/// process's confinement and gets some more: a process group of its own, no descriptors but its three, no
/// sockets (the kernel's Landlock may know nothing of the net), a Landlock domain of its own (so that it
/// can neither trace nor, from Linux 6.12 on, signal this process or another session's server); it dies
/// with this process. Blocking, short. config_invalid with what to do if it cannot be executed.
Result<Started> start_tool(const std::vector<std::string>& command);

/// A running one. On one core; whoever owns it awaits gone() before destruction, or the process is killed
/// there and then.
class Tool {
 public:
  Tool(net::Core& core, Started started);
  ~Tool();
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;

  /// The next line it writes; nothing once it has ended, was ended, or has written a line that is too
  /// long. One reader.
  net::Task<std::optional<std::string>> read_line();
  /// Lines go out whole and one after the other. False once that is no longer so: a program that takes
  /// nothing for a minute is ended, as half a line may have reached it.
  net::Task<bool> write_line(std::string line);
  /// Lines that wait to be written.
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }

  /// Its input ends, and nothing more is read. A program that stays is asked (SIGTERM), then killed with
  /// all of its group: see gone().
  void end() noexcept;
  /// Watches the process until it has ended; after end() sees to it that it does. Reaps it.
  net::Task<> gone();
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  using Pipe = net::asio::posix::basic_stream_descriptor<net::Executor>;
  struct Limit final : net::Deadline {
    explicit Limit(Tool& t) : tool(t) {}
    void expired() noexcept override { tool.end(); }
    Tool& tool;
  };
  [[nodiscard]] bool exited() const noexcept;
  void reap() noexcept;

  net::Core& core_;
  pid_t pid_;
  Pipe to_;
  Pipe from_;
  Lines lines_;
  net::Signal turn_;     // to write
  net::Signal changed_;  // ended
  std::size_t waiting_ = 0;
  bool writing_ = false;
  bool ended_ = false;
};

}  // namespace vestibule::bridge
