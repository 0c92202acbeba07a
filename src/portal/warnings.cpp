// What people must hear whenever they look: who is overdue with which factor, what the host's operator
// did, that somebody wants their account reset.

#include <algorithm>

#include "identity/recovery.hpp"
#include "policy/deadline.hpp"
#include "portal/act.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

/// Of both policies while one is staged: both hold then. The earlier day counts.
std::vector<policy::Deadline> deadlines_of(const gate::PolicySet& set) {
  std::vector<policy::Deadline> out = set.active.deadlines();
  if (!set.staged) return out;
  for (const policy::Deadline& d : set.staged->deadlines()) {
    const auto same = std::ranges::find_if(out, [&](const policy::Deadline& o) { return o.role == d.role && o.needs == d.needs; });
    if (same == out.end()) {
      out.push_back(d);
    } else if (d.over < same->over) {
      *same = d;
    }
  }
  return out;
}

struct Standing {
  std::vector<identity::HostRecovery> recoveries;
  std::vector<identity::Reset> resets;
};

}  // namespace

net::Task<Result<void>> Portal::add_warnings(Call& call, json::Writer& w) {
  const domain::Subject& self = call.caller.who.subject;
  auto look = [this, now = services_.clock.wall()](store::Tx& tx) -> Result<Standing> {
    auto recoveries = identity::host_recoveries_in(tx, now);
    if (!recoveries) return std::move(recoveries).error();
    auto resets = services_.resets.list_in(tx);
    if (!resets) return std::move(resets).error();
    return Standing{std::move(*recoveries), std::move(*resets)};
  };
  Result<Standing> found = co_await services_.database.read(std::move(look));
  if (!found) co_return std::move(found).error();
  // To a password alone nothing is told of others.
  const bool whole = !call.caller.who.flags.pending;
  const bool administrator = domain::has(self.roles, domain::intern(domain::role::administrator));
  w.key("alerts").begin_array();
  for (const identity::HostRecovery& r : found->recoveries) {
    if (!whole || (!administrator && r.name != self.name.view())) continue;
    w.begin_object().member("kind", "host_recovery");
    w.member("text", "On " + rfc3339(r.at) + " the operator of the host made an enrolment code for " + r.name +
                         " (vestibule recover). If nobody meant to, the host is in other hands.");
    member_time(w, "until", r.at + identity::kRecoveryShown);
    w.end_object();
  }
  for (const identity::Reset& r : found->resets) {
    if (!whole || r.user != self.user) continue;
    w.begin_object().member("kind", "reset_requested").member("id", r.id.text());
    w.member("text", r.requester_name + " asks that your password and factors be reset. If you do not want that, decline it.");
    member_time(w, "until", r.expires);
    w.end_object();
  }
  w.end_array().key("deadlines").begin_array();
  for (const policy::Deadline& d : deadlines_of(*services_.gate.policies())) {
    if (!domain::has(self.roles, d.role_id)) continue;
    w.begin_object().member("needs", domain::name(d.needs)).member("by", d.by);
    w.member("met", services_.factors.works(self.user, d.needs)).end_object();
  }
  w.end_array();
  co_return Result<void>{};
}

net::Task<Result<Reply>> Portal::coverage(Call&) {
  Result<std::vector<identity::User>> users = co_await services_.users.list();
  if (!users) co_return std::move(users).error();
  json::Writer w = writer();
  w.begin_object().key("rules").begin_array();
  for (const policy::Deadline& d : deadlines_of(*services_.gate.policies())) {
    std::int64_t all = 0;
    std::vector<std::string_view> missing;
    for (const identity::User& u : *users) {
      if (u.service || !domain::has(u.roles, d.role_id) || services_.users.standing(u.id) != identity::Users::Standing::good) continue;
      ++all;
      if (!services_.factors.works(u.id, d.needs)) missing.push_back(u.name.view());
    }
    w.begin_object().member("role", d.role).member("needs", domain::name(d.needs)).member("by", d.by);
    w.member("users", all).member("covered", all - static_cast<std::int64_t>(missing.size())).key("missing").begin_array();
    for (const std::string_view name : missing) w.value(name);
    w.end_array().end_object();
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

}  // namespace vestibule::portal
