// Push devices: enrolment, what they are asked, what they answer, and the screen that waits for it.

#include "portal/act_text.hpp"
#include "portal/call.hpp"
#include "portal/render.hpp"
#include "portal/watch.hpp"

namespace vestibule::portal {
namespace {

using factors::PromptState;
using factors::Prompts;

constexpr std::chrono::seconds kLongestWait{25};  // below what clients and proxies wait for a reply
constexpr std::chrono::seconds kLookForGone{1};

std::string_view public_name(std::optional<PromptState> state) {
  if (!state) return "expired";
  switch (*state) {
    case PromptState::waiting: return "waiting";
    case PromptState::approved: return "approved";
    case PromptState::declined:
    case PromptState::withdrawn:
    case PromptState::not_me: return "declined";
    case PromptState::spent: return "expired";
  }
  return "expired";
}

Reply render(const Prompts::Inbox& inbox, std::string_view user) {
  json::Writer w = writer();
  w.begin_object().key("prompts").begin_array();
  for (const factors::Prompt& p : inbox.prompts) {
    w.begin_object().member("id", p.id.text()).member("operation", p.operation).member("object", p.object);
    w.member("what", act_text(p.operation, p.object)).member("user", user);
    w.member("source", p.source).member("client", p.client);
    member_time(w, "created", p.created);
    member_time(w, "expires", p.expires);
    w.member("match", p.choices.empty() ? "type" : "choose");
    if (!p.choices.empty()) {
      w.key("choices").begin_array();
      for (const std::string& number : p.choices) w.value(number);
      w.end_array();
    }
    w.end_object();
  }
  w.end_array().member("version", inbox.version).end_object();
  return body(w);
}

}  // namespace

// Until something of the user's prompts has changed (false: not in time), the caller has gone, or the
// core stops. Looks now and then: whoever has gone must not be waited for.
net::Task<bool> Portal::wait_for_prompts(Call& call, Watch::Seat& seat, std::chrono::steady_clock::time_point end) {
  while (!seat.closed() && !call.exchange.gone() && std::chrono::steady_clock::now() < end) {
    const bool changed = co_await seat.wait(kLookForGone);
    if (changed) co_return true;
  }
  co_return false;
}

net::Task<Result<Reply>> Portal::push_key(Call&) {
  if (services_.push_key.empty()) co_return fail(Reason::not_found, "push is not configured");
  json::Writer w = writer();
  w.begin_object().member("application_server_key", services_.push_key).end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::add_push(Call& call) {
  factors::EnrolmentWish wish;
  factors::PushWish& device = wish.push.emplace();
  const auto raw = unbase64url(call.body.text("public_key"));
  const auto key = raw ? crypto::parse_p256(*raw) : std::nullopt;
  if (!key) co_return fail(Reason::invalid_argument, "public_key: an uncompressed point of P-256 in base64url");
  device.key = *key;
  if (call.body.has("subscription")) {
    device.subscription = notify::parse_subscription(call.body.text("subscription"));
    if (!device.subscription) co_return fail(Reason::invalid_argument, "subscription: not a PushSubscriptionJSON");
    if (!services_.greet) co_return fail(Reason::invalid_argument, "subscription: push is not configured");
  }
  std::optional<session::Answer> existing;
  if (call.body.has("code")) {
    Result<session::Answer> answer = answer_of(call, "code");
    if (!answer) co_return std::move(answer).error();
    existing = std::move(*answer);
  }
  std::optional<notify::Subscription> subscription = device.subscription;
  std::string label(call.body.text("label"));
  Result<factors::PendingEnrolment> begun =
      co_await services_.sessions.begin_enrolment(call.caller.who, session::FactorKind::push, std::move(label),
                                                  std::move(existing), call.actor(), std::move(wish));
  if (!begun) co_return std::move(begun).error();
  // Only the device itself will read it: that the message arrived there is what it proves.
  if (subscription) services_.greet(std::move(*subscription), std::move(begun->secret));
  json::Writer w = writer();
  w.begin_object().member("id", begun->id.text()).member("kind", domain::name(begun->kind));
  w.member("nonce", begun->options).member("pushed", subscription.has_value());
  member_time(w, "expires", begun->expires);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::wait_challenge(Call& call) {
  const auto id = factors::ChallengeId::parse(call.param);
  if (!id) co_return fail(Reason::not_found, "no such challenge");
  const session::Identified who = call.caller.who;
  const auto end = std::chrono::steady_clock::now() + kLongestWait;
  std::optional<Watch::Seat> seat = services_.watch->seat(who.subject.user, Watch::Waits::screen);
  if (!seat) co_return fail(Reason::overloaded, "too many wait");
  for (;;) {
    Result<std::optional<PromptState>> state =
        co_await services_.factors.prompts().state(*id, who.subject.user, who.subject.session);
    if (!state) co_return std::move(state).error();
    // Whom the owner has disowned meanwhile learns no more than that.
    if (!services_.sessions.standing(who.subject.session, who.subject.user, who.handle, services_.clock.now())) {
      co_return fail(Reason::session_ended);
    }
    bool again = *state == PromptState::waiting;
    if (again) again = co_await wait_for_prompts(call, *seat, end);
    if (again) continue;
    json::Writer w = writer();
    w.begin_object().member("state", public_name(*state)).end_object();
    co_return body(w);
  }
}

net::Task<Result<Reply>> Portal::device_inbox(Call& call) {
  const auto parsed = factors::parse_call(call.body.text("device"), call.body.integer("time").value_or(-1), call.body.text("signature"));
  if (!parsed) co_return fail(Reason::credential_unknown);
  factors::DeviceCall device = *parsed;
  const auto end = std::chrono::steady_clock::now() + kLongestWait;
  Prompts& prompts = services_.factors.prompts();
  Result<Prompts::Inbox> inbox = co_await prompts.inbox(device);
  if (!inbox) {
    if (inbox.error().code == Reason::credential_unknown) {
      services_.gate.refuse_unknown(call.caller.source, Reason::credential_unknown, policy::kAdministration);
    }
    co_return std::move(inbox).error();
  }
  const UserId user = inbox->user;
  const std::string_view known = call.body.text("version");
  if (!known.empty() && known == inbox->version) {
    std::optional<Watch::Seat> seat = services_.watch->seat(user, Watch::Waits::device);
    if (!seat) co_return fail(Reason::overloaded, "too many wait");
    // Read once more now that the seat is taken: what happened in between is not missed.
    bool again = true;
    while (again) {
      inbox = co_await prompts.inbox_again(device.device, user);
      if (!inbox) co_return std::move(inbox).error();
      if (known != inbox->version) break;
      again = co_await wait_for_prompts(call, *seat, end);
    }
  }
  std::string name;
  services_.users.read(user, [&](const identity::User& u) { name = u.name.view(); });
  co_return render(*inbox, name);
}

net::Task<Result<Reply>> Portal::device_answer(Call& call) {
  auto device = factors::parse_call(call.body.text("device"), call.body.integer("time").value_or(-1), call.body.text("signature"));
  if (!device) co_return fail(Reason::credential_unknown);
  auto parsed = factors::parse_answer(std::move(*device), call.body.text("prompt"), call.body.text("verdict"), call.body.text("digits"));
  if (!parsed) co_return fail(Reason::invalid_argument, "prompt, verdict or digits: not of the form that is asked for");
  session::Actor by;
  by.source = call.caller.source;
  by.client = call.caller.client;
  by.request = call.caller.request;
  factors::DeviceAnswer answer = std::move(*parsed);
  Result<std::optional<PromptState>> done = co_await services_.sessions.answer_prompt(std::move(answer), std::move(by));
  if (!done) co_return std::move(done).error();
  json::Writer w = writer();
  w.begin_object().member("state", public_name(*done)).end_object();
  co_return body(w);
}

}  // namespace vestibule::portal
