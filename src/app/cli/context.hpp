#pragma once
// What every command stands on: where the gateway is, who is signed in, how a factor is asked for. A command
// (commands_*.hpp) is a function of plain options that gives the process's exit status; main.cpp says how it is
// spelt on the command line.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "app/cli/body.hpp"
#include "app/cli/client.hpp"
#include "app/cli/exit.hpp"
#include "app/cli/state.hpp"
#include "app/config.hpp"

namespace vestibule::app::cli {

/// Options that all commands share, as main() read them.
struct Globals {
  std::string socket, config, url, ca_file;
  bool json = false;
  std::string code;         ///< --code: used once
  bool code_stdin = false;  ///< codes are lines of standard input
  bool recovery = false;    ///< the code is a recovery code
};

enum class As {
  nobody,   ///< no credential is sent
  session,  ///< the saved session
  bound,    ///< the session, and a code for this very act in the body
};

class Context {
 public:
  explicit Context(Globals globals) : globals_(std::move(globals)) {}

  [[nodiscard]] bool json() const noexcept { return globals_.json; }
  [[nodiscard]] const Globals& globals() const noexcept { return globals_; }

  /// --config, VESTIBULE_CONFIG, ./vestibule.toml, ./run/vestibule.toml,
  /// /etc/vestibule/vestibule.toml: the first that is named or exists. not_found.
  [[nodiscard]] Result<std::filesystem::path> config_file() const;
  [[nodiscard]] Result<Config> config() const;
  /// --socket, VESTIBULE_SOCKET, the configuration's, the saved session's.
  [[nodiscard]] Result<std::string> socket();
  /// --url, VESTIBULE_URL, the configuration's first listener, the saved session's, the default.
  [[nodiscard]] Result<std::string> url();

  /// The saved session if it belongs to this gateway. credential_missing, with what to do.
  [[nodiscard]] Result<const SavedSession*> session();
  [[nodiscard]] Result<void> keep(SavedSession session);
  [[nodiscard]] Result<void> forget();

  /// One call of the control API; `target` without "/v1". An answer other than 2xx is an Error whose
  /// detail says what the gateway says. Where the answer is that a factor is needed, lapsed, wrong
  /// or used up, and somebody can be asked, it asks and goes on.
  [[nodiscard]] Result<Reply> call(http::Method method, std::string_view target, As as, Body body = {},
                                   std::function<bool(std::string_view)> sink = {});
  [[nodiscard]] Result<Reply> get(std::string_view target) { return call(http::Method::get, target, As::session); }
  [[nodiscard]] Result<Reply> post(std::string_view target, As as, Body body = {}) {
    return call(http::Method::post, target, as, std::move(body));
  }
  /// The same without asking anybody anything.
  [[nodiscard]] Result<Reply> call_once(http::Method method, std::string_view target, As as, const Body& body,
                                        const std::function<bool(std::string_view)>& sink = {});

  /// A code, stripped: --code, then standard input or the terminal. mfa_required if there is none.
  [[nodiscard]] Result<Secret> code(std::string_view question);
  /// As if it were given by --code.
  void give_code(const Secret& code) { globals_.code = std::string(code.reveal_text()); }
  /// Which factor codes are asked of: the first that gives any, in the order in which the gateway offers
  /// them; `second` as in its replies. Without it the gateway is asked, once.
  [[nodiscard]] std::string kind_of_codes(const json::Value* second = nullptr);
  /// Another code can be had after this one.
  [[nodiscard]] bool more_codes() const;
  /// Proves a factor for the session, asking up to three times. Gives the reply of /prove.
  [[nodiscard]] Result<Reply> prove(std::string_view question);

  /// Says the error on standard error (as JSON with --json) and gives the exit status.
  int failed(const Error& error) const;
  /// --json: the reply as one line.
  void print_json(const Reply& reply) const;
  /// The exit status of a command that changes something: says the error, or the sentence (--json: the reply).
  [[nodiscard]] int answered(const Result<Reply>& reply, std::string_view sentence) const;

 private:
  [[nodiscard]] Result<Client*> control();

  Globals globals_;
  bool session_loaded_ = false;
  std::optional<SavedSession> session_;
  std::string kind_;  // of codes; empty: not known yet
  std::unique_ptr<Client> control_;
};

/// The reply's error: its reason, and as detail its message with what it says beside.
[[nodiscard]] Error error_of(const Reply& reply);

/// Shorthands for replies: empty, zero or false where the member is not there.
[[nodiscard]] std::string text_of(const json::Value& value, std::string_view key);
[[nodiscard]] std::int64_t number_of(const json::Value& value, std::string_view key);
[[nodiscard]] bool flag_of(const json::Value& value, std::string_view key);
/// "a, b" of a list of strings.
[[nodiscard]] std::string list_of(const json::Value& value, std::string_view key);

}  // namespace vestibule::app::cli
