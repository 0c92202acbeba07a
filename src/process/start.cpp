// fork and exec of a confined child. Between fork and exec only async-signal-safe calls are allowed (the
// gateway has many threads), so everything that allocates is prepared before.

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "process/child.hpp"

namespace vestibule::process {
namespace {

struct Fd {
  int fd = -1;
  Fd() = default;
  explicit Fd(int f) : fd(f) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }
  void reset(int f = -1) {
    if (fd >= 0) ::close(fd);
    fd = f;
  }
  int release() {
    const int f = fd;
    fd = -1;
    return f;
  }
};

Error bad(const Options& o, const std::string& what) {
  return fail(Reason::config_invalid, "access point " + o.name + ": " + what);
}

// --- Landlock. Debian 12's header knows the first versions only; the later fields are appended.
struct RulesetAttr {
  std::uint64_t fs = 0, net = 0, scoped = 0;
};
constexpr std::uint64_t kFsAbi1 = (1ULL << 13U) - 1;
constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kReadRun = kRead | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t kSocketFolder = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                        LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
constexpr std::uint64_t kRefer = 1ULL << 13U;     // ABI 2
constexpr std::uint64_t kTruncate = 1ULL << 14U;  // ABI 3
constexpr std::uint64_t kWrite = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                                 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                 LANDLOCK_ACCESS_FS_REMOVE_DIR | kRefer | kTruncate;

int landlock_abi() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

bool allow(int ruleset, const std::filesystem::path& path, std::uint64_t access) {
  const Fd at(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (at.fd < 0) return errno == ENOENT;  // what is not there needs no rule
  struct stat st {};
  if (::fstat(at.fd, &st) != 0) return false;
  if (!S_ISDIR(st.st_mode)) access &= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = access;
  rule.parent_fd = at.fd;
  return ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

bool beneath(const std::filesystem::path& inner, const std::filesystem::path& outer) {
  const std::string a = inner.lexically_normal().string();
  const std::string b = outer.lexically_normal().string();
  return a == b || (a.starts_with(b) && (b.ends_with('/') || a[b.size()] == '/'));
}

// An allow-list: the system's programs and libraries, the command's folder, what the operator names,
// and the socket's folder. Nothing that would show what must stay hidden: in /proc, memory and
// environment of other processes are closed by Landlock's own rule on ptrace.
Result<std::optional<int>> make_ruleset(const Options& o) {
  const int abi = landlock_abi();
  if (abi < 1) return std::optional<int>{};
  RulesetAttr attr;
  attr.fs = kFsAbi1;
  if (abi >= 2) attr.fs |= kRefer;
  if (abi >= 3) attr.fs |= kTruncate;
  if (abi >= 5) attr.fs |= 1ULL << 15U;    // ioctl on devices
  if (abi >= 4) attr.net = 3;              // no TCP: neither bind nor connect
  if (abi >= 6) attr.scoped = 3;           // no abstract sockets of, no signals to processes outside
  const std::size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  Fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, size, 0)));
  if (ruleset.fd < 0) return std::optional<int>{};
  std::vector<std::filesystem::path> run = {"/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache",
                                            "/etc/localtime", "/etc/ssl/openssl.cnf", "/proc", "/sys/devices/system",
                                            "/sys/fs/cgroup"};
  run.push_back(std::filesystem::path(o.command.front()).parent_path());
  run.insert(run.end(), o.readable.begin(), o.readable.end());
  for (const auto& path : run) {
    for (const auto& secret : o.hidden) {
      if (beneath(secret, path)) return bad(o, path.string() + " may not be readable for the child: it holds " + secret.string());
    }
    if (!allow(ruleset.fd, path, kReadRun)) return bad(o, "cannot confine the child to " + path.string() + ": " + std::strerror(errno));
  }
  // Where they really lead: what a former run could write, it could have put a link into.
  for (const auto& path : o.writable) {
    std::error_code ec;
    const std::filesystem::path real = std::filesystem::canonical(path, ec);
    if (ec) return bad(o, "cannot find the folder " + path.string() + ", which the child is to write in");
    for (const auto& secret : o.hidden) {
      const std::filesystem::path there = std::filesystem::weakly_canonical(secret, ec);
      if (ec || beneath(there, real) || beneath(real, there)) {
        return bad(o, path.string() + " may not be writable for the child: it holds, or lies in, " + secret.string());
      }
    }
    if (!allow(ruleset.fd, real, kWrite & attr.fs)) return bad(o, "cannot confine the child to " + path.string() + ": " + std::strerror(errno));
  }
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"}) {
    if (!allow(ruleset.fd, device, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)) {
      return bad(o, std::string("cannot confine the child: ") + device);
    }
  }
  if (!allow(ruleset.fd, o.socket.parent_path(), kSocketFolder)) return bad(o, "cannot confine the child: its socket's folder");
  return std::optional<int>(ruleset.release());
}

