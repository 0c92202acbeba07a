// Accounts, by administrators.

#include "portal/act.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& n : names) out.append(out.empty() ? "" : ",").append(n);
  return out;
}

std::string purpose(std::string_view operation, std::string_view object, std::string_view more = {}) {
  std::string out(operation);
  out.append(" ").append(object);
  if (!more.empty()) out.append(" ").append(more);
  return out;
}

Reply durable(bool yes) {
  json::Writer w = writer();
  w.begin_object().member("durable", yes).end_object();
  return Reply{200, w.take(), false};
}

}  // namespace

net::Task<Result<Reply>> Portal::list_users(Call&) {
  Result<std::vector<identity::User>> users = co_await services_.users.list();
  if (!users) co_return std::move(users).error();
  auto count = [this, &users](store::Tx& tx) -> Result<std::vector<std::size_t>> {
    std::vector<std::size_t> out;
    for (const identity::User& u : *users) {
      Result<std::vector<factors::FactorInfo>> factors = services_.factors.list_in(tx, u.id);
      if (!factors) return std::move(factors).error();
      out.push_back(factors->size());
    }
    return out;
  };
  Result<std::vector<std::size_t>> counts = co_await services_.database.read(std::move(count));
  if (!counts) co_return std::move(counts).error();
  json::Writer w = writer();
  w.begin_object().key("users").begin_array();
  for (std::size_t i = 0; i < users->size(); ++i) {
    const identity::User& u = (*users)[i];
    w.begin_object().member("id", u.id.text()).member("name", u.name.view()).member("display", u.display);
    member_names(w, "roles", u.roles);
    member_names(w, "groups", u.groups);
    // Barred counts as disabled, whatever the row says yet.
    const bool barred = services_.users.standing(u.id) == identity::Users::Standing::disabled;
    w.member("disabled", u.disabled || barred);
    member_time(w, "created", u.created);
    w.member("has_password", u.has_password).member("factors", (*counts)[i]).member("service", u.service).end_object();
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::create_user(Call& call) {
  identity::Users::Create what;
  what.name = call.body.text("name");
  what.display = call.body.text("display");
  if (call.body.has("roles")) what.roles = call.body.list("roles");
  if (call.body.has("groups")) what.groups = call.body.list("groups");
  struct Made {
    UserId user{};
    Secret code;
  };
  auto act = [this, what](store::Tx& tx, const session::Actor& by) -> Result<Made> {
    Result<UserId> id = services_.users.create_in(tx, what, by);
    if (!id) return std::move(id).error();
    Result<Secret> code = services_.users.create_enrolment_code_in(tx, *id, by);
    if (!code) return std::move(code).error();
    return Made{*id, std::move(*code)};
  };
  // All that the new account will have is what was confirmed.
  std::string rights = joined(what.roles);
  if (!what.groups.empty()) rights.append(rights.empty() ? "groups=" : " groups=").append(joined(what.groups));
  Result<Made> made = co_await prove_and(call, purpose("users.create", what.name, rights), std::move(act));
  if (!made) co_return std::move(made).error();
  json::Writer w = writer();
  w.begin_object().member("user", made->user.text()).member("enrolment_code", made->code.reveal_text());
  member_time(w, "expires", services_.clock.wall() + services_.enrolment_ttl);
  w.end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::set_roles(Call& call) {
  const Result<UserId> user = user_of(call);
  if (!user) co_return user.error();
  const std::vector<std::string> roles = call.body.list("roles");
  auto act = [this, id = *user, roles](store::Tx& tx, const session::Actor& by) {
    return services_.users.set_roles_in(tx, id, roles, by);
  };
  Result<void> done = co_await prove_and(call, purpose("users.roles", call.param, joined(roles)), std::move(act));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::set_groups(Call& call) {
  const Result<UserId> user = user_of(call);
  if (!user) co_return user.error();
  const std::vector<std::string> groups = call.body.list("groups");
  auto act = [this, id = *user, groups](store::Tx& tx, const session::Actor& by) {
    return services_.users.set_groups_in(tx, id, groups, by);
  };
  Result<void> done = co_await prove_and(call, purpose("users.groups", call.param, joined(groups)), std::move(act));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::disable_user(Call& call) {
  const Result<UserId> user = user_of(call);
  if (!user) co_return user.error();
  Result<void> done = co_await services_.users.disable(*user, call.actor());
  if (done) co_return durable(true);
  const Reason why = done.error().code;
  if (why == Reason::conflict || why == Reason::user_unknown) co_return std::move(done).error();
  co_return durable(false);  // barred now, stored as soon as the store works again
}

net::Task<Result<Reply>> Portal::enable_user(Call& call) {
  const Result<UserId> user = user_of(call);
  if (!user) co_return user.error();
  auto act = [this, id = *user](store::Tx& tx, const session::Actor& by) -> Result<session::Actor> {
    if (services_.users.standing(id) != identity::Users::Standing::disabled) {
      return fail(Reason::conflict, "this account is not disabled");
    }
    Result<void> enabled = services_.users.enable_in(tx, id, by);
    if (!enabled) return std::move(enabled).error();
    return by;
  };
  Result<session::Actor> by = co_await prove_and(call, purpose("users.enable", call.param), std::move(act));
  if (!by) co_return std::move(by).error();
  // A bar that was never stored, because the store failed then, is not in the row: the room takes it
  // out of memory.
  if (services_.users.standing(*user) == identity::Users::Standing::disabled) {
    Result<void> done = co_await services_.users.enable(*user, std::move(*by));
    if (!done) co_return std::move(done).error();
  }
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::remove_user(Call& call) {
  const Result<UserId> user = user_of(call);
  if (!user) co_return user.error();
  auto act = [this, id = *user](store::Tx& tx, const session::Actor& by) {
    return services_.users.remove_in(tx, id, by);
  };
  Result<void> done = co_await prove_and(call, purpose("users.remove", call.param), std::move(act));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::enrolment_code(Call& call) {
  const Result<UserId> user = user_of(call);
  if (!user) co_return user.error();
  auto act = [this, id = *user](store::Tx& tx, const session::Actor& by) { return services_.resets.begin_in(tx, id, by); };
  Result<identity::Resets::Begun> begun = co_await prove_and(call, purpose("users.reset", call.param), std::move(act));
  if (!begun) co_return std::move(begun).error();
  json::Writer w = writer();
  w.begin_object();
  if (begun->code) {
    w.member("enrolment_code", begun->code->reveal_text());
    member_time(w, "expires", services_.clock.wall() + services_.enrolment_ttl);
  } else {
    w.member("request", begun->request.text());
    member_time(w, "expires", begun->expires);
    w.member("approvers", begun->approvers);
  }
  w.end_object();
  co_return Reply{begun->code ? 200 : 202, w.take(), false};
}

net::Task<Result<Reply>> Portal::revoke_sessions(Call& call) {
  const Result<UserId> user = user_of(call);
  if (!user) co_return user.error();
  const auto gone = co_await services_.sessions.revoke(session::Revocation::all_of(*user), call.actor());
  co_return durable(gone.durable);
}

}  // namespace vestibule::portal
