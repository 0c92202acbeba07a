#pragma once
// The configuration file: every option of vestibule.toml is declared here and nowhere else. Only
// this room knows the file; the rooms below take plain options.

#include <filesystem>
#include <string>
#include <vector>

#include "access/catalogue.hpp"
#include "app/plugins.hpp"
#include "base/log.hpp"
#include "factors/webauthn.hpp"
#include "http/url.hpp"
#include "net/listener.hpp"
#include "schema/schema.hpp"

namespace vestibule::app {

/// Table [notify]. Files hold secrets: they are read when what uses them is made.
struct NotifyConfig {
  std::vector<std::string> push_hosts;        ///< patterns; empty: no push
  bool push_loopback = false;
  std::string contact;                        ///< mailto: or https:; empty: the portal's first origin
  std::optional<http::Url> webhook, ntfy;
  std::filesystem::path webhook_key;          ///< absolute; with webhook
  std::filesystem::path ntfy_token;           ///< absolute; empty: none
  std::filesystem::path authorities;          ///< absolute; empty: the system's
};

struct Config {
  std::filesystem::path file;                 ///< absolute

  std::vector<net::Address> listen;           ///< where access points are served
  std::vector<std::string> hosts;             ///< canonical names that this gateway answers to
  std::optional<net::Address> status_listen;  ///< metrics and health; loopback
  std::filesystem::path data_dir;             ///< absolute
  std::filesystem::path control_socket;       ///< absolute; in data_dir unless told otherwise
  unsigned cores = 0;                         ///< 0: as many as the machine has
  std::int64_t max_connections = 0;           ///< a core
  Duration shutdown{};                        ///< how long streams may finish
  log::Options log;
  std::filesystem::path tls_certificate, tls_key;  ///< empty: plain HTTP, loopback only

  std::vector<net::Address> portal_listen;         ///< where browsers come; empty: no portal
  std::vector<std::string> portal_origins;         ///< "https://portal.example.org", as browsers spell them
  std::vector<std::string> portal_hosts;           ///< their host names and those of `hosts`

  std::vector<net::Address> certified_listen;      ///< where services show a certificate; empty: nowhere
  std::string certified_origin;                    ///< under which they reach it; empty: nowhere

  bool clients_register = true;                    ///< by themselves (RFC 7591)
  bool clients_by_address = true;                  ///< named by the address of their own description
  Duration access_token{};                         ///< how long one lives

  std::filesystem::path master_key;           ///< file; absolute
  std::filesystem::path checkpoint_file;      ///< absolute; empty: none
  std::string audit_origin;
  Duration checkpoint_every{};
  std::int64_t checkpoint_records = 0;
  bool await_admission = true;

  std::filesystem::path policy_file;          ///< absolute
  bool policy_trust_file = false;
  domain::Sensitivity administration = domain::Sensitivity::moderate;
  int lift_people = 1;

  Duration session_idle{}, session_overall{};
  Duration approval_wait{};
  Duration receipt_retention{};               ///< of what was confirmed and let out
  std::int64_t holds = 0, holds_per_user = 0;
  std::uint64_t held_bodies = 0;              ///< bytes
  std::string totp_algorithm;                 ///< "SHA1", "SHA256", "SHA512"
  std::int64_t totp_digits = 6;
  std::int64_t lock_after = 0;
  std::filesystem::path common_passwords;
  std::uint64_t password_memory = 0;          ///< bytes
  factors::WebAuthnOptions webauthn;          ///< the anchors' text included

  NotifyConfig notify;
  std::vector<PluginConfig> plugins;          ///< kinds of factor of the operator's own

  std::string child_user;                     ///< whom spawned programs run as when the gateway is root
  std::vector<access::AccessPoint> points;
};

/// The declarations, also for the reference page (docs/reference/configuration.md).
[[nodiscard]] const schema::Schema& config_schema();

/// Reads and checks a file; relative paths in it are relative to it. config_invalid with all
/// problems, each with file, line and key.
Result<Config> load_config(const std::filesystem::path& file);
Result<Config> parse_config(std::string_view text, const std::filesystem::path& file);

}  // namespace vestibule::app
