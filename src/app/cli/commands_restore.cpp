// restore: puts a backup into place while no gateway runs. What a stolen or old copy could bring
// back to life (sessions, codes, challenges) is void before anybody can use it.

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "app/cli/commands_restore.hpp"
#include "app/cli/offline_copy.hpp"
#include "app/cli/offline_database.hpp"
#include "app/cli/terminal.hpp"
#include "approval/requests.hpp"
#include "oauth/rows.hpp"
#include "session/schema.hpp"
#include "store/file_lock.hpp"

namespace vestibule::app::cli {
namespace {

Result<void> move_aside(const std::filesystem::path& file, const std::string& to) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::string from = file.string() + suffix;
    if (::rename(from.c_str(), (to + suffix).c_str()) != 0 && errno != ENOENT) {
      return fail(Reason::internal, "cannot move " + from + ": " + std::strerror(errno));
    }
  }
  return {};
}

std::string stamp() {
  std::string out;
  for (const char c : rfc3339(SystemClock().wall())) {
    if (c != '-' && c != ':') out += c;
  }
  return out;
}

}  // namespace

int restore(Context& ctx, const RestoreOptions& o) {
  const Result<Config> config = ctx.config();
  if (!config) return ctx.failed(config.error());
  if (::mkdir(config->data_dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return ctx.failed(fail(Reason::internal, "cannot make " + config->data_dir.string() + ": " + std::strerror(errno)));
  }
  const std::filesystem::path database = config->data_dir / "vestibule.db";
  // Held until the end: no gateway starts on half a restore.
  const Result<store::FileLock> lock = store::FileLock::take(database);
  if (!lock) {
    return ctx.failed(fail(Reason::conflict, lock.error().detail + ". Stop the gateway first: restoring works on its files."));
  }
  if (database_in_use(o.file)) {
    return ctx.failed(fail(Reason::conflict, o.file + " is in use by a running gateway: restore a backup made with `vestibule backup`"));
  }
  std::error_code ec;
  const bool replaces = std::filesystem::exists(database, ec);
  if (replaces && !o.yes) {
    const Result<void> yes = ask_yes("This replaces " + database.string() + ", which is kept beside. Type yes to go on:");
    if (!yes) return ctx.failed(yes.error());
  }
  const std::filesystem::path copy = config->data_dir / "vestibule.db.restore";
  remove_database(copy);  // of an attempt that was interrupted
  const std::string note = "from " + std::filesystem::absolute(o.file, ec).string();
  Result<void> copied = copy_database(o.file, copy);
  const OfflineJob prepare = [](Offline& at) -> Result<void> {
    Result<void> sessions = session::void_after_restore(at.tx, at.now.wall);
    if (!sessions) return sessions;
    Result<void> asked = approval::void_after_restore(at.tx);
    if (!asked) return asked;
    return oauth::void_after_restore(at.tx);
  };
  Result<std::uint64_t> records =
      copied ? change_offline(*config, copy, "restore", note, prepare) : Result<std::uint64_t>(copied.error());
  if (!records) {
    remove_database(copy);
    return ctx.failed(records.error());
  }
  const std::string aside = database.string() + ".before-restore-" + stamp();
  Result<void> placed = move_aside(database, aside);
  if (placed) placed = move_aside(copy, database.string());
  if (placed) placed = store::sync_to_disk(config->data_dir);
  std::filesystem::remove(copy.string() + ".lock", ec);
  if (!placed) {
    return ctx.failed(fail(placed.error().code, placed.error().detail + ". What was there before is at " + aside));
  }
  if (ctx.json()) {
    json::Value v;
    v.set("database", database.string()).set("records", static_cast<std::int64_t>(*records));
    v.set("before", replaces ? json::Value(aside) : json::Value());
    out(v.dump() + "\n");
    return status(Exit::ok);
  }
  out(fmt::format("Restored {} from {}: {} audit records.\n", printable(database.string()), printable(o.file), *records));
  if (replaces) out("What was there before is kept as " + printable(aside) + ".\n");
  out("Void from now on, as nobody knows what became of them since the backup:\n"
      "  all sessions and access tokens      everybody signs in again\n"
      "  enrolment codes, the set-up token   give out new ones with `vestibule user reset NAME`\n"
      "  recovery codes                      make new ones with `vestibule factor recovery-codes`\n"
      "  enrolments under way, challenges    begin anew\n"
      "  TOTP codes up to this moment        wait for the next one\n"
      "Roles, disabled users and stops are those of the backup: look at them before you open the doors.\n");
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
