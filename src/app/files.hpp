#pragma once
// Small files and directories that app reads and writes itself. Blocking.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace vestibule::app {

/// The whole of it. `otherwise`, with "cannot read FILE", if it cannot be opened.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& file, Reason otherwise);

/// Empty if there is none.
[[nodiscard]] std::string first_line(const std::filesystem::path& file);

/// Makes it, and its parents, unless it is there; then it must be ours, and is closed to others.
[[nodiscard]] Result<void> make_private_directory(const std::filesystem::path& dir);

/// Replaces a small private file as a whole.
[[nodiscard]] Result<void> write_private(const std::filesystem::path& file, std::string_view text);

}  // namespace vestibule::app
