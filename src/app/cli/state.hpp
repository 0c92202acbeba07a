#pragma once
// What the CLI remembers between two commands: one session, in a file that nobody else can read.

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule::app::cli {

struct SavedSession {
  Secret handle;       ///< vs_...
  std::string user;    ///< name, for messages
  std::string socket;  ///< control socket that the handle belongs to: it is sent to no other
  std::string url;     ///< where access points are served
};

/// $VESTIBULE_STATE, else $XDG_STATE_HOME/vestibule, else ~/.local/state/vestibule. invalid_argument
/// if none of them can be told or the path is not absolute.
[[nodiscard]] Result<std::filesystem::path> state_directory();

/// One command's view of the file. Not for two threads.
class State {
 public:
  explicit State(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// Nothing if there is no file. invalid_argument, saying what to do, if others could read or
  /// replace it (mode, owner, symbolic link) or it is damaged.
  [[nodiscard]] Result<std::optional<SavedSession>> load() const;
  /// Replaces the file as a whole: a reader sees the old one or the new one. Makes the directory
  /// with mode 0700.
  [[nodiscard]] Result<void> save(const SavedSession& session) const;
  /// Nothing to do if there is none.
  [[nodiscard]] Result<void> clear() const;
  [[nodiscard]] std::filesystem::path file() const { return directory_ / "session.json"; }

 private:
  std::filesystem::path directory_;
};

/// Makes it with mode 0700 if it is not there. invalid_argument if it is another's, or open to others.
[[nodiscard]] Result<void> make_state_directory(const std::filesystem::path& directory);

/// Of a file of the state directory. Nothing if there is none; invalid_argument, saying what to do, if others
/// could read or replace it.
[[nodiscard]] Result<std::optional<Secret>> read_private_file(const std::filesystem::path& file);

/// Writes a private file (0600) as a whole: beside, fsynced, renamed. Also for --secret-out and
/// exports.
[[nodiscard]] Result<void> write_private_file(const std::filesystem::path& file, std::string_view text);

}  // namespace vestibule::app::cli
