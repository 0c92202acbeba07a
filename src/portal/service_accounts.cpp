// Service accounts: made, offered, accepted, taken over, left and removed by the people who answer for them.

#include "identity/service_accounts.hpp"

#include <algorithm>

#include "portal/act.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

using identity::Part;
using identity::Service;
using identity::ServicePart;

Error unknown() { return fail(Reason::not_found, "you act for no service account of this name"); }

// What a person is to read, and what his factor is to be bound to.
void member_duty(json::Writer& w, std::string_view name, const Service& s, Part part, std::string_view person, std::string_view purpose) {
  const std::size_t space = purpose.find(' ');
  w.key(name).begin_object().member("part", identity::name(part)).member("text", identity::duty_text(s, part, person));
  w.member("operation", purpose.substr(0, space)).member("object", purpose.substr(space + 1)).end_object();
}

std::string_view state_of(identity::Users::Standing standing) {
  switch (standing) {
    case identity::Users::Standing::good: return "awake";
    case identity::Users::Standing::disabled: return "disabled";
    case identity::Users::Standing::asleep: return "asleep";
    case identity::Users::Standing::unknown: break;
  }
  return "gone";
}

void value_service(json::Writer& w, const Service& s, const domain::Subject& self, const identity::Users& users) {
  const ServicePart* const sponsor = s.sponsor();
  w.begin_object().member("id", s.id.text()).member("name", s.name).member("display", s.display).key("roles").begin_array();
  for (const std::string& r : s.roles) w.value(r);
  w.end_array();
  member_time(w, "created", s.created);
  w.member("state", state_of(s.standing)).key("sponsor");
  sponsor != nullptr ? w.value(sponsor->name) : w.null();
  w.key("people").begin_array();
  for (const ServicePart& p : s.parts) {
    w.begin_object().member("person", p.name).member("part", identity::name(p.part));
    member_time(w, "offered", p.offered);
    member_time(w, "accepted", p.accepted);
    w.end_object();
  }
  w.end_array();
  const std::string_view me = self.name.view();
  for (const Part part : {Part::sponsor, Part::deputy}) {
    const ServicePart* const mine = s.part_of(self.user, part);
    if (mine == nullptr || mine->accepted != WallTime{}) continue;
    member_duty(w, part == Part::sponsor ? "offered_sponsor" : "offered_deputy", s, part, me, identity::accept_purpose(s, part, me));
  }
  const ServicePart* const deputy = s.part_of(self.user, Part::deputy);
  const bool left = sponsor == nullptr || users.standing(sponsor->person) != identity::Users::Standing::good;
  if (deputy != nullptr && deputy->accepted != WallTime{} && left) {
    member_duty(w, "take_over", s, Part::sponsor, me, identity::take_over_purpose(s, me));
  }
  w.end_object();
}

// As confirm() of other acts: a proof that opens access points also answers for what opens them.
Result<void> counts(const domain::Proof& proof) {
  if (!proof.traits.possession) return fail(Reason::mfa_required, "this takes a second factor");
  if (!domain::KindSet::ordinary().has(proof.kind)) return fail(Reason::push_digits);
  return {};
}

// Looked at again within the job: reading and proving take time.
bool administers(const identity::Users& users, UserId person) {
  domain::Subject now;
  return users.fill(person, now) == identity::Users::Standing::good && role_fits(now, administrators);
}

bool acts_for(const Service& service, UserId person) noexcept {
  return std::ranges::any_of(service.parts, [&](const ServicePart& p) { return p.person == person && p.accepted != WallTime{}; });
}

session::Actor with(const session::Actor& by, const domain::Proof& proof) {
  session::Actor out = by;
  out.evidence.add(proof);
  return out;
}

}  // namespace

net::Task<Result<Service>> Portal::service_of(Call& call, std::string name) {
  if (services_.service_accounts == nullptr) co_return fail(Reason::not_found);
  Result<Service> found = co_await services_.service_accounts->look(std::move(name));
  if (!found && found.error().code != Reason::not_found) co_return std::move(found).error();
  if (!found || !acts_for(*found, call.caller.who.subject.user)) co_return unknown();
  co_return std::move(found);
}

