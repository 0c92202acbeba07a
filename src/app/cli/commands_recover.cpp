// recover: an administrator who has lost his factors, and for whom nobody may approve a reset, comes in
// by the host. With the gateway stopped, as whoever owns its data: it is they whom no promise binds.

#include <fmt/format.h>

#include "app/cli/commands_recover.hpp"
#include "app/cli/offline_database.hpp"
#include "app/cli/terminal.hpp"
#include "factors/factors.hpp"
#include "identity/recovery.hpp"

namespace vestibule::app::cli {
namespace {

// Who could do it through the gateway instead.
Result<std::vector<std::string>> who_could(store::Tx& tx, const std::string& but, std::span<const std::string> plugins) {
  const Result<std::vector<identity::User>> others = identity::other_administrators_in(tx, but);
  if (!others) return others.error();
  std::vector<std::string> names;
  for (const identity::User& one : *others) {
    const Result<identity::Holds> holds = factors::strong_factor_of(tx, one.id, plugins);
    if (!holds) return holds.error();
    if (*holds == identity::Holds::working) names.emplace_back(one.name.view());
  }
  return names;
}

}  // namespace

int recover(Context& ctx, const RecoverOptions& o) {
  const Result<Config> config = ctx.config();
  if (!config) return ctx.failed(config.error());
  const Result<std::filesystem::path> file =
      idle_database(*config, "This is done on its files, by whoever owns them, and in nobody's name.");
  if (!file) return ctx.failed(file.error());
  if (!o.yes) {
    const Result<void> yes =
        ask_yes(fmt::format("This makes an enrolment code for {} without anybody's consent. It is in the audit log, and every\n"
                            "administrator is told of it at each sign-in for 30 days. Type yes to go on:", printable(o.name)));
    if (!yes) return ctx.failed(yes.error());
  }
  std::optional<Secret> code;
  std::vector<std::string> plugins;
  for (const PluginConfig& p : config->plugins) plugins.push_back(p.name);
  const OfflineJob job = [&](Offline& at) -> Result<void> {
    const Result<std::vector<std::string>> others = who_could(at.tx, o.name, plugins);
    if (!others) return others.error();
    if (!others->empty() && !o.despite_others) {
      std::string names;
      for (const std::string& n : *others) names += (names.empty() ? "" : ", ") + n;
      return fail(Reason::conflict, "there are administrators who can sign in (" + names +
                                        "): they ask for a reset and approve it. Where they may not, or are out of reach, give "
                                        "--despite-others");
    }
    const crypto::HandleMint mint(at.keys.derive("handle-checksum/v1"));
    Result<Secret> made = identity::recover_in(at.tx, mint, at.rng, o.name, at.now.wall);
    if (!made) return std::move(made).error();
    code = std::move(*made);
    return {};
  };
  const std::string note = o.name + (o.despite_others ? "; although others could have" : "");
  const Result<std::uint64_t> records = change_offline(*config, *file, "user.recover", note, job);
  if (!records) {
    if (records.error().code == Reason::user_unknown) return ctx.failed(fail(Reason::user_unknown, "there is no user " + o.name));
    if (records.error().code == Reason::user_disabled) {
      return ctx.failed(fail(Reason::user_disabled, o.name + " is disabled: another account must be recovered first"));
    }
    return ctx.failed(records.error());
  }
  if (ctx.json()) {
    json::Value v;
    v.set("user", o.name).set("enrolment_code", code->reveal_text()).set("records", static_cast<std::int64_t>(*records));
    out(v.dump() + "\n");
    return status(Exit::ok);
  }
  out(fmt::format("It is in the audit log. Start the gateway; then, within an hour, {} runs `vestibule enrol` with this code:\n\n"
                  "    {}\n\nOnce it is used, the old password, factors and sessions are void.\n",
                  printable(o.name), code->reveal_text()));
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