// May this uid (with no groups but its own) enter everything on the way, and do this (bits of mode_t) at
// the end of it?
bool permitted(const std::filesystem::path& path, uid_t uid, gid_t gid, unsigned what) {
  std::filesystem::path at = "/";
  for (const auto& part : path.lexically_normal().relative_path()) {
    struct stat st {};
    if (::stat(at.c_str(), &st) != 0) return false;
    const unsigned shift = st.st_uid == uid ? 6 : st.st_gid == gid ? 3 : 0;
    if (((st.st_mode >> shift) & 1U) == 0) return false;
    at /= part;
  }
  struct stat st {};
  if (::stat(at.c_str(), &st) != 0) return false;
  const unsigned shift = st.st_uid == uid ? 6 : st.st_gid == gid ? 3 : 0;
  return ((st.st_mode >> shift) & what) == what;
}

bool reachable(const std::filesystem::path& path, uid_t uid, gid_t gid) { return permitted(path, uid, gid, 4U); }

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
};

std::optional<Identity> other_identity(const Options& o) {
  if (::geteuid() != 0) return std::nullopt;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  if (getpwnam_r(o.user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr || entry.pw_uid == 0) return std::nullopt;
  const Identity id{entry.pw_uid, entry.pw_gid};
  if (!reachable(o.command.front(), id.uid, id.gid)) return std::nullopt;
  for (const auto& p : o.readable) {
    if (!reachable(p, id.uid, id.gid)) return std::nullopt;
  }
  for (const std::string& a : o.command) {
    if (a.starts_with('/') && std::filesystem::exists(a) && a != o.socket && !reachable(a, id.uid, id.gid)) return std::nullopt;
  }
  return id;
}

Result<void> make_socket_folder(const Options& o, const std::optional<Identity>& id) {
  const std::filesystem::path dir = o.socket.parent_path();
  std::error_code ec;
  std::filesystem::create_directories(dir.parent_path(), ec);
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) return bad(o, "cannot make " + dir.string() + ": " + std::strerror(errno));
  struct stat st {};
  if (::lstat(dir.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) return bad(o, dir.string() + " is not a directory");
  const uid_t owner = id ? id->uid : ::geteuid();
  if (st.st_uid != owner && ::chown(dir.c_str(), owner, id ? id->gid : ::getegid()) != 0) return bad(o, "cannot give " + dir.string() + " to the child: " + std::strerror(errno));
  if (::chmod(dir.c_str(), 0700) != 0) return bad(o, "cannot close " + dir.string());
  ::unlink(o.socket.c_str());  // one that a former child left behind makes the next bind fail
  return {};
}

[[noreturn]] void die_in_child(const char* what) noexcept {
  const char* why = strerrordesc_np(errno);
  [[maybe_unused]] ssize_t n = ::write(2, what, std::strlen(what));
  if (why != nullptr) {
    n = ::write(2, ": ", 2);
    n = ::write(2, why, std::strlen(why));
  }
  n = ::write(2, "\n", 1);
  ::_exit(127);
}

}  // namespace