net::Task<Result<Service>> Portal::any_service(Call& call) {
  if (services_.service_accounts == nullptr) co_return fail(Reason::not_found);
  std::string name(call.param);
  Result<Service> found = co_await services_.service_accounts->look(std::move(name));
  co_return found;
}

net::Task<Result<void>> Portal::act(Call& call, std::string purpose, session::Sessions::Act job) {
  Result<session::Answer> answer = answer_of(call, "code");
  if (!answer) co_return std::move(answer).error();
  session::Answer given = std::move(*answer);
  session::Actor by = call.actor();
  Result<void> done = co_await services_.sessions.act(call.caller.who, std::move(purpose), std::move(given), std::move(by), std::move(job));
  co_return done;
}

net::Task<Result<Reply>> Portal::list_services(Call& call) {
  if (services_.service_accounts == nullptr) co_return fail(Reason::not_found);
  UserId whose = call.caller.who.subject.user;
  if (call.query_text("all") == "true") {
    const Result<void> may = elevate(call);
    if (!may) co_return may.error();
    whose = {};
  }
  Result<std::vector<Service>> found = co_await services_.service_accounts->list(whose);
  if (!found) co_return std::move(found).error();
  json::Writer w = writer();
  w.begin_object().key("services").begin_array();
  for (const Service& s : *found) value_service(w, s, call.caller.who.subject, services_.users);
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::create_service(Call& call) {
  if (services_.service_accounts == nullptr) co_return fail(Reason::not_found);
  const domain::Subject& self = call.caller.who.subject;
  identity::ServiceAccounts::Create what;
  what.name = call.body.text("name");
  what.display = call.body.text("display");
  if (call.body.has("roles")) what.roles = call.body.list("roles");
  std::string sponsor(call.body.text("sponsor"));
  if (sponsor.empty()) sponsor = self.name.view();
  what.sponsor = self.user;
  const bool own = sponsor == self.name.view();
  const bool within = std::ranges::all_of(what.roles, [&](const std::string& r) { return domain::has(self.roles, domain::intern(r)); });
  if (!own || !within) {  // for another, or with roles that one lacks: an administrator's
    const Result<void> may = elevate(call);
    if (!may) co_return may.error();
  }
  if (!own) {
    const auto id = services_.users.find(sponsor);
    if (!id) co_return fail(Reason::user_unknown, "sponsor: no such user");
    what.sponsor = *id;
  }
  UserId made;
  session::Sessions::Act job = [this, &call, &made, what](store::Tx& tx, const session::Actor& by, const factors::Given& given, Instant) -> Result<void> {
    auto enough = counts(given.proof);
    if (!enough) return enough;
    if (call.of_others && !administers(services_.users, by.user)) return fail(Reason::role_required);
    auto id = services_.service_accounts->create_in(tx, what, with(by, given.proof));
    if (!id) return std::move(id).error();
    made = *id;
    return {};
  };
  std::string purpose = identity::ServiceAccounts::create_purpose(what, sponsor);
  Result<void> done = co_await act(call, std::move(purpose), std::move(job));
  if (!done) co_return std::move(done).error();
  json::Writer w = writer();
  w.begin_object().member("id", made.text()).member("name", what.name).end_object();
  co_return Reply{201, w.take(), false};
}

net::Task<Result<Reply>> Portal::offer_deputy(Call& call) {
  std::string name(call.param);
  Result<Service> service = co_await service_of(call, std::move(name));
  if (!service) co_return std::move(service).error();
  const std::string person(call.body.text("person"));
  const auto id = services_.users.find(person);
  if (!id) co_return fail(Reason::user_unknown, "person: no such user");
  session::Sessions::Act job = [this, about = service->id, person = *id](store::Tx& tx, const session::Actor& by, const factors::Given& given, Instant) -> Result<void> {
    auto enough = counts(given.proof);
    if (!enough) return enough;
    return services_.service_accounts->offer_in(tx, about, person, Part::deputy, with(by, given.proof));
  };
  std::string purpose = "services.offer " + service->name + " " + person;
  Result<void> done = co_await act(call, std::move(purpose), std::move(job));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::name_sponsor(Call& call) {
  Result<Service> service = co_await any_service(call);
  if (!service) co_return std::move(service).error();
  const std::string person(call.body.text("person"));
  const auto id = services_.users.find(person);
  if (!id) co_return fail(Reason::user_unknown, "person: no such user");
  auto job = [this, about = service->id, person = *id](store::Tx& tx, const session::Actor& by) {
    return services_.service_accounts->offer_in(tx, about, person, Part::sponsor, by);
  };
  Result<void> done = co_await prove_and(call, "services.name_sponsor " + service->name + " " + person, std::move(job));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::accept_service(Call& call) {
  Result<Service> service = co_await any_service(call);
  if (!service) co_return std::move(service).error();
  const auto part = identity::part_from(call.body.text("part"));
  if (!part) co_return fail(Reason::invalid_argument, "part: sponsor or deputy");
  const domain::Subject& self = call.caller.who.subject;
  const ServicePart* const offer = service->part_of(self.user, *part);
  if (offer == nullptr || offer->accepted != WallTime{}) co_return unknown();
  std::string purpose = identity::accept_purpose(*service, *part, self.name.view());
  session::Sessions::Act job = [this, about = service->id, part = *part, purpose](store::Tx& tx, const session::Actor& by, const factors::Given& given, Instant) -> Result<void> {
    auto enough = counts(given.proof);
    if (!enough) return enough;
    return services_.service_accounts->accept_in(tx, about, part, purpose, with(by, given.proof));
  };
  Result<void> done = co_await act(call, std::move(purpose), std::move(job));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::take_over_service(Call& call) {
  std::string name(call.param);
  Result<Service> service = co_await service_of(call, std::move(name));
  if (!service) co_return std::move(service).error();
  std::string purpose = identity::take_over_purpose(*service, call.caller.who.subject.name.view());
  session::Sessions::Act job = [this, about = service->id, purpose](store::Tx& tx, const session::Actor& by, const factors::Given& given, Instant) -> Result<void> {
    auto enough = counts(given.proof);
    if (!enough) return enough;
    return services_.service_accounts->take_over_in(tx, about, purpose, with(by, given.proof));
  };
  Result<void> done = co_await act(call, std::move(purpose), std::move(job));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::dismiss_from_service(Call& call) {
  Result<Service> service = co_await any_service(call);
  if (!service) co_return std::move(service).error();
  const UserId self = call.caller.who.subject.user;
  const auto person = services_.users.find(call.body.text("person"));
  const ServicePart* const sponsor = service->sponsor();
  const bool mine = sponsor != nullptr && sponsor->person == self;
  if (!mine && (!person || *person != self)) {
    const Result<void> may = elevate(call);
    if (!may) co_return may.error().code == Reason::role_required ? unknown() : may.error();
  }
  if (!person) co_return fail(Reason::user_unknown, "person: no such user");
  Result<void> done = co_await services_.service_accounts->dismiss(service->id, *person, call.actor());
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::remove_service(Call& call) {
  Result<Service> service = co_await any_service(call);
  if (!service) co_return std::move(service).error();
  const UserId self = call.caller.who.subject.user;
  const ServicePart* const sponsor = service->sponsor();
  if (sponsor == nullptr || sponsor->person != self) {
    const Result<void> may = elevate(call);
    if (!may) co_return may.error().code == Reason::role_required ? unknown() : may.error();
  }
  const bool elevated = call.of_others;
  session::Sessions::Act job = [this, self, elevated, about = service->id](store::Tx& tx, const session::Actor& by, const factors::Given& given, Instant) -> Result<void> {
    auto enough = counts(given.proof);
    if (!enough) return enough;
    auto now = services_.service_accounts->look_in(tx, about);
    if (!now) return std::move(now).error();
    const ServicePart* const answers = now->sponsor();
    if (elevated && !administers(services_.users, self)) return fail(Reason::role_required);
    if (!elevated && (answers == nullptr || answers->person != self)) return unknown();
    return services_.users.remove_in(tx, about, with(by, given.proof));
  };
  Result<void> done = co_await act(call, "services.remove " + service->name, std::move(job));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

}  // namespace vestibule::portal
