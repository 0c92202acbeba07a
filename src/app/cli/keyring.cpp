#include "app/cli/keyring.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <vector>

extern char** environ;  // NOLINT: POSIX

namespace vestibule::app::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMost = std::size_t{64} << 10U;
constexpr std::chrono::seconds kProbe{3};
constexpr std::chrono::seconds kPerson{120};  // who may have to type the keyring's password

struct Ran {
  int status = -1;  // of its exit; -1: it did not run, or was ended
  Secret out;
  bool complained = false;  // on standard error: "not found" is silent
};

class Pipe {
 public:
  Pipe() { made_ = ::pipe2(fds_, O_CLOEXEC) == 0; }
  ~Pipe() {
    shut(0);
    shut(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  [[nodiscard]] bool made() const noexcept { return made_; }
  [[nodiscard]] int end(int which) const noexcept { return fds_[which]; }
  void shut(int which) noexcept {
    if (fds_[which] >= 0) ::close(fds_[which]);
    fds_[which] = -1;
  }

 private:
  int fds_[2] = {-1, -1};
  bool made_ = false;
};

Ran run(std::vector<std::string> words, std::string_view input, std::chrono::seconds limit) {
  Ran ran;
  Pipe in, out, err;
  if (!in.made() || !out.made() || !err.made()) return ran;
  std::vector<char*> argv;
  for (std::string& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, in.end(0), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, out.end(1), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, err.end(1), STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, argv[0], &files, &attributes, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return ran;
  in.shut(0);
  out.shut(1);
  err.shut(1);
  ::fcntl(in.end(1), F_SETFL, O_NONBLOCK);

  std::string text(kMost, '\0');  // of one size: no copy is left behind by growing
  std::size_t size = 0;
  if (input.empty()) in.shut(1);
  const Clock::time_point until = Clock::now() + limit;
  bool reading = true, listening = true;
  while ((reading || listening) && Clock::now() < until) {
    pollfd fds[3] = {{reading ? out.end(0) : -1, POLLIN, 0}, {listening ? err.end(0) : -1, POLLIN, 0}, {in.end(1), POLLOUT, 0}};
    if (::poll(fds, 3, 200) < 0 && errno != EINTR) break;
    if (fds[0].revents != 0) {
      const ssize_t n = ::read(out.end(0), text.data() + size, text.size() - size);
      if (n <= 0) reading = false;
      if (n > 0) size += static_cast<std::size_t>(n);
    }
    if (fds[1].revents != 0) {
      char words_of_it[512];
      const ssize_t n = ::read(err.end(0), words_of_it, sizeof words_of_it);
      if (n <= 0) listening = false;
      if (n > 0) ran.complained = true;
    }
    if (in.end(1) >= 0 && fds[2].revents != 0) {
      const ssize_t n = ::write(in.end(1), input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<std::size_t>(n));
      if ((n < 0 && errno != EAGAIN && errno != EINTR) || input.empty()) in.shut(1);
    }
  }
  const bool late = reading || listening;
  if (late) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!late && WIFEXITED(status)) ran.status = WEXITSTATUS(status);
  ran.out = Secret(std::string_view(text).substr(0, size));
  wipe(text);
  return ran;
}

std::vector<std::string> named(std::string_view name) { return {"application", "vestibule", "login", std::string(name)}; }

std::vector<std::string> with(std::vector<std::string> words, std::vector<std::string> more) {
  for (std::string& m : more) words.push_back(std::move(m));
  return words;
}

Error no_answer() {
  return fail(Reason::invalid_argument,
              "the system's keyring does not answer, or was not unlocked: open it, or sign in anew with `vestibule login --store file`");
}

}  // namespace

bool keyring_answers() {
  const char* bus = std::getenv("DBUS_SESSION_BUS_ADDRESS");
  if (bus == nullptr || *bus == '\0') return false;
  const Ran ran = run(with({"secret-tool", "lookup"}, named("?")), {}, kProbe);
  return ran.status == 0 || (ran.status == 1 && !ran.complained);
}

Result<void> keyring_put(std::string_view name, const Secret& secret) {
  const Ran ran = run(with({"secret-tool", "store", "--label=Vestibule: " + std::string(name)}, named(name)), secret.reveal_text(), kPerson);
  if (ran.status != 0) return no_answer();
  return {};
}

Result<std::optional<Secret>> keyring_get(std::string_view name) {
  Ran ran = run(with({"secret-tool", "lookup"}, named(name)), {}, kPerson);
  if (ran.status == 0) return std::optional<Secret>(std::move(ran.out));
  if (ran.status == 1 && !ran.complained) return std::optional<Secret>();
  return no_answer();
}

Result<void> keyring_drop(std::string_view name) {
  const Ran ran = run(with({"secret-tool", "clear"}, named(name)), {}, kPerson);
  if (ran.status == 0 || (ran.status == 1 && !ran.complained)) return {};
  return no_answer();
}

}  // namespace vestibule::app::cli
