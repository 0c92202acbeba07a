// fork and exec of a tool server. Between fork and exec only async-signal-safe calls are allowed, so what
// allocates is prepared before.

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "bridge/tool.hpp"

namespace vestibule::bridge {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "name this architecture for the filter of system calls"
#endif

// No socket of any family, for it or what it starts: neither TCP nor UDP, nor the Unix socket of another
// access point, whose folder belongs to the same user. A pair of connected ones stays possible. No
// io_uring, which would open sockets behind the filter's back; no system calls of another architecture.
constexpr std::uint32_t kX32 = 0x40000000U;
const sock_filter kFilter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
};

struct Fd {
  int fd = -1;
  Fd() = default;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }
  void reset() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  int release() {
    const int f = fd;
    fd = -1;
    return f;
  }
};

bool make_pipe(Fd& read_end, Fd& write_end) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return false;
  read_end.fd = fds[0];
  write_end.fd = fds[1];
  return true;
}

// A domain that forbids next to nothing by itself: what counts is that it is another one.
int make_domain() {
  struct {
    std::uint64_t fs = LANDLOCK_ACCESS_FS_MAKE_BLOCK, net = 0, scoped = 0;
  } attr;
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return -1;
  if (abi >= 6) attr.scoped = 3;  // no abstract sockets of, no signals to processes outside
  return static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, abi >= 6 ? 24U : 8U, 0));
}

Error bad(const std::string& what) { return fail(Reason::config_invalid, what); }

}  // namespace

Result<Started> start_tool(const std::vector<std::string>& command) {
  if (command.empty()) return bad("no command");
  std::vector<char*> argv;
  for (const std::string& a : command) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  Fd in_read, in_write, out_read, out_write, told, tells;
  if (!make_pipe(in_read, in_write) || !make_pipe(out_read, out_write) || !make_pipe(told, tells)) {
    return bad(std::string("pipe: ") + std::strerror(errno));
  }
  Fd domain;
  domain.fd = make_domain();
  const sock_fprog filter{static_cast<unsigned short>(std::size(kFilter)), const_cast<sock_filter*>(kFilter)};
  const pid_t parent = ::getpid();

  const pid_t pid = ::fork();
  if (pid < 0) return bad(std::string("fork: ") + std::strerror(errno));
  if (pid == 0) {
    // Async-signal-safe calls only, from here to exec.
    const auto give_up = [&tells]() {
      const int why = errno;
      [[maybe_unused]] const ssize_t n = ::write(tells.fd, &why, sizeof why);
      ::_exit(127);
    };
    // Above the three that follow, whatever number it had.
    if ((tells.fd = ::fcntl(tells.fd, F_DUPFD_CLOEXEC, 10)) < 0) ::_exit(127);
    if (::dup2(in_read.fd, 0) < 0 || ::dup2(out_write.fd, 1) < 0) give_up();
    ::setpgid(0, 0);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(127);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int s = 1; s < 32; ++s) ::signal(s, SIG_DFL);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up();
    if (domain.fd >= 0 && ::syscall(SYS_landlock_restrict_self, domain.fd, 0) != 0) give_up();
    if (::dup2(tells.fd, 3) < 0 || ::fcntl(3, F_SETFD, FD_CLOEXEC) != 0) give_up();
    tells.fd = 3;
    if (::syscall(SYS_close_range, 4U, ~0U, 0U) != 0) {
      for (int fd = 4; fd < 65'536; ++fd) ::close(fd);
    }
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) give_up();
    ::execv(argv[0], argv.data());
    give_up();
  }
  ::setpgid(pid, pid);  // whoever is first
  tells.reset();
  int why = 0;
  const ssize_t n = ::read(told.fd, &why, sizeof why);  // ends with the exec
  if (n > 0) {
    ::waitpid(pid, nullptr, 0);
    return bad("cannot run " + command.front() + ": " + std::strerror(why));
  }
  Started out;
  out.pid = pid;
  out.to = in_write.release();
  out.from = out_read.release();
  return out;
}

}  // namespace vestibule::bridge
