#include "app/config.hpp"

#include <algorithm>

#include "app/children.hpp"
#include "app/files.hpp"
#include "http/host.hpp"
#include "notify/subscription.hpp"
#include "portal/browser.hpp"

namespace vestibule::app {
namespace {

using schema::Option;
using schema::Type;

schema::Schema declare() {
  schema::Schema s;
  s.table("server", "Where the gateway listens and how it runs.");
  s.option({.name = "server.listen", .type = Type::list, .help = "Addresses on which access points are served: `IP:PORT` or `unix:/PATH`. Anything but loopback needs `tls.certificate`.", .fallback = "[\"127.0.0.1:8420\"]", .example = "[\"127.0.0.1:8420\", \"[::1]:8420\"]", .min = "1", .max = "16"});
  s.option({.name = "server.hosts", .type = Type::list, .help = "Names under which clients reach the gateway. A request with another Host is refused with 421 (DNS rebinding).", .fallback = "[\"localhost\", \"127.0.0.1\", \"[::1]\"]", .example = "[\"models.example.org\"]", .min = "1", .max = "64", .reloadable = true});
  s.option({.name = "server.status_listen", .type = Type::string, .help = "Loopback address for `/metrics` (Prometheus) and `/health`. Empty: none.", .fallback = "127.0.0.1:8421", .example = "127.0.0.1:8421"});
  s.option({.name = "server.data_dir", .type = Type::path, .help = "Database, control socket, set-up token. Made with mode 0700.", .fallback = "data", .example = "/var/lib/vestibule"});
  s.option({.name = "server.control_socket", .type = Type::path, .help = "Unix socket of the CLI. In the data directory if not given.", .example = "/run/vestibule/control.sock"});
  s.option({.name = "server.cores", .type = Type::integer, .help = "Threads that serve requests; 0 takes one for each core of the machine.", .fallback = "0", .example = "2", .min = "0", .max = "61"});
  s.option({.name = "server.max_connections", .type = Type::integer, .help = "Client connections a core; beyond, new ones get 503 and `Retry-After`.", .fallback = "20000", .example = "20000", .min = "1", .max = "1000000"});
  s.option({.name = "server.shutdown", .type = Type::duration, .help = "How long answers under way may finish after SIGTERM.", .fallback = "30s", .example = "30s", .min = "0s", .max = "1h"});
  s.option({.name = "server.log_level", .type = Type::choice, .help = "Least level of the log on standard error.", .fallback = "info", .example = "info", .choices = {"debug", "info", "warn", "error"}});
  s.option({.name = "server.log_format", .type = Type::choice, .help = "Form of the log's lines.", .fallback = "text", .example = "json", .choices = {"text", "json"}});
  s.option({.name = "server.child_user", .type = Type::string, .help = "User whom spawned model servers run as when the gateway itself runs as root.", .fallback = "nobody", .example = "nobody"});

  s.table("tls", "TLS of the listeners. Certificates are read again on SIGHUP.");
  s.option({.name = "tls.certificate", .type = Type::path, .help = "PEM file with the certificate chain.", .example = "/etc/vestibule/tls.crt", .reloadable = true});
  s.option({.name = "tls.key", .type = Type::path, .help = "PEM file with the private key, mode 0600.", .example = "/etc/vestibule/tls.key", .reloadable = true});

  s.table("portal", "The web portal, a listener of its own (no model server ever speaks in its origin), and the security keys and passkeys that are enrolled through it (WebAuthn).");
  s.option({.name = "portal.listen", .type = Type::list, .help = "Addresses on which browsers reach the portal: `IP:PORT`. Anything but loopback needs `tls.certificate`. Empty: no portal.", .fallback = "[\"127.0.0.1:8422\"]", .example = "[\"0.0.0.0:8422\"]", .max = "16"});
  s.option({.name = "portal.origins", .type = Type::list, .help = "Origins under which browsers open the portal, exactly as browsers write them, the first being the one that is shown; keys and passkeys take no others. Their host names are known besides `server.hosts`. With TLS the default is https://localhost:8422.", .fallback = "[\"http://localhost:8422\"]", .example = "[\"https://portal.example.org\"]", .min = "1", .max = "16"});
  s.option({.name = "portal.rp_id", .type = Type::string, .help = "Domain that keys are enrolled for (WebAuthn RP ID): the portal's host name or a domain above it. Changing it makes every enrolled key useless.", .fallback = "localhost", .example = "example.org", .min = "1", .max = "253"});
  s.option({.name = "portal.user_verification", .type = Type::choice, .help = "Whether every key must verify its user (PIN or biometrics). Without verification a key is one factor; sign-in by passkey alone asks for it always.", .fallback = "preferred", .example = "required", .choices = {"preferred", "required"}});
  s.option({.name = "portal.attestation", .type = Type::choice, .help = "Which authenticators may be enrolled. `any`: all. `listed`: models of `portal.aaguids`, attested under `portal.attestation_anchors`. `hardware`: no synced keys, attested under the anchors if there are any.", .fallback = "any", .example = "hardware", .choices = {"any", "listed", "hardware"}});
  s.option({.name = "portal.aaguids", .type = Type::list, .help = "Models that `listed` accepts, by AAGUID.", .fallback = "[]", .example = "[\"ee882879-721c-4913-9775-3dfcce97072a\"]", .max = "256"});
  s.option({.name = "portal.attestation_anchors", .type = Type::path, .help = "PEM file of the certificates that attestation may end at.", .example = "/etc/vestibule/attestation.pem"});
  s.option({.name = "portal.sign_count", .type = Type::choice, .help = "What a key whose counter does not grow leads to: somebody may hold a copy. `disable`: refused, and the key is disabled, since nobody knows which of the two is the owner's. `refuse`: refused. `allow`: recorded only.", .fallback = "disable", .example = "disable", .choices = {"disable", "refuse", "allow"}});

  s.table("oauth", "The authorization server for clients of the access points: OAuth 2.1 and OpenID Connect, at the portal's first origin, which is its issuer. Without a portal there is none.");
  s.option({.name = "oauth.access_points", .type = Type::string, .help = "Origin under which clients reach the access points; tokens are for these addresses (RFC 8707). Not given: the first of `server.hosts`, with the port of the first of `server.listen`.", .example = "https://models.example.org", .max = "256"});
  s.option({.name = "oauth.registration", .type = Type::choice, .help = "Whether programs may register as clients by themselves (RFC 7591), as MCP clients do. They get nothing by it but the right to ask a person.", .fallback = "open", .example = "closed", .choices = {"open", "closed"}});
  s.option({.name = "oauth.client_documents", .type = Type::boolean, .help = "Clients may be named by the https address of their own description, which the gateway fetches: from public addresses only, without redirects, 16 KiB at most.", .fallback = "true", .example = "false"});
  s.option({.name = "oauth.access_token", .type = Type::duration, .help = "How long an access token lives, within the session that it stands on.", .fallback = "1h", .example = "15m", .min = "1m", .max = "24h"});

  s.table("mtls", "Where service accounts show a certificate (RFC 8705): a listener of its own, since it asks every client for one. It serves the access points, and at /oauth/token what gives out tokens to services. Needs `tls.certificate` and a portal. Nothing in front of it may end TLS.");
  s.option({.name = "mtls.listen", .type = Type::list, .help = "Addresses, `IP:PORT`. Empty: none.", .fallback = "[]", .example = "[\"0.0.0.0:8423\"]", .max = "16"});
  s.option({.name = "mtls.origin", .type = Type::string, .help = "Origin under which services reach it; its name is one of `server.hosts`. Not given: the first of `server.hosts`, with the port of the first of `mtls.listen`.", .example = "https://models.example.org:8423", .max = "256"});

  s.table("keys", "The master key that seals every secret at rest.");
  s.option({.name = "keys.master_key", .type = Type::path, .help = "File with the master keys, mode 0600; made at the first start if neither it nor VESTIBULE_MASTER_KEY nor a systemd credential `vestibule-master-key` exists. Keep a copy elsewhere.", .fallback = "master.key", .example = "/etc/vestibule/master.key"});

  s.table("audit", "The audit log.");
  s.option({.name = "audit.checkpoint_file", .type = Type::path, .help = "File to which signed checkpoints are appended: ship it off the box, so that deleting the end of the log is seen.", .example = "/var/log/vestibule/checkpoints"});
  s.option({.name = "audit.origin", .type = Type::string, .help = "Name of this log in its checkpoints (C2SP origin).", .fallback = "vestibule.local/audit", .example = "gw1.example.org/audit", .min = "1", .max = "128"});
  s.option({.name = "audit.checkpoint_every", .type = Type::duration, .help = "At most this long, and ten seconds, until a record is covered by a checkpoint. A log on which nothing happens makes none.", .fallback = "60s", .example = "60s", .min = "1s", .max = "1d"});
  s.option({.name = "audit.checkpoint_records", .type = Type::integer, .help = "At most this many records between two checkpoints.", .fallback = "10000", .example = "10000", .min = "1", .max = "10000000"});
  s.option({.name = "audit.await_admission", .type = Type::boolean, .help = "Wait until the admission record is on disk before anything goes upstream. Only turned off to measure what it costs; health and doctor then say so.", .fallback = "true", .example = "true"});

  s.table("policy", "Who may do what: see docs/policy.md.");
  s.option({.name = "policy.file", .type = Type::path, .help = "The policy file.", .fallback = "policy.toml", .example = "/etc/vestibule/policy.toml", .reloadable = true});
  s.option({.name = "policy.trust", .type = Type::choice, .help = "`approval`: what loosens waits for `vestibule policy approve DIGEST` with a factor. `file`: whoever can write the file is trusted; audit and health say so.", .fallback = "approval", .example = "approval", .choices = {"approval", "file"}});
  s.option({.name = "policy.administration", .type = Type::choice, .help = "Sensitivity of the gateway's own administration.", .fallback = "moderate", .example = "high", .choices = {"low", "moderate", "high", "critical"}});
  s.option({.name = "policy.lift_people", .type = Type::integer, .help = "So many administrators have to agree, within an hour and each with a factor, before an emergency stop is lifted. From two on neither may have made or reset the other's account, and `approval.wait` counts. With fewer such administrators than this a stop stays until the operator of the host lowers the number.", .fallback = "1", .example = "2", .min = "1", .max = "5"});

  s.table("session", "Limits of sessions (NIST SP 800-63B).");
  s.option({.name = "session.idle", .type = Type::duration, .help = "A session that is not used for this long ends.", .fallback = "1h", .example = "1h", .min = "1m", .max = "24h"});
  s.option({.name = "session.overall", .type = Type::duration, .help = "A session ends after this long, whatever happens.", .fallback = "24h", .example = "12h", .min = "5m", .max = "24h"});

  s.table("approval", "What waits for a person: acts of administrators that take two of them, such as the reset of somebody's factors, and calls that lack a proof.");
  s.option({.name = "approval.wait", .type = Type::duration, .help = "So long an account approves nothing after it was made, got other roles or groups, or was reset; and so long one that ceased to be an administrator counts as one that could have looked. Shorter than the default is for tests.", .fallback = "72h", .example = "72h", .min = "0s", .max = "30d"});

  s.option({.name = "approval.receipt_retention", .type = Type::duration, .help = "How long a tool call that was confirmed and let out is kept, sealed, so that its receipt can be had: arguments, signatures, who.", .fallback = "2160h", .example = "2160h", .min = "24h", .max = "87600h"});
  s.option({.name = "approval.holds", .type = Type::integer, .help = "Calls that wait for their owner's proof at one time; beyond, and where one user has more than a tenth, they are refused at once. 0: none waits.", .fallback = "2000", .example = "2000", .min = "0", .max = "100000"});
  s.option({.name = "approval.holds_per_user", .type = Type::integer, .help = "Of these, one user's.", .fallback = "8", .example = "8", .min = "1", .max = "10000"});
  s.option({.name = "approval.held_bodies", .type = Type::size, .help = "Memory that the bodies of waiting calls may take.", .fallback = "128MiB", .example = "128MiB", .min = "0B", .max = "16GiB"});

  s.table("factors", "Second factors and passwords.");
  s.option({.name = "factors.totp_algorithm", .type = Type::choice, .help = "Hash of newly enrolled TOTP secrets. Many authenticator apps know SHA1 only.", .fallback = "SHA1", .example = "SHA1", .choices = {"SHA1", "SHA256", "SHA512"}});
  s.option({.name = "factors.totp_digits", .type = Type::integer, .help = "Digits of newly enrolled TOTP codes: 6 or 8.", .fallback = "6", .example = "6", .min = "6", .max = "8"});
  s.option({.name = "factors.lock_after", .type = Type::integer, .help = "PCI profile: lock a factor for 30 minutes after so many consecutive wrong codes; 0 keeps to growing waits.", .fallback = "0", .example = "10", .min = "0", .max = "100"});
  s.option({.name = "factors.common_passwords", .type = Type::path, .help = "List of common passwords that are refused, one a line (Debian package john-data).", .fallback = "/usr/share/john/password.lst", .example = "/usr/share/john/password.lst"});
  s.option({.name = "factors.password_memory", .type = Type::size, .help = "Memory that all password hashing at one time may take.", .fallback = "256MiB", .example = "256MiB", .min = "64MiB", .max = "16GiB"});

  s.table("notify", "What rings when somebody is asked or something has happened: push messages to the devices of users, and doorbells of the operator's. They say nothing of whom or what; the portal tells.");
  s.option({.name = "notify.push_hosts", .type = Type::list, .help = "Push services that messages may be sent to, by host; `*.` is every name below. Users give the addresses, so nothing else is reached, and no private address ever. Empty: no push, devices have their inbox.", .fallback = "[\"fcm.googleapis.com\", \"jmt17.google.com\", \"*.push.services.mozilla.com\", \"*.notify.windows.com\", \"web.push.apple.com\", \"*.push.apple.com\"]", .example = "[\"updates.push.services.mozilla.com\"]", .max = "64"});
  s.option({.name = "notify.push_loopback", .type = Type::boolean, .help = "For tests: push endpoints on this machine, without TLS.", .fallback = "false", .example = "false"});
  s.option({.name = "notify.contact", .type = Type::string, .help = "`mailto:` or `https:` address of the operator, told to push services (RFC 8292). Some want a real one. Empty: the portal's first origin.", .fallback = "", .example = "mailto:security@example.org", .max = "128"});
  s.option({.name = "notify.webhook", .type = Type::string, .help = "URL that gets a signed POST for every prompt and notice: see docs/api.md.", .example = "https://hooks.example.org/vestibule", .max = "2048"});
  s.option({.name = "notify.webhook_key", .type = Type::path, .help = "File with the key that signs it: 16 bytes at least, known to the receiver.", .example = "/etc/vestibule/webhook.key"});
  s.option({.name = "notify.ntfy", .type = Type::string, .help = "URL of a topic on a server of ntfy, which gets a short text for every prompt and notice.", .example = "https://ntfy.example.org/vestibule", .max = "2048"});
  s.option({.name = "notify.ntfy_token", .type = Type::path, .help = "File with an access token of that server.", .example = "/etc/vestibule/ntfy.token"});
  s.option({.name = "notify.authorities", .type = Type::path, .help = "PEM file of the certificate authorities for all of these. Not given: the system's.", .example = "/etc/ssl/certs/internal.pem"});

  s.table("factor_plugin.*", "A kind of second factor of your own, asked over HTTP: `[factor_plugin.NAME]`, NAME of lower-case letters, digits and '-'. See docs/factor-plugins.md.");
  s.option({.name = "factor_plugin.*.label", .type = Type::string, .help = "What people see it called.", .example = "Codes by pager", .min = "1", .max = "64", .required = true});
  s.option({.name = "factor_plugin.*.url", .type = Type::string, .help = "Where requests go: `https://...`, or `http://` on a loopback address.", .example = "http://127.0.0.1:8425/", .required = true});
  s.option({.name = "factor_plugin.*.key_file", .type = Type::path, .help = "File with the key that both sides sign with: 32 bytes or more of text (`openssl rand -hex 32`), mode 0600.", .example = "/etc/vestibule/pager.key", .required = true});
  s.option({.name = "factor_plugin.*.traits", .type = Type::list, .help = "What a proof of it counts for; your word, the plug-in has no say. `possession` always; `user_verified` makes it two kinds of factor by itself, and with `phishing_resistant` and `device_bound` besides it is level 3.", .fallback = "[\"possession\"]", .example = "[\"possession\"]", .min = "1", .max = "4"});
  s.option({.name = "factor_plugin.*.mode", .type = Type::choice, .help = "`asks`: the plug-in is told first, and sends or shows the person something. `typed`: the person has something to type by himself.", .fallback = "asks", .example = "asks", .choices = {"asks", "typed"}});
  s.option({.name = "factor_plugin.*.timeout", .type = Type::duration, .help = "How long it may take to answer, all in all.", .fallback = "5s", .example = "5s", .min = "100ms", .max = "30s"});

  s.table("access_point.*", "A guarded AI resource: `[access_point.NAME]`, NAME of lower-case letters, digits and '-'.");
  s.option({.name = "access_point.*.kind", .type = Type::choice, .help = "What speaks behind it.", .example = "llamacpp", .choices = {"openai", "anthropic", "ollama", "llamacpp", "vllm", "mcp", "http"}, .required = true, .reloadable = true});
  s.option({.name = "access_point.*.prefix", .type = Type::string, .help = "Path under which it is served, taken off before the request goes on; empty: the root.", .fallback = "", .example = "/lab", .max = "128", .reloadable = true});
  s.option({.name = "access_point.*.host", .type = Type::string, .help = "Host name that selects it; empty: any of `server.hosts`.", .fallback = "", .example = "lab.example.org", .reloadable = true});
  s.option({.name = "access_point.*.upstreams", .type = Type::list, .help = "The model server: `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`. Several are used in turn.", .example = "[\"http://127.0.0.1:11434\"]", .max = "16", .reloadable = true});
  s.option({.name = "access_point.*.upstream_prefix", .type = Type::string, .help = "Put before the path on the way up.", .fallback = "", .example = "/api", .max = "128", .reloadable = true});
  s.option({.name = "access_point.*.sensitivity", .type = Type::choice, .help = "Row of the policy's sensitivity table that applies.", .fallback = "moderate", .example = "high", .choices = {"low", "moderate", "high", "critical"}, .reloadable = true});
  s.option({.name = "access_point.*.owner", .type = Type::string, .help = "Who answers for it.", .fallback = "", .example = "ml-team", .max = "96", .reloadable = true});
  s.option({.name = "access_point.*.description", .type = Type::string, .help = "What it is.", .fallback = "", .example = "Demonstration model", .max = "256", .reloadable = true});
  s.option({.name = "access_point.*.models", .type = Type::list, .help = "Patterns of the models that may be named (`*`, `?`). Empty: any that the server has.", .fallback = "[]", .example = "[\"llama3*\", \"qwen*\"]", .max = "100", .reloadable = true});
  s.option({.name = "access_point.*.operations", .type = Type::list, .help = "Sensitive or administrative operations that are open for those whom the policy allows them, by name.", .fallback = "[]", .example = "[\"model.pull\"]", .max = "100", .reloadable = true});
  s.option({.name = "access_point.*.remote_urls", .type = Type::boolean, .help = "Content may name remote URLs, which makes the model server fetch them.", .fallback = "false", .example = "false", .reloadable = true});
  s.option({.name = "access_point.*.server_objects", .type = Type::boolean, .help = "Requests may refer to objects that the server keeps (stored responses, files, slots). Whose they are, nobody checks.", .fallback = "false", .example = "false", .reloadable = true});
  s.option({.name = "access_point.*.tools", .type = Type::choice, .help = "gated: each tool call that a model asks for is decided about by the policy, and held until a person has confirmed it where that is asked for; raw completions and tools that the server runs are closed. open: replies pass unread.", .fallback = "gated", .example = "gated", .choices = {"gated", "open"}, .reloadable = true});
  s.option({.name = "access_point.*.server_tools", .type = Type::boolean, .help = "Requests may use tools that the server runs by itself.", .fallback = "false", .example = "false", .reloadable = true});
  s.option({.name = "access_point.*.client_requests", .type = Type::list, .help = "Of `mcp`: what the tool server may ask of its client: `sampling` (words of the client's model), `elicitation` (something of its person), `roots` (the folders that it works in). The rest is taken out of its messages.", .fallback = "[]", .example = "[\"elicitation\"]", .max = "3", .reloadable = true});
  s.option({.name = "access_point.*.tool_changes", .type = Type::choice, .help = "Of `mcp`: what becomes of a tool whose definition (description, schema, annotations) is not what it was when it was first seen or last accepted. sleep: it is listed to nobody and cannot be called until an administrator has looked at it. allow: nobody looks; for servers that describe themselves anew all the time.", .fallback = "sleep", .example = "sleep", .choices = {"sleep", "allow"}, .reloadable = true});
  s.option({.name = "access_point.*.receipts", .type = Type::boolean, .help = "Of `mcp`: the tool server is shown the receipt of each call that people have confirmed, in the header `Vestibule-Receipt` (docs/receipts.md), so that it can check for itself before it acts. A receipt says who asked and who confirmed.", .fallback = "false", .example = "true", .reloadable = true});
  s.option({.name = "access_point.*.carries", .type = Type::list, .help = "Of `mcp`: tool calls that, once a person has confirmed them in the reply of a model, may be made here, once, by the same account from the same place with the same arguments: `ACCESS_POINT/TOOL`, `ACCESS_POINT/TOOL as NAME` where the tool has another name here, `ACCESS_POINT/*` for all. The person is shown it, and signs it.", .fallback = "[]", .example = "[\"local/transfer as bank_transfer\"]", .max = "100", .reloadable = true});
  s.option({.name = "access_point.*.max_body", .type = Type::size, .help = "Largest request body that is read whole.", .fallback = "4MiB", .example = "32MiB", .min = "1KiB", .max = "256MiB", .reloadable = true});
  s.option({.name = "access_point.*.max_stream", .type = Type::duration, .help = "How long one answer may take.", .fallback = "10m", .example = "30m", .min = "1s", .max = "24h", .reloadable = true});
  s.option({.name = "access_point.*.hold", .type = Type::duration, .help = "How long a call that lacks a proof waits for its owner before it is refused. MCP clients give up after 60 seconds. 0s: it is refused at once.", .fallback = "45s", .example = "120s", .min = "0s", .max = "280s", .reloadable = true});
  s.option({.name = "access_point.*.private_upstream", .type = Type::boolean, .help = "Your word that nobody but the gateway reaches the upstream. Otherwise it is reported as bypassable.", .fallback = "false", .example = "false", .reloadable = true});
  s.option({.name = "access_point.*.spawn", .type = Type::list, .help = "Command of a model server that the gateway starts, confines, watches and restarts. `{socket}` stands for its Unix socket. Of kind `mcp` and without `{socket}`: a tool server that speaks MCP on its standard input and output.", .example = "[\"/usr/bin/llama-server\", \"--model\", \"/srv/model.gguf\", \"--host\", \"{socket}\"]", .max = "100"});
  s.option({.name = "access_point.*.spawn_environment", .type = Type::list, .help = "Variables of the gateway's environment that the spawned program may see.", .fallback = "[]", .example = "[\"LD_LIBRARY_PATH\"]", .max = "32"});
  s.option({.name = "access_point.*.spawn_readable", .type = Type::list, .help = "Files and folders that the spawned program may read besides the system's.", .fallback = "[]", .example = "[\"/srv/models\"]", .max = "32"});
  s.option({.name = "access_point.*.spawn_writable", .type = Type::list, .help = "Folders that the spawned program may read and write; nothing in them can be executed. Where the gateway is root they must be writable for `server.child_user`.", .fallback = "[]", .example = "[\"/srv/files\"]", .max = "32"});
  s.option({.name = "access_point.*.spawn_ready", .type = Type::duration, .help = "How long it may take to be ready.", .fallback = "60s", .example = "5m", .min = "1s", .max = "1h"});
  s.option({.name = "access_point.*.credential_header", .type = Type::string, .help = "Where the upstream's own credential goes (set it with `vestibule access credential NAME`).", .fallback = "Authorization", .example = "x-api-key", .min = "1", .max = "64", .reloadable = true});
  s.option({.name = "access_point.*.credential_scheme", .type = Type::string, .help = "Written before the credential.", .fallback = "Bearer ", .example = "", .max = "32", .reloadable = true});
  return s;
}

class Reader {
 public:
  Reader(const schema::Document& d, const std::filesystem::path& file) : d_(d), base_(file.parent_path()) { config.file = file; }

