#include "store/file_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace vestibule::store {
namespace {

Error lock_error(std::string_view what, const std::filesystem::path& path, int code) {
  return fail(Reason::store_unavailable,
              fmt::format("{} {}: {}", what, path.string(), std::generic_category().message(code)));
}

struct Descriptor {
  explicit Descriptor(int f) : fd(f) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

}  // namespace

Result<FileLock> FileLock::take(const std::filesystem::path& file) {
  std::filesystem::path beside = file;
  beside += ".lock";
  const int fd = ::open(beside.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return lock_error("cannot open", beside, errno);
  FileLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return lock_error("cannot lock", beside, errno);
    char text[24] = {};
    const auto n = ::pread(fd, text, sizeof text - 1, 0);
    const std::string_view pid(text, n > 0 ? static_cast<std::size_t>(n) : 0);
    const bool known = !pid.empty() && pid.find_first_not_of("0123456789\n") == std::string_view::npos;
    return fail(Reason::store_unavailable,
                fmt::format("the database {} is in use by {} (lock file {})", file.string(),
                            known ? fmt::format("process {}", pid.substr(0, pid.find('\n'))) : "another process",
                            beside.string()));
  }
  const std::string mine = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, mine.data(), mine.size(), 0) < 0) {
    return lock_error("cannot write", beside, errno);
  }
  return lock;
}

FileLock::~FileLock() {
  if (fd_ < 0) return;
  ::close(fd_);
}

Result<void> make_private_file(const std::filesystem::path& file, Create how) {
  const int flags = O_RDWR | O_CREAT | O_CLOEXEC | (how == Create::exclusively ? O_EXCL : 0);
  const Descriptor d(::open(file.c_str(), flags, 0600));
  if (d.fd < 0) return lock_error("cannot open", file, errno);
  struct stat about {};
  if (::fstat(d.fd, &about) != 0) return lock_error("cannot look at", file, errno);
  if (!S_ISREG(about.st_mode)) return fail(Reason::store_unavailable, file.string() + " is not a plain file");
  if ((about.st_mode & 0777) != 0600 && ::fchmod(d.fd, 0600) != 0) {
    return lock_error("cannot make private", file, errno);
  }
  return {};
}

Result<void> sync_to_disk(const std::filesystem::path& path) {
  const Descriptor d(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (d.fd < 0) return lock_error("cannot open", path, errno);
  if (::fsync(d.fd) != 0) return lock_error("cannot sync", path, errno);
  return {};
}

}  // namespace vestibule::store
