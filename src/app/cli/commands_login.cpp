// login as a client of the gateway (RFC 8252, RFC 8628), logout: a person lets this command line have a token for
// one access point, in a browser here or on another device.

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "app/cli/authority.hpp"
#include "app/cli/child.hpp"
#include "app/cli/commands_login.hpp"
#include "app/cli/commands_users.hpp"
#include "app/cli/keyring.hpp"
#include "app/cli/loopback.hpp"
#include "app/cli/logins.hpp"
#include "app/cli/terminal.hpp"
#include "app/cli/text.hpp"
#include "app/cli/token_cache.hpp"
#include "crypto/hash.hpp"
#include "oauth/client.hpp"

namespace vestibule::app::cli {
namespace {

constexpr std::chrono::seconds kInBrowser = std::chrono::minutes(5);
// Whoever signs in has just proved who he is, or proves it now.
constexpr std::string_view kMaxAge = "300";
constexpr std::string_view kScope = "openid profile";

bool set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}
bool headless() { return !set("DISPLAY") && !set("WAYLAND_DISPLAY"); }

std::string random_text(Rng& rng) { return base64url(rng.take<32>()); }

/// The access point's address: as given, or by the configuration that lies here.
Result<std::string> address_of(const Context& ctx, const LoginOptions& o) {
  if (!o.at.empty()) return o.at;
  const Result<Config> config = ctx.config();
  const access::AccessPoint* found = nullptr;
  if (config) {
    for (const access::AccessPoint& p : config->points) {
      if (!o.access_point.empty() && p.name != o.access_point) continue;
      if (found != nullptr) return fail(Reason::invalid_argument, "for which access point? Give --access-point NAME");
      found = &p;
    }
  }
  if (found == nullptr || found->resource.empty()) {
    if (config && !o.access_point.empty()) return fail(Reason::not_found, "there is no access point " + o.access_point);
    return fail(Reason::invalid_argument, "for which access point? Give its address, as clients have it: --at http://HOST:PORT/PREFIX");
  }
  return found->resource;
}

// Whatever opens pages here; that none does is no error, the address is shown besides.
void open_browser(const std::string& url) {
  const Result<int> child = start_child({"xdg-open", url}, environment_with({}));
  static_cast<void>(child);
}

Result<Tokens> by_browser(Issuer& issuer, const Authority& a) {
  SystemRng rng;
  const std::string state = random_text(rng);
  std::string verifier = random_text(rng);
  const std::string challenge = base64url(crypto::sha256(as_bytes(verifier)));
  Result<Loopback> loopback = Loopback::open();
  if (!loopback) return std::move(loopback).error();
  const std::string redirect = "http://127.0.0.1:" + std::to_string(loopback->port()) + std::string(kLoginPath);
  std::string url = a.issuer + a.authorize + "?response_type=code&client_id=" + std::string(oauth::kCommandLine);
  for (const auto& [name, value] : Parameters{{"redirect_uri", redirect}, {"scope", kScope}, {"resource", a.resource}, {"state", state},
                                              {"code_challenge", challenge}, {"code_challenge_method", "S256"}, {"max_age", kMaxAge}}) {
    url.append("&").append(name).append("=").append(percent_encode(value));
  }
  err("Your browser asks whether this command line may use " + printable(a.access_point) + ". If it does not open, go to\n\n    " + url + "\n\n");
  open_browser(url);
  Result<LoginAnswer> answer = loopback->wait(state, a.issuer, kInBrowser);
  if (!answer) return std::move(answer).error();
  switch (answer->kind) {
    case LoginAnswer::Kind::not_ours:
    case LoginAnswer::Kind::mixed_up:
      return fail(Reason::invalid_argument, "The answer in the browser came from another server than " + a.issuer + ", so nothing was sent to either.");
    case LoginAnswer::Kind::refused:
      if (answer->error == "access_denied") return fail(Reason::policy_denied, "You said no in the browser, so nothing was given.");
      return fail(Reason::invalid_argument, "The gateway refuses: " + printable(answer->error) + ".");
    case LoginAnswer::Kind::code: break;
  }
  Result<Tokens> tokens = issuer.token(a.token, {{"grant_type", "authorization_code"}, {"code", answer->code}, {"redirect_uri", redirect},
                                                 {"code_verifier", verifier}, {"resource", a.resource}});
  wipe(answer->code);
  wipe(verifier);
  return tokens;
}

Result<Tokens> by_device(Issuer& issuer, const Authority& a) {
  Result<Reply> begun = issuer.post(a.device, {{"scope", kScope}, {"resource", a.resource}, {"max_age", kMaxAge}});
  if (!begun) return std::move(begun).error();
  if (!begun->ok()) return refusal_of(*begun);
  const std::string where = text_of(begun->json, "verification_uri");
  const std::string shown = text_of(begun->json, "user_code");
  std::string given = text_of(begun->json, "device_code");
  const Secret code{std::string_view(given)};
  wipe(given);
  if (code.empty() || shown.empty() || !where.starts_with(a.issuer + "/")) return fail(Reason::internal, "the gateway gave no code");
  err("On a device with a browser go to\n\n    " + printable(where) + "\n\nand type this code there:\n\n    " + printable(shown) + "\n\n");
  const std::int64_t ends = unix_now() + number_of(begun->json, "expires_in");
  std::int64_t pause = std::max<std::int64_t>(number_of(begun->json, "interval"), 1);
  for (;;) {
    std::this_thread::sleep_for(std::chrono::seconds(pause));
    Result<Reply> reply = issuer.post(a.token, {{"grant_type", oauth::kDeviceGrant}, {"device_code", code.reveal_text()}, {"resource", a.resource}});
    if (!reply) return std::move(reply).error();
    const std::string error = text_of(reply->json, "error");
    if (error == "slow_down") pause += 5;
    if (error != "slow_down" && error != "authorization_pending") return tokens_from(*reply);
    if (unix_now() > ends) return fail(Reason::request_timeout, "Nobody answered in time. Run `vestibule login` again.");
  }
}

Result<Keep> keep_where(const LoginOptions& o) {
  if (o.store == "file") return Keep::file;
  const bool answers = keyring_answers();
  if (answers) return Keep::keyring;
  if (o.store == "keyring") {
    return fail(Reason::invalid_argument,
                "no keyring answers here: it takes a desktop session with a Secret Service, and secret-tool. With --store file the token lies in a file of your own");
  }
  return Keep::file;
}

void say(const Login& l, const Tokens& tokens) {
  const std::int64_t left = tokens.proof_ends - unix_now();
  std::string text = fmt::format("Signed in as {} for {} at {}.\n", printable(l.user), printable(l.access_point), l.resource);
  text += left > 0 ? "  open for " + duration_text(left) + "\n"
                   : "  closed: it asks for a stronger factor than you have proved. Prove that one at the portal, then run `vestibule login` again.\n";
  text += l.keep == Keep::keyring ? "  kept in the system's keyring\n" : "  kept in a file that only you can read\n";
  out(text);
}

// Best effort, of what nobody will use any more.
void end_quietly(const Login& l, const Tokens& tokens) {
  const Result<void> ended = revoke(l, tokens.refresh);
  static_cast<void>(ended);
}

}  // namespace

