#include "app/cli/offline_database.hpp"

#include <optional>

#include "app/cli/offline_copy.hpp"
#include "app/meta.hpp"
#include "crypto/master_key.hpp"
#include "crypto/sealed.hpp"

namespace vestibule::app::cli {

Result<std::filesystem::path> idle_database(const Config& config, std::string_view why) {
  const std::filesystem::path file = config.data_dir / "vestibule.db";
  std::error_code ec;
  if (!std::filesystem::exists(file, ec)) return fail(Reason::not_found, "there is no database " + file.string());
  if (database_in_use(file)) return fail(Reason::conflict, file.string() + " is in use: stop the gateway first. " + std::string(why));
  return file;
}

Result<std::uint64_t> change_offline(const Config& config, const std::filesystem::path& file,
                                     std::string_view operation, std::string_view note, const OfflineJob& job) {
  SystemClock clock;
  SystemRng rng;
  Result<crypto::MasterKeys> keys = crypto::load_master_keys(config.master_key.string());
  if (!keys) return fail(keys.error().code, "the master key of the database is needed: " + keys.error().detail);
  crypto::KeyRing ring(*keys, rng);
  store::Database::Options options;
  options.file = file;
  const std::vector<store::Migration> migrations = all_migrations();
  Result<std::unique_ptr<store::Database>> database = store::Database::open(options, migrations);
  if (!database) return std::move(database).error();
  const Result<std::optional<Bytes>> root = (*database)->read_blocking([](store::Tx& tx) { return derivation_root(tx); });
  if (!root) return root.error();
  if (!*root) return fail(Reason::invalid_argument, "this is no database of a gateway: it holds no keys");
  if (const Result<void> r = ring.open_root(**root); !r) {
    return fail(r.error().code, "the master key " + config.master_key.string() + " does not open this database (" +
                                    r.error().detail + "): put the key that belongs to it in its place");
  }
  audit::Options log_options;
  log_options.origin = config.audit_origin;
  Result<std::unique_ptr<audit::Log>> log =
      audit::Log::open(**database, log_options, ring.derive("audit-checkpoint/v1"), clock, rng);
  if (!log) return std::move(log).error();
  (*database)->start();
  const Instant now = clock.now();
  const Result<void> done = (*database)->write_blocking([&](store::Tx& tx) -> Result<void> {
    (*log)->append(tx, system_record("(operator)", operation, note, now));
    Offline at{tx, ring, rng, now};
    return job(at);
  });
  (*database)->stop();
  const std::uint64_t records = (*log)->size();
  database->reset();  // closes the file: its write-ahead log goes into it
  if (!done) return done.error();
  return records;
}

}  // namespace vestibule::app::cli
