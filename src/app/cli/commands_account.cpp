// setup, enrol, login, password, factor.

#include <fmt/format.h>

#include "app/cli/account.hpp"
#include "app/cli/commands_account.hpp"
#include "app/cli/commands_login.hpp"
#include "app/cli/push.hpp"
#include "app/cli/qr.hpp"
#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {
namespace {

std::string without_handle(const json::Value& reply, std::string_view separator) {
  std::string out;
  for (const json::Member& m : reply.members()) {
    if (m.key == "handle") continue;
    json::append_string(out += (out.empty() ? "" : separator), m.key);
    out += ":" + m.value.dump();
  }
  return out;
}

void show_recovery_codes(const json::Value& reply) {
  const json::Value* codes = reply.find("recovery_codes");
  if (codes == nullptr || codes->items().empty()) return;
  std::string text =
      "\nRecovery codes. Each opens the enrolment of a new factor once, if you lose the present one.\n"
      "They are shown now and never again: print them or keep them where you keep passwords.\n\n";
  for (const json::Value& c : codes->items()) {
    if (Result<std::string> s = c.as_string()) text += "    " + printable(*s) + "\n";
  }
  out(text + "\n");
  wipe(text);
}

void show_secret(const json::Value& pending) {
  std::string uri = text_of(pending, "uri");
  const QrCode qr = stdout_is_terminal() ? qr_code(uri, colours() ? Ink::colours : Ink::blocks) : QrCode{};
  std::string text;
  if (!qr.lines.empty() && qr.columns <= terminal_columns()) {
    text += "Scan this with your authenticator app:\n\n";
    for (const std::string& line : qr.lines) text += line + "\n";
    text += "\nor type the secret into it:\n";
  } else {
    text += "Put this secret into your authenticator app:\n";
  }
  text += fmt::format("    {}\n    ({}, {} digits, every {} s)\n    {}\n\n", printable(text_of(pending, "secret")),
                      printable(text_of(pending, "algorithm")), number_of(pending, "digits"), number_of(pending, "period_s"),
                      printable(uri));
  out(text);
  wipe(text);
  wipe(uri);
}

// Asks for the first code of a new factor and shows what comes of it.
int confirm(Context& ctx, const std::string& id) {
  for (int tries = 0;; ++tries) {
    Result<Secret> code = ctx.code("Code that the app shows now:");
    if (!code) return ctx.failed(code.error());
    Body body;
    body.set("code", *code);
    Result<Reply> reply = ctx.call_once(http::Method::post, "/factors/" + percent_encode(id) + "/confirm", As::session, body);
    if (!reply) {
      if (reply.error().code != Reason::code_wrong || tries >= 4 || !ctx.more_codes()) return ctx.failed(reply.error());
      warn(reply.error().detail);
      continue;
    }
    if (ctx.json()) {
      ctx.print_json(*reply);
    } else {
      out("The second factor is enrolled.\n");
      show_recovery_codes(reply->json);
    }
    return status(Exit::ok);
  }
}

// A new TOTP factor: begins, shows, confirms. `before` is what a JSON reader is told besides.
int enrol_totp(Context& ctx, const EnrolOptions& o, As as, const std::string& before) {
  Body body;
  body.set_if("label", o.label);
  Result<Reply> begun = ctx.post("/factors/totp", as, std::move(body));
  if (!begun) return ctx.failed(begun.error());
  const std::string id = text_of(begun->json, "id");
  if (!o.secret_out.empty()) {
    std::string uri = text_of(begun->json, "uri") + "\n";
    const Result<void> written = write_private_file(o.secret_out, uri);
    wipe(uri);
    if (!written) return ctx.failed(written.error());
  }
  if (ctx.json()) {
    std::string members = before;
    for (const json::Member& m : begun->json.members()) {
      if (!o.secret_out.empty() && (m.key == "secret" || m.key == "uri")) continue;
      json::append_string(members += (members.empty() ? "" : ","), m.key);
      members += ":" + m.value.dump();
    }
    out("{" + members + "}\n");
    wipe(members);
  } else if (o.secret_out.empty()) {
    show_secret(begun->json);
  } else {
    out("The secret is in " + o.secret_out + ".\n");
  }
  const Globals& g = ctx.globals();
  const bool now = !o.later && (g.code_stdin || !g.code.empty() || (!ctx.json() && can_ask()));
  if (now) return confirm(ctx, id);
  if (!ctx.json()) out("Then run: vestibule factor confirm " + printable(id) + " CODE\n");
  return status(Exit::ok);
}

// The set-up token lies in the data directory, readable for whoever runs the gateway.
Result<Secret> setup_token(Context& ctx, const std::string& given) {
  if (!given.empty()) return Secret(std::string_view(given));
  std::filesystem::path dir;
  if (Result<Config> config = ctx.config()) {
    dir = config->data_dir;
  } else if (Result<std::string> socket = ctx.socket()) {
    dir = std::filesystem::path(*socket).parent_path();
  }
  if (!dir.empty()) {
    std::FILE* f = std::fopen((dir / "setup-token").c_str(), "re");
    if (f != nullptr) {
      char text[256];
      const std::size_t n = std::fread(text, 1, sizeof text, f);
      std::fclose(f);
      Secret token(std::string_view(text, std::string_view(text, n).find_last_not_of(" \r\n") + 1));
      wipe(text, sizeof text);
      if (!token.empty()) return token;
    }
  }
  return ask("Set-up token (in the file setup-token of the gateway's data directory):", Echo::off,
             "run this as the user of the gateway, with --config FILE");
}

}  // namespace

