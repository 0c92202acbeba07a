#pragma once
// The file of signed checkpoints that operators ship off the box. Its disk is not the store's: what
// goes wrong here is a warning, never a denial, and nobody waits for it.

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.hpp"

namespace vestibule::audit {

/// Owned by Log. push() on any thread; a thread of its own appends and fsyncs. What could not be
/// written is kept (the newest 1024) and tried again with the next one or after five seconds; the
/// destructor tries once more.
class CheckpointFile {
 public:
  /// Reads the end of an existing file; an unfinished last note (a crash) is cut off.
  /// config_invalid if the file cannot be read or created. Blocking.
  static Result<std::unique_ptr<CheckpointFile>> open(std::filesystem::path path);
  ~CheckpointFile();
  CheckpointFile(const CheckpointFile&) = delete;
  CheckpointFile& operator=(const CheckpointFile&) = delete;

  /// Size of the last checkpoint that the file held when it was opened; 0 if none.
  [[nodiscard]] std::uint64_t last_size() const noexcept { return last_size_; }
  void push(std::string note) noexcept;

 private:
  explicit CheckpointFile(std::filesystem::path path) : path_(std::move(path)) {}
  Result<void> read_end();
  void work();
  [[nodiscard]] Result<void> append(const std::string& text) const;

  std::filesystem::path path_;
  std::uint64_t last_size_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::string> queue_;
  bool stopping_ = false;
  bool failing_ = false;  // of the thread alone
  std::thread thread_;
};

}  // namespace vestibule::audit
