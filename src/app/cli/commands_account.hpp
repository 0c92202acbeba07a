#pragma once
// setup, enrol, login, password, factor: one's own account.

#include <string>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

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
  // As a client of the gateway, for one access point (commands_login.hpp):
  std::string at, access_point;  ///< its address, or its name in the configuration here
  bool browser = false, device = false;
  std::string store;  ///< file or keyring; empty: the keyring where one answers
};
/// A session by name, password and code where the gateway's control socket is known: it opens the most. Else,
/// and where it is asked for, a token for one access point, by a browser or another device.
int login(Context& ctx, const LoginOptions& o);
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

}  // namespace vestibule::app::cli