int setup(Context& ctx, const SetupOptions& o) {
  Result<Secret> token = setup_token(ctx, o.token);
  if (!token) return ctx.failed(token.error());
  std::string name = o.name;
  if (name.empty()) {
    Result<Secret> typed = ask("Name of the first administrator:", Echo::on, "give --name NAME");
    if (!typed) return ctx.failed(typed.error());
    name = std::string(typed->reveal_text());
  }
  Result<Secret> password = new_password(o.password_stdin);
  if (!password) return ctx.failed(password.error());
  Body body;
  body.set("token", *token).set("name", name).set("password", *password);
  Result<Reply> reply = ctx.post("/setup", As::nobody, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (Result<void> r = keep_session(ctx, *reply); !r) return ctx.failed(r.error());
  if (!ctx.json()) out("The administrator " + printable(name) + " exists. Now the second factor.\n\n");
  return enrol_totp(ctx, o.enrol, As::session, without_handle(reply->json, ","));
}

int enrol(Context& ctx, const EnrolUserOptions& o) {
  std::optional<Secret> code;
  if (o.code_first) {
    code = read_line();
    if (!code) return ctx.failed(fail(Reason::invalid_argument, "standard input has no line with the enrolment code"));
  } else {
    Result<Secret> typed = ask("Enrolment code (ve_...):", Echo::off, "give code and password as two lines of standard input with --stdin");
    if (!typed) return ctx.failed(typed.error());
    code = std::move(*typed);
  }
  Result<Secret> password = new_password(o.code_first);
  if (!password) return ctx.failed(password.error());
  Body body;
  body.set("code", *code).set("password", *password);
  Result<Reply> reply = ctx.post("/enrol", As::nobody, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (Result<void> r = keep_session(ctx, *reply); !r) return ctx.failed(r.error());
  if (!ctx.json()) out("Welcome, " + printable(text_of(reply->json, "name")) + ". Now the second factor.\n\n");
  return enrol_totp(ctx, o.enrol, As::session, without_handle(reply->json, ","));
}

int login(Context& ctx, const LoginOptions& o) {
  if (is_client_login(ctx, o)) return client_login(ctx, o);
  bool proving = false;
  bool push = o.push;
  PushKind push_kind = PushKind::digits;  // a sign-in takes them
  std::string name = o.name;
  if (!o.fresh && !o.password_stdin) {
    Result<Reply> me = ctx.call_once(http::Method::get, "/me", As::session, {});
    if (me) {
      proving = name.empty() || name == text_of(me->json, "name");
      if (proving && only_push_of(me->json)) push = true;
      if (proving) push_kind = push_kind_for(me->json);
      if (proving && text_of(me->json, "name") != name && !ctx.json() && (push || ctx.more_codes())) {
        err("You are signed in as " + printable(text_of(me->json, "name")) + ": " + (push ? "your device is enough.\n" : "a code is enough.\n"));
      }
    } else if (!wants_sign_in(me.error().code)) {
      return ctx.failed(me.error());
    } else if (me.error().code != Reason::credential_missing) {
      // Say why it ended, not only that one has to sign in.
      if (!ctx.json()) err(printable(me.error().detail) + "\n");
    }
  }
  if (!proving) {
    if (name.empty()) {
      Result<Secret> typed = ask("Name:", Echo::on, "give --name NAME");
      if (!typed) return ctx.failed(typed.error());
      name = std::string(typed->reveal_text());
    }
    std::optional<Secret> password;
    if (o.password_stdin) {
      password = read_line();
      if (!password) return ctx.failed(fail(Reason::invalid_argument, "standard input has no line with the password"));
    } else {
      Result<Secret> typed = ask("Password:", Echo::off, "give it as a line of standard input with --password-stdin");
      if (!typed) return ctx.failed(typed.error());
      password = std::move(*typed);
    }
    Result<SignedIn> in = sign_in(ctx, name, std::move(*password));
    if (!in) return ctx.failed(in.error());
    if (!in->has_second) {
      return ctx.failed(fail(Reason::mfa_required,
                             "You are signed in, but no second factor is enrolled, so no access point is open. "
                             "Run `vestibule factor add`, or ask an administrator for an enrolment code."));
    }
    if (in->only_push) push = true;
    // The second line is the code, if there is one.
    if (!push && o.password_stdin && ctx.globals().code.empty()) {
      if (const std::optional<Secret> line = read_line()) ctx.give_code(*line);
    }
  }
  Result<Reply> proved = push ? prove_by_push(ctx, push_kind) : ctx.prove("Code:");
  if (!proved) {
    if (push && proved.error().code == Reason::factor_missing) {
      return ctx.failed(fail(Reason::factor_missing, "No push device is enrolled. Enrol one at the portal, on the device itself."));
    }
    if (proved.error().code == Reason::factor_missing) {
      return ctx.failed(fail(Reason::mfa_required, "No second factor that gives codes is enrolled. Run `vestibule factor add`; with a security key, sign in at the portal."));
    }
    return ctx.failed(proved.error());
  }
  Result<Reply> me = ctx.call_once(http::Method::get, "/me", As::session, {});
  if (!me) return ctx.failed(me.error());
  if (ctx.json()) {
    ctx.print_json(*me);
  } else {
    describe(me->json);
    // Whoever has just proved who he is hears what happened meanwhile; that this fails hides nothing else.
    if (const Result<Reply> news = ctx.call_once(http::Method::get, "/notices", As::session, {})) {
      out(unseen_notices(news->json));
    }
    if (const json::Value* flags = me->json.find("flags"); flags != nullptr && flag_of(*flags, "factor_management")) {
      out("A recovery code opens nothing but the enrolment of a new factor: run `vestibule factor add`.\n");
    }
  }
  return status(Exit::ok);
}

int password(Context& ctx, const PasswordOptions& o) {
  std::optional<Secret> old;
  if (o.password_stdin) {
    old = read_line();
    if (!old) return ctx.failed(fail(Reason::invalid_argument, "standard input has no line with the old password"));
  } else {
    Result<Secret> typed = ask("Present password:", Echo::off, "give old and new password as two lines with --password-stdin");
    if (!typed) return ctx.failed(typed.error());
    old = std::move(*typed);
  }
  Result<Secret> fresh = new_password(o.password_stdin);
  if (!fresh) return ctx.failed(fresh.error());
  Result<Reply> factors = ctx.get("/factors");
  if (!factors) return ctx.failed(factors.error());
  const json::Value* list = factors->json.find("factors");
  Body body;
  body.set("old", *old).set("new", *fresh);
  Result<Reply> reply =
      ctx.post("/password", list != nullptr && !list->items().empty() ? As::bound : As::session, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("The password is changed. Your other sessions have ended.\n");
  }
  return status(Exit::ok);
}

int factor_list(Context& ctx) {
  Result<Reply> reply = ctx.get("/factors");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"ID", "KIND", "LABEL", "CREATED", "LAST USED", "STATE"});
  if (const json::Value* list = reply->json.find("factors")) {
    for (const json::Value& f : list->items()) {
      const std::string locked = text_of(f, "locked_until");
      const std::int64_t failures = number_of(f, "failures");
      const std::string kind = text_of(f, "kind");
      std::string state = flag_of(f, "disabled") ? "disabled by too many wrong codes: remove it"
                          : !locked.empty()      ? "locked until " + time_text(locked)
                          : failures > 0         ? std::to_string(failures) + (failures == 1 ? " wrong code" : " wrong codes")
                                                 : "ok";
      if (kind == "recovery_code") state = std::to_string(number_of(f, "codes_left")) + " codes left";
      const std::string used = text_of(f, "last_used");
      table.add({text_of(f, "id"), kind, text_of(f, "label"), time_text(text_of(f, "created")),
                 used.empty() ? "never" : time_text(used), state});
    }
  }
  if (table.empty()) {
    out("No factor is enrolled. Run `vestibule factor add`.\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

int factor_add(Context& ctx, const EnrolOptions& o) {
  Result<Reply> me = ctx.get("/me");
  if (!me) return ctx.failed(me.error());
  const json::Value* flags = me->json.find("flags");
  const json::Value* factors = me->json.find("factors");
  const bool granted = flags != nullptr && (flag_of(*flags, "enrol_grant") || flag_of(*flags, "factor_management"));
  const bool first = factors == nullptr || factors->items().empty();
  if (!granted && !first && !ctx.json()) err("A new factor needs a code of one that you have.\n");
  return enrol_totp(ctx, o, granted || first ? As::session : As::bound, {});
}

int factor_confirm(Context& ctx, const std::string& id, const std::string& code) {
  if (!code.empty()) ctx.give_code(Secret(std::string_view(code)));
  return confirm(ctx, id);
}

int factor_remove(Context& ctx, const std::string& id) {
  Result<Reply> reply = ctx.post("/factors/" + percent_encode(id) + "/remove", As::bound);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("The factor is removed.\n");
  }
  return status(Exit::ok);
}

int factor_prefer(Context& ctx, const std::string& kind) {
  Body body;
  body.set("kind", kind);
  Result<Reply> reply = ctx.post("/preference", As::session, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("From now on " + printable(kind) + " is offered first.\n");
  }
  return status(Exit::ok);
}

int factor_recovery_codes(Context& ctx) {
  Result<Reply> reply = ctx.post("/recovery-codes", As::bound);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("New recovery codes; all older ones are void.\n");
    show_recovery_codes(reply->json);
  }
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
