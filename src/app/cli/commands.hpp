#pragma once
// The commands, as functions of plain options; each gives the process's exit status. main.cpp says
// how they are spelt on the command line.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

// --- one's own account (commands_account.cpp)

struct EnrolOptions {
  std::string label;       ///< of the new factor
  std::string secret_out;  ///< file for the otpauth URI instead of showing it
  bool later = false;      ///< no question for the first code: `vestibule factor confirm` follows
};
struct SetupOptions {
  std::string name, token;
  bool password_stdin = false;
  EnrolOptions enrol;
};
int setup(Context& ctx, const SetupOptions& o);
struct EnrolUserOptions {
  bool code_first = false;  ///< standard input: the enrolment code, then the password
  EnrolOptions enrol;
};
int enrol(Context& ctx, const EnrolUserOptions& o);
struct LoginOptions {
  std::string name;
  bool password_stdin = false;
  bool fresh = false;  ///< a new session even if one is alive
  bool push = false;   ///< by a push device, not by a code
  // As a client of the gateway, for one access point (commands_login.cpp):
  std::string at, access_point;  ///< its address, or its name in the configuration here
  bool browser = false, device = false;
  std::string store;  ///< file or keyring; empty: the keyring where one answers
};
/// A session by name, password and code where the gateway's control socket is known: it opens the most. Else,
/// and where it is asked for, a token for one access point, by a browser or another device.
int login(Context& ctx, const LoginOptions& o);
/// commands_login.cpp
[[nodiscard]] bool is_client_login(Context& ctx, const LoginOptions& o);
int client_login(Context& ctx, const LoginOptions& o);
struct LogoutOptions {
  std::string access_point;  ///< of this one alone, by name or address
};
int logout(Context& ctx, const LogoutOptions& o);
struct PasswordOptions {
  bool password_stdin = false;  ///< the old one, the new one
};
int password(Context& ctx, const PasswordOptions& o);

int factor_list(Context& ctx);
int factor_add(Context& ctx, const EnrolOptions& o);
int factor_confirm(Context& ctx, const std::string& id, const std::string& code);
int factor_remove(Context& ctx, const std::string& id);
int factor_prefer(Context& ctx, const std::string& kind);
int factor_recovery_codes(Context& ctx);

/// Shows all notices and marks them as seen; as JSON it marks nothing.
int notices(Context& ctx);

/// Shows the call and lets it go on; without a code, what waits. (commands_approve.cpp)
int approve(Context& ctx, const std::string& code);

struct ConfirmOptions {
  std::string id, why;
  bool decline = false;
};
/// Shows the tool call whole and lets it out, or declines it; without an id, what waits. (commands_confirm.cpp)
int confirm(Context& ctx, const ConfirmOptions& options);

// --- tokens for programs (commands_token.cpp)

struct TokenOptions {
  std::int64_t ttl_s = 0;
  std::string env, access_point;
  std::string format = "plain";  ///< plain, json, or env: of every family that has an access point
};
int token(Context& ctx, const TokenOptions& o);
struct HelperOptions {
  std::string agent, access_point;
};
int token_helper(Context& ctx, const HelperOptions& o);
/// get; store and erase do nothing, since nothing of git's is kept.
int git_credential(Context& ctx, const std::string& operation);
struct ExecOptions {
  std::string agent;
  std::vector<std::string> access_points, operations, models, command;
  std::int64_t ttl_s = 0;
};
int exec(Context& ctx, const ExecOptions& o);

// --- chat (commands_chat.cpp)

struct ChatOptions {
  std::string prompt, access_point, model, system, tools_file;
};
int chat(Context& ctx, const ChatOptions& o);

// --- users and sessions (commands_users.cpp)

struct UserAddOptions {
  std::string name, display;
  std::vector<std::string> roles, groups;
};
int user_add(Context& ctx, const UserAddOptions& o);
int user_list(Context& ctx);
int user_show(Context& ctx, const std::string& name);
enum class Labels { roles, groups };
int user_set(Context& ctx, const std::string& name, Labels what, const std::vector<std::string>& labels);
int user_disable(Context& ctx, const std::string& name);
int user_enable(Context& ctx, const std::string& name);
int user_remove(Context& ctx, const std::string& name);
// (commands_resets.cpp)
int user_reset(Context& ctx, const std::string& name);
int user_resets(Context& ctx);
int user_approve(Context& ctx, const std::string& id);
int user_decline(Context& ctx, const std::string& id);
int coverage(Context& ctx);

struct SessionListOptions {
  bool all = false;
  std::string user;
};
int session_list(Context& ctx, const SessionListOptions& o);
struct SessionRevokeOptions {
  std::string id, user;
};
int session_revoke(Context& ctx, const SessionRevokeOptions& o);
int session_sign_out(Context& ctx);

// --- API keys (commands_keys.cpp)

struct KeyCreateOptions {
  std::string name, zone, service, jwk_file;
  std::vector<std::string> access_points, operations, models, networks, hours;
  std::int64_t ttl_s = 0;
};
int key_create(Context& ctx, const KeyCreateOptions& o);
int key_list(Context& ctx, const SessionListOptions& o);
struct KeyUnlockOptions {
  std::string key, source, access_point;
  std::int64_t lasts_s = 8 * 3600;
};
int key_unlock(Context& ctx, const KeyUnlockOptions& o);
int key_sleep(Context& ctx, const std::string& key);
int key_revoke(Context& ctx, const std::string& key);
int key_found(Context& ctx);

