// check-config, version.

#include <fmt/format.h>

#include "app/cli/commands_offline.hpp"
#include "app/cli/terminal.hpp"
#include "app/enrollable.hpp"
#include "app/files.hpp"
#include "policy/policy.hpp"

#ifndef VESTIBULE_VERSION
#define VESTIBULE_VERSION "0"
#endif

namespace vestibule::app::cli {

int check_config(Context& ctx, const std::string& file) {
  Result<std::filesystem::path> path = file.empty() ? ctx.config_file() : Result<std::filesystem::path>(file);
  if (!path) return ctx.failed(path.error());
  const Result<Config> config = load_config(*path);
  if (!config) return ctx.failed(config.error());
  // Alone, either may be right that are wrong together: a policy may demand what cannot be enrolled here.
  std::error_code ec;
  if (std::filesystem::exists(config->policy_file, ec)) {
    const Result<std::string> text = read_file(config->policy_file, Reason::config_invalid);
    if (!text) return ctx.failed(text.error());
    const policy::ParseResult parsed = policy::Policy::parse(*text, config->policy_file.string(), enrollable_kinds(*config));
    if (!parsed) return ctx.failed(fail(Reason::config_invalid, parsed.text()));
  }
  if (ctx.json()) {
    json::Value points{json::Array{}};
    for (const access::AccessPoint& p : config->points) points.push(p.name);
    json::Value v;
    v.set("file", config->file.string()).set("data_dir", config->data_dir.string());
    v.set("control_socket", config->control_socket.string()).set("access_points", std::move(points));
    out(v.dump() + "\n");
    return status(Exit::ok);
  }
  std::string listen;
  for (const net::Address& a : config->listen) listen += (listen.empty() ? "" : ", ") + a.text();
  out(fmt::format("{} is right.\n  listens on      {}{}\n  data            {}\n  control socket  {}\n  policy          {}\n",
                  printable(path->string()), printable(listen), config->tls_certificate.empty() ? " (plain HTTP)" : " (TLS)",
                  printable(config->data_dir.string()), printable(config->control_socket.string()),
                  printable(config->policy_file.string())));
  Table table({"ACCESS POINT", "KIND", "PREFIX", "SENSITIVITY", "BEHIND IT"});
  for (const access::AccessPoint& p : config->points) {
    std::string behind = p.spawn ? "spawned: " + p.spawn->command.front() : "";
    for (const std::string& u : p.upstreams) behind += (behind.empty() ? "" : ", ") + u;
    table.add({p.name, std::string(dialect::name(p.kind)), p.prefix.empty() ? "/" : p.prefix,
               std::string(domain::name(p.sensitivity)), behind});
  }
  print(table);
  return status(Exit::ok);
}

int version(Context& ctx) {
  if (ctx.json()) {
    json::Value v;
    v.set("name", "vestibule").set("version", VESTIBULE_VERSION);
    out(v.dump() + "\n");
  } else {
    out("vestibule " VESTIBULE_VERSION "\n");
  }
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