  Config config;
  std::vector<schema::Problem> problems;

  void read() {
    for (const std::string& text : d_.get_list("server.listen")) {
      if (auto a = address("server.listen", text)) config.listen.push_back(*a);
    }
    for (const std::string& text : d_.get_list("server.hosts")) {
      const Result<http::Host> host = http::parse_host(text);
      if (!host || host->port != 0) {
        problem("server.hosts", "\"" + text + "\" is not a host name (give it without a port)");
      } else {
        config.hosts.push_back(host->name);
      }
    }
    if (const std::string& status = d_.get_string("server.status_listen"); !status.empty()) {
      config.status_listen = address("server.status_listen", status);
      if (config.status_listen && !config.status_listen->is_loopback()) {
        problem("server.status_listen", "the status listener has no sign-in: loopback addresses only");
      }
    }
    config.data_dir = path("server.data_dir");
    config.control_socket = d_.has("server.control_socket") ? path("server.control_socket") : config.data_dir / "control.sock";
    if (config.control_socket.native().size() > 107) problem("server.control_socket", "the path is too long for a Unix socket (107 bytes at most): " + config.control_socket.string());
    config.cores = static_cast<unsigned>(d_.get_integer("server.cores"));
    config.max_connections = d_.get_integer("server.max_connections");
    config.shutdown = d_.get_duration("server.shutdown");
    const std::string& level = d_.get_string("server.log_level");
    config.log.level = level == "debug" ? log::Level::debug : level == "warn" ? log::Level::warn : level == "error" ? log::Level::error : log::Level::info;
    config.log.format = d_.get_string("server.log_format") == "json" ? log::Format::json : log::Format::text;
    config.child_user = d_.get_string("server.child_user");
    if (d_.has("tls.certificate")) config.tls_certificate = path("tls.certificate");
    if (d_.has("tls.key")) config.tls_key = path("tls.key");
    if (config.tls_certificate.empty() != config.tls_key.empty()) problem("tls.certificate", "tls.certificate and tls.key go together");
    for (const net::Address& a : config.listen) {
      if (config.tls_certificate.empty() && !a.is_loopback()) {
        problem("server.listen", a.text() + " is not loopback: passwords and codes must not travel in the clear. Set tls.certificate and tls.key");
      }
    }
    portal();
    config.master_key = path("keys.master_key");
    if (d_.has("audit.checkpoint_file")) config.checkpoint_file = path("audit.checkpoint_file");
    config.audit_origin = d_.get_string("audit.origin");
    config.checkpoint_every = d_.get_duration("audit.checkpoint_every");
    config.checkpoint_records = d_.get_integer("audit.checkpoint_records");
    config.await_admission = d_.get_boolean("audit.await_admission");
    config.policy_file = path("policy.file");
    config.policy_trust_file = d_.get_string("policy.trust") == "file";
    config.lift_people = static_cast<int>(d_.get_integer("policy.lift_people"));
    config.administration = *domain::sensitivity_from(d_.get_string("policy.administration"));
    config.session_idle = d_.get_duration("session.idle");
    config.session_overall = d_.get_duration("session.overall");
    config.approval_wait = d_.get_duration("approval.wait");
    config.receipt_retention = d_.get_duration("approval.receipt_retention");
    config.holds = d_.get_integer("approval.holds");
    config.holds_per_user = d_.get_integer("approval.holds_per_user");
    config.held_bodies = d_.get_size("approval.held_bodies");
    config.totp_algorithm = d_.get_string("factors.totp_algorithm");
    config.totp_digits = d_.get_integer("factors.totp_digits");
    if (config.totp_digits == 7) problem("factors.totp_digits", "6 or 8");
    config.lock_after = d_.get_integer("factors.lock_after");
    config.common_passwords = path("factors.common_passwords");
    config.password_memory = d_.get_size("factors.password_memory");
    webauthn();
    notify();
    for (const schema::Section& s : d_.sections("factor_plugin")) plugin(s);
    for (const schema::Section& s : d_.sections("access_point")) point(s);
    mtls();
    oauth();
    if (config.points.empty() && problems.empty()) {
      problem("", "no access point is configured: add [access_point.NAME] with kind and upstreams");
    }
  }