Result<Started> start_confined(const Options& o) {
  if (o.command.empty() || ::access(o.command.front().c_str(), X_OK) != 0) {
    return bad(o, "cannot run " + (o.command.empty() ? std::string("an empty command") : o.command.front()));
  }
  const std::optional<Identity> id = other_identity(o);
  for (const auto& path : o.writable) {
    if (id && !permitted(path, id->uid, id->gid, 7U)) {
      return bad(o, path.string() + " must be writable for " + o.user + ", whom the child runs as: chown or chmod it");
    }
  }
  if (Result<void> r = make_socket_folder(o, id); !r) return std::move(r).error();
  Result<std::optional<int>> made = make_ruleset(o);
  if (!made) return std::move(made).error();
  const Fd ruleset(made->value_or(-1));
  Started out;
  out.confinement = {id.has_value(), ruleset.fd >= 0};
  if (!out.confinement.other_user && !out.confinement.landlock) {
    return bad(o, "the child could read the gateway's keys: this kernel has no Landlock, so run the gateway as root "
                  "with server.child_user, or run the model server yourself and name it in upstreams");
  }

  if (!out.confinement.landlock) {
    // Another uid alone hides only what its permissions hide.
    for (const auto& secret : o.hidden) {
      if (reachable(secret, id->uid, id->gid)) {
        return bad(o, secret.string() + " is readable for everybody, and this kernel has no Landlock to hide it: close its permissions");
      }
    }
  }

  std::vector<char*> argv;
  for (const std::string& a : o.command) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> env;
  for (const auto& [key, value] : o.environment) env.push_back(key + "=" + value);
  std::vector<char*> envp;
  for (const std::string& e : env) envp.push_back(const_cast<char*>(e.c_str()));
  envp.push_back(nullptr);
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return bad(o, std::string("pipe: ") + std::strerror(errno));
  Fd read_end(pipe_fds[0]);
  const Fd write_end(pipe_fds[1]);
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::string folder = o.socket.parent_path().string();
  const pid_t parent = ::getpid();

  const pid_t pid = ::fork();
  if (pid < 0) return bad(o, std::string("fork: ") + std::strerror(errno));
  if (pid == 0) {
    // Async-signal-safe calls only, from here to exec.
    ::dup2(null.fd, 0);
    ::dup2(write_end.fd, 1);
    ::dup2(write_end.fd, 2);
    ::setpgid(0, 0);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(127);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int s = 1; s < 32; ++s) ::signal(s, SIG_DFL);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::umask(077);
    if (::chdir(folder.c_str()) != 0) die_in_child("chdir");
    if (::geteuid() == 0) {
      // Without capabilities, whoever it is: uid 0 gets none at exec either.
      if (::prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) != 0) die_in_child("securebits");
      if (id) {
        if (::syscall(SYS_setgroups, 0, nullptr) != 0) die_in_child("setgroups");
        if (::syscall(SYS_setresgid, id->gid, id->gid, id->gid) != 0) die_in_child("setresgid");
        if (::syscall(SYS_setresuid, id->uid, id->uid, id->uid) != 0) die_in_child("setresuid");
        // the change of user has cleared the death signal
        if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(127);
      }
      __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
      __user_cap_data_struct data[2] = {};
      if (::syscall(SYS_capset, &header, data) != 0) die_in_child("capset");
    }
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die_in_child("no_new_privs");
    if (ruleset.fd >= 0 && ::syscall(SYS_landlock_restrict_self, ruleset.fd, 0) != 0) die_in_child("landlock");
    if (::syscall(SYS_close_range, 3U, ~0U, 0U) != 0) {
      for (int fd = 3; fd < 65536; ++fd) ::close(fd);
    }
    ::execve(argv[0], argv.data(), envp.data());
    die_in_child("exec");
  }
  out.pid = pid;
  out.output = read_end.release();
  return out;
}

}  // namespace vestibule::process
