#include "proxy/holding.hpp"

#include <algorithm>

#include "policy/policy.hpp"

namespace vestibule::proxy {
namespace {

approval::Ask ask_of(const Waiting& w, const domain::Requirement& need) {
  const domain::Subject& who = w.caller.who.subject;
  approval::Ask ask;
  ask.user = who.user;
  ask.credential = w.caller.who.credential;
  ask.credential_name = who.via.empty() ? "access token" : who.via.view();
  ask.source = w.caller.source.text();
  ask.source_key = source_key_of(w.caller);
  ask.client = w.caller.client;
  ask.access_point = w.act.access_point;
  ask.operation = w.act.operation;
  ask.need = need;
  return ask;
}

/// What to do, for a person who reads an error message.
std::string way(const Holding& holding, const std::string& code) {
  std::string out = holding.page.empty() ? std::string() : "approve at " + holding.page + "#" + code + " or ";
  return out.append("run `vestibule approve ").append(code).append("`, then repeat the call");
}

void add(std::string& hint, std::string_view more) {
  if (!hint.empty()) hint.append("; ");
  hint.append(more);
}

domain::Refusal refusal_of(domain::Refusal was, const domain::Decision& decision) {
  was.reason = decision.reason;
  was.need = decision.need;
  was.hint = policy::why(decision);
  return was;
}

}  // namespace

std::string source_key_of(const gate::Caller& caller) {
  const std::optional<session::Holder>& holder = caller.who.bound.holder;
  return (holder ? session::SourceKey::of_key(holder->digest) : session::SourceKey::of(caller.source)).text();
}

std::optional<std::chrono::seconds> preferred_wait(std::string_view prefer) noexcept {
  constexpr std::string_view kWait = "wait";
  constexpr std::size_t kDigits = 6;
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!prefer.empty()) {
    std::string_view one = prefer.substr(0, prefer.find(','));
    prefer.remove_prefix(std::min(prefer.size(), one.size() + 1));
    while (!one.empty() && blank(one.front())) one.remove_prefix(1);
    while (!one.empty() && blank(one.back())) one.remove_suffix(1);
    if (one.size() <= kWait.size() + 1 || !one.starts_with(kWait) || one[kWait.size()] != '=') continue;
    one.remove_prefix(kWait.size() + 1);
    if (one.size() > kDigits || one.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    long seconds = 0;
    for (const char c : one) seconds = seconds * 10 + (c - '0');
    return std::chrono::seconds(seconds);
  }
  return std::nullopt;
}

bool helps(Reason reason) noexcept {
  return reason == Reason::mfa_required || reason == Reason::mfa_lapsed || reason == Reason::key_asleep;
}

net::Task<std::optional<domain::Refusal>> hold(const Holding& holding, gate::Gate& gate, Waiting waiting,
                                               domain::Refusal refusal) {
  using std::chrono::steady_clock;
  const UserId user = waiting.caller.who.subject.user;
  // The place first, then the look at what is known, then the wait: nothing is missed in between.
  std::unique_ptr<approval::Holds::Place> place;
  if (steady_clock::now() < waiting.end) {
    place = holding.holds.take(user, waiting.caller.who.credential, static_cast<std::size_t>(waiting.act.body_bytes));
  }
  std::optional<Told> told;
  if (place) told.emplace(waiting.exchange, place->signal());

  approval::Ask ask = ask_of(waiting, refusal.need);
  session::Actor by = session::actor_of(waiting.caller.who, waiting.caller.source, waiting.caller.client, waiting.caller.request);
  const Result<approval::Requests::Asked> asked = co_await holding.requests.ask(std::move(ask), std::move(by));
  // Nowhere to ask: the refusal stands as it is.
  if (!asked) co_return refusal;
  std::optional<approval::State> state = asked->state;
  if (!asked->code.empty()) add(refusal.hint, way(holding, asked->code));

  for (;;) {
    if (place && waiting.exchange.gone()) {
      refusal.reason = Reason::client_gone;
      co_return refusal;
    }
    if (state == approval::State::not_me) {
      refusal.reason = Reason::push_not_me;
      refusal.hint.clear();
      co_return refusal;
    }
    if (state == approval::State::declined) {
      refusal.hint = "its owner has declined this";
      co_return refusal;
    }
    Result<session::Identified> who = waiting.identify();
    if (!who) {
      refusal.reason = who.error().code;
      refusal.hint.clear();
      co_return refusal;
    }
    waiting.caller.who = std::move(*who);
    const domain::Decision now = gate.consider(waiting.caller, waiting.act);
    // A rule that names models may not match yet: the last word is spoken once all is known.
    if (now.outcome == domain::Outcome::allow || now.reason == Reason::policy_no_rule) co_return std::nullopt;
    if (!helps(now.reason)) co_return refusal_of(std::move(refusal), now);

    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(waiting.end - steady_clock::now());
    if (!place || place->closed() || left.count() <= 0) co_return refusal;
    co_await place->wait(left);
    state = holding.requests.state(user, asked->id);
  }
}

}  // namespace vestibule::proxy