 private:
  void problem(std::string_view key, std::string message) { problems.push_back(d_.problem(key, std::move(message))); }

  std::filesystem::path path(std::string_view key) {
    const std::filesystem::path p = d_.get_string(key);
    return (p.is_absolute() ? p : base_ / p).lexically_normal();
  }

  std::optional<net::Address> address(std::string_view key, const std::string& text) {
    Result<net::Address> a = net::Address::parse(text);
    if (a) return *a;
    problem(key, a.error().detail);
    return std::nullopt;
  }

  void portal() {
    for (const std::string& text : d_.get_list("portal.listen")) {
      const auto a = address("portal.listen", text);
      if (!a) continue;
      if (a->is_unix()) problem("portal.listen", "a browser needs IP:PORT");
      if (config.tls_certificate.empty() && !a->is_loopback()) {
        problem("portal.listen", a->text() + " is not loopback: passwords, codes and cookies must not travel in the clear. Set tls.certificate and tls.key");
      }
      config.portal_listen.push_back(*a);
    }
    config.portal_hosts = config.hosts;
    const bool tls = !config.tls_certificate.empty();
    std::vector<std::string> origins = d_.get_list("portal.origins");
    if (tls && !d_.present("portal.origins")) origins = {"https://localhost:8422"};
    for (const std::string& text : origins) {
      if (!portal::is_origin(text)) {
        problem("portal.origins", "\"" + text + "\" is not an origin: http:// or https://, a host name in lower case, and a port if it is not the usual one");
        continue;
      }
      // The other way round is fine: a proxy in front may speak TLS.
      if (tls && text.starts_with("http://")) problem("portal.origins", "\"" + text + "\": the portal speaks TLS, so browsers write https://");
      config.portal_origins.push_back(text);
      if (const Result<http::Host> host = http::parse_host(text.substr(text.find("//") + 2))) config.portal_hosts.push_back(host->name);
    }
  }

