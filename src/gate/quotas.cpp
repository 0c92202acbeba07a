#include "gate/quotas.hpp"

#include <fmt/format.h>

namespace vestibule::gate {
namespace {

// Rather too few bytes than too many: what is not told is estimated too high, so that nobody gets around a
// quota by not looking.
constexpr std::uint64_t kBytesAToken = 4;
constexpr std::uint64_t kBytesAnEvent = 128;  // a token of a stream, with what is around it

std::uint64_t estimate(const domain::Act& act) noexcept { return act.body_bytes / kBytesAToken; }

std::string_view limit_of(const quota::Refused& refused) noexcept {
  const domain::Quota& q = *refused.quota;
  switch (refused.what) {
    case quota::What::requests: return q.requests.text.view();
    case quota::What::tokens: return q.tokens.text.view();
    case quota::What::streams: break;
  }
  return {};
}

std::string hint_of(const quota::Refused& refused) {
  const domain::Quota& q = *refused.quota;
  const std::string_view limit = limit_of(refused);
  if (limit.empty()) return fmt::format("quota \"{}\": {} {} at a time", q.name.view(), q.streams, quota::name(refused.what));
  return fmt::format("quota \"{}\": {} {}", q.name.view(), limit, quota::name(refused.what));
}

}  // namespace

std::optional<domain::Refusal> charge(quota::Share& share, const PolicySet& policies, const Caller& caller,
                                      const domain::Act& act, const audit::Record& record, audit::Log& log,
                                      quota::Grant& out) {
  policy::Quotas quotas;
  policies.active.quotas(act, caller.who.subject, quotas);
  if (policies.staged) policies.staged->quotas(act, caller.who.subject, quotas);
  if (quotas.empty()) return std::nullopt;
  const quota::Asker asker{caller.who.subject.user, caller.who.subject.via.view(), act.access_point};
  quota::Answer answer = share.take(quotas, asker, estimate(act), record.now.boot);
  if (auto* grant = std::get_if<quota::Grant>(&answer)) {
    out = std::move(*grant);
    return std::nullopt;
  }
  domain::Refusal refusal;
  refusal.request = caller.request;
  refusal.access_point = act.access_point;
  audit::Record r = record;
  r.kind = audit::Kind::refusal;
  r.outcome = domain::Outcome::deny;
  std::string note;
  const auto* const refused = std::get_if<quota::Refused>(&answer);
  if (refused == nullptr) {
    refusal.reason = Reason::overloaded;
    refusal.retry_after_s = 1;
  } else {
    refusal.reason = Reason::quota_exceeded;
    refusal.hint = hint_of(*refused);
    refusal.retry_after_s = static_cast<int>(refused->wait.count());
    if (!refused->record) return refusal;
    r.rule = refused->quota->label.view();
    note = refusal.hint;
    if (refused->unrecorded > 0) note += fmt::format("; {} more since the last record", refused->unrecorded);
  }
  r.reason = refusal.reason;
  r.note = note;
  static_cast<void>(log.submit(r, store::Urgency::soon));  // a refusal stands with or without its record
  return refusal;
}

std::uint64_t tokens_of(const Completion& c, const domain::Act& act) noexcept {
  const std::uint64_t told = std::uint64_t{c.input_tokens} + c.output_tokens;
  if (told > 0) return told;
  const bool never_ran = c.status == 0 || c.reason == Reason::upstream_unreachable || (c.reason == Reason::ok && c.status >= 400);
  if (never_ran || act.body_bytes == 0) return 0;
  return estimate(act) + c.reply_bytes / (act.stream ? kBytesAnEvent : kBytesAToken);
}

}  // namespace vestibule::gate
