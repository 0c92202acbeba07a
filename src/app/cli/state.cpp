#include "app/cli/state.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "json/value.hpp"
#include "json/writer.hpp"

namespace vestibule::app::cli {
namespace {

constexpr std::size_t kMaxFile = std::size_t{64} << 10U;

Error os_error(const std::string& what) {
  return fail(Reason::invalid_argument, what + ": " + std::strerror(errno));
}

class Fd {
 public:
  explicit Fd(int fd) noexcept : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

Result<void> write_all(int fd, std::string_view text, const std::string& name) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return os_error("cannot write " + name);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd) != 0) return os_error("cannot write " + name);
  return {};
}

// Others can neither look into the directory nor put another file in place of ours.
Result<void> check_directory(const std::filesystem::path& dir) {
  struct stat st {};
  if (::lstat(dir.c_str(), &st) != 0) return os_error("cannot look at " + dir.string());
  if (!S_ISDIR(st.st_mode)) return fail(Reason::invalid_argument, dir.string() + " is not a directory");
  if (st.st_uid != ::geteuid()) {
    return fail(Reason::invalid_argument, dir.string() + " belongs to another user: set VESTIBULE_STATE to a directory of your own");
  }
  if ((st.st_mode & 077U) != 0) {
    return fail(Reason::invalid_argument, dir.string() + " is open to others: run `chmod 700 " + dir.string() + "`");
  }
  return {};
}

}  // namespace

Result<std::filesystem::path> state_directory() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  std::filesystem::path dir = variable("VESTIBULE_STATE");
  if (dir.empty()) {
    if (const std::string xdg = variable("XDG_STATE_HOME"); !xdg.empty()) {
      dir = std::filesystem::path(xdg) / "vestibule";
    } else if (const std::string home = variable("HOME"); !home.empty()) {
      dir = std::filesystem::path(home) / ".local/state/vestibule";
    }
  }
  if (dir.empty()) return fail(Reason::invalid_argument, "HOME is not set: set VESTIBULE_STATE to a directory of your own");
  if (!dir.is_absolute()) {
    return fail(Reason::invalid_argument, "the state directory must be an absolute path, not " + dir.string());
  }
  return dir;
}

Result<std::optional<Secret>> read_private_file(const std::filesystem::path& file) {
  const std::string name = file.string();
  const Fd fd(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (fd.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<Secret>();
    return os_error("cannot read " + name);
  }
  // The file decides by itself, opened as it is; the directory decides who could have put it there.
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return os_error("cannot look at " + name);
  if (!S_ISREG(st.st_mode)) return fail(Reason::invalid_argument, name + " is not a regular file");
  if (st.st_uid != ::geteuid()) {
    return fail(Reason::invalid_argument, name + " belongs to another user: remove it and run `vestibule login`");
  }
  if ((st.st_mode & 077U) != 0) {
    return fail(Reason::invalid_argument, name + " can be read by others, so the session in it may be known to them: run `chmod 600 " +
                                              name + "`, then `vestibule session sign-out` and `vestibule login`");
  }
  if (Result<void> r = check_directory(file.parent_path()); !r) return std::move(r).error();

  std::string text(kMaxFile, '\0');
  std::size_t size = 0;
  for (;;) {
    const ssize_t n = ::read(fd.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error("cannot read " + name);
    if (n == 0 || size == text.size()) break;
    size += static_cast<std::size_t>(n);
  }
  std::optional<Secret> out(Secret(std::string_view(text).substr(0, size)));
  wipe(text);
  return out;
}

Result<std::optional<SavedSession>> State::load() const {
  Result<std::optional<Secret>> text = read_private_file(file());
  if (!text) return std::move(text).error();
  if (!*text) return std::optional<SavedSession>();
  const Result<json::Value> value = json::parse((*text)->reveal_text());
  const auto bad = [&] {
    return fail(Reason::invalid_argument, file().string() + " is damaged: remove it and run `vestibule login`");
  };
  if (!value) return bad();
  Result<std::string> handle = value->get_string("handle");
  Result<std::string> user = value->get_string("user");
  Result<std::string> socket = value->get_string("socket");
  Result<std::string> url = value->get_string("url");
  if (!handle || !user || !socket || !url) return bad();
  SavedSession s{Secret(std::string_view(*handle)), std::move(*user), std::move(*socket), std::move(*url)};
  wipe(*handle);
  return std::optional<SavedSession>(std::move(s));
}

Result<void> make_state_directory(const std::filesystem::path& directory) {
  std::error_code ec;
  std::filesystem::create_directories(directory.parent_path(), ec);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return os_error("cannot make " + directory.string());
  return check_directory(directory);
}

Result<void> State::save(const SavedSession& session) const {
  if (Result<void> r = make_state_directory(directory_); !r) return r;
  json::Writer w;
  w.begin_object().member("handle", session.handle.reveal_text()).member("user", session.user);
  w.member("socket", session.socket).member("url", session.url).end_object();
  std::string text = w.take();
  text += '\n';
  Result<void> written = write_private_file(file(), text);
  wipe(text);
  return written;
}

Result<void> State::clear() const {
  if (::unlink(file().c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) return os_error("cannot remove " + file().string());
  return {};
}

Result<void> write_private_file(const std::filesystem::path& file, std::string_view text) {
  // A name of its own for each process, and never one that stands there already.
  const std::string beside = file.string() + "." + std::to_string(::getpid()) + ".new";
  ::unlink(beside.c_str());
  Result<void> done;
  {
    const Fd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (fd.get() < 0) return os_error("cannot write " + beside);
    done = write_all(fd.get(), text, beside);
  }
  if (done && ::rename(beside.c_str(), file.c_str()) != 0) done = os_error("cannot write " + file.string());
  if (!done) {
    ::unlink(beside.c_str());
    return done;
  }
  const std::filesystem::path parent = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const Fd dir(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() >= 0) ::fsync(dir.get());
  return {};
}

}  // namespace vestibule::app::cli
