#include "proxy/tool_calls.hpp"

#include <algorithm>


namespace vestibule::proxy {
namespace {

using approval::Stage;
using std::chrono::steady_clock;

/// One call on its way to a ruling.
struct Pending {
  domain::Act act;
  domain::Decision decision;
  std::optional<approval::ConfirmationId> confirmation{};
  bool carried = false;   // the confirmation was given for the call of a model's reply
  std::optional<Stage> stage{};
  std::optional<Reason> refused{};
  std::string hint;
  bool recorded = false;  // the refusal is in the log
};

}  // namespace

domain::Act act_of(const domain::Act& carrier, const dialect::ToolCall& call) {
  domain::Act out = carrier;
  out.operation = domain::kToolCall;
  out.tool = call.name;
  out.arguments = call.arguments;
  out.body_bytes = call.arguments.size();
  out.body_digest = gate::digest_of(call.arguments);
  out.tools = 0;
  out.stream = false;
  return out;
}

namespace {

approval::Wanted wanted_of(const Calling& c, const Pending& p) {
  const domain::Subject& who = c.caller.who.subject;
  approval::Wanted out;
  approval::Action& a = out.action;
  a.access_point = p.act.access_point;
  a.tool = p.act.tool;
  a.arguments = p.act.arguments;
  if (c.also) a.also = c.also(p.act.tool);
  a.user = who.name.view();
  a.via = who.via.view();
  a.account = who.user;
  a.source = c.caller.source.text();
  a.client = c.caller.client;
  a.model = p.act.model;
  a.conversation = c.act.body_digest;
  a.policy = p.decision.policy;
  out.credential = c.caller.who.credential;
  out.source_key = source_key_of(c.caller);
  out.need = p.decision.need;
  return out;
}

/// A name that is one: whatever else a model calls a tool could read as a call itself.
bool plain(std::string_view name) noexcept {
  constexpr std::size_t kLongest = 64;
  return !name.empty() && name.size() <= kLongest && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

/// For whoever reads the refusal: the model, and the person behind it.
std::string sentence(const Pending& p, const dialect::ToolCall& call) {
  std::string out = "[The tool call " + (plain(call.name) ? call.name + " " : std::string()) + "was not let out: " + std::string(info(*p.refused).text);
  if (!p.hint.empty()) out.append(" (").append(p.hint).append(")");
  return out + "]";
}

// Empty where there is no portal.
std::string page(const Holding& holding, approval::ConfirmationId id) {
  return holding.confirm_page.empty() ? std::string() : holding.confirm_page + "#" + id.text();
}

std::string way(const Holding& holding, approval::ConfirmationId id) {
  const std::string at = page(holding, id);
  std::string out = at.empty() ? std::string() : "confirm it at " + at + " or ";
  return out.append("run `vestibule confirm ").append(id.text()).append("`, then ask again");
}

void settle(Pending& p, Reason reason, std::string hint = {}) {
  if (p.refused) return;
  p.refused = reason;
  p.hint = std::move(hint);
}

/// What people have said so far. True if nobody is waited for any more.
bool look(const approval::Confirmations& confirmations, std::span<Pending> all) {
  bool waits = false;
  for (Pending& p : all) {
    if (p.refused || !p.confirmation || p.carried) continue;
    p.stage = confirmations.stage(*p.confirmation);
    if (!p.stage) {
      settle(p, Reason::confirmation_expired);
      continue;
    }
    switch (*p.stage) {
      case Stage::waiting: waits = true; break;
      case Stage::confirmed: break;
      case Stage::dispatched:
      case Stage::withheld: settle(p, Reason::confirmation_void, "it was used already"); break;
      case Stage::declined: settle(p, Reason::confirmation_declined); break;
      case Stage::not_me: settle(p, Reason::push_not_me); break;
    }
  }
  return !waits;
}

// A stop, or a policy, that has come meanwhile: nobody is waited for in vain.
void deny_again(const gate::Gate& gate, const Calling& c, Pending& p) {
  if (p.refused || !p.confirmation) return;
  const domain::Decision now = gate.consider_call(c.caller, p.act);
  if (now.outcome == domain::Outcome::deny) settle(p, now.reason == Reason::policy_denied ? Reason::tool_denied : now.reason);
}

bool asks(const Pending& p) noexcept { return !p.refused && !p.carried && p.decision.outcome == domain::Outcome::confirm; }

std::function<bool(const approval::ToolPlace&)> mapped(const Calling& c, const Pending& p) {
  return [carried = c.carried, tool = std::string(p.act.tool)](const approval::ToolPlace& from) { return carried(from, tool); };
}

/// Whether its person has confirmed it already, when a model's reply brought it.
net::Task<> carry(approval::Confirmations& confirmations, const Calling& c, Pending& p) {
  approval::Confirmations::Carrying call;
  call.account = c.caller.who.subject.user;
  call.credential = c.caller.who.credential;
  call.source_key = source_key_of(c.caller);
  call.place = {std::string(p.act.access_point), std::string(p.act.tool)};
  call.arguments = p.act.arguments;
  call.policy = p.decision.policy;
  call.mapped = mapped(c, p);
  const auto found = co_await confirmations.find_carried(std::move(call), p.decision.need);
  if (!found || !*found) co_return;  // it is asked for as any other
  p.confirmation = **found;
  p.carried = true;
}

/// Opens a confirmation for each call that needs one.
net::Task<> ask(approval::Confirmations& confirmations, const Calling& c, std::span<Pending> all) {
  std::vector<approval::Wanted> wanted;
  for (const Pending& p : all) {
    if (asks(p)) wanted.push_back(wanted_of(c, p));
  }
  session::Actor by = session::actor_of(c.caller.who, c.caller.source, c.caller.client, c.caller.request);
  const auto asked = co_await confirmations.ask(std::move(wanted), std::move(by));
  std::size_t i = 0;
  for (Pending& p : all) {
    if (!asks(p)) continue;
    if (!asked) {
      const Reason why = asked.error().code;
      if (why == Reason::body_not_json) settle(p, Reason::tool_denied, "its arguments have no one form that a person could confirm");
      if (why == Reason::body_too_large) settle(p, Reason::tool_denied, "its arguments are longer than a person could confirm");
      settle(p, why);
      continue;
    }
    p.confirmation = (*asked)[i].id;
    p.stage = (*asked)[i].stage;
    ++i;
  }
}

}  // namespace

net::Task<Result<std::vector<dialect::Ruling>>> rule(const Holding* holding, gate::Gate& gate, Calling c,
                                                     std::span<const dialect::ToolCall> calls) {
  std::vector<Pending> all;
  all.reserve(calls.size());
  bool confirms = false;
  for (const dialect::ToolCall& call : calls) {
    Pending& p = all.emplace_back();
    p.act = act_of(c.act, call);
    p.decision = gate.consider_call(c.caller, p.act);
    switch (p.decision.outcome) {
      case domain::Outcome::allow: break;
      case domain::Outcome::confirm: confirms = true; break;
      case domain::Outcome::step_up: settle(p, p.decision.reason); break;
      case domain::Outcome::deny: settle(p, p.decision.reason == Reason::policy_denied ? Reason::tool_denied : p.decision.reason); break;
    }
  }

  if (confirms && (holding == nullptr || holding->confirmations == nullptr)) {
    for (Pending& p : all) {
      if (p.decision.outcome == domain::Outcome::confirm) settle(p, Reason::confirmation_required);
    }
    confirms = false;
  }
  if (confirms && c.carried) {
    for (Pending& p : all) {
      if (asks(p)) co_await carry(*holding->confirmations, c, p);
    }
    confirms = std::ranges::any_of(all, asks);
  }
  if (confirms) {
    approval::Confirmations& confirmations = *holding->confirmations;
    // The place first, then the look at what is known, then the wait: nothing is missed in between.
    std::size_t bytes = 0;
    for (const dialect::ToolCall& call : calls) bytes += call.arguments.size();
    std::unique_ptr<approval::Holds::Place> place;
    if (steady_clock::now() < c.end) place = holding->holds.take(c.caller.who.subject.user, c.caller.who.credential, bytes);
    std::optional<Told> told;
    if (place) {
      told.emplace(c.exchange, place->signal());
      c.tell_when_cut(&place->signal());
    }
    co_await ask(confirmations, c, all);
    auto next = steady_clock::now();
    for (;;) {
      const Reason standing = c.standing();
      const bool gone = c.exchange.gone();
      if (standing != Reason::ok || gone) {
        c.tell_when_cut(nullptr);
        co_return fail(gone ? Reason::client_gone : standing);
      }
      for (Pending& p : all) deny_again(gate, c, p);
      if (look(confirmations, all)) break;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(c.end - steady_clock::now());
      if (!place || place->closed() || left.count() <= 0) break;
      if (c.tell && steady_clock::now() >= next) {
        next = steady_clock::now() + c.tell_every;
        co_await c.tell();
        continue;  // it may have taken long
      }
      co_await place->wait(std::min(left, c.tell_every));
    }
    c.tell_when_cut(nullptr);
    for (Pending& p : all) {
      if (p.stage == Stage::waiting) settle(p, Reason::confirmation_required, way(*holding, *p.confirmation));
    }
    // Rights that were withdrawn meanwhile count no more.
    Result<session::Identified> again = c.identify();
    if (!again) co_return fail(again.error().code);
    c.caller.who = std::move(*again);
  }

  std::vector<dialect::Ruling> out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Pending& p = all[i];
    if (!p.refused) {
      std::optional<gate::Gate::Confirmed> confirmed;
      if (p.confirmation) confirmed.emplace().id = *p.confirmation;
      if (p.carried) {
        confirmed->carried_from = source_key_of(c.caller);
        confirmed->mapped = mapped(c, p);
      }
      std::optional<domain::Refusal> refusal = co_await gate.release(c.caller, p.act, confirmed);
      if (!confirmed) p.confirmation.reset();  // its receipt would tell of another letting out, or of none
      if (refusal) {
        settle(p, refusal->reason, refusal->hint);
        p.recorded = true;
      }
    }
    if (p.refused && !p.recorded) {
      domain::Decision said = p.decision;
      said.outcome = domain::Outcome::deny;
      said.reason = *p.refused;
      gate.refuse(c.caller, p.act, said);
    }
    dialect::Ruling& ruling = out.emplace_back();
    ruling.release = !p.refused;
    if (ruling.release && p.confirmation) ruling.confirmation = p.confirmation->text();
    if (ruling.release) continue;
    ruling.why = sentence(p, calls[i]);
    ruling.reason = *p.refused;
    if (p.confirmation && *p.refused == Reason::confirmation_required) ruling.page = page(*holding, *p.confirmation);
  }
  co_return out;
}

}  // namespace vestibule::proxy