bool is_client_login(Context& ctx, const LoginOptions& o) {
  if (o.browser || o.device || !o.at.empty() || !o.access_point.empty() || !o.store.empty()) return true;
  const Globals& g = ctx.globals();
  if (!o.name.empty() || o.password_stdin || o.fresh || o.push || g.recovery || g.code_stdin || !g.code.empty()) return false;
  // Without a gateway on this machine there is nobody who would take a password here.
  return !ctx.socket() && !g.url.empty();
}

int client_login(Context& ctx, const LoginOptions& o) {
  LoginOptions wish = o;
  if (wish.at.empty() && wish.access_point.empty() && !ctx.globals().url.empty()) wish.at = ctx.globals().url;
  const Result<std::string> address = address_of(ctx, wish);
  if (!address) return ctx.failed(address.error());
  const Result<Keep> keep = keep_where(o);
  if (!keep) return ctx.failed(keep.error());
  Result<std::filesystem::path> directory = state_directory();
  if (!directory) return ctx.failed(directory.error());
  if (const Result<void> made = make_state_directory(*directory); !made) return ctx.failed(made.error());
  Result<Authority> a = discover(*address, ctx.globals().ca_file);
  if (!a) return ctx.failed(a.error());
  Result<std::unique_ptr<Issuer>> issuer = Issuer::at(a->issuer, ctx.globals().ca_file);
  if (!issuer) return ctx.failed(issuer.error());
  const bool elsewhere = o.device || (!o.browser && headless());
  Result<Tokens> tokens = elsewhere ? by_device(**issuer, *a) : by_browser(**issuer, *a);
  if (!tokens) return ctx.failed(tokens.error());

  Login l{a->resource, a->access_point, {}, a->issuer, a->token, a->revoke, *keep, {}};
  if (!ctx.globals().ca_file.empty()) l.ca_file = std::filesystem::absolute(ctx.globals().ca_file).string();
  if (const Result<Reply> who = (*issuer)->get(a->userinfo, &tokens->access); who && who->ok()) l.user = text_of(who->json, "preferred_username");
  const Logins logins(*directory);
  Result<Logins::Lock> lock = logins.lock();
  if (!lock) return ctx.failed(lock.error());
  // The one before ends: what is not used any more opens nothing.
  if (const Result<std::optional<Login>> before = login_for(logins, l.resource); before && *before) {
    if (const Result<Tokens> old = logins.tokens(**before)) end_quietly(**before, *old);
    if ((*before)->keep != l.keep) {
      if (const Result<void> dropped = logins.drop(**before); !dropped) warn(dropped.error().detail);
    }
  }
  TokenCache(*directory).clear();
  if (const Result<void> saved = logins.save(l, *tokens); !saved) {
    end_quietly(l, *tokens);
    return ctx.failed(saved.error());
  }
  if (ctx.json()) {
    json::Value v;
    v.set("access_point", l.access_point);
    v.set("resource", l.resource);
    v.set("user", l.user);
    v.set("store", std::string(name(l.keep)));
    v.set("open", tokens->proof_ends > unix_now());
    out(v.dump() + "\n");
  } else {
    say(l, *tokens);
  }
  return tokens->proof_ends > unix_now() ? status(Exit::ok) : status(Exit::factor);
}

