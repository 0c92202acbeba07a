// What calls that lack a proof ask of their owner: shown whole, approved with a factor proved for that very
// request, declined, or disowned. Nobody hears of others' requests, and no key or token comes here.

#include "approval/requests.hpp"
#include "portal/act_text.hpp"
#include "portal/call.hpp"
#include "portal/offers.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

Result<approval::ApprovalId> id_of(const Call& call) {
  const auto id = approval::ApprovalId::parse(call.param);
  if (!id) return fail(Reason::not_found, "no such request");
  return *id;
}

// What the page and the command line show: all of it, since the authenticator shows nothing.
void value_request(json::Writer& w, const approval::Request& r, std::string_view code, const policy::Policy& policy,
                   const domain::Subject& owner) {
  const approval::Ask& a = r.ask;
  w.begin_object().member("id", r.id.text()).member("code", code);
  const std::string object = approval::object_of(r);
  w.member("what", act_text(approval::kApprove, object)).member("object", object);
  w.member("credential", a.credential_name).member("source", a.source).member("client", a.client);
  w.member("access_point", a.access_point).member("operation", a.operation);
  w.key("need").begin_object().member("level", a.need.level);
  member_seconds(w, "max_age_s", a.need.max_age);
  w.end_object();
  member_seconds(w, "lasts_s", approval::lasts(a));
  member_time(w, "created", r.created);
  member_time(w, "expires", r.expires);
  w.member("known_source", r.known_source);
  member_kinds(w, "offer", policy.offer(a.access_point, owner, a.need));
  w.end_object();
}

}  // namespace

net::Task<Result<Reply>> Portal::list_approvals(Call& call) {
  if (services_.approvals == nullptr) co_return fail(Reason::not_found, "calls are not held here");
  const domain::Subject& owner = call.caller.who.subject;
  Result<std::vector<approval::Request>> waiting = co_await services_.approvals->list(owner.user);
  if (!waiting) co_return std::move(waiting).error();
  const auto policies = services_.gate.policies();
  json::Writer w = writer();
  w.begin_object().key("approvals").begin_array();
  for (const approval::Request& r : *waiting) {
    const std::string code = approval::shown(services_.approvals->code_of(r.id));
    value_request(w, r, code, policies->active, owner);
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::find_approval(Call& call) {
  if (services_.approvals == nullptr) co_return fail(Reason::not_found, "calls are not held here");
  const domain::Subject& owner = call.caller.who.subject;
  std::string typed(call.body.text("code"));
  Result<approval::Request> found = co_await services_.approvals->find(owner.user, std::move(typed));
  if (!found) co_return std::move(found).error();
  const auto policies = services_.gate.policies();
  const std::string code = approval::shown(services_.approvals->code_of(found->id));
  json::Writer w = writer();
  value_request(w, *found, code, policies->active, owner);
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::approve_request(Call& call) {
  const Result<approval::ApprovalId> id = id_of(call);
  if (!id) co_return id.error();
  if (services_.approvals == nullptr) co_return fail(Reason::not_found, "calls are not held here");
  const session::Identified who = call.caller.who;
  Result<approval::Request> request = co_await services_.approvals->look(who.subject.user, *id);
  if (!request) co_return std::move(request).error();
  Result<session::Answer> answer = answer_of(call, "code");
  if (!answer) co_return std::move(answer).error();
  // An answer that the call would not get on by is not spent.
  const domain::Requirement& need = request->ask.need;
  if (!need.kinds.has(answer->kind) || (need.level >= 3 && !domain::traits_of(answer->kind).phishing_resistant)) {
    co_return fail(Reason::mfa_required, "this kind of factor does not count for what is asked");
  }
  const auto source = session::SourceKey::parse(request->ask.source_key);
  if (!source) co_return fail(Reason::internal, "a request from nowhere");
  session::UnlockWish wish;
  wish.credential = request->ask.credential;
  wish.source = *source;
  wish.access_point = request->ask.access_point;
  wish.lasts = approval::lasts(request->ask);
  wish.purpose = approval::purpose_of(*request);
  // In the same job: what is opened and what is answered stand or fall together.
  wish.also = [this, r = *request, by = call.actor()](store::Tx& tx) {
    return services_.approvals->approve_in(tx, r, by, services_.clock.now());
  };
  session::Answer given = std::move(*answer);
  Result<WallTime> ends = co_await services_.sessions.unlock(who, std::move(wish), std::move(given), call.actor());
  if (!ends) co_return std::move(ends).error();
  json::Writer w = writer();
  w.begin_object();
  member_time(w, "ends", *ends);
  w.end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::decline_request(Call& call) {
  const Result<approval::ApprovalId> id = id_of(call);
  if (!id) co_return id.error();
  if (services_.approvals == nullptr) co_return fail(Reason::not_found, "calls are not held here");
  Result<void> done = co_await services_.approvals->decline(*id, call.actor());
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::disown_request(Call& call) {
  const Result<approval::ApprovalId> id = id_of(call);
  if (!id) co_return id.error();
  if (services_.approvals == nullptr) co_return fail(Reason::not_found, "calls are not held here");
  Result<void> done = co_await services_.approvals->not_me(*id, call.actor());
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

}  // namespace vestibule::portal
