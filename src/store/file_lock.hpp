#pragma once
// Files that belong to one process: an exclusive lock beside them, and no access for others.

#include <filesystem>
#include <utility>

#include "base/result.hpp"

namespace vestibule::store {

/// An flock on `<file>.lock`, held until destruction or the end of the process, however it ends.
/// The lock file stays: removing it would let two processes lock two different files of one name.
class FileLock {
 public:
  /// Refused with the holder's process id if another process, or this one, holds it.
  static Result<FileLock> take(const std::filesystem::path& file);
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

enum class Create { if_missing, exclusively };
/// Makes sure that the file exists with mode 0600. Never while SQLite has it open in this process:
/// closing any descriptor of it would drop SQLite's POSIX locks.
Result<void> make_private_file(const std::filesystem::path& file, Create how);
/// fsync of a file or directory.
Result<void> sync_to_disk(const std::filesystem::path& path);

}  // namespace vestibule::store
