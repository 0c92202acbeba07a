// Tool calls of an admitted act: let out one by one, each once.
#include "approval/receipt.hpp"
#include "crypto/hash.hpp"
#include "gate/records.hpp"
#include "session/sessions.hpp"

namespace vestibule::gate {

using domain::Outcome;

domain::Decision Gate::consider_call(const Caller& caller, const domain::Act& call) const noexcept {
  const Instant now = clock_.now();
  domain::Decision d = decide(caller, call, signals(caller, call, now), now, policy::Known::whole);
  const bool confirms = d.need.confirmation != domain::Confirmation::none;
  if (d.outcome == Outcome::step_up && confirms) {
    d.outcome = Outcome::confirm;
    d.reason = Reason::confirmation_required;
  }
  return d;
}

net::Task<std::optional<domain::Refusal>> Gate::release(const Caller& caller, const domain::Act& call,
                                                        std::optional<Confirmed>& confirmed) {
  const domain::Decision d = consider_call(caller, call);
  if (d.outcome != Outcome::confirm || !confirmed || options_.confirmations == nullptr) {
    confirmed.reset();
    Verdict verdict = co_await admit(caller, call);
    if (auto* const refused = std::get_if<domain::Refusal>(&verdict)) co_return std::move(*refused);
    Completion& done = std::get<Admission>(verdict).completion();
    done.reason = Reason::ok;
    done.status = 200;
    co_return std::nullopt;
  }

  const Digest raw = crypto::sha256(as_bytes(call.arguments));
  const auto begun = std::chrono::steady_clock::now();
  const bool carried = !confirmed->carried_from.empty();
  bool carries = false;
  auto job = [this, &caller, &call, &d, &carries, raw, carried, given = *confirmed](store::Tx& tx) -> Result<void> {
    const Instant now = clock_.now();
    approval::Confirmations& confirmations = *options_.confirmations;
    using Used = Result<approval::Confirmations::Used>;
    const auto carry = [&]() -> Used {
      const approval::ToolPlace place{std::string(call.access_point), std::string(call.tool)};
      return confirmations.carry_in(tx, given.id, {caller.who.subject.user, caller.who.credential, given.carried_from, place, std::string(call.arguments), d.policy, given.mapped}, d.need, now);
    };
    const Used used = carried ? carry() : confirmations.use_in(tx, given.id, raw, d.policy, d.need, now);
    if (!used) return used.error();
    carries = used->carries;
    audit::Record r;
    fill(r, call, caller.who.subject, caller.source, caller.client, caller.request);
    const std::string note = approval::dispatch_note(used->action) + (carried ? "; carried" : "");
    r.note = note;
    r.kind = audit::Kind::admission;
    r.at = now.wall;
    r.now = now;
    r.outcome = Outcome::allow;
    r.reason = Reason::ok;
    r.rule = d.rule.view();
    r.policy = d.policy;
    r.evidence = caller.who.evidence;
    for (const domain::Proof& p : used->proofs) r.evidence.add(p);
    r.level = domain::level(r.evidence, now, true, d.need.max_age, d.need.kinds);
    log_.append(tx, r, audit::Log::Cover::at_once);  // for the receipt that goes with it
    return {};
  };
  Result<void> done = co_await database_.write(std::move(job));
  Reason reason = done ? Reason::ok : done.error().code;
  if (reason == Reason::ok) {
    // The world may have changed while the disk turned; what was used stays used.
    const domain::Decision again = consider_call(caller, call);
    const bool stands = again.outcome == Outcome::confirm && again.policy == d.policy &&
                        sessions_.standing(caller.who.subject.session, caller.who.subject.user, caller.who.handle, clock_.now());
    if (!stands) {
      reason = again.outcome == Outcome::deny ? again.reason : Reason::revoked_in_flight;
      if (!carried) {
        const Result<void> kept_in = co_await options_.confirmations->withhold(confirmed->id);
        static_cast<void>(kept_in);  // the completion says so
      }
    } else if (carries) {
      const Result<void> said = co_await options_.confirmations->let_out(confirmed->id);
      static_cast<void>(said);  // it is asked anew where it would be carried
    }
  }
  const Instant now = clock_.now();
  audit::Record r;
  fill(r, call, caller.who.subject, caller.source, caller.client, caller.request);
  r.kind = done ? audit::Kind::completion : audit::Kind::refusal;
  r.at = now.wall;
  r.now = now;
  r.outcome = done ? Outcome::allow : Outcome::deny;
  r.reason = reason;
  r.rule = d.rule.view();
  r.policy = d.policy;
  r.status = static_cast<std::uint16_t>(reason == Reason::ok ? 200 : info(reason).status);
  r.total = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begun);
  static_cast<void>(log_.submit(r, store::Urgency::soon));  // that it was let out is on record already
  if (reason == Reason::ok) co_return std::nullopt;
  co_return refusal(reason, d, caller, call);
}

}  // namespace vestibule::gate
