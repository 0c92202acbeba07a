#include "audit/checkpoint_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "audit/note.hpp"
#include "base/log.hpp"

namespace vestibule::audit {
namespace {

constexpr std::size_t kMaxQueue = 1024;
constexpr std::size_t kMaxTail = 64 * 1024;
constexpr std::chrono::seconds kRetry{5};

class File {
 public:
  File(const std::filesystem::path& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0640)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

std::string system_error() { return std::strerror(errno); }

bool write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<CheckpointFile>> CheckpointFile::open(std::filesystem::path path) {
  std::unique_ptr<CheckpointFile> f(new CheckpointFile(std::move(path)));
  if (auto r = f->read_end(); !r) return std::move(r).error();
  f->thread_ = std::thread([p = f.get()] { p->work(); });
  return f;
}

CheckpointFile::~CheckpointFile() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<void> CheckpointFile::read_end() {
  const bool is_new = !std::filesystem::exists(path_);
  const File file(path_, O_RDWR | O_CREAT);
  struct stat st {};
  if (file.fd() < 0 || ::fstat(file.fd(), &st) != 0)
    return fail(Reason::config_invalid,
                "checkpoint file " + path_.string() + ": " + system_error());
  if (is_new) {
    // The name itself is to survive a power loss.
    const auto parent = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const File directory(parent, O_RDONLY | O_DIRECTORY);
    if (directory.fd() < 0 || ::fsync(directory.fd()) != 0)
      return fail(Reason::config_invalid,
                  "directory of checkpoint file " + path_.string() + ": " + system_error());
  }
  const auto size = static_cast<std::size_t>(st.st_size);
  std::string tail(std::min(size, kMaxTail), '\0');
  const std::size_t from = size - tail.size();
  for (std::size_t at = 0; at < tail.size();) {
    const ssize_t n =
        ::pread(file.fd(), tail.data() + at, tail.size() - at, static_cast<off_t>(from + at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return fail(Reason::config_invalid, "cannot read checkpoint file " + path_.string());
    at += static_cast<std::size_t>(n);
  }
  auto notes = split_notes(tail);
  if (notes.empty()) return {};
  const auto offset = [&](std::string_view note) {
    return static_cast<std::size_t>(note.data() - tail.data());
  };
  const std::string_view last = notes.back();
  if (const auto c = parse_checkpoint(last)) {
    last_size_ = c->size;
  } else if ((offset(last) > 0 || from == 0) &&
             (!last.ends_with('\n') || last.find("\n\xE2\x80\x94 ") == std::string_view::npos)) {
    // No complete signature: a write that was cut short. The whole note is in the store.
    if (::ftruncate(file.fd(), static_cast<off_t>(from + offset(last))) != 0)
      return fail(Reason::config_invalid,
                  "cannot mend checkpoint file " + path_.string() + ": " + system_error());
    log::warn("checkpoint file ended in an unfinished note, which was cut off",
              {{"file", path_.string()}});
    notes.pop_back();
    if (!notes.empty()) {
      if (const auto before = parse_checkpoint(notes.back())) last_size_ = before->size;
    }
  }
  return {};
}

void CheckpointFile::push(std::string note) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    if (queue_.size() == kMaxQueue) queue_.pop_front();
    queue_.push_back(std::move(note));
  }
  wake_.notify_one();
}

Result<void> CheckpointFile::append(const std::string& text) const {
  const File file(path_, O_WRONLY | O_APPEND | O_CREAT);
  struct stat st {};
  if (file.fd() < 0 || ::fstat(file.fd(), &st) != 0) return fail(Reason::internal, system_error());
  if (write_all(file.fd(), text) && ::fsync(file.fd()) == 0) return {};
  const std::string why = system_error();
  // Half a note would spoil the next one. If this fails too, open() mends it.
  if (::ftruncate(file.fd(), st.st_size) != 0)
    return fail(Reason::internal, why + "; left a partial note");
  return fail(Reason::internal, why);
}

void CheckpointFile::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (queue_.empty() && !stopping_)
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::string text;
    const std::size_t count = queue_.size();
    // An empty line between notes, for people; split_notes() does not need it.
    for (const std::string& note : queue_) text.append(note).append("\n");
    const std::string newest = queue_.back();
    lock.unlock();
    const auto written = append(text);
    if (!written && !failing_)
      log::warn("cannot append to the checkpoint file",
                {{"file", path_.string()}, {"error", written.error().detail}});
    if (written && failing_)
      log::info("checkpoint file is written again", {{"file", path_.string()}});
    failing_ = !written;
    lock.lock();
    if (written) {
      // push() may have dropped old ones meanwhile, if the queue was full
      for (std::size_t i = 0; i < count && !queue_.empty(); ++i) {
        const bool last = queue_.front() == newest;
        queue_.pop_front();
        if (last) break;
      }
    } else if (stopping_) {
      return;
    } else {
      wake_.wait_for(lock, kRetry);
    }
  }
}

}  // namespace vestibule::audit