  void mtls() {
    for (const std::string& text : d_.get_list("mtls.listen")) {
      const auto a = address("mtls.listen", text);
      if (!a) continue;
      if (a->is_unix()) problem("mtls.listen", "certificates are shown over TLS: IP:PORT");
      config.certified_listen.push_back(*a);
    }
    if (config.certified_listen.empty()) {
      if (d_.has("mtls.origin")) problem("mtls.origin", "mtls.origin is nothing without mtls.listen");
      return;
    }
    if (config.tls_certificate.empty()) problem("mtls.listen", "certificates are shown over TLS: set tls.certificate and tls.key");
    if (config.portal_listen.empty()) problem("mtls.listen", "without a portal nobody gives out tokens: set portal.listen");
    if (config.hosts.empty()) return;
    std::string& origin = config.certified_origin;
    if (d_.has("mtls.origin")) {
      origin = d_.get_string("mtls.origin");
      const Result<http::Host> host = http::parse_host(origin.substr(std::min(origin.find("//") + 2, origin.size())));
      if (!portal::is_origin(origin) || !origin.starts_with("https://") || !host) {
        problem("mtls.origin", "\"" + origin + "\" is not an origin: https://, a host name in lower case, and a port if it is not 443");
      } else if (std::ranges::find(config.hosts, host->name) == config.hosts.end()) {
        problem("mtls.origin", "server.hosts lacks " + host->name + ": requests to it would be refused");
      }
      return;
    }
    const std::uint16_t port = config.certified_listen.front().port;
    origin = "https://" + config.hosts.front();
    if (port != 443) origin += ":" + std::to_string(port);
  }

