// The one binary: what the command line looks like, and which function answers. All else stands in
// serve.cpp and cli/.

#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>

#include "app/cli/commands_account.hpp"
#include "app/cli/commands_admin.hpp"
#include "app/cli/commands_approve.hpp"
#include "app/cli/commands_audit.hpp"
#include "app/cli/commands_chat.hpp"
#include "app/cli/commands_clients.hpp"
#include "app/cli/commands_clock.hpp"
#include "app/cli/commands_confirm.hpp"
#include "app/cli/commands_doctor.hpp"
#include "app/cli/commands_keys.hpp"
#include "app/cli/commands_login.hpp"
#include "app/cli/commands_mandates.hpp"
#include "app/cli/commands_notices.hpp"
#include "app/cli/commands_offline.hpp"
#include "app/cli/commands_receipt.hpp"
#include "app/cli/commands_recover.hpp"
#include "app/cli/commands_resets.hpp"
#include "app/cli/commands_restore.hpp"
#include "app/cli/commands_services.hpp"
#include "app/cli/commands_token.hpp"
#include "app/cli/commands_tools.hpp"
#include "app/cli/commands_users.hpp"
#include "app/reference.hpp"
#include "app/serve.hpp"
#include "bridge/bridge.hpp"
#include "crypto/protect.hpp"
#include "policy/policy.hpp"

