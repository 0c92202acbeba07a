#include "app/cli/handing_on.hpp"

#include <unistd.h>

#include <chrono>

#include "app/cli/doors.hpp"
#include "app/cli/terminal.hpp"
#include "app/cli/token_cache.hpp"
#include "base/clock.hpp"
#include "crypto/hash.hpp"

namespace vestibule::app::cli {
namespace {

constexpr std::int64_t kMargin = 60;

}  // namespace

std::int64_t seconds_of(std::string_view t) noexcept {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd";
  if (t.size() <= shape.size() || t.back() != 'Z') return 0;
  int numbers[6] = {};
  std::size_t n = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 'd') {
      if (t[i] != shape[i]) return 0;
      ++n;
    } else if (t[i] < '0' || t[i] > '9') {
      return 0;
    } else {
      numbers[n] = numbers[n] * 10 + (t[i] - '0');
    }
  }
  using namespace std::chrono;
  const year_month_day date{year(numbers[0]), month(static_cast<unsigned>(numbers[1])), day(static_cast<unsigned>(numbers[2]))};
  if (!date.ok()) return 0;
  return duration_cast<seconds>(sys_days(date).time_since_epoch()).count() + numbers[3] * 3600 + numbers[4] * 60 + numbers[5];
}

Result<std::optional<Login>> login_instead(const Error& error, const std::string& access_point) {
  if (!wants_sign_in(error.code)) return std::optional<Login>();
  Result<std::filesystem::path> directory = state_directory();
  if (!directory) return std::move(directory).error();
  return login_for(Logins(*directory), access_point);
}

Result<void> awake(Context& ctx, const json::Value& me, const std::string& access_point) {
  const json::Value* points = me.find("access_points");
  if (points == nullptr) return {};
  std::optional<Reason> asleep, stopped;
  for (const json::Value& p : points->items()) {
    if (!access_point.empty() && text_of(p, "name") != access_point) continue;
    if (text_of(p, "outcome") == "allow") return {};
    const std::optional<Reason> reason = reason_from(text_of(p, "reason"));
    if (reason && (*reason == Reason::mfa_lapsed || *reason == Reason::mfa_required)) asleep = reason;
    if (reason == Reason::stopped) stopped = reason;
  }
  if (!asleep && stopped) return fail(*stopped, std::string(info(*stopped).text));
  if (!asleep) return {};
  // Standard output is captured by $(...), the terminal is not.
  const bool person = ::isatty(STDERR_FILENO) == 1 && can_ask();
  if (!person && ctx.globals().code.empty() && !ctx.globals().code_stdin) {
    return fail(*asleep, std::string(info(*asleep).text));
  }
  err(std::string(info(*asleep).text.substr(0, info(*asleep).text.find('.') + 1)) + "\n");
  Result<Reply> proved = ctx.prove("Code:");
  if (!proved) return std::move(proved).error();
  return {};
}

Result<HandedOn> hand_on(Context& ctx, const TokenWish& wish) {
  Body body;
  if (wish.ttl_s > 0) body.set("ttl_s", wish.ttl_s);
  if (!wish.agent.empty()) {
    body.set("agent", wish.agent);
    if (!wish.access_points.empty()) body.set("access_points", wish.access_points);
    if (!wish.operations.empty()) body.set("operations", wish.operations);
    if (!wish.models.empty()) body.set("models", wish.models);
  }
  Result<Reply> reply = ctx.post(wish.agent.empty() ? "/tokens" : "/delegations", As::session, std::move(body));
  if (!reply) return std::move(reply).error();
  std::string token = text_of(reply->json, "token");
  HandedOn out{text_of(reply->json, "id"), Secret(std::string_view(token)), text_of(reply->json, "ends"), 0};
  out.ends = seconds_of(out.ends_text);
  wipe(token);
  if (out.token.empty()) return fail(Reason::internal, "the gateway gave no token");
  return out;
}

namespace {

// A person's own renews itself; an agent's is kept beside.
Result<HandedOn> token_of(const Login& login, const std::string& agent) {
  if (agent.empty()) {
    Result<Tokens> tokens = renewed(login);
    if (!tokens) return std::move(tokens).error();
    return HandedOn{{}, std::move(tokens->access), rfc3339(WallTime(std::chrono::seconds(tokens->access_ends))), tokens->access_ends};
  }
  Result<std::filesystem::path> directory = state_directory();
  if (!directory) return std::move(directory).error();
  const std::string of = hex(crypto::sha256(as_bytes("login " + login.resource)));
  const TokenCache cache(*directory);
  if (std::optional<CachedToken> c = cache.load()) {
    if (c->session == of && c->agent == agent && c->access_point == login.access_point && c->ends - unix_now() > kMargin) {
      return HandedOn{{}, std::move(c->token), {}, c->ends};
    }
  }
  Result<Tokens> made = renewed_as(login, {agent, {}, {}});
  if (!made) return std::move(made).error();
  static_cast<void>(cache.save({of, agent, login.access_point, made->access.clone(), made->access_ends}));
  return HandedOn{{}, std::move(made->access), rfc3339(WallTime(std::chrono::seconds(made->access_ends))), made->access_ends};
}

}  // namespace

Result<HandedOn> cached_token(Context& ctx, const std::string& agent, const std::string& access_point) {
  // Whether the session lives, the gateway says, and if not, why.
  Result<Reply> me = ctx.call_once(http::Method::get, "/me", As::session, {});
  if (!me) {
    Result<std::optional<Login>> login = login_instead(me.error(), access_point);
    if (!login) return std::move(login).error();
    return *login ? token_of(**login, agent) : Result<HandedOn>(std::move(me).error());
  }
  if (!access_point.empty() && !has_point(me->json, access_point)) {
    return fail(Reason::not_found, "there is no access point " + access_point);
  }
  Result<const SavedSession*> session = ctx.session();
  if (!session) return std::move(session).error();
  const std::string digest = hex(crypto::sha256((*session)->handle.reveal()));
  Result<std::filesystem::path> directory = state_directory();
  if (!directory) return std::move(directory).error();
  const TokenCache cache(*directory);
  if (std::optional<CachedToken> c = cache.load()) {
    if (c->session == digest && c->agent == agent && c->access_point == access_point && c->ends - unix_now() > kMargin) {
      return HandedOn{{}, std::move(c->token), {}, c->ends};
    }
  }
  TokenWish wish;
  wish.agent = agent;
  if (!access_point.empty()) wish.access_points.push_back(access_point);
  Result<HandedOn> made = hand_on(ctx, wish);
  if (!made) return made;
  // Not kept: the next one is asked for anew, and nothing is lost.
  static_cast<void>(cache.save({digest, agent, access_point, made->token.clone(), made->ends}));
  return made;
}

}  // namespace vestibule::app::cli