  void oauth() {
    config.clients_register = d_.get_string("oauth.registration") == "open";
    config.clients_by_address = d_.get_boolean("oauth.client_documents");
    config.access_token = d_.get_duration("oauth.access_token");
    std::string origin;
    if (d_.has("oauth.access_points")) {
      origin = d_.get_string("oauth.access_points");
      if (!portal::is_origin(origin)) problem("oauth.access_points", "\"" + origin + "\" is not an origin: http:// or https://, a host name in lower case, and a port if it is not the usual one");
    } else if (!config.listen.empty() && !config.hosts.empty()) {
      const bool tls = !config.tls_certificate.empty();
      const std::uint16_t port = config.listen.front().port;
      origin = (tls ? "https://" : "http://") + config.hosts.front();
      if (port != 0 && port != (tls ? 443 : 80)) origin += ":" + std::to_string(port);
    }
    if (config.portal_listen.empty() || config.portal_origins.empty()) return;
    for (access::AccessPoint& p : config.points) {
      p.issuer = config.portal_origins.front();
      p.certificates = !config.certified_listen.empty();
      p.resource = origin;
      if (!p.host.empty()) {
        if (const Result<http::Url> base = http::parse_url(origin)) {
          http::Url own = *base;
          own.host = p.host;
          p.resource = own.origin();
        }
      }
      p.resource += p.prefix;
    }
  }

