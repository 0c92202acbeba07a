#pragma once
// The system's keyring: the Secret Service of the person's desktop session (freedesktop.org), by its own tool,
// secret-tool. Secrets pass through pipes, never through a command line or a file.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule::app::cli {

/// A session bus, the tool, and a service that answers in time. Asks nobody anything.
[[nodiscard]] bool keyring_answers();

/// By the name of what it opens. invalid_argument, saying what is wrong: no keyring answers, or it is locked
/// and was not opened.
[[nodiscard]] Result<void> keyring_put(std::string_view name, const Secret& secret);
[[nodiscard]] Result<std::optional<Secret>> keyring_get(std::string_view name);
[[nodiscard]] Result<void> keyring_drop(std::string_view name);

}  // namespace vestibule::app::cli
