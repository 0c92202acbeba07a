#pragma once
// A program that runs in this one's place: its signals are passed on, its exit status is ours.

#include <string>
#include <vector>

#include "base/result.hpp"

namespace vestibule::app::cli {

/// What of the environment is different for the child.
struct Changes {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::string> unset;
};
/// "NAME=value" of this process's environment with the changes.
[[nodiscard]] std::vector<std::string> environment_with(const Changes& changes);

/// Signals wait for wait_for(), also those that come before the child is there; threads that are started
/// meanwhile hold them for good, so that none of them takes one.
void hold_signals() noexcept;
void release_signals() noexcept;
/// Starts it with the standard streams and this environment. not_found, invalid_argument: no such program.
[[nodiscard]] Result<int> start_child(const std::vector<std::string>& command, std::vector<std::string> environment);
/// Passes on what others send to this process until the child has ended; gives its exit status, 128 and the
/// signal's number where a signal ended it.
[[nodiscard]] int wait_for(int child) noexcept;

}  // namespace vestibule::app::cli