  std::optional<http::Url> url(std::string_view key) {
    if (!d_.has(key)) return std::nullopt;
    const std::string& text = d_.get_string(key);
    Result<http::Url> parsed = http::parse_url(text);
    if (!parsed) {
      problem(key, "\"" + text + "\" is no URL that can be used here: " + parsed.error().detail);
      return std::nullopt;
    }
    net::Address host;
    host.host = parsed->host == "[::1]" ? "::1" : parsed->host;
    if (parsed->scheme == http::Url::Scheme::http && !host.is_loopback()) problem(key, "http:// is for loopback alone: tokens and names must not travel in the clear");
    return std::move(*parsed);
  }

  void notify() {
    NotifyConfig& o = config.notify;
    for (const std::string& text : d_.get_list("notify.push_hosts")) {
      if (!notify::PushHosts::is_pattern(text)) problem("notify.push_hosts", "\"" + text + "\" is neither a host name in lower case nor `*.` and one");
      o.push_hosts.push_back(text);
    }
    o.push_loopback = d_.get_boolean("notify.push_loopback");
    o.contact = d_.get_string("notify.contact");
    if (!o.contact.empty() && !o.contact.starts_with("mailto:") && !o.contact.starts_with("https:")) problem("notify.contact", "an address that begins with mailto: or https:");
    o.webhook = url("notify.webhook");
    o.ntfy = url("notify.ntfy");
    if (d_.has("notify.webhook_key")) o.webhook_key = path("notify.webhook_key");
    if (d_.has("notify.ntfy_token")) o.ntfy_token = path("notify.ntfy_token");
    if (d_.has("notify.authorities")) o.authorities = path("notify.authorities");
    if (o.webhook && o.webhook_key.empty()) problem("notify.webhook_key", "a webhook is signed: name the file of its key");
  }

