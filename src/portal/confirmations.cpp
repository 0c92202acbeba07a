// Tool calls that wait for people: shown whole, confirmed one by one or as one list with a factor bound to just
// these, declined, put to sleep, or disowned. No key or token comes here.

#include "approval/confirmations.hpp"
#include "portal/call.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

Result<approval::ConfirmationId> id_of(std::string_view text) {
  const auto id = approval::ConfirmationId::parse(text);
  if (!id) return fail(Reason::not_found, "no such call");
  return *id;
}

Result<std::vector<approval::ConfirmationId>> ids_of(const Call& call) {
  std::vector<approval::ConfirmationId> out;
  for (const std::string& text : call.body.list("ids")) {
    const auto id = id_of(text);
    if (!id) return id.error();
    out.push_back(*id);
  }
  return out;
}

std::vector<Digest> digests_of(std::span<const approval::Confirmation> list) {
  std::vector<Digest> out;
  for (const approval::Confirmation& c : list) out.push_back(c.digest);
  return out;
}

// The action is given as the very text that is signed, so that a page can show what it hashes.
void value_confirmation(json::Writer& w, const approval::Confirmation& c, std::string_view why_not, const policy::Policy& policy,
                        const domain::Subject& person, WallTime now) {
  w.begin_object().member("id", c.id.text()).member("stage", c.expires <= now && c.stage == approval::Stage::waiting ? "expired" : approval::name(c.stage));
  w.member("action", c.action).member("digest", hex(c.digest)).member("arguments", c.arguments);
  w.member("access_point", c.access_point).member("tool", c.tool);
  w.member("own", c.account == person.user).member("may_sign", why_not.empty()).member("why_not", why_not);
  w.key("need").begin_object().member("level", c.need.level);
  w.member("people", c.need.confirmation == domain::Confirmation::people ? std::max<int>(c.need.people, 1) : 0);
  w.member("approvers", c.need.approvers.anybody() ? std::string() : c.need.approvers.text()).member("apart", c.need.apart);
  w.member("bound", c.need.bound).member("justification", c.need.justification).end_object();
  w.key("offer").begin_array();
  for (const domain::FactorKind kind : policy.offer(c.access_point, person, c.need)) {
    // What signs nothing is not bound to the call.
    if (!c.need.bound || kind == domain::FactorKind::webauthn) w.value(domain::name(kind));
  }
  w.end_array();
  member_time(w, "created", c.created);
  member_time(w, "expires", c.expires);
  w.key("ran_before_s");
  c.ran_before ? w.value(std::chrono::duration_cast<std::chrono::seconds>(now - *c.ran_before).count()) : w.null();
  w.member("justification", c.justification).key("signatures").begin_array();
  for (const approval::Signature& s : c.signatures) {
    w.begin_object().member("user", s.user_name).member("kind", domain::name(s.kind)).member("bound", s.bound);
    member_time(w, "at", s.at);
    w.end_object();
  }
  w.end_array().end_object();
}

}  // namespace

