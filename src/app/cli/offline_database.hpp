#pragma once
// A database that no gateway has open, opened as the gateway would: lock, migrations, master key, log.

#include <filesystem>
#include <functional>
#include <string_view>

#include "app/config.hpp"
#include "audit/log.hpp"
#include "store/tx.hpp"

namespace vestibule::app::cli {

/// What changes the rows, in one write job with its record. `now` is the machine's clock.
using OfflineJob = std::function<Result<void>(store::Tx& tx, Instant now)>;

/// Runs the job and appends a system record of the operation, of which `note` says more: both stand or
/// neither does. Gives how many records the log has then. Blocking. What is wrong is told in the
/// detail: a master key that does not open it, a process that holds it, a log that does not fit.
Result<std::uint64_t> change_offline(const Config& config, const std::filesystem::path& database,
                                     std::string_view operation, std::string_view note, const OfflineJob& job);

}  // namespace vestibule::app::cli
