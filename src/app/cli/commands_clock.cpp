// clock accept: the way out where the machine's clock was far ahead and the mark that it left lies in
// the future. With the gateway stopped, since nobody can prove a factor while its clock is not trusted.

#include <fmt/format.h>

#include "app/cli/commands_clock.hpp"
#include "app/cli/offline_database.hpp"
#include "app/cli/terminal.hpp"
#include "app/meta.hpp"
#include "approval/requests.hpp"
#include "risk/history.hpp"
#include "oauth/rows.hpp"
#include "session/schema.hpp"

namespace vestibule::app::cli {
namespace {

Result<WallTime> read_mark(const std::filesystem::path& file) {
  store::Database::Options options;
  options.file = file;
  const std::vector<store::Migration> migrations = all_migrations();
  const Result<std::unique_ptr<store::Database>> database = store::Database::open(options, migrations);
  if (!database) return database.error();
  return (*database)->read_blocking([](store::Tx& tx) { return session::clock_mark(tx); });
}

}  // namespace

int clock_accept(Context& ctx, const ClockOptions& o) {
  const Result<Config> config = ctx.config();
  if (!config) return ctx.failed(config.error());
  const Result<std::filesystem::path> file =
      idle_database(*config, "While its clock is not trusted nobody can prove a factor to it, so this is done on its files.");
  if (!file) return ctx.failed(file.error());
  const Result<WallTime> mark = read_mark(*file);
  if (!mark) return ctx.failed(mark.error());
  const WallTime now = SystemClock().wall();
  if (*mark <= now) {
    return ctx.failed(fail(Reason::conflict, "The clock is not behind: it says " + rfc3339(now) +
                                                 ", and the highest time stored is " + rfc3339(*mark) + ". Nothing was changed."));
  }
  if (!o.yes) {
    const Result<void> yes =
        ask_yes(fmt::format("This machine says that it is {}; the highest time stored is {}.\n"
                            "If the machine is right, type yes. All sessions end, everybody signs in again:",
                            rfc3339(now), rfc3339(*mark)));
    if (!yes) return ctx.failed(yes.error());
  }
  const std::string note = "the highest time stored was " + rfc3339(*mark);
  const OfflineJob lower = [](Offline& at) -> Result<void> {
    Result<void> done = session::accept_clock(at.tx, at.now.wall);
    if (!done) return done;
    Result<void> asked = approval::accept_clock(at.tx, at.now.wall);
    if (!asked) return asked;
    Result<void> clients = oauth::void_after_restore(at.tx);
    if (!clients) return clients;
    return risk::accept_clock(at.tx, at.now.wall);
  };
  const Result<std::uint64_t> records = change_offline(*config, *file, "clock.accept", note, lower);
  if (!records) return ctx.failed(records.error());
  if (ctx.json()) {
    json::Value v;
    v.set("now", rfc3339(now)).set("mark", rfc3339(*mark)).set("records", static_cast<std::int64_t>(*records));
    out(v.dump() + "\n");
    return status(Exit::ok);
  }
  out(fmt::format("{} is taken for right instead of {}; it is in the audit log.\n"
                  "All sessions, tokens, enrolment codes and enrolments under way have ended. TOTP codes up to this\n"
                  "moment do not count: wait for the next one. Keep NTP running, and start the gateway.\n",
                  rfc3339(now), rfc3339(*mark)));
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