// --- mandates (commands_mandates.cpp)

struct MandateOptions {
  std::string name, key, service, starts, ends;  ///< times as RFC 3339
  std::vector<std::string> access_points, operations, models, networks;
  std::int64_t calls = 0, tokens = 0, max_body = 0;
  std::int64_t for_s = 3600;            ///< from now, where no times are given
};
/// Shows the text that is signed before it asks for a code.
int mandate_sign(Context& ctx, MandateOptions o);
struct MandateListOptions {
  bool all = false;
};
int mandate_list(Context& ctx, const MandateListOptions& o);
int mandate_revoke(Context& ctx, const std::string& id);

// --- service accounts (commands_services.cpp)

struct ServiceCreateOptions {
  std::string name, display, sponsor;
  std::vector<std::string> roles;
};
int service_create(Context& ctx, const ServiceCreateOptions& o);
int service_list(Context& ctx, const MandateListOptions& o);
int service_show(Context& ctx, const std::string& name);
struct ServicePersonOptions {
  std::string name, person;
};
int service_deputy(Context& ctx, const ServicePersonOptions& o);
int service_sponsor(Context& ctx, const ServicePersonOptions& o);
/// Shows the text that is signed before it asks for a code, as take_over does.
int service_accept(Context& ctx, const std::string& name);
int service_take_over(Context& ctx, const std::string& name);
int service_dismiss(Context& ctx, const ServicePersonOptions& o);
int service_remove(Context& ctx, const std::string& name);

// --- the gateway itself (commands_admin.cpp)

struct StopOptions {
  bool all = false;
  bool tools = false;
  std::string access_point, user, agent, client, tool, why;
};
int stop_set(Context& ctx, const StopOptions& o);
int stop_list(Context& ctx);
int stop_lift(Context& ctx, const StopOptions& o);

// --- tools of MCP servers (commands_tools.cpp)
struct ToolOptions {
  bool asleep = false;  ///< list: those alone
  std::string place;    ///< "ACCESS_POINT/TOOL"; list: "ACCESS_POINT" or empty
};
int tool_list(Context& ctx, const ToolOptions& o);
int tool_show(Context& ctx, const ToolOptions& o);
/// Shows what it was and what it is before it asks for a code.
int tool_accept(Context& ctx, const ToolOptions& o);

int policy_show(Context& ctx);
struct ExplainOptions {
  std::string user, access_point, operation, model, source, tool, arguments;
  std::vector<std::string> signals;
};
int policy_explain(Context& ctx, const ExplainOptions& o);
int policy_approve(Context& ctx, const std::string& digest);
int policy_reload(Context& ctx);
int policy_check(Context& ctx, const std::string& file);

struct CredentialOptions {
  std::string access_point;
  bool remove = false;
};
int access_credential(Context& ctx, const CredentialOptions& o);
int keys_rotate(Context& ctx);
int keys_retire(Context& ctx, std::uint32_t id);
int keys_list(Context& ctx);
int backup(Context& ctx, const std::string& path);

// --- clients of the access points (commands_clients.cpp)

struct ClientAddOptions {
  std::string name, auth = "none", jwks;
  std::vector<std::string> redirects;
  bool device = false;
};
int client_add(Context& ctx, const ClientAddOptions& o);
int client_list(Context& ctx);
int client_remove(Context& ctx, const std::string& id);
/// New keys for signing ID tokens.
int keys_sign(Context& ctx);

// --- the audit log (commands_audit.cpp)

struct AuditListOptions {
  std::string user, access_point, operation, reason, request, kind, since, until;
  std::optional<std::uint64_t> from_seq, to_seq;
  std::uint64_t limit = 50;
  bool oldest = false;
};
int audit_list(Context& ctx, const AuditListOptions& o);
/// Rules on tools, drafted from the tool calls of the log.
int policy_suggest(Context& ctx, const std::string& since);
struct AuditVerifyOptions {
  std::string checkpoints, database, vkey;
};
int audit_verify(Context& ctx, const AuditVerifyOptions& o);
int audit_export(Context& ctx, const std::string& file);
struct AuditProveOptions {
  std::optional<std::uint64_t> seq;
  std::string check, vkey;
};
int audit_prove(Context& ctx, const AuditProveOptions& o);
int audit_erase(Context& ctx, const std::string& user);

// --- receipts of confirmed tool calls (commands_receipt.cpp); verify needs no gateway

struct ReceiptVerifyOptions {
  std::string file, arguments, tool, relying_party;
  std::vector<std::string> log_keys, origins;
  bool unbound = false;
  bool dispatched = false;
};
int receipt_verify(Context& ctx, const ReceiptVerifyOptions& o);
int receipt_get(Context& ctx, const std::string& id);

// --- without a gateway (commands_offline.cpp, commands_restore.cpp, commands_clock.cpp, commands_recover.cpp,
//     commands_doctor.cpp)

struct RestoreOptions {
  std::string file;
  bool yes = false;  ///< no question before the present database is put aside
};
int restore(Context& ctx, const RestoreOptions& o);
struct ClockOptions {
  bool yes = false;  ///< no question
};
int clock_accept(Context& ctx, const ClockOptions& o);
struct RecoverOptions {
  std::string name;
  bool yes = false;             ///< no question
  bool despite_others = false;  ///< although another administrator could do it through the gateway
};
int recover(Context& ctx, const RecoverOptions& o);
int check_config(Context& ctx, const std::string& file);
int doctor(Context& ctx);
int version(Context& ctx);

}  // namespace vestibule::app::cli
