// Mandates: the draft whose text is shown, signing it, the list, revoking one.

#include "approval/mandates.hpp"

#include "portal/call.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

Result<WallTime> time_of(const Call& call, std::string_view name) {
  const auto time = parse_time(call.body.text(name));
  if (!time) return fail(Reason::invalid_argument, std::string(name) + ": a time such as 2026-11-26T22:00:00Z");
  return *time;
}

void members(json::Writer& w, const approval::MandateForm& f) {
  w.member("name", f.name).member("credential", f.credential_name);
  const auto list = [&](std::string_view name, const std::vector<std::string>& entries) {
    w.key(name).begin_array();
    for (const std::string& e : entries) w.value(e);
    w.end_array();
  };
  list("access_points", f.scope.access_points);
  list("operations", f.scope.operations);
  list("models", f.scope.models);
  list("networks", f.scope.networks);
  w.member("calls", f.calls);
  // Nothing: not limited.
  w.key("tokens");
  f.tokens > 0 ? w.value(f.tokens) : w.null();
  w.key("max_body");
  f.max_body > 0 ? w.value(f.max_body) : w.null();
  member_time(w, "starts", f.starts);
  member_time(w, "ends", f.ends);
}

}  // namespace

net::Task<Result<approval::MandateTerms>> Portal::mandate_of(Call& call) {
  if (services_.mandates == nullptr) co_return fail(Reason::not_found);
  approval::MandateForm f;
  f.name = call.body.text("name");
  const std::string key(call.body.text("key"));
  const UserId self = call.caller.who.subject.user;
  std::string of;
  if (call.body.has("service")) {
    std::string name(call.body.text("service"));
    Result<identity::Service> service = co_await service_of(call, std::move(name));
    if (!service) co_return std::move(service).error();
    const identity::ServicePart* const sponsor = service->sponsor();
    if (sponsor == nullptr || sponsor->person != self) co_return fail(Reason::not_found, "service: its sponsor signs for it");
    f.service = service->id;
    of = "service " + service->name + ", ";
  }
  Result<std::vector<session::KeyInfo>> keys = co_await services_.sessions.keys(f.service.is_nil() ? self : f.service);
  if (!keys) co_return std::move(keys).error();
  for (const session::KeyInfo& k : *keys) {
    if (k.name != key && k.id.text() != key) continue;
    f.credential = k.handle;
    f.credential_name = of + "key " + k.name;
  }
  if (f.credential_name.empty()) co_return fail(Reason::not_found, "key: there is no key of this name");
  f.scope.access_points = call.body.list("access_points");
  f.scope.operations = call.body.list("operations");
  f.scope.models = call.body.list("models");
  f.scope.networks = call.body.list("networks");
  f.calls = call.body.integer("calls").value_or(0);
  const auto limit = [&](std::string_view name) -> Result<std::int64_t> {
    const auto given = call.body.integer(name);
    if (given && *given < 1) return fail(Reason::invalid_argument, std::string(name) + ": at least 1, or leave it out");
    return given.value_or(0);
  };
  const Result<std::int64_t> tokens = limit("tokens");
  if (!tokens) co_return tokens.error();
  f.tokens = *tokens;
  const Result<std::int64_t> body = limit("max_body");
  if (!body) co_return body.error();
  f.max_body = *body;
  const Result<WallTime> starts = time_of(call, "starts");
  if (!starts) co_return starts.error();
  f.starts = *starts;
  const Result<WallTime> ends = time_of(call, "ends");
  if (!ends) co_return ends.error();
  f.ends = *ends;
  co_return approval::MandateTerms::check(std::move(f), services_.clock.wall());
}