net::Task<Result<Reply>> Portal::list_confirmations(Call& call) {
  if (services_.confirmations == nullptr) co_return fail(Reason::not_found);
  const domain::Subject& person = call.caller.who.subject;
  Result<std::vector<approval::Confirmation>> waiting = co_await services_.confirmations->list(person.user);
  if (!waiting) co_return std::move(waiting).error();
  const auto policies = services_.gate.policies();
  const WallTime now = services_.clock.wall();
  json::Writer w = writer();
  w.begin_object().key("confirmations").begin_array();
  for (const approval::Confirmation& c : *waiting) {
    // Whoever sees another's may sign it; what is for others his own he may not.
    const bool others = c.need.confirmation == domain::Confirmation::people;
    const std::string_view why = others && c.account == person.user ? "it takes somebody else" : "";
    value_confirmation(w, c, why, policies->active, person, now);
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::look_confirmation(Call& call) {
  if (services_.confirmations == nullptr) co_return fail(Reason::not_found);
  const auto id = id_of(call.param);
  if (!id) co_return id.error();
  const domain::Subject& person = call.caller.who.subject;
  Result<approval::Confirmation> found = co_await services_.confirmations->look(person.user, *id);
  if (!found) co_return std::move(found).error();
  auto ask = [this, c = &*found, user = person.user](store::Tx& tx) { return services_.confirmations->why_not_in(tx, *c, user); };
  Result<std::string> why = co_await services_.database.read(ask);
  if (!why) co_return std::move(why).error();
  const auto policies = services_.gate.policies();
  json::Writer w = writer();
  value_confirmation(w, *found, *why, policies->active, person, services_.clock.wall());
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::confirm_calls(Call& call) {
  if (services_.confirmations == nullptr) co_return fail(Reason::not_found);
  Result<std::vector<approval::ConfirmationId>> ids = ids_of(call);
  if (!ids) co_return std::move(ids).error();
  const UserId person = call.caller.who.subject.user;
  auto read = [this, ids = &*ids, person](store::Tx& tx) { return services_.confirmations->waiting_in(tx, person, *ids, services_.clock.now()); };
  Result<std::vector<approval::Confirmation>> list = co_await services_.database.read(read);
  if (!list) co_return std::move(list).error();
  // An answer that would not count is not spent.
  const auto kind = domain::factor_kind_from(call.body.has("kind") ? call.body.text("kind") : domain::name(domain::FactorKind::totp));
  for (const approval::Confirmation& c : *list) {
    if (!kind || !c.need.kinds.has(*kind) || (c.need.bound && *kind != domain::FactorKind::webauthn)) {
      co_return fail(Reason::mfa_required, c.need.bound ? "this takes a factor that signs the call itself: a passkey or a security key"
                                                        : "this kind of factor does not count for it");
    }
  }
  const std::vector<Digest> digests = digests_of(*list);
  std::string purpose = approval::purpose_of(digests);
  auto job = [this, ids = *ids, why = std::string(call.body.text("justification"))](store::Tx& tx, const session::Actor& by,
                                                                                    const factors::Given& given, Instant now) -> Result<void> {
    // As they are now: one that was answered meanwhile is not signed, and then none is.
    auto still = services_.confirmations->waiting_in(tx, by.user, ids, now);
    if (!still) return std::move(still).error();
    return services_.confirmations->sign_in(tx, *still, by, given, why, now);
  };
  Result<void> done = co_await act(call, std::move(purpose), std::move(job));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::refuse_call(Call& call, approval::Confirmations::Refusal how) {
  if (services_.confirmations == nullptr) co_return fail(Reason::not_found);
  const auto id = id_of(call.param);
  if (!id) co_return id.error();
  Result<void> done = co_await services_.confirmations->refuse(*id, how, call.actor());
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::decline_call(Call& call) { return refuse_call(call, approval::Confirmations::Refusal::decline); }
net::Task<Result<Reply>> Portal::sleep_call(Call& call) { return refuse_call(call, approval::Confirmations::Refusal::sleep); }
net::Task<Result<Reply>> Portal::disown_call(Call& call) { return refuse_call(call, approval::Confirmations::Refusal::not_me); }

// For whoever asked, signed or may sign.
net::Task<Result<Reply>> Portal::receipt_of_call(Call& call) {
  if (services_.confirmations == nullptr) co_return fail(Reason::not_found);
  const auto id = id_of(call.param);
  if (!id) co_return id.error();
  Result<std::string> receipt = co_await services_.confirmations->receipt(call.caller.who.subject.user, *id);
  if (!receipt) co_return std::move(receipt).error();
  co_return Reply{200, std::move(*receipt), false};
}

net::Task<Result<Reply>> Portal::withdraw_confirmation(Call& call) {
  if (services_.confirmations == nullptr) co_return fail(Reason::not_found);
  const auto id = id_of(call.param);
  if (!id) co_return id.error();
  Result<void> done = co_await services_.confirmations->withdraw(*id, call.actor());
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

}  // namespace vestibule::portal