  void webauthn() {
    factors::WebAuthnOptions& o = config.webauthn;
    o.rp_id = d_.get_string("portal.rp_id");
    o.origins = config.portal_origins;
    if (d_.get_string("portal.user_verification") == "required") o.verification = factors::UserVerification::required;
    const std::string attestation = d_.get_string("portal.attestation");
    if (attestation == "listed") o.attestation = factors::AttestationPolicy::listed;
    if (attestation == "hardware") o.attestation = factors::AttestationPolicy::hardware;
    for (const std::string& text : d_.get_list("portal.aaguids")) {
      if (const auto aaguid = factors::parse_aaguid(text)) {
        o.aaguids.push_back(*aaguid);
      } else {
        problem("portal.aaguids", text + " is no AAGUID");
      }
    }
    if (d_.has("portal.attestation_anchors")) {
      const std::filesystem::path file = path("portal.attestation_anchors");
      if (Result<std::string> pem = read_file(file, Reason::config_invalid)) o.anchors = std::move(*pem);
      if (o.anchors.empty()) problem("portal.attestation_anchors", "cannot read " + file.string());
    }
    const std::string sign_count = d_.get_string("portal.sign_count");
    if (sign_count == "refuse") o.sign_count = factors::SignCountPolicy::refuse;
    if (sign_count == "allow") o.sign_count = factors::SignCountPolicy::allow;
    if (!problems.empty()) return;
    if (const auto party = factors::RelyingParty::make(o); !party) problem("portal.rp_id", party.error().detail);
  }

  void plugin(const schema::Section& s) {
    PluginConfig p;
    p.name = s.name();
    if (p.name.size() > 32 || p.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
      problems.push_back(s.problem("", "the name of a plug-in has at most 32 lower-case letters, digits and '-'"));
    }
    p.label = s.get_string("label");
    if (const Result<http::Url> url = http::parse_url(s.get_string("url"))) {
      p.url = *url;
      // By its number: what a name leads to is the resolver's word.
      const Result<net::Address> at = net::Address::parse(url->host + ":" + std::to_string(url->port));
      const bool loopback = at && at->is_loopback() && url->host != "localhost";
      if (url->scheme == http::Url::Scheme::http && !loopback) {
        problems.push_back(s.problem("url", "http:// goes to a loopback address only (127.0.0.1 or [::1]): answers must not travel in the clear"));
      }
    } else {
      problems.push_back(s.problem("url", "not a URL that can be read in one way only: " + url.error().detail));
    }
    const std::filesystem::path key = s.get_string("key_file");
    p.key_file = (key.is_absolute() ? key : base_ / key).lexically_normal();
    for (const std::string& trait : s.get_list("traits")) {
      if (trait == "possession") {
        p.traits.possession = true;
      } else if (trait == "user_verified") {
        p.traits.user_verified = true;
      } else if (trait == "phishing_resistant") {
        p.traits.phishing_resistant = true;
      } else if (trait == "device_bound") {
        p.traits.device_bound = true;
      } else {
        problems.push_back(s.problem("traits", "\"" + trait + "\" is none: possession, user_verified, phishing_resistant, device_bound"));
      }
    }
    if (!p.traits.possession) problems.push_back(s.problem("traits", "what is not something one has is no second factor besides a password: possession"));
    if (s.get_string("mode") == "asks") p.mode = factors::Plugin::Mode::asks;
    p.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(s.get_duration("timeout"));
    config.plugins.push_back(std::move(p));
  }

