#pragma once
// A database that no gateway has open, opened as the gateway would: lock, migrations, master key, log.

#include <filesystem>
#include <functional>
#include <string_view>

#include "app/config.hpp"
#include "audit/log.hpp"
#include "crypto/sealed.hpp"
#include "store/tx.hpp"

namespace vestibule::app::cli {

/// What a job without a gateway stands on. `now` is the machine's clock.
struct Offline {
  store::Tx& tx;
  const crypto::KeyRing& keys;
  Rng& rng;
  Instant now;
};
/// What changes the rows, in one write job with its record.
using OfflineJob = std::function<Result<void>(Offline& at)>;

/// The database that the configuration names. not_found; conflict, with `why`, while a gateway has it open.
[[nodiscard]] Result<std::filesystem::path> idle_database(const Config& config, std::string_view why);

/// Appends a system record of the operation, of which `note` says more, and runs the job: both stand or
/// neither does. Gives how many records the log has then. Blocking. What is wrong is told in the
/// detail: a master key that does not open it, a process that holds it, a log that does not fit.
Result<std::uint64_t> change_offline(const Config& config, const std::filesystem::path& database,
                                     std::string_view operation, std::string_view note, const OfflineJob& job);

}  // namespace vestibule::app::cli
