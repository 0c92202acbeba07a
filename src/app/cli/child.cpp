#include "app/cli/child.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/secret.hpp"

extern char** environ;  // NOLINT: POSIX

namespace vestibule::app::cli {
namespace {

constexpr int kPassed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};

sigset_t held() noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : kPassed) sigaddset(&set, s);
  sigaddset(&set, SIGCHLD);
  return set;
}

// Ctrl-C reaches the child by itself: the terminal sends it to the whole group, and twice would be wrong.
bool of_the_terminal(const siginfo_t& from) noexcept { return from.si_code == SI_KERNEL; }

}  // namespace

std::vector<std::string> environment_with(const Changes& changes) {
  std::vector<std::string> out;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string_view entry(*e);
    const std::string_view name = entry.substr(0, entry.find('='));
    const bool set = std::ranges::any_of(changes.set, [&](const auto& v) { return v.first == name; });
    const bool unset = std::ranges::any_of(changes.unset, [&](const auto& n) { return n == name; });
    if (!set && !unset) out.emplace_back(entry);
  }
  for (const auto& [name, value] : changes.set) out.push_back(name + "=" + value);
  return out;
}

void hold_signals() noexcept {
  ::signal(SIGCHLD, SIG_DFL);  // who ignores it hears of no child's end
  const sigset_t set = held();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void release_signals() noexcept {
  const sigset_t set = held();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Result<int> start_child(const std::vector<std::string>& command, std::vector<std::string> environment) {
  std::vector<char*> argv, envp;
  std::vector<std::string> words = command;
  for (std::string& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  for (std::string& e : environment) envp.push_back(e.data());
  envp.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);  // ignored by this program alone; what its caller ignores (nohup) stays so
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, argv[0], nullptr, &attributes, argv.data(), envp.data());
  ::posix_spawnattr_destroy(&attributes);
  for (std::string& e : environment) wipe(e);  // the token was among them
  if (error == 0) return child;
  return fail(error == ENOENT ? Reason::not_found : Reason::invalid_argument,
              "cannot run " + command.front() + ": " + std::strerror(error));
}

int wait_for(int child) noexcept {
  const sigset_t set = held();
  for (;;) {
    siginfo_t from{};
    const int signal = ::sigwaitinfo(&set, &from);
    if (signal < 0) continue;  // EINTR: stopped and continued
    if (signal != SIGCHLD) {
      if (!of_the_terminal(from)) ::kill(child, signal);
      continue;
    }
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) != child) continue;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
  }
}

}  // namespace vestibule::app::cli
