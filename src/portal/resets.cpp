// Resets that two administrators make: the list, approving, declining.

#include <algorithm>

#include "portal/act.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

Result<identity::ResetId> reset_of(const Call& call) {
  const auto id = identity::ResetId::parse(call.param);
  if (!id) return fail(Reason::not_found, "no such request");
  return *id;
}

}  // namespace

net::Task<Result<Reply>> Portal::list_resets(Call&) {
  Result<std::vector<identity::Reset>> open = co_await services_.resets.list();
  if (!open) co_return std::move(open).error();
  json::Writer w = writer();
  w.begin_object().key("resets").begin_array();
  for (const identity::Reset& r : *open) {
    w.begin_object().member("id", r.id.text()).member("user", r.user_name).member("requested_by", r.requester_name);
    member_time(w, "at", r.at);
    member_time(w, "expires", r.expires);
    w.end_object();
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::approve_reset(Call& call) {
  const Result<identity::ResetId> id = reset_of(call);
  if (!id) co_return id.error();
  auto act = [this, id = *id](store::Tx& tx, const session::Actor& by) { return services_.resets.approve_in(tx, id, by); };
  Result<Secret> code = co_await prove_and(call, "resets.approve " + id->text(), std::move(act));
  if (!code) co_return std::move(code).error();
  json::Writer w = writer();
  w.begin_object().member("enrolment_code", code->reveal_text());
  member_time(w, "expires", services_.clock.wall() + services_.enrolment_ttl);
  w.end_object();
  co_return Reply{200, w.take(), false};
}

// Whoever is to be reset may object, and whoever asked may think better of it; others need the role.
net::Task<Result<Reply>> Portal::decline_reset(Call& call) {
  const Result<identity::ResetId> id = reset_of(call);
  if (!id) co_return id.error();
  Result<std::vector<identity::Reset>> open = co_await services_.resets.list();
  if (!open) co_return std::move(open).error();
  const UserId self = call.caller.who.subject.user;
  const bool concerned = std::ranges::any_of(*open, [&](const identity::Reset& r) {
    return r.id == *id && (r.user == self || r.requested_by == self);
  });
  if (!concerned) {
    const Result<void> may = elevate(call);
    if (!may) co_return may.error();
  }
  Result<void> done = co_await services_.resets.decline(*id, call.actor());
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

}  // namespace vestibule::portal