net::Task<Result<Reply>> Portal::draft_mandate(Call& call) {
  Result<approval::MandateTerms> terms = co_await mandate_of(call);
  if (!terms) co_return std::move(terms).error();
  const std::string_view owner = call.caller.who.subject.name.view();
  const std::string purpose = terms->purpose(owner);
  const std::size_t space = purpose.find(' ');
  json::Writer w = writer();
  w.begin_object().member("text", terms->text(owner));
  // For the question that an authenticator is asked: the act is bound to the text.
  w.member("operation", std::string_view(purpose).substr(0, space)).member("object", std::string_view(purpose).substr(space + 1));
  w.end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::sign_mandate(Call& call) {
  Result<approval::MandateTerms> terms = co_await mandate_of(call);
  if (!terms) co_return std::move(terms).error();
  Result<session::Answer> answer = answer_of(call, "code");
  if (!answer) co_return std::move(answer).error();
  approval::MandateId id;
  auto act = [this, &id, t = *terms](store::Tx& tx, const session::Actor& by, const factors::Given& given, Instant now) -> Result<void> {
    // As it is now, and not when the text was drafted.
    const UserId of = t.form().service.is_nil() ? by.user : t.form().service;
    const Result<bool> there = session::is_key_of_in(tx, t.form().credential, of);
    if (!there) return there.error();
    if (!*there) return fail(Reason::not_found, "key: it is gone");
    Result<approval::MandateId> made = services_.mandates->sign_in(tx, t, by, given.proof, now);
    if (!made) return std::move(made).error();
    id = *made;
    return {};
  };
  std::string purpose = terms->purpose(call.caller.who.subject.name.view());
  Result<void> done = co_await services_.sessions.act(call.caller.who, std::move(purpose), std::move(*answer), call.actor(), std::move(act));
  if (!done) co_return std::move(done).error();
  json::Writer w = writer();
  w.begin_object().member("id", id.text()).end_object();
  co_return Reply{201, w.take(), false};
}

net::Task<Result<Reply>> Portal::list_mandates(Call& call) {
  if (services_.mandates == nullptr) co_return fail(Reason::not_found);
  UserId whose = call.caller.who.subject.user;
  if (call.query_text("all") == "true") {
    const Result<void> may = elevate(call);
    if (!may) co_return may.error();
    whose = {};
  }
  Result<std::vector<approval::MandateInfo>> list = co_await services_.mandates->list(whose);
  if (!list) co_return std::move(list).error();
  const WallTime now = services_.clock.wall();
  json::Writer w = writer();
  w.begin_object().key("mandates").begin_array();
  for (const approval::MandateInfo& m : *list) {
    w.begin_object().member("id", m.id.text());
    std::string owner;
    services_.users.read(m.owner, [&](const identity::User& u) { owner = u.name.view(); });
    w.member("owner", owner);
    members(w, m.form);
    w.member("calls_left", m.calls_left);
    w.key("tokens_left");
    m.form.tokens > 0 ? w.value(std::max<std::int64_t>(0, m.tokens_left)) : w.null();
    member_time(w, "signed", m.made);
    w.key("signed_with").begin_array();
    for (const domain::Proof& p : m.evidence) w.value(domain::name(p.kind));
    w.end_array();
    w.member("state", m.revoked ? "revoked" : m.form.ends <= now ? "over" : m.form.starts > now ? "waits" : m.calls_left < 1 ? "used up" : "open");
    w.end_object();
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::revoke_mandate(Call& call) {
  const auto id = approval::MandateId::parse(call.param);
  if (!id || services_.mandates == nullptr) co_return fail(Reason::not_found, "no such mandate");
  Result<void> done = co_await services_.mandates->revoke(*id, call.caller.who.subject.user, call.actor());
  if (!done && done.error().code == Reason::not_found) {
    // Somebody else's: administrators may, since it only takes away.
    const Result<void> may = elevate(call);
    if (!may) co_return may.error().code == Reason::role_required ? std::move(done).error() : may.error();
    done = co_await services_.mandates->revoke(*id, UserId{}, call.actor());
  }
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

}  // namespace vestibule::portal