int logout(Context& ctx, const LogoutOptions& o) {
  Result<std::filesystem::path> directory = state_directory();
  if (!directory) return ctx.failed(directory.error());
  const Logins logins(*directory);
  Result<std::vector<Login>> all = logins.list();
  if (!all) return ctx.failed(all.error());
  std::vector<Login> those;
  if (!o.access_point.empty()) {
    Result<std::optional<Login>> one = login_for(logins, o.access_point);
    if (!one) return ctx.failed(one.error());
    if (!*one) return ctx.failed(fail(Reason::not_found, "there is no login for " + o.access_point));
    those.push_back(std::move(**one));
  } else {
    those = std::move(*all);
  }
  int worst = status(Exit::ok);
  for (const Login& l : those) {
    Result<Logins::Lock> lock = logins.lock();
    if (!lock) return ctx.failed(lock.error());
    Result<Tokens> tokens = logins.tokens(l);
    const Result<void> ended = tokens ? revoke(l, tokens->refresh) : Result<void>(std::move(tokens).error());
    // Gone from here in any case; what the gateway did not hear of ends by itself.
    const Result<void> dropped = logins.drop(l);
    if (!dropped) worst = ctx.failed(dropped.error());
    if (!ended) {
      worst = ctx.failed(fail(ended.error().code, "The token for " + l.resource + " is deleted here but not revoked, and lives until its end: " + ended.error().detail));
    } else if (!ctx.json()) {
      out("Signed out of " + printable(l.access_point) + " at " + l.resource + ".\n");
    }
  }
  TokenCache(*directory).clear();
  if (!o.access_point.empty()) return worst;
  const Result<std::optional<SavedSession>> session = State(*directory).load();
  if (session && *session) {
    const int signed_out = session_sign_out(ctx);
    if (signed_out != status(Exit::ok)) worst = signed_out;
  } else if (those.empty()) {
    out("Nobody is signed in.\n");
  }
  return worst;
}

}  // namespace vestibule::app::cli
