#pragma once
// A private copy of a database file, for looking into it while its owner is another process or none:
// the engine writes beside whatever it opens, and the original stays as it is.

#include <filesystem>

#include "base/result.hpp"

namespace vestibule::app::cli {

/// True if a process holds the lock of this database.
[[nodiscard]] bool database_in_use(const std::filesystem::path& file);

/// Copies the database and its write-ahead log, if there is one, to `to`: mode 0600, replacing
/// nothing. invalid_argument with what is wrong.
[[nodiscard]] Result<void> copy_database(const std::filesystem::path& from, const std::filesystem::path& to);

/// The database with what the engine and the lock keep beside it.
void remove_database(const std::filesystem::path& file) noexcept;

/// A directory of mode 0700 that goes with everything in it.
class PrivateDirectory {
 public:
  static Result<PrivateDirectory> make();
  PrivateDirectory(PrivateDirectory&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  PrivateDirectory& operator=(PrivateDirectory&&) = delete;
  ~PrivateDirectory();
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  explicit PrivateDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace vestibule::app::cli