  void point(const schema::Section& s) {
    access::AccessPoint p;
    p.name = s.name();
    if (p.name.size() > 32 || p.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
      problems.push_back(s.problem("", "the name of an access point has at most 32 lower-case letters, digits and '-'"));
    }
    if (p.name == "vestibule") problems.push_back(s.problem("", "\"vestibule\" is the gateway's own administration"));
    p.kind = *dialect::kind_from(s.get_string("kind").empty() ? "http" : s.get_string("kind"));
    p.prefix = s.get_string("prefix");
    p.host = s.get_string("host");
    if (s.has("upstreams")) p.upstreams = s.get_list("upstreams");
    p.upstream_prefix = s.get_string("upstream_prefix");
    p.sensitivity = *domain::sensitivity_from(s.get_string("sensitivity"));
    p.owner = s.get_string("owner");
    p.description = s.get_string("description");
    p.rules.models = s.get_list("models");
    p.rules.operations = s.get_list("operations");
    p.rules.remote_urls = s.get_boolean("remote_urls");
    p.rules.server_objects = s.get_boolean("server_objects");
    p.rules.server_tools = s.get_boolean("server_tools");
    // What the generic dialect relays it does not understand.
    p.rules.gated_tools = s.get_string("tools") == "gated" && p.kind != dialect::Kind::http;
    if (p.kind == dialect::Kind::mcp && !p.rules.gated_tools) {
      problems.push_back(s.problem("tools", "an MCP server is nothing but tools: say in the policy which of them need no confirmation"));
    }
    for (const std::string& request : s.get_list("client_requests")) {
      if (request == "sampling") {
        p.rules.client_requests.sampling = true;
      } else if (request == "elicitation") {
        p.rules.client_requests.elicitation = true;
      } else if (request == "roots") {
        p.rules.client_requests.roots = true;
      } else {
        problems.push_back(s.problem("client_requests", "\"" + request + "\" is none: sampling, elicitation, roots"));
      }
    }
    if (p.kind != dialect::Kind::mcp && !s.get_list("client_requests").empty()) {
      problems.push_back(s.problem("client_requests", "servers of this kind ask nothing of their clients"));
    }
    p.watch_tools = s.get_string("tool_changes") == "sleep";
    if (p.kind != dialect::Kind::mcp && !p.watch_tools) problems.push_back(s.problem("tool_changes", "servers of this kind have no tools of their own"));
    p.receipts = s.get_boolean("receipts");
    if (p.receipts && p.kind != dialect::Kind::mcp) problems.push_back(s.problem("receipts", "only tool servers are called"));
    for (const std::string& entry : s.get_list("carries")) {
      const std::size_t slash = entry.find('/');
      const std::size_t as = entry.find(" as ");
      access::Carry carry;
      carry.from = entry.substr(0, slash);
      if (slash != std::string::npos) carry.tool = entry.substr(slash + 1, as == std::string::npos ? as : as - slash - 1);
      if (as != std::string::npos) carry.as = entry.substr(as + 4);
      const bool sound = slash != std::string::npos && !carry.from.empty() && !carry.tool.empty() && carry.tool.find(' ') == std::string::npos &&
                         (as == std::string::npos || (as > slash && !carry.as.empty() && carry.as.find(' ') == std::string::npos && carry.tool != "*"));
      if (!sound) problems.push_back(s.problem("carries", "\"" + entry + "\": write ACCESS_POINT/TOOL, ACCESS_POINT/TOOL as NAME, or ACCESS_POINT/*"));
      p.carries.push_back(std::move(carry));
    }
    p.max_body = s.get_size("max_body");
    p.max_stream = std::chrono::duration_cast<std::chrono::seconds>(s.get_duration("max_stream"));
    p.hold = std::chrono::duration_cast<std::chrono::seconds>(s.get_duration("hold"));
    p.private_upstream = s.get_boolean("private_upstream");
    p.credential_header = s.get_string("credential_header");
    p.credential_scheme = s.get_string("credential_scheme");
    if (s.has("spawn") && !s.get_list("spawn").empty()) {
      access::Spawn spawn;
      spawn.command = s.get_list("spawn");
      spawn.environment = s.get_list("spawn_environment");
      spawn.readable = s.get_list("spawn_readable");
      spawn.writable = s.get_list("spawn_writable");
      for (const std::string& folder : spawn.writable) {
        if (std::filesystem::path(folder).is_relative()) problems.push_back(s.problem("spawn_writable", "\"" + folder + "\" is no absolute path"));
      }
      spawn.ready = std::chrono::duration_cast<std::chrono::seconds>(s.get_duration("spawn_ready"));
      if (!p.upstreams.empty()) problems.push_back(s.problem("spawn", "give spawn or upstreams, not both"));
      if (std::filesystem::path(spawn.command.front()).is_relative()) spawn.command.front() = (base_ / spawn.command.front()).lexically_normal().string();
      p.spawn = std::move(spawn);
      if (!takes_socket(*p.spawn) && !is_stdio(p)) problems.push_back(s.problem("spawn", "the command must take its socket: write {socket} where the path goes"));
    }
    if (p.receipts && is_stdio(p)) problems.push_back(s.problem("receipts", "a server on its standard input has no header to read"));
    config.points.push_back(std::move(p));
  }

  const schema::Document& d_;
  std::filesystem::path base_;
};

}  // namespace

const schema::Schema& config_schema() {
  static const schema::Schema s = declare();
  return s;
}

Result<Config> parse_config(std::string_view text, const std::filesystem::path& file) {
  Result<schema::Document> document = config_schema().parse(text, file.string());
  if (!document) return std::move(document).error();
  Reader reader(*document, file);
  reader.read();
  if (!reader.problems.empty()) return schema::to_error(reader.problems);
  // Routes and upstreams are judged by the catalogue, without keeping it.
  auto catalogue = access::Catalogue::build(reader.config.points, reader.config.hosts);
  if (!catalogue) return fail(Reason::config_invalid, file.string() + ": " + catalogue.error().detail);
  return std::move(reader.config);
}

Result<Config> load_config(const std::filesystem::path& file) {
  std::error_code ec;
  const std::filesystem::path absolute = std::filesystem::absolute(file, ec);
  const Result<std::string> text = read_file(absolute, Reason::config_invalid);
  if (!text) return text.error();
  return parse_config(*text, absolute);
}

}  // namespace vestibule::app
