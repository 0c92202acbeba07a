#pragma once
// The server itself: builds the house from the configuration, runs it, takes it down.

#include <filesystem>

namespace vestibule::app {

struct ServeOptions {
  std::filesystem::path config;
  bool ready_line = true;  ///< says on standard output where it listens, once it does
};

/// Runs until SIGTERM or SIGINT; SIGHUP reads configuration, policy and certificates again. Gives
/// the process's exit status.
int serve(const ServeOptions& options);

}  // namespace vestibule::app
