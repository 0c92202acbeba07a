// What a person hands on to programs.
#include <algorithm>

#include "portal/call.hpp"
#include "portal/render.hpp"
#include "session/delegations.hpp"
#include "session/sessions.hpp"

namespace vestibule::portal {
namespace {

constexpr std::int64_t kLongestDelegation = 366LL * 24 * 3600;

}  // namespace

net::Task<Result<Reply>> Portal::delegate(Call& call) {
  session::DelegationWish wish;
  wish.agent = call.body.text("agent");
  wish.ttl = services_.token_ttl;
  if (const auto wanted = call.body.integer("ttl_s")) {
    if (*wanted < 1 || *wanted > kLongestDelegation) co_return fail(Reason::invalid_argument, "ttl_s: 1 s to a year");
    wish.ttl = std::chrono::seconds(*wanted);
  }
  policy::ScopeForm form;
  if (call.body.has("access_points")) form.access_points = call.body.list("access_points");
  if (call.body.has("operations")) form.operations = call.body.list("operations");
  if (call.body.has("models")) form.models = call.body.list("models");
  Result<policy::Scope> scope = policy::Scope::compile(form);
  if (!scope) co_return std::move(scope).error();
  wish.scope = std::move(*scope);
  Result<session::Delegated> made = co_await services_.sessions.delegate(call.caller.who, std::move(wish), call.actor());
  if (!made) co_return std::move(made).error();
  json::Writer w = writer();
  w.begin_object().member("id", hex(made->id)).member("token", made->handle.reveal_text());
  member_time(w, "ends", made->ends);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::list_delegations(Call& call) {
  Result<std::vector<session::Delegation>> found = co_await services_.sessions.delegations(call.caller.who.subject.user);
  if (!found) co_return std::move(found).error();
  json::Writer w = writer();
  w.begin_object().key("delegations").begin_array();
  for (const session::Delegation& d : *found) {
    w.begin_object().member("id", hex(d.id)).member("agent", d.agent).member("session", d.session.text());
    w.key("scope").raw(d.scope.empty() ? "{}" : d.scope);
    member_time(w, "created", d.created);
    member_time(w, "ends", d.ends);
    w.end_object();
  }
  w.end_array().end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::revoke_delegation(Call& call) {
  Result<std::vector<session::Delegation>> found = co_await services_.sessions.delegations(call.caller.who.subject.user);
  if (!found) co_return std::move(found).error();
  const auto at = std::ranges::find_if(*found, [&](const session::Delegation& d) { return hex(d.id) == call.param; });
  if (at == found->end()) co_return fail(Reason::not_found);
  const auto gone = co_await services_.sessions.revoke(session::Revocation::of_handle(at->id), call.actor());
  json::Writer w = writer();
  w.begin_object().member("durable", gone.durable).end_object();
  co_return body(w);
}

}  // namespace vestibule::portal
