// The process around a bridge.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "base/log.hpp"
#include "bridge/bridge.hpp"

namespace vestibule::bridge {
namespace {

using namespace std::chrono_literals;

// Started once and ended again: a command that cannot be run, or that ends by itself although its input is
// open, is told at once, not at the first session.
Result<void> try_out(const std::vector<std::string>& command) {
  const Result<Started> started = start_tool(command);
  if (!started) return started.error();
  int status = 0;
  bool ended = false;
  for (int i = 0; i < 30 && !ended; ++i) {
    std::this_thread::sleep_for(10ms);
    siginfo_t gone{};
    ended = ::waitid(P_PID, static_cast<id_t>(started->pid), &gone, WEXITED | WNOHANG | WNOWAIT) != 0 || gone.si_pid != 0;
  }
  ::close(started->to);
  ::close(started->from);
  ::kill(-started->pid, SIGKILL);
  ::waitpid(started->pid, &status, 0);
  if (!ended || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return {};
  // What env and the shell say of a program that they do not find.
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  const bool missing = code == 126 || code == 127;
  return fail(Reason::config_invalid, command.front() + " ended at once with status " + std::to_string(code) + ": " +
                                          (missing ? "a program that it needs is missing or may not be run"
                                                   : "what it has written before this line may say why; it may lack a file (spawn_readable)"));
}

}  // namespace

int run(Options options) {
  if (options.gateway < 0) options.gateway = ::getppid();
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGTERM, SIGINT}) sigaddset(&set, s);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  if (const Result<void> r = try_out(options.command); !r) {
    log::error("cannot run the tool server", {{"detail", r.error().detail}});
    return 127;
  }
  net::Cores cores(1);
  Bridge bridge(cores.at(0), std::move(options));
  if (const Result<void> r = bridge.listen(); !r) {
    log::error("cannot serve the tool server", {{"detail", r.error().detail}});
    return 1;
  }
  cores.start();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  std::promise<void> done;
  cores.at(0).post([&] {
    net::asio::co_spawn(cores.at(0).executor(), bridge.stop(), [&](std::exception_ptr) { done.set_value(); });
  });
  done.get_future().wait();
  cores.stop();
  return 0;
}

}  // namespace vestibule::bridge
