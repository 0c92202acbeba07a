#include "app/cli/offline_copy.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace vestibule::app::cli {
namespace {

Error copy_error(const std::string& what) { return fail(Reason::invalid_argument, what + ": " + std::strerror(errno)); }

Result<void> copy_file(const std::string& from, const std::string& to) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (in < 0) return copy_error("cannot read " + from);
  struct stat st {};
  if (::fstat(in, &st) != 0 || !S_ISREG(st.st_mode)) {
    ::close(in);
    return fail(Reason::invalid_argument, from + " is not a regular file");
  }
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (out < 0) {
    const Error e = copy_error("cannot write " + to);
    ::close(in);
    return e;
  }
  std::vector<char> buffer(std::size_t{1} << 20U);
  Result<void> done;
  for (;;) {
    const ssize_t n = ::read(in, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) done = copy_error("cannot read " + from);
    if (n <= 0) break;
    for (ssize_t at = 0; at < n;) {
      const ssize_t w = ::write(out, buffer.data() + at, static_cast<std::size_t>(n - at));
      if (w < 0 && errno == EINTR) continue;
      if (w <= 0) {
        done = copy_error("cannot write " + to);
        break;
      }
      at += w;
    }
    if (!done) break;
  }
  if (done && ::fsync(out) != 0) done = copy_error("cannot write " + to);
  ::close(out);
  ::close(in);
  return done;
}

}  // namespace

bool database_in_use(const std::filesystem::path& file) {
  const int fd = ::open((file.string() + ".lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return held;
}

Result<void> copy_database(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (Result<void> r = copy_file(from.string(), to.string()); !r) return r;
  const std::string log = from.string() + "-wal";
  struct stat st {};
  if (::stat(log.c_str(), &st) != 0 || st.st_size == 0) return {};
  return copy_file(log, to.string() + "-wal");
}

void remove_database(const std::filesystem::path& file) noexcept {
  for (const char* suffix : {"", "-wal", "-shm", "-journal", ".lock"}) {
    std::error_code ignored;
    std::filesystem::remove(file.string() + suffix, ignored);
  }
}

Result<PrivateDirectory> PrivateDirectory::make() {
  std::error_code ec;
  std::string name = (std::filesystem::temp_directory_path(ec) / "vestibule-XXXXXX").string();
  if (ec || ::mkdtemp(name.data()) == nullptr) return copy_error("cannot make a temporary directory");
  return PrivateDirectory(name);
}

PrivateDirectory::~PrivateDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace vestibule::app::cli