namespace {

using namespace vestibule;
using namespace vestibule::app::cli;

// What runs once the command line is understood.
using Action = std::function<int(Context&)>;

std::vector<std::string> signal_names() {
  std::vector<std::string> out;
  for (const domain::Signal s : domain::kSignals) out.emplace_back(domain::name(s));
  return out;
}

/// The commands, declared; each sets the action when it is the one that was given.
class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.option_defaults()->always_capture_default(false);
    app_.get_formatter()->column_width(34);
    app_.footer(
        "Start:\n"
        "  vestibule serve                 run the gateway of ./vestibule.toml\n"
        "  vestibule setup                 the first administrator and his second factor\n"
        "  vestibule login                 sign in, or only prove the second factor again\n"
        "  vestibule chat \"Hello\"          talk to a model\n\n"
        "Exit status: 0 ok, 1 refused or failed, 2 wrong usage, 3 no gateway answers,\n"
        "4 a second factor is needed.\n\n"
        "Environment: VESTIBULE_SOCKET, VESTIBULE_CONFIG, VESTIBULE_URL, VESTIBULE_STATE, NO_COLOR.");
    app_.add_option("--config", globals_.config, "Configuration file")->type_name("FILE");
    app_.add_option("--socket", globals_.socket, "Control socket of the gateway")->type_name("PATH");
    app_.add_flag("--json", globals_.json, "Output for programs");
    server();
    account();
    chatting();
    users();
    sessions();
    keys();
    mandates();
    services();
    stops();
    tools();
    policies();
    audits();
    receipts();
    clients();
    keeping();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      // Help is an answer; all else is wrong usage, told once and with the way to the help.
      if (e.get_exit_code() == 0) return app_.exit(e);
      const std::vector<std::string> rest = app_.get_subcommands().empty() ? app_.remaining() : std::vector<std::string>();
      const std::string what = rest.empty() ? e.what() : "there is no command or option " + rest.front();
      std::fprintf(stderr, "vestibule: %s\nRun with --help for what there is.\n", what.c_str());
      return status(Exit::usage);
    }
    Context ctx(std::move(globals_));
    return action_ ? action_(ctx) : status(Exit::usage);
  }

 private:
  CLI::App* command(CLI::App* parent, const std::string& name, const std::string& about, const std::string& examples,
                    Action action = {}) {
    CLI::App* c = parent->add_subcommand(name, about);
    if (!examples.empty()) c->footer("Examples:\n" + examples);
    if (action) {
      c->callback([this, action = std::move(action)] {
        if (!action_) action_ = action;
      });
    }
    return c;
  }
  CLI::App* group(const std::string& name, const std::string& about, const std::string& examples) {
    CLI::App* g = command(&app_, name, about, examples);
    g->require_subcommand(1);
    return g;
  }
  // For acts that need a factor proved for them alone.
  void takes_code(CLI::App* c) {
    c->add_option("--code", globals_.code, "Code of the second factor (asked for otherwise)")->type_name("CODE");
    c->add_flag("--code-stdin", globals_.code_stdin, "Codes are lines of standard input");
  }
  void takes_url(CLI::App* c) {
    c->add_option("--url", globals_.url, "Where access points are served, http://HOST:PORT")->type_name("URL");
  }
  void takes_enrolment(CLI::App* c, EnrolOptions& o) {
    c->add_option("--label", o.label, "Name of the new factor, e.g. \"phone\"")->type_name("TEXT");
    c->add_option("--secret-out", o.secret_out, "Write the otpauth URI to this file (mode 0600) and show no secret")->type_name("FILE");
    c->add_flag("--no-confirm", o.later, "Ask for no code: `vestibule factor confirm ID CODE` follows");
  }

  void server() {
    CLI::App* c = command(&app_, "serve", "Run the gateway",
                          "  vestibule serve --config /etc/vestibule/vestibule.toml\n"
                          "  kill -HUP PID    reads configuration, policy and certificates again",
                          [this](Context& ctx) {
                            const Result<std::filesystem::path> file = ctx.config_file();
                            if (!file) {
                              ctx.failed(file.error());
                              return status(Exit::usage);
                            }
                            return app::serve({*file, !quiet_});
                          });
    c->add_flag("--quiet", quiet_, "No line on standard output once it listens");
    // What `serve` starts by itself, for a tool server on stdio: nobody types this.
    c = command(&app_, "stdio-bridge", "A tool server on stdio, served to the gateway that starts this", "",
                [this](Context&) { return bridge::run(std::move(bridge_)); });
    c->group("");
    c->add_option("socket", bridge_.socket, "Where to listen")->required();
    c->add_option("command", bridge_.command, "Program and arguments, after --")->required();
  }

  void account() {
    CLI::App* c = command(&app_, "setup", "Create the first administrator and his second factor",
                          "  vestibule setup\n"
                          "  printf '%s\\n' \"$PASSWORD\" | vestibule setup --name admin --password-stdin --json\n"
                          "      prints id, secret and uri; then: vestibule factor confirm ID CODE",
                          [this](Context& ctx) { return setup(ctx, setup_); });
    c->add_option("--name", setup_.name, "Name of the administrator")->type_name("NAME");
    c->add_flag("--password-stdin", setup_.password_stdin, "The password is the first line of standard input");
    c->add_option("--token", setup_.token, "Set-up token (read from the data directory otherwise)")->type_name("TOKEN");
    takes_enrolment(c, setup_.enrol);
    takes_code(c);

    c = command(&app_, "enrol", "Begin as a new user, with an enrolment code of an administrator",
                "  vestibule enrol\n"
                "  printf '%s\\n%s\\n' \"$ENROLMENT_CODE\" \"$PASSWORD\" | vestibule enrol --stdin --json",
                [this](Context& ctx) { return enrol(ctx, enrol_); });
    c->add_flag("--stdin,--password-stdin", enrol_.code_first, "Enrolment code and new password are two lines of standard input");
    takes_enrolment(c, enrol_.enrol);
    takes_code(c);

    c = command(&app_, "login", "Sign in; if a session is alive, prove the second factor again; or get a token for one access point",
                "  vestibule login\n"
                "  vestibule login --code \"123 456\"\n"
                "  vestibule login --push           a number is shown here and typed on your device\n"
                "  vestibule login --at https://models.example.org/lab\n"
                "                                   from elsewhere: in the browser; without one, by another device\n"
                "  vestibule login --recovery       lost the phone: a recovery code, then `factor add`",
                [this](Context& ctx) { return login(ctx, login_); });
    c->add_option("name,--name", login_.name, "Name of the user")->type_name("NAME");
    c->add_flag("--password-stdin", login_.password_stdin, "Password, and code if there is one, are lines of standard input");
    c->add_flag("--push", login_.push, "Be asked on your push device instead of for a code");
    c->add_flag("--new", login_.fresh, "A new session even if one is alive");
    c->add_flag("--recovery", globals_.recovery, "The code is a recovery code");
    c->add_option("--at", login_.at, "A token for the access point at this address, by the browser or another device")->type_name("URL");
    c->add_option("--access-point", login_.access_point, "The same for this access point of the configuration here")->type_name("NAME");
    CLI::Option* browser = c->add_flag("--browser", login_.browser, "By the browser of this machine");
    c->add_flag("--device", login_.device, "By a browser elsewhere, with a code that is shown here")->excludes(browser);
    c->add_option("--store", login_.store, "Where that token is kept: file or keyring (otherwise the keyring if one answers)")
        ->check(CLI::IsMember({"file", "keyring"}));
    c->add_option("--ca", globals_.ca_file, "Certificate authorities for https (PEM)")->type_name("FILE");
    takes_code(c);
    takes_url(c);

    c = command(&app_, "logout", "Revoke and delete what `vestibule login` has kept", "  vestibule logout\n  vestibule logout --access-point lab",
                [this](Context& ctx) { return logout(ctx, logout_); });
    c->add_option("--access-point", logout_.access_point, "The token for this one alone, by name or address")->type_name("NAME");

    c = command(&app_, "token", "Print a token for access points",
                "  curl -H \"Authorization: Bearer $(vestibule token)\" http://localhost:8420/v1/models\n"
                "  eval \"$(vestibule token --env openai)\"",
                [this](Context& ctx) { return token(ctx, token_); });
    takes_time(c, "--ttl", token_.ttl_s, "How long it lives, e.g. 30m, 8h; never longer than the session");
    c->add_option("--env", token_.env, "Print lines for a shell instead: openai, anthropic or ollama")
        ->check(CLI::IsMember({"openai", "anthropic", "ollama"}));
    c->add_option("--format", token_.format, "plain, json, or env: lines for a shell, for every client library that has an access point here")
        ->check(CLI::IsMember({"plain", "json", "env"}));
    c->add_option("--access-point", token_.access_point, "Access point that --env points to")->type_name("NAME");
    takes_code(c);
    takes_url(c);
    programs();

    c = command(&app_, "approve", "Let a call go on that waits for you: shows it whole, then asks for a code", "  vestibule approve              what waits\n  vestibule approve 7KQ2-M9XD",
                [this](Context& ctx) { return approve(ctx, id_); });
    c->add_option("call", id_, "Code of the call, as its refusal shows it");
    takes_code(c);
    c = command(&app_, "confirm", "Let a tool call out that waits for you: shows it whole, then asks for a code",
                "  vestibule confirm                      what waits\n  vestibule confirm cfm_...\n  vestibule confirm cfm_... --decline",
                [this](Context& ctx) { return confirm(ctx, confirm_); });
    c->add_option("call", confirm_.id, "Id of the call, as its refusal shows it");
    c->add_option("--why", confirm_.why, "Why, where the policy asks for it")->type_name("TEXT");
    c->add_flag("--decline", confirm_.decline, "Do not let it out");
    takes_code(c);
    command(&app_, "notices", "What happened to your account", "  vestibule notices", [](Context& ctx) { return notices(ctx); });

    c = command(&app_, "password", "Change your password", "  vestibule password", [this](Context& ctx) { return password(ctx, password_); });
    c->add_flag("--password-stdin", password_.password_stdin, "Old and new password are two lines of standard input");
    takes_code(c);

    CLI::App* g = group("factor", "Your second factors",
                        "  vestibule factor list\n  vestibule factor add --label \"new phone\"\n  vestibule factor recovery-codes");
    command(g, "list", "What is enrolled", "", [](Context& ctx) { return factor_list(ctx); });
    c = command(g, "add", "Enrol an authenticator app", "", [this](Context& ctx) { return factor_add(ctx, factor_); });
    takes_enrolment(c, factor_);
    takes_code(c);
    c = command(g, "confirm", "Give the first code of a new factor", "  vestibule factor confirm fac_... 123456",
                [this](Context& ctx) { return factor_confirm(ctx, id_, first_code_); });
    c->add_option("id", id_, "Id of the enrolment")->required();
    c->add_option("code", first_code_, "Code that the app shows (asked for otherwise)");
    takes_code(c);
    c = command(g, "remove", "Remove a factor", "", [this](Context& ctx) { return factor_remove(ctx, id_); });
    c->add_option("id", id_, "Id of the factor")->required();
    takes_code(c);
    c = command(g, "prefer", "Which kind of factor is offered first", "  vestibule factor prefer webauthn",
                [this](Context& ctx) { return factor_prefer(ctx, name_); });
    c->add_option("kind", name_, "Kind, as `factor list` gives it")->required();
    c = command(g, "recovery-codes", "Make new recovery codes; all older ones are void", "",
                [](Context& ctx) { return factor_recovery_codes(ctx); });
    takes_code(c);
  }

  void programs() {
    CLI::App* c = command(&app_, "exec", "Run a program with a credential of its own, which ends with it",
                          "  vestibule exec --as build -- make check\n"
                          "  vestibule exec --as coder --access-point lab --operation chat --model \"tiny*\" -- agent --task fix\n"
                          "      OPENAI_*, ANTHROPIC_* and OLLAMA_* point to the access points; policy, log and\n"
                          "      emergency stop see \"agent coder\"",
                          [this](Context& ctx) { return exec(ctx, exec_); });
    c->add_option("--as", exec_.agent, "What the program is called in policy, log and stops")->type_name("NAME")->required();
    c->add_option("--access-point", exec_.access_points, "Only this access point; may be given again")->type_name("NAME")->allow_extra_args(false);
    c->add_option("--operation", exec_.operations, "Only this operation, e.g. chat; may be given again")->type_name("OPERATION")->allow_extra_args(false);
    c->add_option("--model", exec_.models, "Only this model; may be given again")->type_name("NAME")->allow_extra_args(false);
    takes_time(c, "--ttl", exec_.ttl_s, "How long it lives, e.g. 30m, 8h; never longer than the session");
    c->add_option("command", exec_.command, "Program and arguments, after --")->type_name("COMMAND")->required();
    takes_code(c);
    takes_url(c);

    c = command(&app_, "token-helper", "Print a token that lives for a while yet; for programs that call a command for it",
                "  vestibule token-helper --as editor\n"
                "      the same token until shortly before its end; never asks anybody anything",
                [this](Context& ctx) { return token_helper(ctx, helper_); });
    c->add_option("--as", helper_.agent, "As this agent, not as yourself")->type_name("NAME");
    c->add_option("--access-point", helper_.access_point, "For this access point; of an agent, for it alone")->type_name("NAME");
    takes_url(c);

    c = command(&app_, "git-credential", "Credential helper of git, for access points of this gateway",
                "  git config --global credential.http://localhost:8420.helper \"!vestibule git-credential\"",
                [this](Context& ctx) { return git_credential(ctx, name_); });
    c->add_option("operation", name_, "get, store or erase, as git says")->required();
    takes_url(c);
  }

  void chatting() {
    CLI::App* c = command(&app_, "chat", "Talk to a model behind an access point",
                          "  vestibule chat                                  a conversation\n"
                          "  vestibule chat \"Why is the sky blue?\"           one answer\n"
                          "  git diff | vestibule chat - --system \"Review this.\"",
                          [this](Context& ctx) { return chat(ctx, chat_); });
    c->add_option("prompt", chat_.prompt, "The prompt; - reads it from standard input; none begins a conversation");
    c->add_option("--access-point", chat_.access_point, "Access point (otherwise the first one that is open)")->type_name("NAME");
    c->add_option("--model", chat_.model, "Model (otherwise the first that is listed)")->type_name("NAME");
    c->add_option("--system", chat_.system, "System prompt")->type_name("TEXT");
    c->add_option("--tools", chat_.tools_file, "JSON list of tools to offer; calls are shown, never run")->type_name("FILE");
    c->add_option("--ca", globals_.ca_file, "Certificate authorities for https (PEM)")->type_name("FILE");
    takes_code(c);
    takes_url(c);
  }

  void users() {
    CLI::App* g = group("user", "Accounts",
                        "  vestibule user add maria --role member --group research\n"
                        "  vestibule user disable maria       at once, answers under way are cut\n"
                        "  vestibule user reset maria         lost phone or password: a new enrolment code");
    CLI::App* c = command(g, "add", "Create an account; prints its enrolment code", "", [this](Context& ctx) { return user_add(ctx, user_); });
    c->add_option("name", user_.name, "Name of the user")->required();
    c->add_option("--display", user_.display, "Full name")->type_name("TEXT");
    c->add_option("--role", user_.roles, "Role; may be given again")->type_name("ROLE");
    c->add_option("--group", user_.groups, "Group; may be given again")->type_name("GROUP");
    takes_code(c);
    command(g, "list", "All accounts", "", [](Context& ctx) { return user_list(ctx); });
    c = command(g, "show", "One account", "", [this](Context& ctx) { return user_show(ctx, name_); });
    c->add_option("name", name_, "Name of the user")->required();
    c = command(g, "roles", "Set the roles; those not named are taken away", "  vestibule user roles maria member auditor",
                [this](Context& ctx) { return user_set(ctx, name_, Labels::roles, labels_); });
    c->add_option("name", name_, "Name of the user")->required();
    c->add_option("roles", labels_, "Roles; none takes all away");
    takes_code(c);
    c = command(g, "groups", "Set the groups; those not named are taken away", "",
                [this](Context& ctx) { return user_set(ctx, name_, Labels::groups, labels_); });
    c->add_option("name", name_, "Name of the user")->required();
    c->add_option("groups", labels_, "Groups; none takes all away");
    takes_code(c);
    c = command(g, "disable", "Shut an account out at once", "", [this](Context& ctx) { return user_disable(ctx, name_); });
    c->add_option("name", name_, "Name of the user")->required();
    c = command(g, "enable", "Let it in again", "", [this](Context& ctx) { return user_enable(ctx, name_); });
    c->add_option("name", name_, "Name of the user")->required();
    takes_code(c);
    c = command(g, "remove", "Delete an account", "", [this](Context& ctx) { return user_remove(ctx, name_); });
    c->add_option("name", name_, "Name of the user")->required();
    takes_code(c);
    c = command(g, "reset", "A new start: new password, new factors; where there are other administrators, one approves it", "",
                [this](Context& ctx) { return user_reset(ctx, name_); });
    c->add_option("name", name_, "Name of the user")->required();
    takes_code(c);
    command(g, "resets", "Resets that wait for approval", "", [](Context& ctx) { return user_resets(ctx); });
    c = command(g, "approve", "Approve a reset that another administrator asked for; prints the enrolment code", "",
                [this](Context& ctx) { return user_approve(ctx, id_); });
    c->add_option("id", id_, "Id of the request")->required();
    takes_code(c);
    c = command(g, "decline", "Decline a reset: another's, or one of your own account", "",
                [this](Context& ctx) { return user_decline(ctx, id_); });
    c->add_option("id", id_, "Id of the request")->required();
    command(&app_, "coverage", "Who has the factors that the policy sets a deadline for", "  vestibule coverage",
            [](Context& ctx) { return coverage(ctx); });
  }

  void sessions() {
    CLI::App* g = group("session", "Sessions",
                        "  vestibule session list\n  vestibule session revoke --user maria\n  vestibule session sign-out");
    CLI::App* c = command(g, "list", "Your sessions, or others'", "", [this](Context& ctx) { return session_list(ctx, sessions_); });
    c->add_flag("--all", sessions_.all, "Everybody's");
    c->add_option("--user", sessions_.user, "This user's")->type_name("NAME");
    c = command(g, "revoke", "End a session, or all of a user", "", [this](Context& ctx) { return session_revoke(ctx, revoke_); });
    CLI::Option_group* one = c->add_option_group("which");
    one->add_option("id", revoke_.id, "Id of the session");
    one->add_option("--user", revoke_.user, "All sessions of this user")->type_name("NAME");
    one->require_option(1);
    command(g, "sign-out", "End the session of this command line", "", [](Context& ctx) { return session_sign_out(ctx); });
  }

  void takes_time(CLI::App* c, const std::string& option, std::int64_t& seconds, const std::string& about) {
    c->add_option(option, seconds, about)
        ->transform(CLI::AsNumberWithUnit(std::map<std::string, std::int64_t>{{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}},
                                          CLI::AsNumberWithUnit::DEFAULT, "TIME"))
        ->check(CLI::PositiveNumber);
  }

  void keys() {
    CLI::App* g = group("key", "API keys: asleep until you wake them for a source",
                        "  vestibule key create nightly --access-point lab --model 'tiny*' --ttl 30d\n"
                        "  vestibule key unlock nightly --source 203.0.113.7 --for 8h\n"
                        "  vestibule key list\n"
                        "  vestibule key revoke nightly");
    CLI::App* c = command(g, "create", "Make a key; it is shown once",
                          "  vestibule key create nightly\n"
                          "  vestibule key create ci --access-point lab --operation chat --network 10.0.0.0/8\n"
                          "      --hours 'Mon-Fri 08:00-18:00' --zone Europe/Berlin\n"
                          "  vestibule key create ci --service crawler --public-key certificate.pem",
                          [this](Context& ctx) { return key_create(ctx, key_); });
    c->add_option("name", key_.name, "Name of the key")->required();
    c->add_option("--service", key_.service, "For this service account, which you act for")->type_name("NAME");
    c->add_option("--public-key,--jwk", key_.public_key, "Its public key: a JWK, or PEM of a certificate or a public key. It shows the private half at the token endpoint, and no key is made")->type_name("FILE");
    c->add_option("--access-point", key_.access_points, "Only these access points (patterns)")->type_name("NAME");
    c->add_option("--operation", key_.operations, "Only these operations (patterns)")->type_name("NAME");
    c->add_option("--model", key_.models, "Only these models (patterns)")->type_name("NAME");
    c->add_option("--network", key_.networks, "Only from these networks")->type_name("NETWORK");
    c->add_option("--hours", key_.hours, "Only in these hours, of --zone")->type_name("HOURS");
    c->add_option("--zone", key_.zone, "Time zone of --hours")->type_name("ZONE");
    takes_time(c, "--ttl", key_.ttl_s, "How long it lives, e.g. 30d; 90 days otherwise, a year at most");
    takes_code(c);
    c = command(g, "list", "Your keys, or others'", "", [this](Context& ctx) { return key_list(ctx, keys_); });
    c->add_flag("--all", keys_.all, "Everybody's");
    c->add_option("--user", keys_.user, "This user's, or this service account's")->type_name("NAME");
    c = command(g, "unlock", "Wake a key for one source, with a second factor",
                "  vestibule key unlock nightly --source 203.0.113.7 --for 8h --access-point lab",
                [this](Context& ctx) { return key_unlock(ctx, wake_); });
    c->add_option("key", wake_.key, "Name or id of the key; SERVICE/NAME of a service account's")->required();
    c->add_option("--source", wake_.source, "Where its calls come from: an address, an IPv6 /64 or \"unix\"")->type_name("SOURCE");
    takes_time(c, "--for", wake_.lasts_s, "How long, 12h at most; 8h otherwise");
    c->add_option("--access-point", wake_.access_point, "For this access point only")->type_name("NAME");
    takes_code(c);
    c = command(g, "sleep", "Put a key to sleep everywhere", "", [this](Context& ctx) { return key_sleep(ctx, which_); });
    c->add_option("key", which_, "Name or id of the key; SERVICE/NAME of a service account's")->required();
    c = command(g, "revoke", "End a key for good", "", [this](Context& ctx) { return key_revoke(ctx, which_); });
    c->add_option("key", which_, "Name of your key, or the id of anybody's")->required();
    command(g, "found", "Revoke a key that you found somewhere: the key is the first line of standard input",
            "  vestibule key found < leaked.txt", [](Context& ctx) { return key_found(ctx); });
  }

  void mandates() {
    CLI::App* g = group("mandate", "What an API key may do while nobody attends, signed ahead",
                        "  vestibule mandate sign nightly --key ci --access-point demo --operation chat --network 10.0.0.0/8 --calls 500 --for 8h\n"
                        "  vestibule mandate revoke mdt_...");
    CLI::App* c = command(g, "sign", "Sign one: it is shown whole, then a code is asked for", "",
                          [this](Context& ctx) { return mandate_sign(ctx, mandate_); });
    c->add_option("name", mandate_.name, "Its name in the log")->required();
    c->add_option("--key", mandate_.key, "API key that it is bound to")->type_name("NAME")->required();
    c->add_option("--service", mandate_.service, "Service account whose key it is, and whose sponsor you are")->type_name("NAME");
    c->add_option("--access-point", mandate_.access_points, "Access point; may be given again; * and ? are wildcards")->type_name("NAME")->required();
    c->add_option("--operation", mandate_.operations, "Operation, e.g. chat; may be given again")->type_name("NAME")->required();
    c->add_option("--model", mandate_.models, "Model; may be given again; otherwise every one")->type_name("NAME");
    c->add_option("--network", mandate_.networks, "Where the workload calls from; may be given again")->type_name("CIDR")->required();
    c->add_option("--calls", mandate_.calls, "So many calls at most")->required()->check(CLI::PositiveNumber);
    c->add_option("--tokens", mandate_.tokens, "So many tokens at most, in and out, of all calls")->check(CLI::PositiveNumber);
    c->add_option("--max-body", mandate_.max_body, "So many bytes a call at most")->check(CLI::PositiveNumber);
    c->add_option("--from", mandate_.starts, "When it begins, e.g. 2026-11-26T22:00:00Z (otherwise now)")->type_name("TIME");
    c->add_option("--until", mandate_.ends, "When it ends; 24 hours after its beginning at the latest")->type_name("TIME");
    takes_time(c, "--for", mandate_.for_s, "How long from now, e.g. 8h (otherwise 1h)");
    takes_code(c);
    c = command(g, "list", "Your mandates, or everybody's", "", [this](Context& ctx) { return mandate_list(ctx, mandates_); });
    c->add_flag("--all", mandates_.all, "Everybody's");
    c = command(g, "revoke", "End one at once; what runs under it is cut", "", [this](Context& ctx) { return mandate_revoke(ctx, id_); });
    c->add_option("id", id_, "Id of the mandate")->required();
  }

  void services() {
    CLI::App* g = group("service", "Service accounts: programs with a name, and the people who answer for them",
                        "  vestibule service create crawler --role member\n"
                        "  vestibule service deputy crawler bob\n"
                        "  vestibule service accept crawler\n"
                        "  vestibule key create nightly --service crawler");
    CLI::App* c = command(g, "create", "Make one; you are its sponsor unless you name another", "", [this](Context& ctx) { return service_create(ctx, service_); });
    c->add_option("name", service_.name, "Its name, among those of users")->required();
    c->add_option("--display", service_.display, "What people see")->type_name("TEXT");
    c->add_option("--role", service_.roles, "Role; may be given again (otherwise member)")->type_name("NAME");
    c->add_option("--sponsor", service_.sponsor, "Who is to answer for it (administrators; otherwise you)")->type_name("NAME");
    takes_code(c);
    c = command(g, "list", "Those you have a part in, or all", "", [this](Context& ctx) { return service_list(ctx, mandates_); });
    c->add_flag("--all", mandates_.all, "All");
    c = command(g, "show", "One, with what it asks of you", "", [this](Context& ctx) { return service_show(ctx, name_); });
    c->add_option("name", name_, "Service account")->required();
    c = command(g, "accept", "Take on what you were asked to: it is shown whole, then a code is asked for", "", [this](Context& ctx) { return service_accept(ctx, name_); });
    c->add_option("name", name_, "Service account")->required();
    takes_code(c);
    c = command(g, "take-over", "As a deputy, become its sponsor once that one has left", "", [this](Context& ctx) { return service_take_over(ctx, name_); });
    c->add_option("name", name_, "Service account")->required();
    takes_code(c);
    c = command(g, "deputy", "As its sponsor, ask somebody to be a deputy", "", [this](Context& ctx) { return service_deputy(ctx, part_); });
    c->add_option("name", part_.name, "Service account")->required();
    c->add_option("person", part_.person, "User")->required();
    takes_code(c);
    c = command(g, "sponsor", "As an administrator, ask somebody to be its sponsor", "", [this](Context& ctx) { return service_sponsor(ctx, part_); });
    c->add_option("name", part_.name, "Service account")->required();
    c->add_option("person", part_.person, "User")->required();
    takes_code(c);
    c = command(g, "dismiss", "End somebody's part, or your own", "", [this](Context& ctx) { return service_dismiss(ctx, part_); });
    c->add_option("name", part_.name, "Service account")->required();
    c->add_option("person", part_.person, "User")->required();
    c = command(g, "remove", "Remove it with all its credentials", "", [this](Context& ctx) { return service_remove(ctx, name_); });
    c->add_option("name", name_, "Service account")->required();
    takes_code(c);
  }

  CLI::Option_group* stop_target(CLI::App* c) {
    CLI::Option_group* what = c->add_option_group("what");
    what->add_option("--access-point", stop_.access_point, "This access point")->type_name("NAME");
    what->add_option("--user", stop_.user, "This user")->type_name("NAME");
    what->add_option("--agent", stop_.agent, "This agent, whoever runs it")->type_name("NAME");
    what->add_option("--client", stop_.client, "This program or key, as the log names it: \"client IDE\", \"key nightly\"")->type_name("NAME");
    what->add_option("--tool", stop_.tool, "This tool, everywhere or at one access point")->type_name("NAME");
    what->add_flag("--tools", stop_.tools, "Every tool call");
    what->add_flag("--all", stop_.all, "Everything");
    return what;
  }
  void stops() {
    CLI::App* c = command(&app_, "stop", "Emergency stop: shut out at once, until it is lifted",
                          "  vestibule stop --access-point lab --why \"odd prompts since noon\"\n"
                          "  vestibule stop --tool delete_file\n"
                          "  vestibule stop list\n"
                          "  vestibule stop lift --access-point lab",
                          [this](Context& ctx) { return stop_set(ctx, stop_); });
    stop_target(c);
    c->add_option("--why", stop_.why, "Told to administrators, kept in the log")->type_name("TEXT");
    command(c, "list", "What is stopped", "", [](Context& ctx) { return stop_list(ctx); });
    CLI::App* lift = command(c, "lift", "Open it again", "", [this](Context& ctx) { return stop_lift(ctx, stop_); });
    stop_target(lift)->require_option(1, 2);
    takes_code(lift);
  }

  void tools() {
    CLI::App* g = group("tool", "Tools of MCP servers: whether they still are what they were",
                        "  vestibule tool list --asleep\n"
                        "  vestibule tool show files/write_file\n"
                        "  vestibule tool accept files/write_file");
    CLI::App* c = command(g, "list", "Tools that were seen, and which of them are asleep", "", [this](Context& ctx) { return tool_list(ctx, tool_); });
    c->add_option("access-point", tool_.place, "Of this access point alone");
    c->add_flag("--asleep", tool_.asleep, "Those alone that have changed");
    c = command(g, "show", "How its server defines one: what it was, what it is", "", [this](Context& ctx) { return tool_show(ctx, tool_); });
    c->add_option("tool", tool_.place, "ACCESS_POINT/TOOL")->required();
    c = command(g, "accept", "Let one be called again as it is now: shows what has changed, then asks for a code", "", [this](Context& ctx) { return tool_accept(ctx, tool_); });
    c->add_option("tool", tool_.place, "ACCESS_POINT/TOOL")->required();
    takes_code(c);
  }

  void policies() {
    CLI::App* g = group("policy", "Who may do what",
                        "  vestibule policy check policy.toml\n"
                        "  vestibule policy explain --user maria --access-point lab --operation chat\n"
                        "  vestibule policy explain --access-point bank --tool transfer --arguments '{\"amount\": 250}'\n"
                        "  vestibule policy approve DIGEST");
    command(g, "show", "The policy in force, and what waits for approval", "", [](Context& ctx) { return policy_show(ctx); });
    CLI::App* c = command(g, "explain", "What would be decided, and why", "", [this](Context& ctx) { return policy_explain(ctx, explain_); });
    c->add_option("--user", explain_.user, "User (otherwise you)")->type_name("NAME");
    c->add_option("--access-point", explain_.access_point, "Access point")->type_name("NAME")->required();
    c->add_option("--operation", explain_.operation, "Operation, e.g. chat")->type_name("OPERATION");
    c->add_option("--tool", explain_.tool, "A call of this tool, in place of an operation")->type_name("NAME");
    c->add_option("--arguments", explain_.arguments, "Its arguments")->type_name("JSON");
    c->add_option("--model", explain_.model, "Model")->type_name("NAME");
    c->add_option("--source", explain_.source, "Address that the request comes from")->type_name("ADDRESS");
    c->add_option("--signal", explain_.signals, "As if this signal were up; may be given again")
        ->check(CLI::IsMember(signal_names()));
    c = command(g, "suggest", "Draft rules from the tool calls in the log", "  vestibule policy suggest --since 7d",
                [this](Context& ctx) { return policy_suggest(ctx, since_); });
    c->add_option("--since", since_, "From this time on: 2026-11-23, or 7d ago (the default)")->type_name("TIME");
    c = command(g, "approve", "Put a policy that loosens into force", "", [this](Context& ctx) { return policy_approve(ctx, digest_); });
    c->add_option("digest", digest_, "Digest, as `policy show` gives it")->required();
    takes_code(c);
    command(g, "reload", "Read the policy file again", "", [](Context& ctx) { return policy_reload(ctx); });
    c = command(g, "check", "Is a policy file right? (needs no gateway)", "", [this](Context& ctx) { return policy_check(ctx, file_); });
    c->add_option("file", file_, "Policy file (otherwise the configuration's)");
    command(g, "default", "Print a policy file to start from", "", [](Context&) {
      std::fputs(std::string(policy::default_policy_text()).c_str(), stdout);
      return status(Exit::ok);
    });
  }

  void audits() {
    CLI::App* g = group("audit", "What was done, by whom, with which proof",
                        "  vestibule audit list --user maria --since 2h\n"
                        "  vestibule audit verify --checkpoints shipped.txt\n"
                        "  vestibule audit verify --database backup.db --vkey KEY      offline\n"
                        "  vestibule audit prove 1234 > proof.json\n"
                        "  vestibule audit prove --check proof.json --vkey KEY         offline");
    CLI::App* c = command(g, "list", "Look through the records", "", [this](Context& ctx) { return audit_list(ctx, list_); });
    c->add_option("--user", list_.user, "By this user")->type_name("NAME");
    c->add_option("--access-point", list_.access_point, "At this access point")->type_name("NAME");
    c->add_option("--operation", list_.operation, "This operation")->type_name("OPERATION");
    c->add_option("--reason", list_.reason, "With this reason, e.g. mfa_lapsed")->type_name("REASON");
    c->add_option("--request", list_.request, "Of this request")->type_name("ID");
    c->add_option("--kind", list_.kind, "admission, refusal, completion, refusals, sign_in, change, system")->type_name("KIND");
    c->add_option("--since", list_.since, "From this time on: 2026-11-23T03:00:00Z, 2026-11-23, or 2h ago")->type_name("TIME");
    c->add_option("--until", list_.until, "Up to this time")->type_name("TIME");
    c->add_option("--from-seq", list_.from_seq, "From this record on")->type_name("N");
    c->add_option("--to-seq", list_.to_seq, "Up to this record")->type_name("N");
    c->add_option("--limit", list_.limit, "At most so many (50)")->type_name("N")->check(CLI::PositiveNumber);
    c->add_flag("--oldest", list_.oldest, "The oldest first");
    c = command(g, "verify", "Recompute the whole log", "", [this](Context& ctx) { return audit_verify(ctx, verify_); });
    c->add_option("--checkpoints", verify_.checkpoints, "Checkpoints that were kept off the box")->type_name("FILE");
    c->add_option("--database", verify_.database, "Offline: a backup, or the database of a stopped gateway")->type_name("FILE");
    c->add_option("--vkey", verify_.vkey, "Verifier key, kept apart from the database")->type_name("KEY");
    c = command(g, "export", "All records as JSON lines", "", [this](Context& ctx) { return audit_export(ctx, file_); });
    c->add_flag("--jsonl", jsonl_, "JSON lines (the only format so far)");
    c->add_option("file", file_, "File, mode 0600 (otherwise standard output)");
    c = command(g, "prove", "A proof that a record is in the log, or a check of one", "", [this](Context& ctx) { return audit_prove(ctx, prove_); });
    c->add_option("seq", prove_.seq, "Number of the record");
    CLI::Option* check = c->add_option("--check", prove_.check, "Offline: check this proof")->type_name("FILE");
    CLI::Option* vkey = c->add_option("--vkey", prove_.vkey, "Verifier key of the log")->type_name("KEY");
    check->needs(vkey);
    c = command(g, "erase", "Destroy what names a person in the log, once the account is removed; proofs still hold",
                "  vestibule audit erase --user maria", [this](Context& ctx) { return audit_erase(ctx, erase_); });
    c->add_option("--user", erase_, "Whom")->required()->type_name("NAME");
    takes_code(c);
  }

  void receipts() {
    CLI::App* g = group("receipt", "Who confirmed a tool call, with which key: for those who believe no gateway",
                        "  vestibule receipt get cfm_aaaa > receipt.json\n"
                        "  vestibule receipt verify receipt.json --log-key KEY              offline\n"
                        "  vestibule receipt verify receipt.json --log-key KEY --arguments arguments.json");
    CLI::App* c = command(g, "get", "The receipt of a confirmation", "", [this](Context& ctx) { return receipt_get(ctx, which_); });
    c->add_option("id", which_, "Confirmation")->required();
    c = command(g, "verify", "Check a receipt, offline and with public keys alone",
                "  vestibule receipt verify receipt.json --log-key \"$(cat log.vkey)\" --tool transfer",
                [this](Context& ctx) { return receipt_verify(ctx, receipt_); });
    c->add_option("file", receipt_.file, "Receipt, or the value of its header; - for standard input")->required();
    c->add_option("--log-key", receipt_.log_keys, "Verifier key of the log, as `audit verify` shows it; may be given again")->required()->type_name("KEY");
    c->add_option("--tool", receipt_.tool, "It must be for this tool")->type_name("NAME");
    c->add_option("--arguments", receipt_.arguments, "It must be for these arguments (JSON)")->type_name("FILE");
    c->add_option("--rp-id", receipt_.relying_party, "Signed for this relying party")->type_name("NAME");
    c->add_option("--origin", receipt_.origins, "Signed at this address of the portal; may be given again")->type_name("ORIGIN");
    c->add_flag("--dispatched", receipt_.dispatched, "The gateway must have let it out");
    c->add_flag("--unbound", receipt_.unbound, "Take a code for a confirmation too, which signs nothing");
  }

  void clients() {
    CLI::App* g = group("client", "Programs that ask people for tokens (OAuth)",
                        "  vestibule client add Editor --redirect http://127.0.0.1/cb\n  vestibule client list");
    CLI::App* c = command(g, "add", "Register a client", "  vestibule client add Guard --auth client_secret_basic --redirect https://guard.example.org/cb",
                          [this](Context& ctx) { return client_add(ctx, client_); });
    c->add_option("name", client_.name, "What people see it called")->required();
    c->add_option("--redirect", client_.redirects, "Where answers may go; none: a device");
    c->add_option("--auth", client_.auth, "none, client_secret_basic, client_secret_post or private_key_jwt");
    c->add_option("--jwks", client_.jwks, "Its public keys, as JSON (RFC 7517)");
    c->add_flag("--device", client_.device, "May use the device flow");
    takes_code(c);
    command(g, "list", "Clients that are registered", "", [](Context& ctx) { return client_list(ctx); });
    c = command(g, "remove", "Remove a client; all that it was allowed ends", "", [this](Context& ctx) { return client_remove(ctx, client_id_); });
    c->add_option("id", client_id_, "As `client list` gives it")->required();
    takes_code(c);
  }

  void keeping() {
    CLI::App* g = group("keys", "Master keys, which seal every secret", "  vestibule keys rotate\n  vestibule keys retire 1");
    CLI::App* c = command(g, "rotate", "Make a new master key and seal everything again", "", [](Context& ctx) { return keys_rotate(ctx); });
    takes_code(c);
    c = command(g, "sign", "Change the keys that ID tokens are signed with", "", [](Context& ctx) { return keys_sign(ctx); });
    takes_code(c);
    command(g, "list", "Ids of the master keys in the key file (needs no gateway)", "", [](Context& ctx) { return keys_list(ctx); });

    c = command(g, "retire", "Drop an old master key from the key file, once nothing is sealed by it", "  vestibule keys retire 1",
                [this](Context& ctx) { return keys_retire(ctx, key_id_); });
    c->add_option("id", key_id_, "Id of the key, as `keys list` gives it")->required();
    takes_code(c);

    g = group("clock", "The clock that proofs are measured by", "  vestibule clock accept      after the clock was far ahead");
    c = command(g, "accept", "Take the machine's clock for right although a later time is stored (gateway stopped)", "",
                [this](Context& ctx) { return clock_accept(ctx, clock_); });
    c->add_flag("--yes", clock_.yes, "Ask nothing");

    c = command(&app_, "backup", "Copy the database into a new file on the gateway's machine", "  vestibule backup /var/backups/vestibule.db",
                [this](Context& ctx) { return backup(ctx, file_); });
    c->add_option("path", file_, "File that does not exist yet")->required();
    takes_code(c);
    c = command(&app_, "restore", "Put a backup into place, while no gateway runs", "  vestibule restore /var/backups/vestibule.db",
                [this](Context& ctx) { return restore(ctx, restore_); });
    c->add_option("file", restore_.file, "The backup")->required();
    c->add_flag("--yes", restore_.yes, "Ask nothing");

    g = group("access", "Access points",
              "  vestibule access credential lab < key.txt     the key that the model server asks for");
    c = command(g, "credential", "Set the credential of an upstream, from standard input", "", [this](Context& ctx) { return access_credential(ctx, credential_); });
    c->add_option("name", credential_.access_point, "Access point")->required();
    c->add_flag("--remove", credential_.remove, "Take the present one away");
    takes_code(c);

    c = command(&app_, "recover", "A lone administrator has lost his factors: an enrolment code, with the gateway stopped",
                "  vestibule recover root\n"
                "      recorded, and told to every administrator at each sign-in for 30 days",
                [this](Context& ctx) { return recover(ctx, recover_); });
    c->add_option("name", recover_.name, "Name of the user")->required();
    c->add_flag("--yes", recover_.yes, "No question");
    c->add_flag("--despite-others", recover_.despite_others, "Although another administrator can sign in");

    c = command(&app_, "check-config", "Is a configuration file right? (needs no gateway)", "  vestibule check-config vestibule.toml",
                [this](Context& ctx) { return check_config(ctx, file_); });
    c->add_option("file", file_, "Configuration file");
    command(&app_, "doctor", "Is this installation as it should be?", "  vestibule doctor --json", [](Context& ctx) { return doctor(ctx); });
    CLI::App* pages = command(&app_, "reference", "Print a generated page of the documentation",
                              "  vestibule reference configuration", [this](Context&) {
                                const std::string page = app::reference(page_);
                                if (page.empty()) {
                                  std::fprintf(stderr, "vestibule: no such page; there are configuration, reasons and limits\n");
                                  return status(Exit::usage);
                                }
                                std::fputs(page.c_str(), stdout);
                                return status(Exit::ok);
                              });
    pages->add_option("page", page_, "configuration, reasons or limits")->required();
    command(&app_, "version", "Version of this program", "", [](Context& ctx) { return version(ctx); });
  }

  CLI::App app_{"Vestibule: before the model, the person.", "vestibule"};
  Globals globals_;
  Action action_;

  bool quiet_ = false;
  bridge::Options bridge_;
  bool jsonl_ = false;
  std::string name_, id_, first_code_, digest_, file_, page_;
  std::vector<std::string> labels_;
  SetupOptions setup_;
  EnrolUserOptions enrol_;
  LoginOptions login_;
  LogoutOptions logout_;
  TokenOptions token_;
  HelperOptions helper_;
  ExecOptions exec_;
  PasswordOptions password_;
  EnrolOptions factor_;
  ChatOptions chat_;
  UserAddOptions user_;
  WhoseOptions sessions_;
  KeyCreateOptions key_;
  WhoseOptions keys_;
  KeyUnlockOptions wake_;
  std::string which_;
  MandateOptions mandate_;
  ConfirmOptions confirm_;
  ListOptions mandates_;
  ServiceCreateOptions service_;
  ServicePersonOptions part_;
  SessionRevokeOptions revoke_;
  StopOptions stop_;
  ToolOptions tool_;
  ExplainOptions explain_;
  std::string since_ = "7d";
  AuditListOptions list_;
  AuditVerifyOptions verify_;
  AuditProveOptions prove_;
  ReceiptVerifyOptions receipt_;
  std::string erase_;
  RestoreOptions restore_;
  ClockOptions clock_;
  RecoverOptions recover_;
  std::uint32_t key_id_ = 0;
  ClientAddOptions client_;
  std::string client_id_;
  CredentialOptions credential_;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    // Passwords and handles pass through every command's memory, not only the gateway's.
    if (const Result<void> r = crypto::harden_process(); !r) {
      std::fprintf(stderr, "vestibule: %s\n", r.error().detail.c_str());
      return status(Exit::refused);
    }
    std::signal(SIGPIPE, SIG_IGN);
    CommandLine line;
    return line.run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "vestibule: %s\n", e.what());
    return status(Exit::refused);
  }
}
