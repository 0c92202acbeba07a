#pragma once
// Signing in and proving, as several commands need it.

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

/// Name and password, asked on the terminal; then the session is kept. `second`: strong kinds that
/// the user has. The name is asked for if it is empty.
struct SignedIn {
  bool has_second = false;
  bool only_push = false;  ///< nothing else could be asked for on a terminal
};
[[nodiscard]] Result<SignedIn> sign_in(Context& ctx, std::string name, Secret password);
/// The whole of it on the terminal: name, password, code. For a command that is under way.
[[nodiscard]] Result<void> sign_in_on_terminal(Context& ctx);

/// Keeps the session that a reply of /sign-in, /setup or /enrol has brought.
[[nodiscard]] Result<void> keep_session(Context& ctx, const Reply& reply);

/// Of a reply of /notices those that were not seen yet, as lines for people; empty if there are none.
[[nodiscard]] std::string unseen_notices(const json::Value& reply);

/// Says on standard output who is signed in, until when, and what is open.
void describe(const json::Value& me);

/// Says on standard output whom to give the code of the reply to, and what he does with it.
void show_enrolment_code(const json::Value& reply);

/// A new password, twice on the terminal, or a line of standard input.
[[nodiscard]] Result<Secret> new_password(bool from_stdin);

}  // namespace vestibule::app::cli
